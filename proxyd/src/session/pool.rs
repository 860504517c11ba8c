//! Idle connections to one server, of one worker.
//!
//! The one used last is used first, so that the others age and go. A connection is put here only when its last
//! answer was read to the end, and taken only if it is still open with nothing to read.

use std::time::Duration;

use smallvec::SmallVec;

use crate::clock::Instant;
use crate::net::stream::Stream;

/// How long a connection may be idle: less than the five seconds at which common servers close theirs.
pub const IDLE: Duration = Duration::from_secs(4);

#[derive(Debug)]
struct Idle {
    stream: Stream,
    since: Instant,
    /// How often the server had moved when it was connected.
    moves: u32,
}

/// The idle connections.
#[derive(Debug, Default)]
pub struct Pool {
    /// One needs no memory of its own: of thousands of servers most have no more.
    idle: SmallVec<[Idle; 1]>,
    /// Most requests at once since the last time it was pruned: more connections than that serve nobody.
    most: usize,
}

impl Pool {
    pub fn len(&self) -> usize {
        self.idle.len()
    }

    pub fn is_empty(&self) -> bool {
        self.idle.is_empty()
    }

    /// So many requests are on their way to the server.
    pub fn used(&mut self, now: u64) {
        self.most = self.most.max(now as usize);
    }

    /// Keeps a connection, if it may be needed again.
    pub fn put(&mut self, stream: Stream, moves: u32, now: Instant) {
        if self.idle.len() >= self.most {
            return;
        }
        self.idle.push(Idle { stream, since: now, moves });
    }

    /// A connection that can carry a request to where the server is after so many moves; `surely` asks the kernel
    /// too, for requests that must not be lost.
    pub fn take(&mut self, moves: u32, surely: bool) -> Option<Stream> {
        while let Some(idle) = self.idle.pop() {
            if idle.moves == moves && idle.stream.is_idle_and_open(surely) {
                return Some(idle.stream);
            }
        }
        None
    }

    /// The connection that was idle longest, for a worker that has none.
    pub fn take_oldest(&mut self, moves: u32) -> Option<Stream> {
        while !self.idle.is_empty() {
            let idle = self.idle.remove(0);
            if idle.moves == moves && idle.stream.is_idle_and_open(true) {
                return Some(idle.stream);
            }
        }
        None
    }

    /// Drops what was idle too long, was closed by the server, or leads to where the server no longer is.
    pub fn prune(&mut self, now: Instant, moves: u32, in_use: u64) {
        self.idle.retain(|idle| {
            now.saturating_duration_since(idle.since) < IDLE
                && idle.moves == moves
                && idle.stream.is_idle_and_open(false)
        });
        self.most = self.idle.len().max(in_use as usize);
    }

    pub fn clear(&mut self) {
        self.idle.clear();
    }
}
