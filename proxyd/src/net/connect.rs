//! A connection to a server. The caller bounds its time.

use std::io;

use proto::addr::Address;
use tokio::net::{TcpStream, UnixStream};

use super::stream::Stream;

/// Connects; small writes are not delayed.
pub async fn connect(address: &Address) -> io::Result<Stream> {
    Ok(match address {
        Address::Ip(ip) => {
            let stream = TcpStream::connect(*ip).await?;
            stream.set_nodelay(true)?;
            Stream::Tcp(stream)
        }
        Address::Unix(path) => Stream::Unix(UnixStream::connect(path).await?),
    })
}

/// HAProxy tells a lack of our own resources from a server that refuses.
pub fn is_local_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::ADDRNOTAVAIL))
}
