//! The socket answers.

use harness::origin::http::Origin;
use harness::{Client, Config, Daemon};

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
