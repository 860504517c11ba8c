//! Listening sockets: one per worker for an IP address, one for all for a Unix address.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use proto::addr::Address;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections the kernel holds for one socket before they are accepted.
const BACKLOG: i32 = 4096;

/// One address as bound.
#[derive(Debug)]
pub enum Bound {
    /// A socket per worker; the kernel spreads connections over them.
    Tcp { address: SocketAddr, shards: Vec<TcpListener> },
    /// One socket; its connections are handed out.
    Unix { listener: UnixListener, file: SocketFile },
}

impl Bound {
    /// The real address: the kernel's port where 0 was asked for.
    pub fn address(&self) -> Address {
        match self {
            Self::Tcp { address, .. } => Address::Ip(*address),
            Self::Unix { file, .. } => Address::Unix(file.path.clone()),
        }
    }
}

/// Why an address could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("cannot bind {address}: {source}")]
    Io { address: Address, source: io::Error },
    #[error("cannot bind {address}: another process listens there")]
    InUse { address: Address },
    #[error("cannot bind {address}: the file is there and is not a socket")]
    NotASocket { address: Address },
}

impl BindError {
    /// What was to be bound.
    pub fn address(&self) -> &Address {
        match self {
            Self::Io { address, .. } | Self::InUse { address } | Self::NotASocket { address } => address,
        }
    }
}

/// Binds an address for `workers` workers, all or nothing.
pub fn bind(address: &Address, workers: usize) -> Result<Bound, BindError> {
    let fail = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address: address.clone() },
        _ => BindError::Io { address: address.clone(), source },
    };
    match address {
        Address::Ip(ip) => {
            let ip = *ip;
            // With SO_REUSEPORT a second process of the same user would bind without an error and take half the
            // traffic, so the address is tried once without it.
            let probe = tcp(ip, false).map_err(fail)?;
            let real = probe.local_addr().map_err(fail)?.as_socket().unwrap_or(ip);
            drop(probe);
            let mut shards = Vec::with_capacity(workers);
            for _ in 0..workers {
                let shard = tcp(real, true).map_err(fail)?;
                shard.listen(BACKLOG).map_err(fail)?;
                shards.push(shard.into());
            }
            Ok(Bound::Tcp { address: real, shards })
        }
        Address::Unix(path) => {
            let (listener, file) = unix(path, None)?;
            Ok(Bound::Unix { listener, file })
        }
    }
}

/// `[::]:80` takes IPv4 too; where the machine has no IPv6 it is IPv4 alone.
fn tcp(address: SocketAddr, reuse_port: bool) -> io::Result<Socket> {
    let any = address.ip() == IpAddr::from([0_u16; 8]);
    match tcp_socket(address, reuse_port, any) {
        Err(error) if any && error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) => {
            tcp_socket(SocketAddr::from(([0, 0, 0, 0], address.port())), reuse_port, false)
        }
        result => result,
    }
}

fn tcp_socket(address: SocketAddr, reuse_port: bool, both: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!both)?;
    }
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    if !reuse_port {
        // Only listening tells whether somebody else listens already.
        socket.listen(1)?;
    }
    // Accepted sockets inherit it.
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

/// Pauses a listener: its address stays bound, new connections are refused.
pub fn pause(socket: &socket2::SockRef<'_>) -> io::Result<()> {
    socket.shutdown(std::net::Shutdown::Read)
}

/// Ends a pause.
pub fn resume(socket: &socket2::SockRef<'_>) -> io::Result<()> {
    socket.listen(BACKLOG)
}

/// A socket's file, removed when dropped if it is still the one that was made.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    made: Identity,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.made) {
            // It is gone or it stays; nobody can be told at this point.
            let _gone = fs::remove_file(&self.path);
        }
    }
}

/// Device, inode and time of the last change: an inode's number alone may be used again.
type Identity = (u64, u64, i64, i64);

fn identity(path: &Path) -> io::Result<Identity> {
    let meta = fs::symlink_metadata(path)?;
    Ok((meta.dev(), meta.ino(), meta.ctime(), meta.ctime_nsec()))
}

/// Binds a Unix socket: a stale file is replaced, one that somebody answers on is an error.
///
/// Nobody can connect before the permissions hold: the socket is made under another name and then takes its place.
pub fn unix(path: &Path, mode: Option<u32>) -> Result<(UnixListener, SocketFile), BindError> {
    let address = || Address::Unix(path.to_owned());
    let fail = |source| BindError::Io { address: address(), source };
    match fs::symlink_metadata(path) {
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(BindError::NotASocket { address: address() });
        }
        Ok(_) => match UnixStream::connect(path) {
            Err(error)
                if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {}
            // Also when its backlog is full or it may not be connected to: somebody is there.
            Ok(_) | Err(_) => return Err(BindError::InUse { address: address() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(fail(error)),
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let _left_over = fs::remove_file(&temporary);
    let listener = UnixListener::bind(&temporary).map_err(fail)?;
    let placed = mode
        .map_or(Ok(()), |mode| fs::set_permissions(&temporary, fs::Permissions::from_mode(mode)))
        .and_then(|()| listener.set_nonblocking(true))
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| identity(path));
    match placed {
        Ok(made) => Ok((listener, SocketFile { path: path.to_owned(), made })),
        Err(error) => {
            let _gone = fs::remove_file(&temporary);
            Err(fail(error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_an_error_and_all_shards_share_one() {
        let any = Address::Ip(SocketAddr::from(([127, 0, 0, 1], 0)));
        let bound = bind(&any, 3).unwrap();
        let Bound::Tcp { address, shards } = &bound else { panic!("an IP address") };
        assert_ne!(address.port(), 0);
        assert!(shards.iter().all(|s| s.local_addr().unwrap() == *address));
        assert!(matches!(bind(&bound.address(), 1), Err(BindError::InUse { .. })));
    }

    #[test]
    fn socket_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        let (listener, file) = unix(&path, Some(0o660)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(matches!(unix(&path, None), Err(BindError::InUse { .. })));
        drop(listener);
        // Nobody answers any more: stale.
        let (listener, replaced) = unix(&path, Some(0o660)).unwrap();
        drop(file);
        assert!(path.exists(), "the first owner must not remove the second one's file");
        drop((listener, replaced));
        assert!(!path.exists());
        fs::write(&path, "text").unwrap();
        assert!(matches!(unix(&path, None), Err(BindError::NotASocket { .. })));
    }
}
