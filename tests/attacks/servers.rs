//! Servers that do not do what they should, behind one frontend while another is served.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use harness::origin::Refusing;
use harness::origin::http::{Answer, Origin};
use harness::origin::slow::{Silent, Stuck};
use harness::origin::tcp::Tcp;
use harness::stream::{Address, Stream};
use harness::wire::Reader;
use harness::{Client, Config, Crowd, Daemon, eventually, pause};

use super::{Stage, scaled};

/// A stage with a frontend `worst` whose only server is at that address and has more time than a busy machine needs.
fn beside(address: &Address) -> (Stage, SocketAddr) {
    beside_in(address, "15s")
}

/// The same where it has so long.
fn beside_in(address: &Address, time: &str) -> (Stage, SocketAddr) {
    let stage = Stage::set(|config| {
        config
            .defaults(r#"timeouts: (client: "5s"), retries: (max: 1)"#)
            .frontend("bad", r#"default_backend: "worst""#)
            .backend("worst", &format!("timeouts: (server: {time:?}, connect: {time:?})"))
            .server("w1", address, "")
    });
    let bad = stage.daemon.listener("bad");
    (stage, bad)
}

/// Every connection gets a request's head read, and then this.
fn answering(act: impl Fn(&mut Stream) -> std::io::Result<()> + Send + Sync + 'static) -> Tcp {
    Tcp::start(move |stream, _| {
        let mut reader = Reader::new(stream);
        while let Ok(Some(_)) = reader.head() {
            if act(reader.inner()).is_err() {
                break;
            }
        }
    })
}

/// A crowd asks; all get an answer that starts so.
fn all_hear(to: SocketAddr, n: usize, start: &str) {
    let mut crowd = Crowd::connect(to, n);
    crowd.say("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    eventually("all have ended", || (crowd.listen() == n).then_some(()));
    let other = crowd.members().iter().find(|it| !it.heard.starts_with(start.as_bytes()));
    assert!(other.is_none(), "{:?}", other.map(|it| String::from_utf8_lossy(&it.heard)));
}

#[test]
fn a_server_that_never_answers_is_504() {
    let silent = Silent::start();
    let (stage, bad) = beside_in(&silent.address(), "1s");
    let n = scaled(100, 500);
    all_hear(bad, n, "HTTP/1.1 504 ");
    assert_eq!(stage.daemon.count("worst", "BACKEND", "eresp"), n as u64);
    eventually("its connections are closed", || (silent.service().open() == 0).then_some(()));
    stage.ends_unharmed();
}

#[test]
fn a_server_that_stops_reading_is_504() {
    let stuck = Stuck::start();
    let (stage, bad) = beside_in(&stuck.address(), "1s");
    let n = 10;
    let mut clients: Vec<_> = (0..n).map(|_| Client::tcp(bad)).collect();
    for client in &mut clients {
        client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 200000000\r\n\r\n");
        client.stream().limit(Some(Duration::from_millis(100))).unwrap();
    }
    let block = vec![b'x'; 256 << 10];
    let mut sent = 0;
    for _ in 0..40 {
        for client in &mut clients {
            sent += client.stream().write(&block).unwrap_or_default();
        }
        if stage.daemon.count("bad", "FRONTEND", "hrsp_5xx") == n {
            break;
        }
    }
    assert!(stage.level.grown(&stage.daemon) < 16 << 20, "{sent} bytes were sent");
    eventually("all are told", || (stage.daemon.count("bad", "FRONTEND", "hrsp_5xx") == n).then_some(()));
    drop(clients);
    stuck.release();
    stage.ends_unharmed();
}

#[test]
fn garbage_without_end_is_502() {
    let kinds = AtomicUsize::new(0);
    let server = answering(move |out| {
        let (start, rest): (&[u8], &[u8]) = match kinds.fetch_add(1, Ordering::Relaxed) % 4 {
            0 => (b"", b"x"),
            1 => (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
            2 => (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
            _ => (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        };
        out.write_all(start)?;
        let block = rest.repeat(4096 / rest.len());
        loop {
            out.write_all(&block)?;
        }
    });
    let (stage, bad) = beside(&server.address());
    for _ in 0..scaled(20, 200) {
        let mut client = Client::tcp(bad);
        client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        assert_eq!(client.response("GET").status, 502);
    }
    eventually("its connections are closed", || (server.service().open() == 0).then_some(()));
    stage.ends_unharmed();
}

#[test]
fn a_head_that_drips_from_a_server_is_504_in_time() {
    let server = answering(|out| {
        out.write_all(b"HTTP/1.1 200 OK\r\nX: ")?;
        loop {
            out.write_all(b"x")?;
            pause(Duration::from_millis(20));
        }
    });
    let (stage, bad) = beside_in(&server.address(), "1s");
    let begun = Instant::now();
    all_hear(bad, scaled(50, 300), "HTTP/1.1 504 ");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    stage.ends_unharmed();
}

#[test]
fn answers_that_break_off_are_seen_to() {
    let server = answering(|out| {
        out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")?;
        out.write_all(&[b'x'; 10_000])?;
        if let Ok(again) = out.again() {
            again.reset();
        }
        Err(std::io::ErrorKind::Other.into())
    });
    let (stage, bad) = beside(&server.address());
    let n = scaled(100, 1000);
    for _ in 0..n {
        let mut client = Client::tcp(bad);
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        assert!(client.try_response("GET").is_err(), "half a body passed as whole");
        // Where the reset overtakes the head the client is told with 502, or its connection ends.
        assert!(matches!(client.last_status(), None | Some(200)), "{:?}", client.last_status());
    }
    eventually("its connections are closed", || (server.service().open() == 0).then_some(()));
    stage.ends_unharmed();
}

#[test]
fn servers_that_hang_up_leave_nothing() {
    let server = Tcp::start(|stream, number| {
        if number % 2 == 0 {
            stream.reset();
        }
    });
    let (stage, bad) = beside(&server.address());
    let mut statuses = Vec::new();
    for _ in 0..scaled(20, 100) {
        let mut client = Client::tcp(bad);
        client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
        statuses.push(client.response("POST").status);
    }
    assert!(statuses.iter().all(|it| matches!(it, 502 | 503)), "{statuses:?}");
    stage.ends_unharmed();
}

#[test]
fn bytes_one_at_a_time_are_borne() {
    let n = scaled(2_000, 20_000);
    let server = answering(move |out| {
        out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for _ in 0..n {
            out.write_all(b"1\r\nx\r\n")?;
        }
        out.write_all(b"0\r\n\r\n")
    });
    let (stage, bad) = beside(&server.address());
    for _ in 0..5 {
        assert_eq!(Client::tcp(bad).get("/").body.len, n as u64);
    }
    stage.ends_unharmed();
}

#[test]
fn an_answer_on_an_idle_connection_reaches_nobody() {
    let poisoned = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&poisoned);
    let server = Tcp::start(move |stream, number| {
        let mut reader = Reader::new(stream);
        while let Ok(Some(_)) = reader.head() {
            let answer =
                |text: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
            if reader.inner().write_all(answer(&format!("good{number}")).as_bytes()).is_err() {
                return;
            }
            pause(Duration::from_millis(30));
            if reader.inner().write_all(answer("poison").as_bytes()).is_err() {
                return;
            }
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let (stage, bad) = beside(&server.address());
    let mut client = Client::tcp(bad);
    for n in 0..10 {
        let answer = client.get("/");
        assert!(answer.status == 200 && answer.text().starts_with("good"), "{}", answer.text());
        // The server says its second word while the connection is idle.
        eventually("it is said", || (poisoned.load(Ordering::SeqCst) > n).then_some(()));
    }
    stage.ends_unharmed();
}

/// RUSTSEC-2025-0037: what is left of a request when it is answered in a server's place is no request.
#[test]
fn a_body_behind_an_answer_of_our_own_is_no_request() {
    let gone = Refusing::new();
    let (stage, bad) = beside(&gone.address());
    let inner = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";
    for (framing, body) in [
        (format!("Content-Length: {}", inner.len()), inner.to_owned()),
        ("Transfer-Encoding: chunked".to_owned(), format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len())),
    ] {
        let mut client = Client::tcp(bad);
        client.send(format!("POST / HTTP/1.1\r\nHost: test\r\n{framing}\r\n\r\n"));
        client.send(&body);
        assert_eq!(client.response("POST").status, 503);
        client.half_close();
        assert!(client.try_response("GET").is_err(), "the body was answered as a request");
    }
    stage.ends_unharmed();
}

/// The same where a server answers before it has read the body.
#[test]
fn a_body_behind_an_early_answer_is_no_request() {
    let origin = Origin::start("app1");
    let (stage, bad) = beside(&origin.address());
    let inner = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";
    for _ in 0..scaled(20, 200) {
        let mut client = Client::tcp(bad);
        client.send(format!(
            "POST /early HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n",
            inner.len() + 1
        ));
        assert_eq!(client.response("POST").status, 403);
        client.try_send(inner).ok();
        assert!(client.try_response("GET").is_err(), "the body was answered as a request");
    }
    assert!(origin.requests().iter().all(|it| it.target() == "/early"));
    stage.ends_unharmed();
}

/// Bytes behind a request to switch wait for the answer, and are no request where it is no.
#[test]
fn bytes_in_front_of_a_switch_wait_for_it() {
    let server = Tcp::start(|stream, _| {
        let mut reader = Reader::new(stream);
        reader.head().ok();
        reader.inner().limit(Some(Duration::from_millis(300))).ok();
        let body = if reader.fill().unwrap_or_default() == 0 { "good" } else { "poison" };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close", body.len());
        reader.inner().write_all(format!("{head}\r\n\r\n{body}").as_bytes()).ok();
        reader.inner().shutdown(Shutdown::Both).ok();
    });
    let (stage, bad) = beside(&server.address());
    let mut client = Client::tcp(bad);
    client.send(
        "GET /chat HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x01\x02\x03",
    );
    assert_eq!(client.response("GET").text(), "good");
    client.half_close();
    assert!(client.try_response("GET").is_err(), "they are no request either");
    stage.ends_unharmed();
}

/// Interim answers in a flood go to one client and end.
#[test]
fn floods_of_interim_answers_are_bounded() {
    let origin = Origin::scripted(|_| Answer {
        bytes: b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(2000),
        close: false,
    });
    let (stage, bad) = beside(&origin.address());
    for _ in 0..scaled(5, 50) {
        let mut client = Client::tcp(bad);
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        let answer = client.response("GET");
        assert_eq!((answer.status, answer.interim.len()), (502, 1000));
    }
    stage.ends_unharmed();
}

/// In TCP mode a server that reads nothing is waited for no longer than its time, in bounded memory.
#[test]
fn a_server_that_stops_reading_ends_a_tcp_connection() {
    let stuck = Stuck::start();
    let config = Config::tcp([("stuck", stuck.address())]);
    let daemon = Daemon::start(&config.defaults(r#"timeouts: (client: "1s", server: "1s")"#));
    let to = daemon.listener("web");
    let level = harness::Level::of(&daemon);
    let mut clients: Vec<_> = (0..10).map(|_| Client::tcp(to)).collect();
    let block = vec![b'x'; 256 << 10];
    for client in &mut clients {
        client.stream().limit(Some(Duration::from_millis(100))).unwrap();
        while let Ok(1..) = client.stream().write(&block) {}
    }
    assert!(level.grown(&daemon) < 16 << 20);
    for client in &mut clients {
        client.stream().limit(Some(Duration::from_secs(5))).unwrap();
        assert!(!matches!(client.stream().read(&mut [0; 1]), Ok(1)), "nobody answers");
    }
    drop(clients);
    stuck.release();
    level.is_back(&daemon);
}
