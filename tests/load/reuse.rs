//! Idle server connections are found by any worker: with many, a server sees no more connections than from one.

use std::time::{Duration, Instant};

use harness::client::get;
use harness::origin::http::Origin;
use harness::{Config, Daemon, pause};

/// A worker on a machine that is busy elsewhere is slow to lend: any of so many will do.
const TRIES: usize = 10;

/// Requests one after the other, 200 a second, each from a client of its own; new connections that servers saw
/// during the second half.
fn connections_of_servers(workers: usize, requests: u32) -> (usize, usize) {
    const NAMES: [&str; 20] = [
        "s01", "s02", "s03", "s04", "s05", "s06", "s07", "s08", "s09", "s10", "s11", "s12", "s13", "s14",
        "s15", "s16", "s17", "s18", "s19", "s20",
    ];
    let origins = NAMES.map(Origin::start);
    let config = Config::http(NAMES.into_iter().zip(origins.iter().map(Origin::addr)));
    let daemon = Daemon::start(&config.global(&format!("workers: {workers}")));
    let accepted = || origins.iter().map(|origin| origin.service().accepted()).sum::<usize>();
    let begun = Instant::now();
    let mut half = 0;
    for i in 0..requests {
        if i == requests / 2 {
            half = accepted();
        }
        pause((begun + Duration::from_millis(5) * i).saturating_duration_since(Instant::now()));
        assert_eq!(get(daemon.listener("web"), "/").status, 200);
    }
    (accepted(), accepted() - half)
}

#[test]
fn idle_server_connections_are_found_by_any_worker() {
    let _alone = super::alone();
    let (one, _) = connections_of_servers(1, 200);
    let mut tries = Vec::new();
    while tries.len() < TRIES {
        let (many, late) = connections_of_servers(16, 2000);
        println!("servers saw {many} connections from 16 workers, {one} from one; {late} late");
        if many * 10 <= one * 12 && late <= 1 {
            return;
        }
        tries.push((many, late));
    }
    assert!(tries.is_empty(), "connections from 16 workers and late ones: {tries:?}; {one} from one worker");
}
