//! Every kind of check against servers that answer as they should, and against those that do not.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use harness::frames::script::Step;
use harness::frames::{self, Frame, Peer, hpack};
use harness::origin::http::{Answer, Origin};
use harness::origin::tcp::Tcp;
use harness::origin::{http2, streams};
use harness::tls::{Authority, Kind, Serving, Versions};
use harness::{Config, Daemon, Start, eventually};

/// Time enough for a busy machine to answer, and soon where something changed.
const TIMES: &str = r#"interval: "2s", fast_interval: "100ms", down_interval: "100ms", rise: 1, fall: 1"#;
/// Where nothing is to come in time.
const HASTY: &str = r#"interval: "200ms", timeout: "200ms", rise: 1, fall: 1"#;

/// A server that says `greeting`, then `answer` to whatever it is told, and waits to be left.
fn speaks(greeting: &'static [u8], answer: &'static [u8]) -> Tcp {
    Tcp::start(move |mut stream, _| {
        let mut block = [0; 4096];
        if stream.write_all(greeting).is_err() {
            return;
        }
        while let Ok(1..) = stream.read(&mut block) {
            if stream.write_all(answer).is_err() {
                return;
            }
        }
    })
}

fn daemon(check: &str, origin: &Tcp) -> Daemon {
    Daemon::start(&Config::tcp([("app1", origin.addr())]).with(&format!("check: {check}")))
}

fn finds(daemon: &Daemon, status: &str) {
    eventually(status, || {
        let found = daemon.stat("app", "app1", "check_status");
        (found.trim_start_matches("* ") == status).then_some(())
    });
}

/// Answers of real servers, each with the check that asks for it.
const WELL: [(&str, &[u8], &[u8]); 6] = [
    ("redis", b"", b"+PONG\r\n"),
    (r#"smtp(helo: "test", TIMES)"#, b"220 mail ESMTP\r\n", b"250-mail\r\n250 DSN\r\n"),
    (r#"postgres(user: "proxyd", TIMES)"#, b"", b"R\0\0\0\x0c\0\0\0\x05\x0e\x1f\xa2\x9b"),
    ("mysql(TIMES)", b"\x0e\0\0\0\x0a8.0.36\0\x01\0\0\0ab", b""),
    (
        r#"script(steps: [expect("ready"), send("PING\r\n"), expect(regex("^PO.G")), send("QUIT\r\n")], TIMES)"#,
        b"ready\r\n",
        b"PONG\r\n",
    ),
    (r#"http(expect: [status(200), string("all well"), header("x-state", "up")], TIMES)"#, b"",
     b"HTTP/1.1 200 OK\r\nX-State: up\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nall w\r\n3\r\nell\r\n0\r\n\r\n"),
];

fn timed(check: &str, times: &str) -> String {
    let check = if check == "redis" { "redis(TIMES)" } else { check };
    check.replace("TIMES", times)
}

#[test]
fn each_kind_passes_where_it_should() {
    for (check, greeting, answer) in WELL {
        let origin = speaks(greeting, answer);
        let daemon = daemon(&timed(check, TIMES), &origin);
        finds(&daemon, "L7OK");
        assert_eq!(daemon.stat("app", "app1", "status"), "UP", "{check}");
    }
}

#[test]
fn each_kind_fails_in_time_where_it_should() {
    for (check, ..) in WELL {
        let silent = Tcp::start(|mut stream, _| while let Ok(1..) = stream.read(&mut [0; 4096]) {});
        let closes = Tcp::start(|_, _| {});
        let garbage = speaks(b"\x00\xff\x00garbage\xfe\r\n\r\n", b"\xffmore\r\n");
        let huge = Tcp::start(|mut stream, _| while stream.write_all(&[b'x'; 4096]).is_ok() {});
        let drips = Tcp::start(|mut stream, _| {
            while stream.write_all(b"+").is_ok() {
                harness::pause(Duration::from_millis(20));
            }
        });
        for (what, origin) in [
            ("silent", &silent),
            ("closes", &closes),
            ("garbage", &garbage),
            ("huge", &huge),
            ("drips", &drips),
        ] {
            let daemon = daemon(&timed(check, HASTY), origin);
            daemon.wait_status("app", "app1", "DOWN");
            // A machine that stands still may make any of them late while it connects.
            eventually(&format!("{check}, {what}"), || {
                let status = daemon.stat("app", "app1", "check_status");
                match (what, status.trim_start_matches("* ")) {
                    (_, "L7TOUT")
                    | ("closes" | "garbage" | "huge" | "drips", "L7RSP" | "L7STS" | "L4CON") => Some(()),
                    _ => None,
                }
            });
            let duration: u64 = daemon.stat("app", "app1", "check_duration").parse().unwrap();
            assert!(duration < 15_000, "{check}, {what}: {duration} ms");
        }
    }
}

#[test]
fn what_a_server_said_is_kept() {
    let origin = speaks(b"", b"-LOADING Redis is loading the dataset in memory\r\n");
    let daemon = daemon(&timed("redis", TIMES), &origin);
    daemon.wait_status("app", "app1", "DOWN");
    assert_eq!(daemon.stat("app", "app1", "last_chk"), "LOADING Redis is loading the dataset in memory");
    daemon.logged("is DOWN, reason: Layer7 wrong status, info: \"LOADING Redis is loading");
}

#[test]
fn not_found_may_mean_enough() {
    let found = Arc::new(AtomicUsize::new(200));
    let says = Arc::clone(&found);
    let origin = Origin::scripted(move |_| {
        let code = says.load(Ordering::SeqCst);
        let bytes = format!("HTTP/1.1 {code} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        Answer { bytes: bytes.into_bytes(), close: true }
    });
    let check = format!(r#"check: http(expect: status("200-299"), disable_on_404: true, {TIMES})"#);
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).with(&check));
    finds(&daemon, "L7OK");
    found.store(404, Ordering::SeqCst);
    daemon.wait_status("app", "app1", "NOLB");
    finds(&daemon, "L7OKC");
    assert_eq!(daemon.stat("app", "app1", "check_code"), "404");
    daemon.logged("Server app/app1 is stopping, reason: Layer7 check conditionally passed, code: 404");
    assert_eq!(daemon.client().get("/").status, 503, "nothing new");
    found.store(500, Ordering::SeqCst);
    daemon.wait_status("app", "app1", "DOWN");
    // What is down does not come up with it.
    found.store(404, Ordering::SeqCst);
    eventually("404 is no answer of one that is down", || {
        (daemon.stat("app", "app1", "check_code") == "404").then_some(())
    });
    assert_eq!(daemon.stat("app", "app1", "status"), "DOWN");
    found.store(200, Ordering::SeqCst);
    daemon.wait_status("app", "app1", "UP");
}

#[test]
fn a_request_is_sent_as_it_is_written() {
    let origin = Origin::start("app1");
    let check = format!(
        r#"check: http(method: "POST", path: "/check?a=b", host: "app.internal", headers: [("X-Token", "t")], body: "ping", {TIMES})"#
    );
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).with(&check));
    finds(&daemon, "L7OK");
    let request = origin.requests().remove(0);
    assert_eq!((request.method(), request.target()), ("POST", "/check?a=b"));
}

#[test]
fn a_server_may_have_a_check_of_its_own_elsewhere() {
    let (well, mut elsewhere) = (Tcp::echo(), Tcp::echo());
    let own = format!("check: tcp(port: {}, {TIMES})", elsewhere.addr().port());
    let config = Config::tcp::<std::net::SocketAddr>([])
        .with(&format!("check: redis({TIMES})"))
        .server("app1", well.addr(), &own)
        .server("app2", well.addr(), "check: none")
        .server("app3", well.addr(), "");
    let daemon = Daemon::start(&config);
    finds(&daemon, "L4OK");
    assert_eq!(daemon.stat("app", "app2", "status"), "no check");
    daemon.wait_status("app", "app3", "DOWN");
    elsewhere.stop();
    daemon.wait_status("app", "app1", "DOWN");
    elsewhere.restart();
    daemon.wait_status("app", "app1", "UP");
}

#[test]
fn a_program_finds_out() {
    let origin = Tcp::echo();
    let check = |script: &str, times: &str| {
        format!(r#"external(command: "/bin/sh", arguments: ["-c", "{script}"], {times})"#)
    };
    let well = daemon(&check("echo $HAPROXY_SERVER_NAME of $HAPROXY_PROXY_NAME", TIMES), &origin);
    finds(&well, "PROCOK");
    assert_eq!(well.stat("app", "app1", "last_chk"), "app1 of app");
    let ill = daemon(&check("exit 7", TIMES), &origin);
    finds(&ill, "PROCERR");
    assert_eq!(ill.stat("app", "app1", "check_code"), "7");
    ill.wait_status("app", "app1", "DOWN");
    let slow = daemon(&check("sleep 60", HASTY), &origin);
    finds(&slow, "PROCTOUT");
}

#[test]
fn the_interval_follows_the_state() {
    let asked = Arc::new(std::sync::Mutex::new(0));
    let (counts, up) = (Arc::clone(&asked), Arc::new(AtomicUsize::new(0)));
    let says = Arc::clone(&up);
    let origin = Tcp::start(move |mut stream, _| {
        *counts.lock().expect("nobody panics with it") += 1;
        let answer: &[u8] = if says.load(Ordering::SeqCst) == 1 { b"+PONG\r\n" } else { b"-ERR\r\n" };
        while let Ok(1..) = stream.read(&mut [0; 100]) {
            let _ = stream.write_all(answer);
        }
    });
    let check = r#"redis(interval: "60s", fast_interval: "100ms", down_interval: "300ms", timeout: "5s", rise: 3, fall: 1)"#;
    let daemon = daemon(check, &origin);
    daemon.wait_status("app", "app1", "DOWN");
    // One of them may be on its way as it is looked at, and be seen late; behind it five intervals pass.
    let (seen, begun) = (*asked.lock().expect("nobody panics with it"), Instant::now());
    eventually("it is asked while it is down", || {
        (*asked.lock().expect("nobody panics with it") >= seen + 6).then_some(())
    });
    assert!(begun.elapsed() > Duration::from_secs(1), "{:?} for five intervals", begun.elapsed());
    up.store(1, Ordering::SeqCst);
    // A minute apart this would take longer than anybody waits.
    daemon.wait_status("app", "app1", "UP");
}

#[test]
fn grpc_is_asked_over_http2() {
    // An origin that knows nothing of health: the call as such is answered.
    let origin = streams::Origin::start("app1");
    let check = format!("check: grpc({TIMES})");
    let daemon = Daemon::start(&Config::tcp([("app1", origin.addr())]).with(&check));
    daemon.wait_status("app", "app1", "DOWN");
    let request = eventually("it is asked", || origin.record().requests.first().cloned());
    assert!(format!("{request:?}").contains("/grpc.health.v1.Health/Check"), "{request:?}");
}

#[test]
fn a_server_may_begin_down() {
    let origin = Tcp::start(|_, _| {});
    // The first check comes when the test is over.
    let check = r#"tcp(interval: "60s", timeout: "5s")"#;
    let config = Config::tcp::<std::net::SocketAddr>([])
        .with(&format!("check: {check}"))
        .server("app1", origin.addr(), "init_state: up")
        .server("app2", origin.addr(), "init_state: down")
        .server("app3", origin.addr(), "init_state: fully_down");
    let daemon = Daemon::start(&config);
    daemon.wait_status("app", "app1", "UP");
    assert_eq!(daemon.stat("app", "app2", "status"), "DOWN 1/2");
    assert_eq!(daemon.stat("app", "app3", "status"), "DOWN");
}

/// What a check sees, the words of its own TLS, the server's, and what the server is.
type Secured = (&'static str, &'static str, &'static str, fn(&Authority) -> Serving);

const SECURED: &[Secured] = &[
    ("L6OK", "tcp(tls: (ca: \"root.pem\", sni: \"a.example\"), TIMES)", "", |root| {
        Serving::new(&root.issue(&["a.example"], Kind::Server))
    }),
    ("L6OK", "tcp(TIMES)", "tls: (ca: \"root.pem\", sni: \"a.example\")", |root| {
        Serving::new(&root.issue(&["a.example"], Kind::Server))
    }),
    // What the check leaves out is the server's.
    (
        "L6OK",
        "tcp(tls: (sni: \"b.example\"), TIMES)",
        "tls: (ca: \"root.pem\", sni: \"a.example\")",
        |root| Serving::new(&root.issue(&["b.example"], Kind::Server)),
    ),
    ("L6RSP", "tcp(tls: (ca: \"root.pem\", sni: \"b.example\"), TIMES)", "", |root| {
        Serving::new(&root.issue(&["a.example"], Kind::Server))
    }),
    ("L4OK", "tcp(tls: false, TIMES)", "tls: (ca: \"root.pem\", sni: \"a.example\")", |root| {
        Serving::new(&root.issue(&["a.example"], Kind::Server))
    }),
    (
        "L7OK",
        "script(steps: [connect(tls: true), send(\"GET / HTTP/1.0\\r\\n\\r\\n\"), expect(\"200 OK\")], TIMES, tls: (ca: \"root.pem\", sni: \"a.example\"))",
        "",
        |root| Serving::new(&root.issue(&["a.example"], Kind::Server)),
    ),
    ("L7OK", "http(tls: (verify: none, sni: \"x.example\"), version: \"1.1\", TIMES)", "", |root| {
        Serving::new(&root.issue(&["a.example"], Kind::Server))
    }),
];

#[test]
fn a_check_may_be_encrypted_in_its_own_way() {
    for (status, check, server, serving) in SECURED {
        let root = Authority::new("root");
        let origin = Origin::tls("app1", &serving(&root));
        let config = Config::tcp::<std::net::SocketAddr>([])
            .with(&format!("check: {}", check.replace("TIMES", TIMES)))
            .server("app1", origin.address(), server);
        let start = Start::new(&config);
        root.write(start.dir(), "root.pem");
        let daemon = start.run();
        finds(&daemon, status);
    }
}

/// A gRPC server over TLS that agrees on HTTP/2 and says this number of its health.
fn healthy(serving: &Serving, state: &Arc<AtomicU8>) -> http2::Origin {
    let says = Arc::clone(state);
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let head = hpack::encode(&[field(":status", "200"), field("content-type", "application/grpc")]);
    let trailers = hpack::encode(&[field("grpc-status", "0")]);
    http2::Origin::agreeing(
        serving.clone(),
        move |_, stream| {
            let message = [0, 0, 0, 0, 2, 1 << 3, says.load(Ordering::SeqCst)];
            let mut answer = Frame::head(0, stream, &head);
            answer.push(Frame::data(0, stream, message));
            answer.extend(Frame::head(frames::END_STREAM, stream, &trailers));
            vec![Step::Send(frames::bytes(&answer))]
        },
        |_| {},
    )
}

#[test]
fn grpc_is_asked_over_tls() {
    const SERVING: u8 = 1;
    const NOT_SERVING: u8 = 2;
    let root = Authority::new("root");
    let identity = root.issue(&["a.example"], Kind::Server);
    let state = Arc::new(AtomicU8::new(SERVING));
    let serving = Serving::with(&identity, Versions::Both, None, &["h2"]);
    let origin = healthy(&serving, &state);
    // In clear, as its traffic is where it passes TLS on.
    let check = format!(
        r#"check: grpc(service: "app", authority: "app.internal", tls: (ca: "root.pem", sni: "a.example"), {TIMES})"#
    );
    let config = Config::tcp([("app1", origin.addr())]).with(&check);
    let start = Start::new(&config);
    root.write(start.dir(), "root.pem");
    let daemon = start.run();
    finds(&daemon, "L7OK");
    assert_eq!(daemon.stat("app", "app1", "last_chk"), "SERVING");
    let seen = serving.seen().remove(0);
    assert_eq!((seen.name.as_deref(), seen.alpn.as_deref()), (Some("a.example"), Some("h2")));
    let record = origin.record();
    assert!(record.violations.is_empty(), "{:?}", record.violations);
    let request = &record.requests[0];
    assert_eq!((request.method(), request.target()), ("POST", "/grpc.health.v1.Health/Check"));
    let of = |name: &str| request.head.get(name).unwrap_or_default();
    assert_eq!(
        [of(":scheme"), of("host"), of("content-type")],
        ["https", "app.internal", "application/grpc"]
    );
    assert_eq!(request.body.bytes, b"\0\0\0\0\x05\x0a\x03app");
    state.store(NOT_SERVING, Ordering::SeqCst);
    daemon.wait_status("app", "app1", "DOWN");
    finds(&daemon, "L7STS");
    assert_eq!(daemon.stat("app", "app1", "last_chk"), "NOT_SERVING");
    state.store(SERVING, Ordering::SeqCst);
    daemon.wait_status("app", "app1", "UP");
}

#[test]
fn grpc_needs_http2_and_the_right_certificate() {
    let root = Authority::new("root");
    let identity = root.issue(&["a.example"], Kind::Server);
    let well = Arc::new(AtomicU8::new(1));
    for (protocols, name, reason) in [
        (&["http/1.1"][..], "a.example", "the peer refuses"),
        (&[], "a.example", "no HTTP/2 by ALPN"),
        (&["h2"], "b.example", ""),
    ] {
        let origin = healthy(&Serving::with(&identity, Versions::Both, None, protocols), &well);
        let check = format!(r#"check: grpc(tls: (ca: "root.pem", sni: "{name}"), {TIMES})"#);
        let start = Start::new(&Config::tcp([("app1", origin.addr())]).with(&check));
        root.write(start.dir(), "root.pem");
        let daemon = start.run();
        daemon.wait_status("app", "app1", "DOWN");
        finds(&daemon, "L6RSP");
        let told = daemon.stat("app", "app1", "last_chk");
        assert!(told.contains(reason), "{protocols:?}, {name}: {told}");
        assert_eq!(origin.record().requests.len(), 0, "nobody was asked");
    }
}

#[test]
fn servers_of_tcp_may_be_asked_over_http2() {
    let own = |path: &str| format!(r#"check: http(version: "2", path: "{path}", {TIMES})"#);
    let origin = streams::Origin::start("app1");
    let config = Config::tcp::<std::net::SocketAddr>([])
        .server("app1", origin.addr(), &own("/status/204"))
        .server("app2", origin.addr(), &own("/status/503"))
        .server(
            "app3",
            origin.addr(),
            &own("/").replace("path:", r#"method: "GET", expect: string("app1"), path:"#),
        );
    let daemon = Daemon::start(&config);
    daemon.wait_status("app", "app2", "DOWN");
    finds(&daemon, "L7OK");
    assert_eq!(daemon.stat("app", "app1", "check_code"), "204");
    assert_eq!(daemon.stat("app", "app2", "check_code"), "503");
    eventually("the body is looked at", || (daemon.stat("app", "app3", "check_code") == "200").then_some(()));
    assert_eq!(daemon.stat("app", "app3", "status"), "UP");
    // Traffic is bytes, here of a client that speaks the same.
    let mut peer = Peer::client(daemon.listener("web"));
    peer.send(frames::get(1, "/"));
    assert_eq!(peer.answer(1).body, b"app1");
    // One that knows HTTP/1.1 only is down.
    let old = Origin::start("app1");
    let config = Config::tcp([("app1", old.addr())]).with(&own("/"));
    let daemon = Daemon::start(&config);
    daemon.wait_status("app", "app1", "DOWN");
    let status = daemon.stat("app", "app1", "check_status");
    assert!(status.contains("L7"), "{status}");
}

#[test]
fn http2_of_a_check_over_tls_is_agreed_on() {
    let root = Authority::new("root");
    let identity = root.issue(&["a.example"], Kind::Server);
    for (protocols, status) in [(&["h2", "http/1.1"][..], "L7OK"), (&["http/1.1"], "L6RSP")] {
        let serving = Serving::with(&identity, Versions::Both, None, protocols);
        let script = |_: &_, stream| vec![Step::Send(http2::answer(stream, "app1", b"fine"))];
        let origin = http2::Origin::agreeing(serving.clone(), script, |_| {});
        let check = format!(
            r#"check: http(version: "2", path: "/check", host: "a.example", tls: (ca: "root.pem", sni: "a.example"), {TIMES})"#
        );
        let start = Start::new(&Config::tcp([("app1", origin.addr())]).with(&check));
        root.write(start.dir(), "root.pem");
        let daemon = start.run();
        finds(&daemon, status);
        let record = origin.record();
        assert!(record.violations.is_empty(), "{:?}", record.violations);
        if status == "L7OK" {
            assert_eq!(serving.seen()[0].alpn.as_deref(), Some("h2"));
            assert_eq!(record.requests[0].head.first, "GET /check HTTP/2");
            assert_eq!(record.requests[0].head.get(":scheme"), Some("https"));
        }
    }
}

#[test]
fn what_speaks_no_tls_is_told_so() {
    let check = format!("tcp(tls: (verify: none, sni: \"a.example\"), {TIMES})");
    let clear = Tcp::start(|mut stream, _| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let told = daemon(&check, &clear);
    finds(&told, "L6RSP");
    let silent = Tcp::start(|mut stream, _| while let Ok(1..) = stream.read(&mut [0; 4096]) {});
    finds(&daemon(&check.replace(TIMES, HASTY), &silent), "L6TOUT");
}

#[test]
fn a_proxy_header_stands_in_front_where_it_is_asked_for() {
    let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let origin = Tcp::start(move |mut stream, _| {
        let mut block = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut block) {
            hears.lock().expect("nobody panics with it").extend_from_slice(&block[..n]);
            let _ = stream.write_all(b"+PONG\r\n");
        }
    });
    let daemon = daemon(&format!("redis(send_proxy: v1, {TIMES})"), &origin);
    finds(&daemon, "L7OK");
    let heard = heard.lock().expect("nobody panics with it").clone();
    assert!(heard.starts_with(b"PROXY UNKNOWN\r\n*1\r\n"), "{}", heard.escape_ascii());
}

#[test]
fn a_server_that_leaves_maintenance_is_asked_soon() {
    let mut origin = Origin::start("app1");
    let check = r#"check: tcp(interval: "1h", fast_interval: "20ms", timeout: "5s")"#;
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).with(check));
    finds(&daemon, "L4OK");
    daemon.admin("set server app/app1 state maint");
    origin.stop();
    daemon.admin("set server app/app1 state ready");
    finds(&daemon, "L4CON");
}
