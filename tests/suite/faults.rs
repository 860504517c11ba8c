//! A fault inside proxyd itself harms one connection. Debug builds have a switch for it.

use std::time::Duration;

use harness::origin::http::Origin;
use harness::{Client, Config, Daemon, Start, eventually};

const PANIC: &str = "GET / HTTP/1.1\r\nHost: test\r\nx-proxyd-fault: panic\r\n\r\n";

#[test]
fn a_panic_ends_its_connection_only() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())]).global("workers: 1");
    let daemon = Start::new(&config).env("PROXYD_FAULTS", "1").run();
    // All of them on the one worker.
    let address = daemon.listener("web");
    let (mut idle, mut busy) = (Client::tcp(address), Client::tcp(address));
    assert_eq!(idle.get("/").status, 200);
    busy.send("GET /drip/10/50 HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("the download runs", || (origin.hits() == 2).then_some(()));

    let mut unlucky = Client::tcp(address);
    assert_eq!(unlucky.get("/").status, 200);
    unlucky.send(PANIC);
    assert!(unlucky.closed_within(Duration::from_secs(5)), "nothing but an end");

    assert_eq!(busy.response("GET").body.len, 10, "what was under way goes on");
    assert_eq!(idle.get("/").status, 200, "what was idle goes on");
    assert_eq!(harness::client::get(address, "/").status, 200, "others are accepted");
    drop((idle, busy));
    for (px, sv) in [("web", "FRONTEND"), ("app", "BACKEND"), ("app", "app1")] {
        eventually(&format!("{px}/{sv} counts nobody"), || (daemon.count(px, sv, "scur") == 0).then_some(()));
    }
    eventually("nor does the process", || {
        daemon.admin("show info").contains("\nCurrConns: 0\n").then_some(())
    });
    assert_eq!(origin.hits(), 5, "the request with the fault went nowhere");
    let log = daemon.logged("thread worker-0: panicked");
    assert_eq!(log.matches("[ALERT]").count(), 1, "{log}");
}

#[test]
fn nobody_can_ask_for_a_fault_unless_told_so_at_the_start() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let mut client = daemon.client();
    client.send(PANIC);
    assert_eq!(client.response("GET").status, 200);
    assert!(!daemon.log().contains("[ALERT]"), "{}", daemon.log());
}
