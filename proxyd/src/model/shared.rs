//! The handle everybody holds: the graph of now, the process, the journal, the listeners as bound.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use arc_swap::ArcSwap;
use proto::addr::Address;
use tokio::sync::Notify;

use super::backend::Backend;
use super::journal::Journal;
use super::process::Process;
use super::server::Server;
use super::snapshot::Snapshot;
use crate::clock::Epoch;
use crate::log::writer::Targets;
use crate::tls::live::Transaction;

/// State of one process, shared by all its threads.
#[derive(Debug)]
pub struct Shared {
    snapshot: ArcSwap<Snapshot>,
    /// Held by all who change a server, and alone by who puts a new graph in place: no change falls between two graphs.
    changing: RwLock<()>,
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
            changing: RwLock::default(),
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
        .begun()
    }

    /// The graph of now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The backend of a server in the graph of now, as long as that has the server.
    pub fn backend_of(&self, server: &Server) -> Option<Arc<Backend>> {
        let snapshot = self.snapshot.load();
        snapshot.backend(&server.backend).filter(|backend| backend.has(server)).cloned()
    }

    /// Puts a new graph in place of the old one; what is under way keeps the one it began with.
    pub fn publish(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        let _alone = self.changing.write().unwrap_or_else(PoisonError::into_inner);
        let before = self.snapshot.swap(Arc::clone(&snapshot));
        for frontend in &snapshot.frontends {
            if let Some(before) = before.frontend(&frontend.name) {
                frontend.succeed(before);
            }
        }
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
        self.room.notify_waiters();
    }

    /// Until this is dropped, the graph of now is not replaced. A thread that has one takes no other.
    pub(super) fn keep_graph(&self) -> RwLockReadGuard<'_, ()> {
        self.changing.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a backend as it is in the graph of now, whichever one the caller knows. One that is gone is not changed.
    pub(super) fn in_graph(&self, backend: &Backend, change: impl FnOnce(&Backend)) {
        let _kept = self.keep_graph();
        let snapshot = self.snapshot.load();
        if let Some(backend) = snapshot.backend(&backend.name) {
            change(backend);
        }
    }

    /// The same of a server and its backend.
    pub(super) fn server_in_graph(&self, backend: &Backend, server: &Server, change: impl FnOnce(&Backend)) {
        self.in_graph(backend, |backend| {
            if backend.has(server) {
                change(backend);
            }
        });
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

#[cfg(test)]
mod tests {
    use proto::state::Oper;

    use super::*;
    use crate::config::{Config, ServerAddress};
    use crate::model::change::Cause;
    use crate::model::state::Event;
    use crate::model::testing::{self, SECOND};

    const BY: Cause<'_> = Cause::Command { by: "test", line: "" };

    fn app(shared: &Shared) -> Arc<Backend> {
        Arc::clone(shared.snapshot().backend("app").unwrap())
    }

    fn reload(shared: &Shared, config: &Config) {
        shared.publish(testing::snapshot(config, Some(&shared.snapshot())));
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_of_the_old_graph_is_known_in_the_new_one() {
        let mut config = testing::config();
        config.backends[0].servers[0].limits.slow_start = SECOND;
        let shared = testing::shared_of(&config);
        let old = app(&shared);
        let server = &old.servers[0];
        reload(&shared, &config);
        let new = app(&shared);
        assert!(!Arc::ptr_eq(&old, &new) && Arc::ptr_eq(&new.servers[0], server));
        shared.server_event(&old, server, Event::HealthDown, BY);
        assert_eq!((new.usable().active, &*new.lineup().active.members), (1, &[1][..]));
        shared.server_event(&old, server, Event::HealthUp, BY);
        assert_eq!((new.usable().active, &*new.lineup().active.members), (2, &[0, 1][..]));
        assert_eq!(server.control().state.oper, Oper::Starting);
        while let Some(due) = shared.tend() {
            tokio::time::sleep_until(due).await;
        }
        assert_eq!(server.control().state.oper, Oper::Running, "it is warm");
        shared.set_weight(&old, server, 7, BY);
        assert_eq!(new.usable().weight, 57);
    }

    #[test]
    fn of_a_server_that_is_gone_nothing_is_told() {
        let mut config = testing::config();
        let shared = testing::shared_of(&config);
        let old = app(&shared);
        config.backends[0].servers[0].weight = 99;
        reload(&shared, &config);
        let seq = shared.journal.seq();
        shared.server_event(&old, &old.servers[0], Event::HealthDown, BY);
        shared.set_weight(&old, &old.servers[0], 3, BY);
        assert_eq!(shared.journal.since(seq), Some(Vec::new()));
        assert_eq!((app(&shared).usable().active, app(&shared).usable().weight), (2, 149));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_begins_to_warm_up_before_a_new_graph_is_there_becomes_warm() {
        let mut config = testing::config();
        config.backends[0].servers[0].limits.slow_start = SECOND;
        let shared = testing::shared_of(&config);
        let server = Arc::clone(&app(&shared).servers[0]);
        let next = testing::snapshot(&config, Some(&shared.snapshot()));
        for event in [Event::HealthDown, Event::HealthUp] {
            shared.server_event(&app(&shared), &server, event, BY);
        }
        shared.publish(next);
        while let Some(due) = shared.tend() {
            tokio::time::sleep_until(due).await;
        }
        assert_eq!(server.control().state.oper, Oper::Running);
    }

    #[test]
    fn what_an_operator_set_stays_unless_the_configuration_changes_there() {
        let mut config = testing::config();
        let shared = testing::shared_of(&config);
        let at = |shared: &Shared| app(shared).servers[0].address().to_string();
        let most = |shared: &Shared| shared.snapshot().frontend("web").unwrap().live.maxconn();
        let (backend, snapshot) = (app(&shared), shared.snapshot());
        shared.set_address(&backend, &backend.servers[0], "192.0.2.7:80".parse().unwrap(), BY);
        shared.set_frontend_maxconn(snapshot.frontend("web").unwrap(), 7, BY);
        reload(&shared, &config);
        assert_eq!((at(&shared), most(&shared)), ("192.0.2.7:80".into(), Some(7)));
        config.backends[0].servers[0].address = ServerAddress::Literal("192.0.2.9:80".parse().unwrap());
        config.frontends[0].maxconn = None;
        reload(&shared, &config);
        assert_eq!((at(&shared), most(&shared)), ("192.0.2.9:80".into(), None));
    }
}
