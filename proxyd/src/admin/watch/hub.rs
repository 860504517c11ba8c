//! Where watchers meet: their seats, and the samplers they share.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use super::sampler::{Joined, Sampler};
use crate::model::shared::Shared;

/// Watchers of one process. They do not count as connections of their socket, so that they never lock commands out.
pub(in crate::admin) const MAX_WATCHERS: usize = 64;

/// Turns that others get to tell their watchers of a change before the one who made it is answered.
const TURNS: usize = 100;

pub(in crate::admin) struct Hub {
    pub(super) shared: Arc<Shared>,
    /// Names the configuration.
    pub(super) config: String,
    seats: RefCell<Vec<Weak<Progress>>>,
    samplers: RefCell<HashMap<Duration, Weak<Sampler>>>,
}

/// How far a watcher is.
#[derive(Debug, Default)]
struct Progress {
    /// Everything up to this `seq` that it is to be told has been handed over.
    sent: Cell<u64>,
    /// Its reader takes nothing now.
    blocked: Cell<bool>,
}

/// A watcher's place; given up when dropped.
#[derive(Debug)]
pub(super) struct Seat(Rc<Progress>);

impl Seat {
    pub(super) fn sent(&self, seq: u64) {
        self.0.sent.set(seq);
    }

    pub(super) fn blocked(&self, blocked: bool) {
        self.0.blocked.set(blocked);
    }
}

impl Hub {
    pub(in crate::admin) fn new(shared: Arc<Shared>, config: String) -> Rc<Self> {
        Rc::new(Self { shared, config, seats: RefCell::default(), samplers: RefCell::default() })
    }

    /// A place, if there is one.
    pub(super) fn sit(&self) -> Option<Seat> {
        let mut seats = self.seats.borrow_mut();
        seats.retain(|seat| seat.strong_count() > 0);
        if seats.len() >= MAX_WATCHERS {
            return None;
        }
        let progress = Rc::default();
        seats.push(Rc::downgrade(&progress));
        Some(Seat(progress))
    }

    /// The sampler of this interval, with a sample of now.
    pub(super) fn join(&self, every: Duration) -> Joined {
        let mut samplers = self.samplers.borrow_mut();
        samplers.retain(|_, sampler| sampler.strong_count() > 0);
        let known = samplers.get(&every).and_then(Weak::upgrade);
        let sampler = known.unwrap_or_else(|| {
            let sampler = Sampler::start(&self.shared, every);
            samplers.insert(every, Rc::downgrade(&sampler));
            sampler
        });
        Joined::new(sampler)
    }

    /// Waits until every watcher whose reader takes anything has been told what happened so far.
    pub(in crate::admin) async fn settle(&self) {
        let seq = self.shared.journal.seq();
        for _ in 0..TURNS {
            let waiting = self
                .seats
                .borrow()
                .iter()
                .filter_map(Weak::upgrade)
                .any(|progress| progress.sent.get() < seq && !progress.blocked.get());
            if !waiting {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}
