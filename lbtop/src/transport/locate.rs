//! Which socket to speak to.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Where proxyd puts its socket when it is installed.
const SYSTEM: &str = "/run/proxyd/admin.sock";
/// Where it puts it when it is tried out.
const LOCAL: &str = "./proxyd.sock";

/// No socket was named, and none is where they usually are.
#[derive(Debug, thiserror::Error)]
#[error("no socket: none given with -s or $PROXYD_SOCKET, none at {SYSTEM}, none of yours at {LOCAL}")]
pub struct NoSocket;

/// The named one, else the system's, else the one here if it belongs to whom we are. What was named is taken as it is:
/// a daemon that is down now is waited for, not replaced by another.
pub fn socket(named: Option<PathBuf>) -> Result<PathBuf, NoSocket> {
    find(named, Path::new(SYSTEM), Path::new(LOCAL), rustix::process::geteuid().as_raw())
}

fn find(named: Option<PathBuf>, system: &Path, local: &Path, uid: u32) -> Result<PathBuf, NoSocket> {
    if let Some(path) = named {
        return Ok(path);
    }
    if owner(system).is_some() {
        return Ok(system.into());
    }
    if owner(local) == Some(uid) {
        return Ok(local.into());
    }
    Err(NoSocket)
}

/// Who owns the socket, if it is one.
fn owner(path: &Path) -> Option<u32> {
    let meta = path.metadata().ok()?;
    meta.file_type().is_socket().then(|| meta.uid())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn order_and_owner() {
        let dir = tempfile::tempdir().unwrap();
        let (system, local) = (dir.path().join("system"), dir.path().join("local"));
        let me = rustix::process::geteuid().as_raw();
        let found = |named: Option<&str>, uid| find(named.map(PathBuf::from), &system, &local, uid).ok();
        assert_eq!(found(None, me), None);
        assert_eq!(found(Some("/nowhere"), me), Some("/nowhere".into()));
        std::fs::write(&local, "no socket").unwrap();
        assert_eq!(found(None, me), None);
        std::fs::remove_file(&local).unwrap();
        let _local = UnixListener::bind(&local).unwrap();
        assert_eq!(found(None, me), Some(local.clone()));
        assert_eq!(found(None, me + 1), None, "another's socket in this folder is a trap");
        let _system = UnixListener::bind(&system).unwrap();
        assert_eq!(found(None, me), Some(system.clone()));
    }
}
