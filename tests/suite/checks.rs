//! Every kind of check against servers that answer as they should, and against those that do not.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use harness::origin::http::{Answer, Origin};
use harness::origin::tcp::Tcp;
use harness::tls::{Authority, Kind, Serving};
use harness::{Config, Daemon, Start, eventually};

/// Fast enough for a test, slow enough for a busy machine.
const TIMES: &str = r#"interval: "200ms", timeout: "200ms", rise: 1, fall: 1"#;

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

fn timed(check: &str) -> String {
    let check = if check == "redis" { "redis(TIMES)" } else { check };
    check.replace("TIMES", TIMES)
}

#[test]
fn each_kind_passes_where_it_should() {
    for (check, greeting, answer) in WELL {
        let origin = speaks(greeting, answer);
        let daemon = daemon(&timed(check), &origin);
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
            let daemon = daemon(&timed(check), origin);
            daemon.wait_status("app", "app1", "DOWN");
            let status = daemon.stat("app", "app1", "check_status");
            let status = status.trim_start_matches("* ");
            if what == "silent" {
                assert_eq!(status, "L7TOUT", "{check}");
            } else {
                assert!(
                    matches!(status, "L7RSP" | "L7STS" | "L7TOUT" | "L4CON"),
                    "{check}, {what}: {status}"
                );
            }
            let duration: u64 = daemon.stat("app", "app1", "check_duration").parse().unwrap();
            assert!(duration < 1000, "{check}, {what}: {duration} ms");
        }
    }
}

#[test]
fn what_a_server_said_is_kept() {
    let origin = speaks(b"", b"-LOADING Redis is loading the dataset in memory\r\n");
    let daemon = daemon(&timed("redis"), &origin);
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
    let check =
        |script: &str| format!(r#"external(command: "/bin/sh", arguments: ["-c", "{script}"], {TIMES})"#);
    let well =
        daemon(&check("echo $HAPROXY_SERVER_NAME of $HAPROXY_PROXY_NAME").replace("200ms", "2s"), &origin);
    finds(&well, "PROCOK");
    assert_eq!(well.stat("app", "app1", "last_chk"), "app1 of app");
    let ill = daemon(&check("exit 7").replace("200ms", "2s"), &origin);
    finds(&ill, "PROCERR");
    assert_eq!(ill.stat("app", "app1", "check_code"), "7");
    assert_eq!(ill.stat("app", "app1", "status"), "DOWN");
    let slow = daemon(&check("sleep 60"), &origin);
    finds(&slow, "PROCTOUT");
}

#[test]
fn the_interval_follows_the_state() {
    let at = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (seen, up) = (Arc::clone(&at), Arc::new(AtomicUsize::new(0)));
    let says = Arc::clone(&up);
    let origin = Tcp::start(move |mut stream, _| {
        seen.lock().expect("nobody panics with it").push(Instant::now());
        let answer: &[u8] = if says.load(Ordering::SeqCst) == 1 { b"+PONG\r\n" } else { b"-ERR\r\n" };
        while let Ok(1..) = stream.read(&mut [0; 100]) {
            let _ = stream.write_all(answer);
        }
    });
    let check = r#"redis(interval: "60s", fast_interval: "100ms", down_interval: "300ms", timeout: "5s", rise: 3, fall: 1)"#;
    let daemon = daemon(check, &origin);
    daemon.wait_status("app", "app1", "DOWN");
    let times = || at.lock().expect("nobody panics with it").clone();
    eventually("it is asked while it is down", || (times().len() >= 4).then_some(()));
    let gaps: Vec<Duration> = times().windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps[1..].iter().all(|gap| *gap > Duration::from_millis(200)), "{gaps:?}");
    up.store(1, Ordering::SeqCst);
    // A minute apart this would take longer than anybody waits.
    daemon.wait_status("app", "app1", "UP");
}

#[test]
fn grpc_is_asked_over_http2() {
    // An origin that knows nothing of health: the call as such is answered.
    let origin = harness::origin::streams::Origin::start("app1");
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

/// Handshakes of what is not optimized take their time.
const PATIENT: &str = r#"interval: "1s", timeout: "1s", rise: 1, fall: 1"#;

#[test]
fn a_check_may_be_encrypted_in_its_own_way() {
    for (status, check, server, serving) in SECURED {
        let root = Authority::new("root");
        let origin = Origin::tls("app1", &serving(&root));
        let config = Config::tcp::<std::net::SocketAddr>([])
            .with(&format!("check: {}", check.replace("TIMES", PATIENT)))
            .server("app1", origin.address(), server);
        let start = Start::new(&config);
        root.write(start.dir(), "root.pem");
        let daemon = start.run();
        finds(&daemon, status);
    }
}

#[test]
fn what_speaks_no_tls_is_told_so() {
    let check = format!("tcp(tls: (verify: none, sni: \"a.example\"), {PATIENT})");
    let clear = Tcp::start(|mut stream, _| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let told = daemon(&check, &clear);
    finds(&told, "L6RSP");
    let silent = Tcp::start(|mut stream, _| while let Ok(1..) = stream.read(&mut [0; 4096]) {});
    finds(&daemon(&check, &silent), "L6TOUT");
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
    let origin = Origin::start("app1");
    let check = r#"check: tcp(interval: "1h", fast_interval: "20ms", timeout: "5s")"#;
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).with(check));
    finds(&daemon, "L4OK");
    daemon.admin("set server app/app1 state maint");
    drop(origin);
    daemon.admin("set server app/app1 state ready");
    finds(&daemon, "L4CON");
}
