//! What must stay prompt while all workers are as busy as they can be.

use std::time::{Duration, Instant};

use harness::origin::http::Origin;
use harness::origin::process::Process;
use harness::{Config, Daemon, Load, eventually};

const INTERVAL: Duration = Duration::from_millis(500);
const SPAN: Duration = Duration::from_secs(3);

/// The bounds hold for a machine that has nothing else to do, and others may use this one: any of so many will do.
const SPANS: usize = 5;

/// What was seen in one span.
#[derive(Debug)]
struct Seen {
    /// Share of one processor proxyd used.
    busy: f64,
    /// Longest wait for an answer to `show stat`.
    slowest: Duration,
    checks: usize,
    /// How much later than its interval a check came at most.
    latest: Duration,
}

impl Seen {
    fn is_prompt(&self) -> bool {
        self.slowest < Duration::from_millis(100) && self.checks >= 5 && self.latest < INTERVAL / 10
    }
}

fn watch(daemon: &Daemon, checked: &Origin) -> Seen {
    let (cpu, start) = (daemon.cpu(), Instant::now());
    let mut slowest = Duration::ZERO;
    while start.elapsed() < SPAN {
        let asked = Instant::now();
        assert!(daemon.admin("show stat").starts_with("# pxname,"));
        slowest = slowest.max(asked.elapsed());
        harness::pause(Duration::from_millis(20));
    }
    let at: Vec<_> = checked.record().requests.iter().map(|it| it.at).filter(|it| *it > start).collect();
    let late = at.windows(2).map(|it| (it[1] - it[0]).saturating_sub(INTERVAL));
    Seen {
        busy: daemon.cpu().saturating_sub(cpu).as_secs_f64() / start.elapsed().as_secs_f64(),
        slowest,
        checks: at.len(),
        latest: late.max().unwrap_or(SPAN),
    }
}

#[test]
fn the_socket_and_the_checks_are_prompt_at_full_load() {
    let _alone = super::alone();
    let servers = ["app1", "app2"].map(Process::start);
    let checked = Origin::start("spare");
    let daemon = Daemon::start(
        &Config::http([("app1", servers[0].addr()), ("app2", servers[1].addr())])
            // A machine that is too busy for them takes no server out of the load.
            .with(r#"check: http(path: "/healthz", interval: "500ms", fall: 1000)"#)
            .server("spare", checked.addr(), "backup: true"),
    );
    let load = Load::start(daemon.listener("web"), 96);
    eventually("the load is on", || (load.answered() > 500).then_some(()));
    let mut spans = Vec::new();
    while spans.len() < SPANS && !spans.last().is_some_and(Seen::is_prompt) {
        spans.push(watch(&daemon, &checked));
    }
    let report = load.end();
    println!("{} answers; {spans:#?}", report.answered);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert!(spans.iter().all(|it| it.busy > 0.2), "that is no load: {spans:#?}");
    assert!(spans.last().is_some_and(Seen::is_prompt), "{spans:#?}");
}
