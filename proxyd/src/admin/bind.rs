//! Binding a socket: a stale file is replaced, one that somebody answers on is not, and what we made we remove.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use proto::level::Level;

/// A socket that listens.
#[derive(Debug)]
pub struct Socket {
    pub listener: UnixListener,
    pub path: PathBuf,
    pub level: Level,
    /// Removes the file when the process ends.
    pub file: SocketFile,
}

/// Why a socket cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("{path}: another process answers on this socket")]
    InUse { path: PathBuf },
    #[error("{path}: there is a file that is no socket")]
    NotASocket { path: PathBuf },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// Binds `path` with permissions `mode`. Nobody can connect before the permissions hold: the socket is made under
/// another name and then takes its place.
pub fn bind(path: &Path, mode: u32, level: Level) -> Result<Socket, BindError> {
    let failed = |source| BindError::Io { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // Also when its backlog is full or it may not be connected to: somebody is there.
            Ok(_) | Err(_) => return Err(BindError::InUse { path: path.to_owned() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let _left_over = fs::remove_file(&temporary);
    let listener = UnixListener::bind(&temporary).map_err(failed)?;
    let placed = fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))
        .and_then(|()| listener.set_nonblocking(true))
        .and_then(|()| fs::symlink_metadata(&temporary))
        .and_then(|made| fs::rename(&temporary, path).map(|()| made));
    match placed {
        Ok(made) => Ok(Socket {
            listener,
            path: path.to_owned(),
            level,
            file: SocketFile { path: path.to_owned(), device: made.dev(), inode: made.ino() },
        }),
        Err(error) => {
            let _gone = fs::remove_file(&temporary);
            Err(failed(error))
        }
    }
}

/// The file of a socket; removed when dropped, if it is still ours.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|f| f.dev() == self.device && f.ino() == self.inode) {
            let _gone = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(path: &Path) -> Result<Socket, BindError> {
        bind(path, 0o600, Level::Admin)
    }

    #[test]
    fn permissions_hold_and_the_file_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        let socket = bind(&path, 0o660, Level::User).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        UnixStream::connect(&path).unwrap();
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_file_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let first = bound(&path).unwrap();
        assert!(matches!(bound(&path), Err(BindError::InUse { .. })));
        assert!(path.exists());
        drop(first);
    }

    #[test]
    fn what_is_not_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        let first = bound(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = bound(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        fs::write(&path, "text").unwrap();
        assert!(matches!(bound(&path), Err(BindError::NotASocket { .. })));
        assert!(matches!(bound(&dir.path().join("no/such.sock")), Err(BindError::Io { .. })));
    }
}
