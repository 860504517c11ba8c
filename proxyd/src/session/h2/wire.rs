//! What the engine of a connection reads and writes: bytes that were read before it began, then the client's connection,
//! under the eye of the guard.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::link::Link;

/// A connection's end, as the engine holds it.
#[derive(Debug)]
pub(super) struct Wire {
    /// Read before anything else.
    before: Vec<u8>,
    link: Rc<Link>,
}

impl Wire {
    pub(super) fn new(before: Vec<u8>, link: Rc<Link>) -> Self {
        Self { before, link }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if wire.link.rests(cx) {
            return Poll::Pending;
        }
        let held = buf.filled().len();
        if wire.before.is_empty() {
            ready!(Pin::new(&mut *wire.link.io.borrow_mut()).poll_read(cx, buf))?;
        } else {
            let n = wire.before.len().min(buf.remaining());
            buf.put_slice(&wire.before[..n]);
            wire.before.drain(..n);
            if wire.before.is_empty() {
                wire.before = Vec::new();
            }
        }
        wire.link.received(&buf.filled()[held..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.link.io.borrow_mut()).poll_write_vectored(cx, bufs);
        self.link.wrote(&written, bufs);
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.link.io.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.link.io.borrow_mut()).poll_shutdown(cx)
    }
}
