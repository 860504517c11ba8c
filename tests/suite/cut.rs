//! What is ended in the middle by proxyd itself: by who stops it, by want of memory, by a fault. It is reset, so that
//! nobody takes a part for the whole, and has its line and its counter like all else.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use harness::origin::http::Origin;
use harness::origin::tcp::Tcp;
use harness::{Client, Config, Daemon, eventually};
use rustix::process::Signal;

/// Sends back what it receives, and tells how each connection ended.
fn echo() -> (Tcp, Receiver<Option<ErrorKind>>) {
    let (tell, told) = channel();
    let origin = Tcp::start(move |mut stream, _| {
        let mut block = [0; 1000];
        let end = loop {
            match stream.read(&mut block) {
                Ok(0) => break None,
                Ok(n) => stream.write_all(&block[..n]).unwrap(),
                Err(error) => break Some(error.kind()),
            }
        };
        tell.send(end).ok();
    });
    (origin, told)
}

/// How a connection ends on which nothing more comes.
fn end(client: &mut Client) -> Option<ErrorKind> {
    match client.stream().read(&mut [0]) {
        Ok(0) => None,
        Ok(_) => panic!("something more came"),
        Err(error) => Some(error.kind()),
    }
}

fn logging(config: Config) -> Config {
    config.global(r#"workers: 1, log: [(target: file("access"))]"#)
}

fn lines(daemon: &Daemon) -> Vec<String> {
    fs::read_to_string(daemon.dir().join("access")).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The word of each line at that place.
fn words(daemon: &Daemon, at: usize) -> Vec<String> {
    let mut words: Vec<_> =
        lines(daemon).iter().map(|line| line.split(' ').nth(at).unwrap_or_default().to_owned()).collect();
    words.sort_unstable();
    words
}

const LETTERS_OF_TCP: usize = 6;
const LETTERS_OF_HTTP: usize = 9;

/// Told twice to stop.
fn end_at_once(daemon: &mut Daemon) {
    daemon.signal(Signal::TERM);
    daemon.logged("stopping:");
    daemon.signal(Signal::TERM);
    daemon.wait_exit(Duration::from_secs(10));
}

#[test]
fn a_tcp_session_that_is_killed_is_reset_on_both_sides() {
    let (origin, ends) = echo();
    let mut daemon = Daemon::start(&logging(Config::tcp([("app1", origin.address())])));
    let mut client = daemon.client();
    client.send("12345");
    client.read_exactly(5);
    end_at_once(&mut daemon);
    assert_eq!(end(&mut client), Some(ErrorKind::ConnectionReset));
    assert_eq!(ends.recv_timeout(Duration::from_secs(10)).unwrap(), Some(ErrorKind::ConnectionReset));
    let lines = lines(&daemon);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains(" web app/app1 ") && lines[0].contains(" 5 KD "), "{lines:#?}");
    assert!(daemon.log().contains("1 requests and sessions were cut"), "{}", daemon.log());
}

#[test]
fn requests_that_are_killed_have_their_lines() {
    let origin = Origin::start("app1");
    let config = Config::new().frontend("web", r#"default_backend: "app""#);
    let config = config.backend("app", "").server("app1", origin.addr(), "maxconn: 2");
    let mut daemon = Daemon::start(&logging(config));
    let mut clients: Vec<_> = (0..5).map(|_| daemon.client()).collect();
    // Read by the time that the others, which come behind it to the same worker, are served.
    clients[3].send("GET /half HTTP/1.1\r\nHo");
    // This one is idle from here on, which is nothing to tell.
    clients[4].get("/");
    clients[0].send("GET /slow/60000 HTTP/1.1\r\nHost: test\r\n\r\n");
    clients[1].send("GET /drip/1000/100 HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("both are with the server", || (origin.hits() == 3).then_some(()));
    clients[1].read_until("\r\n\r\n");
    clients[2].send("GET /queued HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("one waits", || (daemon.count("app", "BACKEND", "qcur") == 1).then_some(()));
    end_at_once(&mut daemon);
    assert_eq!(words(&daemon, LETTERS_OF_HTTP), ["----", "KD--", "KH--", "KQ--", "KR--"]);
    assert!(daemon.log().contains("4 requests and sessions were cut"), "{}", daemon.log());
    let reset = |client: &mut Client| client.try_response("GET").unwrap_err().kind();
    assert_eq!(reset(&mut clients[0]), ErrorKind::ConnectionReset);
}

#[test]
fn sessions_given_up_for_memory_are_reset_and_told_of() {
    // Nobody reads what they are sent: each holds buffers of ours.
    let origin = Tcp::start(|mut stream, _| {
        stream.buffers(128 << 10);
        let _greeted = stream.write_all(b"+");
        let _started = stream.read(&mut [0]);
        let block = vec![0; 256 << 10];
        while stream.write_all(&block).is_ok() {}
    });
    // Requests that may be sent again are kept, however near the ceiling: more than that together.
    let taking = Tcp::start(|mut stream, _| while let Ok(1..) = stream.read(&mut [0; 4096]) {});
    let config = logging(Config::tcp([("app1", origin.address())]))
        .global(r#"memory: "64MiB", splice: off"#)
        .frontend("kept", r#"mode: http, default_backend: "kept""#)
        .backend("kept", r#"mode: http, retries: (replay: "1MiB")"#)
        .server("taking", taking.address(), "");
    let daemon = Daemon::start(&config);
    let (address, kept) = (daemon.listener("web"), daemon.listener("kept"));
    let mut crowd: Vec<_> = (0..300).map(|_| Client::narrow(address)).collect();
    let mut keeping: Vec<_> = (0..60).map(|_| Client::tcp(kept)).collect();
    // All are taken before there is anything to hold: near the ceiling nobody would be.
    for client in &mut crowd {
        assert_eq!(client.read_exactly(1), b"+");
    }
    eventually("those are, too", || (daemon.count("kept", "FRONTEND", "scur") == 60).then_some(()));
    for client in &mut crowd {
        client.send("x");
    }
    for client in &mut keeping {
        let _given_up = client.try_send("PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 1048576\r\n\r\n");
        let _given_up = client.try_send(vec![b'x'; 1_000_000]);
    }
    daemon.logged("connections are given up");
    eventually("each is counted and has its line", || {
        let counted = daemon.count("app", "BACKEND", "eint");
        // Some were still on their way to the server.
        let told = words(&daemon, LETTERS_OF_TCP).iter().filter(|word| word.starts_with('R')).count() as u64;
        (counted > 0 && told >= counted).then_some(())
    });
    // Those that were not given up are sent more and more.
    let mut reset = 0;
    for client in &mut crowd {
        let stream = client.stream();
        stream.limit(Some(Duration::from_millis(100))).unwrap();
        let mut block = vec![0; 1 << 20];
        for _ in 0..4 {
            match stream.read(&mut block) {
                Ok(n) => assert!(n > 0, "an end like any other"),
                Err(error) => {
                    reset += u32::from(error.kind() == ErrorKind::ConnectionReset);
                    break;
                }
            }
        }
        if reset > 0 {
            break;
        }
    }
    assert!(reset > 0, "of {}", crowd.len());
}

// The switch is there in debug builds only, and the binary is of the same profile.
#[cfg(debug_assertions)]
mod faults {
    use harness::Start;

    use super::*;

    #[test]
    fn a_panic_in_a_tcp_session_resets_both_sides() {
        let (origin, ends) = echo();
        let config = Config::new().defaults("mode: tcp").frontend("faulty", r#"default_backend: "app""#);
        let config = logging(config.backend("app", "").server("app1", origin.addr(), ""));
        let daemon = Start::new(&config).env("PROXYD_FAULTS", "1").run();
        let mut client = Client::tcp(daemon.listener("faulty"));
        assert_eq!(end(&mut client), Some(ErrorKind::ConnectionReset));
        assert_eq!(ends.recv_timeout(Duration::from_secs(10)).unwrap(), Some(ErrorKind::ConnectionReset));
        eventually("it is counted", || (daemon.count("app", "app1", "eint") == 1).then_some(()));
        eventually("it is told", || (words(&daemon, LETTERS_OF_TCP) == ["ID"]).then_some(()));
        assert_eq!(daemon.count("app", "app1", "scur"), 0);
    }

    #[test]
    fn a_panic_under_a_request_is_told() {
        let origin = Origin::start("app1");
        let daemon =
            Start::new(&logging(Config::http([("app1", origin.addr())]))).env("PROXYD_FAULTS", "1").run();
        let mut client = daemon.client();
        client.send("GET /unlucky HTTP/1.1\r\nHost: test\r\nx-proxyd-fault: panic\r\n\r\n");
        assert_eq!(end(&mut client), Some(ErrorKind::ConnectionReset));
        eventually("it is told", || (words(&daemon, LETTERS_OF_HTTP) == ["IQ--"]).then_some(()));
        assert_eq!(daemon.count("app", "BACKEND", "eint"), 1);
        assert!(lines(&daemon)[0].ends_with("\"GET /unlucky HTTP/1.1\""), "{:?}", lines(&daemon));
    }
}
