//! Room on a server: taken for a request or session, given back behind it, and what the server did with it told where
//! picks go by that.

use std::rc::Rc;
use std::time::Duration;

use super::leash::Tied;
use super::observe;
use super::retry::Failure;
use super::view::{BackendView, ServerView};
use super::worker::Worker;
use crate::clock::{self, Instant};

/// A request's or session's place on a server, given back when dropped.
#[derive(Debug)]
pub struct Slot {
    pub view: Rc<ServerView>,
    pub index: u32,
    pub found: Found,
    backend: Rc<BackendView>,
    /// Where it may have to end with what becomes of the server.
    _tied: Option<Tied>,
}

/// Who said which server it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found {
    Balanced,
    Preferred,
}

impl Slot {
    /// For room on a server that was taken.
    pub(super) fn new(worker: &Worker, backend: &Rc<BackendView>, index: u32, found: Found) -> Self {
        let view = Rc::clone(&backend.servers[index as usize]);
        view.cells().enter(worker.shared.maxima());
        let tied = worker.leashes.tie(backend, &view);
        Self { view, index, found, backend: Rc::clone(backend), _tied: tied }
    }

    /// Tells how long the server took, where picks go by that.
    pub fn took(&self, worker: &Worker, since: Instant, until: Instant) {
        if self.backend.backend.balance.asks_for_time() {
            let took = until.saturating_duration_since(since);
            self.view.server.latency.observe(took, worker.shared.epoch.ms(until));
        }
    }

    /// It has answered just now.
    pub fn answered(&self, worker: &Worker, status: u16, since: Instant) -> Instant {
        observe::answered(&self.view.server, status);
        let now = clock::now();
        if observe::is_well(status) {
            self.took(worker, since, now);
        } else {
            self.failed(worker, since, now);
        }
        now
    }

    /// It gave no answer: if it was waited for to the end, it took that long.
    pub fn took_none(
        &self,
        worker: &Worker,
        (failure, reused): (Failure, bool),
        since: Instant,
        limit: Duration,
    ) {
        match failure {
            Failure::Timeout => self.took(worker, since, since + limit),
            // An idle connection was closed meanwhile.
            Failure::Empty if reused => {}
            Failure::Empty | Failure::Partial | Failure::Invalid => self.failed(worker, since, clock::now()),
            // Nothing was asked of it; or it is told where that is known.
            _ => {}
        }
    }

    /// Tells that it failed, where picks go by how long servers take.
    pub(super) fn failed(&self, worker: &Worker, since: Instant, now: Instant) {
        if self.backend.backend.balance.asks_for_time() {
            let took = now.saturating_duration_since(since);
            self.view.server.latency.fail(took, worker.shared.epoch.ms(now));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.view.cells().leave();
        self.backend.backend.leave(self.index);
    }
}
