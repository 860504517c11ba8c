//! Picks servers, and does nothing else: what `tests/bench/instructions.py` counts the instructions of.
//!
//! `picks ALGORITHM SERVERS PICKS [WORKERS]`; `lineup` in place of an algorithm prepares a lineup so many times.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;

use proxyd::balance::{Ask, Picked, Random, pick};
use proxyd::config::source::Memory;
use proxyd::config::{self, Algorithm, Backups};
use proxyd::model::backend::Backend;
use proxyd::model::lineup::Lineup;
use proxyd::model::snapshot::{Site, Snapshot};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["lineup", servers, times] => prepare(servers, times),
        [algorithm, servers, picks] => run(algorithm, servers, picks, "1"),
        [algorithm, servers, picks, workers] => run(algorithm, servers, picks, workers),
        _ => None,
    };
    if done.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// So many picks on each of so many workers.
fn run(algorithm: &str, servers: &str, picks: &str, workers: &str) -> Option<()> {
    let backend = backend(algorithm, servers, |_| 100)?;
    let (picks, workers): (u64, u64) = (picks.parse().ok()?, workers.parse().ok()?);
    let all_found = std::thread::scope(|scope| {
        let backend = &backend;
        let begun: Vec<_> =
            (0..workers).map(|n| scope.spawn(move || picked(backend, picks, 7 + n))).collect();
        begun.into_iter().all(|worker| worker.join().is_ok_and(|found| found))
    });
    all_found.then_some(())
}

fn picked(backend: &Backend, picks: u64, seed: u64) -> bool {
    let mut random = Random::new(seed);
    (0..picks).all(|n| {
        // Keys that follow each other come to places that do not.
        let ask = Ask { key: Some((n as u32).wrapping_mul(0x9e37_79b9)), ..Ask::default() };
        black_box(pick(black_box(backend), &ask, &mut random)) != Picked::Nobody
    })
}

/// Lineups of servers that all differ in weight, which is the most work.
fn prepare(servers: &str, times: &str) -> Option<()> {
    let backend = backend("round_robin", servers, |n| 1 + n % 256)?;
    for _ in 0..times.parse().ok()? {
        black_box(Lineup::build(black_box(&backend.servers), &Algorithm::RoundRobin, Backups::First, None));
    }
    Some(())
}

fn backend(algorithm: &str, servers: &str, weight: impl Fn(usize) -> usize) -> Option<Arc<Backend>> {
    let servers: usize = servers.parse().ok()?;
    let server = |n: usize| format!("(name: \"s{n}\", address: \"127.0.0.1:1\", weight: {})", weight(n));
    let servers: Vec<String> = (0..servers).map(server).collect();
    let servers = servers.join(",");
    let text = format!(
        "(frontends: [(name: \"web\", bind: [\"127.0.0.1:0\"], default_backend: \"app\")],
          backends: [(name: \"app\", balance: {algorithm}, servers: [{servers}])])"
    );
    let config = config::load(&Memory::default().with("picks.ron", text), &["picks.ron".into()]).ok()?.config;
    let resolve = |_: &str, _| Err(std::io::ErrorKind::NotFound.into());
    let site = Site { workers: 1, maxconn: 1000, now_ms: 1, resolve: &resolve };
    Snapshot::build(&config, None, site).ok()?.backend("app").cloned()
}
