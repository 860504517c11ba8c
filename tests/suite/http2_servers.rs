//! HTTP/2 towards servers: what passes, how connections are shared, and what becomes of what a server does not take.

use std::thread;

use harness::origin::streams::{Origin, Whims};
use harness::{Config, Daemon, eventually};

fn daemon(origin: &Origin, fields: &str) -> Daemon {
    Daemon::start(&config(origin, fields))
}

fn config(origin: &Origin, fields: &str) -> Config {
    Config::new().global("workers: 1").frontend("web", r#"default_backend: "app""#).backend("app", "").server(
        "one",
        origin.addr(),
        &format!("http: h2, {fields}"),
    )
}

#[test]
fn requests_and_answers_pass() {
    let origin = Origin::start("one");
    let daemon = daemon(&origin, "");
    let mut client = daemon.client();
    let answer = client.get("/");
    assert_eq!((answer.status, answer.text()), (200, "one".to_owned()));
    assert_eq!(client.post("/echo", b"there and back").text(), "there and back");
    assert_eq!(client.get("/bytes/1000000").body.len, 1_000_000);
    assert_eq!(client.get("/status/404").status, 404);
    assert_eq!(client.get("/status/204").status, 204);
    client.send("HEAD / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.response("HEAD").status, 200);
    let record = origin.record();
    assert_eq!((record.connections, record.requests.len()), (1, 6));
    assert!(record.requests[0].uri.starts_with("http://"), "{:?}", record.requests[0]);
    assert_eq!(daemon.count("app", "one", "connect"), 1);
    assert_eq!(daemon.count("app", "one", "reuse"), 5);
}

#[test]
fn many_requests_share_a_connection() {
    let origin = Origin::start("one");
    let daemon = daemon(&origin, "");
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_eq!(daemon.client().get("/slow/300").status, 200));
        }
    });
    let record = origin.record();
    assert_eq!(record.connections, 1);
    assert_eq!(record.most, 20);
}

#[test]
fn a_server_gets_as_many_streams_as_it_takes() {
    let origin = Origin::with("one", Whims { streams: 4, ..Whims::default() });
    let daemon = daemon(&origin, "");
    assert_eq!(daemon.client().get("/").status, 200);
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| assert_eq!(daemon.client().get("/slow/300").status, 200));
        }
    });
    let record = origin.record();
    assert_eq!((record.connections, record.most), (3, 4));
    eventually("they are let go", || (daemon.count("app", "one", "srv_icur") == 0).then_some(()));
}
