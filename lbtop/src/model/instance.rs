//! One balancer: who it is, how fresh what we know of it is, its servers and its sums.

use std::collections::HashMap;

use proto::level::Level;

use super::clock::{Mono, Now};
use super::history::{Counters, History};
use super::sample::{Info, Kind, Row, Sample};
use super::server::{Server, ServerId, counters};
use super::status::{Condition, Panic, Severity};

/// How the way to the balancer is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Link {
    /// Nothing was heard yet.
    Connecting,
    Open,
    /// Lost, or never had.
    Lost {
        error: String,
        attempt: u32,
        retry_at: Mono,
    },
}

/// What the numbers are worth now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Freshness {
    Connecting,
    Live,
    Slow,
    Stale,
    Lost,
}

impl Freshness {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connecting => "CONNECTING",
            Self::Live => "LIVE",
            Self::Slow => "SLOW",
            Self::Stale => "STALE",
            Self::Lost => "LOST",
        }
    }
}

/// What a sample did to what was known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Learned {
    First,
    Update,
    /// The balancer is another process than before.
    Restarted,
}

/// A balancer.
#[derive(Debug)]
pub struct Instance {
    /// The socket, as the operator would name it.
    pub socket: String,
    pub link: Link,
    /// What the socket allows; `None` until it was asked, or where it cannot be asked.
    pub level: Option<Level>,
    pub interval_ms: u64,
    pub boot: Option<String>,
    pub info: Info,
    pub servers: Vec<Server>,
    /// Rows of the backends, in the balancer's order.
    pub backends: Vec<Row>,
    pub heard_at: Option<Mono>,
    /// Grows with each sample, so that what is derived can be kept.
    pub generation: u64,
    index: HashMap<ServerId, usize>,
    fronts: HashMap<String, Counters>,
    sum: Counters,
    traffic: History,
    queue: u64,
}

impl Instance {
    pub fn new(socket: impl Into<String>) -> Self {
        Self {
            socket: socket.into(),
            link: Link::Connecting,
            level: None,
            interval_ms: 1000,
            boot: None,
            info: Info::default(),
            servers: Vec::new(),
            backends: Vec::new(),
            heard_at: None,
            generation: 0,
            index: HashMap::new(),
            fronts: HashMap::new(),
            sum: Counters::default(),
            traffic: History::default(),
            queue: 0,
        }
    }

    /// Takes a sample. Servers that are still there keep their past.
    pub fn take(&mut self, sample: Sample, now: Now) -> Learned {
        let learned = match &self.boot {
            None => Learned::First,
            Some(boot) if *boot == sample.boot => Learned::Update,
            Some(_) => Learned::Restarted,
        };
        self.generation += 1;
        self.heard_at = Some(now.mono);
        self.link = Link::Open;
        self.boot = Some(sample.boot);
        self.info = sample.info;
        let mut old: HashMap<ServerId, Server> =
            std::mem::take(&mut self.servers).into_iter().map(|server| (server.id.clone(), server)).collect();
        self.index.clear();
        self.backends.clear();
        self.queue = 0;
        let mut fronts = HashMap::new();
        for row in sample.rows {
            self.queue = self.queue.saturating_add(row.qcur.unwrap_or(0));
            match row.kind {
                Kind::Server => {
                    let id = ServerId::new(row.proxy.clone(), row.name.clone());
                    let mut server = old.remove(&id).unwrap_or_else(|| Server::new(row.clone()));
                    if learned == Learned::Restarted {
                        server.history.restart();
                    }
                    server.take(row, now.mono);
                    self.index.insert(id, self.servers.len());
                    self.servers.push(server);
                }
                Kind::Backend => self.backends.push(row),
                Kind::Frontend => {
                    fronts.insert(row.proxy.clone(), counters(&row));
                }
                Kind::Listener => {}
            }
        }
        // Differences of each frontend are added up, so that a frontend that comes or goes does not look like traffic.
        for (name, new) in &fronts {
            let old = match self.fronts.get(name) {
                Some(old) if learned == Learned::Update && new.requests >= old.requests => *old,
                _ => *new,
            };
            self.sum.requests = self.sum.requests.saturating_add(new.requests - old.requests);
            self.sum.errors = self.sum.errors.saturating_add(new.errors.saturating_sub(old.errors));
        }
        self.fronts = fronts;
        self.traffic.push(now.mono, self.sum);
        learned
    }

    pub fn server(&self, id: &ServerId) -> Option<&Server> {
        self.index.get(id).and_then(|&at| self.servers.get(at))
    }

    pub fn backend(&self, name: &str) -> Option<&Row> {
        self.backends.iter().find(|row| row.proxy == name)
    }

    /// Servers of one backend, in the balancer's order.
    pub fn servers_of(&self, backend: &str) -> impl Iterator<Item = &Server> {
        self.servers.iter().filter(move |server| server.id.backend == backend)
    }

    /// Milliseconds since something was heard.
    pub fn age_ms(&self, now: Now) -> Option<u64> {
        self.heard_at.map(|at| now.mono.saturating_sub(at))
    }

    pub fn freshness(&self, now: Now) -> Freshness {
        match (&self.link, self.age_ms(now)) {
            (Link::Lost { .. }, _) => Freshness::Lost,
            (_, None) => Freshness::Connecting,
            (_, Some(age)) if age <= self.interval_ms * 2 + 200 => Freshness::Live,
            (_, Some(age)) if age <= self.interval_ms * 5 => Freshness::Slow,
            _ => Freshness::Stale,
        }
    }

    /// The sums of the summary line.
    pub fn totals(&self) -> Totals {
        let (requests, errors, _) = self.traffic.window();
        let mut totals = Totals {
            req_rate: self.traffic.rates().map(|rates| rates.requests),
            error_percent: (requests > 0).then(|| errors as f64 * 100.0 / requests as f64),
            conns: self.info.curr_conns,
            conn_limit: self.info.max_conn,
            queue: self.queue,
            servers: self.servers.len(),
            ..Totals::default()
        };
        for server in &self.servers {
            match server.severity() {
                Severity::Down => totals.down += 1,
                Severity::GoingDown => totals.going_down += 1,
                Severity::OverLimit => totals.over_limit += 1,
                Severity::Drain => totals.drain += 1,
                Severity::Maint => totals.maint += 1,
                Severity::Queueing | Severity::Fine => {}
            }
        }
        totals.backends_down =
            self.backends.iter().filter(|row| Condition::parse(&row.status) == Condition::Down).count();
        totals
    }

    /// Backends so few of whose servers are up that health is not believed there.
    pub fn in_panic(&self) -> impl Iterator<Item = (&Row, Panic)> {
        self.backends.iter().filter_map(|row| Some((row, Panic::parse(&row.status)?)))
    }

    /// The past of all traffic.
    pub const fn traffic(&self) -> &History {
        &self.traffic
    }
}

/// Sums over the balancer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    pub req_rate: Option<f64>,
    pub error_percent: Option<f64>,
    pub conns: u64,
    pub conn_limit: u64,
    pub queue: u64,
    pub servers: usize,
    pub down: usize,
    pub going_down: usize,
    pub over_limit: usize,
    pub drain: usize,
    pub maint: usize,
    pub backends_down: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(boot: &str, requests: u64) -> Sample {
        let mut front = Row::new(Kind::Frontend, "web", "FRONTEND");
        front.req_tot = Some(requests);
        front.hrsp_5xx = Some(requests / 10);
        let mut server = Row::new(Kind::Server, "app", "a1");
        server.status = "UP".into();
        server.req_tot = Some(requests);
        Sample { boot: boot.into(), info: Info::default(), rows: vec![front, server], took_ms: 1 }
    }

    fn at(mono: Mono) -> Now {
        Now { mono, wall: 1_000_000 + mono }
    }

    #[test]
    fn a_restart_is_seen_and_the_past_is_kept() {
        let mut instance = Instance::new("x");
        assert_eq!(instance.take(sample("a", 100), at(0)), Learned::First);
        assert_eq!(instance.take(sample("a", 150), at(6000)), Learned::Update);
        assert_eq!(instance.totals().error_percent, Some(10.0));
        let before = instance.servers[0].history.bars(4, 1);
        assert_eq!(instance.take(sample("b", 500), at(7000)), Learned::Restarted);
        assert_eq!(instance.servers[0].history.bars(4, 1), before);
        assert_eq!(instance.servers[0].history.rates(), None);
        assert_eq!(instance.totals().req_rate, Some(0.0));
    }

    #[test]
    fn freshness_follows_age_and_link() {
        let mut instance = Instance::new("x");
        assert_eq!(instance.freshness(at(0)), Freshness::Connecting);
        instance.take(sample("a", 1), at(0));
        for (mono, expected) in [(1900, Freshness::Live), (4000, Freshness::Slow), (9000, Freshness::Stale)] {
            assert_eq!(instance.freshness(at(mono)), expected);
        }
        instance.link = Link::Lost { error: "gone".into(), attempt: 1, retry_at: 0 };
        assert_eq!(instance.freshness(at(1)), Freshness::Lost);
    }
}
