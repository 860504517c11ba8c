//! What threads tell workers, and connections on their way from one worker to another.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::model::process::Pressure;
use crate::net::stream::Detached;
use crate::session::client::{Addresses, Opening};
use crate::session::lend::Loan;
use crate::session::worker::Reservation;

/// What a worker is told.
#[derive(Debug)]
pub enum Message {
    /// A connection that another worker accepted.
    Accepted(Handed),
    /// Another worker wants an idle server connection.
    Lend(Loan),
    /// Memory runs out, or no longer does; said again for as long as connections are to be given up.
    Pressure(Pressure),
    /// Stop accepting, close what is idle, give requests so long to end.
    Drain(Duration),
    /// End at once.
    Kill,
}

/// A connection that was accepted, on its way to where it is served.
#[derive(Debug)]
pub struct Handed {
    pub stream: Detached,
    pub frontend: Arc<str>,
    pub addresses: Addresses,
    pub opening: Opening,
    pub reservation: Reservation,
}

/// Where accepted connections are served.
#[derive(Debug)]
pub enum Spread {
    /// By the worker that accepted them: the kernel spreads them.
    Here,
    /// By the worker that carries least, unless the one that accepted them carries hardly more.
    Even(Workers),
    /// By all in turn: only one worker has the socket.
    Over(Workers),
}

/// The inboxes of all workers.
#[derive(Clone, Debug)]
pub struct Workers {
    inboxes: Arc<[UnboundedSender<Message>]>,
    next: Cell<usize>,
}

impl Workers {
    pub fn new(inboxes: Vec<UnboundedSender<Message>>) -> Self {
        Self { inboxes: inboxes.into(), next: Cell::new(0) }
    }

    /// Whose turn it is to serve a connection.
    pub fn turn(&self) -> usize {
        let turn = self.next.get();
        self.next.set(turn.wrapping_add(1));
        turn % self.inboxes.len()
    }

    /// Gives a connection to a worker.
    pub fn hand(&self, worker: usize, handed: Handed) {
        // A worker that ended is stopping, and so is the connection.
        let _ended = self.inboxes[worker].send(Message::Accepted(handed));
    }

    /// Asks a worker for an idle server connection; one that ended does not answer.
    pub fn ask(&self, worker: usize, loan: Loan) {
        let _ended = self.inboxes[worker].send(Message::Lend(loan));
    }

    /// Tells every worker.
    pub fn tell(&self, message: impl Fn() -> Message) {
        for inbox in self.inboxes.iter() {
            let _ended = inbox.send(message());
        }
    }
}
