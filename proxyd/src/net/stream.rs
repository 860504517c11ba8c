//! A connection, whatever it runs over.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};
use tokio::task::coop;

use super::h2::H2;
use super::tls::Tls;

/// A connected stream socket, or what is as good.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<Tls>),
    H2(Box<H2>),
}

/// A connection that no driver knows, on its way from one thread to another.
#[derive(Debug)]
pub enum Detached {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
    /// With its socket.
    Tls(Box<Tls>, Box<Detached>),
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
            Self::Tls(tls, socket) => tls.attach(*socket)?,
        })
    }
}

impl Stream {
    pub fn detach(self) -> io::Result<Detached> {
        Ok(match self {
            Self::Tcp(s) => Detached::Tcp(s.into_std()?),
            Self::Unix(s) => Detached::Unix(s.into_std()?),
            Self::Tls(s) => s.detach()?,
            Self::H2(_) => return Err(io::ErrorKind::Unsupported.into()),
        })
    }

    /// Ready once the peer has ended its side, whatever it sent before.
    pub async fn ended(&self) {
        // Woken by the end of the stream, and not by what there is to read in front of it.
        let ended = match self {
            Self::Tcp(s) => s.ready(Interest::PRIORITY).await,
            Self::Unix(s) => s.ready(Interest::PRIORITY).await,
            Self::Tls(s) => {
                // An end that is told stands behind what was sent; in front of that only the socket's shows.
                if poll_fn(|cx| s.poll_sign(cx)).await == Sign::Talks
                    && let Ok(socket) = s.socket()
                {
                    Box::pin(socket.ended()).await;
                }
                return;
            }
            Self::H2(s) => {
                let _gone = poll_fn(|cx| s.poll_sign(cx)).await;
                return;
            }
        };
        // An error of the driver ends the connection as well, at the next read.
        drop(ended);
    }

    /// Whether a peer that has ended its side has gone altogether: what it sent before may still be there.
    pub fn is_gone(&self) -> bool {
        // What has no socket ends no other way.
        let Ok(socket) = self.socket() else { return true };
        let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::empty())];
        let known = rustix::event::poll(&mut fds, Some(&Timespec::default())).is_ok();
        known && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
    }

    /// Reads what is there, at most the length of `buf`; 0 is the end of the stream.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => self.poll_recv(cx, buf),
            Self::Tls(s) => s.poll_read(cx, buf),
            Self::H2(s) => s.poll_read(cx, buf),
        }
    }

    /// Ready once there is something to read, without a buffer to read it into.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tls(s) => s.poll_readable(cx),
            Self::H2(s) => s.poll_readable(cx),
            _ => self.poll_socket_readable(cx),
        }
    }

    /// Ready once the kernel has something.
    fn poll_socket_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(s) => s.poll_read_ready(cx),
            Self::Unix(s) => s.poll_read_ready(cx),
            Self::Tls(_) | Self::H2(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// What could be read now, which stays there to be read; 0 is the end of the stream.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_when_readable(cx, || {
            let (n, _) = rustix::net::recv(self.socket()?, &mut *buf, RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
            Ok(n)
        })
    }

    /// A system call on the socket, made as soon as there is something to read.
    pub(super) fn poll_when_readable(
        &self,
        cx: &mut Context<'_>,
        call: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.poll_call(cx, Interest::READABLE, 0, call)
    }

    /// The same for writing.
    pub(super) fn poll_when_writable(
        &self,
        cx: &mut Context<'_>,
        call: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.poll_call(cx, Interest::WRITABLE, 0, call)
    }

    /// Reads once, without owning it.
    pub(super) fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let socket = self.socket()?;
        self.poll_call(cx, Interest::READABLE, buf.len(), || {
            let (n, _) = rustix::net::recv(socket, &mut *buf, RecvFlags::DONTWAIT)?;
            Ok(n)
        })
    }

    /// Writes once.
    fn poll_send(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let socket = self.socket()?;
        let most = bufs.iter().map(|buf| buf.len()).sum();
        self.poll_call(cx, Interest::WRITABLE, most, || send(socket, bufs))
    }

    /// A system call: at once where the driver knows nothing that speaks against it, and whenever it says that something
    /// has changed. One that does less than `most` has left nothing to do until then.
    ///
    /// The driver's own reads and writes do the same in more steps.
    fn poll_call(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        most: usize,
        mut call: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        // A task that never has to wait gives way to the others all the same.
        let turn = ready!(coop::poll_proceed(cx));
        loop {
            let mut done = None;
            let call = || {
                let n = call()?;
                done = Some(n);
                // So the driver forgets that it was ready.
                if n > 0 && n < most { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            };
            let result = match self {
                Self::Tcp(s) => s.try_io(interest, call),
                Self::Unix(s) => s.try_io(interest, call),
                Self::Tls(_) | Self::H2(_) => Err(io::ErrorKind::Unsupported.into()),
            };
            match (done, result) {
                (Some(n), _) => {
                    turn.made_progress();
                    return Poll::Ready(Ok(n));
                }
                (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(error));
                }
                _ => {}
            }
            ready!(match self {
                Self::Tcp(s) if interest.is_writable() => s.poll_write_ready(cx),
                Self::Unix(s) if interest.is_writable() => s.poll_write_ready(cx),
                _ => self.poll_socket_readable(cx),
            })?;
        }
    }

    /// Reads what was peeked at.
    pub fn take_peeked(&self, buf: &mut [u8]) -> io::Result<usize> {
        let (n, _) = rustix::net::recv(self.socket()?, buf, RecvFlags::DONTWAIT)?;
        Ok(n)
    }

    /// Writes as much as the kernel takes at once.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = ready!(match self {
            Self::Tcp(_) | Self::Unix(_) => self.poll_send(cx, bufs),
            Self::Tls(s) => s.poll_write(cx, bufs),
            Self::H2(s) => s.poll_write(cx, bufs),
        })?;
        if written == 0 && bufs.iter().any(|b| !b.is_empty()) {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        Poll::Ready(Ok(written))
    }

    /// The address the peer came to; only TCP has one.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(s) => s.local_addr().ok(),
            Self::Tls(s) => s.socket().ok()?.local_addr(),
            Self::Unix(_) | Self::H2(_) => None,
        }
    }

    /// Tells the peer that nothing more will come.
    pub fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(s) => SockRef::from(s).shutdown(Shutdown::Write),
            Self::Unix(s) => SockRef::from(s).shutdown(Shutdown::Write),
            Self::Tls(s) => s.shutdown_write(),
            Self::H2(s) => s.finish(&[]),
        }
    }

    /// Makes the close that follows a reset, so that the peer cannot take a cut transfer for a whole one.
    pub fn reset_on_close(&self) {
        match self {
            // Without it the close is an ordinary one, which is what a Unix socket has too.
            Self::Tcp(s) => _ = SockRef::from(s).set_linger(Some(std::time::Duration::ZERO)),
            Self::Unix(_) => {}
            Self::Tls(s) => s.reset_on_close(),
            Self::H2(s) => s.reset(),
        }
    }

    /// Whether there is something to read now.
    pub fn has_input(&self) -> bool {
        match self {
            Self::Tls(s) => s.has_input(),
            Self::H2(s) => s.has_input(),
            _ => matches!(self.peek(), Ok(n) if n > 0),
        }
    }

    /// Ready once something comes from a peer of which nothing is expected. What it sends stays where it is.
    pub fn poll_sign(&self, cx: &mut Context<'_>) -> Poll<Sign> {
        match self {
            Self::Tls(s) => return s.poll_sign(cx),
            Self::H2(s) => return s.poll_sign(cx),
            Self::Tcp(_) | Self::Unix(_) => {}
        }
        loop {
            if ready!(self.poll_socket_readable(cx)).is_err() {
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
            Self::Tls(_) | Self::H2(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn peek(&self) -> io::Result<usize> {
        let mut byte = [0_u8; 1];
        let (n, _) = rustix::net::recv(self.socket()?, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
        Ok(n)
    }

    /// Whether an idle connection can carry another request: nothing to read, and not closed.
    ///
    /// What the driver saw already costs no system call; `ask_kernel` adds one, to see also what arrived since.
    pub fn is_idle_and_open(&self, ask_kernel: bool) -> bool {
        let mut is_asked = false;
        let peek = || {
            is_asked = true;
            self.peek()
        };
        let mut peeked = match self {
            Self::Tcp(s) => s.try_io(Interest::READABLE, peek),
            Self::Unix(s) => s.try_io(Interest::READABLE, peek),
            Self::Tls(s) => return s.is_idle_and_open(ask_kernel),
            Self::H2(_) => return false,
        };
        if ask_kernel && !is_asked {
            peeked = self.peek();
        }
        matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// The socket, where this is one.
    pub fn socket(&self) -> io::Result<BorrowedFd<'_>> {
        match self {
            Self::Tcp(s) => Ok(s.as_fd()),
            Self::Unix(s) => Ok(s.as_fd()),
            Self::Tls(s) => s.socket()?.socket(),
            Self::H2(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Bytes pass through the kernel as they are.
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Tcp(_) | Self::Unix(_))
    }

    /// The peer has said all there is to a request, where its end is more than the end of a connection.
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::H2(s) if s.has_ended())
    }

    /// HTTP/2 was agreed on in the handshake.
    pub fn agreed_on_h2(&self) -> bool {
        matches!(self, Self::Tls(s) if s.agreed().is_h2())
    }

    pub fn is_h2(&self) -> bool {
        matches!(self, Self::H2(_))
    }

    /// A stream that a handshake was made for.
    pub fn as_tls(&self) -> Option<&Tls> {
        if let Self::Tls(s) = self { Some(s) } else { None }
    }

    /// A stream whose heads are more than bytes.
    pub fn as_h2(&mut self) -> Option<&mut H2> {
        if let Self::H2(s) = self { Some(s) } else { None }
    }
}

/// Writes what a socket takes at once.
pub(super) fn send(socket: BorrowedFd<'_>, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    Ok(match bufs {
        // No vector is needed for one.
        [one] => rustix::net::send(socket, one, flags)?,
        _ => rustix::net::sendmsg(socket, bufs, &mut SendAncillaryBuffer::default(), flags)?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;

    fn pair() -> (Stream, Stream) {
        let (a, b) = UnixStream::pair().unwrap();
        (Stream::Unix(a), Stream::Unix(b))
    }

    async fn read(from: &mut Stream, buf: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| from.poll_read(cx, buf)).await
    }

    async fn write(to: &mut Stream, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| to.poll_write(cx, &[IoSlice::new(bytes)])).await
    }

    #[tokio::test]
    async fn what_follows_a_short_read_is_waited_for() {
        let (mut near, mut far) = pair();
        let mut buf = [0; 8];
        for _ in 0..3 {
            let later = async {
                tokio::task::yield_now().await;
                write(&mut far, b"abc").await
            };
            let (got, sent) = tokio::join!(read(&mut near, &mut buf), later);
            assert_eq!((got.unwrap(), sent.unwrap()), (3, 3));
            assert!(poll_fn(|cx| Poll::Ready(near.poll_read(cx, &mut buf).is_pending())).await);
        }
        write(&mut far, b"end").await.unwrap();
        drop(far);
        assert_eq!(read(&mut near, &mut buf[..2]).await.unwrap(), 2);
        assert_eq!(read(&mut near, &mut buf).await.unwrap(), 1);
        for _ in 0..2 {
            assert_eq!(read(&mut near, &mut buf).await.unwrap(), 0, "the end stays");
        }
    }

    #[tokio::test]
    async fn a_full_socket_is_written_to_again_once_there_is_room() {
        let (mut near, mut far) = pair();
        let much = vec![7; 1 << 20];
        let slices = [IoSlice::new(&much), IoSlice::new(&much)];
        let mut sent = 0;
        while let Poll::Ready(n) = poll_fn(|cx| Poll::Ready(near.poll_write(cx, &slices))).await {
            sent += n.unwrap();
        }
        assert!(sent > 0);
        let drain = async {
            let (mut left, mut buf) = (sent, vec![0; 1 << 16]);
            while left > 0 {
                left -= read(&mut far, &mut buf).await.unwrap();
            }
        };
        let (more, ()) = tokio::join!(write(&mut near, b"more"), drain);
        assert_eq!(more.unwrap(), 4);
    }

    #[tokio::test]
    async fn a_task_gives_way_however_much_there_is_to_read() {
        let (mut near, mut far) = pair();
        write(&mut far, &[1; 2000]).await.unwrap();
        let mut byte = [0];
        assert_eq!(read(&mut near, &mut byte).await.unwrap(), 1);
        let at_once = poll_fn(|cx| {
            let mut reads = 0;
            while near.poll_read(cx, &mut byte).is_ready() {
                reads += 1;
            }
            Poll::Ready(reads)
        });
        let reads = at_once.await;
        assert!((1..1000).contains(&reads), "{reads} reads");
        assert_eq!(read(&mut near, &mut [0; 2000]).await.unwrap(), 1999 - reads, "it has its turn again");
    }

    #[tokio::test]
    async fn a_reset_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut near = Stream::Tcp(listener.accept().await.unwrap().0);
        SockRef::from(&far).set_linger(Some(Duration::ZERO)).unwrap();
        drop(far);
        let error = read(&mut near, &mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(!near.is_idle_and_open(false) && write(&mut near, b"x").await.is_err());
    }
}
