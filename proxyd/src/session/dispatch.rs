//! From a backend to a connection to one of its servers: pick, reuse or connect, and the budget of further tries.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use smallvec::SmallVec;

use super::lend::borrow;
use super::record::Way;
use super::retry::{self, Attempt, Failure, Verdict};
use super::view::{BackendView, ServerView};
use super::worker::Worker;
use crate::balance;
use crate::clock;
use crate::model::backend::Backend;
use crate::net::connect::{connect, is_local_shortage};
use crate::net::stream::Stream;
use crate::net::timer::{Elapsed, Timer};
use crate::stats::cells::Count;

/// Servers one request was tried on.
pub type Tried = SmallVec<[u32; 4]>;

/// A request's or session's place on a server, given back when dropped.
#[derive(Debug)]
pub struct Slot {
    pub view: Rc<ServerView>,
    pub index: u32,
}

impl Slot {
    /// Picks a server; `None` where nobody is left.
    pub fn pick(worker: &Worker, backend: &BackendView, tried: &[u32]) -> Option<Self> {
        let index = balance::pick(&backend.backend, tried, &mut worker.random.borrow_mut())?;
        let view = Rc::clone(&backend.servers[index as usize]);
        view.server.served.fetch_add(1, Relaxed);
        view.cells().enter(worker.shared.maxima());
        Some(Self { view, index })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.view.server.served.fetch_sub(1, Relaxed);
        self.view.cells().leave();
    }
}

/// A connection to a server.
#[derive(Debug)]
pub struct Upstream {
    pub stream: Stream,
    /// How often the server had moved before.
    pub moves: u32,
    /// It carried a request before.
    pub reused: bool,
}

/// Whether idle connections are taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reuse {
    /// A request of HTTP that can be repeated.
    Yes,
    /// One that cannot: the connection is tested with the kernel first.
    Surely,
    /// TCP, or a second try after an idle connection turned out dead.
    No,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoConnection {
    pub failure: Failure,
    /// It was our resources that ran out.
    pub local: bool,
}

/// An idle connection, or a new one within `limit`.
pub async fn obtain(
    worker: &Worker,
    slot: &Slot,
    reuse: Reuse,
    timer: &mut Timer,
    limit: Duration,
) -> Result<Upstream, NoConnection> {
    let view = &slot.view;
    let cells = view.cells();
    let moves = view.server.moves();
    if reuse != Reuse::No {
        let mut taken = view.take_idle(moves, reuse == Reuse::Surely);
        if taken.is_none() {
            taken = borrow(worker, view, moves).await;
        }
        if let Some(stream) = taken {
            cells.inc(Count::Reuses);
            return Ok(Upstream { stream, moves, reused: true });
        }
    }
    cells.inc(Count::Connects);
    let address = view.server.address();
    let mut connecting = pin!(connect(&address));
    match timer.within(clock::now() + limit, |cx| connecting.as_mut().poll(cx)).await {
        Ok(Ok(stream)) => Ok(Upstream { stream, moves, reused: false }),
        Ok(Err(error)) => Err(NoConnection { failure: Failure::Connect, local: is_local_shortage(&error) }),
        Err(Elapsed) => Err(NoConnection { failure: Failure::ConnectTimeout, local: false }),
    }
}

/// Puts a connection back that can carry another request.
pub fn give_back(view: &ServerView, upstream: Upstream) {
    if !view.server.keeps_connections() {
        return;
    }
    view.pool.borrow_mut().put(upstream.stream, upstream.moves, clock::now());
    view.count_idle();
}

/// Leave to repeat a request that had reached a server; given back when dropped.
#[derive(Debug)]
pub struct Permit(Arc<Backend>);

/// How often a request asks again for leave.
const ASK_AGAIN: Duration = Duration::from_millis(5);

impl Permit {
    /// Waits until the backend's budget has room, at most `limit`. Waiting, not failing: when a server dies, all
    /// its requests come here at once, and each takes but a moment on another server.
    pub async fn wait(backend: &BackendView, limit: Duration) -> Option<Self> {
        let model = &backend.backend;
        let give_up = clock::now() + limit;
        loop {
            let budget = retry::budget(model.served(), &model.retries);
            let taken = model.live.retrying.fetch_update(Relaxed, Relaxed, |n| (n < budget).then_some(n + 1));
            if taken.is_ok() {
                return Some(Self(Arc::clone(model)));
            }
            if clock::now() >= give_up {
                return None;
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.live.retrying.fetch_sub(1, Relaxed);
    }
}

/// The tries of one request or session, over one server after the other.
#[derive(Debug)]
pub struct Tries {
    tried: Tried,
    left: u32,
    first: bool,
    last: Option<u32>,
    reuse: Option<Reuse>,
    permit: Option<Permit>,
    /// For the access log.
    pub way: Way,
}

/// The pause before a server is tried again that just failed (HAProxy's turn-around).
const TURN_AROUND: Duration = Duration::from_secs(1);

impl Tries {
    pub fn new(backend: &BackendView) -> Self {
        let left = backend.backend.retries.max;
        Self {
            tried: Tried::new(),
            left,
            first: true,
            last: None,
            reuse: None,
            permit: None,
            way: Way::default(),
        }
    }

    /// A server for the next try. One that failed is tried again only when there is no other, after a pause.
    pub async fn next(&mut self, worker: &Worker, backend: &BackendView) -> Option<Slot> {
        let mut slot = Slot::pick(worker, backend, &self.tried);
        if slot.is_none() && !self.tried.is_empty() {
            tokio::time::sleep(TURN_AROUND.min(backend.backend.timeouts.connect)).await;
            self.tried.clear();
            slot = Slot::pick(worker, backend, &[]);
        }
        if slot.is_some() {
            self.way.queued.get_or_insert_default();
        }
        if let (Some(slot), Some(last)) = (&slot, self.last) {
            let which = if slot.index == last { Count::Retries } else { Count::Redispatches };
            self.way.retries += 1;
            self.way.redispatched |= which == Count::Redispatches;
            backend.cells().inc(which);
            // At the server that failed, as HAProxy does.
            backend.servers[last as usize].cells().inc(which);
        }
        self.last = slot.as_ref().map(|s| s.index);
        slot
    }

    /// Nothing was tried before.
    pub fn is_first(&self) -> bool {
        self.first
    }

    /// How the next connection is got: not from the idle ones once one of them was dead.
    pub fn reuse(&self, first: Reuse) -> Reuse {
        self.reuse.unwrap_or(first)
    }

    /// A try failed. Says whether another follows, once the budget has room for it.
    pub async fn again(
        &mut self,
        backend: &BackendView,
        slot: Slot,
        mut attempt: Attempt,
        reused: bool,
    ) -> bool {
        attempt.left = self.left;
        self.first = false;
        if reused {
            // An idle connection that was closed meanwhile says nothing against its server; but not twice.
            self.reuse = Some(Reuse::No);
        } else {
            self.tried.push(slot.index);
        }
        drop(slot);
        self.left = self.left.saturating_sub(1);
        match attempt.verdict(&backend.backend.retries) {
            Verdict::GiveUp => false,
            Verdict::Free => true,
            Verdict::Budgeted => {
                if self.permit.is_none() {
                    self.permit = Permit::wait(backend, backend.backend.timeouts.connect).await;
                }
                self.permit.is_some()
            }
        }
    }
}
