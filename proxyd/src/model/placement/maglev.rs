//! A table of Maglev hashing (Eisenbud and others, 2016): each server has an order of its own over all places, and they
//! take turns, by weight, at the next place that is free. A key is looked up in one step, and loads are even to about a
//! hundredth.
//!
//! A key whose server cannot be picked goes on to another place of its own, so that only such keys move, and they over
//! all servers. When the list of servers itself changes, a few more do.

use super::Placed;
use crate::hash::avalanche;

/// Places for each server at least, so that loads differ by about a hundredth; and the sizes there are, which are primes.
const PLACES: usize = 100;
const SIZES: [usize; 6] = [1_021, 8_191, 65_537, 262_147, 655_373, 2_097_169];

/// Places a key tries before it is given any server that is left.
const TRIES: u32 = 32;

/// The index of a server for each place.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Maglev {
    servers: Box<[Placed]>,
    places: Box<[u32]>,
}

/// How a server goes through the places.
struct Walk {
    at: usize,
    step: usize,
    /// What it has gained towards its next turn.
    credit: u32,
}

impl Maglev {
    pub fn build(servers: &[Placed]) -> Self {
        let heaviest = servers.iter().map(|server| server.weight).max().unwrap_or(0);
        if heaviest == 0 {
            return Self { servers: servers.into(), places: Box::default() };
        }
        let least = servers.len() * PLACES;
        let size = SIZES.into_iter().find(|size| *size >= least).unwrap_or(SIZES[SIZES.len() - 1]);
        let mut walks: Vec<Walk> = servers
            .iter()
            .map(|server| Walk {
                at: avalanche(server.seed) as usize % size,
                step: avalanche(!server.seed) as usize % (size - 1) + 1,
                credit: 0,
            })
            .collect();
        let mut places = vec![u32::MAX; size];
        let mut free = size;
        while free > 0 {
            for (server, walk) in servers.iter().zip(&mut walks) {
                walk.credit += server.weight;
                if walk.credit < heaviest || free == 0 {
                    continue;
                }
                walk.credit -= heaviest;
                // The size is a prime, so that each order has all places.
                while places[walk.at] != u32::MAX {
                    walk.at = (walk.at + walk.step) % size;
                }
                places[walk.at] = server.index;
                free -= 1;
            }
        }
        Self { servers: servers.into(), places: places.into() }
    }

    /// Whether it was built of these.
    pub fn is_of(&self, servers: &[Placed]) -> bool {
        *self.servers == *servers
    }

    /// The servers a key belongs to, one after the other where those before cannot be picked.
    pub fn from(&self, hash: u32) -> impl Iterator<Item = u32> {
        let size = self.places.len();
        let place = move |hash: u32| ((u64::from(avalanche(hash)) * size as u64) >> 32) as usize;
        (0..TRIES)
            .map(move |n| place(hash.wrapping_add(n.wrapping_mul(0x9e37_79b9))))
            .filter_map(|at| self.places.get(at).copied())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn placed(weights: &[u32]) -> Vec<Placed> {
        let seed = |i: u32| avalanche(i ^ 0x5eed);
        weights.iter().zip(0..).map(|(&weight, i)| Placed { index: i, weight, seed: seed(i) }).collect()
    }

    fn keys() -> impl Iterator<Item = u32> {
        (0..50_000).map(avalanche)
    }

    #[test]
    fn loads_are_as_weights() {
        let weights = [1, 2, 3, 4, 10];
        let table = Maglev::build(&placed(&weights));
        let mut counts = [0_u32; 5];
        for key in keys() {
            counts[table.from(key).next().unwrap() as usize] += 1;
        }
        for (count, weight) in counts.into_iter().zip(weights) {
            let expected = 50_000 * weight / 20;
            assert!(count.abs_diff(expected) < expected / 10, "{counts:?}");
        }
    }

    #[test]
    fn a_server_that_is_down_takes_its_share_alone_and_the_others_get_it_evenly() {
        let table = Maglev::build(&placed(&[1; 10]));
        let mut gained = [0_u32; 10];
        for key in keys() {
            let before = table.from(key).next().unwrap();
            let after = table.from(key).find(|&index| index != 4).unwrap();
            assert!(before == after || before == 4);
            if before == 4 {
                gained[after as usize] += 1;
            }
        }
        let gained: Vec<u32> =
            gained.into_iter().enumerate().filter(|(i, _)| *i != 4).map(|(_, n)| n).collect();
        assert!(gained.iter().all(|n| (400..750).contains(n)), "{gained:?}");
    }

    #[test]
    fn a_server_that_is_taken_from_the_list_moves_little_else() {
        for count in [10, 100] {
            let servers = placed(&vec![1; count]);
            let without: Vec<Placed> = servers.iter().copied().filter(|s| s.index != 4).collect();
            let (all, rest) = (Maglev::build(&servers), Maglev::build(&without));
            let first = |table: &Maglev, key| table.from(key).next().unwrap();
            let (mut own, mut others) = (0, 0);
            for key in keys() {
                let before = first(&all, key);
                if before == 4 {
                    own += 1;
                } else if first(&rest, key) != before {
                    others += 1;
                }
            }
            assert!(own > 50_000 / count / 2);
            assert!(others < 50_000 / 20, "{others} keys of other servers moved, of {count}");
        }
    }

    #[test]
    fn thousands_of_servers() {
        let weights: Vec<u32> = (0..5000).map(|i| 1 + i % 3).collect();
        let table = Maglev::build(&placed(&weights));
        assert!(table.places.len() <= SIZES[4]);
        let mut counts = vec![0_u32; 5000];
        for &index in &table.places {
            counts[index as usize] += 1;
        }
        assert!(counts.iter().zip(&weights).all(|(&n, &w)| n.abs_diff(w * 655_373 / 9_999) <= 2));
    }

    proptest! {
        #[test]
        fn every_place_is_somebodys(weights in proptest::collection::vec(0_u32..9, 1..20)) {
            let servers = placed(&weights);
            let table = Maglev::build(&servers);
            prop_assert_eq!(table.places.is_empty(), weights.iter().all(|&w| w == 0));
            prop_assert!(table.places.iter().all(|&i| weights[i as usize] > 0));
        }
    }
}
