//! A worker thread: its runtime, its listeners, its messages.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::accept::{self, Listening};
use crate::clock;
use crate::log;
use crate::model::shared::Shared;
use crate::net::stream::{Detached, Stream};
use crate::session::http::Addresses;
use crate::session::worker::{Reservation, Worker};

/// What a worker is told.
#[derive(Debug)]
pub enum Message {
    /// A connection that another worker accepted.
    Accepted(Handed),
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
    pub reservation: Reservation,
}

/// Where accepted connections are served.
#[derive(Debug)]
pub enum Spread {
    /// By the worker that accepted them: the kernel spreads them.
    Here,
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

    /// Gives a connection to the next worker in turn.
    pub fn give(
        &self,
        here: &Rc<Worker>,
        frontend: Arc<str>,
        stream: Stream,
        addresses: Addresses,
        reservation: Reservation,
    ) -> io::Result<()> {
        let turn = self.next.get();
        self.next.set(turn.wrapping_add(1));
        let index = turn % self.inboxes.len();
        // Another worker may have nothing left to wait for and end.
        if index == here.index || here.shared.process.is_stopping() {
            accept::serve(here, &frontend, stream, addresses, reservation);
        } else {
            let handed = Handed { stream: stream.detach()?, frontend, addresses, reservation };
            // A worker that ended is stopping, and so is the connection.
            let _ended = self.inboxes[index].send(Message::Accepted(handed));
        }
        Ok(())
    }

    /// Tells every worker.
    pub fn tell(&self, message: impl Fn() -> Message) {
        for inbox in self.inboxes.iter() {
            let _ended = inbox.send(message());
        }
    }
}

/// What a worker thread begins with.
#[derive(Debug)]
pub struct Start {
    pub index: usize,
    pub shared: Arc<Shared>,
    pub listening: Vec<Listening>,
    pub inbox: UnboundedReceiver<Message>,
    pub workers: Vec<UnboundedSender<Message>>,
    pub seed: u64,
    /// Told once this worker accepts.
    pub accepts: UnboundedSender<()>,
}

/// Runs a worker until it was drained or killed.
pub fn run(start: Start) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(work(start));
    Ok(())
}

async fn work(start: Start) {
    let Start { index, shared, listening, mut inbox, workers, seed, accepts } = start;
    let worker = Worker::new(index, shared, seed);
    // Held by each accepting task for as long as it runs.
    let stop = Rc::new(Notify::new());
    for listening in listening {
        let spread = match listening.port {
            Some(_) => Spread::Here,
            None => Spread::Over(Workers::new(workers.clone())),
        };
        tokio::task::spawn_local(accept::run(Rc::clone(&worker), listening, spread, Rc::clone(&stop)));
    }
    // Behind the accepting tasks.
    tokio::task::yield_now().await;
    let _nobody_waits = accepts.send(());
    let mut housekeeping = tokio::time::interval(Duration::from_secs(1));
    housekeeping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut deadline = None;
    loop {
        tokio::select! {
            message = inbox.recv() => match message {
                Some(Message::Accepted(handed)) => take(&worker, handed),
                Some(Message::Drain(limit)) => {
                    deadline = Some(clock::now() + limit);
                    stop.notify_waiters();
                    // The accepting tasks take what is queued before the idle ones are told to go.
                    tokio::task::yield_now().await;
                    worker.drain();
                    housekeeping = tokio::time::interval(Duration::from_millis(10));
                }
                Some(Message::Kill) | None => return,
            },
            _ = housekeeping.tick() => {
                if let Some(deadline) = deadline {
                    let none_left = Rc::strong_count(&stop) == 1 && worker.connections() == 0;
                    if none_left || clock::now() >= deadline {
                        return;
                    }
                } else {
                    worker.prune_pools();
                }
            }
        }
    }
}

fn take(worker: &Rc<Worker>, handed: Handed) {
    let Handed { stream, frontend, addresses, reservation } = handed;
    match stream.attach() {
        Ok(stream) => accept::serve(worker, &frontend, stream, addresses, reservation),
        Err(error) => log::warning(format_args!("a connection could not be taken over: {error}")),
    }
}
