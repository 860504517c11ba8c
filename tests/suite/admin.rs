//! The socket answers.

use std::collections::BTreeMap;

use harness::origin::http::Origin;
use harness::stream::Address;
use harness::{Client, Config, Daemon, eventually};

#[test]
fn one_line_one_answer() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    assert!(daemon.admin("show info").contains("Name: HAProxy\n"));
    assert!(daemon.admin("show stat").starts_with("# pxname,svname,qcur,"));
    assert!(daemon.admin("nonsense").starts_with("Unknown command: 'nonsense'"));
    let mut client = Client::unix(&daemon.socket_path());
    client.send("show version;show version\nshow version\n");
    let answer = String::from_utf8(client.read_to_end()).unwrap();
    assert_eq!(answer.matches("-proxyd-").count(), 2, "the first line only: {answer:?}");
}

#[test]
fn listeners_are_shown_with_their_real_ports() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())]).global(r#"metrics: (bind: "127.0.0.1:0")"#);
    let daemon = Daemon::start(&config);
    assert_ne!(daemon.listener("web").port(), 0);
    let global = daemon.listeners("GLOBAL");
    assert_eq!(global.len(), 2, "the socket and the metrics: {global:?}");
    let metrics = harness::client::get(daemon.listener("GLOBAL"), "/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.text().contains("haproxy_"), "{}", metrics.text());
    assert_eq!(harness::client::get(daemon.listener("GLOBAL"), "/ready").status, 200);
    assert_eq!(harness::client::get(daemon.listener("GLOBAL"), "/live").status, 200);
}

/// Every sample of a counter in `/metrics`.
fn counters(daemon: &Daemon) -> BTreeMap<String, f64> {
    let text = harness::client::get(daemon.listener("GLOBAL"), "/metrics").text();
    let mut found = BTreeMap::new();
    let mut is_counter = false;
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            is_counter = kind.ends_with(" counter");
        } else if is_counter && !line.is_empty() && !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap();
            // What does not apply is not a number.
            if !value.is_nan() {
                found.insert(name.to_owned(), value);
            }
        }
    }
    found
}

#[test]
fn cleared_counters_begin_anew_and_metrics_go_on() {
    let (origin, mut failing) = (Origin::start("app1"), Origin::start("app2"));
    let config = Config::http([("app1", origin.addr())])
        .with(r#"check: http(path: "/healthz", interval: "1s", fast_interval: "100ms", down_interval: "100ms", fall: 2)"#)
        .server("app2", failing.addr(), "backup: true")
        .global(r#"metrics: (bind: "127.0.0.1:0")"#);
    let daemon = Daemon::start(&config);
    failing.stop();
    daemon.wait_status("app", "app2", "DOWN");
    let mut clients: Vec<_> = (0..5).map(|_| daemon.client()).collect();
    for client in &mut clients {
        client.get("/bytes/100");
    }
    // Each worker knows its own maximum; that of all together is looked at once a second.
    eventually("five at once are noticed", || (daemon.count("web", "FRONTEND", "smax") == 5).then_some(()));
    clients.truncate(2);
    eventually("three are gone", || (daemon.count("web", "FRONTEND", "scur") == 2).then_some(()));
    eventually("all are over", || (daemon.count("app", "app1", "hrsp_2xx") == 5).then_some(()));

    assert_eq!(daemon.admin("clear counters"), "");
    assert_eq!(daemon.count("web", "FRONTEND", "smax"), 2, "maxima begin with what is there");
    assert_eq!(daemon.count("web", "FRONTEND", "req_tot"), 5, "totals are not touched");
    assert_eq!(daemon.count("app", "app1", "hrsp_2xx"), 5);
    assert!(daemon.count("app", "app2", "chkfail") >= 1);
    assert_eq!(daemon.count("app", "app2", "chkdown"), 1);

    let before = counters(&daemon);
    assert_eq!(
        before[r#"haproxy_server_http_responses_total{proxy="app",server="app1",code="2xx"}"#].to_string(),
        "5"
    );
    assert_eq!(before[r#"haproxy_server_check_up_down_total{proxy="app",server="app2"}"#].to_string(), "1");
    assert_eq!(daemon.admin("clear counters all"), "");
    for (px, sv, column) in [
        ("web", "FRONTEND", "req_tot"),
        ("web", "FRONTEND", "stot"),
        ("web", "FRONTEND", "bin"),
        ("web", "FRONTEND", "bout"),
        ("app", "BACKEND", "hrsp_2xx"),
        ("app", "app1", "hrsp_2xx"),
        ("app", "app1", "stot"),
        ("app", "app1", "lbtot"),
        ("app", "app2", "chkdown"),
    ] {
        assert_eq!(daemon.count(px, sv, column), 0, "{px}/{sv} {column}");
    }
    assert_eq!(daemon.count("web", "FRONTEND", "scur"), 2, "what is there is no counter");
    let after = counters(&daemon);
    for (name, value) in &before {
        assert!(after[name] >= *value, "{name} went from {value} back to {}", after[name]);
    }
    assert_eq!(clients[0].get("/").status, 200);
    eventually("counting goes on", || (daemon.count("app", "app1", "hrsp_2xx") == 1).then_some(()));
    let after = counters(&daemon);
    assert_eq!(
        after[r#"haproxy_server_http_responses_total{proxy="app",server="app1",code="2xx"}"#].to_string(),
        "6"
    );
}

#[test]
fn a_frontend_can_be_paused() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).global("workers: 2"));
    let address = Address::Tcp(daemon.listener("web"));
    let mut before: Vec<_> = (0..8).map(|_| Client::connect(&address)).collect();
    for client in &mut before {
        assert_eq!(client.get("/").status, 200);
    }
    for _ in 0..3 {
        assert_eq!(daemon.admin("disable frontend web"), "");
        assert!(daemon.admin("disable frontend web").contains("already"));
        eventually("nobody is let in", || Client::try_connect(&address).is_err().then_some(()));
        for _ in 0..20 {
            assert!(Client::try_connect(&address).is_err(), "neither by one worker nor by the other");
        }
        assert_ne!(daemon.stat("web", "FRONTEND", "status"), "OPEN");
        for client in &mut before {
            assert_eq!(client.get("/").status, 200, "who is in stays in");
        }
        assert_eq!(daemon.admin("enable frontend web"), "");
        eventually("open again", || Client::try_connect(&address).is_ok().then_some(()));
        for _ in 0..20 {
            assert_eq!(daemon.client().get("/").status, 200);
        }
        assert_eq!(daemon.stat("web", "FRONTEND", "status"), "OPEN");
    }
}
