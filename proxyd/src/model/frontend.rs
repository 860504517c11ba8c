//! A frontend: where clients arrive, and how many may.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

use super::access_log::AccessLog;
use super::server::Rates;
use super::sources::Sources;
use super::stick::Track;
use crate::config::{self, ClientCertHeader, ClientTimeouts, ForwardHeaders, HttpOptions, Mode, Trusted};
use crate::http::ending::{CODES, Ending};
use crate::http::refusal::Reason;
use crate::http::reply::Pages;
use crate::net::tls::failure::Failure;
use crate::stats::cells::Sharded;
use crate::stats::slots::Slots;
use crate::tls::Terminator;

/// Where clients arrive.
#[derive(Debug)]
pub struct Frontend {
    pub name: Arc<str>,
    /// Proxy id; a backend of the same name has the same.
    pub id: u32,
    pub mode: Mode,
    pub timeouts: ClientTimeouts,
    pub forward: ForwardHeaders,
    /// What servers are told of clients' certificates.
    pub client_cert_headers: Arc<[ClientCertHeader]>,
    pub http: HttpOptions,
    /// Seconds that clients are told they may leave between two requests: less than they have, so that none of them
    /// sends one just when the connection is closed.
    pub told_keep_alive: Option<u32>,
    /// Answers made here that are not the built-in ones.
    pub pages: Pages,
    /// Most connections of one client's address.
    pub maxconn_per_source: Option<u32>,
    /// Its own limit as configured; an operator may have set another one.
    pub configured_maxconn: Option<u32>,
    /// Whose word about a client's address is taken.
    pub trusted: Trusted,
    /// Whose connections and requests are counted.
    pub track: Box<[Track]>,
    pub routes: Vec<config::Route>,
    pub default_backend: Option<Arc<str>>,
    pub binds: Vec<Arc<Bind>>,
    /// What is written of its traffic; `None` is nothing.
    pub log: Option<AccessLog>,
    pub live: Arc<FrontendLive>,
}

impl Frontend {
    /// Takes up what the configuration says now. What an operator set stays, unless the configuration changed there.
    pub(super) fn succeed(&self, before: &Self) {
        if before.configured_maxconn != self.configured_maxconn {
            self.live.set_maxconn(self.configured_maxconn.unwrap_or(u32::MAX));
        }
    }
}

/// One place where they arrive, over all workers.
#[derive(Debug)]
pub struct Bind {
    /// A port of 0 is still 0 here, `Shared::listeners` has the real ones.
    pub conf: config::Bind,
    /// Connections begin with a handshake.
    pub tls: Option<Arc<Terminator>>,
    /// Connections now; counted where there is a limit.
    pub connections: CachePadded<AtomicU32>,
}

impl Bind {
    pub fn new(conf: config::Bind, tls: Option<Arc<Terminator>>) -> Self {
        Self { conf, tls, connections: CachePadded::default() }
    }

    pub fn has_room(&self) -> bool {
        self.conf.maxconn.is_none_or(|maxconn| self.connections.load(Relaxed) < maxconn)
    }
}

/// What outlives a reload.
#[derive(Debug)]
pub struct FrontendLive {
    pub sources: Arc<Sources>,
    /// Connections now, over all workers.
    pub connections: CachePadded<AtomicU32>,
    /// `set maxconn frontend`; `u32::MAX` is no limit of its own.
    maxconn: AtomicU32,
    /// `disable frontend`.
    paused: AtomicBool,
    /// Lines of the access log, where one says their number.
    pub logged: AtomicU64,
    pub stats: Sharded,
    /// Requests that were refused, by reason.
    pub refusals: Slots,
    /// Handshakes that failed, by reason.
    pub tls_failures: Slots,
    /// Connections of HTTP/2 that were ended, by reason, then streams that were reset, by code.
    pub http2: Slots,
    pub rates: Rates,
}

impl FrontendLive {
    pub fn new(workers: usize, maxconn: Option<u32>) -> Self {
        Self {
            sources: Arc::default(),
            connections: CachePadded::default(),
            maxconn: AtomicU32::new(maxconn.unwrap_or(u32::MAX)),
            paused: AtomicBool::new(false),
            logged: AtomicU64::new(0),
            stats: Sharded::new(workers),
            refusals: Slots::new(workers, Reason::COUNT),
            tls_failures: Slots::new(workers, Failure::COUNT),
            http2: Slots::new(workers, Ending::COUNT + CODES.len()),
            rates: Rates::default(),
        }
    }

    /// The frontend's own limit, if it has one.
    pub fn maxconn(&self) -> Option<u32> {
        Some(self.maxconn.load(Relaxed)).filter(|&n| n != u32::MAX)
    }

    pub fn is_paused(&self) -> bool {
        self.paused.load(Relaxed)
    }

    /// Room for one more, and not paused.
    pub fn has_room(&self) -> bool {
        self.connections.load(Relaxed) < self.maxconn.load(Relaxed) && !self.is_paused()
    }

    pub(super) fn set_maxconn(&self, maxconn: u32) {
        self.maxconn.store(maxconn, Relaxed);
    }

    /// Returns whether it was paused before.
    pub(super) fn set_paused(&self, paused: bool) -> bool {
        self.paused.swap(paused, Relaxed)
    }
}
