//! A server as the console knows it: the last row, its past, and what both say.

use super::clock::{Mono, Now};
use super::history::{Counters, History, Rates};
use super::sample::Row;
use super::status::{Condition, Severity};

/// Who a server is. Ids of the balancer change with its configuration; names are what the operator means.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ServerId {
    pub backend: String,
    pub server: String,
}

impl ServerId {
    pub fn new(backend: impl Into<String>, server: impl Into<String>) -> Self {
        Self { backend: backend.into(), server: server.into() }
    }
}

impl std::fmt::Display for ServerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.backend, self.server)
    }
}

/// A server.
#[derive(Clone, Debug)]
pub struct Server {
    pub id: ServerId,
    pub row: Row,
    pub condition: Condition,
    pub history: History,
}

impl Server {
    pub fn new(row: Row) -> Self {
        Self {
            id: ServerId::new(row.proxy.clone(), row.name.clone()),
            condition: Condition::parse(&row.status),
            row,
            history: History::default(),
        }
    }

    /// Takes the next row of the same server.
    pub fn take(&mut self, mut row: Row, at: Mono) {
        self.history.push(at, counters(&row));
        self.condition = Condition::parse(&row.status);
        // The balancer says ages in whole seconds; the same change must not wander by one with every look.
        if let (Some(old), Some(new)) = (self.row.changed_at, row.changed_at)
            && old.abs_diff(new) < 2500
            && self.row.status == row.status
        {
            row.changed_at = Some(old);
        }
        self.row = row;
    }

    pub fn severity(&self) -> Severity {
        match self.condition {
            Condition::Down | Condition::ComingUp => Severity::Down,
            Condition::GoingDown => Severity::GoingDown,
            Condition::Maint => Severity::Maint,
            _ if self.is_full() => Severity::OverLimit,
            _ if self.row.qcur.unwrap_or(0) > 0 => Severity::Queueing,
            Condition::Drain | Condition::Nolb => Severity::Drain,
            _ => Severity::Fine,
        }
    }

    /// Whether it has as many sessions as it may.
    pub fn is_full(&self) -> bool {
        self.limit().is_some_and(|limit| self.current() >= limit)
    }

    pub fn weight(&self) -> u32 {
        u32::try_from(self.row.weight.unwrap_or(0)).unwrap_or(u32::MAX)
    }

    pub fn current(&self) -> u64 {
        self.row.scur.unwrap_or(0)
    }

    pub fn limit(&self) -> Option<u64> {
        self.row.slim.filter(|&limit| limit > 0)
    }

    pub fn rates(&self) -> Rates {
        self.history.rates().unwrap_or_default()
    }

    /// Share of answers 5xx among the requests of the last ten seconds, in percent.
    pub fn error_percent(&self) -> Option<f64> {
        let (requests, errors, _) = self.history.window();
        (requests > 0 && self.row.hrsp_5xx.is_some()).then(|| errors as f64 * 100.0 / requests as f64)
    }

    /// Seconds in this state.
    pub fn since(&self, now: Now) -> Option<u64> {
        self.row.changed_at.map(|at| now.wall.saturating_sub(at) / 1000)
    }

    /// The state, as one short word and its count.
    pub fn word(&self) -> &str {
        if self.condition == Condition::NoCheck { "NOCHK" } else { &self.row.status }
    }

    /// The last check: `L7STS 503`.
    pub fn check(&self) -> String {
        let status = self.row.check_status.trim_start_matches("* ");
        match self.row.check_code {
            Some(code) if !status.is_empty() => format!("{status} {code}"),
            _ if status.is_empty() => "-".into(),
            _ => status.into(),
        }
    }
}

/// The counters of a row that become rates.
pub fn counters(row: &Row) -> Counters {
    Counters {
        requests: row.requests(),
        errors: row.hrsp_5xx.unwrap_or(0),
        bytes_in: row.bin.unwrap_or(0),
        bytes_out: row.bout.unwrap_or(0),
    }
}
