//! Clients that speak HTTP/2 in clear text: what they ask for, what they may not do, and how they are let go.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use harness::frames::hpack::encode;
use harness::frames::{self, END_STREAM, Frame, Heard, PREFACE, Peer};
use harness::origin::http::{Answer, Origin};
use harness::origin::slow::Silent;
use harness::origin::tcp::Tcp;
use harness::stream::Stream;
use harness::wire::Reader;
use harness::{Config, Daemon, eventually, holds_for};
use rustix::process::Signal;

const SOON: Duration = Duration::from_secs(10);
const NO_ERROR: u32 = 0;
const PROTOCOL_ERROR: u32 = 1;
const INTERNAL_ERROR: u32 = 2;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

fn start(origin: &Origin, http2: &str) -> Daemon {
    start_with(origin, http2, "")
}

fn start_with(origin: &Origin, http2: &str, frontend: &str) -> Daemon {
    let config = Config::new()
        .global(r#"metrics: (bind: "127.0.0.1:0")"#)
        .frontend("web", &format!("default_backend: \"app\", http: (http2: ({http2})), {frontend}"))
        .backend("app", "")
        .server("app1", origin.addr(), "");
    Daemon::start(&config)
}

fn client(daemon: &Daemon) -> Peer {
    Peer::client(daemon.listener("web"))
}

/// A request with further fields.
fn ask(flags: u8, stream: u32, method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut fields = frames::request_fields(method, path);
    fields.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    frames::bytes(&Frame::head(flags, stream, &encode(&fields)))
}

fn fetch(client: &mut Peer, stream: u32, path: &str) -> Heard {
    client.send(frames::get(stream, path));
    client.answer(stream)
}

/// The value of a line of `/metrics`.
fn metric(daemon: &Daemon, line: &str) -> u64 {
    let text = harness::client::get(daemon.listener("GLOBAL"), "/metrics").text();
    let found = text.lines().find_map(|it| it.strip_prefix(line));
    found.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {line} in {text}"))
}

#[test]
fn requests_and_answers_of_all_framings() {
    let origin = Origin::start("app1");
    let daemon = start(&origin, "");
    let mut client = client(&daemon);
    let plain = fetch(&mut client, 1, "/");
    assert_eq!((plain.status(), &*plain.body, plain.reset), (Some(200), &b"app1\n"[..], None));
    assert!(plain.get("connection").is_none() && plain.get("keep-alive").is_none());
    for (stream, path, length) in
        [(3, "/bytes/200000", 200_000), (5, "/chunked/100000", 100_000), (7, "/until-close/70000", 70_000)]
    {
        let heard = fetch(&mut client, stream, path);
        assert_eq!((heard.status(), heard.body.len(), heard.ended), (Some(200), length, true), "{path}");
        assert!(heard.get("transfer-encoding").is_none());
    }
    // With a length, and without.
    client.send(ask(0, 9, "POST", "/echo", &[("content-length", "5")]));
    client.send(Frame::data(END_STREAM, 9, "hello").bytes());
    assert_eq!(client.answer(9).body, b"hello");
    client.send(frames::post(11, "/echo"));
    client.send(Frame::data(0, 11, "hel").bytes());
    client.send(Frame::data(END_STREAM, 11, "lo").bytes());
    assert_eq!(client.answer(11).body, b"hello");
    client.send(ask(END_STREAM, 13, "HEAD", "/bytes/5", &[]));
    let head = client.answer(13);
    assert_eq!((head.status(), head.get("content-length"), head.body.len()), (Some(200), Some("5"), 0));
    assert!(client.violations.is_empty(), "{:?}", client.violations);
    assert!(origin.record().violations.is_empty(), "{:?}", origin.record().violations);
    assert_eq!(daemon.count("web", "FRONTEND", "stot"), 1, "a connection is a session");
    assert_eq!(daemon.count("web", "FRONTEND", "req_tot"), 7, "a stream is a request");
    assert_eq!(daemon.client().get("/").status, 200, "HTTP/1 is served beside it");
}

#[test]
fn a_hundred_streams_at_once() {
    let origin = Origin::start("app1");
    let daemon = start(&origin, "");
    let mut client = client(&daemon);
    let begun = Instant::now();
    let all: Vec<u8> = (0..100).flat_map(|n| frames::get(1 + 2 * n, "/slow/500")).collect();
    client.send(all);
    for n in 0..100 {
        assert_eq!(client.answer(1 + 2 * n).status(), Some(200));
    }
    assert!(begun.elapsed() < Duration::from_secs(25), "one after the other they would take 50 s");
    let count = |column| daemon.count("web", "FRONTEND", column);
    assert_eq!((count("scur"), count("h2sess"), count("h2req")), (1, 1, 100));
    assert_eq!((count("h1sess"), count("h1req"), count("req_tot")), (0, 0, 100));
}

#[test]
fn calls_of_grpc_get_failures_they_understand() {
    let silent = Silent::start();
    let config = Config::new()
        .defaults(r#"timeouts: (server: "200ms"), retries: (max: 0)"#)
        .frontend("none", r#"default_backend: "none""#)
        .frontend("late", r#"default_backend: "late""#)
        .backend("none", "")
        .backend("late", "")
        .server("one", silent.address(), "");
    let daemon = Daemon::start(&config);
    for (frontend, message) in [("none", "503 Service Unavailable"), ("late", "504 Gateway Time-out")] {
        let mut client = Peer::client(daemon.listener(frontend));
        client.send(ask(END_STREAM, 1, "POST", "/a.B/C", &[("content-type", "application/grpc+proto")]));
        let heard = client.answer(1);
        assert_eq!((heard.status(), &heard.body[..], heard.reset), (Some(200), &b""[..], None));
        assert_eq!(heard.get("content-type"), Some("application/grpc"));
        assert_eq!((heard.get("grpc-status"), heard.get("grpc-message")), (Some("14"), Some(message)));
        assert!(heard.trailers.is_none() && heard.get("content-length").is_none());
        assert_eq!(daemon.count(frontend, "FRONTEND", "hrsp_5xx"), 1, "it is what it is to statistics");
        assert_eq!(
            fetch(&mut client, 3, "/").status().map(|status| status / 100),
            Some(5),
            "others get a page"
        );
        assert!(client.violations.is_empty(), "{:?}", client.violations);
    }
    // One whose messages are still to come is told at once.
    let mut client = Peer::client(daemon.listener("none"));
    client.send(ask(0, 1, "POST", "/a.B/C", &[("content-type", "application/grpc")]));
    assert_eq!(client.answer(1).get("grpc-status"), Some("14"));
}

#[test]
fn trailers_pass() {
    let origin = Origin::scripted(|_| {
        Answer {
        bytes: b"HTTP/1.1 200 OK\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n"
            .to_vec(),
        close: false,
    }
    });
    let daemon = start(&origin, "");
    let mut client = client(&daemon);
    client.send(frames::post(1, "/"));
    client.send(Frame::data(0, 1, "hi").bytes());
    client.send(frames::bytes(&Frame::head(END_STREAM, 1, &encode(&[("x-own".into(), "3".into())]))));
    let heard = client.answer(1);
    assert_eq!(heard.body, b"ok");
    assert_eq!(heard.trailers, Some(vec![("x-sum".into(), "7".into())]));
    assert_eq!(origin.requests()[0].body.trailers, [("x-own".to_owned(), "3".to_owned())]);
}

#[test]
fn answers_before_the_answer_pass() {
    let origin = Origin::scripted(|_| Answer {
        bytes:
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                .to_vec(),
        close: false,
    });
    let daemon = start(&origin, "");
    let mut client = client(&daemon);
    let heard = fetch(&mut client, 1, "/");
    assert_eq!(heard.heads.len(), 2);
    assert!(heard.heads[0].contains(&(":status".into(), "103".into())), "{:?}", heard.heads);
    assert_eq!((heard.status(), &*heard.body), (Some(200), &b"ok"[..]));
}

#[test]
fn a_client_may_wait_for_100() {
    let origin = Origin::start("app1");
    let daemon = start(&origin, "");
    let mut client = client(&daemon);
    client.send(ask(0, 1, "POST", "/echo", &[("content-length", "5"), ("expect", "100-continue")]));
    assert!(client.reads_until(SOON, |it| !it.on(1).heads.is_empty()), "it is told to go on");
    assert!(client.on(1).heads[0].contains(&(":status".into(), "100".into())));
    client.send(Frame::data(END_STREAM, 1, "hello").bytes());
    let heard = client.answer(1);
    assert_eq!((heard.status(), &*heard.body), (Some(200), &b"hello"[..]));
}

#[test]
fn what_is_not_wanted_of_a_body_is_taken_back_without_an_error() {
    let origin = Origin::start("app1");
    let daemon = start(&origin, "");
    let mut client = client(&daemon);
    client.send(frames::post(1, "/early"));
    client.send(Frame::data(0, 1, "some of it").bytes());
    assert!(client.reads_until(SOON, |it| it.on(1).reset.is_some()), "{:?}", client.on(1));
    let heard = client.on(1);
    assert_eq!((heard.status(), &*heard.body, heard.ended), (Some(403), &b"early\n"[..], true));
    assert_eq!(heard.reset, Some(NO_ERROR));
    assert_eq!(fetch(&mut client, 3, "/").status(), Some(200));
}

#[test]
fn a_cut_answer_is_not_taken_for_a_whole_one() {
    for bytes in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n",
    ] {
        let origin = Origin::scripted(move |_| Answer { bytes: bytes.to_vec(), close: true });
        let daemon = start(&origin, "");
        let mut client = client(&daemon);
        let heard = fetch(&mut client, 1, "/");
        assert_eq!((heard.ended, heard.reset), (false, Some(INTERNAL_ERROR)));
        assert!(client.is_alive(SOON), "the others go on");
    }
}

#[test]
fn a_reset_lets_go_of_the_server() {
    let origin = Silent::start();
    let config = Config::http([("app1", origin.address())]);
    let daemon = Daemon::start(&config);
    let mut client = Peer::client(daemon.listener("web"));
    client.send(frames::get(1, "/"));
    eventually("it has the request", || (origin.requests() == 1).then_some(()));
    client.send(Frame::reset(1, CANCEL).bytes());
    eventually("it is let go", || (origin.service().open() == 0).then_some(()));
    eventually("and counted", || (daemon.count("app", "BACKEND", "cli_abrt") == 1).then_some(()));
    assert!(client.is_alive(SOON));
}

#[test]
fn heads_are_refused_as_they_are_over_http_1() {
    let origin = Origin::start("app1");
    let config = "http: (max_headers: 10, max_header_bytes: \"1KiB\"), default_backend: \"app\"";
    let config = Config::http([("app1", origin.addr())]).frontend("strict", config);
    let daemon = Daemon::start(&config);
    let mut client = Peer::client(daemon.listener("strict"));
    let long = "x".repeat(1100);
    let crumbs: Vec<(&str, &str)> = std::iter::repeat_n(("cookie", "a=b"), 11).collect();
    for (stream, status, path, more) in [
        (1, Some(431), "/", &[("x-long", &*long)][..]),
        (3, Some(431), "/", &crumbs),
        (5, Some(400), "/", &[("host", "other")]),
        (7, Some(417), "/", &[("expect", "a miracle")]),
        (9, Some(200), "/", &crumbs[..9]),
    ] {
        client.send(ask(END_STREAM, stream, "GET", path, more));
        assert_eq!(client.answer(stream).status(), status, "{stream}");
    }
    assert_eq!(origin.hits(), 1);
    assert_eq!(daemon.count("strict", "FRONTEND", "ereq"), 4);
    // Fields that only HTTP/1 has.
    for (stream, field) in [
        (11, ("connection", "upgrade")),
        (13, ("transfer-encoding", "chunked")),
        (15, ("upgrade", "websocket")),
    ] {
        client.send(ask(END_STREAM, stream, "GET", "/", &[field]));
        assert_eq!(client.answer(stream).reset, Some(PROTOCOL_ERROR), "{field:?}");
    }
    assert_eq!(origin.hits(), 1, "nothing of it went anywhere");
}

#[test]
fn a_slow_reader_sets_the_pace() {
    let origin = Origin::start("app1");
    let daemon = start(&origin, "");
    let mut client = client(&daemon);
    client.reads = false;
    let before = daemon.rss();
    for n in 0..20 {
        client.send(frames::get(1 + 2 * n, "/bytes/50000000"));
    }
    // What comes without a window being opened is the connection's first 65,535 bytes.
    let taken = |client: &Peer| (0..20).map(|n| client.on(1 + 2 * n).body.len()).sum::<usize>();
    assert!(client.reads_until(SOON, |it| taken(it) == 65_535), "{}", taken(&client));
    let grown = daemon.rss().saturating_sub(before);
    assert!(grown < 30 << 20, "grown by {grown}");
    let limit = Duration::from_millis(300);
    assert!(!client.reads_until(limit, |it| taken(it) > 65_535), "no more than there is room for");
    client.send(Frame::window(0, 1_000_000).bytes());
    client.send(Frame::window(1, 1_000_000).bytes());
    assert!(client.reads_until(SOON, |it| taken(it) > 700_000), "{}", taken(&client));
    assert_eq!(daemon.client().get("/").status, 200);
}

#[test]
fn a_client_without_room_is_given_up() {
    let origin = Origin::start("app1");
    let daemon = start_with(&origin, "", "timeouts: (client: \"500ms\")");
    let mut client = client(&daemon);
    client.reads = false;
    client.send(frames::get(1, "/bytes/50000000"));
    // It goes on talking about something else.
    let over = eventually("it is reset", || {
        client.is_alive(Duration::from_millis(100));
        client.on(1).reset
    });
    assert_eq!(over, INTERNAL_ERROR);
    eventually("the server is let go", || (daemon.count("app", "BACKEND", "scur") == 0).then_some(()));
}

#[test]
fn idle_connections_end_with_a_word() {
    let origin = Origin::start("app1");
    let daemon = start_with(&origin, "", "timeouts: (http_keep_alive: \"500ms\", http_request: \"2s\")");
    let mut served = client(&daemon);
    assert_eq!(fetch(&mut served, 1, "/").status(), Some(200));
    assert_eq!(served.end(SOON), Some(NO_ERROR));
    let mut mute = client(&daemon);
    assert_eq!(mute.end(SOON), Some(NO_ERROR), "one that asks for nothing");
    let mut silent = Peer::bare(daemon.listener("web"));
    silent.send(&PREFACE[..20]);
    silent.end(SOON);
    let mut drip = client(&daemon);
    let head = frames::get(1, "/");
    drip.send(&head[..12]);
    drip.end(SOON);
    assert_eq!(origin.hits(), 1);
    eventually("all are gone", || (daemon.count("web", "FRONTEND", "scur") == 0).then_some(()));
}

#[test]
fn a_dead_client_is_found_out() {
    let origin = Origin::start("app1");
    let daemon = start(&origin, "ping_interval: \"500ms\", ping_timeout: \"4s\"");
    let mut dead = client(&daemon);
    dead.send(frames::get(1, "/held"));
    let mut alive = client(&daemon);
    alive.send(frames::get(1, "/slow/7000"));
    // One answers PING as it reads, the other does not.
    assert_eq!(alive.answer(1).status(), Some(200));
    let line = "proxyd_http2_connections_ended_total{proxy=\"web\",reason=\"ping_timeout\"}";
    eventually("it is given up", || (metric(&daemon, line) == 1).then_some(()));
    assert!(alive.is_alive(SOON));
}

#[test]
fn stopping_lets_streams_end() {
    let origin = Origin::start("app1");
    let mut daemon = start(&origin, "");
    let mut idle = client(&daemon);
    assert_eq!(fetch(&mut idle, 1, "/").status(), Some(200));
    let mut running = client(&daemon);
    running.send(frames::get(1, "/drip/10/100"));
    eventually("it runs", || (origin.hits() == 2).then_some(()));
    daemon.signal(Signal::TERM);
    assert_eq!(idle.end(SOON), Some(NO_ERROR));
    let heard = running.answer(1);
    assert_eq!((heard.body.len(), heard.ended), (10, true), "a stream under way ends well");
    assert_eq!(running.end(SOON), Some(NO_ERROR));
    assert_eq!(running.goaway, Some((1, NO_ERROR)), "and the client knows which was the last");
    assert_eq!(daemon.wait_exit(SOON).code(), Some(0));
}

/// A server that agrees to switch and sends back what it gets.
fn switching() -> Tcp {
    Tcp::start(|stream: Stream, _| {
        let mut reader = Reader::new(stream);
        let Ok(Some(head)) = reader.head() else { return };
        assert_eq!((head.word(0), head.get("upgrade")), ("GET", Some("websocket")), "{:?}", head.fields);
        assert!(head.get("sec-websocket-key").is_some(), "{:?}", head.fields);
        let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nwelcome\n";
        let mut bytes = [0; 1024];
        let mut n = reader.inner().write(switch).map_or(0, |_| 0);
        while reader.inner().write_all(&bytes[..n]).is_ok() {
            match reader.inner().read(&mut bytes) {
                Ok(read @ 1..) => n = read,
                _ => break,
            }
        }
        reader.inner().write_all(b"bye\n").ok();
        reader.inner().shutdown(Shutdown::Write).ok();
    })
}

#[test]
fn websocket_passes_to_servers_of_http_1() {
    let origin = switching();
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let mut client = Peer::client(daemon.listener("web"));
    let more = [(":protocol", "websocket"), ("sec-websocket-version", "13")];
    let mut fields = frames::request_fields("CONNECT", "/chat");
    fields.insert(1, (more[0].0.into(), more[0].1.into()));
    fields.push((more[1].0.into(), more[1].1.into()));
    client.send(frames::bytes(&Frame::head(0, 1, &encode(&fields))));
    assert!(client.reads_until(SOON, |it| it.on(1).body == b"welcome\n"), "{:?}", client.on(1));
    assert!(client.settings.contains(&(8, 1)), "extended CONNECT is announced: {:?}", client.settings);
    assert_eq!(client.on(1).status(), Some(200));
    client.send(Frame::data(0, 1, "hello").bytes());
    assert!(client.reads_until(SOON, |it| it.on(1).body == b"welcome\nhello"));
    client.send(Frame::data(END_STREAM, 1, "").bytes());
    let heard = client.answer(1);
    assert_eq!((&*heard.body, heard.ended), (&b"welcome\nhellobye\n"[..], true), "each side ends by itself");
    assert!(client.violations.is_empty(), "{:?}", client.violations);
}

#[test]
fn prior_knowledge_can_be_forbidden() {
    let origin = Origin::start("app1");
    let daemon = start(&origin, "prior_knowledge: false");
    let mut client = daemon.client();
    client.send(PREFACE);
    assert_eq!(client.response("GET").status, 400);
}

#[test]
fn floods_are_ended_and_counted() {
    let origin = Origin::start("app1");
    let daemon = start(&origin, "glitches: 200");
    let address = daemon.listener("web");
    let again = |n: usize, frame: &[u8]| frame.repeat(n);
    let empty = [frames::post(1, "/length"), again(2000, &Frame::data(0, 1, "").bytes())].concat();
    let priority = Frame::new(frames::PRIORITY, 0, 1, vec![0, 0, 0, 0, 16]).bytes();
    let resets = |n: u32| -> Vec<u8> {
        (0..n)
            .flat_map(|n| {
                [frames::get(1 + 2 * n, "/slow/1000"), Frame::reset(1 + 2 * n, CANCEL).bytes()].concat()
            })
            .collect()
    };
    for (reason, bytes) in [
        ("ping_flood", again(2000, &Frame::ping(*b"00000000").bytes())),
        ("settings_flood", again(2000, &Frame::settings(&[(4, 70_000)]).bytes())),
        ("priority_flood", again(2000, &priority)),
        ("window_update_flood", again(2000, &Frame::window(0, 1).bytes())),
        ("unknown_frame_flood", again(2000, &Frame::new(77, 0, 0, "x").bytes())),
        ("empty_frame_flood", empty),
    ] {
        let mut client = Peer::client(address);
        // It may be closed before all of it has left.
        let _closed = client.try_send(bytes);
        assert_eq!(client.end(SOON), Some(ENHANCE_YOUR_CALM), "{reason}");
        let line = format!("proxyd_http2_connections_ended_total{{proxy=\"web\",reason=\"{reason}\"}}");
        eventually(reason, || (metric(&daemon, &line) == 1).then_some(()));
    }
    let mut client = Peer::client(address);
    let _closed = client.try_send(resets(2000));
    assert_eq!(client.end(SOON), Some(ENHANCE_YOUR_CALM), "rapid reset");
    daemon.logged("was ended: ");
    eventually("no server is held", || (daemon.count("app", "BACKEND", "scur") == 0).then_some(()));
    eventually("no place is", || (daemon.count("web", "FRONTEND", "scur") == 0).then_some(()));
    assert_eq!(daemon.client().get("/").status, 200);
}

#[test]
fn what_is_reasonable_is_no_flood() {
    let origin = Origin::start("app1");
    let daemon = start(&origin, "");
    let mut client = client(&daemon);
    // A client that opens its windows for each frame, and one that takes back every third of what it asks for.
    let heard = fetch(&mut client, 1, "/bytes/20000000");
    assert_eq!(heard.body.len(), 20_000_000);
    for n in 1..900 {
        let stream = 1 + 2 * n;
        client.send(frames::get(stream, "/"));
        if n % 3 == 0 {
            client.send(Frame::reset(stream, CANCEL).bytes());
        } else {
            assert_eq!(client.answer(stream).status(), Some(200));
        }
    }
    assert!(client.is_alive(SOON));
    holds_for(Duration::from_millis(200), "it stays", || client.goaway.is_none());
}
