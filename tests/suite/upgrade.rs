//! Answers before the answer, and connections that become something else.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use harness::origin::http::{Answer, Origin};
use harness::origin::tcp::Tcp;
use harness::stream::Stream;
use harness::wire::Reader;
use harness::{Client, Config, Daemon, eventually};
use rustix::process::Signal;

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nwelcome\n";

/// A server that agrees to switch, says `welcome`, and leaves the rest to `act`.
fn switching(act: impl Fn(Reader<Stream>) + Send + Sync + 'static) -> Tcp {
    Tcp::start(move |stream, _| {
        let mut reader = Reader::new(stream);
        let Ok(Some(head)) = reader.head() else { return };
        assert_eq!(head.get("upgrade"), Some("websocket"), "{:?}", head.fields);
        assert_eq!(head.get("connection"), Some("Upgrade"), "{:?}", head.fields);
        if reader.inner().write_all(SWITCH).is_ok() {
            act(reader);
        }
    })
}

fn echo(mut reader: Reader<Stream>) {
    // What came with the head is in the reader already.
    let mut bytes = reader.pending().to_vec();
    loop {
        if reader.inner().write_all(&bytes).is_err() {
            return;
        }
        bytes.resize(1024, 0);
        match reader.inner().read(&mut bytes) {
            Ok(n @ 1..) => bytes.truncate(n),
            _ => break,
        }
    }
    reader.inner().shutdown(Shutdown::Write).ok();
}

fn switch(daemon: &Daemon, with: &str) -> Client {
    let mut client = daemon.client();
    client.send(format!("{ASK}{with}"));
    let head = String::from_utf8(client.read_until("\r\n\r\n")).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    let lower = head.to_ascii_lowercase();
    assert!(
        lower.contains("\r\nconnection: upgrade\r\n") && lower.contains("\r\nupgrade: websocket\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    assert_eq!(client.read_exactly(8), b"welcome\n", "what came with the answer is passed on");
    client
}

#[test]
fn after_101_bytes_pass_both_ways() {
    let origin = switching(echo);
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let mut client = switch(&daemon, "early");
    assert_eq!(client.read_exactly(5), b"early", "what came with the request is passed on");
    for part in [&b"\x81\x05hello"[..], b"GET / HTTP/1.1\r\n\r\n", b"\0\r\n\r\n"] {
        client.send(part);
        assert_eq!(client.read_exactly(part.len()), part);
    }
    assert_eq!(daemon.count("app", "app1", "scur"), 1);
    client.half_close();
    assert_eq!(client.read_to_end(), b"", "the end is passed on, and comes back");
    eventually("it is over", || (daemon.count("app", "app1", "scur") == 0).then_some(()));
    assert_eq!(daemon.count("app", "app1", "hrsp_1xx"), 1);
    assert_eq!(origin.service().accepted(), 1);
    assert_eq!(switch(&daemon, "x").read_exactly(1), b"x", "and again");
    assert_eq!(origin.service().accepted(), 2, "such a connection is never used for another request");
}

#[test]
fn one_side_of_a_tunnel_may_end_before_the_other() {
    let (tell, told) = mpsc::channel();
    let origin = switching(move |mut reader| {
        reader.inner().write_all(b"that is all").ok();
        reader.inner().shutdown(Shutdown::Write).ok();
        tell.send(reader.to_end().unwrap_or_default()).ok();
    });
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let mut client = switch(&daemon, "");
    assert_eq!(client.read_to_end(), b"that is all");
    client.send("but I go on");
    client.half_close();
    assert_eq!(told.recv_timeout(Duration::from_secs(10)).unwrap(), b"but I go on");
}

#[test]
fn a_tunnel_that_is_cut_is_reset_at_the_server_too() {
    let (tell, told) = mpsc::channel();
    let origin = switching(move |mut reader| {
        let end = reader.inner().read(&mut [0; 10]);
        tell.send(end.map_err(|error| error.kind())).ok();
    });
    let end = || told.recv_timeout(Duration::from_secs(10)).unwrap();
    let mut daemon = Daemon::start(&Config::http([("app1", origin.address())]));
    // By its client.
    switch(&daemon, "").reset();
    assert_eq!(end(), Err(ErrorKind::ConnectionReset));
    // By who runs proxyd.
    let mut client = switch(&daemon, "");
    daemon.signal(Signal::TERM);
    daemon.logged("stopping:");
    daemon.signal(Signal::TERM);
    assert_eq!(end(), Err(ErrorKind::ConnectionReset));
    assert_eq!(client.stream().read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    daemon.wait_exit(Duration::from_secs(10));
}

#[test]
fn a_tunnel_has_a_timeout_of_its_own() {
    let origin = switching(echo);
    let config = Config::http([("app1", origin.addr())])
        .defaults(r#"timeouts: (tunnel: "7s", client: "3s", server: "3s")"#);
    let daemon = Daemon::start(&config);
    let mut client = switch(&daemon, "");
    let mut last = Instant::now();
    for _ in 0..2 {
        harness::pause(Duration::from_millis(3500));
        last = Instant::now();
        client.send("x");
        assert_eq!(client.read_exactly(1), b"x", "longer than the others allow");
    }
    assert_eq!(client.read_to_end(), b"");
    let took = last.elapsed();
    assert!(took >= Duration::from_secs(7) && took < Duration::from_secs(18), "{took:?}");
    eventually("the server's side ends too", || (origin.service().open() == 0).then_some(()));
}

#[test]
fn half_a_tunnel_ends_sooner_than_a_whole_one() {
    // The server takes notice of nothing and says nothing.
    let origin = switching(|mut reader| {
        reader.to_end().ok();
        harness::pause(Duration::from_secs(10));
    });
    let config = Config::http([("app1", origin.addr())])
        .defaults(r#"timeouts: (tunnel: "1h", client_fin: "300ms", client: "30s", server: "30s")"#);
    let daemon = Daemon::start(&config);
    let mut client = switch(&daemon, "");
    assert!(!client.closed_within(Duration::from_millis(500)), "both sides are open");
    let start = Instant::now();
    client.half_close();
    assert_eq!(client.read_to_end(), b"");
    let took = start.elapsed();
    assert!(took > Duration::from_millis(200) && took < Duration::from_secs(9), "{took:?}");
}

#[test]
fn a_refusal_to_switch_is_an_answer_like_any_other() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).global("workers: 1"));
    let mut client = daemon.client();
    client.send(ASK);
    assert_eq!(client.response("GET").text(), "app1\n");
    assert_eq!(client.get("/").text(), "app1\n");
    assert_eq!(origin.service().accepted(), 1);
}

#[test]
fn a_switch_nobody_asked_for_is_502() {
    let origin = Origin::scripted(|_| Answer { bytes: SWITCH.to_vec(), close: false });
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    for request in [
        "GET / HTTP/1.1\r\nHost: test\r\n\r\n",
        // An Upgrade without the word in Connection, and in HTTP/1.0, is none.
        "GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let mut client = daemon.client();
        client.send(request);
        let answer = client.response("GET");
        assert_eq!(answer.status, 502, "{request}");
        assert!(!answer.text().contains("welcome"));
    }
    assert_eq!(daemon.count("app", "app1", "eresp"), 3);
    eventually("such connections are closed", || (origin.service().open() == 0).then_some(()));
}

#[test]
fn only_a_plain_offer_of_another_protocol_is_passed_on() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let mut client = daemon.client();
    for (lines, body) in [
        // HTTP/2 would pass by everything that is looked at here.
        (
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
            "",
        ),
        ("Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n", ""),
        // A request that has a body cannot become something else at its end.
        ("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n", "hello"),
        ("Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ] {
        client.send(format!("POST /echo HTTP/1.1\r\nHost: test\r\n{lines}\r\n{body}"));
        assert_eq!(client.response("POST").status, 200, "{lines}");
        let head = origin.requests().pop().unwrap().head;
        for name in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(head.get(name), None, "{lines}: {:?}", head.fields);
        }
    }
}

#[test]
fn what_comes_before_a_refusal_to_switch_is_no_request() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let mut client = daemon.client();
    client.send(format!("{ASK}GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n"));
    let answer = client.response("GET");
    assert_eq!((answer.text().as_str(), answer.header("connection")), ("app1\n", Some("close")));
    assert!(client.closed_within(Duration::from_secs(5)));
    let targets: Vec<_> = origin.requests().iter().map(|it| it.target().to_owned()).collect();
    assert_eq!(targets, ["/chat"]);
}

/// A server with hints before its answer.
fn hinting() -> Origin {
    Origin::scripted(|_| Answer {
        bytes: b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n\
                 HTTP/1.1 103 Early Hints\r\nLink: </script.js>; rel=preload\r\n\r\n\
                 HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
            .to_vec(),
        close: false,
    })
}

#[test]
fn interim_answers_are_passed_on() {
    let origin = hinting();
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).global("workers: 1"));
    let mut client = daemon.client();
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
        let hints: Vec<_> = answer.interim.iter().map(|it| (it.word(1), it.get("link").unwrap())).collect();
        assert_eq!(hints, [("103", "</style.css>; rel=preload"), ("103", "</script.js>; rel=preload")]);
    }
    assert_eq!(origin.service().accepted(), 1, "the connection is used again");
    assert_eq!(daemon.count("app", "app1", "hrsp_2xx"), 2, "one answer a request is counted");
}

#[test]
fn interim_answers_are_not_for_http_1_0() {
    let origin = hinting();
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let mut client = daemon.client();
    client.send("GET / HTTP/1.0\r\nHost: test\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.response("GET");
    assert_eq!((answer.status, answer.text().as_str(), answer.interim.len()), (200, "ok", 0));

    let asking = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", asking.addr())]));
    let mut client = daemon.client();
    client
        .send("POST /echo HTTP/1.0\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
    let answer = client.response("POST");
    assert_eq!((answer.status, answer.text().as_str(), answer.interim.len()), (200, "hello", 0));
}
