//! The control side under a deterministic simulation: virtual time, one thread, everything drawn from a seed.
//!
//! A drawn configuration is served by the real model, checks, picks, queue, stats socket and `watch` stream. Servers
//! that fail and recover, requests, commands, reloads and clients that leave are drawn too; only the network is not
//! there: probes and requests are told how they end. After each step what must always hold is looked at
//! (`simulation/invariants.rs`), and at the end everything is made well again and has to be as at the beginning.
//!
//! A seed that fails is told with what led there. `PROXYD_SEED=n cargo test -p proxyd --test simulation` plays it again,
//! `PROXYD_SEEDS=n` plays so many.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on should panic"
)]

#[path = "simulation/console.rs"]
mod console;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "simulation/invariants.rs"]
mod invariants;
#[path = "simulation/load.rs"]
mod load;
#[path = "simulation/plan.rs"]
mod plan;
#[path = "simulation/probes.rs"]
mod probes;
#[path = "simulation/replica.rs"]
mod replica;
#[path = "simulation/story.rs"]
mod story;
#[path = "simulation/world.rs"]
mod world;

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, Once};

use tokio::runtime::{Builder, LocalOptions};

/// Seeds of a run.
const SEEDS: u64 = 1000;
/// Lines that are told of what led to a failure; all of them when a seed is played alone.
const TOLD: usize = 120;

/// How one seed ended.
struct Played {
    trace: Vec<String>,
    wrong: Option<String>,
}

thread_local! {
    /// A panic of this thread, which tasks hide.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What a task panicked with, if one did.
fn take_panic() -> Option<String> {
    PANIC.with_borrow_mut(Option::take)
}

fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        proxyd::log::silence();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANIC.with_borrow_mut(|panic| panic.get_or_insert_with(|| info.to_string()).truncate(1000));
            before(info);
        }));
    });
}

fn play(seed: u64) -> Played {
    prepare();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build_local(LocalOptions::default())
        .unwrap();
    let (trace, wrong) = runtime.block_on(story::play(seed));
    drop(runtime);
    Played { trace, wrong: wrong.or_else(take_panic) }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn tell(seed: u64, played: &Played, wrong: &str) -> ! {
    let head = played.trace.iter().position(|line| line.ends_with("  )")).map_or(0, |end| end + 1);
    let told = if number("PROXYD_SEED").is_some() { usize::MAX } else { TOLD };
    let skipped = played.trace.len().saturating_sub(told).max(head);
    played.trace[..head].iter().chain(&played.trace[skipped..]).for_each(|line| eprintln!("{line}"));
    panic!("seed {seed}: {wrong}\nagain: PROXYD_SEED={seed} cargo test -p proxyd --test simulation");
}

#[test]
fn every_seed_holds() {
    if let Some(seed) = number("PROXYD_SEED") {
        let played = play(seed);
        match &played.wrong {
            Some(wrong) => tell(seed, &played, wrong),
            None => played.trace.iter().for_each(|line| eprintln!("{line}")),
        }
        return;
    }
    let seeds = number("PROXYD_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let failed: Mutex<Option<(u64, Played)>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let played = play(seed);
                    if played.wrong.is_some() {
                        next.store(seeds, Relaxed);
                        let mut failed = failed.lock().unwrap();
                        // Of several the first one, so that a run tells the same again.
                        if failed.as_ref().is_none_or(|(other, _)| seed < *other) {
                            *failed = Some((seed, played));
                        }
                        return;
                    }
                }
            });
        }
    });
    if let Some((seed, played)) = failed.into_inner().unwrap() {
        let wrong = played.wrong.clone().unwrap_or_default();
        tell(seed, &played, &wrong);
    }
}

#[test]
fn a_seed_tells_the_same_story_again() {
    let hash = |played: &Played| {
        let mut hasher = DefaultHasher::new();
        played.trace.hash(&mut hasher);
        hasher.finish()
    };
    for seed in [1, 2, 3] {
        let (one, two) = (play(seed), play(seed));
        let differs = one.trace.iter().zip(&two.trace).find(|(one, two)| one != two);
        assert_eq!(hash(&one), hash(&two), "seed {seed}: {differs:?}");
    }
    assert_ne!(hash(&play(1)), hash(&play(2)), "seeds differ");
}
