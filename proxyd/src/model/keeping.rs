//! Keeps a backend's lineup: what changes is counted at once, and prepared for picks at once where that costs next to
//! nothing, else every 20 ms at most.
//!
//! A server that goes is passed over at once, since a pick looks at its state as well. One that comes, and a new weight,
//! may have to wait for the next lineup. Servers that warm up are given their shares from here.

use std::collections::BTreeSet;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use proto::state::Oper;

use super::backend::Backend;
use super::census::{Census, Usable};
use super::lineup::Lineup;
use super::panic::Muster;
use super::server::{Control, Server};
use super::shared::Shared;
use super::slow_start::{self, Ramp};
use crate::clock::{self, Instant};
use crate::config;

/// A lineup with no more places and servers together takes no longer than the change itself.
const SMALL: usize = 512;
/// Between one larger lineup and the next.
const PAUSE: Duration = Duration::from_millis(20);
/// A pause is so many times as long as preparing took, so that many servers take no more than a sixteenth of a core.
const REST: u32 = 15;

/// The lineup of now and what it follows from.
#[derive(Debug)]
pub(super) struct Keeper {
    lineup: ArcSwap<Lineup>,
    standing: Mutex<Standing>,
    /// Somebody has to look after it. Changed under the lock.
    waits: AtomicBool,
}

#[derive(Debug)]
pub(super) struct Standing {
    census: Census,
    /// When the next lineup may be prepared.
    free_at: Option<Instant>,
    /// Something changed that the lineup does not know.
    stale: bool,
    /// Servers that warm up, and when they are looked after.
    warming: BTreeSet<u32>,
    look_at: Option<Instant>,
}

impl Keeper {
    pub(super) fn new(conf: &config::Backend, servers: &[Arc<Server>]) -> Self {
        Self {
            lineup: ArcSwap::from_pointee(Lineup::build(servers, &conf.balance, conf.backups, None)),
            standing: Mutex::new(Standing {
                census: Census::of(servers.iter().map(|server| &**server)),
                free_at: None,
                stale: false,
                warming: BTreeSet::new(),
                look_at: None,
            }),
            waits: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    /// Whether anybody can be picked.
    pub(super) fn is_up(&self) -> bool {
        self.census.is_up()
    }

    /// Who is there and who is up, for panic.
    pub(super) fn muster(&self) -> Muster {
        self.census.muster()
    }

    /// When it has to be looked after again.
    fn due(&self, now: Instant) -> Option<Instant> {
        let prepare = self.stale.then(|| self.free_at.unwrap_or(now));
        let look = (!self.warming.is_empty()).then(|| self.look_at.unwrap_or(now));
        prepare.into_iter().chain(look).min()
    }
}

impl Backend {
    /// The lineup of now.
    pub fn lineup(&self) -> arc_swap::Guard<Arc<Lineup>> {
        self.keeper.lineup.load()
    }

    pub fn usable(&self) -> Usable {
        self.keeper.lock().census.usable(self.backups)
    }

    /// UP or DOWN: a backend with servers is down when none can be picked.
    pub fn is_up(&self) -> bool {
        self.keeper.lock().is_up()
    }

    /// A server's state, weight or share changed. Until what it returns is dropped no other does.
    pub(super) fn note(&self, index: u32) -> MutexGuard<'_, Standing> {
        let mut standing = self.keeper.lock();
        let was_up = standing.is_up();
        standing.census.note(index, &self.servers[index as usize]);
        self.weigh(index);
        if self.judge_panic(&mut standing) || standing.is_up() && !was_up {
            // There may be nobody else to pick.
            standing.free_at = None;
        }
        self.prepare(&mut standing, clock::now());
        standing
    }

    /// Counts and prepares everything anew, after something changed that was not noted.
    pub(super) fn refresh(&self) -> MutexGuard<'_, Standing> {
        let mut standing = self.keeper.lock();
        standing.free_at = None;
        standing.census = Census::of(self.servers.iter().map(|server| &**server));
        let warming = self.servers.iter().filter(|server| server.is_warming());
        standing.warming = warming.map(|server| server.index()).collect();
        if !standing.warming.is_empty() {
            self.keeper.waits.store(true, Release);
        }
        // Of servers that are new none knows what holds, and there may be no panic any more.
        let belief = standing.census.muster().belief(self.panic);
        self.live.panic.set(belief);
        self.servers.iter().for_each(|server| server.believe(belief));
        self.prepare(&mut standing, clock::now());
        standing
    }

    /// Whether health is believed, said to all servers where it has changed. Returns whether it has.
    fn judge_panic(&self, standing: &mut Standing) -> bool {
        if self.panic.is_none() {
            return false;
        }
        let belief = standing.census.muster().belief(self.panic);
        if self.live.panic.set(belief) == belief {
            return false;
        }
        self.servers.iter().for_each(|server| server.believe(belief));
        standing.census = Census::of(self.servers.iter().map(|server| &**server));
        true
    }

    /// Prepares the lineup, or has it done when it is time.
    fn prepare(&self, standing: &mut Standing, now: Instant) {
        if standing.free_at.is_some_and(|free_at| now < free_at) {
            standing.stale = true;
            self.keeper.waits.store(true, Release);
            return;
        }
        let before = self.keeper.lineup.load();
        let lineup = Lineup::build(&self.servers, &self.balance, self.backups, Some(&before));
        let is_small = self.servers.len() + lineup.places() <= SMALL;
        self.keeper.lineup.store(Arc::new(lineup));
        standing.census = Census::of(self.servers.iter().map(|server| &**server));
        (0..self.servers.len() as u32).for_each(|index| self.weigh(index));
        standing.stale = false;
        let done = clock::now();
        let pause = PAUSE.max(REST * done.duration_since(now));
        standing.free_at = (!is_small).then(|| done + pause);
    }

    /// A server comes up and is to warm up.
    pub(super) fn begin_to_warm(&self, server: &Server, control: &mut Control, now_ms: u64) {
        let index = server.index();
        control.warming = Some(now_ms);
        server.set_ramp(self.ramp(index, 0).unwrap_or(Ramp::FULL));
        let mut standing = self.keeper.lock();
        standing.warming.insert(index);
        // Others may warm up more slowly, and be looked after less often.
        standing.look_at = None;
        self.keeper.waits.store(true, Release);
    }

    /// It went down before it was warm.
    pub(super) fn stop_warming(server: &Server, control: &mut Control) {
        control.warming = None;
        server.set_ramp(Ramp::FULL);
    }

    /// Where a server stands so many milliseconds after it came up; `None` once it is warm.
    fn ramp(&self, index: u32, elapsed_ms: u64) -> Option<Ramp> {
        let ramp = Ramp::after(elapsed_ms, self.limits[index as usize].slow_start)?;
        Some(if self.balance.is_dynamic() { ramp } else { Ramp { steps: Ramp::FULL.steps, ..ramp } })
    }

    /// Does what is due, and says when it is to be called again.
    fn tend(&self, now: Instant, now_ms: u64) -> Option<Instant> {
        if !self.keeper.waits.load(Acquire) {
            return None;
        }
        let mut standing = self.keeper.lock();
        let mut warmed = Vec::new();
        if standing.look_at.is_none_or(|at| at <= now) && !standing.warming.is_empty() {
            let warming: Vec<u32> = standing.warming.iter().copied().collect();
            // A server's own lock is taken before this one.
            drop(standing);
            warmed = self.warm(&warming, now_ms);
            standing = self.keeper.lock();
            standing.warming.retain(|&index| self.servers[index as usize].ramp() != Ramp::FULL);
            let slow_starts =
                standing.warming.iter().map(|&index| self.limits[index as usize].slow_start).min();
            standing.look_at = slow_starts.map(|slow_start| now + slow_start::interval(slow_start));
        }
        for &index in &warmed {
            standing.census.note(index, &self.servers[index as usize]);
            self.weigh(index);
        }
        if standing.stale || !warmed.is_empty() {
            self.prepare(&mut standing, now);
        }
        let due = standing.due(now);
        self.keeper.waits.store(due.is_some(), Release);
        drop(standing);
        // Limits may have grown.
        self.live.queue.settle(self);
        due
    }

    /// Moves servers on; returns those whose share is another now.
    fn warm(&self, warming: &[u32], now_ms: u64) -> Vec<u32> {
        let mut changed = Vec::new();
        for &index in warming {
            let server = &self.servers[index as usize];
            let mut control = server.lock();
            let Some(since) = control.warming else { continue };
            let ramp = self.ramp(index, now_ms.saturating_sub(since)).unwrap_or(Ramp::FULL);
            if ramp == Ramp::FULL {
                control.warming = None;
                control.state.oper = Oper::Running;
            }
            if server.set_ramp(ramp).steps != ramp.steps {
                changed.push(index);
            }
        }
        changed
    }
}

impl Shared {
    /// Prepares lineups that have waited and warms servers up; returns when there is something to do again. Whoever
    /// calls it also listens to [`Shared::tending`].
    pub fn tend(&self) -> Option<Instant> {
        let (now, now_ms) = (clock::now(), self.epoch.now_ms());
        let _kept = self.keep_graph();
        self.snapshot().backends.iter().filter_map(|backend| backend.tend(now, now_ms)).min()
    }
}

#[cfg(test)]
mod tests;
