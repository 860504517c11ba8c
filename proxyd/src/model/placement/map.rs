//! A place for each unit of weight, in HAProxy's order: a key belongs to the place that is the rest of its hash.
//!
//! HAProxy goes through all servers for each place: every one gains its weight, the first of those that have gained most
//! whole turns has the place, and pays a turn for it. The same comes of keeping servers by the turns they have left, and
//! moving one when it has gained another: each does so as often as it has places.

use super::Placed;

/// The index of a server for each place.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Map(Box<[u32]>);

/// No server.
const NONE: u32 = u32::MAX;

impl Map {
    /// `unit` is what weights are counted in: the greatest that all configured ones are multiples of.
    pub fn build(servers: &[Placed], unit: u32) -> Self {
        let weights = servers.iter().map(|server| u64::from(server.weight.div_ceil(unit.max(1)))).collect();
        let mut turns = Turns::new(weights);
        Self((0..turns.length).map(|place| servers[turns.next(place)].index).collect())
    }

    /// The place of a key; `None` where there is no server.
    pub fn place(&self, hash: u32) -> Option<usize> {
        (hash as usize).checked_rem(self.0.len())
    }

    /// The servers from a place on, once around.
    pub fn from(&self, place: usize) -> impl Iterator<Item = u32> {
        let (before, from) = self.0.split_at(place.min(self.0.len()));
        from.iter().chain(before).copied()
    }
}

/// The servers by whole turns, while places are given away.
struct Turns {
    /// Places, which is what all weights come to.
    length: usize,
    weights: Vec<u64>,
    /// Turns gained since the beginning.
    gained: Vec<u64>,
    /// One more than are left: who has none may have a place on credit.
    level: Vec<usize>,
    levels: Vec<Ranks>,
    /// Who gains a turn at which place: the first, and who follows on whom.
    first: Vec<u32>,
    next: Vec<u32>,
}

impl Turns {
    fn new(weights: Vec<u64>) -> Self {
        let servers = weights.len();
        let length = weights.iter().sum::<u64>() as usize;
        let mut turns = Self {
            length,
            gained: vec![0; servers],
            level: vec![1; servers],
            levels: vec![Ranks::new(servers), Ranks::new(servers)],
            first: vec![NONE; length],
            next: vec![NONE; servers],
            weights,
        };
        for rank in 0..servers {
            if turns.weights[rank] > 0 {
                turns.levels[1].insert(rank);
                turns.expect(rank);
            }
        }
        turns
    }

    /// Notes where a server gains its next turn: after so many places its weights come to one.
    fn expect(&mut self, rank: usize) {
        let at = ((self.gained[rank] + 1) * self.length as u64).div_ceil(self.weights[rank]) - 1;
        if let Some(first) = self.first.get_mut(at as usize) {
            self.next[rank] = std::mem::replace(first, rank as u32);
        }
    }

    fn set_level(&mut self, rank: usize, level: usize) {
        self.levels[self.level[rank]].remove(rank);
        if level == self.levels.len() {
            self.levels.push(Ranks::new(self.weights.len()));
        }
        self.levels[level].insert(rank);
        self.level[rank] = level;
    }

    /// Who has this place; they are asked for one after the other.
    fn next(&mut self, place: usize) -> usize {
        let mut rank = self.first[place] as usize;
        while let Some(&next) = self.next.get(rank) {
            self.gained[rank] += 1;
            self.set_level(rank, self.level[rank] + 1);
            self.expect(rank);
            rank = next as usize;
        }
        // Together they have gained a turn more than was paid for, so that somebody has one.
        let (level, best) = self
            .levels
            .iter()
            .enumerate()
            .rev()
            .find_map(|(level, ranks)| Some((level, ranks.first()?)))
            .unwrap_or_default();
        self.set_level(best, level.saturating_sub(1));
        best
    }
}

/// A set of ranks that knows its first.
#[derive(Debug)]
struct Ranks {
    words: Vec<u64>,
    /// Which words are not empty.
    some: Vec<u64>,
}

impl Ranks {
    fn new(count: usize) -> Self {
        let words = count.div_ceil(64);
        Self { words: vec![0; words], some: vec![0; words.div_ceil(64)] }
    }

    fn insert(&mut self, rank: usize) {
        self.words[rank / 64] |= 1 << (rank % 64);
        self.some[rank / 4096] |= 1 << (rank / 64 % 64);
    }

    fn remove(&mut self, rank: usize) {
        self.words[rank / 64] &= !(1 << (rank % 64));
        if self.words[rank / 64] == 0 {
            self.some[rank / 4096] &= !(1 << (rank / 64 % 64));
        }
    }

    fn first(&self) -> Option<usize> {
        let (block, some) = self.some.iter().enumerate().find(|(_, some)| **some != 0)?;
        let word = block * 64 + some.trailing_zeros() as usize;
        Some(word * 64 + self.words[word].trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn placed(weights: &[u32]) -> Vec<Placed> {
        weights.iter().zip(0..).map(|(&weight, index)| Placed { index, weight, seed: 0 }).collect()
    }

    fn map(weights: &[u32]) -> Vec<u32> {
        Map::build(&placed(weights), 1).0.into_vec()
    }

    /// As it is said of HAProxy: for each place everybody is looked at.
    fn by_looking_at_all(weights: &[u32]) -> Vec<u32> {
        let turn: i64 = weights.iter().map(|&w| i64::from(w)).sum();
        let mut scores = vec![0_i64; weights.len()];
        let one = |_| {
            let mut best: Option<(i64, usize)> = None;
            for (rank, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0) {
                scores[rank] += i64::from(weight);
                let turns = (scores[rank] + turn) / turn;
                if best.is_none_or(|(most, _)| turns > most) {
                    best = Some((turns, rank));
                }
            }
            let (_, rank) = best.unwrap();
            scores[rank] -= turn;
            rank as u32
        };
        (0..turn).map(one).collect()
    }

    #[test]
    fn small_maps() {
        assert_eq!(map(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(map(&[5]), [0; 5]);
        assert_eq!(map(&[2, 1]), by_looking_at_all(&[2, 1]));
        assert_eq!(Map::build(&placed(&[100, 50]), 50).0, Map::build(&placed(&[2, 1]), 1).0);
        assert_eq!(Map::build(&placed(&[]), 1).place(7), None);
        assert_eq!(Map::build(&placed(&[0, 3]), 1).from(1).collect::<Vec<_>>(), [1; 3]);
    }

    #[test]
    fn thousands_of_servers() {
        let weights: Vec<u32> = (0..5000).map(|i| 1 + i % 256).collect();
        let mut counts = vec![0; weights.len()];
        for index in map(&weights) {
            counts[index as usize] += 1;
        }
        assert_eq!(counts, weights);
    }

    proptest! {
        #[test]
        fn the_order_is_haproxys(weights in proptest::collection::vec(0_u32..40, 1..90)) {
            prop_assert_eq!(map(&weights), by_looking_at_all(&weights));
        }
    }
}
