//! What an HTTP/2 connection runs over: bytes that were read before it began, then the client's connection, of which the
//! one who serves it keeps hold.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::stream::Stream;

/// The client's connection as the engine reads and writes it.
#[derive(Debug)]
pub(super) struct Wire {
    /// Read before anything else.
    before: Vec<u8>,
    stream: Rc<RefCell<Stream>>,
}

impl Wire {
    pub(super) fn new(before: Vec<u8>, stream: Rc<RefCell<Stream>>) -> Self {
        Self { before, stream }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if !wire.before.is_empty() {
            let n = wire.before.len().min(buf.remaining());
            buf.put_slice(&wire.before[..n]);
            wire.before.drain(..n);
            return Poll::Ready(Ok(()));
        }
        let n = ready!(wire.stream.borrow_mut().poll_read(cx, buf.initialize_unfilled()))?;
        buf.advance(n);
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
        self.stream.borrow_mut().poll_write(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.borrow().shutdown_write())
    }
}
