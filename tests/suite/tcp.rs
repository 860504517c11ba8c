//! TCP mode: both directions, each with its own end.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use harness::origin::Refusing;
use harness::origin::slow::Stuck;
use harness::origin::tcp::Tcp;
use harness::{Config, Daemon, eventually};

#[test]
fn bytes_pass_both_ways() {
    let origin = Tcp::echo();
    let daemon = Daemon::start(&Config::tcp([("app1", origin.address())]));
    let mut client = daemon.client();
    for part in [&b"hello"[..], b"\0\x01\xff", b"\r\n\r\n"] {
        client.send(part);
        assert_eq!(client.read_exactly(part.len()), part);
    }
    client.half_close();
    assert_eq!(client.read_to_end(), b"");
    eventually("the session ends", || (daemon.count("web", "FRONTEND", "scur") == 0).then_some(()));
    assert_eq!(daemon.count("web", "FRONTEND", "bin"), 12);
    assert_eq!(daemon.count("web", "FRONTEND", "bout"), 12);
    assert_eq!(daemon.count("app", "app1", "stot"), 1);
}

#[test]
fn megabytes_pass_unchanged() {
    let origin = Tcp::echo();
    let daemon = Daemon::start(&Config::tcp([("app1", origin.address())]));
    let mut client = daemon.client();
    let sent: Vec<u8> = (0..8_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut writer = client.stream().again().unwrap();
    let copy = sent.clone();
    let thread = std::thread::spawn(move || {
        writer.write_all(&copy).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let received = client.read_to_end();
    thread.join().unwrap();
    assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
}

#[test]
fn a_server_that_speaks_first_is_heard() {
    let origin = Tcp::start(|mut stream, _| {
        stream.write_all(b"220 ready\r\n").ok();
        let mut word = [0; 4];
        stream.read_exact(&mut word).ok();
        stream.write_all(b"bye").ok();
    });
    let daemon = Daemon::start(&Config::tcp([("app1", origin.address())]));
    let mut client = daemon.client();
    assert_eq!(client.read_until("\r\n"), b"220 ready\r\n");
    client.send("quit");
    assert_eq!(client.read_to_end(), b"bye");
}

#[test]
fn the_client_may_end_first() {
    let origin = Tcp::start(|mut stream, _| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).ok();
        stream.write_all(format!("got {}", all.len()).as_bytes()).ok();
    });
    let daemon = Daemon::start(&Config::tcp([("app1", origin.address())]));
    let mut client = daemon.client();
    client.send(vec![b'x'; 100_000]);
    client.half_close();
    assert_eq!(client.read_to_end(), b"got 100000");
}

#[test]
fn the_server_may_end_first() {
    let (tell, told) = std::sync::mpsc::channel();
    let origin = Tcp::start(move |mut stream, _| {
        stream.write_all(b"that is all").ok();
        stream.shutdown(Shutdown::Write).ok();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).ok();
        tell.send(rest).ok();
    });
    let daemon = Daemon::start(&Config::tcp([("app1", origin.address())]));
    let mut client = daemon.client();
    assert_eq!(client.read_to_end(), b"that is all");
    client.send("but I go on");
    client.half_close();
    assert_eq!(told.recv_timeout(Duration::from_secs(10)).unwrap(), b"but I go on");
}

#[test]
fn a_reset_passes_through_and_leaves_nothing() {
    let origin = Tcp::echo();
    let daemon = Daemon::start(&Config::tcp([("app1", origin.address())]));
    let mut client = daemon.client();
    client.send("x");
    client.read_exactly(1);
    client.reset();
    eventually("the server's side ends", || (origin.service().open() == 0).then_some(()));
    eventually("the session ends", || (daemon.count("web", "FRONTEND", "scur") == 0).then_some(()));
}

#[test]
fn a_reader_that_stalls_stalls_the_writer_in_bounded_memory() {
    let stuck = Stuck::start();
    let daemon = Daemon::start(&Config::tcp([("app1", stuck.address())]));
    let before = daemon.rss();
    let mut client = daemon.client();
    client.stream().limit(Some(Duration::from_millis(500))).unwrap();
    let block = vec![0; 1 << 20];
    let mut sent = 0;
    while let Ok(n @ 1..) = client.stream().write(&block) {
        sent += n;
        assert!(sent < 100 << 20, "{sent} bytes were taken that nobody reads");
    }
    assert!(daemon.rss().saturating_sub(before) < 8 << 20);
    stuck.release();
    client.half_close();
    eventually("every byte that was taken arrives", || (stuck.read() == sent).then_some(()));
}

#[test]
fn silence_ends_a_connection() {
    let origin = Tcp::echo();
    let config =
        Config::tcp([("app1", origin.address())]).defaults(r#"timeouts: (client: "5s", server: "5s")"#);
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    let mut last = Instant::now();
    // Longer in all than it may be silent.
    for _ in 0..6 {
        harness::pause(Duration::from_secs(1));
        last = Instant::now();
        client.send("x");
        client.read_exactly(1);
    }
    assert_eq!(client.read_to_end(), b"");
    let took = last.elapsed();
    assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(20), "{took:?}");
    eventually("the server's side ends too", || (origin.service().open() == 0).then_some(()));
}

#[test]
fn a_half_closed_connection_does_not_live_for_ever() {
    let origin = Tcp::start(|mut stream, _| {
        stream.read_to_end(&mut Vec::new()).ok();
        // Goes on holding its side, and says nothing.
        harness::pause(Duration::from_secs(30));
    });
    let config =
        Config::tcp([("app1", origin.address())]).defaults(r#"timeouts: (client: "300ms", server: "300ms")"#);
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    client.half_close();
    let start = Instant::now();
    client.read_to_end();
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
}

#[test]
fn a_refusing_server_is_passed_over() {
    let (refusing, origin) = (Refusing::new(), Tcp::named("app2"));
    let daemon = Daemon::start(&Config::tcp([("app1", refusing.address()), ("app2", origin.address())]));
    for _ in 0..4 {
        assert_eq!(daemon.client().read_until("\n"), b"app2\n");
    }
    assert!(daemon.count("app", "BACKEND", "wredis") > 0);
}

#[test]
fn without_a_server_the_client_is_closed() {
    let refusing = Refusing::new();
    let daemon = Daemon::start(&Config::tcp([("app1", refusing.address())]));
    assert_eq!(daemon.client().read_to_end(), b"");
    assert!(daemon.count("app", "app1", "econ") >= 1);
}
