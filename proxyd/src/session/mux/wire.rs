//! What the engine of a connection reads and writes, seen as it passes: who ended what of it, and why, is counted.

use std::pin::Pin;
use std::sync::Arc;

use crate::http::parting::Parting;
use crate::model::server::Server;
use crate::net::io::{self as net, Io, Watched};
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
pub(super) type Wire = net::Wire<Counted>;

/// A connection to a server.
#[derive(Debug)]
pub(super) struct Counted {
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

impl Counted {
    pub(super) fn new(stream: Stream, tally: Tally) -> Self {
        Self {
            io: Io(stream),
            tally,
            sent: Half::new(Scanner::behind(PREFACE.len()), Parting::Ended, Parting::Reset),
            received: Half::new(Scanner::default(), Parting::Left, Parting::Refused),
        }
    }
}

impl Watched for Counted {
    fn lend<T>(&mut self, act: impl FnOnce(Pin<&mut Io>) -> T) -> T {
        act(Pin::new(&mut self.io))
    }

    fn received(&mut self, bytes: &[u8]) {
        self.received.pass(bytes, &self.tally);
    }

    fn sent(&mut self, bytes: &[u8]) {
        self.sent.pass(bytes, &self.tally);
    }
}
