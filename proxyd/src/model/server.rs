//! One server: what is configured, what an operator changed, what its checks found, what it carries.

use std::borrow::Cow;
use std::mem::offset_of;
use std::sync::atomic::{
    AtomicU8, AtomicU32,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use crossbeam_utils::CachePadded;
use proto::addr::Address;
use tokio::sync::Notify;

use super::absence::Absence;
use super::dismissal::Dismissals;
use super::history::{History, Transition};
use super::latency::Latency;
pub use super::outcome::{CheckStatus, Outcome};
use super::panic::Belief;
use super::questions::Questions;
use super::queue::OwnLine;
use super::slow_start::{Ramp, STEPS};
use super::state::{Event, State};
use super::traffic::Traffic;
use crate::config::{Agent, Check, CheckPlace, ServerAddress, ServerHttp, Uplink, Verdict};
use crate::http::parting::Parting;
use crate::stats::cells::Sharded;
use crate::stats::counter::{Peak, Tally};
use crate::stats::rate::Rate;
use crate::stats::slots::Slots;
use crate::tls::Originator;

/// A server of a backend. It lives on from one graph to the next, unless the configuration makes it another one.
///
/// What each request looks at stands in front, in one line of the cache: where there are thousands of servers, nothing of
/// theirs is in it.
#[derive(Debug)]
#[repr(C)]
pub struct Server {
    /// [`word`] bits: read at every pick, so that a change holds from the next one on.
    word: AtomicU8,
    pub backup: bool,
    /// A connection to it belongs to one client, and no other may use it.
    pub is_private: bool,
    /// Requests may share connections to it.
    pub is_shared: bool,
    weight: AtomicU32,
    /// Most it carries at once; 0 is no limit.
    maxconn: AtomicU32,
    /// Changes of the address, so that a kept connection can be told from one to where the server is now.
    moves: AtomicU32,
    /// How far it has warmed up: steps above, percent below.
    ramp: AtomicU32,
    /// Its word that what it carries is to end.
    pub dismissals: Dismissals,
    /// What its traffic says of it, where that counts.
    pub traffic: Option<Box<Traffic>>,
    address: ArcSwap<Address>,
    /// Connections begin with a handshake.
    pub tls: Option<Arc<Originator>>,
    pub stats: Sharded,
    /// How it is connected to.
    pub uplink: Uplink,
    /// Connections that took a port of its range.
    pub source_turn: AtomicU32,
    /// Id within the backend, from 1.
    pub id: u32,
    /// How long it takes to answer; known where it is asked for.
    pub latency: Latency,
    /// Those who wait for it and no other.
    pub line: OwnLine,
    pub name: Arc<str>,
    pub backend: Arc<str>,
    /// As configured, what `get weight` calls initial.
    pub initial_weight: u32,
    /// Checks of it.
    pub checks: Questions,
    /// Questions to its agent.
    pub consultations: Questions,
    /// What decides on its state beside its check.
    pub verdict: Verdict,
    /// How its health is asked for.
    pub check: Option<Arc<Check>>,
    /// The same of connections of its check that are encrypted.
    pub check_tls: Option<Arc<Originator>>,
    /// Where it is by the configuration; an operator may have moved it.
    pub configured_address: ServerAddress,
    /// Wakes whoever waits for the time of its next check.
    hurry: Notify,
    control: Mutex<Control>,
    /// As configured, or as an operator changed it.
    agent: Mutex<Option<Agent>>,
    /// The same of where its checks go.
    check_place: Mutex<CheckPlace>,
    history: Mutex<History>,
    /// How often it was left out, by [`Fault`].
    pub ejections: [Tally; 2],
    /// Streams and connections of HTTP/2 that ended before their time, by [`Parting`].
    pub partings: Slots,
    pub rates: Rates,
    /// Failed checks while up (`chkfail`).
    pub check_failures: Tally,
    /// Too many errors of its traffic, whatever was done about them (`hanafail`).
    pub excesses: Tally,
    /// Changes from up to down (`chkdown`).
    pub downs: Tally,
    /// Requests or connections it carries now, over all workers.
    pub served: CachePadded<AtomicU32>,
}

const _: () = assert!(offset_of!(Server, stats) + size_of::<Box<[u8]>>() <= 64, "one line of 64 bytes");

/// What a server does worse than the others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    Errors,
    Latency,
}

/// Rates and maxima that a once-a-second sampler keeps.
#[derive(Debug, Default)]
pub struct Rates {
    /// `rate`.
    pub sessions: Rate,
    /// `req_rate`.
    pub requests: Rate,
    /// `conn_rate`.
    pub connections: Rate,
    /// Most streams at once.
    pub served_max: Peak,
}

/// What only control, checks and readers touch.
#[derive(Clone, Debug)]
pub struct Control {
    pub state: State,
    /// Milliseconds of the process's epoch.
    pub changed_at: u64,
    /// Milliseconds down in closed periods.
    pub down_ms: u64,
    /// Since when it is down, if it is.
    pub down_since: Option<u64>,
    /// Since when it warms up, if it does.
    pub warming: Option<u64>,
    /// When it was last left out for doing worse than the others.
    pub absence: Option<Absence>,
    pub check: CheckReport,
    /// The same of its agent.
    pub agent: CheckReport,
}

impl Control {
    /// Begins or ends a period of being down.
    pub(super) fn count_time(&mut self, (was_up, is_up): (bool, bool), now_ms: u64) {
        if was_up && !is_up {
            self.down_since = Some(now_ms);
        } else if !was_up
            && is_up
            && let Some(since) = self.down_since.take()
        {
            self.down_ms += now_ms.saturating_sub(since);
        }
    }
}

/// The last check of a server.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    pub outcome: Option<Outcome>,
}

/// What a server is made of.
#[derive(Debug)]
pub struct Parts {
    pub name: Arc<str>,
    pub backend: Arc<str>,
    pub id: u32,
    pub backup: bool,
    pub weight: u32,
    pub maxconn: u32,
    pub verdict: Verdict,
    pub uplink: Uplink,
    pub tls: Option<Arc<Originator>>,
    pub check_tls: Option<Arc<Originator>>,
    pub configured_address: ServerAddress,
    pub address: Address,
    pub check: Option<Arc<Check>>,
    pub workers: usize,
    /// Milliseconds of the process's epoch.
    pub now_ms: u64,
}

impl Server {
    pub fn new(parts: Parts) -> Self {
        let agent = parts.verdict.agent.clone();
        // One that follows another has no verdict of its own.
        let check = parts.check.as_ref().filter(|_| parts.verdict.track.is_none());
        let check_place = parts.check.as_ref().map(|check| check.target.place()).unwrap_or_default();
        let state = State::new(check.map(|check| (check.timing.rise, check.timing.fall)));
        let state = state.beginning(parts.verdict.init_state);
        // An agent is believed at its first word, as HAProxy has it.
        let state = if agent.is_some() { state.with_agent(1, 1) } else { state };
        let traffic = parts.verdict.observe.map(Traffic::new).map(Box::new);
        let is_shared = match parts.uplink.http {
            ServerHttp::Http1 => false,
            ServerHttp::H2 => true,
            ServerHttp::Auto => parts.tls.is_some(),
        };
        Self {
            is_private: parts.uplink.is_private(),
            is_shared,
            name: parts.name,
            backend: parts.backend,
            id: parts.id,
            backup: parts.backup,
            initial_weight: parts.weight,
            verdict: parts.verdict,
            check_place: Mutex::new(check_place),
            check: parts.check,
            uplink: parts.uplink,
            tls: parts.tls,
            check_tls: parts.check_tls,
            configured_address: parts.configured_address,
            source_turn: AtomicU32::new(0),
            address: ArcSwap::from_pointee(parts.address),
            moves: AtomicU32::new(0),
            weight: AtomicU32::new(parts.weight),
            ramp: AtomicU32::new(packed(Ramp::FULL)),
            latency: Latency::default(),
            maxconn: AtomicU32::new(parts.maxconn),
            word: AtomicU8::new(word::of(&state)),
            checks: Questions::default(),
            hurry: Notify::new(),
            agent: Mutex::new(agent),
            consultations: Questions::default(),
            history: Mutex::default(),
            traffic,
            dismissals: Dismissals::default(),
            ejections: Default::default(),
            control: Mutex::new(Control {
                state,
                changed_at: parts.now_ms,
                down_ms: 0,
                down_since: (!state.is_up()).then_some(parts.now_ms),
                warming: None,
                absence: None,
                check: CheckReport::default(),
                agent: CheckReport::default(),
            }),
            served: CachePadded::default(),
            line: OwnLine::default(),
            stats: Sharded::new(parts.workers),
            partings: Slots::new(parts.workers, Parting::PLACES),
            rates: Rates::default(),
            check_failures: Tally::default(),
            excesses: Tally::default(),
            downs: Tally::default(),
        }
    }

    /// Whether a new request may be sent to it, its weight aside.
    pub fn takes_new(&self) -> bool {
        let word = self.word.load(Relaxed);
        match word & word::DISBELIEF {
            0 => word & word::WELL != 0,
            word::ALL => word & word::OFFERED != 0,
            _ => false,
        }
    }

    /// The same, going by its health alone: what panic is judged by.
    pub fn is_well(&self) -> bool {
        self.word.load(Relaxed) & word::WELL != 0
    }

    /// Whether it would get new requests if health counted for nothing.
    pub fn is_offered(&self) -> bool {
        self.word.load(Relaxed) & word::OFFERED != 0
    }

    /// Whether idle connections to it may be of use.
    pub fn keeps_connections(&self) -> bool {
        self.word.load(Relaxed) & word::UP != 0
    }

    /// Whether what began on it goes on there: it is up, drained or not, whatever its weight.
    pub fn keeps_sessions(&self) -> bool {
        let word = self.word.load(Relaxed);
        match word & word::DISBELIEF {
            0 => word & word::UP != 0,
            // Another server is believed no more than this one.
            word::ALL => word & (word::UP | word::OFFERED) != 0,
            _ => false,
        }
    }

    /// Whether a check is to be sent now.
    pub fn checks_run(&self) -> bool {
        self.lock().state.checks_run()
    }

    /// Its agent, as an operator may have changed it.
    pub fn agent(&self) -> Option<Agent> {
        self.agent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_agent(&self, agent: Agent) {
        *self.agent.lock().unwrap_or_else(PoisonError::into_inner) = Some(agent);
    }

    /// Where its checks go, as an operator may have changed it.
    pub fn check_place(&self) -> CheckPlace {
        *self.check_place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_check_place(&self, place: CheckPlace) {
        *self.check_place.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }

    /// The next check need not wait for its time: something else has been seen of the server.
    pub fn check_soon(&self) {
        self.hurry.notify_one();
    }

    /// Ready once the next check is wanted sooner.
    pub async fn hurried(&self) {
        self.hurry.notified().await;
    }

    /// Weight as set by the operator.
    pub fn weight(&self) -> u32 {
        self.weight.load(Relaxed)
    }

    /// How far it has warmed up.
    pub fn ramp(&self) -> Ramp {
        unpacked(self.ramp.load(Relaxed))
    }

    /// Returns where it was before.
    pub(super) fn set_ramp(&self, ramp: Ramp) -> Ramp {
        unpacked(self.ramp.swap(packed(ramp), Relaxed))
    }

    /// Its part of the traffic now, in sixteenths of a weight.
    pub fn share(&self) -> u32 {
        self.weight() * self.ramp().steps
    }

    /// The weight it has while it warms up, as it is shown.
    pub fn effective_weight(&self) -> u32 {
        self.share().div_ceil(STEPS)
    }

    pub(super) fn is_warming(&self) -> bool {
        self.ramp() != Ramp::FULL
    }

    /// Its place in the backend's list.
    pub fn index(&self) -> u32 {
        self.id - 1
    }

    /// Most it is to carry at once; 0 is no limit.
    pub fn maxconn(&self) -> u32 {
        // One order over all with the counts that the queue compares.
        self.maxconn.load(SeqCst)
    }

    pub(crate) fn set_maxconn(&self, maxconn: u32) {
        self.maxconn.store(maxconn, SeqCst);
    }

    /// Whether it can be picked, room aside: what lineups, picks and counts all go by.
    pub fn is_eligible(&self) -> bool {
        self.takes_new() && self.weight() > 0
    }

    pub(super) fn set_weight(&self, weight: u32) {
        self.weight.store(weight, Relaxed);
    }

    pub fn address(&self) -> Arc<Address> {
        self.address.load_full()
    }

    /// The address, without touching its reference count.
    pub fn with_address<T>(&self, read: impl FnOnce(&Address) -> T) -> T {
        read(&self.address.load())
    }

    pub(super) fn set_address(&self, address: Address) {
        self.address.store(Arc::new(address));
        self.moves.fetch_add(1, Release);
    }

    /// How often the address has changed. Read before the address, it is never newer.
    pub fn moves(&self) -> u32 {
        self.moves.load(Acquire)
    }

    /// A copy of what control knows.
    pub fn control(&self) -> Control {
        self.lock().clone()
    }

    /// Until when it is left out, if it is.
    pub fn absence(&self) -> Option<Absence> {
        let control = self.lock();
        control.absence.filter(|_| control.state.ejected)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn publish(&self, state: &State) {
        self.change_word(!word::DISBELIEF, word::of(state));
    }

    /// What holds from its beginning, and is no change.
    pub(super) fn begin(&self, event: Event) {
        let mut control = self.lock();
        let state = control.state.after(event);
        control.state = state;
        control.down_since = (!state.is_up()).then_some(control.changed_at);
        self.publish(&state);
    }

    /// Whether its health decides on its traffic from here on.
    pub(super) fn believe(&self, belief: Belief) {
        let bits = match belief {
            Belief::Health => 0,
            Belief::All => word::ALL,
            Belief::Nobody => word::NONE,
        };
        self.change_word(word::DISBELIEF, bits);
    }

    /// Sets the bits of `which` as in `bits`.
    fn change_word(&self, which: u8, bits: u8) {
        // Never fails: the closure always has a value.
        let _infallible =
            self.word.fetch_update(Relaxed, Relaxed, |word| Some((word & !which) | (bits & which)));
    }

    /// What `show stat` says of it in that state.
    pub fn status_word(&self, state: &State) -> Cow<'static, str> {
        match &self.verdict.track {
            Some(lead) if state.admin.is_maint_inherited() => format!("MAINT (via {lead})").into(),
            _ => state.status().word(),
        }
    }

    /// Its last transitions, the oldest first.
    pub fn history(&self) -> Vec<Transition> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).all()
    }

    pub(super) fn remember(&self, transition: Transition) {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).add(transition);
    }

    /// `backend/server`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.backend, self.name)
    }
}

const fn packed(ramp: Ramp) -> u32 {
    ramp.steps << 8 | ramp.percent
}

const fn unpacked(ramp: u32) -> Ramp {
    Ramp { steps: ramp >> 8, percent: ramp & 0xff }
}

/// What of a server's state workers read, in one byte.
mod word {
    use crate::model::state::State;

    /// Takes new traffic.
    pub(super) const WELL: u8 = 1;
    /// Up: idle connections to it are kept.
    pub(super) const UP: u8 = 2;
    /// Neither in maintenance nor draining nor asking for no new sessions.
    pub(super) const OFFERED: u8 = 4;
    /// In panic, all that are offered get traffic, or nobody.
    pub(super) const ALL: u8 = 8;
    pub(super) const NONE: u8 = 16;
    pub(super) const DISBELIEF: u8 = ALL | NONE;

    pub(super) fn of(state: &State) -> u8 {
        let bits = [(state.takes_new(), WELL), (state.is_up(), UP), (state.is_offered(), OFFERED)];
        bits.into_iter().filter(|(set, _)| *set).fold(0, |word, (_, bit)| word | bit)
    }
}
