//! A worker thread: its runtime, and what it does beside serving connections.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::accept::{self, Listening};
use super::inbox::{Handed, Message, Spread, Workers};
use crate::clock;
use crate::config::{Accept, LogTarget, Splice};
use crate::log;
use crate::log::feed::Feed;
use crate::model::shared::Shared;
use crate::net::{limits, splice};
use crate::session::access_log::AccessLog;
use crate::session::leash;
use crate::session::worker::Worker;

/// What a worker thread begins with.
#[derive(Debug)]
pub struct Start {
    pub index: usize,
    pub shared: Arc<Shared>,
    pub listening: Vec<Listening>,
    pub inbox: UnboundedReceiver<Message>,
    pub workers: Vec<UnboundedSender<Message>>,
    pub accept: Accept,
    pub splice: Splice,
    pub seed: u64,
    /// Targets of the access log, and the ways to them.
    pub logs: (Arc<[LogTarget]>, Vec<Feed>),
    /// Told once this worker accepts.
    pub accepts: UnboundedSender<()>,
}

/// Runs a worker until it was drained or killed.
pub fn run(mut start: Start) -> io::Result<()> {
    if start.splice == Splice::Auto {
        let process = &start.shared.process;
        splice::allow(limits::pipes(process.descriptors, process.workers));
    }
    let (targets, feeds) = &mut start.logs;
    let feeds = std::mem::take(feeds);
    let log = (!feeds.is_empty()).then(|| Rc::new(AccessLog::new(targets, feeds)));
    // Outlives the runtime, with which go the tasks that are left, each with a line of its own.
    let _last_lines = LastLines(log.clone());
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(work(start, log));
    Ok(())
}

async fn work(start: Start, log: Option<Rc<AccessLog>>) {
    let Start { index, shared, listening, mut inbox, workers, accept, seed, accepts, .. } = start;
    let others = Workers::new(workers.clone());
    let worker = Worker::new(index, shared, seed, Box::new(move |lender, loan| others.ask(lender, loan)));
    if let Some(log) = log {
        worker.log.get_or_init(|| Rc::clone(&log));
        tokio::task::spawn_local(log.run());
    }
    tokio::task::spawn_local(leash::run(Rc::clone(&worker)));
    // Held by each accepting task for as long as it runs.
    let stop = Rc::new(Notify::new());
    for listening in listening {
        let workers = Workers::new(workers.clone());
        let spread = match (listening.port, accept) {
            (_, Accept::Balanced) => Spread::Even(workers),
            (Some(_), Accept::Local) => Spread::Here,
            (None, Accept::Local) => Spread::Over(workers),
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
                Some(Message::Lend(loan)) => worker.lend(loan),
                Some(Message::Pressure(pressure)) => worker.press(pressure),
                Some(Message::Drain(limit)) => {
                    deadline = Some(clock::now() + limit);
                    stop.notify_waiters();
                    // The accepting tasks take what is queued before the idle ones are told to go.
                    tokio::task::yield_now().await;
                    worker.drain();
                    housekeeping = tokio::time::interval(Duration::from_millis(10));
                }
                Some(Message::Kill) | None => break,
            },
            _ = housekeeping.tick() => {
                if let Some(deadline) = deadline {
                    let none_left = Rc::strong_count(&stop) == 1 && worker.connections() == 0;
                    if none_left || clock::now() >= deadline {
                        break;
                    }
                } else {
                    worker.prune_pools();
                    worker.give_back_memory();
                }
            }
        }
    }
    worker.end();
}

/// Sends what waits in the access log when the worker ends.
struct LastLines(Option<Rc<AccessLog>>);

impl Drop for LastLines {
    fn drop(&mut self) {
        if let Some(log) = &self.0 {
            log.flush();
        }
    }
}

fn take(worker: &Rc<Worker>, handed: Handed) {
    let Handed { stream, frontend, addresses, opening, reservation } = handed;
    let Some(found) = worker.frontend(&frontend) else { return };
    match stream.attach() {
        Ok(stream) => accept::serve(worker, found, stream, (addresses, opening), reservation),
        Err(error) => log::warning(format_args!("a connection could not be taken over: {error}")),
    }
}
