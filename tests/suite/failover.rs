//! Servers that are taken out of service, or die, under traffic.

use harness::origin::http::{Answer, Origin};
use harness::origin::process::Process;
use harness::{Client, Config, Daemon, Load, eventually};

/// Who answers `n` requests, each over a connection of its own.
fn order(daemon: &Daemon, n: usize) -> Vec<String> {
    let address = daemon.listener("web");
    (0..n).map(|_| harness::client::get(address, "/").origin().to_owned()).collect()
}

/// Any three requests in a row are two for app1 and one for app2.
fn two_to_one(daemon: &Daemon) {
    let order = order(daemon, 30);
    for three in order.windows(3) {
        assert_eq!(three.iter().filter(|it| *it == "app1").count(), 2, "{order:?}");
    }
}

/// A client whose download has begun on that server, and ends when that is let go.
fn download(daemon: &Daemon, server: &str) -> Client {
    eventually(&format!("a download from {server}"), || {
        let mut client = daemon.client();
        client.send("GET /held/20 HTTP/1.1\r\nHost: test\r\n\r\n");
        let head = String::from_utf8(client.read_until("\r\n\r\n")).unwrap();
        assert!(head.contains("Content-Length: 20\r\n"), "{head}");
        head.contains(&format!("X-Origin: {server}\r\n")).then_some(client)
    })
}

#[test]
fn a_drained_server_ends_its_download_and_gets_nothing_new() {
    let (one, two) = (Origin::start("app1"), Origin::start("app2"));
    let config =
        Config::http([("app1", one.addr())]).server("app2", two.addr(), "weight: 50").global("workers: 2");
    let daemon = Daemon::start(&config);
    two_to_one(&daemon);

    let mut client = download(&daemon, "app1");
    assert_eq!(daemon.admin("set server app/app1 state drain"), "");
    let before = one.hits();
    assert_eq!(order(&daemon, 20), ["app2"; 20]);
    assert_eq!(one.hits(), before, "not even a request that came to nothing");
    assert_eq!(daemon.stat("app", "app1", "status"), "DRAIN");
    assert_eq!(daemon.count("app", "app1", "scur"), 1, "the download still runs");
    one.let_go();
    assert_eq!(client.read_exactly(20), [b'0'; 20]);
    eventually("it is over", || (daemon.count("app", "app1", "scur") == 0).then_some(()));

    assert_eq!(daemon.admin("set server app/app1 state ready"), "");
    two_to_one(&daemon);
}

/// `kill -9` of one of three processes under load: no client sees an error, and it is used again when it is back.
fn a_killed_server_is_missed_by_nobody(check: &str) {
    let names = ["app1", "app2", "app3"];
    let mut servers = names.map(Process::start);
    let config = Config::http(names.into_iter().zip(servers.iter().map(Process::addr)));
    let daemon = Daemon::start(&if check.is_empty() { config } else { config.with(check) });
    let load = Load::start(daemon.listener("web"), 64);
    let go_on = || {
        let goal = load.answered() + 500;
        eventually("the load goes on", || (load.answered() >= goal).then_some(()));
    };
    go_on();
    for _ in 0..2 {
        let served = daemon.count("app", "app2", "hrsp_2xx");
        assert!(served > 0, "it is in use");
        servers[1].kill();
        go_on();
        if !check.is_empty() {
            daemon.wait_status("app", "app2", "DOWN");
        }
        go_on();
        servers[1].restart();
        if !check.is_empty() {
            daemon.wait_status("app", "app2", "UP");
        }
        let served = daemon.count("app", "app2", "hrsp_2xx");
        eventually("it is used again", || {
            (daemon.count("app", "app2", "hrsp_2xx") > served + 20).then_some(())
        });
    }
    let report = load.end();
    assert!(report.errors.is_empty(), "{:?} beside {} answers", report.errors, report.answered);
    assert_eq!(daemon.count("web", "FRONTEND", "hrsp_5xx"), 0);
}

#[test]
fn a_killed_server_is_missed_by_nobody_with_checks() {
    a_killed_server_is_missed_by_nobody(
        r#"check: http(path: "/healthz", interval: "2s", fast_interval: "100ms", down_interval: "100ms")"#,
    );
}

#[test]
fn a_killed_server_is_missed_by_nobody_without_checks() {
    a_killed_server_is_missed_by_nobody("");
}

/// Servers close idle connections whenever they like; a request that meets that moment is not the client's problem.
#[test]
fn a_server_that_closes_idle_connections_hurts_no_get() {
    let origin = Origin::scripted(|_| Answer {
        bytes: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
        close: true,
    });
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).global("workers: 1"));
    let mut client = daemon.client();
    for n in 0..500 {
        assert_eq!(client.get("/").status, 200, "request {n}");
    }
    let load = Load::start(daemon.listener("web"), 16);
    eventually("enough for a race", || (load.answered() > 2000).then_some(()));
    let report = load.end();
    assert!(report.errors.is_empty(), "{:?} beside {} answers", report.errors, report.answered);
}

#[test]
fn a_server_that_closed_an_idle_connection_hurts_no_post() {
    let origin = Origin::scripted(|request| Answer {
        bytes: format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.body.len)
            .into_bytes()
            .into_iter()
            .chain(request.body.bytes.iter().copied())
            .collect(),
        close: true,
    });
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).global("workers: 1"));
    let mut client = daemon.client();
    for n in 0..300 {
        let answer = client.post("/", b"pay once");
        assert_eq!((answer.status, answer.text().as_str()), (200, "pay once"), "request {n}");
        // The answer said that the connection stays open; then it was closed.
        eventually("it is closed", || (origin.service().open() == 0).then_some(()));
    }
    assert_eq!(origin.hits(), 300);
}
