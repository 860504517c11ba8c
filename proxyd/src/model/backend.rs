//! A backend: its servers, their lineup, and what it counts.

use std::ptr;
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crossbeam_utils::CachePadded;
use tokio::sync::Notify;

use super::cookies::{CookieCounts, Cookies};
use super::keeping::Keeper;
use super::loads::{Load, Loads};
use super::panic::Alarm;
use super::queue::{Hold, Queue, Wants};
use super::server::{Rates, Server};
use super::slow_start::Ramp;
use super::stick::{Rule, Track};
use crate::config::{self, Algorithm, Backups, Eject, Limits, Mode, Panic, Persist, Retries, ServerTimeouts};
use crate::http::reply::Pages;
use crate::stats::cells::Sharded;
use crate::stats::counter::Tally;
use crate::stick::Table;

/// A group of servers.
#[derive(Debug)]
pub struct Backend {
    pub name: Arc<str>,
    /// Proxy id; a frontend of the same name has the same.
    pub id: u32,
    pub mode: Mode,
    pub balance: Algorithm,
    pub backups: Backups,
    pub timeouts: ServerTimeouts,
    pub retries: Retries,
    /// By which clients stay with their servers.
    pub cookies: Option<Cookies>,
    pub persist: Persist,
    /// By which they stay with them as well.
    pub stick: Box<[Rule]>,
    /// Whose requests are counted.
    pub track: Box<[Track]>,
    /// Answers made here that are not those of the frontend.
    pub pages: Pages,
    /// A client that closed its side is not waited for.
    pub abort_on_close: bool,
    /// Some of its servers end sessions with what becomes of them.
    pub dismisses: bool,
    /// When health is no longer believed.
    pub panic: Option<Panic>,
    /// When servers are left out that do worse than the others.
    pub eject: Option<Eject>,
    /// In file order; a [`Lineup`](super::lineup::Lineup) names them by index.
    pub servers: Vec<Arc<Server>>,
    /// Of each server, as configured.
    pub limits: Box<[Limits]>,
    /// Sessions at which limits that grow have grown.
    pub fullconn: u32,
    pub(super) keeper: Keeper,
    /// What the servers carry, kept where the algorithm looks for the least.
    pub loads: Loads,
    /// The graph of now has another one in its place.
    superseded: AtomicBool,
    pub live: Arc<BackendLive>,
}

/// Why one is refused, in HAProxy's words.
pub const WEIGHT_REFUSED: &str =
    "Backend is using a static LB algorithm and only accepts weights '0%' and '100%'.";

/// What outlives a reload.
#[derive(Debug)]
pub struct BackendLive {
    /// Next place in the lineup's turn.
    pub cursor: CachePadded<AtomicUsize>,
    /// Requests that servers carry, over all workers; counted where loads are bounded by it.
    pub carried: CachePadded<AtomicU32>,
    /// Requests being retried now, over all workers.
    pub retrying: CachePadded<AtomicU32>,
    /// Told when one of them is over.
    pub retry_room: Notify,
    pub queue: Queue,
    pub panic: Alarm,
    /// Milliseconds of the process's epoch of the last change between up and down.
    pub changed_at: AtomicU64,
    /// Milliseconds down in closed periods.
    pub down_ms: AtomicU64,
    /// Since when it is down, 0 if it is up.
    pub down_since: AtomicU64,
    /// Changes from up to down.
    pub downs: Tally,
    pub stats: Sharded,
    pub cookies: CookieCounts,
    pub rates: Rates,
    /// The one of the graph of now, for those that it has replaced.
    heir: Mutex<Weak<Backend>>,
}

impl BackendLive {
    pub fn new(workers: usize, now_ms: u64) -> Self {
        Self {
            cursor: CachePadded::default(),
            carried: CachePadded::default(),
            retrying: CachePadded::default(),
            retry_room: Notify::new(),
            queue: Queue::default(),
            panic: Alarm::default(),
            changed_at: AtomicU64::new(now_ms),
            down_ms: AtomicU64::new(0),
            down_since: AtomicU64::new(0),
            downs: Tally::default(),
            stats: Sharded::new(workers),
            cookies: CookieCounts::new(workers),
            rates: Rates::default(),
            heir: Mutex::default(),
        }
    }
}

/// Whether a server took another request within its share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Entered {
    Yes,
    /// It has no room.
    Full,
    /// It carries what it may.
    AboveShare,
}

impl Backend {
    pub fn new(
        name: Arc<str>,
        id: u32,
        conf: &config::Backend,
        fullconn: u32,
        servers: Vec<Arc<Server>>,
        live: Arc<BackendLive>,
    ) -> Self {
        let backend = Self {
            name,
            id,
            mode: conf.mode,
            balance: conf.balance.clone(),
            backups: conf.backups,
            timeouts: conf.timeouts,
            retries: conf.retries,
            cookies: Cookies::new(conf, &servers),
            persist: conf.persist.clone(),
            stick: Box::default(),
            track: Box::default(),
            pages: Pages::new(&conf.pages),
            abort_on_close: conf.abort_on_close,
            dismisses: conf
                .servers
                .iter()
                .any(|server| server.verdict.ends_sessions || server.verdict.ends_backup_sessions),
            panic: conf.panic,
            eject: conf.eject,
            limits: conf.servers.iter().map(|server| server.limits).collect(),
            fullconn,
            keeper: Keeper::new(conf, &servers),
            loads: match conf.balance {
                Algorithm::LeastConn => Loads::new(servers.len()),
                _ => Loads::default(),
            },
            servers,
            superseded: AtomicBool::new(false),
            live,
        };
        (0..backend.servers.len() as u32).for_each(|index| backend.weigh(index));
        backend
    }

    /// Binds its stick rules, and what it tracks, to their tables.
    #[must_use]
    pub(super) fn with_tables(self, conf: &config::Backend, tables: &[Arc<Table>]) -> Self {
        let stick = Rule::bind(&conf.stick, &self.servers, tables);
        Self { stick, track: Track::bind(&conf.track, tables), ..self }
    }

    pub fn server(&self, name: &str) -> Option<&Arc<Server>> {
        self.servers.iter().find(|s| *s.name == *name)
    }

    /// Whether a server may be given that weight while the process runs: where picks go by no weight it has its own or none.
    pub fn takes_weight(&self, server: &Server, weight: u32) -> bool {
        weight == 0 || weight == server.initial_weight || self.balance.is_dynamic()
    }

    /// Whether it is one of its servers, and not another of that name.
    pub(super) fn has(&self, server: &Server) -> bool {
        self.servers.get(server.index() as usize).is_some_and(|own| ptr::eq(&raw const **own, server))
    }

    /// Takes room for one request on a server, if there is some.
    pub fn enter(&self, index: u32) -> bool {
        let server = &self.servers[index as usize];
        let maxconn = server.maxconn();
        let entered = if maxconn == 0 {
            server.served.fetch_add(1, Relaxed);
            true
        } else {
            self.enter_below(index, self.limit(index, maxconn))
        };
        if entered {
            self.weigh(index);
            if self.balance.bounds_loads() {
                self.live.carried.fetch_add(1, Relaxed);
            }
        }
        entered
    }

    fn enter_below(&self, index: u32, limit: u32) -> bool {
        let served = &self.servers[index as usize].served;
        served.fetch_update(SeqCst, SeqCst, |n| (n < limit).then_some(n + 1)).is_ok()
    }

    /// The same for a server that may carry so many by its share of the load.
    pub fn enter_within(&self, index: u32, share: u32) -> Entered {
        let maxconn = self.servers[index as usize].maxconn();
        let limit = if maxconn == 0 { u32::MAX } else { self.limit(index, maxconn) };
        if self.enter_below(index, limit.min(share)) {
            self.live.carried.fetch_add(1, Relaxed);
            Entered::Yes
        } else if self.servers[index as usize].served.load(Relaxed) < share {
            Entered::Full
        } else {
            Entered::AboveShare
        }
    }

    /// Requests that its servers carry, where loads are bounded.
    pub fn carried(&self) -> u32 {
        self.live.carried.load(Relaxed)
    }

    /// Whether one more would find room on a server now.
    pub fn has_room(&self, index: u32) -> bool {
        let server = &self.servers[index as usize];
        let maxconn = server.maxconn();
        maxconn == 0 || server.served.load(Relaxed) < self.limit(index, maxconn)
    }

    /// Gives room back; who waits for it has it next.
    pub fn leave(&self, index: u32) {
        let server = &self.servers[index as usize];
        server.served.fetch_sub(1, SeqCst);
        self.weigh(index);
        if self.balance.bounds_loads() {
            self.live.carried.fetch_sub(1, Relaxed);
        }
        // On a server without a limit there is always room, and so nobody waits for it.
        if server.maxconn() != 0 && self.live.queue.is_waited_in() {
            self.live.queue.serve(server);
        }
    }

    /// What a server takes at the load of now: from `minconn` to `maxconn` in proportion, as HAProxy does it.
    fn limit(&self, index: u32, maxconn: u32) -> u32 {
        let minconn = self.limits[index as usize].minconn;
        let limit = if minconn == 0 || minconn >= maxconn {
            maxconn
        } else {
            dynamic_limit(minconn, maxconn, self.live.stats.current(), self.fullconn)
        };
        match self.servers[index as usize].ramp() {
            Ramp::FULL => limit,
            ramp => ramp.limit(limit),
        }
    }

    /// Notes what a server carries for its weight, where that is kept.
    #[inline]
    pub fn weigh(&self, index: u32) {
        if self.superseded.load(Relaxed) {
            self.weigh_in_heir(index);
        }
        if !self.loads.are_kept() {
            return;
        }
        let server = &self.servers[index as usize];
        let load = server.is_eligible().then(|| Load {
            served: server.served.load(Relaxed),
            share: server.share(),
            full: !self.has_room(index),
            backup: server.backup,
        });
        self.loads.set(index, load);
    }

    /// A request that began before a reload comes or goes: what the graph of now knows of its server changes as well.
    #[cold]
    fn weigh_in_heir(&self, index: u32) {
        let heir = self.live.heir.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        let Some(heir) = heir.filter(|heir| !ptr::eq(&raw const **heir, self)) else { return };
        if heir.has(&self.servers[index as usize]) {
            heir.weigh(index);
        }
    }

    /// Whether a limit depends on the load.
    pub(super) fn limits_move(&self) -> bool {
        self.limits.iter().any(|limits| limits.minconn > 0)
    }

    /// So many may wait: what the servers that can be used allow together.
    pub(super) fn max_queue(&self) -> u32 {
        let mut sum: u32 = 0;
        for (server, limits) in self.servers.iter().zip(&self.limits) {
            if server.is_eligible() {
                if limits.max_queue == 0 {
                    return u32::MAX;
                }
                sum = sum.saturating_add(limits.max_queue);
            }
        }
        sum
    }

    /// So many may wait for one server and no other.
    pub(super) fn max_line(&self, index: u32) -> u32 {
        match self.limits[index as usize].max_queue {
            0 => u32::MAX,
            most => most,
        }
    }

    /// Whether a server may get a request that is held to it, room aside.
    pub fn keeps(&self, index: u32, hold: Hold) -> bool {
        match hold {
            Hold::Kept => self.servers[index as usize].keeps_sessions(),
            Hold::New => self.servers[index as usize].is_eligible(),
            Hold::Tried | Hold::Forced => true,
        }
    }

    /// Whether a server may get such a request, room aside.
    pub(super) fn offers(&self, index: u32, wants: &Wants) -> bool {
        let server = &self.servers[index as usize];
        match wants {
            Wants::Only(only, hold) => *only == index && self.keeps(index, *hold),
            Wants::AnyBut(tried) if server.backup => {
                let first = || {
                    self.servers
                        .iter()
                        .zip(0..)
                        .find(|(s, i)| s.backup && s.is_eligible() && !tried.contains(i))
                };
                let steps_in = || match self.backups {
                    Backups::First => first().is_some_and(|(_, first)| first == index),
                    Backups::All => server.is_eligible() && !tried.contains(&index),
                };
                !self.has_active() && steps_in()
            }
            Wants::AnyBut(tried) => server.is_eligible() && !tried.contains(&index),
        }
    }

    /// Whether there is a server that may get such a request.
    pub(super) fn has_any(&self, wants: &Wants) -> bool {
        if let Wants::Only(only, hold) = wants {
            return self.keeps(*only, *hold);
        }
        (0..self.servers.len() as u32).any(|index| self.offers(index, wants))
    }

    /// Whether a server that is no backup can be used, room aside.
    pub fn has_active(&self) -> bool {
        self.servers.iter().any(|server| !server.backup && server.is_eligible())
    }

    /// Takes up what the configuration says now of servers that were there before. What an operator set stays,
    /// unless the configuration changed there.
    pub(super) fn succeed(self: &Arc<Self>, before: &Self) {
        *self.live.heir.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(self);
        before.superseded.store(true, SeqCst);
        if let Some(cookies) = &self.cookies {
            cookies.succeed(before.cookies.as_ref(), &self.servers);
        }
        for (i, server) in self.servers.iter().enumerate() {
            let same = before.servers.get(i).is_some_and(|old| Arc::ptr_eq(old, server));
            if same && before.limits[i].maxconn != self.limits[i].maxconn {
                server.set_maxconn(self.limits[i].maxconn);
                self.weigh(server.index());
            }
        }
    }

    /// Requests its servers carry now.
    pub fn served(&self) -> u32 {
        self.servers.iter().map(|s| s.served.load(Relaxed)).sum()
    }
}

/// HAProxy's `srv_dynamic_maxconn`.
fn dynamic_limit(minconn: u32, maxconn: u32, carried: u64, fullconn: u32) -> u32 {
    if carried >= u64::from(fullconn) {
        return maxconn;
    }
    let share = u64::from(maxconn) * carried / u64::from(fullconn.max(1));
    (share as u32).clamp(minconn, maxconn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing;

    #[test]
    fn requests_that_began_before_a_reload_are_weighed_after_it() {
        let mut config = testing::config();
        config.backends[0].balance = Algorithm::LeastConn;
        let shared = testing::shared_of(&config);
        let app = || Arc::clone(shared.snapshot().backend("app").unwrap());
        let reload = || shared.publish(testing::snapshot(&config, Some(&shared.snapshot())));
        let idle = app().loads.of(0);
        let old = app();
        assert!(old.enter(0));
        reload();
        reload();
        assert!(app().loads.of(0) > idle, "it is under way");
        old.leave(0);
        assert_eq!(app().loads.of(0), idle);
    }

    #[test]
    fn a_limit_grows_with_the_load() {
        let limits = [0, 5, 10, 25, 50, 99, 100, 500].map(|carried| dynamic_limit(10, 100, carried, 100));
        assert_eq!(limits, [10, 10, 10, 25, 50, 99, 100, 100]);
        assert_eq!(dynamic_limit(1, 3, 1, 2), 1);
        assert_eq!(dynamic_limit(u32::MAX - 1, u32::MAX, u64::from(u32::MAX) - 1, u32::MAX), u32::MAX - 1);
    }
}
