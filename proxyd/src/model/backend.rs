//! A backend: its servers, their lineup, and what it counts.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use crossbeam_utils::CachePadded;

use super::lineup::Lineup;
use super::server::{Rates, Server};
use crate::config::{self, Algorithm, Check, Mode, Retries, ServerTimeouts};
use crate::http::reply::Pages;
use crate::stats::cells::Sharded;
use crate::stats::counter::Tally;

/// A group of servers.
#[derive(Debug)]
pub struct Backend {
    pub name: Arc<str>,
    /// Proxy id; a frontend of the same name has the same.
    pub id: u32,
    pub mode: Mode,
    pub balance: Algorithm,
    pub timeouts: ServerTimeouts,
    pub retries: Retries,
    pub check: Option<Check>,
    /// Answers made here that are not those of the frontend.
    pub pages: Pages,
    /// A client that closed its side is not waited for.
    pub abort_on_close: bool,
    /// In file order; a [`Lineup`] names them by index.
    pub servers: Vec<Arc<Server>>,
    lineup: ArcSwap<Lineup>,
    /// Held while the lineup is prepared, so that the last one stored has seen every change.
    preparing: Mutex<()>,
    pub live: Arc<BackendLive>,
}

/// What outlives a reload.
#[derive(Debug)]
pub struct BackendLive {
    /// Next place in the lineup's turn.
    pub cursor: CachePadded<AtomicUsize>,
    /// Requests being retried now, over all workers.
    pub retrying: CachePadded<AtomicU32>,
    /// Milliseconds of the process's epoch of the last change between up and down.
    pub changed_at: AtomicU64,
    /// Milliseconds down in closed periods.
    pub down_ms: AtomicU64,
    /// Since when it is down, 0 if it is up.
    pub down_since: AtomicU64,
    /// Changes from up to down.
    pub downs: Tally,
    pub stats: Sharded,
    pub rates: Rates,
}

impl BackendLive {
    pub fn new(workers: usize, now_ms: u64) -> Self {
        Self {
            cursor: CachePadded::default(),
            retrying: CachePadded::default(),
            changed_at: AtomicU64::new(now_ms),
            down_ms: AtomicU64::new(0),
            down_since: AtomicU64::new(0),
            downs: Tally::default(),
            stats: Sharded::new(workers),
            rates: Rates::default(),
        }
    }
}

/// How many servers can take traffic.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usable {
    /// Active servers that are up, drained ones too.
    pub active: u32,
    /// Backup servers that are up.
    pub backup: u32,
    /// Sum of the weights that are used now: of the active, else of the first backup.
    pub weight: u32,
}

impl Backend {
    pub fn new(
        name: Arc<str>,
        id: u32,
        conf: &config::Backend,
        servers: Vec<Arc<Server>>,
        live: Arc<BackendLive>,
    ) -> Self {
        Self {
            name,
            id,
            mode: conf.mode,
            balance: conf.balance,
            timeouts: conf.timeouts,
            retries: conf.retries,
            check: conf.check.clone(),
            pages: Pages::new(&conf.pages),
            abort_on_close: conf.abort_on_close,
            lineup: ArcSwap::from_pointee(Lineup::build(&servers)),
            servers,
            preparing: Mutex::default(),
            live,
        }
    }

    /// The lineup of now.
    pub fn lineup(&self) -> arc_swap::Guard<Arc<Lineup>> {
        self.lineup.load()
    }

    /// Prepares the lineup anew, after a state or weight changed. Until what it returns is dropped no other does.
    pub(super) fn rebuild(&self) -> MutexGuard<'_, ()> {
        let held = self.preparing.lock().unwrap_or_else(PoisonError::into_inner);
        self.lineup.store(Arc::new(Lineup::build(&self.servers)));
        held
    }

    pub fn server(&self, name: &str) -> Option<&Arc<Server>> {
        self.servers.iter().find(|s| *s.name == *name)
    }

    pub fn usable(&self) -> Usable {
        let mut usable = Usable::default();
        let mut first_backup = None;
        for server in &self.servers {
            if !server.takes_new() || server.weight() == 0 {
                continue;
            }
            if server.backup {
                usable.backup += 1;
                first_backup.get_or_insert_with(|| server.weight());
            } else {
                usable.active += 1;
                usable.weight += server.weight();
            }
        }
        if usable.active == 0 {
            usable.weight = first_backup.unwrap_or(0);
        }
        usable
    }

    /// UP or DOWN: a backend with servers is down when none can be picked.
    pub fn is_up(&self) -> bool {
        self.servers.is_empty() || self.usable().weight > 0
    }

    /// Requests its servers carry now.
    pub fn served(&self) -> u32 {
        self.servers.iter().map(|s| s.served.load(Relaxed)).sum()
    }
}
