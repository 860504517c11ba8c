//! Who may be picked, prepared when a state or weight changes, so that a pick is one step.
//!
//! Round robin is exact over the whole process: the order of a full turn is precomputed, smoothly interleaved by
//! weight, and a pick takes the next place with one `fetch_add` on a cursor all workers share.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::placement::Placement;
use super::server::Server;
use crate::config::{Algorithm, Backups};

/// The servers of a backend that can be picked.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Lineup {
    pub active: Group,
    /// In the order they step in.
    pub backup: Group,
}

/// Servers that stand beside each other, as indices into the backend's list.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Group {
    /// Those that have a weight, in the backend's order.
    pub members: Box<[u32]>,
    /// A full turn over them; empty where none is needed.
    pub order: Box<[u32]>,
    /// Where keys belong, if requests are balanced by one.
    pub placement: Option<Placement>,
}

/// Places of one turn at most; beyond it weights are scaled down.
const MAX_TURN: u64 = 16_384;

impl Lineup {
    /// What of the one before still holds is taken over.
    pub fn build(
        servers: &[Arc<Server>],
        algorithm: &Algorithm,
        backups: Backups,
        before: Option<&Self>,
    ) -> Self {
        let turns = match algorithm {
            Algorithm::RoundRobin
            | Algorithm::StaticRr
            | Algorithm::Random { .. }
            | Algorithm::LeastLatency
            // By turns goes what has no key.
            | Algorithm::Hash(_) => Turns::Taken,
            Algorithm::LeastConn | Algorithm::First => Turns::None,
        };
        let group = |backup: bool, turns: Turns| {
            let all = servers.iter().zip(0..).filter(|(s, _)| s.backup == backup);
            let eligible = all.clone().filter(|(s, _)| s.is_eligible());
            let eligible: Vec<(u32, u32)> = eligible.map(|(s, index)| (index, s.share())).collect();
            let members: Box<[u32]> = eligible.iter().map(|&(index, _)| index).collect();
            let placement = match (algorithm, turns) {
                (Algorithm::Hash(hash), Turns::Taken) => {
                    let all: Vec<u32> = all.map(|(_, index)| index).collect();
                    let before = before.map(|before| if backup { &before.backup } else { &before.active });
                    let before = before.and_then(|group| group.placement.as_ref());
                    Some(Placement::build(hash, servers, &all, &members, before))
                }
                _ => None,
            };
            Group {
                members,
                order: match turns {
                    Turns::Taken => turn(&eligible),
                    Turns::None => Box::default(),
                },
                placement,
            }
        };
        let backup = match backups {
            Backups::First => Turns::None,
            Backups::All => turns,
        };
        Self { active: group(false, turns), backup: group(true, backup) }
    }

    /// How much was prepared.
    pub(super) fn places(&self) -> usize {
        self.active.order.len() + self.backup.order.len()
    }
}

/// Whether a group is picked from by turns.
#[derive(Clone, Copy)]
enum Turns {
    Taken,
    None,
}

/// Each server as often as its weight says, spread as evenly as can be.
fn turn(servers: &[(u32, u32)]) -> Box<[u32]> {
    let divisor = servers.iter().fold(0, |d, &(_, w)| gcd(d, w)).max(1);
    let total: u64 = servers.iter().map(|&(_, w)| u64::from(w / divisor)).sum();
    let scaled = |w: u32| -> u64 {
        let w = u64::from(w / divisor);
        if total <= MAX_TURN { w } else { (w * MAX_TURN / total).max(1) }
    };
    // Place k of a server of weight w stands at (2k + 1) / 2w of the turn; fractions are compared exactly.
    let mut heap: BinaryHeap<Reverse<Place>> = servers
        .iter()
        .enumerate()
        .map(|(rank, &(index, w))| Reverse(Place { at: 1, weight: scaled(w), rank, index }))
        .collect();
    let mut order = Vec::with_capacity(total.min(MAX_TURN * 2) as usize);
    while let Some(Reverse(mut place)) = heap.pop() {
        order.push(place.index);
        place.at += 2;
        if place.at < 2 * place.weight {
            heap.push(Reverse(place));
        }
    }
    order.into_boxed_slice()
}

#[derive(Eq, PartialEq)]
struct Place {
    at: u64,
    weight: u64,
    rank: usize,
    index: u32,
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at * other.weight).cmp(&(other.at * self.weight)).then(self.rank.cmp(&other.rank))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

pub(super) const fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_to_one() {
        assert_eq!(*turn(&[(0, 100), (1, 50)]), [0, 1, 0]);
        assert_eq!(*turn(&[(0, 1), (1, 1), (2, 1)]), [0, 1, 2]);
        assert_eq!(*turn(&[(3, 50), (5, 10)]), [3, 3, 3, 5, 3, 3]);
        assert_eq!(*turn(&[]), [0_u32; 0]);
    }

    #[test]
    fn five_thousand_servers_take_one_bounded_turn() {
        let servers: Vec<(u32, u32)> = (0..5000).map(|i| (i, 1 + i % 256)).collect();
        let order = turn(&servers);
        assert!(order.len() <= 2 * MAX_TURN as usize, "{}", order.len());
        let mut seen = vec![false; 5000];
        order.iter().for_each(|&i| seen[i as usize] = true);
        assert!(seen.into_iter().all(|s| s));
    }

    proptest! {
        #[test]
        fn a_turn_is_exact_and_even(weights in proptest::collection::vec(1_u32..=20, 1..8)) {
            let servers: Vec<(u32, u32)> = weights.iter().enumerate().map(|(i, &w)| (i as u32, w)).collect();
            let order = turn(&servers);
            let divisor = weights.iter().fold(0, |d, &w| gcd(d, w));
            for &(index, w) in &servers {
                let places: Vec<usize> = order.iter().enumerate().filter(|&(_, &i)| i == index).map(|(p, _)| p).collect();
                prop_assert_eq!(places.len() as u32, w / divisor);
                let fair = order.len() as f64 / places.len() as f64;
                for pair in places.windows(2) {
                    prop_assert!(((pair[1] - pair[0]) as f64) < 2.0 * fair + servers.len() as f64);
                }
            }
        }
    }
}
