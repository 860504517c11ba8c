use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::Mode;
use crate::model::change::Cause;
use crate::model::shared::Shared;
use crate::model::testing;

const BY: Cause<'_> = Cause::Command { by: "test", line: "" };

/// A backend of servers with these weights; the last `backups` of them are backups.
struct Site {
    shared: Arc<Shared>,
    backend: Arc<Backend>,
    random: Random,
}

impl Site {
    fn new(algorithm: Algorithm, weights: &[u32], backups: usize) -> Self {
        Self::with(algorithm, Backups::First, weights, backups)
    }

    fn with(algorithm: Algorithm, which: Backups, weights: &[u32], backups: usize) -> Self {
        let names: Vec<String> = (0..weights.len()).map(|i| format!("s{i}")).collect();
        let servers: Vec<(&str, u32, bool)> = names
            .iter()
            .zip(weights)
            .enumerate()
            .map(|(i, (name, &weight))| (name.as_str(), weight, i + backups >= weights.len()))
            .collect();
        let mut config = testing::config();
        config.backends = vec![testing::backend("app", Mode::Http, false, &servers)];
        config.backends[0].balance = algorithm;
        config.backends[0].backups = which;
        let shared = testing::shared_of(&config);
        let backend = Arc::clone(shared.snapshot().backend("app").unwrap());
        Self { shared, backend, random: Random::new(7) }
    }

    fn pick(&mut self, tried: &[u32]) -> Picked {
        pick(&self.backend, &Ask { tried, now_ms: 1000, key: None }, &mut self.random)
    }

    /// Takes room and gives it back; `None` where there is none.
    fn passing(&mut self, tried: &[u32]) -> Option<u32> {
        match self.pick(tried) {
            Picked::Server(index) => {
                self.backend.leave(index);
                Some(index)
            }
            Picked::Busy(_) | Picked::Full | Picked::Nobody => None,
        }
    }

    /// How often each server is picked in `n` times.
    fn counts(&mut self, n: usize) -> Vec<u64> {
        let mut counts = vec![0; self.backend.servers.len()];
        for _ in 0..n {
            counts[self.passing(&[]).unwrap() as usize] += 1;
        }
        counts
    }

    /// The same, where none of them is given back.
    fn holding(&mut self, n: usize) -> Vec<u64> {
        for _ in 0..n {
            assert!(matches!(self.pick(&[]), Picked::Server(_)));
        }
        self.backend.servers.iter().map(|server| u64::from(server.served.load(Relaxed))).collect()
    }

    fn carry(&self, index: u32, requests: u32) {
        (0..requests).for_each(|_| assert!(self.backend.enter(index)));
    }

    fn set_weight(&self, index: usize, weight: u32) {
        self.shared.set_weight(&self.backend, &self.backend.servers[index], weight, BY);
    }

    fn set_maxconn(&self, index: usize, maxconn: u32) {
        self.shared.set_maxconn(&self.backend, &self.backend.servers[index], maxconn, BY);
    }
}

/// Weight sets that are equal, apart, coprime, far apart, and one alone.
const WEIGHTS: [&[u32]; 7] =
    [&[100, 100, 100], &[100, 50], &[7, 5, 3, 2], &[256, 1], &[1, 2, 3, 4, 5, 6, 7], &[100], &[13, 0, 29]];

/// Every algorithm, with what it is told.
fn algorithms() -> Vec<Algorithm> {
    use Algorithm::{First, LeastConn, LeastLatency, Random, RoundRobin, StaticRr};
    vec![RoundRobin, StaticRr, LeastConn, First, Random { draws: 1 }, Random { draws: 2 }, LeastLatency]
}

/// Pearson's test at one in a thousand; what is not expected must not be.
fn assert_fits(counts: &[u64], expected: &[f64], what: &str) {
    /// Of 1 to 7 degrees of freedom.
    const CRITICAL: [f64; 7] = [10.83, 13.82, 16.27, 18.47, 20.52, 22.46, 24.32];
    let total: u64 = counts.iter().sum();
    let sum: f64 = expected.iter().sum();
    let (mut chi, mut cells) = (0.0, 0);
    for (&count, &expected) in counts.iter().zip(expected) {
        let expected = expected / sum * total as f64;
        if expected == 0.0 {
            assert_eq!(count, 0, "{what}: {counts:?}");
            continue;
        }
        chi += (count as f64 - expected).powi(2) / expected;
        cells += 1;
    }
    if cells > 1 {
        assert!(chi < CRITICAL[cells - 2], "{what}: {counts:?} for {expected:?}, chi square {chi:.1}");
    }
}

fn by_weight(weights: &[u32]) -> Vec<f64> {
    weights.iter().map(|&weight| f64::from(weight)).collect()
}

#[test]
fn turns_are_exact() {
    for algorithm in [Algorithm::RoundRobin, Algorithm::StaticRr] {
        for weights in WEIGHTS {
            let sum: u32 = weights.iter().sum();
            let counts = Site::new(algorithm.clone(), weights, 0).counts(3 * sum as usize);
            let expected: Vec<u64> = weights.iter().map(|&weight| u64::from(3 * weight)).collect();
            assert_eq!(counts, expected);
        }
    }
}

#[test]
fn least_conn_shares_what_stays_by_weight() {
    for weights in WEIGHTS {
        let held = Site::new(Algorithm::LeastConn, weights, 0).holding(997);
        // Whoever has most for its weight had least for it before its last one came.
        for (one, &most) in held.iter().zip(weights).filter(|(_, weight)| **weight > 0) {
            for (other, &least) in held.iter().zip(weights).filter(|(_, weight)| **weight > 0) {
                // Its first came while it had none.
                let fits = *one == 1 || one * u64::from(least) <= (other + 1) * u64::from(most);
                assert!(fits, "{held:?} of {weights:?}");
            }
        }
    }
}

#[test]
fn least_conn_takes_equals_in_turn() {
    let mut six = Site::new(Algorithm::LeastConn, &[1; 6], 0);
    six.carry(2, 9);
    assert_eq!(six.counts(5000), [1000, 1000, 0, 1000, 1000, 1000]);
    let mut alike = Site::new(Algorithm::LeastConn, &[100; 64], 0);
    assert_eq!(alike.counts(6400), [100; 64]);
}

#[test]
fn least_conn_takes_the_idle_in_turn_whatever_their_weights() {
    let mut two = Site::new(Algorithm::LeastConn, &[100, 99], 0);
    assert_eq!(two.counts(60), [30, 30]);
    let mut apart = Site::new(Algorithm::LeastConn, &[256, 1, 7], 0);
    assert_eq!(apart.counts(60), [20; 3]);
    // One that has something is weighed again.
    apart.carry(1, 1);
    assert_eq!(apart.counts(60), [30, 0, 30]);
    // Of those that are drawn as well, by chance.
    let weights: Vec<u32> = (0..200).map(|i| 1 + i % 100).collect();
    let counts = Site::new(Algorithm::LeastConn, &weights, 0).counts(20_000);
    assert!(counts.iter().all(|count| (50..200).contains(count)), "{counts:?}");
}

#[test]
fn least_conn_comes_to_know_what_each_carries() {
    let mut four = Site::new(Algorithm::LeastConn, &[1; 4], 0);
    // Nobody is picked next to the last one.
    four.set_weight(2, 0);
    four.carry(3, 5);
    four.backend.servers[3].served.fetch_sub(5, Relaxed);
    assert!(four.counts(1000)[3] > 100);
}

#[test]
fn least_conn_weighs_load() {
    let mut two = Site::new(Algorithm::LeastConn, &[100, 50], 0);
    two.carry(0, 2);
    two.carry(1, 1);
    assert_eq!(two.passing(&[]), Some(0));
    two.carry(0, 2);
    assert_eq!(two.passing(&[]), Some(1));
}

#[test]
fn above_64_servers_least_conn_still_spreads() {
    for count in [65, 200, 1000] {
        let held = Site::new(Algorithm::LeastConn, &vec![100; count], 0).holding(count * 50);
        let (least, most) = (held.iter().min().unwrap(), held.iter().max().unwrap());
        assert!(most - least <= 4, "{count} servers carry {least} to {most}");
    }
    let weights: Vec<u32> = (0..200).map(|i| if i % 2 == 0 { 100 } else { 50 }).collect();
    let held = Site::new(Algorithm::LeastConn, &weights, 0).holding(15_000);
    for (i, &requests) in held.iter().enumerate() {
        let expected = u64::from(weights[i]);
        assert!(requests.abs_diff(expected) <= 6, "s{i} carries {requests}");
    }
}

#[test]
fn first_fills_one_after_the_other() {
    let mut site = Site::new(Algorithm::First, &[1, 100, 1], 0);
    for (index, maxconn) in [2, 3, 0].into_iter().enumerate() {
        site.set_maxconn(index, maxconn);
    }
    let picked: Vec<Picked> = (0..8).map(|_| site.pick(&[])).collect();
    assert_eq!(picked, [0, 0, 1, 1, 1, 2, 2, 2].map(Picked::Server));
    site.backend.leave(1);
    site.backend.leave(0);
    assert_eq!([site.pick(&[]), site.pick(&[]), site.pick(&[])], [0, 1, 2].map(Picked::Server));
    // It takes one more from now on.
    site.set_maxconn(0, 3);
    assert_eq!([site.pick(&[]), site.pick(&[])], [0, 2].map(Picked::Server));
    site.set_weight(1, 0);
    site.set_maxconn(1, 100);
    assert_eq!(site.pick(&[]), Picked::Server(2));
}

#[test]
fn draws_go_by_weight() {
    for algorithm in [
        Algorithm::Random { draws: 1 },
        Algorithm::Random { draws: 2 },
        Algorithm::Random { draws: 5 },
        Algorithm::LeastLatency,
    ] {
        for weights in WEIGHTS {
            let counts = Site::new(algorithm.clone(), weights, 0).counts(20_000);
            assert_fits(&counts, &by_weight(weights), &format!("{algorithm:?} of {weights:?}"));
        }
    }
}

/// With loads that differ the best of `n` draws is found by each unless all draws miss it.
#[test]
fn the_least_loaded_of_the_draws_is_taken() {
    for draws in [1, 2, 3] {
        for weights in [&[100, 100, 100], &[100, 50, 10]] {
            let mut site = Site::new(Algorithm::Random { draws }, weights, 0);
            // Per weight: 0 carries most, 2 least.
            site.carry(0, 100);
            site.carry(1, 10);
            let sum: u32 = weights.iter().sum();
            let among = |servers: &[u32]| {
                (f64::from(servers.iter().sum::<u32>()) / f64::from(sum)).powi(draws as i32)
            };
            let (only, both) = (among(&weights[..1]), among(&weights[..2]));
            let counts = site.counts(20_000);
            assert_fits(&counts, &[only, both - only, 1.0 - both], &format!("{draws} draws of {weights:?}"));
        }
    }
}

#[test]
fn the_quicker_of_two_is_taken() {
    let mut site = Site::new(Algorithm::LeastLatency, &[100, 100, 50], 0);
    for (server, ms) in site.backend.servers.iter().zip([80, 10, 40]) {
        server.latency.observe(Duration::from_millis(ms), 1000);
    }
    let share = [0.4, 0.4, 0.2];
    let slowest: f64 = share[0] * share[0];
    let middle = (share[0] + share[2]) * (share[0] + share[2]) - slowest;
    let expected = [slowest, 1.0 - slowest - middle, middle];
    assert_fits(&site.counts(20_000), &expected, "by latency");
    // Nine times the load makes the quick one the slowest.
    site.carry(1, 8);
    let quick: f64 = share[1] * share[1];
    let loaded = (share[0] + share[1]) * (share[0] + share[1]) - quick;
    assert_fits(&site.counts(20_000), &[loaded, quick, 1.0 - quick - loaded], "by latency and load");
}

#[test]
fn who_has_not_answered_yet_is_asked_once() {
    let mut site = Site::new(Algorithm::LeastLatency, &[100, 100], 0);
    site.backend.servers[0].latency.observe(Duration::from_millis(10), 1000);
    let counts = site.counts(20_000);
    assert_fits(&counts, &[0.25, 0.75], "one is unknown");
    site.carry(1, 1);
    assert_fits(&site.counts(20_000), &[0.75, 0.25], "it was asked and owes an answer");
}

#[test]
fn weights_hold_when_they_change() {
    for algorithm in algorithms() {
        let mut site = Site::new(algorithm.clone(), &[100, 100, 100], 0);
        site.counts(17);
        site.set_weight(1, 50);
        site.set_weight(0, 0);
        let counts = site.counts(3000);
        match algorithm {
            Algorithm::RoundRobin | Algorithm::StaticRr => assert_eq!(counts, [0, 1000, 2000]),
            Algorithm::First => assert_eq!(counts, [0, 3000, 0]),
            // Nothing is carried, and so they are equal.
            Algorithm::LeastConn => assert_eq!(counts, [0, 1500, 1500]),
            _ => assert_fits(&counts, &[0.0, 50.0, 100.0], &format!("{algorithm:?}")),
        }
    }
}

#[test]
fn what_was_tried_is_left_out_and_backups_stay_back() {
    for algorithm in algorithms() {
        let mut site = Site::new(algorithm.clone(), &[1, 1, 1], 1);
        for _ in 0..20 {
            assert_eq!(site.passing(&[0]), Some(1), "{algorithm:?}");
        }
        assert_eq!(site.pick(&[0, 1]), Picked::Nobody, "{algorithm:?}");
    }
}

#[test]
fn backups_step_in_one_by_one_or_all_together() {
    for algorithm in algorithms() {
        let mut first = Site::new(algorithm.clone(), &[0, 100, 50], 2);
        assert_eq!([first.passing(&[]), first.passing(&[])], [Some(1); 2], "{algorithm:?}");
        assert_eq!(first.passing(&[1]), Some(2), "{algorithm:?}");
        let mut all = Site::with(algorithm.clone(), Backups::All, &[0, 100, 50], 2);
        let counts = all.counts(3000);
        match algorithm {
            Algorithm::RoundRobin | Algorithm::StaticRr => assert_eq!(counts, [0, 2000, 1000]),
            Algorithm::First => assert_eq!(counts, [0, 3000, 0]),
            // They carry nothing; which of equals it is is left to chance.
            Algorithm::LeastConn => assert_fits(&counts, &[0.0, 1.0, 1.0], "backups that carry nothing"),
            _ => assert_fits(&counts, &[0.0, 100.0, 50.0], &format!("{algorithm:?}")),
        }
    }
}

#[test]
fn a_full_server_is_passed_over() {
    for algorithm in algorithms() {
        let mut site = Site::new(algorithm.clone(), &[1, 1, 1], 1);
        (0..3).for_each(|index| site.set_maxconn(index, 2));
        let mut picked: Vec<Picked> = (0..4).map(|_| site.pick(&[])).collect();
        picked.sort_by_key(|picked| format!("{picked:?}"));
        assert_eq!(picked, [0, 0, 1, 1].map(Picked::Server), "{algorithm:?}");
        // The backup stays back: the active ones are busy, not away.
        assert_eq!(site.pick(&[]), Picked::Full, "{algorithm:?}");
        site.backend.leave(1);
        assert_eq!(site.pick(&[]), Picked::Server(1), "{algorithm:?}");
        site.set_maxconn(0, 3);
        assert_eq!(site.pick(&[]), Picked::Server(0), "{algorithm:?}");
        assert_eq!(site.pick(&[]), Picked::Full, "{algorithm:?}");
    }
}

#[test]
fn nobody_is_found_where_nobody_is() {
    for algorithm in algorithms() {
        assert_eq!(Site::new(algorithm.clone(), &[], 0).pick(&[]), Picked::Nobody);
        assert_eq!(Site::new(algorithm.clone(), &[0, 0], 1).pick(&[]), Picked::Nobody);
    }
}

proptest! {
    /// Of up to 64 servers the least loaded is found whatever came before.
    #[test]
    fn least_conn_is_exact(
        weights in proptest::collection::vec(0_u32..=256, 1..=64),
        steps in proptest::collection::vec((0_u8..4, 0_usize..64), 0..200),
    ) {
        let mut site = Site::new(Algorithm::LeastConn, &weights, 0);
        for (step, index) in steps {
            let index = index % weights.len();
            let server = Arc::clone(&site.backend.servers[index]);
            match step {
                0 => site.set_maxconn(index, server.served.load(Relaxed) % 5),
                1 if server.served.load(Relaxed) > 0 => site.backend.leave(index as u32),
                _ => {
                    let load = |index: usize| {
                        let server = &site.backend.servers[index];
                        let served = u64::from(server.served.load(Relaxed));
                        (if served == 0 { 0 } else { served + 1 }, u64::from(server.weight()))
                    };
                    let free: Vec<usize> = (0..weights.len())
                        .filter(|&i| weights[i] > 0 && site.backend.has_room(i as u32))
                        .collect();
                    let loads: Vec<(u64, u64)> = (0..weights.len()).map(load).collect();
                    match site.pick(&[]) {
                        Picked::Server(found) => {
                            let found = loads[found as usize];
                            prop_assert!(free.iter().all(|&i| found.0 * loads[i].1 <= loads[i].0 * found.1));
                        }
                        Picked::Busy(_) | Picked::Full => prop_assert!(free.is_empty()),
                        Picked::Nobody => prop_assert!(weights.iter().all(|&weight| weight == 0)),
                    }
                }
            }
        }
    }
}
