//! Idle server connections, lent from one worker to another.
//!
//! A worker looks into its own pool first, which costs nothing. Only where that is empty and another worker is seen to
//! have one does it ask: so a server sees as many connections as it has requests at once, however many workers.

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

/// How a worker asks another one: by its index, with what it wants.
pub type Ask = Box<dyn Fn(usize, Loan)>;

/// One worker's wish for an idle connection of another's.
#[derive(Debug)]
pub struct Loan {
    server: Arc<Server>,
    moves: u32,
    answer: oneshot::Sender<Detached>,
}

/// An idle connection of another worker's that can carry a request to where the server is after so many moves.
pub async fn borrow(worker: &Worker, view: &ServerView, moves: u32) -> Option<Stream> {
    let lender = view.server.stats.idle_elsewhere(worker.index)?;
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
