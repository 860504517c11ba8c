//! HAProxy's ring of consistent hashing: sixteen nodes for each unit of weight, each at a hash of the server's seed and
//! its own number. A key belongs to the node that is nearest to it on either side.
//!
//! A node is four bytes, whose it is and its number; where it stands follows from that. The ring is cut into buckets of
//! about four nodes, so that finding one costs the same however many there are. Of 5,000 servers of weight 100 that is
//! 8 million nodes and 40 MB.

use super::Placed;
use crate::hash::avalanche;

/// Nodes of a unit of weight.
pub const SCALE: u32 = 16;

/// Bits of a node that hold its number among its server's.
const NUMBER: u32 = 12;
const _: () = assert!(256 * SCALE == 1 << NUMBER);

/// Most servers that a ring takes.
pub const MOST_SERVERS: usize = 1 << (32 - NUMBER);

/// Nodes that a bucket has on average.
const IN_A_BUCKET: usize = 4;

/// The nodes of servers.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Ring {
    servers: Box<[Placed]>,
    /// By their places, and at the same place in the order of servers.
    nodes: Box<[Node]>,
    /// The first node of each bucket, and where the last bucket ends.
    buckets: Box<[u32]>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Node(u32);

impl Node {
    fn new(rank: usize, number: u32) -> Self {
        Self((rank as u32) << NUMBER | number)
    }

    const fn rank(self) -> usize {
        (self.0 >> NUMBER) as usize
    }

    const fn number(self) -> u32 {
        self.0 & ((1 << NUMBER) - 1)
    }
}

/// Where a node of a server stands.
const fn place(seed: u32, number: u32) -> u32 {
    avalanche(seed.wrapping_add(number))
}

/// In which of so many buckets a place lies.
const fn bucket(place: u32, cut: usize) -> usize {
    ((place as u64 * cut as u64) >> 32) as usize
}

impl Ring {
    /// All nodes of these servers, at most [`MOST_SERVERS`].
    pub fn build(servers: &[Placed]) -> Self {
        let servers: Box<[Placed]> =
            servers.iter().take(MOST_SERVERS).map(|s| Placed { weight: s.weight.min(256), ..*s }).collect();
        let count: usize = servers.iter().map(|server| (server.weight * SCALE) as usize).sum();
        let cut = (count / IN_A_BUCKET).max(1);
        let mut ends = vec![0_u32; cut + 1];
        let each = |visit: &mut dyn FnMut(Node, u32)| {
            for (rank, server) in servers.iter().enumerate() {
                for number in 0..server.weight * SCALE {
                    visit(Node::new(rank, number), place(server.seed, number));
                }
            }
        };
        each(&mut |_, place| ends[bucket(place, cut) + 1] += 1);
        for bucket in 1..ends.len() {
            ends[bucket] += ends[bucket - 1];
        }
        let buckets: Box<[u32]> = ends.clone().into();
        let mut nodes = vec![Node(0); count];
        each(&mut |node, place| {
            let next = &mut ends[bucket(place, cut)];
            nodes[*next as usize] = node;
            *next += 1;
        });
        let mut sorted: Vec<(u32, Node)> = Vec::new();
        for pair in buckets.windows(2) {
            let nodes = &mut nodes[pair[0] as usize..pair[1] as usize];
            sorted.clear();
            sorted.extend(nodes.iter().map(|&node| (place(servers[node.rank()].seed, node.number()), node)));
            sorted.sort_unstable_by_key(|&(place, node)| (place, node.0));
            nodes.iter_mut().zip(&sorted).for_each(|(node, (_, other))| *node = *other);
        }
        Self { servers, nodes: nodes.into(), buckets }
    }

    /// Whether it has all nodes of these servers, so that who else is in it can be passed over.
    pub fn covers(&self, servers: &[Placed]) -> bool {
        let mut own = self.servers.iter();
        servers.iter().all(|wanted| {
            own.by_ref()
                .find(|own| own.index == wanted.index)
                .is_some_and(|own| own.seed == wanted.seed && own.weight >= wanted.weight)
        })
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The servers that a key belongs to, the nearest first, then on around the ring; a server comes as often as it has
    /// nodes there. `nodes` says how many nodes of a server count now.
    pub fn from(&self, hash: u32, nodes: &impl Fn(u32) -> u32) -> impl Iterator<Item = u32> {
        let start = self.nearest(hash, nodes);
        let around = start.into_iter().flat_map(|start| self.around(start));
        around.filter(|&at| self.counts(at, nodes)).map(|at| self.servers[self.nodes[at].rank()].index)
    }

    /// The node that is nearest, of those that count.
    fn nearest(&self, hash: u32, nodes: &impl Fn(u32) -> u32) -> Option<usize> {
        let from = self.at_or_behind(hash);
        let next = self.around(from).find(|&at| self.counts(at, nodes))?;
        let previous = self.around(from).rev().find(|&at| self.counts(at, nodes))?;
        let before = hash.wrapping_sub(self.place(previous));
        let behind = self.place(next).wrapping_sub(hash);
        Some(if before <= behind { previous } else { next })
    }

    /// The first node that stands at a place or behind it; where there is none the ring begins anew.
    fn at_or_behind(&self, place: u32) -> usize {
        let bucket = bucket(place, self.buckets.len().saturating_sub(1));
        let start = self.buckets.get(bucket).map_or(0, |&start| start as usize);
        let behind = self.nodes[start..].iter().position(|&node| {
            let server = self.servers[node.rank()];
            self::place(server.seed, node.number()) >= place
        });
        behind.map_or(0, |behind| start + behind)
    }

    /// All nodes from one on.
    fn around(&self, start: usize) -> impl DoubleEndedIterator<Item = usize> + use<> {
        (start..self.nodes.len()).chain(0..start)
    }

    fn place(&self, at: usize) -> u32 {
        let node = self.nodes[at];
        place(self.servers[node.rank()].seed, node.number())
    }

    fn counts(&self, at: usize, nodes: &impl Fn(u32) -> u32) -> bool {
        let node = self.nodes[at];
        node.number() < nodes(self.servers[node.rank()].index)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn placed(weights: &[u32]) -> Vec<Placed> {
        let seed = |id: u32| id * 4096;
        weights.iter().zip(0..).map(|(&weight, i)| Placed { index: i, weight, seed: seed(i + 1) }).collect()
    }

    /// The same without buckets: all nodes in a list.
    fn by_looking_at_all(servers: &[Placed], hash: u32) -> Option<u32> {
        let mut nodes: Vec<(u32, u32)> = servers
            .iter()
            .flat_map(|s| (0..s.weight * SCALE).map(|number| (place(s.seed, number), s.index)))
            .collect();
        nodes.sort_by_key(|node| node.0);
        let next = nodes.iter().position(|node| node.0 >= hash).unwrap_or(0);
        let before = nodes.get((next + nodes.len()).checked_sub(1)? % nodes.len())?;
        let next = nodes.get(next)?;
        let near = hash.wrapping_sub(before.0) <= next.0.wrapping_sub(hash);
        Some(if near { before.1 } else { next.1 })
    }

    #[test]
    fn who_is_passed_over_might_as_well_not_be_there() {
        let servers = placed(&[3, 1, 100, 7]);
        let ring = Ring::build(&servers);
        let without: Vec<Placed> = servers.iter().copied().filter(|s| s.index != 2).collect();
        let lighter: Vec<Placed> = servers.iter().map(|s| Placed { weight: s.weight.min(5), ..*s }).collect();
        for hash in (0..20_000).map(avalanche) {
            let found = ring.from(hash, &|index| if index == 2 { 0 } else { 4096 }).next();
            assert_eq!(found, by_looking_at_all(&without, hash));
            let found = ring.from(hash, &|index| servers[index as usize].weight.min(5) * SCALE).next();
            assert_eq!(found, by_looking_at_all(&lighter, hash));
        }
        assert_eq!(ring.from(1, &|_| 0).next(), None);
        assert_eq!(Ring::build(&[]).from(1, &|_| 4096).next(), None);
    }

    #[test]
    fn what_is_covered() {
        let servers = placed(&[3, 1, 9]);
        let ring = Ring::build(&servers);
        assert!(ring.covers(&servers) && ring.covers(&servers[1..]) && ring.covers(&[]));
        assert!(ring.covers(&[Placed { weight: 2, ..servers[0] }]));
        assert!(!ring.covers(&[Placed { weight: 4, ..servers[0] }]));
        assert!(!ring.covers(&[Placed { seed: 1, ..servers[0] }]));
        assert!(!Ring::build(&servers[1..]).covers(&servers));
        assert_eq!(ring.len(), 13 * 16);
    }

    #[test]
    fn a_server_that_goes_takes_its_share_alone() {
        let servers = placed(&[10; 20]);
        let ring = Ring::build(&servers);
        let mut moved = 0;
        for hash in (0..50_000).map(avalanche) {
            let before = ring.from(hash, &|_| 4096).next().unwrap();
            let after = ring.from(hash, &|index| if index == 3 { 0 } else { 4096 }).next().unwrap();
            assert!(before == after || before == 3, "a key of {before} moved to {after}");
            moved += u32::from(before == 3);
        }
        assert!((1500..3500).contains(&moved), "{moved} of 50,000");
    }

    proptest! {
        #[test]
        fn the_nearest_node_is_found(
            weights in proptest::collection::vec(0_u32..30, 1..12),
            hashes in proptest::collection::vec(any::<u32>(), 1..50),
        ) {
            let servers = placed(&weights);
            let ring = Ring::build(&servers);
            let edges = servers.iter().flat_map(|s| [-1, 0, 1].map(|d| place(s.seed, 0).wrapping_add_signed(d)));
            for hash in hashes.iter().copied().chain([0, u32::MAX]).chain(edges) {
                prop_assert_eq!(ring.from(hash, &|_| 4096).next(), by_looking_at_all(&servers, hash));
            }
        }
    }
}
