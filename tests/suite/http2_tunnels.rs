//! Switches of protocols and tunnels towards servers of HTTP/2, and beside them.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use harness::frames::hpack::encode;
use harness::frames::script::Step;
use harness::frames::{self, END_STREAM, Frame, Peer};
use harness::origin::http2;
use harness::origin::streams::{Origin, Whims};
use harness::stream::Stream;
use harness::tls::{Identity, Serving, Versions};
use harness::wire::Reader;
use harness::{Client, Config, Daemon, eventually};

const SOON: Duration = Duration::from_secs(10);
const ASK: &str = "GET /chat HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn daemon(origin: SocketAddr, fields: &str) -> Daemon {
    let config = Config::new()
        .global("workers: 1")
        .defaults("http: (connect: true)")
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "")
        .server("one", origin, fields);
    Daemon::start(&config)
}

/// A client whose connection has been switched.
fn switched(daemon: &Daemon) -> Client {
    let mut client = daemon.client();
    client.send(ASK);
    let head = String::from_utf8(client.read_until("\r\n\r\n")).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 ") && head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    client
}

fn echoes(client: &mut Client) {
    client.send("ping");
    assert_eq!(client.read_exactly(4), b"ping");
}

#[test]
fn upgrades_go_by_extended_connect_where_it_is_taken() {
    let origin = Origin::with("one", Whims { upgrades: true, ..Whims::default() });
    let daemon = daemon(origin.addr(), "http: h2");
    echoes(&mut switched(&daemon));
    assert_eq!(origin.record().requests[0].method, "CONNECT");

    let origin = Origin::start("one");
    let daemon = self::daemon(origin.addr(), "http: h2");
    let mut client = daemon.client();
    client.send(ASK);
    assert_eq!(client.response("GET").status, 502);
    assert_eq!(origin.record().requests.len(), 0);
}

/// Over HTTP/1.1: agrees to switch where it is asked, and answers `plain` otherwise.
fn over_http_1(stream: Stream) {
    let mut reader = Reader::new(stream);
    while let Ok(Some(head)) = reader.head() {
        if head.get("upgrade").is_none() {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain";
            if reader.inner().write_all(answer).is_err() {
                return;
            }
            continue;
        }
        let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        let mut bytes = [0; 1024];
        let mut n = reader.inner().write(switch).map_or(0, |_| 0);
        while reader.inner().write_all(&bytes[..n]).is_ok() {
            match reader.inner().read(&mut bytes) {
                Ok(read @ 1..) => n = read,
                _ => break,
            }
        }
        reader.inner().end().ok();
        return;
    }
}

/// A server that may agree on these protocols, and takes no extended CONNECT.
fn choosing(protocols: &[&str]) -> (http2::Origin, Serving) {
    let identity = Identity::self_signed(&["localhost"]);
    let serving = Serving::with(&identity, Versions::Both, None, protocols);
    let script = |_: &_, stream| vec![Step::Send(http2::answer(stream, "one", b"framed"))];
    (http2::Origin::agreeing(serving.clone(), script, over_http_1), serving)
}

#[test]
fn a_server_that_chooses_is_asked_over_http_1_for_a_switch() {
    for (protocols, text) in [(&["h2", "http/1.1"][..], "framed"), (&["http/1.1"], "plain")] {
        let (origin, serving) = choosing(protocols);
        let daemon = daemon(origin.addr(), "http: auto, tls: (verify: none)");
        let agreed = || -> Vec<String> { serving.seen().into_iter().filter_map(|it| it.alpn).collect() };
        let other = || daemon.client().get("/").text();
        // Before anything is known of the server, and while others are served.
        let mut first = switched(&daemon);
        echoes(&mut first);
        assert_eq!(other(), text);
        let mut second = switched(&daemon);
        assert_eq!(other(), text);
        echoes(&mut second);
        echoes(&mut first);
        let framed = agreed().iter().filter(|it| *it == "h2").count();
        assert_eq!(framed, usize::from(text == "framed"), "{:?}", agreed());
        eventually("two that were switched, and one for requests", || {
            (origin.service().open() == 3).then_some(())
        });
        // What a client of HTTP/2 asks for goes the same way.
        let mut peer = Peer::client(daemon.listener("web"));
        let mut fields = frames::request_fields("CONNECT", "/chat");
        fields.insert(1, (":protocol".into(), "websocket".into()));
        peer.send(frames::bytes(&Frame::head(0, 1, &encode(&fields))));
        peer.send(Frame::data(0, 1, "hello").bytes());
        assert!(peer.reads_until(SOON, |it| it.on(1).body == b"hello"), "{:?}", peer.on(1));
        peer.send(Frame::data(END_STREAM, 1, "").bytes());
        assert!(peer.answer(1).ended && peer.violations.is_empty(), "{:?}", peer.violations);
        for mut client in [first, second] {
            echoes(&mut client);
            client.half_close();
            assert_eq!(client.read_to_end(), b"");
        }
        assert_eq!(other(), text);
        eventually("they are let go", || (origin.service().open() <= 1).then_some(()));
        let record = origin.record();
        assert!(record.violations.is_empty(), "{:?}", record.violations);
    }
}

#[test]
fn a_tunnel_is_a_stream() {
    let origin = Origin::start("one");
    let daemon = daemon(origin.addr(), "http: h2");
    let ask = "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n";
    let mut client = daemon.client();
    client.send(format!("{ask}\x16\x03early"));
    let head = String::from_utf8(client.read_until("\r\n\r\n")).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 ") && !head.to_ascii_lowercase().contains("transfer-"), "{head}");
    assert_eq!(client.read_exactly(7), b"\x16\x03early");
    client.send("GET /smuggled HTTP/1.1\r\n\r\n");
    assert_eq!(client.read_exactly(26), b"GET /smuggled HTTP/1.1\r\n\r\n");
    assert_eq!(daemon.client().get("/").status, 200, "others pass beside it");
    client.half_close();
    assert_eq!(client.read_to_end(), b"");

    // From a client of HTTP/2 as well.
    let mut peer = Peer::client(daemon.listener("web"));
    let fields = [(":method", "CONNECT"), (":authority", "a.example:443")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    peer.send(frames::bytes(&Frame::head(0, 1, &encode(&fields))));
    peer.send(Frame::data(0, 1, "hello").bytes());
    assert!(peer.reads_until(SOON, |it| it.on(1).body == b"hello"), "{:?}", peer.on(1));
    peer.send(Frame::data(END_STREAM, 1, "").bytes());
    assert!(peer.answer(1).ended && peer.violations.is_empty(), "{:?}", peer.violations);

    let mut gone = daemon.client();
    gone.send(ask);
    gone.read_until("\r\n\r\n");
    gone.reset();
    eventually("a cut tunnel is taken back", || (origin.record().cancelled == 1).then_some(()));
    eventually("nothing is left", || (daemon.count("app", "one", "scur") == 0).then_some(()));
    let record = origin.record();
    assert_eq!((record.connections, record.active), (1, 0));
    let asked: Vec<_> = record.requests.iter().map(|it| (it.method.as_str(), it.uri.as_str())).collect();
    let tunnel = ("CONNECT", "a.example:443");
    assert_eq!(asked, [tunnel, ("GET", "http://test/"), tunnel, tunnel]);
}

#[test]
fn a_tunnel_that_is_refused_is_an_answer() {
    let origin = Origin::start("one");
    let daemon = daemon(origin.addr(), "http: h2");
    let mut client = daemon.client();
    client.send("CONNECT refused.example:443 HTTP/1.1\r\nHost: refused.example:443\r\n\r\n");
    let answer = client.response("CONNECT");
    assert_eq!((answer.status, answer.text()), (403, "no".to_owned()));
    assert_eq!(client.get("/").status, 200, "the connection goes on");
    client.send("CONNECT refused.example:443 HTTP/1.1\r\nHost: refused.example:443\r\n\r\nGET /smuggled");
    assert_eq!(client.response("CONNECT").status, 403);
    assert!(client.closed_within(SOON), "what came early is no request");
    let record = origin.record();
    assert_eq!((record.connections, record.requests.len()), (1, 3));
}
