//! Listening sockets: one per worker for an IP address, one for all for a Unix address.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use proto::addr::Address;
use socket2::{Domain, Protocol, Socket, Type};

use super::option::{self, tcp_options, transparent};
use crate::config::BindOptions;

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
    #[error("cannot bind {address}: {error}")]
    Io { address: Address, error: io::Error },
    #[error("cannot bind {address}: another process listens there")]
    InUse { address: Address },
    #[error("cannot bind {address}: the file is there and is not a socket")]
    NotASocket { address: Address },
    #[error("cannot bind {address}: `{option}` is not possible: {error}")]
    Option { address: Address, option: &'static str, error: io::Error },
}

impl BindError {
    /// What was to be bound.
    pub fn address(&self) -> &Address {
        match self {
            Self::Io { address, .. }
            | Self::InUse { address }
            | Self::NotASocket { address }
            | Self::Option { address, .. } => address,
        }
    }
}

/// Why one socket could not be made.
enum Failed {
    Io(io::Error),
    Option(&'static str, io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Failed {
    fn of(self, address: &Address) -> BindError {
        let address = address.clone();
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::AddrInUse => BindError::InUse { address },
            Self::Io(error) => BindError::Io { address, error },
            Self::Option(option, error) => BindError::Option { address, option, error },
        }
    }
}

/// Binds an address for `workers` workers, all or nothing.
pub fn bind(address: &Address, options: &BindOptions, workers: usize) -> Result<Bound, BindError> {
    match address {
        Address::Ip(ip) => shards(*ip, options, workers).map_err(|failed| failed.of(address)),
        Address::Unix(path) => {
            let (listener, file) = unix(path, options.mode)?;
            let listening = rustix::net::listen(&listener, backlog(options));
            listening.map_err(|error| Failed::Io(error.into()).of(address))?;
            Ok(Bound::Unix { listener, file })
        }
    }
}

fn shards(ip: SocketAddr, options: &BindOptions, workers: usize) -> Result<Bound, Failed> {
    // With SO_REUSEPORT a second process of the same user would bind without an error and take half the
    // traffic, so the address is tried once without it.
    let probe = tcp(ip, options, Port::Alone)?;
    let real = probe.local_addr()?.as_socket().unwrap_or(ip);
    drop(probe);
    let mut shards = Vec::with_capacity(workers);
    for _ in 0..workers {
        let shard = tcp(real, options, Port::Shared)?;
        shard.listen(backlog(options))?;
        shards.push(shard.into());
    }
    Ok(Bound::Tcp { address: real, shards })
}

fn backlog(options: &BindOptions) -> i32 {
    options.backlog.map_or(BACKLOG, |backlog| i32::try_from(backlog).unwrap_or(i32::MAX))
}

/// Whether other sockets may have the same port.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Port {
    Alone,
    Shared,
}

/// `[::]:80` takes IPv4 too; where the machine has no IPv6 it is IPv4 alone.
fn tcp(address: SocketAddr, options: &BindOptions, port: Port) -> Result<Socket, Failed> {
    let any = address.ip() == IpAddr::from([0_u16; 8]) && !options.v6only;
    match tcp_socket(address, options, port) {
        Err(Failed::Io(error))
            if any && error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) =>
        {
            tcp_socket(SocketAddr::from(([0, 0, 0, 0], address.port())), options, port)
        }
        result => result,
    }
}

fn tcp_socket(address: SocketAddr, options: &BindOptions, port: Port) -> Result<Socket, Failed> {
    let option = |name| move |error| Failed::Option(name, error);
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        let both = address.ip().is_unspecified() && !options.v6only;
        socket.set_only_v6(!both)?;
    }
    if port == Port::Shared {
        socket.set_reuse_port(true)?;
    }
    if options.transparent {
        transparent(&socket, address.ip()).map_err(option("transparent"))?;
    }
    if let Some(interface) = &options.interface {
        socket.bind_device(Some(interface.as_bytes())).map_err(option("interface"))?;
    }
    socket.bind(&address.into())?;
    if port == Port::Alone {
        // Only listening tells whether somebody else listens already.
        socket.listen(1)?;
    }
    // Accepted sockets inherit these.
    socket.set_tcp_nodelay(true)?;
    tcp_options(&socket, options.tcp).map_err(|(name, error)| Failed::Option(name, error))?;
    if options.defer_accept {
        option::defer_accept(&socket).map_err(option("defer_accept"))?;
    }
    if options.fast_open {
        option::accept_fast_open(&socket).map_err(option("fast_open"))?;
    }
    Ok(socket)
}

/// Pauses a listener: its address stays bound, new connections are refused.
pub fn pause(socket: &socket2::SockRef<'_>) -> io::Result<()> {
    socket.shutdown(std::net::Shutdown::Read)
}

/// Ends a pause.
pub fn resume(socket: &socket2::SockRef<'_>, options: &BindOptions) -> io::Result<()> {
    socket.listen(backlog(options))
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
    let fail = |error| BindError::Io { address: address(), error };
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
    use std::time::Duration;

    use socket2::SockRef;

    use super::*;
    use crate::config::{Keepalive, TcpOptions};

    #[test]
    fn a_taken_port_is_an_error_and_all_shards_share_one() {
        let any = Address::Ip(SocketAddr::from(([127, 0, 0, 1], 0)));
        let bound = bind(&any, &BindOptions::default(), 3).unwrap();
        let Bound::Tcp { address, shards } = &bound else { panic!("an IP address") };
        assert_ne!(address.port(), 0);
        assert!(shards.iter().all(|s| s.local_addr().unwrap() == *address));
        assert!(matches!(bind(&bound.address(), &BindOptions::default(), 1), Err(BindError::InUse { .. })));
    }

    #[test]
    fn options_reach_the_kernel() {
        let options = BindOptions {
            defer_accept: true,
            fast_open: true,
            interface: Some("lo".into()),
            v6only: true,
            tcp: TcpOptions {
                keepalive: Some(Keepalive {
                    idle: Some(Duration::from_secs(7)),
                    interval: None,
                    count: Some(4),
                }),
                user_timeout: Some(Duration::from_millis(2500)),
            },
            ..BindOptions::default()
        };
        let bound = bind(&"[::]:0".parse().unwrap(), &options, 1).unwrap();
        let Bound::Tcp { shards, .. } = &bound else { panic!("an IP address") };
        let socket = SockRef::from(&shards[0]);
        assert!(socket.only_v6().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(7));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 4);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_millis(2500)));
        assert_eq!(socket.device().unwrap().unwrap(), b"lo");
        assert!(option::tests::get(&shards[0], libc::IPPROTO_TCP, libc::TCP_FASTOPEN) > 0);
        assert!(option::tests::get(&shards[0], libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT) >= 60);
        let plain = bind(&"[::]:0".parse().unwrap(), &BindOptions::default(), 1).unwrap();
        let Bound::Tcp { shards, .. } = &plain else { panic!("an IP address") };
        let socket = SockRef::from(&shards[0]);
        assert!(!socket.only_v6().unwrap() && !socket.keepalive().unwrap());
    }

    #[test]
    fn an_option_that_is_not_possible_is_named() {
        let options = BindOptions { interface: Some("no-such-if".into()), ..BindOptions::default() };
        let error = bind(&"127.0.0.1:0".parse().unwrap(), &options, 1).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot bind 127.0.0.1:0: `interface` is not possible: "),
            "{error}"
        );
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
