//! What must always hold of picks, slots and the line.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use proto::state::Oper;
use proxyd::balance::{Ask, Picked, Random};
use proxyd::clock::{self, Instant};
use proxyd::config::{Algorithm, Backups, PanicMode};
use proxyd::model::backend::Backend;
use proxyd::model::panic::Belief;
use proxyd::model::server::Server;
use proxyd::session::queue::NoServer;

use crate::load::{Look, Stage, Ties, UnderWay};
use crate::world::World;

/// A change is taken up everywhere within this time: lineups are prepared at most so often.
pub(crate) const GRACE: Duration = Duration::from_millis(25);

fn is_offered(server: &Server) -> bool {
    let state = server.control().state;
    !state.admin.is_maint() && !state.admin.is_drain() && state.oper != Oper::Stopping
}

fn is_well(server: &Server) -> bool {
    let state = server.control().state;
    is_offered(server) && matches!(state.oper, Oper::Running | Oper::Starting) && !state.ejected
}

/// What decides on traffic, told from the states themselves and not from what was made of them.
fn belief(backend: &Backend) -> Belief {
    let Some(panic) = backend.panic else { return Belief::Health };
    let count = |wanted: &dyn Fn(&Server) -> bool| {
        backend.servers.iter().filter(|server| server.weight() > 0 && wanted(server)).count()
    };
    let offered = count(&|server| !server.backup && is_offered(server));
    let up = count(&|server| !server.backup && is_well(server))
        + count(&|server| server.backup && is_well(server));
    match panic.then {
        _ if offered == 0 || up.min(offered) * 100 >= panic.below as usize * offered => Belief::Health,
        PanicMode::All => Belief::All,
        PanicMode::None => Belief::Nobody,
    }
}

/// Whether its state allows new requests.
fn may_be_used(backend: &Backend, server: &Server) -> bool {
    match belief(backend) {
        Belief::Health => is_well(server),
        Belief::All => is_offered(server),
        Belief::Nobody => false,
    }
}

fn is_eligible(backend: &Backend, server: &Server) -> bool {
    may_be_used(backend, server) && server.weight() > 0
}

impl World {
    /// Nothing happened to it a moment ago.
    fn is_settled(&self, server: &Server, within: Duration) -> bool {
        self.last_touched(&server.path()).is_none_or(|at| clock::now() > at + within)
    }

    pub(crate) fn is_backend_settled(&self, backend: &Backend) -> bool {
        backend.servers.iter().all(|server| self.is_settled(server, GRACE))
    }

    pub(crate) fn is_current(&self, backend: &Arc<Backend>) -> bool {
        self.shared.snapshot().backend(&backend.name).is_some_and(|now| Arc::ptr_eq(now, backend))
    }

    /// Whether those who belong to a server stay with it; `None` where that is not certain.
    pub(crate) fn keeps(&self, backend: &Arc<Backend>, server: &Server) -> Option<bool> {
        let is_up = server.control().state.is_up();
        if backend.panic.is_none() {
            return Some(is_up);
        }
        let is_certain = self.is_current(backend) && self.is_backend_settled(backend);
        is_certain.then(|| match belief(backend) {
            Belief::Health => is_up,
            Belief::All => is_up || is_offered(server),
            Belief::Nobody => false,
        })
    }

    /// A request was given a server.
    pub(crate) fn picked(&self, backend: &Arc<Backend>, server: &Server, look: Look, ties: &Ties) {
        let Look { since, again, at_once } = look;
        let is_pinned = self.is_pinned(backend, server, ties.pin.as_ref());
        match ties {
            Ties { pin: Some(pin), .. } => self.judge_pin(backend, server, pin, look),
            Ties { key: Some(key), .. } if !again && at_once => {
                self.judge_key(backend, server, *key);
            }
            _ => {}
        }
        let path = server.path();
        let state = server.control().state;
        // Who waited was given its server a moment before it could run.
        let at_once = at_once || clock::now() == since;
        let strictly = match backend.panic {
            None => at_once || self.is_settled(server, Duration::ZERO),
            Some(_) => self.is_current(backend) && self.is_backend_settled(backend),
        };
        // What began there and may go nowhere else stays while the server is up.
        let is_held = again && !backend.retries.redispatch && state.is_up();
        if !may_be_used(backend, server) && !is_held && !is_pinned && strictly {
            self.fail(format!("{path} is picked in state {} {:?}", state.status().word(), state));
        }
        if !self.is_settled(server, GRACE) || !self.is_current(backend) {
            return;
        }
        if server.weight() == 0 && !is_pinned && (backend.retries.redispatch || !again) {
            self.fail(format!("{path} is picked with weight 0"));
        }
        let first = backend.servers.iter().find(|it| it.backup && is_eligible(backend, it));
        if server.backup && self.is_backend_settled(backend) && !again && !is_pinned {
            if let Some(active) = backend.servers.iter().find(|it| !it.backup && is_eligible(backend, it)) {
                self.fail(format!("the backup {path} is picked beside {}", active.path()));
            }
            if backend.backups == Backups::First && first.is_some_and(|first| first.id != server.id) {
                self.fail(format!("{path} is picked, and another backup stands in front of it"));
            }
        }
        let (served, maxconn) = (server.served.load(Relaxed), server.maxconn());
        if maxconn > 0 && served > maxconn {
            self.fail(format!("{path} carries {served} and takes {maxconn}"));
        }
    }

    /// A request was sent away.
    pub(crate) fn judge_refusal(&self, backend: &Arc<Backend>, none: NoServer, since: Instant, again: bool) {
        let name = &backend.name;
        let waited = clock::now() - since;
        match none {
            NoServer::Nobody if !again && self.is_current(backend) && self.is_backend_settled(backend) => {
                if let Some(server) = backend.servers.iter().find(|server| is_eligible(backend, server)) {
                    self.fail(format!("nobody was found in {name}, and {} is there", server.path()));
                }
            }
            NoServer::QueueTimeout if waited < backend.timeouts.queue => {
                self.fail(format!("a request to {name} was given up after {waited:?} in line"));
            }
            NoServer::ClientGone => self.fail("the client is there".to_owned()),
            NoServer::QueueFull if backend.limits.iter().all(|limits| limits.max_queue == 0) => {
                self.fail(format!("the line of {name} has no end, and is full"));
            }
            _ => {}
        }
    }

    /// After each step.
    pub(crate) fn judge(&self) {
        self.judge_slots();
        self.judge_waiting();
        self.judge_checks();
        self.judge_beginnings();
        self.judge_stopping();
        self.judge_marked();
        self.judge_hurry();
        self.judge_agents();
        self.judge_tracking();
        self.judge_warming();
        self.judge_outliers();
        self.judge_hashing();
    }

    /// Each server carries who says to be with it, no more and no less.
    fn judge_slots(&self) {
        let mut held: BTreeMap<*const Server, u32> = BTreeMap::new();
        for it in self.load.under_way.borrow().values() {
            if let Stage::With(server, _) = &it.stage {
                *held.entry(Arc::as_ptr(server)).or_default() += 1;
            }
        }
        for backend in &self.shared.snapshot().backends {
            let under_way = self.load.under_way.borrow();
            let is_in_it =
                |it: &&UnderWay| matches!(it.stage, Stage::With(..)) && it.backend.name == backend.name;
            let held = under_way.values().filter(is_in_it).count();
            if backend.balance.bounds_loads() && backend.carried() as usize != held {
                self.fail(format!("{} carries {}, and has {held}", backend.name, backend.carried()));
            }
        }
        for server in self.servers.borrow().iter() {
            let (served, held) = (server.served.load(Relaxed), held.get(&Arc::as_ptr(server)).copied());
            let held = held.unwrap_or(0);
            if served != held {
                self.fail(format!("{} counts {served} requests, and has {held}", server.path()));
            }
            let current = server.stats.current();
            if current != u64::from(held) {
                self.fail(format!("{} shows {current} sessions, and has {held}", server.path()));
            }
        }
    }

    /// Nobody waits beside room, and nobody waits too long.
    fn judge_waiting(&self) {
        for (id, it) in self.load.under_way.borrow().iter() {
            let Stage::Looking(since) = &it.stage else { continue };
            let backend = &it.backend;
            let waited = clock::now() - *since;
            let plan = self.plan.borrow();
            if let Some(plan) = plan.backend(&backend.name)
                // One with a key waits anew when the server goes that it waits for.
                && waited > plan.patience() * if it.ties.key.is_some() { 3 } else { 1 }
            {
                self.fail(format!("request {id} has looked for a server of {} for {waited:?}", backend.name));
            }
            if it.again || !self.is_current(backend) || !self.is_backend_settled(backend) {
                continue;
            }
            let free = |(index, server): (usize, &Arc<Server>)| {
                self.is_for(it, *since, server) && backend.has_room(index as u32)
            };
            if let Some(index) = backend.servers.iter().enumerate().position(free) {
                self.fail(format!("request {id} waits, and {} has room", backend.servers[index].path()));
            }
        }
    }

    /// Whether one that waits would go to this server, as far as that is certain.
    fn is_for(&self, it: &UnderWay, since: Instant, server: &Server) -> bool {
        let backend = &it.backend;
        match &it.ties {
            // Who finds the line of its server full waits for any; and a limit that has grown with the load of others is
            // looked at with the next who comes or leaves.
            Ties { pin: Some(pin), .. } => {
                let limits = backend.limits[pin.server.index() as usize];
                let is_plain = limits.max_queue == 0 && limits.minconn == 0;
                let is_its = pin.holds == Some(true) && pin.server.id == server.id;
                // Who was let go when it went down is not held to it any more.
                let stayed = self.last_touched(&server.path()).is_none_or(|at| at < since);
                let stayed = stayed && backend.eject.is_none();
                is_plain && is_its && stayed && self.is_pinned(backend, server, Some(pin))
            }
            Ties { key: Some(_), .. } => false,
            _ => !server.backup && is_eligible(backend, server),
        }
    }

    /// When all is idle: each server that is up is picked again, within as many picks as the weights allow.
    pub(crate) fn judge_picks(&self) {
        let snapshot = self.shared.snapshot();
        for backend in &snapshot.backends {
            let active: Vec<_> =
                backend.servers.iter().filter(|it| !it.backup && is_eligible(backend, it)).collect();
            let backups = backend.servers.iter().filter(|it| it.backup && is_eligible(backend, it));
            let by_turns = !active.is_empty() || backend.backups == Backups::All;
            let mut expected: Vec<_> = if active.is_empty() { backups.collect() } else { active };
            if !by_turns || backend.balance == Algorithm::First {
                expected.truncate(1);
            }
            let weights: u32 = expected.iter().map(|server| server.weight()).sum();
            // Chance picks everybody at some time.
            let by_chance = by_turns && matches!(backend.balance, Algorithm::Random { .. });
            let rounds = if by_chance { 20 } else { 1 };
            let mut random = Random::new(7);
            let mut picked: BTreeMap<u32, u32> = BTreeMap::new();
            for _ in 0..weights * rounds {
                let Some(index) = pick(backend, &mut random) else {
                    self.fail(format!("nobody is picked in {}", backend.name));
                    break;
                };
                *picked.entry(index).or_default() += 1;
            }
            for (&index, &times) in &picked {
                (0..times).for_each(|_| backend.leave(index));
            }
            for server in expected {
                let times = picked.get(&(server.id - 1)).copied().unwrap_or(0);
                let right = if by_chance { times > 0 } else { times == server.weight() };
                if !right {
                    self.fail(format!(
                        "{} with weight {} is picked {times} times of {}",
                        server.path(),
                        server.weight(),
                        weights * rounds
                    ));
                }
            }
        }
    }

    /// When all is idle nobody holds anything.
    pub(crate) fn judge_idle(&self) {
        self.judge_slots();
        for backend in &self.shared.snapshot().backends {
            let (waiting, retrying) = (backend.live.queue.waiting(), backend.live.retrying.load(Relaxed));
            let current = backend.live.stats.current();
            if (waiting, retrying, current) != (0, 0, 0) {
                let name = &backend.name;
                self.fail(format!(
                    "{name} is idle with {waiting} waiting, {retrying} retries, {current} sessions"
                ));
            }
            for server in &backend.servers {
                if server.line.waiting() != 0 {
                    self.fail(format!("{} has a line of its own, and nobody in it", server.path()));
                }
            }
        }
    }
}

/// Room on the next server, which is not given back.
fn pick(backend: &Backend, random: &mut Random) -> Option<u32> {
    match proxyd::balance::pick(backend, &Ask::default(), random) {
        Picked::Server(index) => Some(index),
        _ => None,
    }
}
