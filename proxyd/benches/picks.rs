//! Picks servers, and does nothing else: what `tests/bench/instructions.py` counts the instructions of.
//!
//! `picks ALGORITHM SERVERS PICKS`

use std::hint::black_box;
use std::process::ExitCode;

use proxyd::balance::{Ask, Picked, Random, pick};
use proxyd::config;
use proxyd::config::source::Memory;
use proxyd::model::snapshot::{Site, Snapshot};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [algorithm, servers, picks] = words.as_slice() else {
        // `cargo bench` runs it without words of ours: there is nothing to measure by the clock.
        return ExitCode::SUCCESS;
    };
    match run(algorithm, servers, picks) {
        Some(()) => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    }
}

fn run(algorithm: &str, servers: &str, picks: &str) -> Option<()> {
    let servers: usize = servers.parse().ok()?;
    let servers: Vec<String> =
        (0..servers).map(|n| format!("(name: \"s{n}\", address: \"127.0.0.1:1\")")).collect();
    let servers = servers.join(",");
    let text = format!(
        "(frontends: [(name: \"web\", bind: [\"127.0.0.1:0\"], default_backend: \"app\")],
          backends: [(name: \"app\", balance: {algorithm}, servers: [{servers}])])"
    );
    let config = config::load(&Memory::default().with("picks.ron", text), &["picks.ron".into()]).ok()?.config;
    let resolve = |_: &str, _| Err(std::io::ErrorKind::NotFound.into());
    let snapshot =
        Snapshot::build(&config, None, Site { workers: 1, maxconn: 1000, now_ms: 1, resolve: &resolve })
            .ok()?;
    let backend = snapshot.backend("app")?;
    let mut random = Random::new(7);
    for _ in 0..picks.parse().ok()? {
        if black_box(pick(black_box(backend), &Ask::default(), &mut random)) == Picked::Nobody {
            return None;
        }
    }
    Some(())
}
