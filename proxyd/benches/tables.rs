//! A stick table of 1,000,000 addresses: nanoseconds of each thing that is done with it, by one thread and by four, and what
//! it takes. `cargo run --release -p proxyd --example tables -- run`

#![expect(clippy::print_stdout, reason = "its results are its output")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use proxyd::config::table::{self as conf, Data, KeyType, Stored};
use proxyd::stick::Table;

const ENTRIES: u32 = 1_000_000;

fn main() -> ExitCode {
    if !std::env::args().any(|word| word == "run") {
        // What compiles it all asks for no numbers.
        return ExitCode::SUCCESS;
    }
    let stored = |data, period| Stored { data, period, count: 1 };
    let conf = conf::Table {
        name: "t".to_owned(),
        key: KeyType::Ip,
        entries: ENTRIES,
        expire: Some(Duration::from_mins(10)),
        store: vec![
            stored(Data::ConnCur, Duration::ZERO),
            stored(Data::HttpReqRate, Duration::from_secs(10)),
        ],
        no_purge: false,
        save: None,
    };
    let (entry, most) = (Table::entry_bytes(&conf), Table::most_bytes(&conf));
    println!("an entry: {entry} bytes; {ENTRIES} of them: {:.1} MB at most", most as f64 / 1e6);
    let before = resident();
    let table = Table::new(&conf);
    let request = |n: u32| {
        let key = n.wrapping_mul(0x9e37_79b1).to_be_bytes();
        table.enter(black_box(&key), 1000, |entry| entry.add(Data::HttpReqRate, 0, 1));
    };
    timed("a new entry", 1, ENTRIES, request);
    println!("filled with {}: {:.1} MB", table.used(), (resident() - before) as f64 / 1e6);
    timed("a known one, counted", 1, ENTRIES, request);
    timed("a known one, counted, by four threads", 4, ENTRIES, request);
    timed("a hold and its end, by four threads", 4, ENTRIES, |n| {
        let key = n.wrapping_mul(0x9e37_79b1).to_be_bytes();
        let held = table.hold(&key, 1000, |entry| entry.add(Data::ConnCur, 0, 1));
        if let Some(held) = held {
            table.release(held, 1000, |entry| entry.sub(Data::ConnCur, 1));
        }
    });
    timed("a new one in the place of the oldest, by four threads", 4, ENTRIES, |n| request(n + ENTRIES));
    let begun = Instant::now();
    (0..table.parts()).for_each(|part| table.sweep(part, 10_000_000));
    println!(
        "{:>8.1} ms a sweep of all of them, at most {} a lock",
        begun.elapsed().as_secs_f64() * 1e3,
        256
    );
    if table.used() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn timed(what: &str, threads: u32, times: u32, act: impl Fn(u32) + Sync) {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let act = &act;
            scope.spawn(move || (thread..times).step_by(threads as usize).for_each(act));
        }
    });
    println!("{:>8.1} ns {what}", begun.elapsed().as_nanos() as f64 / f64::from(times));
}

/// Bytes of the process in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
