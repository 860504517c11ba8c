//! What must stay prompt while all workers are as busy as they can be.

use std::time::{Duration, Instant};

use harness::origin::http::Origin;
use harness::origin::process::Process;
use harness::{Config, Daemon, Load, eventually};

const INTERVAL: Duration = Duration::from_millis(500);
const SPAN: Duration = Duration::from_secs(4);

#[test]
fn the_socket_and_the_checks_are_prompt_at_full_load() {
    let servers = ["app1", "app2"].map(Process::start);
    let checked = Origin::start("spare");
    let daemon = Daemon::start(
        &Config::http([("app1", servers[0].addr()), ("app2", servers[1].addr())])
            .with(r#"check: http(path: "/healthz", interval: "500ms")"#)
            .server("spare", checked.addr(), "backup: true"),
    );
    let load = Load::start(daemon.listener("web"), 96);
    eventually("the load is on", || (load.answered() > 500).then_some(()));

    let (cpu, start) = (daemon.cpu(), Instant::now());
    let mut took = Vec::new();
    while start.elapsed() < SPAN {
        let asked = Instant::now();
        assert!(daemon.admin("show stat").starts_with("# pxname,"));
        took.push(asked.elapsed());
        harness::pause(Duration::from_millis(20));
    }
    let checks: Vec<_> = checked.record().requests.iter().map(|it| it.at).filter(|it| *it > start).collect();
    let busy = daemon.cpu().saturating_sub(cpu).as_secs_f64() / start.elapsed().as_secs_f64();
    let report = load.end();
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert!(busy > 0.4, "{busy:.2} of a processor is no load; {} answers", report.answered);

    took.sort_unstable();
    println!("show stat: {} times, {:?} at most; median {:?}", took.len(), took.last(), took[took.len() / 2]);
    assert!(took.iter().all(|it| *it < Duration::from_millis(100)), "{:?} at most", took.last());

    assert!(checks.len() >= 7, "{} checks in {SPAN:?}", checks.len());
    let late: Vec<_> = checks.windows(2).map(|it| (it[1] - it[0]).saturating_sub(INTERVAL)).collect();
    println!("checks late by {late:?}");
    assert!(late.iter().all(|it| *it < INTERVAL / 10), "late by {late:?}");
}
