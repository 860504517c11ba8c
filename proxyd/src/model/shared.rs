//! The handle everybody holds: the graph of now, the process, the journal, the listeners as bound.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use proto::addr::Address;
use tokio::sync::Notify;

use super::journal::Journal;
use super::process::Process;
use super::snapshot::Snapshot;
use crate::clock::Epoch;
use crate::log::writer::Targets;
use crate::tls::live::Transaction;

/// State of one process, shared by all its threads.
#[derive(Debug)]
pub struct Shared {
    snapshot: ArcSwap<Snapshot>,
    /// Grows with every published snapshot; what a worker compares before it looks at the graph.
    generation: AtomicU32,
    pub process: Process,
    pub journal: Journal,
    pub epoch: Epoch,
    /// The epoch of maxima; `clear counters` begins a new one.
    maxima: AtomicU32,
    listeners: Mutex<Vec<Listener>>,
    /// Targets of the access log; set once, before the workers start.
    pub logs: OnceLock<Targets>,
    /// Requests and sessions, where the access log says their number.
    pub numbered: AtomicU64,
    /// A certificate that waits to be put in its place.
    pub certificates: Transaction,
    /// Told when there may be room for a connection again.
    pub room: Notify,
    /// Told when a server has said that what it carries is to end.
    pub dismissed: Notify,
    /// Told when stopping begins.
    pub stopping: Notify,
    /// Told when there may be something for [`Shared::tend`] to do.
    pub tending: Notify,
    /// Told when a new graph is there.
    pub published: Notify,
}

/// Something that was bound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listener {
    /// Name of the frontend, or `GLOBAL` for sockets and metrics.
    pub proxy: Arc<str>,
    pub name: String,
    /// The real address: the kernel's port where 0 was asked for.
    pub address: Address,
}

impl Shared {
    pub fn new(snapshot: Snapshot, process: Process, epoch: Epoch) -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            generation: AtomicU32::new(0),
            process,
            journal: Journal::default(),
            epoch,
            maxima: AtomicU32::new(0),
            listeners: Mutex::new(Vec::new()),
            logs: OnceLock::new(),
            numbered: AtomicU64::new(0),
            certificates: Transaction::default(),
            room: Notify::new(),
            dismissed: Notify::new(),
            stopping: Notify::new(),
            tending: Notify::new(),
            published: Notify::new(),
        }
    }

    /// The graph of now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Puts a new graph in place of the old one; what is under way keeps the one it began with.
    pub fn publish(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        let before = self.snapshot.swap(Arc::clone(&snapshot));
        for backend in &snapshot.backends {
            if let Some(before) = before.backend(&backend.name) {
                backend.succeed(before);
            }
            self.relineup_all(backend);
            if backend.eject.is_none() {
                self.readmit_all(backend);
            }
        }
        self.follow_all(&snapshot);
        self.generation.fetch_add(1, std::sync::atomic::Ordering::Release);
        self.published.notify_waiters();
        self.tending.notify_one();
    }

    pub fn generation(&self) -> u32 {
        self.generation.load(std::sync::atomic::Ordering::Acquire)
    }

    pub fn maxima(&self) -> u32 {
        self.maxima.load(Relaxed)
    }

    /// Maxima start anew.
    pub(super) fn next_maxima(&self) {
        self.maxima.fetch_add(1, Relaxed);
    }

    /// Lines of the access log that were lost.
    pub fn dropped_lines(&self) -> u64 {
        self.logs.get().map_or(0, Targets::dropped)
    }

    pub fn listeners(&self) -> Vec<Listener> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn add_listener(&self, listener: Listener) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }
}
