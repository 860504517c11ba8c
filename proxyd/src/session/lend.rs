//! Idle server connections, lent from one worker to another.
//!
//! A worker looks into its own pool first, which costs nothing. Only where that is empty and another worker is seen to
//! have one does it ask: so a server sees hardly more connections than it has requests at once, however many workers.
//! A worker that would have to ask all the time, as with thousands of servers, makes connections of its own.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::view::ServerView;
use super::worker::Worker;
use crate::clock;
use crate::model::server::Server;
use crate::net::stream::{Detached, Stream};

/// How long an answer is waited for: a worker that takes longer is so busy that a new connection comes sooner.
const PATIENCE: Duration = Duration::from_millis(2);

/// How often a worker asks in a second before it makes its own: to ask takes both of them as long as half a request.
const OFTEN: u32 = 200;

/// How a worker asks another one: by its index, with what it wants.
pub type Ask = Box<dyn Fn(usize, Loan)>;

/// One worker's wish for an idle connection of another's.
#[derive(Debug)]
pub struct Loan {
    server: Arc<Server>,
    moves: u32,
    answer: oneshot::Sender<Detached>,
}

/// What a worker asks of others.
#[derive(Debug, Default)]
pub struct Asking {
    /// How often in this second.
    times: Cell<u32>,
    /// Idle connections of its own when it began.
    own: Cell<u64>,
}

impl Asking {
    /// A second begins, with so many idle connections of its own.
    pub fn begin_second(&self, own: u64) {
        self.times.set(0);
        self.own.set(own);
    }

    /// Whether it has asked so often that it makes this one itself, while it has fewer than `most`.
    fn is_enough(&self, most: u64) -> bool {
        self.times.set(self.times.get().saturating_add(1));
        self.times.get() > OFTEN && self.own.get() < most
    }
}

/// An idle connection of another worker's that can carry a request to where the server is after so many moves.
pub async fn borrow(worker: &Worker, view: &ServerView, moves: u32) -> Option<Stream> {
    let lender = view.server.stats.idle_elsewhere(worker.index)?;
    let process = &worker.shared.process;
    let share = process.descriptors / 2 / process.workers as u64;
    // A server with a limit may take no more connections than that.
    if view.server.maxconn() == 0 && worker.asking.is_enough(share) {
        return None;
    }
    let (answer, lent) = oneshot::channel();
    worker.ask(lender, Loan { server: Arc::clone(&view.server), moves, answer });
    let stream = tokio::time::timeout(PATIENCE, lent).await.ok()?.ok()?.attach().ok()?;
    // The driver has not seen it yet, so the kernel is asked.
    stream.is_idle_and_open(true).then_some(stream)
}

impl Worker {
    /// Gives another worker the connection it wants, if there is one: the one that was idle longest, since the others
    /// are more likely to be used here.
    pub fn lend(&self, loan: Loan) {
        let Loan { server, moves, answer } = loan;
        let Some(view) = self.view().server(&server) else {
            return;
        };
        let taken = view.pool.borrow_mut().take_oldest(moves);
        view.count_idle();
        let Some(Ok(detached)) = taken.map(Stream::detach) else {
            return;
        };
        // Nobody waits any more: it is still good for a request of our own.
        if let Err(unwanted) = answer.send(detached)
            && let Ok(stream) = unwanted.attach()
        {
            view.pool.borrow_mut().put(stream, moves, clock::now());
            view.count_idle();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_all_the_time_makes_its_own_while_it_has_few() {
        let asking = Asking::default();
        let asks = |own| {
            asking.begin_second(own);
            (0..300).filter(|_| !asking.is_enough(100)).count()
        };
        assert_eq!(asks(0), 200);
        assert_eq!(asks(99), 200);
        assert_eq!(asks(100), 300);
    }
}
