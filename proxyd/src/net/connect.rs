//! A connection to a server. The caller bounds its time.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use proto::addr::Address;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use super::option;
use super::stream::Stream;
use crate::config::{SourceAddress, Uplink};

/// Ports of a range that one connection tries; a range that has as many taken in a row is as good as used up.
const MOST_PORTS: u32 = 64;

/// For whom a server is connected to.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// `None` for a Unix socket, and for checks.
    pub client: Option<IpAddr>,
    /// Connections of this server that took a port of its range.
    pub turn: &'a AtomicU32,
}

/// Connects; small writes are not delayed.
pub async fn connect(address: &Address, uplink: &Uplink, origin: Origin<'_>) -> io::Result<Stream> {
    match address {
        Address::Ip(ip) if *uplink == Uplink::default() => tcp(TcpStream::connect(*ip).await?),
        Address::Ip(ip) => tcp(from(*ip, uplink, origin).await?),
        Address::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
    }
}

fn tcp(stream: TcpStream) -> io::Result<Stream> {
    stream.set_nodelay(true)?;
    Ok(Stream::Tcp(stream))
}

async fn from(to: SocketAddr, uplink: &Uplink, origin: Origin<'_>) -> io::Result<TcpStream> {
    match uplink.source {
        Some(SourceAddress::Ports { ip, first, last }) => {
            let ports = u32::from(last - first) + 1;
            let mut tries = ports.min(MOST_PORTS);
            loop {
                // In turn, so that the port that was left first is used first.
                let port = first + (origin.turn.fetch_add(1, Relaxed) % ports) as u16;
                tries -= 1;
                match start(to, uplink, Some(SocketAddr::new(ip, port)))?.connect(to).await {
                    Err(error) if is_no_address(&error) && tries > 0 => {}
                    result => return result,
                }
            }
        }
        Some(SourceAddress::Ip(ip)) => start(to, uplink, Some(SocketAddr::new(ip, 0)))?.connect(to).await,
        Some(SourceAddress::Client) => {
            let client = origin.client.map(|ip| SocketAddr::new(ip.to_canonical(), 0));
            start(to, uplink, client.filter(|client| client.is_ipv4() == to.is_ipv4()))?.connect(to).await
        }
        None => start(to, uplink, None)?.connect(to).await,
    }
}

/// A socket that is ready to connect.
fn start(to: SocketAddr, uplink: &Uplink, source: Option<SocketAddr>) -> io::Result<TcpSocket> {
    let socket = prepare(to.ip(), uplink).map_err(|(_, error)| error)?;
    if let Some(source) = source {
        if source.port() == 0 {
            option::bind_without_port(&socket)?;
        } else {
            // A port may serve several servers at once; what is taken towards this one shows in connecting.
            socket.set_reuse_address(true)?;
        }
        socket.bind(&source.into())?;
    }
    Ok(TcpSocket::from_std_stream(socket.into()))
}

/// A socket with the options of a server; an error comes with the setting's name.
fn prepare(to: IpAddr, uplink: &Uplink) -> Result<Socket, (&'static str, io::Error)> {
    let domain = if to.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let made = Socket::new(domain, Type::STREAM, Some(Protocol::TCP));
    let socket = made.and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
    let socket = socket.map_err(|error| ("address", error))?;
    if uplink.source == Some(SourceAddress::Client) {
        option::transparent(&socket, to).map_err(|error| ("source: client", error))?;
    }
    if let Some(interface) = &uplink.interface {
        socket.bind_device(Some(interface.as_bytes())).map_err(|error| ("interface", error))?;
    }
    if uplink.fast_open {
        option::connect_fast_open(&socket).map_err(|error| ("fast_open", error))?;
    }
    option::tcp_options(&socket, uplink.tcp)?;
    Ok(socket)
}

/// Whether the options of a server are possible here; names the one that is not.
pub fn try_options(address: &Address, uplink: &Uplink) -> Result<(), (&'static str, io::Error)> {
    let Address::Ip(to) = address else { return Ok(()) };
    let source = match uplink.source {
        Some(SourceAddress::Ip(ip) | SourceAddress::Ports { ip, .. }) => ip.is_ipv4(),
        Some(SourceAddress::Client) | None => to.is_ipv4(),
    };
    if source != to.is_ipv4() {
        return Err(("source", io::Error::other(format!("it is of another family than {to}"))));
    }
    prepare(to.ip(), uplink).map(drop)
}

/// No address of ours, or no port of it, is free for a connection to this server.
pub fn is_no_address(error: &io::Error) -> bool {
    matches!(errno(error), Some(Errno::ADDRNOTAVAIL | Errno::ADDRINUSE))
}

/// HAProxy tells a lack of our own resources from a server that refuses.
pub fn is_local_shortage(error: &io::Error) -> bool {
    matches!(errno(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
        || is_no_address(error)
}

fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use socket2::SockRef;

    use super::*;
    use crate::config::{Keepalive, TcpOptions};

    fn uplink(source: SourceAddress) -> Uplink {
        Uplink { source: Some(source), ..Uplink::default() }
    }

    fn ports(ip: &str, first: u16, last: u16) -> Uplink {
        uplink(SourceAddress::Ports { ip: ip.parse().unwrap(), first, last })
    }

    async fn reach(to: &TcpListener, uplink: &Uplink, turn: &AtomicU32) -> io::Result<Stream> {
        let to = Address::Ip(to.local_addr().unwrap());
        connect(&to, uplink, Origin { client: Some([127, 0, 0, 9].into()), turn }).await
    }

    #[tokio::test]
    async fn options_reach_the_kernel() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uplink = Uplink {
            interface: Some("lo".into()),
            fast_open: true,
            tcp: TcpOptions {
                keepalive: Some(Keepalive { interval: Some(Duration::from_secs(3)), ..Keepalive::default() }),
                user_timeout: Some(Duration::from_secs(9)),
            },
            ..uplink(SourceAddress::Ip([127, 0, 0, 2].into()))
        };
        let stream = reach(&listener, &uplink, &AtomicU32::new(0)).await.unwrap();
        let fd = stream.socket().unwrap();
        let socket = SockRef::from(&fd);
        assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(3));
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(9)));
        assert_eq!(socket.device().unwrap().unwrap(), b"lo");
        assert_eq!(stream.local_addr().unwrap().ip(), IpAddr::from([127, 0, 0, 2]));
        let option = |level, name| option::tests::get(stream.socket().unwrap(), level, name);
        assert_eq!(option(libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT), 1);
        assert_eq!(option(libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT), 1);
    }

    #[tokio::test]
    async fn ports_of_a_range_are_used_in_turn_and_run_out() {
        let (one, two) =
            (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        // Whatever else this machine does, nobody else is at this address.
        let (uplink, turn) = (ports("127.77.3.9", 31000, 31001), AtomicU32::new(7));
        let first = reach(&one, &uplink, &turn).await.unwrap();
        let second = reach(&one, &uplink, &turn).await.unwrap();
        let mut used = [&first, &second].map(|stream| stream.local_addr().unwrap().port());
        used.sort_unstable();
        assert_eq!(used, [31000, 31001]);
        let error = reach(&one, &uplink, &turn).await.unwrap_err();
        assert!(is_no_address(&error) && is_local_shortage(&error), "{error}");
        // Towards another server the same ports are free.
        reach(&two, &uplink, &turn).await.unwrap();
    }

    #[tokio::test]
    async fn an_address_that_is_not_ours_is_a_shortage() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let error =
            reach(&listener, &uplink(SourceAddress::Ip([192, 0, 2, 1].into())), &AtomicU32::new(0)).await;
        assert!(is_no_address(&error.unwrap_err()));
    }

    #[test]
    fn an_option_that_is_not_possible_is_named() {
        let uplink = Uplink { interface: Some("no-such-if".into()), ..Uplink::default() };
        let (name, _) = try_options(&"127.0.0.1:1".parse().unwrap(), &uplink).unwrap_err();
        assert_eq!(name, "interface");
        let (name, _) = try_options(&"127.0.0.1:1".parse().unwrap(), &ports("::1", 1, 2)).unwrap_err();
        assert_eq!(name, "source");
    }
}
