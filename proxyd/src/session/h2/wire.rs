//! What the engine of a connection reads and writes: bytes that were read before it began, then the client's connection,
//! under the eye of the guard.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::link::Link;
use crate::net::io::{self as net, Io, Watched};

/// A connection's end, as the engine holds it.
pub(super) type Wire = net::Wire<Guarded>;

/// A client's connection.
#[derive(Debug)]
pub(super) struct Guarded {
    /// Read before anything else.
    before: Vec<u8>,
    link: Rc<Link>,
}

impl Guarded {
    pub(super) fn new(before: Vec<u8>, link: Rc<Link>) -> Self {
        Self { before, link }
    }
}

impl Watched for Guarded {
    fn lend<T>(&mut self, act: impl FnOnce(Pin<&mut Io>) -> T) -> T {
        act(Pin::new(&mut *self.link.io.borrow_mut()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.link.rests(cx) {
            return Poll::Pending;
        }
        if self.before.is_empty() {
            return self.lend(|io| io.poll_read(cx, buf));
        }
        let n = self.before.len().min(buf.remaining());
        buf.put_slice(&self.before[..n]);
        self.before.drain(..n);
        if self.before.is_empty() {
            self.before = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    fn received(&mut self, bytes: &[u8]) {
        self.link.received(bytes);
    }

    fn sent(&mut self, bytes: &[u8]) {
        self.link.sent(bytes);
    }

    fn tried_to_send(&mut self, took: bool) {
        self.link.tried_to_send(took);
    }
}
