//! One connection: TCP, Unix, or TLS over one.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use socket2::SockRef;

use crate::tls::Session;

/// Where something listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => write!(f, "{addr}"),
            Self::Unix(path) => write!(f, "unix@{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(addr: SocketAddr) -> Self {
        Self::Tcp(addr)
    }
}

impl From<&Self> for Address {
    fn from(address: &Self) -> Self {
        address.clone()
    }
}

/// One end of a connection.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<Session>),
}

impl Stream {
    /// Connects, with `limit` for that and for every read and write that follows.
    pub fn connect(to: &Address, limit: Duration) -> io::Result<Self> {
        let stream = match to {
            Address::Tcp(addr) => Self::Tcp(TcpStream::connect_timeout(addr, limit)?),
            Address::Unix(path) => Self::Unix(UnixStream::connect(path)?),
        };
        stream.limit(Some(limit))?;
        if let Self::Tcp(tcp) = &stream {
            tcp.set_nodelay(true)?;
        }
        Ok(stream)
    }

    /// Bounds every read and write.
    pub fn limit(&self, limit: Option<Duration>) -> io::Result<()> {
        let socket = self.socket();
        socket.set_read_timeout(limit)?;
        socket.set_write_timeout(limit)
    }

    /// A second handle on the same connection, which a TLS session does not have.
    pub fn again(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(it) => Self::Tcp(it.try_clone()?),
            Self::Unix(it) => Self::Unix(it.try_clone()?),
            Self::Tls(_) => return Err(io::ErrorKind::Unsupported.into()),
        })
    }

    /// Ends one or both directions, below TLS.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket().shutdown(how)
    }

    /// Sends no more, and says so in TLS.
    pub fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(it) => it.end(Shutdown::Write),
            _ => self.shutdown(Shutdown::Write),
        }
    }

    /// Closes with a RST where the transport knows one.
    pub fn reset(&self) {
        self.socket().set_linger(Some(Duration::ZERO)).ok();
    }

    /// Sets the kernel's buffers; small ones make backpressure felt early.
    pub fn buffers(&self, size: usize) {
        self.socket().set_recv_buffer_size(size).expect("a receive buffer size");
        self.socket().set_send_buffer_size(size).expect("a send buffer size");
    }

    fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(it) => SockRef::from(it),
            Self::Unix(it) => SockRef::from(it),
            Self::Tls(it) => it.below().socket(),
        }
    }
}

impl Read for Stream {
    /// Whoever was stopped and goes on waits again.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Self::Tcp(it) => it.read(buf),
                Self::Unix(it) => it.read(buf),
                Self::Tls(it) => it.read(buf),
            };
            if !read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {
                return read;
            }
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(it) => it.write(buf),
            Self::Unix(it) => it.write(buf),
            Self::Tls(it) => it.write(buf),
        }
    }

    /// In one segment, where that holds it.
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(it) => it.write_vectored(bufs),
            Self::Unix(it) => it.write_vectored(bufs),
            Self::Tls(it) => it.write_vectored(bufs),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
