//! Where lines of the access log go, and that no target delays traffic.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::origin::Refusing;
use harness::origin::http::Origin;
use harness::{Config, Daemon, Start, eventually};
use rustix::process::Signal;

use super::logs::{lines, logging, text};

#[test]
fn standard_output_and_samples() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.address())])
        .global(r#"workers: 1, log: [stdout, (target: file("sample"), sample: "2/5")]"#);
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    for n in 0..10 {
        client.get(&format!("/{n}"));
    }
    daemon.logged("\"GET /9 HTTP/1.1\"");
    let sampled = lines(&daemon, "sample", 4);
    for (line, n) in sampled.iter().zip([0, 1, 5, 6]) {
        assert!(line.ends_with(&format!("\"GET /{n} HTTP/1.1\"")), "{line}");
    }
}

#[test]
fn a_file_is_opened_again() {
    let origin = Origin::start("app1");
    let daemon = logging(Config::http([("app1", origin.address())]), "");
    daemon.client().get("/before");
    lines(&daemon, "access", 1);
    fs::rename(daemon.dir().join("access"), daemon.dir().join("access.1")).unwrap();
    daemon.client().get("/between");
    lines(&daemon, "access.1", 2);
    assert_eq!(daemon.admin("reopen logs"), "");
    eventually("a new file", || daemon.dir().join("access").exists().then_some(()));
    daemon.client().get("/after");
    assert!(lines(&daemon, "access", 1)[0].contains("/after"));
    assert_eq!(lines(&daemon, "access.1", 2).len(), 2);
}

#[test]
fn a_file_that_cannot_be_opened_is_told_at_the_start() {
    let config =
        Config::http([("app1", Refusing::new().address())]).global(r#"log: [(target: file("no/access"))]"#);
    let failed = Start::new(&config).try_run().unwrap_err();
    assert!(failed.log.contains("cannot open log target no/access: No such file"), "{}", failed.log);
    assert_eq!(failed.log.matches("No such file").count(), 1, "{}", failed.log);
}

#[test]
fn syslog_over_datagrams() {
    let origin = Origin::start("app1");
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let log = format!(
        r#"log: [
            (target: syslog("{}"), facility: local3, tag: "lb", length: 100),
            (target: syslog("unix@dev-log"), framing: rfc5424),
        ]"#,
        udp.local_addr().unwrap()
    );
    let config =
        Config::http([("app1", origin.address())]).global(&log).defaults("log: (errors_separately: true)");
    let start = Start::new(&config);
    let unix = UnixDatagram::bind(start.dir().join("dev-log")).unwrap();
    unix.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let daemon = start.run();
    let mut buffer = [0; 2000];
    daemon.client().get("/fine");
    let n = udp.recv(&mut buffer).unwrap();
    let line = String::from_utf8_lossy(&buffer[..n]).into_owned();
    // Facility 19, severity 6.
    assert!(
        line.starts_with("<158>") && line.contains(&format!(" lb[{}]: 127.0.0.1:", daemon.pid())),
        "{line}"
    );
    assert_eq!(line.len(), 100, "{line}");
    let n = unix.recv(&mut buffer).unwrap();
    let line = String::from_utf8_lossy(&buffer[..n]).into_owned();
    assert!(line.starts_with("<134>1 20") && line.ends_with("\"GET /fine HTTP/1.1\""), "{line}");
    assert!(line.contains(&format!(" proxyd {} - - 127.0.0.1:", daemon.pid())), "{line}");
    let mut client = daemon.client();
    client.send("nonsense\r\n\r\n");
    client.read_to_end();
    let n = unix.recv(&mut buffer).unwrap();
    assert!(buffer[..n].starts_with(b"<131>1 "), "an error has its own severity");
}

#[test]
fn syslog_over_tcp_comes_back() {
    let origin = Origin::start("app1");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = Config::http([("app1", origin.address())])
        .global(&format!(r#"log: [(target: syslog("tcp@{address}"))]"#));
    let daemon = Daemon::start(&config);
    for round in 0..2 {
        daemon.client().get(&format!("/round{round}"));
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let frame = frame(&mut stream);
        assert!(
            frame.starts_with("<134>") && frame.ends_with(&format!("\"GET /round{round} HTTP/1.1\"")),
            "{frame}"
        );
    }
}

/// One message with its length in front.
fn frame(stream: &mut impl Read) -> String {
    let mut length = 0;
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        match byte[0] {
            digit @ b'0'..=b'9' => length = length * 10 + usize::from(digit - b'0'),
            b' ' => break,
            other => panic!("{other} in a length"),
        }
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).unwrap();
    String::from_utf8(frame).unwrap()
}

/// Requests in a row, none of them slow.
fn prompt_requests(daemon: &Daemon, count: usize) {
    let mut client = daemon.client();
    let begun = Instant::now();
    for _ in 0..count {
        assert_eq!(client.get("/").status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?} for {count} requests", begun.elapsed());
}

#[test]
fn a_dead_target_harms_nobody() {
    let origin = Origin::start("app1");
    let dead = Refusing::new();
    let harness::stream::Address::Tcp(address) = dead.address() else { panic!("a TCP address") };
    let config = Config::http([("app1", origin.address())]).global(&format!(
        r#"workers: 1, log: [(target: syslog("tcp@{address}"), length: 65535), (target: file("access"))], metrics: (bind: "127.0.0.1:0")"#
    ));
    let mut daemon = Daemon::start(&config);
    let path = "x".repeat(900);
    let mut client = daemon.client();
    // More than the buffers hold.
    for _ in 0..1200 {
        assert_eq!(client.get(&format!("/{path}")).status, 200);
    }
    eventually("lost lines are counted", || {
        let info = daemon.admin("show info");
        let dropped = info.lines().find_map(|line| line.strip_prefix("DroppedLogs: "))?;
        (dropped != "0").then_some(())
    });
    daemon.logged(&format!("log target tcp@{address}: "));
    daemon.logged("lines were dropped");
    lines(&daemon, "access", 1200);
    let begun = Instant::now();
    daemon.signal(Signal::TERM);
    drop(client);
    assert!(daemon.wait_exit(Duration::from_secs(25)).success());
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_pipe_nobody_reads_harms_nobody() {
    let origin = Origin::start("app1");
    let config =
        Config::http([("app1", origin.address())]).global(r#"workers: 1, log: [(target: file("pipe"))]"#);
    let start = Start::new(&config);
    let pipe = start.dir().join("pipe");
    make_pipe(&pipe);
    // Open at the other end, and never read.
    let held = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let mut daemon = start.run();
    prompt_requests(&daemon, 300);
    daemon.signal(Signal::TERM);
    assert!(daemon.wait_exit(Duration::from_secs(10)).success());
    drop(held);
}

fn make_pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[test]
fn the_last_lines_are_written_before_the_end() {
    let origin = Origin::start("app1");
    let mut daemon = logging(Config::http([("app1", origin.address())]), "");
    let mut client = daemon.client();
    for _ in 0..50 {
        client.get("/");
    }
    daemon.signal(Signal::TERM);
    assert!(daemon.wait_exit(Duration::from_secs(10)).success());
    assert_eq!(text(&daemon, "access").lines().count(), 50);
}

#[test]
fn a_line_comes_at_once() {
    let origin = Origin::start("app1");
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let config = Config::http([("app1", origin.address())])
        .global(&format!(r#"log: [(target: syslog("{}"))]"#, udp.local_addr().unwrap()));
    let daemon = Daemon::start(&config);
    // A machine that is busy elsewhere is not so all the while.
    eventually("a line within a tenth of a second", || {
        daemon.client().get("/");
        let begun = Instant::now();
        udp.recv(&mut [0; 2000]).unwrap();
        (begun.elapsed() < Duration::from_millis(100)).then_some(())
    });
}
