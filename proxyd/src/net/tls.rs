//! A connection that speaks TLS over a socket, from either end.
//!
//! rustls is driven directly: ciphertext is read in blocks of the thread's own, so that a connection that is idle holds
//! none. Nothing is promised to a writer that has not left: a write is done once its ciphertext is in the socket.
//!
//! How a stream ends (RFC 8446 6.1): `close_notify` is its end. A connection that ends without one is broken, since
//! anybody on the way can make it so, and what read it until its end must not take it for whole. Messages that tell
//! their length do not get to read that end, so peers that leave it out are served as ever. (HAProxy and nginx take the
//! socket's end for the stream's.)

mod agreed;
pub mod failure;
mod state;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::io::{self, IoSlice, Write};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, Waker, ready};

use rustix::net::RecvFlags;
use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, Connection, HandshakeKind, ProtocolVersion, ServerConfig,
    ServerConnection,
};
use smallvec::SmallVec;

pub use self::agreed::Agreed;
use self::failure::Failure;
use self::state::State;
use super::stream::{Detached, Sign, Stream, send};

/// Plaintext that is encrypted in one go, and ciphertext that a slow peer makes us hold.
const BATCH: usize = 64 * 1024;
/// The longest record and its frame.
const RECORD: usize = 16 * 1024 + 256;

thread_local! {
    /// What sockets are read into.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Connections that live, of the whole process.
static OPEN: AtomicU32 = AtomicU32::new(0);

/// TLS connections now, with clients and with servers.
pub fn open_connections() -> u32 {
    OPEN.load(Relaxed)
}

/// A TLS connection.
pub struct Tls {
    /// Absent only on the way from one thread to another.
    socket: Option<Stream>,
    /// In a cell, since a session that only looks whether its peer is there does not own it, and still has to read.
    state: RefCell<State>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// A socket as rustls writes to it: what it takes at once.
struct Sink<'a>(BorrowedFd<'a>);

impl Write for Sink<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        send(self.0, &[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        send(self.0, bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tls {
    /// The server's end; the handshake is still to come.
    pub fn accept(socket: Stream, config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self::new(socket, ServerConnection::new(config)?.into()))
    }

    /// The client's end; the handshake is still to come.
    pub fn connect(
        socket: Stream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, rustls::Error> {
        Ok(Self::new(socket, ClientConnection::new(config, name)?.into()))
    }

    fn new(socket: Stream, connection: Connection) -> Self {
        OPEN.fetch_add(1, Relaxed);
        Self { socket: Some(socket), state: RefCell::new(State::new(connection)) }
    }

    pub(super) fn socket(&self) -> io::Result<&Stream> {
        self.socket.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Ready once both sides have agreed.
    pub fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            let state = self.state.get_mut();
            if let Some(fault) = &state.fault {
                let failure = if state.plain { Failure::NotTls } else { Failure::of(fault) };
                return Poll::Ready(Err(failure));
            }
            let agreed = !state.connection.is_handshaking();
            // The peer waits for the last words; but the tickets of a server may go with its first answer.
            let is_13 = state.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
            if !(agreed && is_13 && matches!(state.connection, Connection::Server(_))) {
                ready!(self.poll_flush(cx)).map_err(Failure::of_io)?;
            }
            if agreed {
                return Poll::Ready(Ok(()));
            }
            let state = self.state.get_mut();
            if state.ended || state.closed {
                return Poll::Ready(Err(if state.silent { Failure::Silent } else { Failure::Closed }));
            }
            ready!(self.poll_receive(cx, RECORD, &mut [])).map_err(Failure::of_io)?;
        }
    }

    /// Something came of the peer.
    pub fn has_heard(&self) -> bool {
        !self.state.borrow().silent
    }

    /// The facts, once the handshake is done.
    pub fn agreed(&self) -> Agreed {
        let resumed = self.is_resumed();
        let state = self.state.borrow();
        let connection = &state.connection;
        let name = match connection {
            Connection::Server(server) => server.server_name().map(Into::into),
            Connection::Client(_) => None,
        };
        Agreed {
            name,
            alpn: connection.alpn_protocol().map(Into::into),
            version: connection.protocol_version(),
            suite: connection.negotiated_cipher_suite().map(|suite| suite.suite()),
            resumed,
            certificates: connection.peer_certificates().unwrap_or_default().into(),
        }
    }

    /// The handshake resumed a session.
    pub fn is_resumed(&self) -> bool {
        self.state.borrow().connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// It speaks text.
    pub fn is_in_clear(&self) -> bool {
        self.state.borrow().plain
    }

    /// What was wrong with what came.
    pub fn fault(&self) -> Option<rustls::Error> {
        self.state.borrow().fault.clone()
    }

    /// The plain socket again, from a handshake that failed.
    pub fn into_socket(mut self) -> Option<Stream> {
        self.socket.take()
    }

    /// Reads the socket once; the bytes that fit are put into `buf`.
    fn poll_receive(&self, cx: &mut Context<'_>, most: usize, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let scratch = room(scratch, most);
            let n = ready!(self.socket()?.poll_recv(cx, scratch))?;
            Poll::Ready(Ok(self.received(&scratch[..n], most, buf)))
        })
    }

    /// The same without waiting, behind the driver's back.
    fn receive(&self) -> io::Result<()> {
        SCRATCH.with_borrow_mut(|scratch| {
            let scratch = room(scratch, RECORD);
            let (n, _) = rustix::net::recv(self.socket()?.socket()?, &mut *scratch, RecvFlags::DONTWAIT)?;
            self.received(&scratch[..n], RECORD, &mut []);
            Ok(())
        })
    }

    fn received(&self, input: &[u8], asked: usize, buf: &mut [u8]) -> usize {
        let mut state = self.state.borrow_mut();
        let filled = state.received(input, asked, buf);
        if state.fault.is_some() && !state.plain {
            // The alert; nobody else comes to send it. To what is no TLS it would say nothing.
            self.send_now(&mut state);
        }
        filled
    }

    /// Sends as much as the socket takes at once.
    fn send_now(&self, state: &mut State) {
        let Ok(fd) = self.socket().and_then(Stream::socket) else { return };
        while state.connection.wants_write() {
            if !matches!(state.connection.write_tls(&mut Sink(fd)), Ok(1..)) {
                return;
            }
        }
    }

    /// Ready once all ciphertext has left.
    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.borrow_mut();
        let socket = self.socket()?;
        while state.connection.wants_write() {
            let fd = socket.socket()?;
            let call = || state.connection.write_tls(&mut Sink(fd));
            if ready!(socket.poll_when_writable(cx, call))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        if std::mem::take(&mut state.closing) {
            socket.shutdown_write()?;
        }
        Poll::Ready(Ok(()))
    }

    /// Before something is waited for, what waits to be sent is: tickets, answers to key updates, the end.
    fn send_what_waits(&self, cx: &mut Context<'_>) {
        let state = self.state.borrow();
        if state.connection.wants_write() || state.closing {
            drop(state);
            // What is wrong with the socket shows at the next read.
            let _later = self.poll_flush(cx);
        }
    }

    pub(super) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut filled = self.state.borrow_mut().take_kept(buf);
        loop {
            let state = self.state.borrow();
            if filled == buf.len() || filled > 0 && !state.more {
                return Poll::Ready(Ok(filled));
            }
            if let Some(end) = state.end() {
                return Poll::Ready(if filled > 0 { Ok(filled) } else { end.map(|()| 0) });
            }
            drop(state);
            // What is left of the room is filled to the brim, so that a long transfer shows as one.
            let most = (buf.len() - filled).clamp(RECORD, BATCH);
            match self.poll_receive(cx, most, &mut buf[filled..]) {
                Poll::Ready(Ok(n)) => filled += n,
                _ if filled > 0 => return Poll::Ready(Ok(filled)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.send_what_waits(cx);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Ready once there are bytes of the peer's application, or none will come.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut state = self.state.borrow_mut();
            state.take_kept(&mut []);
            if state.held > 0 || state.end().is_some() {
                return Poll::Ready(Ok(()));
            }
            drop(state);
            match self.poll_receive(cx, RECORD, &mut []) {
                Poll::Ready(result) => _ = result?,
                Poll::Pending => {
                    self.send_what_waits(cx);
                    return Poll::Pending;
                }
            }
        }
    }

    pub(super) fn poll_sign(&self, cx: &mut Context<'_>) -> Poll<Sign> {
        if ready!(self.poll_readable(cx)).is_err() {
            return Poll::Ready(Sign::Reset);
        }
        let state = self.state.borrow();
        Poll::Ready(match state.end() {
            _ if state.held > 0 => Sign::Talks,
            // A socket that ended is no worse a sign here than an end that was told.
            _ if state.fault.is_none() => Sign::Closed,
            _ => Sign::Reset,
        })
    }

    /// Whether there is something to read now.
    pub(super) fn has_input(&self) -> bool {
        loop {
            let mut state = self.state.borrow_mut();
            state.take_kept(&mut []);
            if state.held > 0 {
                return true;
            }
            if state.end().is_some() {
                return false;
            }
            drop(state);
            if self.receive().is_err() {
                return false;
            }
        }
    }

    /// Nothing of the application came, and the peer is there; a ticket is neither.
    pub(super) fn is_idle_and_open(&self, ask_kernel: bool) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let result = self.poll_readable(&mut cx);
        result.is_pending() && !(ask_kernel && self.has_input()) && self.state.borrow().end().is_none()
    }

    /// Writes some of the bytes; their ciphertext has left when it is ready. One that was pending has to be asked again
    /// with the same bytes in front.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let total: usize = bufs.iter().map(|buf| buf.len()).sum();
        if total == 0 {
            return Poll::Ready(Ok(0));
        }
        if self.state.borrow().promised == 0 {
            if self.state.borrow().connection.wants_write() && self.poll_flush(cx).is_pending() {
                return Poll::Pending;
            }
            let mut state = self.state.borrow_mut();
            state.promised = if total <= BATCH {
                state.connection.writer().write_vectored(bufs)?
            } else {
                state.connection.writer().write_vectored(&front(bufs, BATCH))?
            };
        }
        ready!(self.poll_flush(cx))?;
        let promised = std::mem::take(&mut self.state.borrow_mut().promised);
        debug_assert!(promised <= total, "a write goes on with the same bytes");
        Poll::Ready(Ok(promised.min(total)))
    }

    /// Says that nothing more comes, and ends the socket's side.
    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        state.connection.send_close_notify();
        self.send_now(&mut state);
        if state.connection.wants_write() {
            // It follows when there is room.
            state.closing = true;
            return Ok(());
        }
        self.socket()?.shutdown_write()
    }

    /// Without an end that is told the peer cannot take what it got for the whole.
    pub(super) fn reset_on_close(&self) {
        self.state.borrow_mut().cut = true;
        if let Ok(socket) = self.socket() {
            socket.reset_on_close();
        }
    }

    pub(super) fn detach(mut self: Box<Self>) -> io::Result<Detached> {
        let socket = self.socket.take().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Detached::Tls(self, Box::new(socket.detach()?)))
    }

    pub(super) fn attach(mut self: Box<Self>, socket: Detached) -> io::Result<Stream> {
        self.socket = Some(socket.attach()?);
        Ok(Stream::Tls(self))
    }
}

impl Drop for Tls {
    /// A close tells the peer's application that it is one, unless it is to look broken.
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Relaxed);
        let Some(socket) = &self.socket else { return };
        let state = self.state.get_mut();
        if state.cut || state.fault.is_some() || state.connection.is_handshaking() {
            return;
        }
        state.connection.send_close_notify();
        if let Ok(fd) = socket.socket() {
            // What the socket does not take is lost with it, and the peer sees that.
            let _lost = state.connection.write_tls(&mut Sink(fd));
        }
    }
}

/// Room of the thread's own.
fn room(scratch: &mut Vec<u8>, size: usize) -> &mut [u8] {
    if scratch.len() < size {
        scratch.resize(size, 0);
    }
    &mut scratch[..size]
}

/// The first bytes of all.
fn front<'a>(bufs: &'a [IoSlice<'a>], mut most: usize) -> SmallVec<[IoSlice<'a>; 8]> {
    let mut front = SmallVec::new();
    for buf in bufs {
        let n = buf.len().min(most);
        front.push(IoSlice::new(&buf[..n]));
        most -= n;
        if most == 0 {
            break;
        }
    }
    front
}
