//! The rows of `show stat`: for each proxy the frontend, its servers, the backend.
//!
//! Which cells are empty and which 0 is HAProxy's, column by column; clients tell the two apart. What a feature that
//! does not exist here would count is 0 where HAProxy without that feature in use says 0.

mod selection;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use proto::addr::Address;
use proto::command::Hide;
use proto::level::Level;
use proto::state::Oper;
use proto::stats::{Col, Kind, Row, ValueType};
use proto::watch::{Ages, Sample};

pub use self::selection::Selection;
use crate::config::{Algorithm, HashedKey, Mode};
use crate::model::backend::Backend;
use crate::model::frontend::Frontend;
use crate::model::panic::Belief;
use crate::model::server::{Control, Outcome, Rates, Server};
use crate::model::shared::Shared;
use crate::model::snapshot::{Proxy, Snapshot};
use crate::stats::cells::{Count, Sharded, Time, Totals};
use crate::stats::counter::Tally;

/// From when counters count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Since {
    /// The last `clear counters`.
    Clear,
    /// The start of the process.
    Start,
}

/// The rows with their ages filled in; at level user without what that level is not told.
pub fn rows<'a>(
    shared: &'a Shared,
    snapshot: &'a Snapshot,
    selection: Selection,
    since: Since,
    level: Level,
) -> impl Iterator<Item = Row> + 'a {
    let now_ms = shared.epoch.wall(shared.epoch.now_ms());
    samples(shared, snapshot, selection, since).map(move |Sample { mut row, ages }| {
        ages.fill(&mut row, now_ms);
        if level == Level::User {
            for col in Col::OPERATOR_ONLY {
                row.clear(col);
            }
        }
        row
    })
}

/// The rows with their ages apart.
pub fn samples<'a>(
    shared: &'a Shared,
    snapshot: &'a Snapshot,
    selection: Selection,
    since: Since,
) -> impl Iterator<Item = Sample> + 'a {
    let scene = Scene { shared, since, maxima: shared.maxima() };
    snapshot.proxies().into_iter().filter(move |proxy| selection.proxy(proxy.id)).flat_map(move |proxy| {
        let Proxy { frontend, backend, .. } = proxy;
        let front = frontend.filter(|_| selection.kind(Kind::Frontend)).map(move |f| scene.frontend(f));
        let servers = backend.filter(|_| selection.kind(Kind::Server)).into_iter().flat_map(move |b| {
            b.servers.iter().filter_map(move |server| {
                let control = server.control();
                selection.server(server, &control).then(|| scene.server(b, server, &control))
            })
        });
        let back = backend
            .filter(|_| selection.kind(Kind::Backend))
            .map(move |b| scene.backend(b, selection.hide != Hide::Nothing));
        front.into_iter().chain(servers).chain(back)
    })
}

#[derive(Clone, Copy)]
struct Scene<'a> {
    shared: &'a Shared,
    since: Since,
    maxima: u32,
}

impl Scene<'_> {
    fn totals(&self, stats: &Sharded) -> Totals {
        match self.since {
            Since::Clear => stats.totals(self.maxima),
            Since::Start => stats.raw_totals(self.maxima),
        }
    }

    fn tally(&self, tally: &Tally) -> u64 {
        match self.since {
            Since::Clear => tally.since_clear(),
            Since::Start => tally.total(),
        }
    }

    fn wall(&self, ms: u64) -> u64 {
        self.shared.epoch.wall(ms)
    }

    fn frontend(&self, frontend: &Frontend) -> Sample {
        let live = &frontend.live;
        let totals = self.totals(&live.stats);
        let mut row = Row::new(Kind::Frontend, frontend.id, 0);
        named(&mut row, &frontend.name, "FRONTEND", frontend.mode);
        traffic(&mut row, &totals);
        rate(&mut row, &live.rates, self.maxima);
        let status = if live.is_paused() {
            "PAUSED"
        } else if self.shared.process.is_stopping() {
            "STOP"
        } else {
            "OPEN"
        };
        row.set(Col::Status, status);
        let sessions = totals.get(Count::Sessions);
        let http = frontend.mode == Mode::Http;
        let requests = totals.get(Count::Requests);
        let http2 = (totals.get(Count::Http2Sessions), totals.get(Count::Http2Requests));
        for (col, number) in [
            (Col::Slim, u64::from(self.maxconn(frontend))),
            (Col::Ereq, totals.get(Count::BadRequests)),
            (Col::Dcon, totals.get(Count::DeniedConnections)),
            (Col::ReqRate, live.rates.requests.get()),
            (Col::ReqRateMax, live.rates.requests.max(self.maxima)),
            (Col::ReqTot, requests),
            (Col::ConnRate, live.rates.connections.get()),
            (Col::ConnRateMax, live.rates.connections.max(self.maxima)),
            (Col::ConnTot, sessions),
            (Col::SessOther, if http { 0 } else { sessions }),
            (Col::H1sess, if http { sessions.saturating_sub(http2.0) } else { 0 }),
            (Col::H1req, if http { requests.saturating_sub(http2.1) } else { 0 }),
            (Col::H2sess, http2.0),
            (Col::H2req, http2.1),
        ] {
            put(&mut row, col, number);
        }
        zeros(
            &mut row,
            &[
                Col::Dreq,
                Col::RateLim,
                Col::CompIn,
                Col::CompOut,
                Col::CompByp,
                Col::CompRsp,
                Col::Dses,
                Col::H3sess,
                Col::ReqOther,
                Col::H3req,
            ],
        );
        if http {
            answers(&mut row, &totals);
            put(&mut row, Col::Intercepted, totals.get(Count::Intercepted));
            zeros(&mut row, &[Col::CacheLookups, Col::CacheHits, Col::CacheHintHits]);
        }
        Sample { row, ages: Ages::default() }
    }

    /// A frontend without a limit of its own has the process's.
    fn maxconn(&self, frontend: &Frontend) -> u32 {
        frontend.live.maxconn().unwrap_or_else(|| self.shared.process.maxconn())
    }

    fn backend(&self, backend: &Backend, counted: bool) -> Sample {
        let live = &backend.live;
        let totals = self.totals(&live.stats);
        let mut row = Row::new(Kind::Backend, backend.id, 0);
        named(&mut row, &backend.name, "BACKEND", backend.mode);
        traffic(&mut row, &totals);
        rate(&mut row, &live.rates, self.maxima);
        served(&mut row, &totals);
        let word = match (backend.is_up(), live.panic.belief()) {
            (true, Belief::Health) => "UP",
            (false, Belief::Health) => "DOWN",
            (true, _) => "UP (PANIC)",
            (false, _) => "DOWN (PANIC)",
        };
        if counted {
            let up = backend.servers.iter().filter(|s| s.control().state.is_up()).count();
            row.set(Col::Status, format!("{word} ({up}/{})", backend.servers.len()));
        } else {
            row.set(Col::Status, word);
        }
        let usable = backend.usable();
        for (col, number) in [
            (Col::Slim, u64::from(backend.fullconn)),
            (Col::Qcur, u64::from(live.queue.waiting())),
            (Col::Qmax, live.queue.most(self.maxima)),
            (Col::Weight, u64::from(usable.weight)),
            (Col::Uweight, u64::from(usable.full_weight)),
            (Col::Act, u64::from(usable.active)),
            (Col::Bck, u64::from(usable.backup)),
            (Col::Chkdown, self.tally(&live.downs)),
        ] {
            put(&mut row, col, number);
        }
        zeros(
            &mut row,
            &[
                Col::Dreq,
                Col::CompIn,
                Col::CompOut,
                Col::CompByp,
                Col::CompRsp,
                Col::AggServerStatus,
                Col::AggServerCheckStatus,
                Col::AggCheckStatus,
            ],
        );
        row.set(
            Col::Algo,
            match &backend.balance {
                Algorithm::RoundRobin => "roundrobin",
                Algorithm::StaticRr => "static-rr",
                Algorithm::First => "first",
                Algorithm::Random { .. } => "random",
                Algorithm::LeastConn => "leastconn",
                // Not one of HAProxy's.
                Algorithm::LeastLatency => "least_latency",
                Algorithm::Hash(hash) => match &hash.key {
                    HashedKey::Source => "source",
                    HashedKey::Uri(_) => "uri",
                    HashedKey::UrlParam(_) => "url_param",
                    HashedKey::Header(_) => "hdr",
                    // HAProxy has no word for the cookie alone.
                    HashedKey::Cookie(_) => "cookie",
                    HashedKey::Sample(_) => "hash",
                },
            },
        );
        if let Some(cookies) = &backend.cookies {
            row.set(Col::Cookie, cookies.conf.name.clone());
        }
        if backend.mode == Mode::Http {
            answers(&mut row, &totals);
            put(&mut row, Col::ReqTot, totals.get(Count::Requests));
            zeros(&mut row, &[Col::CacheLookups, Col::CacheHits, Col::CacheHintHits]);
        }
        let ages = Ages {
            changed_at_ms: Some(self.wall(live.changed_at.load(Relaxed))),
            lastsess_at_ms: totals.last_session.map(|ms| self.wall(ms)),
            down_ms: (!backend.servers.is_empty()).then(|| live.down_ms.load(Relaxed)),
        };
        Sample { row, ages }
    }

    fn server(&self, backend: &Backend, server: &Server, control: &Control) -> Sample {
        let totals = self.totals(&server.stats);
        let state = &control.state;
        let mut row = Row::new(Kind::Server, backend.id, server.id);
        row.set(Col::Pxname, &backend.name);
        row.set(Col::Svname, &server.name);
        row.set(Col::Mode, mode(backend.mode));
        traffic(&mut row, &totals);
        rate(&mut row, &server.rates, self.maxima);
        served(&mut row, &totals);
        let now = u64::from(server.served.load(Relaxed));
        row.set(Col::Status, server.status_word(state));
        if let Some(track) = &server.verdict.track {
            row.set(Col::Tracked, track.to_string());
        }
        let most = totals.current_max.max(server.rates.served_max.get(self.maxima)).max(now);
        for (col, number) in [
            (Col::Qcur, u64::from(server.line.waiting())),
            (Col::Qmax, server.line.most(self.maxima)),
            (Col::Scur, now),
            (Col::Smax, most),
            (Col::Weight, u64::from(server.effective_weight())),
            (Col::Uweight, u64::from(server.weight())),
            (Col::Act, u64::from(!server.backup)),
            (Col::Bck, u64::from(server.backup)),
            (Col::SrvIcur, totals.idle),
            (Col::IdleConnCur, totals.idle),
            (Col::UsedConnCur, now),
            (Col::NeedConnEst, now),
        ] {
            put(&mut row, col, number);
        }
        let warming = state.oper == Oper::Starting && !state.admin.is_drain();
        if let Some(throttle) = server.ramp().throttle(server.weight()).filter(|_| warming) {
            put(&mut row, Col::Throttle, u64::from(throttle));
        }
        let max_queue = backend.limits.get(server.index() as usize).map_or(0, |limits| limits.max_queue);
        for (col, limit) in [(Col::Slim, server.maxconn()), (Col::Qlimit, max_queue)] {
            // No limit is an empty cell.
            if limit > 0 {
                put(&mut row, col, u64::from(limit));
            }
        }
        zeros(&mut row, &[Col::SafeConnCur, Col::Srid, Col::PrivIdleCur]);
        row.set(
            Col::Addr,
            server.with_address(|address| match address {
                Address::Ip(ip) => ip.to_string(),
                Address::Unix(_) => "unix".to_owned(),
            }),
        );
        if backend.mode == Mode::Http {
            answers(&mut row, &totals);
            put(&mut row, Col::ReqTot, totals.get(Count::Requests));
        }
        if let Some(cookies) = &backend.cookies {
            let value = cookies.values();
            row.set(Col::Cookie, String::from_utf8_lossy(value.of(server.index())).into_owned());
        }
        let checked = state.check_configured && state.check_enabled;
        self.failures(&mut row, server, checked);
        if checked && !state.admin.is_maint() {
            for (col, number) in
                [(Col::CheckRise, state.rise), (Col::CheckFall, state.fall), (Col::CheckHealth, state.health)]
            {
                put(&mut row, col, u64::from(number));
            }
            check(&mut row, CHECK, control.check.outcome.as_ref(), server.checks.any());
        }
        agent(&mut row, control, server.consultations.any());
        let ages = Ages {
            changed_at_ms: Some(self.wall(control.changed_at)),
            lastsess_at_ms: totals.last_session.map(|ms| self.wall(ms)),
            down_ms: checked.then_some(control.down_ms),
        };
        Sample { row, ages }
    }

    /// What checks and traffic found wrong, where they look.
    fn failures(&self, row: &mut Row, server: &Server, checked: bool) {
        if checked {
            put(row, Col::Chkfail, self.tally(&server.check_failures));
            put(row, Col::Chkdown, self.tally(&server.downs));
        }
        if server.traffic.is_some() {
            put(row, Col::Hanafail, self.tally(&server.excesses));
        }
    }
}

fn agent(row: &mut Row, control: &Control, under_way: bool) {
    let agent = &control.state.agent;
    if !agent.configured || !agent.enabled {
        return;
    }
    for (col, number) in
        [(Col::AgentRise, agent.rise), (Col::AgentFall, agent.fall), (Col::AgentHealth, agent.health)]
    {
        put(row, col, u64::from(number));
    }
    check(row, AGENT, control.agent.outcome.as_ref(), under_way);
}

/// Longest text of a check that is shown.
const LONGEST_TEXT: usize = 1024;

/// Numbers of check statuses from which on an answer has a code.
const FIRST_WITH_CODE: u32 = 14;

/// Where the columns of a check are: status, text, duration, code, what was said.
type Columns = [Col; 5];

const CHECK: Columns = [Col::CheckStatus, Col::CheckDesc, Col::CheckDuration, Col::CheckCode, Col::LastChk];
const AGENT: Columns = [Col::AgentStatus, Col::AgentDesc, Col::AgentDuration, Col::AgentCode, Col::LastAgt];

fn check(row: &mut Row, columns: Columns, outcome: Option<&Outcome>, under_way: bool) {
    let [status, desc, duration, code, last] = columns;
    let Some(outcome) = outcome else {
        row.set(status, "INI");
        row.set(desc, "Initializing");
        return;
    };
    let word = outcome.status.word();
    if under_way {
        row.set(status, format!("* {word}"));
    } else {
        row.set(status, word);
    }
    row.set(desc, outcome.status.text());
    put(row, duration, outcome.duration.as_millis() as u64);
    if outcome.status.number() >= FIRST_WITH_CODE {
        put(row, code, u64::from(outcome.code.unwrap_or(0)));
    }
    if !outcome.info.is_empty() {
        row.set(last, outcome.info.chars().take(LONGEST_TEXT).collect::<String>());
    }
}

/// Sets a number as the catalogue types it. Gauges of 32 bits stay at their end rather than begin anew.
fn put(row: &mut Row, col: Col, number: u64) {
    match col.field().value {
        ValueType::U64 => row.set(col, number),
        _ => row.set(col, u32::try_from(number).unwrap_or(u32::MAX)),
    }
}

fn zeros(row: &mut Row, cols: &[Col]) {
    for col in cols {
        put(row, *col, 0);
    }
}

const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Tcp => "tcp",
        Mode::Http => "http",
    }
}

fn named(row: &mut Row, pxname: &Arc<str>, svname: &'static str, of: Mode) {
    row.set(Col::Pxname, pxname);
    row.set(Col::Svname, svname);
    row.set(Col::Mode, mode(of));
}

/// What all kinds of rows have.
fn traffic(row: &mut Row, totals: &Totals) {
    let (bytes_in, bytes_out) = (totals.get(Count::BytesIn), totals.get(Count::BytesOut));
    for (col, number) in [
        (Col::Scur, totals.current),
        (Col::Smax, totals.current_max),
        (Col::Stot, totals.get(Count::Sessions)),
        (Col::Bin, bytes_in),
        (Col::Bout, bytes_out),
        (Col::Dresp, 0),
        (Col::Wrew, 0),
        (Col::Eint, totals.get(Count::Internal)),
        (Col::Reqbin, bytes_in),
        (Col::Reqbout, bytes_in),
        (Col::Resbin, bytes_out),
        (Col::Resbout, bytes_out),
    ] {
        put(row, col, number);
    }
}

fn rate(row: &mut Row, rates: &Rates, maxima: u32) {
    put(row, Col::Rate, rates.sessions.get());
    put(row, Col::RateMax, rates.sessions.max(maxima));
}

/// What servers and backends have.
fn served(row: &mut Row, totals: &Totals) {
    for (col, count) in [
        (Col::Econ, Count::ConnectErrors),
        (Col::Eresp, Count::ResponseErrors),
        (Col::Wretr, Count::Retries),
        (Col::Wredis, Count::Redispatches),
        (Col::Lbtot, Count::Chosen),
        (Col::CliAbrt, Count::ClientAborts),
        (Col::SrvAbrt, Count::ServerAborts),
        (Col::Connect, Count::Connects),
        (Col::Reuse, Count::Reuses),
    ] {
        put(row, col, totals.get(count));
    }
    for (average, maximum, time) in [
        (Col::Qtime, Col::QtimeMax, Time::Queue),
        (Col::Ctime, Col::CtimeMax, Time::Connect),
        (Col::Rtime, Col::RtimeMax, Time::Response),
        (Col::Ttime, Col::TtimeMax, Time::Total),
    ] {
        put(row, average, totals.average(time));
        put(row, maximum, totals.maximum(time));
    }
}

fn answers(row: &mut Row, totals: &Totals) {
    for (col, count) in [
        (Col::Hrsp1xx, Count::Status1xx),
        (Col::Hrsp2xx, Count::Status2xx),
        (Col::Hrsp3xx, Count::Status3xx),
        (Col::Hrsp4xx, Count::Status4xx),
        (Col::Hrsp5xx, Count::Status5xx),
        (Col::HrspOther, Count::StatusOther),
    ] {
        put(row, col, totals.get(count));
    }
}

#[cfg(test)]
mod tests;
