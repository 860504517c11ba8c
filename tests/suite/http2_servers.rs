//! HTTP/2 towards servers: what passes, how connections are shared, and what becomes of what a server does not take.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use harness::frames::script::Step;
use harness::frames::{self, Frame, Peer};
use harness::origin::streams::{Origin, Whims};
use harness::origin::{http, http2};
use harness::tls::Identity;
use harness::{Config, Daemon, Start, eventually};

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

/// So many requests that are with the server all at once, until all of them are answered.
fn held_at_once(daemon: &Daemon, origin: &Origin, count: usize) {
    thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| assert_eq!(daemon.client().get("/held").status, 200));
        }
        eventually("all are there", || (origin.record().active == count).then_some(()));
        origin.let_go();
    });
}

#[test]
fn many_requests_share_a_connection() {
    let origin = Origin::start("one");
    let daemon = daemon(&origin, "");
    held_at_once(&daemon, &origin, 20);
    let record = origin.record();
    assert_eq!(record.connections, 1);
    assert_eq!(record.most, 20);
}

#[test]
fn a_server_gets_as_many_streams_as_it_takes() {
    let origin = Origin::with("one", Whims { streams: 4, ..Whims::default() });
    let daemon = daemon(&origin, "");
    assert_eq!(daemon.client().get("/").status, 200);
    held_at_once(&daemon, &origin, 10);
    let record = origin.record();
    assert_eq!((record.connections, record.most), (3, 4));
    eventually("they are let go", || (daemon.count("app", "one", "srv_icur") == 0).then_some(()));
}

#[test]
fn limits_of_a_backend_hold_for_its_servers() {
    let origin = Origin::start("one");
    let config = Config::new()
        .global("workers: 1")
        .frontend("web", r#"default_backend: "app""#)
        .backend(
            "app",
            r#"server_defaults: (http: h2, http2: (max_concurrent_streams: 3, initial_window: "100KiB"))"#,
        )
        .server("one", origin.addr(), r#"http2: (max_concurrent_streams: 2, connection_window: "200KiB")"#);
    let daemon = Daemon::start(&config);
    assert_eq!(daemon.client().get("/bytes/1000000").body.len, 1_000_000);
    held_at_once(&daemon, &origin, 6);
    let record = origin.record();
    assert_eq!((record.connections, record.most), (3, 2), "what a server says goes before");
}

#[test]
fn a_server_hears_of_the_limits() {
    let (tell, heard) = std::sync::mpsc::channel();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut begin = [0; 24 + 9];
        stream.read_exact(&mut begin).unwrap();
        let length = usize::from(u16::from_be_bytes([begin[25], begin[26]]));
        let mut settings = vec![0; length];
        stream.read_exact(&mut settings).unwrap();
        tell.send((begin[27], settings)).unwrap();
    });
    let config = Config::new()
        .defaults("retries: (max: 0)")
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "")
        .server(
            "one",
            address,
            r#"http: h2, http2: (initial_window: "100KiB", max_frame_size: "32KiB", header_table: "1KiB", max_header_list: "9KiB")"#,
        );
    let daemon = Daemon::start(&config);
    assert_eq!(daemon.client().get("/").status, 503);
    let (kind, settings) = heard.recv_timeout(Duration::from_secs(10)).unwrap();
    server.join().unwrap();
    assert_eq!(kind, 4, "SETTINGS");
    let said: Vec<(u16, u32)> = settings
        .chunks_exact(6)
        .map(|it| (u16::from_be_bytes([it[0], it[1]]), u32::from_be_bytes([it[2], it[3], it[4], it[5]])))
        .collect();
    for (id, value) in [(1, 1 << 10), (4, 100 << 10), (5, 32 << 10), (6, 9 << 10)] {
        assert!(said.contains(&(id, value)), "{id}: {said:?}");
    }
}

/// The value of a line of `/metrics` about the server.
fn metric(daemon: &Daemon, family: &str, reason: &str) -> u64 {
    let text = harness::client::get(daemon.listener("GLOBAL"), "/metrics").text();
    let line =
        format!(r#"proxyd_http2_servers_{family}_total{{proxy="app",server="one",reason="{reason}"}} "#);
    let found = text.lines().find_map(|it| it.strip_prefix(&line));
    found.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {line} in {text}"))
}

#[test]
fn what_ends_early_is_counted() {
    let origin = Origin::with("one", Whims { requests: 4, ..Whims::default() });
    let daemon = Daemon::start(&config(&origin, "").global(r#"metrics: (bind: "127.0.0.1:0")"#));
    assert_eq!(metric(&daemon, "streams_refused", "refused_stream"), 0);
    assert_eq!(daemon.client().post("/refuse-once", b"pay once").status, 200);
    assert_eq!(metric(&daemon, "streams_refused", "refused_stream"), 1);
    let mut client = daemon.client();
    client.send("GET /never HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("it is on its way", || (origin.record().active == 1).then_some(()));
    client.reset();
    eventually("it is taken back", || (metric(&daemon, "streams_reset", "cancel") == 1).then_some(()));
    assert_eq!(metric(&daemon, "goaways", "no_error"), 0);
    assert_eq!(daemon.client().get("/").status, 200);
    eventually("the server goes", || (metric(&daemon, "goaways", "no_error") == 1).then_some(()));

    let nonsense = http2::Origin::scripted(|request, stream| {
        let bytes = match request.target() {
            "/frame" => frames::bytes(&Frame::head(0, 2, &frames::hpack::encode(&[]))),
            _ => Frame::data(frames::END_STREAM, stream, *b"x").bytes(),
        };
        vec![Step::Send(bytes)]
    });
    let config = Config::new()
        .global(r#"metrics: (bind: "127.0.0.1:0")"#)
        .defaults("retries: (max: 0)")
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "")
        .server("one", nonsense.addr(), "http: h2");
    let daemon = Daemon::start(&config);
    assert_eq!(daemon.client().get("/frame").status, 502);
    eventually("it is told", || (metric(&daemon, "connections_ended", "protocol_error") == 1).then_some(()));
}

#[test]
fn a_connection_on_which_a_ping_stays_unanswered_gets_no_more_requests() {
    let origin = http2::Origin::scripted(|request, stream| match request.connection {
        // It is there and says nothing, as when the network is gone.
        0 if request.target() != "/" => vec![Step::Mute],
        _ => vec![Step::Send(http2::answer(stream, "one", b"fine"))],
    });
    let config = Config::new()
        .global(r#"workers: 1, metrics: (bind: "127.0.0.1:0")"#)
        .defaults(r#"timeouts: (server: "8s"), retries: (on: [conn_failure, response_timeout])"#)
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "")
        .server("one", origin.addr(), r#"http: h2, http2: (ping_interval: "1s", ping_timeout: "4s")"#);
    let daemon = Daemon::start(&config);
    assert_eq!(daemon.client().get("/").status, 200);
    let (mut repeated, mut once) = (daemon.client(), daemon.client());
    repeated.send("GET /hang HTTP/1.1\r\nHost: test\r\n\r\n");
    once.send("POST /hang HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nhi");
    let line = r#"proxyd_http2_servers_silences_total{proxy="app",server="one"} "#;
    let silences = || {
        let text = harness::client::get(daemon.listener("GLOBAL"), "/metrics").text();
        text.lines().find_map(|it| it.strip_prefix(line)).and_then(|it| it.parse::<u64>().ok())
    };
    eventually("it is noticed", || (silences() == Some(1)).then_some(()));
    let carried = || origin.record().requests.last().map(|it| it.connection);
    for _ in 0..3 {
        assert_eq!(daemon.client().get("/").status, 200);
        assert_eq!(carried(), Some(1), "a connection that answers");
    }
    assert_eq!(origin.service().open(), 2, "what is on its way has its time");
    // Which is kept idle for longer than that takes.
    let answer = repeated.response("GET");
    assert_eq!((answer.status, answer.text()), (200, "fine".to_owned()), "asked again on the other");
    assert_eq!(carried(), Some(1));
    assert_eq!(once.response("POST").status, 504);
    eventually("nobody wants it any more", || (origin.service().open() == 1).then_some(()));
    assert_eq!((silences(), origin.service().accepted()), (Some(1), 2));
    assert_eq!(daemon.count("app", "one", "eresp"), 1);
}

#[test]
fn a_server_that_takes_nothing_is_waited_for() {
    let origin = Origin::with("one", Whims { streams: 0, ..Whims::default() });
    let config = config(&origin, "").defaults(r#"timeouts: (connect: "300ms"), retries: (max: 0)"#);
    let daemon = Daemon::start(&config);
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| assert_eq!(daemon.client().get("/").status, 503));
        }
    });
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(origin.record().connections, 1, "more connections bring no more room");
}

#[test]
fn answers_have_what_comes_before_and_behind_them() {
    let origin = Origin::start("one");
    let daemon = daemon(&origin, "");
    let mut client = daemon.client();
    let answer = client.get("/trailers");
    assert_eq!(answer.text(), "message");
    assert_eq!(answer.body.trailers, [("grpc-status".to_owned(), "0".to_owned())]);
    let answer = client.get("/interim");
    assert_eq!((answer.status, answer.interim.len()), (200, 1));
    assert_eq!(answer.interim[0].get("link"), Some("</a>; rel=preload"));
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n");
    client.send("5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n");
    let answer = client.response("POST");
    assert_eq!((answer.text(), answer.body.trailers.len()), ("hello".to_owned(), 1));
    assert_eq!(origin.record().requests[2].headers["te"], "trailers");
}

#[test]
fn an_early_answer_is_passed_on() {
    let origin = Origin::start("one");
    let daemon = daemon(&origin, "");
    let mut client = daemon.client();
    client.send("POST /early HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nand");
    let answer = client.response("POST");
    assert_eq!((answer.status, answer.text()), (413, "enough".to_owned()));
}

#[test]
fn a_cut_answer_is_no_whole_one_and_harms_no_other() {
    let origin = Origin::start("one");
    let daemon = daemon(&origin, "");
    thread::scope(|scope| {
        let slow = scope.spawn(|| daemon.client().get("/held").status);
        eventually("it is on its way", || (origin.record().active == 1).then_some(()));
        let mut client = daemon.client();
        client.send("GET /cut HTTP/1.1\r\nHost: test\r\n\r\n");
        client.try_response("GET").expect_err("half an answer");
        assert_eq!(daemon.client().get("/reset").status, 502);
        origin.let_go();
        assert_eq!(slow.join().unwrap(), 200);
    });
    assert_eq!(origin.record().connections, 1);
}

#[test]
fn a_client_that_goes_takes_its_stream_along_and_no_more() {
    let origin = Origin::start("one");
    let daemon = daemon(&origin, "");
    let mut client = daemon.client();
    client.send("GET /never HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("it is on its way", || (origin.record().active == 1).then_some(()));
    client.reset();
    eventually("it is taken back", || (origin.record().cancelled == 1).then_some(()));
    assert_eq!(daemon.client().get("/").status, 200);
    assert_eq!(origin.record().connections, 1);
}

#[test]
fn what_a_server_refuses_is_asked_again_whatever_the_method() {
    let origin = Origin::start("one");
    let daemon = daemon(&origin, "");
    let answer = daemon.client().post("/refuse-once", b"pay once");
    assert_eq!((answer.status, answer.text()), (200, "one".to_owned()));
    assert_eq!(origin.record().requests.len(), 2);
    assert_eq!(daemon.client().get("/refuse").status, 503);
}

#[test]
fn a_body_goes_from_a_server_that_refuses_to_one_of_http1() {
    let (origin, other) = (Origin::start("one"), http::Origin::start("other"));
    let config = Config::new()
        .global("workers: 1")
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "")
        .server("one", origin.addr(), "http: h2")
        .server("two", other.address(), "");
    let daemon = Daemon::start(&config);
    for body in
        ["Content-Length: 8\r\n\r\npay once", "Transfer-Encoding: chunked\r\n\r\n8\r\npay once\r\n0\r\n\r\n"]
    {
        for _ in 0..2 {
            let mut client = daemon.client();
            client.send(format!("POST /refuse HTTP/1.1\r\nHost: test\r\n{body}"));
            let answer = client.response("POST");
            assert_eq!((answer.status, answer.origin()), (200, "other"));
        }
    }
    let record = other.record();
    assert!(record.violations.is_empty(), "{:?}", record.violations);
    assert!(record.requests.iter().all(|it| it.body.bytes == b"pay once"), "{:?}", record.requests);
    assert_eq!(record.requests.len(), 4);
}

#[test]
fn connections_that_a_server_ends_lose_nothing() {
    let origin = Origin::with("one", Whims { requests: 7, ..Whims::default() });
    let daemon = daemon(&origin, "");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = daemon.client();
                for _ in 0..50 {
                    assert_eq!(client.post("/slow/1", b"once").status, 200);
                }
            });
        }
    });
    let record = origin.record();
    assert_eq!(record.requests.len(), 200);
    assert!(record.connections > 10, "{}", record.connections);
}

/// What a server sends after a request, and the status its client gets.
#[test]
fn what_makes_no_sense_is_a_502() {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let head = move |flags, stream, fields: &[(String, String)]| {
        frames::bytes(&Frame::head(flags, stream, &frames::hpack::encode(fields)))
    };
    let origin = http2::Origin::scripted(move |request, stream| {
        let bytes = match request.target() {
            "/interim-end" => head(frames::END_STREAM, stream, &[field(":status", "103")]),
            "/data-first" => Frame::data(frames::END_STREAM, stream, *b"x").bytes(),
            "/no-status" => head(frames::END_STREAM, stream, &[field("a", "b")]),
            "/upper" => head(frames::END_STREAM, stream, &[field(":status", "200"), field("Upper", "b")]),
            "/connection" => {
                head(frames::END_STREAM, stream, &[field(":status", "200"), field("connection", "close")])
            }
            "/long" => head(
                frames::END_STREAM,
                stream,
                &[field(":status", "200"), field("a", &"b".repeat(64 * 1024))],
            ),
            "/length" => {
                head(frames::END_STREAM, stream, &[field(":status", "200"), field("content-length", "7")])
            }
            _ => http2::answer(stream, "raw", b"fine"),
        };
        vec![Step::Send(bytes)]
    });
    let config = Config::new()
        .global("workers: 1")
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "")
        .server("one", origin.addr(), "http: h2");
    let daemon = Daemon::start(&config);
    for path in ["/interim-end", "/data-first", "/no-status", "/upper", "/connection", "/long", "/length"] {
        assert_eq!(daemon.client().get(path).status, 502, "{path}");
        assert_eq!(daemon.client().get("/").status, 200, "after {path}");
    }
}

#[test]
fn both_sides_may_speak_it() {
    let origin = Origin::start("one");
    let daemon = daemon(&origin, "");
    let mut client = Peer::client(daemon.listener("web"));
    client.send(frames::get(1, "/trailers"));
    let answer = client.answer(1);
    assert_eq!((answer.status(), &answer.body[..]), (Some(200), &b"message"[..]));
    assert_eq!(answer.trailers, Some(vec![("grpc-status".to_owned(), "0".to_owned())]));
    // What is echoed comes while the request is still on its way.
    client.send(frames::post(3, "/echo"));
    client.send(Frame::data(0, 3, *b"one").bytes());
    assert!(client.reads_until(Duration::from_secs(10), |it| it.on(3).body == b"one"));
    client.send(Frame::data(frames::END_STREAM, 3, *b"two").bytes());
    assert_eq!(client.answer(3).body, b"onetwo");
    client.send(frames::get(5, "/cut"));
    assert!(client.reads_until(Duration::from_secs(10), |it| it.on(5).reset.is_some()));
    assert!(client.violations.is_empty(), "{:?}", client.violations);
}

#[test]
fn checks_speak_it_too() {
    let origin = Origin::start("one");
    let config = Config::new()
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", r#"check: http(path: "/status/204", interval: "2s", fast_interval: "100ms", expect: status(204))"#)
        .server("one", origin.addr(), "http: h2");
    let daemon = Daemon::start(&config);
    eventually("it is checked", || {
        (daemon.stat("app", "one", "check_status") == "L7OK" && origin.record().requests.len() > 1)
            .then_some(())
    });
    let plain = http::Origin::start("plain");
    let config = Config::new()
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", r#"check: http(path: "/", interval: "2s", fast_interval: "100ms")"#)
        .server("one", plain.address(), "http: h2");
    let daemon = Daemon::start(&config);
    daemon.wait_status("app", "one", "DOWN");
    assert_eq!(daemon.client().get("/").status, 503);
}

/// A server that speaks TLS and offers `alpn`: proxyd itself, before an origin.
fn secure(origin: &http::Origin, alpn: &str) -> Daemon {
    let bind =
        format!(r#"bind: [(address: "127.0.0.1:0", tls: (certificates: ["site.pem"], alpn: [{alpn}]))]"#);
    let config = Config::new()
        .frontend("web", &format!(r#"{bind}, default_backend: "app""#))
        .backend("app", "")
        .server("origin", origin.address(), "");
    let start = Start::new(&config);
    Identity::self_signed(&["localhost"]).write(start.dir(), "site.pem");
    start.run()
}

#[test]
fn what_is_spoken_over_tls_is_agreed_on() {
    let origin = http::Origin::start("origin");
    for (http, alpn, status) in [
        ("h2", "h2, http1", 200),
        ("auto", "h2, http1", 200),
        ("auto", "http1", 200),
        ("http1", "h2, http1", 200),
        ("h2", "http1", 503),
    ] {
        let server = secure(&origin, alpn);
        let config = Config::new()
            .global("workers: 1")
            .frontend("web", r#"default_backend: "app""#)
            .backend("app", r#"check: http(path: "/", interval: "2s", fast_interval: "100ms")"#)
            .server("one", server.listener("web"), &format!("http: {http}, tls: (verify: none)"));
        let daemon = Daemon::start(&config);
        let mut client = daemon.client();
        for _ in 0..3 {
            let answer = client.get("/");
            assert_eq!(answer.status, status, "{http} {alpn}");
        }
        if status == 200 {
            assert_eq!(daemon.count("app", "one", "connect"), 1, "{http} {alpn}");
            assert_eq!(client.get("/bytes/300000").body.len, 300_000);
            eventually("it is checked", || {
                (daemon.stat("app", "one", "check_status") == "L7OK").then_some(())
            });
        } else {
            daemon.wait_status("app", "one", "DOWN");
        }
    }
}
