//! The control side under a deterministic simulation: virtual time, one thread, everything drawn from a seed.
//!
//! A drawn configuration is served by the real model, checks, agents, picks, queue, stats socket and `watch` stream.
//! Servers that fail and recover, what their agents say, requests, commands, reloads and clients that leave are drawn
//! too; only the network is not there: probes, agents and requests are told how they end. After each step what must
//! always hold is looked at (`simulation/invariants.rs`, `verdicts.rs` and what stands beside them), and at the end
//! everything is made well again and has to be as at the beginning.
//!
//! A seed that fails, or does not end, is told with what led there. `PROXYD_SEED=n cargo test -p proxyd --test
//! simulation` plays it again, `PROXYD_SEEDS=n` plays so many.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on should panic"
)]

#[path = "simulation/agents.rs"]
mod agents;
#[path = "simulation/beginnings.rs"]
mod beginnings;
#[path = "simulation/clients.rs"]
mod clients;
#[path = "simulation/console.rs"]
mod console;
#[path = "simulation/cookies.rs"]
mod cookies;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "simulation/hashing.rs"]
mod hashing;
#[path = "simulation/invariants.rs"]
mod invariants;
#[path = "simulation/load.rs"]
mod load;
#[path = "simulation/marked.rs"]
mod marked;
#[path = "simulation/observed.rs"]
mod observed;
#[path = "simulation/pins.rs"]
mod pins;
#[path = "simulation/plan.rs"]
mod plan;
#[path = "simulation/probes.rs"]
mod probes;
#[path = "simulation/replica.rs"]
mod replica;
#[path = "simulation/sticking.rs"]
mod sticking;
#[path = "simulation/stopping.rs"]
mod stopping;
#[path = "simulation/story.rs"]
mod story;
#[path = "simulation/verdicts.rs"]
mod verdicts;
#[path = "simulation/watchdog.rs"]
mod watchdog;
#[path = "simulation/world.rs"]
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};

use crate::watchdog::{PATIENCE, Played, Tale, play_all};

/// Seeds of a run.
const SEEDS: u64 = 1000;
/// Lines that are told of what led to a failure; all of them when a seed is played alone.
const TOLD: usize = 120;

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

/// Plays one seed; what was wrong with it.
fn play(seed: u64, tale: &Arc<Tale>) -> Option<String> {
    prepare();
    let played = catch_unwind(AssertUnwindSafe(|| {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build_local(LocalOptions::default())
            .unwrap();
        runtime.block_on(story::play(seed, tale))
    }));
    // A thread plays one seed after the other: what one panicked with is none of the next.
    let panic = take_panic();
    played.unwrap_or_else(|_| panic.clone()).or(panic)
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
    let alone = number("PROXYD_SEED");
    let seeds = match alone {
        Some(seed) => seed..seed + 1,
        None => 0..number("PROXYD_SEEDS").unwrap_or(SEEDS),
    };
    let mut failed: BTreeMap<u64, Played> = BTreeMap::new();
    play_all(seeds, PATIENCE, play, |seed, played| {
        if played.wrong.is_some() {
            failed.insert(seed, played);
            return ControlFlow::Break(());
        }
        if alone.is_some() {
            played.trace.iter().for_each(|line| eprintln!("{line}"));
        }
        ControlFlow::Continue(())
    });
    // Of several the first one, so that a run tells the same again.
    if let Some((seed, played)) = failed.first_key_value() {
        tell(*seed, played, played.wrong.as_deref().unwrap_or_default());
    }
}

#[test]
fn a_seed_tells_the_same_story_again() {
    let traces = || {
        let mut traces = BTreeMap::new();
        play_all(1..4, PATIENCE, play, |seed, played| {
            traces.insert(seed, played.trace);
            ControlFlow::Continue(())
        });
        traces
    };
    let (one, two) = (traces(), traces());
    for seed in 1..4 {
        let differs = one[&seed].iter().zip(&two[&seed]).find(|(one, two)| one != two);
        assert!(one[&seed] == two[&seed], "seed {seed}: {differs:?}");
    }
    assert_ne!(one[&1], one[&2], "seeds differ");
}

#[test]
fn a_seed_that_hangs_is_told() {
    let hangs = |_: u64, tale: &Arc<Tale>| {
        tale.add("once upon a time".to_owned());
        loop {
            std::thread::park();
        }
    };
    let mut told = Vec::new();
    play_all(7..8, Duration::from_millis(20), hangs, |seed, played| {
        told.push((seed, played.wrong));
        ControlFlow::Continue(())
    });
    assert_eq!(told, [(7, Some("it has not ended after 20ms".to_owned()))]);
}
