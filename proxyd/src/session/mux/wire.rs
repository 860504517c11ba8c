//! What the engine of a connection reads and writes, seen as it passes: who ended what of it, and why, is counted.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::parting::Parting;
use crate::model::server::Server;
use crate::net::io::Io;
use crate::net::stream::Stream;
use crate::session::h2::PREFACE;
use crate::session::h2::frames::{Frame, GOAWAY, RST_STREAM, Scanner};
use crate::session::view::ServerView;

/// The counters of a server, for one worker. They do not hold what leads to the connection itself.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    server: Arc<Server>,
    worker: usize,
}

impl Tally {
    pub(super) fn of(view: &ServerView) -> Self {
        Self { server: Arc::clone(&view.server), worker: view.worker }
    }

    pub(super) fn silence(&self) {
        self.server.partings.inc(self.worker, Parting::SILENCE);
    }
}

/// A connection to a server, as the engine holds it.
#[derive(Debug)]
pub(super) struct Wire {
    io: Io,
    tally: Tally,
    sent: Half,
    received: Half,
}

/// What one side says.
#[derive(Debug)]
struct Half {
    scanner: Scanner,
    /// With what code it ended the connection, if it did: it may say so again.
    goaway: Option<u32>,
    goaways: Parting,
    resets: Parting,
}

impl Half {
    fn new(scanner: Scanner, goaways: Parting, resets: Parting) -> Self {
        Self { scanner, goaway: None, goaways, resets }
    }

    fn pass(&mut self, bytes: &[u8], tally: &Tally) {
        let Self { scanner, goaway, goaways, resets } = self;
        scanner.scan(bytes, |Frame { kind, code, .. }| {
            let parting = match kind {
                GOAWAY if goaway.replace(code) != Some(code) => *goaways,
                RST_STREAM => *resets,
                _ => return,
            };
            tally.server.partings.inc(tally.worker, parting.place(code));
        });
    }
}

impl Wire {
    pub(super) fn new(stream: Stream, tally: Tally) -> Self {
        Self {
            io: Io(stream),
            tally,
            sent: Half::new(Scanner::behind(PREFACE.len()), Parting::Ended, Parting::Reset),
            received: Half::new(Scanner::default(), Parting::Left, Parting::Refused),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let held = buf.filled().len();
        ready!(Pin::new(&mut wire.io).poll_read(cx, buf))?;
        wire.received.pass(&buf.filled()[held..], &wire.tally);
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
        let wire = self.get_mut();
        let written = ready!(Pin::new(&mut wire.io).poll_write_vectored(cx, bufs))?;
        let mut left = written;
        for buf in bufs {
            let n = buf.len().min(left);
            left -= n;
            wire.sent.pass(&buf[..n], &wire.tally);
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
