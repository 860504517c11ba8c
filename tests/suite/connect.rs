//! CONNECT: refused unless allowed; a tunnel once a server agrees, an ordinary answer otherwise.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use harness::origin::http::{Answer, Origin};
use harness::origin::tcp::Tcp;
use harness::wire::Reader;
use harness::{Config, Daemon, eventually};

const ASK: &str = "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n";
const NEXT: &str = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";

fn allowed(origin: impl Into<harness::stream::Address>) -> Config {
    Config::http([("app1", origin)]).defaults("http: (connect: true)")
}

#[test]
fn it_is_off_unless_allowed() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let mut client = daemon.client();
    client.send(format!("{ASK}{NEXT}"));
    assert_eq!(client.response("CONNECT").status, 501);
    assert!(client.closed_within(Duration::from_secs(5)));
    assert_eq!(origin.hits(), 0);
    assert_eq!(daemon.count("web", "FRONTEND", "ereq"), 1);
}

#[test]
fn an_agreement_makes_a_tunnel() {
    let origin = Tcp::start(|stream, _| {
        let mut reader = Reader::new(stream);
        let Ok(Some(head)) = reader.head() else { return };
        assert_eq!(head.first, "CONNECT a.example:443 HTTP/1.1");
        assert_eq!(head.get("host"), Some("a.example:443"));
        // What the client sent along is held until the tunnel stands.
        reader.inner().limit(Some(Duration::from_millis(200))).unwrap();
        assert!(reader.pending().is_empty() && reader.inner().read(&mut [0]).is_err(), "held back");
        reader.inner().limit(None).unwrap();
        // A length means nothing here (RFC 9110 9.3.6).
        reader.inner().write_all(b"HTTP/1.1 200 Go\r\nContent-Length: 3\r\n\r\nhello").ok();
        let mut bytes = [0; 1024];
        while let Ok(n @ 1..) = reader.inner().read(&mut bytes) {
            reader.inner().write_all(&bytes[..n]).ok();
        }
        reader.inner().shutdown(Shutdown::Write).ok();
    });
    let daemon = Daemon::start(&allowed(origin.addr()));
    let mut client = daemon.client();
    client.send(format!("{ASK}\x16\x03early"));
    let head = String::from_utf8(client.read_until("\r\n\r\n")).unwrap();
    assert_eq!(head, "HTTP/1.1 200 Go\r\n\r\n");
    assert_eq!(client.read_exactly(5), b"hello");
    assert_eq!(client.read_exactly(7), b"\x16\x03early");
    client.send(NEXT);
    assert_eq!(client.read_exactly(NEXT.len()), NEXT.as_bytes());
    client.half_close();
    assert_eq!(client.read_to_end(), b"");
    eventually("it is over", || (daemon.count("app", "app1", "scur") == 0).then_some(()));
    assert_eq!(daemon.count("app", "app1", "hrsp_2xx"), 1);
    assert_eq!(origin.service().accepted(), 1);
}

#[test]
fn a_refusal_is_an_answer_and_what_came_early_no_request() {
    let origin = Origin::scripted(|_| Answer {
        bytes: b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n".to_vec(),
        close: false,
    });
    let daemon = Daemon::start(&allowed(origin.addr()).global("workers: 1"));
    let mut client = daemon.client();
    client.send(ASK);
    let answer = client.response("CONNECT");
    assert_eq!((answer.status, answer.text().as_str()), (403, "no\n"));
    let mut client = daemon.client();
    client.send(format!("{ASK}{NEXT}"));
    let answer = client.response("CONNECT");
    assert_eq!((answer.status, answer.header("connection")), (403, Some("close")));
    assert!(client.closed_within(Duration::from_secs(5)));
    let methods: Vec<_> = origin.requests().iter().map(|it| it.method().to_owned()).collect();
    assert_eq!(methods, ["CONNECT", "CONNECT"]);
    assert_eq!(origin.service().accepted(), 1, "the server's connection is used again");
}

#[test]
fn only_an_authority_is_a_target() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&allowed(origin.addr()));
    for request in [
        "CONNECT / HTTP/1.1\r\nHost: test\r\n\r\n",
        "CONNECT a.example HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "CONNECT a.example:0 HTTP/1.1\r\nHost: a.example:0\r\n\r\n",
        "CONNECT a.example:65536 HTTP/1.1\r\nHost: a.example:65536\r\n\r\n",
        "CONNECT ::1:443 HTTP/1.1\r\nHost: test\r\n\r\n",
        "CONNECT u@a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
        "CONNECT http://a.example:443/ HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nContent-Length: 3\r\n\r\nabc",
        "GET a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
    ] {
        let mut client = daemon.client();
        client.send(request);
        assert_eq!(client.response("GET").status, 400, "{request}");
    }
    assert_eq!(origin.hits(), 0);
}

#[test]
fn a_tunnel_has_the_timeout_of_tunnels() {
    let origin = Tcp::start(|stream, _| {
        let mut reader = Reader::new(stream);
        reader.head().ok();
        reader.inner().write_all(b"HTTP/1.1 200 Go\r\n\r\n").ok();
        reader.to_end().ok();
    });
    let config = allowed(origin.addr()).defaults(r#"timeouts: (tunnel: "9s", client: "3s", server: "3s")"#);
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    client.send(ASK);
    client.read_until("\r\n\r\n");
    harness::pause(Duration::from_millis(3500));
    client.send("still here");
    assert!(!client.closed_within(Duration::from_millis(3500)), "longer than the others allow");
    assert!(client.closed_within(Duration::from_secs(20)));
}
