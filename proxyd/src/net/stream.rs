//! A connection, whatever it runs over. TLS will be one more variant.

use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use rustix::net::RecvFlags;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connected stream socket.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection that no driver knows, on its way from one thread to another.
#[derive(Debug)]
pub enum Detached {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// What a peer did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sign {
    /// It has gone.
    Reset,
    /// It sends no more; it may still read.
    Closed,
    /// It sent something.
    Talks,
}

impl Detached {
    pub fn attach(self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(s) => Stream::Tcp(TcpStream::from_std(s)?),
            Self::Unix(s) => Stream::Unix(UnixStream::from_std(s)?),
        })
    }
}

impl Stream {
    pub fn detach(self) -> io::Result<Detached> {
        Ok(match self {
            Self::Tcp(s) => Detached::Tcp(s.into_std()?),
            Self::Unix(s) => Detached::Unix(s.into_std()?),
        })
    }

    /// Ready once the peer has ended its side, whatever it sent before.
    pub async fn ended(&self) {
        // Woken by the end of the stream, and not by what there is to read in front of it.
        let ended = match self {
            Self::Tcp(s) => s.ready(Interest::PRIORITY).await,
            Self::Unix(s) => s.ready(Interest::PRIORITY).await,
        };
        // An error of the driver ends the connection as well, at the next read.
        drop(ended);
    }

    /// Reads what is there, at most the length of `buf`; 0 is the end of the stream.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut read = ReadBuf::new(buf);
        ready!(match self {
            Self::Tcp(s) => Pin::new(s).poll_read(cx, &mut read),
            Self::Unix(s) => Pin::new(s).poll_read(cx, &mut read),
        })?;
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Ready once there is something to read, without a buffer to read it into.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(s) => s.poll_read_ready(cx),
            Self::Unix(s) => s.poll_read_ready(cx),
        }
    }

    /// What could be read now, which stays there to be read; 0 is the end of the stream.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_when_readable(cx, || {
            let (n, _) = rustix::net::recv(self.as_fd(), &mut *buf, RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
            Ok(n)
        })
    }

    /// A system call on the socket, made when there is something to read and again when there was not.
    pub(super) fn poll_when_readable<T>(
        &self,
        cx: &mut Context<'_>,
        mut call: impl FnMut() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            ready!(self.poll_readable(cx))?;
            let result = match self {
                Self::Tcp(s) => s.try_io(Interest::READABLE, &mut call),
                Self::Unix(s) => s.try_io(Interest::READABLE, &mut call),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// The same for writing.
    pub(super) fn poll_when_writable<T>(
        &self,
        cx: &mut Context<'_>,
        mut call: impl FnMut() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            let result = match self {
                Self::Tcp(s) => {
                    ready!(s.poll_write_ready(cx))?;
                    s.try_io(Interest::WRITABLE, &mut call)
                }
                Self::Unix(s) => {
                    ready!(s.poll_write_ready(cx))?;
                    s.try_io(Interest::WRITABLE, &mut call)
                }
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Reads what was peeked at.
    pub fn take_peeked(&self, buf: &mut [u8]) -> io::Result<usize> {
        let (n, _) = rustix::net::recv(self.as_fd(), buf, RecvFlags::DONTWAIT)?;
        Ok(n)
    }

    /// Writes as much as the kernel takes at once.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = match (self, bufs) {
            // One slice needs no vector, and send(2) is cheaper than writev(2).
            (Self::Tcp(s), [one]) => ready!(Pin::new(s).poll_write(cx, one))?,
            (Self::Tcp(s), _) => ready!(Pin::new(s).poll_write_vectored(cx, bufs))?,
            (Self::Unix(s), _) => ready!(Pin::new(s).poll_write_vectored(cx, bufs))?,
        };
        if written == 0 && bufs.iter().any(|b| !b.is_empty()) {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        Poll::Ready(Ok(written))
    }

    /// The address the peer came to; a Unix socket has none.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(s) => s.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// Tells the peer that nothing more will come.
    pub fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(s) => SockRef::from(s).shutdown(Shutdown::Write),
            Self::Unix(s) => SockRef::from(s).shutdown(Shutdown::Write),
        }
    }

    /// Makes the close that follows a reset, so that the peer cannot take a cut transfer for a whole one.
    pub fn reset_on_close(&self) {
        if let Self::Tcp(s) = self {
            // Without it the close is an ordinary one, which is what a Unix socket has too.
            let _best_effort = SockRef::from(s).set_linger(Some(std::time::Duration::ZERO));
        }
    }

    /// Whether the kernel holds something to read now.
    pub fn has_input(&self) -> bool {
        matches!(self.peek(), Ok(n) if n > 0)
    }

    /// Ready once something comes from a peer of which nothing is expected. What it sends stays where it is.
    pub fn poll_sign(&self, cx: &mut Context<'_>) -> Poll<Sign> {
        loop {
            if ready!(self.poll_readable(cx)).is_err() {
                return Poll::Ready(Sign::Reset);
            }
            match self.peek_known() {
                Ok(0) => return Poll::Ready(Sign::Closed),
                Ok(_) => return Poll::Ready(Sign::Talks),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Poll::Ready(Sign::Reset),
            }
        }
    }

    /// Through the driver, so that an event that turns out to be stale is forgotten.
    fn peek_known(&self) -> io::Result<usize> {
        match self {
            Self::Tcp(s) => s.try_io(Interest::READABLE, || self.peek()),
            Self::Unix(s) => s.try_io(Interest::READABLE, || self.peek()),
        }
    }

    fn peek(&self) -> io::Result<usize> {
        let mut byte = [0_u8; 1];
        let (n, _) = rustix::net::recv(self.as_fd(), &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
        Ok(n)
    }

    /// Whether an idle connection can carry another request: nothing to read, and not closed.
    ///
    /// What the driver saw already costs no system call; `ask_kernel` adds one, to see also what arrived since.
    pub fn is_idle_and_open(&self, ask_kernel: bool) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let event = self.poll_readable(&mut cx);
        let peeked = match event {
            Poll::Ready(Err(_)) => return false,
            Poll::Pending if !ask_kernel => return true,
            Poll::Pending => self.peek(),
            Poll::Ready(Ok(())) => self.peek_known(),
        };
        matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(s) => s.as_fd(),
            Self::Unix(s) => s.as_fd(),
        }
    }
}
