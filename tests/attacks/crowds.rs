//! As many connections as there is room for, at once and one after the other.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::thread;
use std::time::Duration;

use harness::crowd::{connect, raise_descriptors};
use harness::{Crowd, Load, eventually};

use super::{Stage, scaled};

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n";
/// Descriptors this process needs beside the crowd's.
const OWN: u64 = 1000;
/// What proxyd may hold for an idle connection, with all that an allocator wastes.
const IDLE: u64 = 4096;

fn maxconn(stage: &Stage) -> u64 {
    let info = stage.daemon.admin("show info");
    let line = info.lines().find_map(|line| line.strip_prefix("Maxconn: ")).expect("Maxconn");
    line.parse().expect("a number")
}

#[test]
fn idle_connections_up_to_the_limit_stand_beside_traffic() {
    let stage = Stage::set(|config| config.defaults(r#"timeouts: (http_keep_alive: "5m")"#));
    // All of them ask at once, and this process is the server as well: each may take two of its descriptors.
    let own = raise_descriptors().saturating_sub(OWN) / 20 * 9;
    let room = maxconn(&stage).min(own).saturating_sub(100);
    let n = usize::try_from(room).unwrap_or(usize::MAX).min(scaled(1000, usize::MAX));
    let mut crowd = Crowd::connect(stage.web, n);
    crowd.say(ASK);
    eventually("all are answered", || {
        crowd.listen();
        (crowd.heard("HTTP/1.1 200 ") == n).then_some(())
    });
    assert!(stage.daemon.count("web", "FRONTEND", "scur") >= n as u64);
    let load = Load::start(stage.web, 16);
    eventually("traffic flows", || (load.answered() > 500).then_some(()));
    let report = load.end();
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    eventually("idle ones hold little", || {
        (stage.level.grown(&stage.daemon) < (16 << 20) + n as u64 * IDLE).then_some(())
    });
    println!("{n} idle connections, {} bytes each", stage.level.grown(&stage.daemon) / n as u64);
    crowd.say(ASK);
    assert_eq!(crowd.listen(), 0, "all are still there");
    drop(crowd);
    eventually("all are gone", || (stage.daemon.count("web", "FRONTEND", "scur") <= 3).then_some(()));
    stage.ends_unharmed();
}

/// One connection, one request.
fn once(to: SocketAddr, from: Ipv4Addr) -> std::io::Result<bool> {
    let mut stream = connect(to, from, None);
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(ASK)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"app1\n"))
}

#[test]
fn short_connections_in_a_row_leave_nothing() {
    const THREADS: u8 = 4;
    let stage = Stage::set(|config| config);
    let n = scaled(2_000, 100_000) / usize::from(THREADS);
    let web = stage.web;
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            thread::spawn(move || {
                // One address has ports for some ten thousand in a minute.
                (0..n).all(|it| {
                    let from = Ipv4Addr::new(
                        127,
                        0,
                        1 + thread,
                        1 + u8::try_from(it / 5_000).unwrap_or(u8::MAX - 1),
                    );
                    once(web, from).expect("it is served")
                })
            })
        })
        .collect();
    for thread in threads {
        assert!(thread.join().unwrap(), "each gets its answer");
    }
    let total = stage.daemon.count("web", "FRONTEND", "stot");
    assert!(total >= (n * usize::from(THREADS)) as u64, "{total}");
    stage.ends_unharmed();
}
