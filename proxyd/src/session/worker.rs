//! One worker's state: its view of the graph, its connections, its random numbers. Lives on one thread.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::Waker;

use slab::Slab;
use tokio::task::AbortHandle;

use super::access_log::AccessLog;
use super::client::Addresses;
use super::facts::Seen;
use super::leash::Leashes;
use super::lend::{Ask, Asking, Loan};
use super::termination::Cause;
use super::track::{Tracked, When, Whose};
use super::view::{FrontendView, View};
use crate::balance::Random;
use crate::clock;
use crate::memory;
use crate::model::frontend::{Bind, Frontend, FrontendLive};
use crate::model::process::Pressure;
use crate::model::shared::Shared;
use crate::model::sources::Counted;
use crate::net::buffer;
use crate::net::stream::Stream;
use crate::sample::Facts;
use crate::stats::cells::Count;

/// So many connections are a burst whose memory is worth giving back.
const BURST: usize = 16;

/// A client's connection, seen from outside its task.
#[derive(Debug, Default)]
struct Client {
    /// Of its idle wait.
    waker: Option<Waker>,
    task: Option<AbortHandle>,
    /// It is not parked.
    busy: bool,
}

/// The state of one worker.
pub struct Worker {
    pub index: usize,
    pub shared: Arc<Shared>,
    ask: Ask,
    pub(super) asking: Asking,
    view: RefCell<Rc<View>>,
    generation: Cell<u32>,
    connections: RefCell<Slab<Client>>,
    draining: Cell<bool>,
    /// It ends, and what is under way with it.
    ending: Cell<bool>,
    /// Connections that are not parked.
    busy: Cell<usize>,
    /// The most connections, and busy ones, since memory was last given back.
    most: Cell<usize>,
    most_busy: Cell<usize>,
    pub random: RefCell<Random>,
    /// Requests and sessions that end with what becomes of their server.
    pub leashes: Leashes,
    /// Set at start where there are targets.
    pub log: OnceCell<Rc<AccessLog>>,
    /// Debug builds obey a header that asks for a fault.
    pub faults: bool,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("index", &self.index).finish_non_exhaustive()
    }
}

impl Worker {
    pub fn new(index: usize, shared: Arc<Shared>, seed: u64, ask: Ask) -> Rc<Self> {
        let generation = shared.generation();
        let view = Rc::new(View::build(&shared.snapshot(), index, &View::default()));
        Rc::new(Self {
            index,
            shared,
            ask,
            asking: Asking::default(),
            view: RefCell::new(view),
            generation: Cell::new(generation),
            connections: RefCell::default(),
            draining: Cell::new(false),
            ending: Cell::new(false),
            busy: Cell::new(0),
            most: Cell::new(0),
            most_busy: Cell::new(0),
            random: RefCell::new(Random::new(seed)),
            leashes: Leashes::default(),
            log: OnceCell::new(),
            faults: cfg!(debug_assertions) && std::env::var_os("PROXYD_FAULTS").is_some(),
        })
    }

    /// The view of the graph of now; a new graph is taken up here.
    pub fn view(&self) -> Rc<View> {
        let generation = self.shared.generation();
        if generation != self.generation.get() {
            let view = View::build(&self.shared.snapshot(), self.index, &self.view.borrow());
            *self.view.borrow_mut() = Rc::new(view);
            self.generation.set(generation);
        }
        Rc::clone(&self.view.borrow())
    }

    /// Whether `seen` is the graph of now.
    pub fn is_current(&self, seen: u32) -> bool {
        seen == self.shared.generation()
    }

    /// Asks another worker for an idle connection.
    pub(super) fn ask(&self, lender: usize, loan: Loan) {
        (self.ask)(lender, loan);
    }

    /// The frontend of that name, with the generation it belongs to.
    pub fn frontend(&self, name: &str) -> Option<(Rc<FrontendView>, u32)> {
        let frontend = self.view().frontends.get(name).cloned()?;
        Some((frontend, self.generation.get()))
    }

    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// From here on idle connections close, and others after the request they carry.
    pub fn drain(&self) {
        self.draining.set(true);
        for (_, client) in self.connections.borrow_mut().iter_mut() {
            if let Some(waker) = client.waker.take() {
                waker.wake();
            }
        }
        for server in self.view().servers() {
            server.pool.borrow_mut().clear();
            server.mux.drop_idle();
        }
    }

    /// From here on whatever is dropped in the middle was ended by who runs proxyd.
    pub fn end(&self) {
        self.ending.set(true);
    }

    /// Counts what is dropped in the middle, and says who ended it: only a panic, the end of the worker, or want of
    /// memory does that.
    pub fn cut(&self) -> Cause {
        if std::thread::panicking() {
            Cause::Internal
        } else if self.ending.get() {
            self.shared.process.killed.fetch_add(1, Relaxed);
            Cause::Killed
        } else {
            Cause::Resource
        }
    }

    /// Client connections on this worker.
    pub fn connections(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Once a second: after a burst its memory goes back to the system.
    pub fn give_back_memory(&self) {
        let fallen = |most: &Cell<usize>, now: usize| {
            let fallen = most.get() >= BURST && now <= most.get() / 2;
            if fallen {
                most.set(now);
            }
            fallen
        };
        // Both are looked at: parking all of many connections is as much as losing half of them.
        let busy = fallen(&self.most_busy, self.busy.get());
        if fallen(&self.most, self.connections()) || busy {
            self.connections.borrow_mut().shrink_to_fit();
            buffer::forget_free();
            memory::give_back();
        }
    }

    /// The connection at that place is served by this task.
    pub fn served_by(&self, key: usize, task: AbortHandle) {
        if let Some(client) = self.connections.borrow_mut().get_mut(key) {
            client.task = Some(task);
        }
    }

    /// What is done about memory, as long as there is a need.
    pub fn press(&self, pressure: Pressure) {
        buffer::keep_small(pressure != Pressure::None);
        if pressure == Pressure::None {
            return;
        }
        if pressure == Pressure::Shed {
            self.shed();
        }
        self.drop_idle();
        buffer::forget_free();
        memory::give_back();
    }

    /// Lets idle server connections go, for their descriptors or their memory.
    pub fn drop_idle(&self) {
        for server in self.view().servers() {
            if server.cells().idle.get() > 0 {
                server.pool.borrow_mut().clear();
                server.mux.drop_idle();
                server.count_idle();
            }
        }
    }

    /// Gives up some of the connections that hold memory: any of them, so that those of a flood are hit most.
    fn shed(&self) {
        let connections = self.connections.borrow();
        let most = (self.busy.get() / 8).max(1);
        let mut busy: Vec<&AbortHandle> =
            connections.iter().filter(|(_, c)| c.busy).filter_map(|(_, c)| c.task.as_ref()).collect();
        for _ in 0..most.min(busy.len()) {
            let at = self.random.borrow_mut().below(busy.len());
            busy.swap_remove(at).abort();
            self.shared.process.shed.fetch_add(1, Relaxed);
        }
    }

    /// Once a second: idle server connections that are of no more use go.
    pub fn prune_pools(&self) {
        let now = clock::now();
        let mut idle = 0;
        for view in self.view().servers() {
            let mut pool = view.pool.borrow_mut();
            if !view.mux.is_empty() {
                view.mux.prune(now, view.server.moves(), view.server.keeps_connections());
            } else if pool.is_empty() && view.cells().idle.get() == 0 {
                continue;
            }
            if view.server.keeps_connections() {
                pool.prune(now, view.server.moves(), view.cells().current.get());
            } else {
                pool.clear();
            }
            drop(pool);
            view.count_idle();
            idle += view.cells().idle.get();
        }
        self.asking.begin_second(idle);
    }
}

/// A connection that is not parked.
#[derive(Debug)]
pub struct Busy {
    worker: Rc<Worker>,
    key: usize,
}

impl Busy {
    pub fn new(place: &Place) -> Self {
        let worker = Rc::clone(&place.worker);
        worker.busy.set(worker.busy.get() + 1);
        worker.most_busy.set(worker.most_busy.get().max(worker.busy.get()));
        worker.connections.borrow_mut()[place.key].busy = true;
        Self { worker, key: place.key }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.worker.busy.set(self.worker.busy.get() - 1);
        self.worker.connections.borrow_mut()[self.key].busy = false;
    }
}

/// A client's place: counted in the process, the frontend and the worker for as long as it lives.
#[derive(Debug)]
pub struct Place {
    pub worker: Rc<Worker>,
    reservation: Reservation,
    /// Where connections of one source are bounded.
    counted: Option<Box<Counted>>,
    /// What is counted of it in tables.
    tracked: Option<Rc<Tracked>>,
    key: usize,
}

/// Room for one connection, held for as long as it lives.
#[derive(Debug)]
pub struct Reservation {
    shared: Arc<Shared>,
    frontend: Arc<FrontendLive>,
    /// A bind with a limit of its own.
    bind: Option<Arc<Bind>>,
    /// Where it is served, and counted as its load.
    worker: Option<usize>,
}

impl Reservation {
    /// `None` where the process, the frontend or the bind is full.
    pub fn take(shared: &Arc<Shared>, frontend: &Arc<FrontendLive>, bind: &Arc<Bind>) -> Option<Self> {
        let Some(maxconn) = bind.conf.maxconn else { return Self::of_frontend(shared, frontend) };
        if !count_up(&bind.connections, maxconn) {
            return None;
        }
        let mut reservation = Self::of_frontend(shared, frontend);
        match &mut reservation {
            Some(reservation) => reservation.bind = Some(Arc::clone(bind)),
            None if bind.connections.fetch_sub(1, Relaxed) >= maxconn => shared.room.notify_waiters(),
            None => {}
        }
        reservation
    }

    fn of_frontend(shared: &Arc<Shared>, frontend: &Arc<FrontendLive>) -> Option<Self> {
        if !count_up(&shared.process.connections, shared.process.maxconn()) {
            return None;
        }
        if !count_up(&frontend.connections, frontend.maxconn().unwrap_or(u32::MAX)) {
            if shared.process.connections.fetch_sub(1, Relaxed) >= shared.process.maxconn() {
                shared.room.notify_waiters();
            }
            return None;
        }
        Some(Self { shared: Arc::clone(shared), frontend: Arc::clone(frontend), bind: None, worker: None })
    }

    /// From here on it is a load of that worker's.
    pub fn place_on(&mut self, worker: usize) {
        debug_assert!(self.worker.is_none(), "a connection is placed once");
        self.shared.process.loads.enter(worker);
        self.worker = Some(worker);
    }
}

/// One more, if that is within `limit`.
fn count_up(count: &AtomicU32, limit: u32) -> bool {
    count.fetch_update(Relaxed, Relaxed, |n| (n < limit).then_some(n + 1)).is_ok()
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let process = &self.shared.process;
        if let Some(worker) = self.worker {
            process.loads.leave(worker);
        }
        let full = process.connections.fetch_sub(1, Relaxed) >= process.maxconn();
        let limit = self.frontend.maxconn().unwrap_or(u32::MAX);
        let full = self.frontend.connections.fetch_sub(1, Relaxed) >= limit || full;
        let at_limit =
            |bind: &Bind| bind.connections.fetch_sub(1, Relaxed) >= bind.conf.maxconn.unwrap_or(u32::MAX);
        if self.bind.as_deref().is_some_and(at_limit) || full {
            self.shared.room.notify_waiters();
        }
    }
}

impl Place {
    /// Takes a place for a connection that was accepted.
    pub fn new(worker: &Rc<Worker>, reservation: Reservation) -> Self {
        let cells = reservation.frontend.stats.worker(worker.index);
        cells.enter(worker.shared.maxima());
        cells.inc(Count::Sessions);
        cells.last_session.set(worker.shared.epoch.now_ms());
        let key = worker.connections.borrow_mut().insert(Client::default());
        worker.most.set(worker.most.get().max(worker.connections()));
        Self { worker: Rc::clone(worker), reservation, counted: None, tracked: None, key }
    }

    /// Counts the connection as one of its client's; false where that has as many as it may have.
    pub fn count_source(&mut self, frontend: &Frontend, client: Option<IpAddr>) -> bool {
        let (Some(limit), Some(client)) = (frontend.maxconn_per_source, client) else { return true };
        self.counted = self.reservation.frontend.sources.enter(client, limit).map(Box::new);
        if self.counted.is_none() {
            self.reservation.frontend.stats.worker(self.worker.index).inc(Count::DeniedConnections);
        }
        self.counted.is_some()
    }

    /// Counts the connection in the tables of its frontend by the keys that can be looked at now; where `is_session`
    /// also as a session.
    pub fn track(
        &mut self,
        frontend: &Rc<FrontendView>,
        (stream, addresses): (&Stream, &Addresses),
        when: impl Fn(When) -> bool,
        is_session: bool,
    ) {
        if frontend.frontend.track.is_empty() {
            return;
        }
        let seen = Seen { addresses, stream, worker: &self.worker };
        // No stream of it is under way, so that nobody else has it.
        let held = self.tracked.take().and_then(Rc::into_inner);
        let held = held.unwrap_or_else(|| Tracked::new(Whose::Frontend(Rc::clone(frontend)), &self.worker));
        let tracked = held.begin(&Facts::of_connection(&seen), when);
        if is_session {
            tracked.session();
        }
        self.tracked = Some(Rc::new(tracked));
    }

    /// What is held of it in tables.
    pub fn tracked(&self) -> Option<&Rc<Tracked>> {
        self.tracked.as_ref()
    }

    /// Which of the worker's connections it is.
    pub fn key(&self) -> usize {
        self.key
    }

    /// Has the task woken when draining begins.
    pub fn wake_on_drain(&self, waker: &Waker) {
        let mut connections = self.worker.connections.borrow_mut();
        let client = &mut connections[self.key];
        if client.waker.is_none() {
            client.waker = Some(waker.clone());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let cells = self.reservation.frontend.stats.worker(self.worker.index);
        cells.leave();
        self.worker.connections.borrow_mut().remove(self.key);
    }
}
