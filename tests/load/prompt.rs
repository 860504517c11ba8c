//! What must stay prompt while all workers are as busy as they can be.

use std::time::{Duration, Instant};

use harness::origin::http::Origin;
use harness::origin::process::Process;
use harness::{Config, Daemon, Load, Witness, eventually};

const INTERVAL: Duration = Duration::from_millis(500);
const SPAN: Duration = Duration::from_secs(3);

/// The bounds hold for a machine that has nothing else to do, and others may use this one: any of so many will do, and
/// what makes a thread late that only sleeps is the machine's.
const SPANS: usize = 20;

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
    /// How late the machine itself was.
    late: Duration,
}

impl Seen {
    fn is_prompt(&self) -> bool {
        let late = self.late * 3;
        self.busy > 0.1
            && self.slowest < Duration::from_millis(100) + late
            && self.checks >= 5
            && self.latest < INTERVAL / 10 + late
    }
}

fn watch(daemon: &Daemon, checked: &Origin, machine: &Witness) -> Seen {
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
        late: machine.late_since(start),
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
    let (mut spans, machine) = (Vec::new(), Witness::start());
    while spans.len() < SPANS && !spans.last().is_some_and(Seen::is_prompt) {
        spans.push(watch(&daemon, &checked, &machine));
    }
    let report = load.end();
    println!("{} answers; {spans:#?}", report.answered);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert!(spans.last().is_some_and(Seen::is_prompt), "{spans:#?}");
}
