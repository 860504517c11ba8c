//! One server: what is configured, what an operator changed, what its checks found, what it carries.

use std::sync::atomic::{
    AtomicBool, AtomicU32,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam_utils::CachePadded;
use proto::addr::Address;

use super::queue::OwnLine;
use super::state::State;
use crate::config::Uplink;
use crate::http::parting::Parting;
use crate::stats::cells::Sharded;
use crate::stats::counter::{Peak, Tally};
use crate::stats::rate::Rate;
use crate::stats::slots::Slots;
use crate::tls::Originator;

/// A server of a backend. It lives as long as its name stays in the configuration.
#[derive(Debug)]
pub struct Server {
    pub name: Arc<str>,
    pub backend: Arc<str>,
    /// Id within the backend, from 1.
    pub id: u32,
    pub backup: bool,
    /// As configured, what `get weight` calls initial.
    pub initial_weight: u32,
    /// How it is connected to.
    pub uplink: Uplink,
    /// Connections begin with a handshake.
    pub tls: Option<Arc<Originator>>,
    /// Connections that took a port of its range.
    pub source_turn: AtomicU32,
    address: ArcSwap<Address>,
    /// Changes of the address, so that a kept connection can be told from one to where the server is now.
    moves: AtomicU32,
    weight: AtomicU32,
    /// Most it carries at once; 0 is no limit.
    maxconn: AtomicU32,
    /// Whether new traffic may be sent: read at every pick, so that a change holds from the next one on.
    takes_new: AtomicBool,
    /// Up: idle connections to it are kept, and sessions.
    up: AtomicBool,
    /// A check is under way.
    checking: AtomicBool,
    control: Mutex<Control>,
    /// Requests or connections it carries now, over all workers.
    pub served: CachePadded<AtomicU32>,
    /// Those who wait for it and no other.
    pub line: OwnLine,
    pub stats: Sharded,
    /// Streams and connections of HTTP/2 that ended before their time, by [`Parting`].
    pub partings: Slots,
    pub rates: Rates,
    /// Failed checks while up (`chkfail`).
    pub check_failures: Tally,
    /// Changes from up to down (`chkdown`).
    pub downs: Tally,
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
    pub check: CheckReport,
}

/// The last check of a server.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    pub outcome: Option<Outcome>,
}

/// How one check ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    pub status: CheckStatus,
    /// Status code of an HTTP answer.
    pub code: Option<u16>,
    pub duration: Duration,
    /// What the system or the server said, for people.
    pub info: String,
}

/// HAProxy's check statuses (management guide, `check_status`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CheckStatus {
    /// Could not be tried: a socket error of ours.
    SockErr,
    L4Ok,
    L4Timeout,
    L4Con,
    L6Ok,
    L6Timeout,
    L6Response,
    L7Timeout,
    L7Response,
    L7Ok,
    L7Status,
}

impl CheckStatus {
    pub const fn passed(self) -> bool {
        matches!(self, Self::L4Ok | Self::L6Ok | Self::L7Ok)
    }

    /// The word of `show stat`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::SockErr => "SOCKERR",
            Self::L4Ok => "L4OK",
            Self::L4Timeout => "L4TOUT",
            Self::L4Con => "L4CON",
            Self::L6Ok => "L6OK",
            Self::L6Timeout => "L6TOUT",
            Self::L6Response => "L6RSP",
            Self::L7Timeout => "L7TOUT",
            Self::L7Response => "L7RSP",
            Self::L7Ok => "L7OK",
            Self::L7Status => "L7STS",
        }
    }

    /// The long form, `check_desc` and the log.
    pub const fn text(self) -> &'static str {
        match self {
            Self::SockErr => "Socket error",
            Self::L4Ok => "Layer4 check passed",
            Self::L4Timeout => "Layer4 timeout",
            Self::L4Con => "Layer4 connection problem",
            Self::L6Ok => "Layer6 check passed",
            Self::L6Timeout => "Layer6 timeout",
            Self::L6Response => "Layer6 invalid response",
            Self::L7Timeout => "Layer7 timeout",
            Self::L7Response => "Layer7 invalid response",
            Self::L7Ok => "Layer7 check passed",
            Self::L7Status => "Layer7 wrong status",
        }
    }

    /// `srv_check_status` of `show servers state`.
    pub const fn number(self) -> u32 {
        match self {
            Self::SockErr => 5,
            Self::L4Ok => 6,
            Self::L4Timeout => 7,
            Self::L4Con => 8,
            Self::L6Ok => 9,
            Self::L6Timeout => 10,
            Self::L6Response => 11,
            Self::L7Timeout => 12,
            Self::L7Response => 13,
            Self::L7Ok => 15,
            Self::L7Status => 17,
        }
    }
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
    pub uplink: Uplink,
    pub tls: Option<Arc<Originator>>,
    pub address: Address,
    /// Rise and fall.
    pub check: Option<(u32, u32)>,
    pub workers: usize,
    /// Milliseconds of the process's epoch.
    pub now_ms: u64,
}

impl Server {
    pub fn new(parts: Parts) -> Self {
        Self {
            name: parts.name,
            backend: parts.backend,
            id: parts.id,
            backup: parts.backup,
            initial_weight: parts.weight,
            uplink: parts.uplink,
            tls: parts.tls,
            source_turn: AtomicU32::new(0),
            address: ArcSwap::from_pointee(parts.address),
            moves: AtomicU32::new(0),
            weight: AtomicU32::new(parts.weight),
            maxconn: AtomicU32::new(parts.maxconn),
            takes_new: AtomicBool::new(true),
            up: AtomicBool::new(true),
            checking: AtomicBool::new(false),
            control: Mutex::new(Control {
                state: State::new(parts.check),
                changed_at: parts.now_ms,
                down_ms: 0,
                down_since: None,
                check: CheckReport::default(),
            }),
            served: CachePadded::default(),
            line: OwnLine::default(),
            stats: Sharded::new(parts.workers),
            partings: Slots::new(parts.workers, Parting::PLACES),
            rates: Rates::default(),
            check_failures: Tally::default(),
            downs: Tally::default(),
        }
    }

    /// Whether a new request may be sent to it, its weight aside.
    pub fn takes_new(&self) -> bool {
        self.takes_new.load(Relaxed)
    }

    /// Whether idle connections to it may be of use.
    pub fn keeps_connections(&self) -> bool {
        self.up.load(Relaxed)
    }

    /// Whether what began on it goes on there: it is up, drained or not, whatever its weight.
    pub fn keeps_sessions(&self) -> bool {
        self.up.load(Relaxed)
    }

    /// Whether a check is to be sent now.
    pub fn checks_run(&self) -> bool {
        self.lock().state.checks_run()
    }

    /// A check is under way.
    pub fn is_checking(&self) -> bool {
        self.checking.load(Relaxed)
    }

    pub fn set_checking(&self, checking: bool) {
        self.checking.store(checking, Relaxed);
    }

    /// Weight as set by the operator.
    pub fn weight(&self) -> u32 {
        self.weight.load(Relaxed)
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

    pub(super) fn lock(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn publish(&self, state: &State) {
        self.takes_new.store(state.takes_new(), Relaxed);
        self.up.store(state.is_up(), Relaxed);
    }

    /// `backend/server`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.backend, self.name)
    }
}
