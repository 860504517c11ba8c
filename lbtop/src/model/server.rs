//! A server as the console knows it: the last row, its past, and what both say.

use super::clock::{Mono, Now};
use super::history::{Counters, History, Rates};
use super::sample::Row;
use super::status::{Condition, Severity, is_of_agent};

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

    /// The state in that many cells: where there is no room for whose word it is, what the check says tells it.
    pub fn word_in(&self, cells: u16) -> &str {
        match self.row.status.split_once(' ') {
            Some((short, _)) if self.is_of_agent() && self.row.status.len() > usize::from(cells) => short,
            _ => self.word(),
        }
    }

    /// What its state comes from, in short: the last check (`L7STS 503`), or where its agent decides, what that said
    /// (`agent: disk full`).
    pub fn check(&self) -> String {
        if self.is_of_agent() {
            let text = self.agent_text();
            let why = text.split_once(" (").and_then(|(_, why)| why.strip_suffix(')'));
            return format!("agent: {}", why.unwrap_or(text));
        }
        let status = self.row.check_status.trim_start_matches("* ");
        match self.row.check_code {
            Some(code) if !status.is_empty() => format!("{status} {code}"),
            _ if status.is_empty() => "-".into(),
            _ => status.into(),
        }
    }

    /// What came back from what its state comes from: of the check or of the agent.
    pub fn check_text(&self) -> &str {
        let row = &self.row;
        match (self.is_of_agent(), row.last_chk.is_empty()) {
            (true, _) => self.agent_text(),
            (false, true) => &row.check_desc,
            (false, false) => &row.last_chk,
        }
    }

    /// The whole of it: `L7STS 503 Service Unavailable in 2 ms`, `agent L7STS down (disk full) in 0 ms`; `None` without
    /// checks.
    pub fn check_told(&self) -> Option<String> {
        let row = &self.row;
        let (head, duration) = if self.is_of_agent() {
            (format!("agent {}", row.agent_status.trim_start_matches("* ")), row.agent_duration)
        } else if row.check_status.is_empty() {
            return None;
        } else {
            (self.check(), row.check_duration)
        };
        let took = duration.map_or(String::new(), |ms| format!(" in {ms} ms"));
        Some(format!("{head} {}{took}", self.check_text()))
    }

    /// How long the check took that [`Self::check`] tells of, in milliseconds; not where an agent decides, whose words
    /// need the room.
    pub fn check_took(&self) -> Option<u64> {
        self.row.check_duration.filter(|_| !self.is_of_agent() && !self.row.check_status.is_empty())
    }

    fn is_of_agent(&self) -> bool {
        is_of_agent(&self.row.status)
    }

    /// The agent's own words, or what became of asking it.
    fn agent_text(&self) -> &str {
        let row = &self.row;
        if row.last_agt.is_empty() {
            return &row.agent_desc;
        }
        row.last_agt.strip_prefix("via agent : ").unwrap_or(&row.last_agt)
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

#[cfg(test)]
mod tests {
    use super::super::sample::Kind;
    use super::*;

    #[test]
    fn where_an_agent_decides_it_is_the_agent_that_is_quoted() {
        let mut row = Row::new(Kind::Server, "app", "a");
        (row.check_status, row.check_code, row.last_chk) = ("L7OK".into(), Some(200), "OK".into());
        row.check_duration = Some(1);
        (row.agent_status, row.agent_desc) = ("* L7STS".into(), "Layer7 wrong status".into());
        row.last_agt = "via agent : down (disk full)".into();
        row.agent_duration = Some(3);
        let told = |status: &str, row: &Row| {
            let mut row = row.clone();
            row.status = status.into();
            let server = Server::new(row);
            (server.check(), server.check_text().to_owned(), server.check_told().unwrap_or_default())
        };
        let strings = |(a, b, c): (&str, &str, &str)| (a.to_owned(), b.to_owned(), c.to_owned());
        let by_agent = ("agent: disk full", "down (disk full)", "agent L7STS down (disk full) in 3 ms");
        assert_eq!(told("DOWN (agent)", &row), strings(by_agent));
        assert_eq!(told("UP", &row), strings(("L7OK 200", "OK", "L7OK 200 OK in 1 ms")));
        row.last_agt = String::new();
        let nothing =
            ("agent: Layer7 wrong status", "Layer7 wrong status", "agent L7STS Layer7 wrong status in 3 ms");
        assert_eq!(told("DOWN (agent)", &row), strings(nothing));
    }
}
