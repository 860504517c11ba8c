//! Bounds on what a request may be, and a counter for each reason a request is refused for.

use std::time::Duration;

use harness::origin::http::Origin;
use harness::{Config, Daemon, eventually};

const METRICS: &str = r#"metrics: (bind: "127.0.0.1:0")"#;

fn refused(daemon: &Daemon, reason: &str) -> u64 {
    let text = harness::client::get(daemon.listener("GLOBAL"), "/metrics").text();
    let sample = format!("proxyd_http_refused_total{{proxy=\"web\",reason=\"{reason}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&sample));
    value.unwrap_or_else(|| panic!("no {sample} in\n{text}")).parse().unwrap()
}

fn bounded(http: &str) -> (Origin, Daemon) {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())]).global(METRICS).defaults(&format!("http: ({http})"));
    (origin, Daemon::start(&config))
}

/// What a request is answered with; a refusal closes.
fn status(daemon: &Daemon, request: &str) -> u16 {
    let mut client = daemon.client();
    client.send(request);
    let status = client.response("GET").status;
    if status >= 400 {
        assert!(client.closed_within(Duration::from_secs(5)), "{request}");
    }
    status
}

#[test]
fn targets() {
    let (origin, daemon) = bounded(r#"max_uri: "20B""#);
    let request = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: test\r\n\r\n", "a".repeat(n - 1));
    assert_eq!(status(&daemon, &request(20)), 200);
    assert_eq!(status(&daemon, &request(21)), 414);
    assert_eq!(refused(&daemon, "uri_too_long"), 1);
    assert_eq!(origin.hits(), 1);
    // One without an end is too long as well.
    assert_eq!(status(&daemon, &format!("GET /{}", "a".repeat(16 << 10))), 414);
    assert_eq!(refused(&daemon, "uri_too_long"), 2);
}

#[test]
fn heads() {
    let (origin, daemon) = bounded(r#"max_header_bytes: "1KiB""#);
    let request = |n: usize| {
        let start = "GET / HTTP/1.1\r\nHost: test\r\nX: ";
        format!("{start}{}\r\n\r\n", "a".repeat(n - start.len() - 4))
    };
    assert_eq!(status(&daemon, &request(1024)), 200);
    assert_eq!(status(&daemon, &request(1025)), 431);
    assert_eq!(status(&daemon, &request(2000)[..1500]), 431, "its end is not waited for");
    assert_eq!(refused(&daemon, "head_too_long"), 2);
    assert_eq!(origin.hits(), 1);
    // What follows a head in the same packet is not counted to it.
    let mut client = daemon.client();
    client.send(format!(
        "POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: 5000\r\n\r\n{}",
        "b".repeat(5000)
    ));
    assert_eq!(client.response("POST").text(), "5000");
}

#[test]
fn fields() {
    let (origin, daemon) = bounded("max_headers: 3");
    let request = |n: usize| format!("GET / HTTP/1.1\r\nHost: test\r\n{}\r\n", "A: b\r\n".repeat(n - 1));
    assert_eq!(status(&daemon, &request(3)), 200);
    assert_eq!(status(&daemon, &request(4)), 431);
    assert_eq!(status(&daemon, &request(101)), 431);
    assert_eq!(refused(&daemon, "too_many_fields"), 2);
    assert_eq!(origin.hits(), 1);
}

#[test]
fn bodies_of_known_length() {
    let (origin, daemon) = bounded(r#"max_body: "10B""#);
    assert_eq!(daemon.client().post("/echo", b"0123456789").text(), "0123456789");
    let request = "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(status(&daemon, request), 413, "before any of it came");
    assert_eq!(refused(&daemon, "body_too_large"), 1);
    assert_eq!(origin.hits(), 1);
}

#[test]
fn bodies_in_chunks() {
    let (origin, daemon) = bounded(r#"max_body: "10B""#);
    let head = "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = daemon.client();
    client.send(format!("{head}5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"));
    assert_eq!(client.response("POST").text(), "0123456789");
    // All at once, and bit by bit, when some of it has gone to the server.
    assert_eq!(status(&daemon, &format!("{head}b\r\n0123456789a\r\n0\r\n\r\n")), 413);
    let mut client = daemon.client();
    client.send(format!("{head}5\r\n01234\r\n"));
    eventually("it is on its way", || (daemon.count("app", "app1", "scur") == 1).then_some(()));
    client.send("6\r\n56789a\r\n");
    assert_eq!(client.response("POST").status, 413);
    assert!(client.closed_within(Duration::from_secs(5)));
    assert_eq!(refused(&daemon, "body_too_large"), 2);
    assert_eq!(origin.hits(), 1, "the server has seen no end of it");
    eventually("its connection is closed", || (origin.service().open() <= 1).then_some(()));
}

#[test]
fn a_frontend_may_have_bounds_of_its_own() {
    let origin = Origin::start("app1");
    let config = Config::new()
        .global(METRICS)
        .defaults(r#"http: (max_uri: "10B", max_headers: 2)"#)
        .frontend("web", r#"http: (max_uri: "20B"), default_backend: "app""#)
        .backend("app", "")
        .server("app1", origin.addr(), "");
    let daemon = Daemon::start(&config);
    assert_eq!(status(&daemon, "GET /0123456789 HTTP/1.1\r\nHost: test\r\n\r\n"), 200);
    assert_eq!(status(&daemon, "GET /0123456789 HTTP/1.1\r\nHost: test\r\nA: b\r\nC: d\r\n\r\n"), 431);
}

#[test]
fn every_refusal_has_its_answer_and_its_counter() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())]).global(METRICS);
    let hasty = config.clone().defaults(r#"timeouts: (http_request: "500ms", client: "500ms")"#);
    let (patient, hasty) = (Daemon::start(&config), Daemon::start(&hasty));
    let with = |lines: &str| format!("POST / HTTP/1.1\r\nHost: test\r\n{lines}\r\n");
    let cases = [
        (400, "request_line", "GET\r\n\r\n".to_owned()),
        (400, "version", "GET / HTTP/2.0\r\nHost: test\r\n\r\n".into()),
        (400, "field_name", with("Bad Name: x\r\n")),
        (400, "field_name", with("X : x\r\n")),
        (400, "field_name", with(": x\r\n")),
        (400, "field_name", with("X: x\r\n folded\r\n")),
        (400, "field_value", with("X: \0\r\n")),
        (400, "no_host", "GET / HTTP/1.1\r\n\r\n".into()),
        (400, "hosts", with("Host: test\r\n")),
        (400, "host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".into()),
        (400, "host_differs", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n".into()),
        (400, "target_byte", "GET /a#b HTTP/1.1\r\nHost: test\r\n\r\n".into()),
        (400, "target_form", "GET a HTTP/1.1\r\nHost: test\r\n\r\n".into()),
        (400, "target_form", "GET * HTTP/1.1\r\nHost: test\r\n\r\n".into()),
        (400, "authority", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        (400, "content_length", with("Content-Length: +1\r\n")),
        (400, "length_and_coding", with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")),
        (400, "transfer_encoding", with("Transfer-Encoding: chunked, chunked\r\n")),
        (400, "coding_in_1_0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".into()),
        (501, "unknown_coding", with("Transfer-Encoding: gzip\r\n")),
        (417, "expectation", with("Expect: tea\r\n")),
        (501, "connect_off", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n".into()),
        (400, "chunks", format!("{}x\r\n", with("Transfer-Encoding: chunked\r\n"))),
        (408, "head_timeout", "GET / HTTP/1.1\r\n".into()),
        (408, "body_timeout", with("Content-Length: 5\r\n")),
    ];
    for (expected, reason, request) in &cases {
        let daemon = if *expected == 408 { &hasty } else { &patient };
        let before = refused(daemon, reason);
        assert_eq!(status(daemon, request), *expected, "{request}");
        assert_eq!(refused(daemon, reason), before + 1, "{request}");
    }
    let mut client = patient.client();
    client.send("GET / HT");
    client.half_close();
    assert_eq!(client.response("GET").status, 400);
    assert_eq!(refused(&patient, "ends_early"), 1);
    assert_eq!(origin.hits(), 0);
}
