//! Long transfers pass within the kernel: nothing is lost, ends and limits hold.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use harness::origin::slow::Stuck;
use harness::origin::tcp::Tcp;
use harness::stream::Stream;
use harness::{Config, Daemon, eventually};

/// Bytes of a long transfer; `PROXYD_BIG` makes it longer than 32 bits can count.
fn long() -> u64 {
    if std::env::var_os("PROXYD_BIG").is_some() { (4 << 30) + 12_345 } else { (64 << 20) + 12_345 }
}

/// A block whose every place says where it stands.
fn block(at: u64) -> Vec<u8> {
    (0..1 << 13).flat_map(|n: u64| (at + n * 8).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect()
}

fn write(to: &mut impl Write, length: u64) {
    let mut at = 0;
    while at < length {
        let block = block(at);
        let n = block.len().min(usize::try_from(length - at).unwrap_or(usize::MAX));
        to.write_all(&block[..n]).expect("the peer reads");
        at += n as u64;
    }
}

/// Reads to the end; how many bytes came that stood where they should.
fn read(from: &mut impl Read) -> u64 {
    let (mut at, mut got) = (0, vec![0; 1 << 16]);
    loop {
        let mut filled = 0;
        while filled < got.len() {
            match from.read(&mut got[filled..]).expect("the peer writes") {
                0 => break,
                n => filled += n,
            }
        }
        assert!(got[..filled] == block(at)[..filled], "wrong bytes from {at} on");
        at += filled as u64;
        if filled < got.len() {
            return at;
        }
    }
}

/// Waits until half a second passes that costs hardly any processor time.
fn costs_nothing(daemon: &Daemon, why: &str) {
    eventually(why, || {
        let before = daemon.cpu();
        harness::pause(Duration::from_millis(500));
        (daemon.cpu().saturating_sub(before) < Duration::from_millis(100)).then_some(())
    });
}

/// Ends of pipes it has open.
fn pipes(daemon: &Daemon) -> usize {
    let folder = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).expect("it runs");
    let target = |entry: std::io::Result<std::fs::DirEntry>| std::fs::read_link(entry.ok()?.path()).ok();
    folder.filter_map(target).filter(|to| to.to_string_lossy().starts_with("pipe:")).count()
}

#[test]
fn every_byte_arrives_both_ways_at_once() {
    let origin = Tcp::start(|mut stream, _| {
        let mut other = stream.again().unwrap();
        let reading = std::thread::spawn(move || read(&mut other));
        write(&mut stream, long());
        stream.shutdown(Shutdown::Write).ok();
        assert_eq!(reading.join().unwrap(), long());
    });
    for splice in ["auto", "off"] {
        let config = Config::tcp([("app1", origin.address())]).global(&format!("splice: {splice}"));
        let daemon = Daemon::start(&config);
        let before = pipes(&daemon);
        let mut client = daemon.client();
        let mut writer = client.stream().again().unwrap();
        let writing = std::thread::spawn(move || {
            write(&mut writer, long());
            writer.shutdown(Shutdown::Write).unwrap();
        });
        assert_eq!(read(client.stream()), long());
        writing.join().unwrap();
        eventually("the session ends", || (daemon.count("web", "FRONTEND", "scur") == 0).then_some(()));
        assert_eq!(daemon.count("web", "FRONTEND", "bin"), long());
        assert_eq!(daemon.count("web", "FRONTEND", "bout"), long());
        assert_eq!(daemon.count("app", "app1", "cli_abrt") + daemon.count("app", "app1", "srv_abrt"), 0);
        // Kept for the next transfer; in one direction each.
        assert_eq!(pipes(&daemon) > before, splice == "auto", "splice: {splice}");
    }
}

#[test]
fn a_body_of_known_length_ends_where_it_ends() {
    let origin = Tcp::start(|mut stream, _| {
        let mut block = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut block) {
            if block[..n].ends_with(b"\r\n\r\n") {
                let length = 40 << 20;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                if stream.write_all(head.as_bytes()).is_err() {
                    return;
                }
                write(&mut stream, length);
            }
        }
    });
    let daemon = Daemon::start(&Config::http([("app1", origin.address())]));
    let mut client = daemon.client();
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let response = client.response("GET");
        assert_eq!(response.status, 200);
        // Of a long body the client keeps the beginning.
        assert_eq!(response.body.len, 40 << 20);
        assert!(read(&mut &response.body.bytes[..]) > 0);
    }
    assert_eq!(daemon.count("app", "app1", "connect"), 1, "nothing of a body was left on the connection");
}

#[test]
fn what_is_in_the_pipe_arrives_before_the_end() {
    let origin = Tcp::start(|mut stream, _| write(&mut stream, 8 << 20));
    let daemon = Daemon::start(&Config::tcp([("app1", origin.address())]));
    for _ in 0..8 {
        let mut client = daemon.client();
        // The server has written all and closed long before the client reads.
        eventually("the server is done", || (origin.service().open() <= 1).then_some(()));
        harness::pause(Duration::from_millis(30));
        assert_eq!(read(client.stream()), 8 << 20);
    }
}

#[test]
fn a_stalled_reader_is_timed_out_and_its_pipe_is_given_back() {
    let origin = Tcp::start(|mut stream, _| {
        let block = vec![0; 1 << 20];
        while stream.write_all(&block).is_ok() {}
    });
    let config =
        Config::tcp([("app1", origin.address())]).defaults(r#"timeouts: (client: "5s", server: "5s")"#);
    let daemon = Daemon::start(&config);
    let before = daemon.descriptors();
    let rss = daemon.rss();
    let mut clients = Vec::new();
    for _ in 0..40 {
        let mut client = daemon.client();
        // Long enough to be spliced, then nothing is read any more.
        client.read_exactly(2 << 20);
        clients.push(client);
    }
    assert!(daemon.rss().saturating_sub(rss) < 16 << 20);
    let start = Instant::now();
    eventually("all are timed out", || (daemon.count("web", "FRONTEND", "scur") == 0).then_some(()));
    assert!(start.elapsed() < Duration::from_secs(40));
    // The workers keep the pipes that were empty, no more than they may have.
    let workers = std::thread::available_parallelism().unwrap().get();
    eventually("descriptors are given back", || {
        (daemon.descriptors() <= before + workers * 2 * 32).then_some(())
    });
    costs_nothing(&daemon, "nothing is left to spin on");
}

#[test]
fn a_stalled_reader_costs_no_time() {
    let stuck = Stuck::start();
    let daemon = Daemon::start(&Config::tcp([("app1", stuck.address())]));
    let mut client = daemon.client();
    client.stream().limit(Some(Duration::from_millis(300))).unwrap();
    let block = vec![0; 1 << 20];
    while let Ok(1..) = client.stream().write(&block) {}
    costs_nothing(&daemon, "full sockets are waited for");
    let Stream::Tcp(_) = client.stream() else { panic!("over TCP") };
    stuck.release();
}
