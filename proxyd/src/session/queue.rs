//! Waiting for room on a server: until there is some, the client leaves, or it takes too long.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use super::termination::{Cause, Phase, Termination};
use super::view::BackendView;
use super::worker::Worker;
use crate::clock::Instant;
use crate::model::queue::{Held, Refused, Wants};
use crate::net::stream::Stream;
use crate::net::timer::Timer;

/// Why there is no server for a try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoServer {
    /// None is up, or all were tried.
    Nobody,
    /// As many wait as may.
    QueueFull,
    /// It waited for as long as it may.
    QueueTimeout,
    /// The client left while it waited.
    ClientGone,
}

impl NoServer {
    /// How the session ended; `None` where it ended as its last try did.
    pub const fn termination(self) -> Option<Termination> {
        let cause = match self {
            Self::Nobody => return None,
            Self::QueueFull => Cause::Server,
            Self::QueueTimeout => Cause::ServerTimeout,
            Self::ClientGone => Cause::Client,
        };
        Some(Termination::new(cause, Phase::Queue))
    }
}

/// Who waits, and how it can be told that there is no more use in it.
#[derive(Debug)]
pub struct Line<'a> {
    pub client: &'a Stream,
    pub timer: &'a mut Timer,
    pub leaves: Leaves,
}

/// What of a client that waits says that it has left, beside a reset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Leaves {
    /// Nothing: it may have ended its side and go on reading.
    ByReset,
    /// It has ended its side, whatever there is left to read of it.
    AtItsEnd,
    /// It has ended its side, and there is nothing left to pass on.
    WithNothingLeft,
}

impl Line<'_> {
    /// Waits for room on a server and takes it; the server's index, and how many stood in front.
    pub async fn wait(
        &mut self,
        worker: &Worker,
        backend: &BackendView,
        wants: Wants,
        now: Instant,
    ) -> Result<(u32, u32), NoServer> {
        let Self { client, timer, leaves } = self;
        let model = &backend.backend;
        let mut waiting =
            model.live.queue.join(model, wants, worker.shared.maxima()).map_err(|refused| match refused {
                Refused::Full => NoServer::QueueFull,
                Refused::Nobody => NoServer::Nobody,
            })?;
        let mut ended = pin!(client.ended());
        let mut listening = true;
        let waited = timer.within(now + model.timeouts.queue, |cx| {
            if let Poll::Ready(held) = waiting.poll(cx) {
                let index = held.map(Held::keep).ok_or(NoServer::Nobody);
                return Poll::Ready(index.map(|index| (index, waiting.ahead)));
            }
            if listening && ended.as_mut().poll(cx).is_ready() {
                let left = match leaves {
                    Leaves::ByReset => false,
                    Leaves::AtItsEnd => true,
                    Leaves::WithNothingLeft => !client.has_input(),
                };
                if left || client.is_gone() {
                    return Poll::Ready(Err(NoServer::ClientGone));
                }
                listening = false;
            }
            Poll::Pending
        });
        waited.await.unwrap_or(Err(NoServer::QueueTimeout))
    }
}
