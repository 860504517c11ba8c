//! Where keys belong: what algorithms that hash look a server up in.
//!
//! A [`map`] has a place for each unit of weight and is built of the servers that can be picked. A [`ring`] and a
//! [`maglev`] table are built of all servers that have a weight; who cannot be picked is passed over when a key is
//! looked up, which comes to the same as building them without it.

pub mod maglev;
pub mod map;
pub mod ring;

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use proto::addr::Address;
use xxhash_rust::xxh32::xxh32;

use self::maglev::Maglev;
use self::map::Map;
use self::ring::Ring;
use super::lineup::gcd;
use super::server::Server;
use crate::config::{Hash, HashKind, ServerKey};
use crate::hash::avalanche;

/// What a group of servers is looked up in.
#[derive(Debug, Eq, PartialEq)]
pub struct Placement {
    pub table: Table,
    /// What each may carry, where loads are bounded.
    pub shares: Option<Shares>,
}

/// By the kind of hashing.
#[derive(Debug, Eq, PartialEq)]
pub enum Table {
    Map(Map),
    Ring(Arc<Ring>),
    Maglev(Arc<Maglev>),
}

/// What servers may carry of all that is carried (Mirrokni and others, 2016; HAProxy's `hash-balance-factor`).
#[derive(Debug, Eq, PartialEq)]
pub struct Shares {
    /// Percent of its share.
    factor: u32,
    /// Of each server of the backend, its units and those of all before it.
    units: Box<[(u32, u32)]>,
    total: u32,
}

/// A server as it is placed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Placed {
    /// In the backend's list.
    pub index: u32,
    pub weight: u32,
    /// What its places follow from.
    pub seed: u32,
}

/// One node in so many at least is of a server that can be picked, or the ring is made of such alone.
const MOST_PASSED_OVER: usize = 32;

impl Placement {
    /// Where keys belong among `members`, which can be picked, of the `group` of all that are backups or are not.
    pub fn build(
        hash: &Hash,
        servers: &[Arc<Server>],
        group: &[u32],
        members: &[u32],
        before: Option<&Self>,
    ) -> Self {
        let all = placed(hash.hash_key, servers, group);
        let mut wanted = members.iter().peekable();
        let usable: Vec<Placed> =
            all.iter().copied().filter(|placed| wanted.next_if_eq(&&placed.index).is_some()).collect();
        let table = match hash.kind {
            HashKind::MapBased => {
                let configured = servers.iter().map(|server| server.initial_weight);
                Table::Map(Map::build(&usable, configured.fold(0, gcd)))
            }
            HashKind::Consistent => {
                let nodes =
                    |servers: &[Placed]| servers.iter().map(|s| (s.weight * ring::SCALE) as usize).sum();
                let enough = |of: usize| nodes(&usable) * MOST_PASSED_OVER >= of;
                match before.map(|before| &before.table) {
                    Some(Table::Ring(ring)) if ring.covers(&usable) && enough(ring.len()) => {
                        Table::Ring(Arc::clone(ring))
                    }
                    _ => {
                        let of = if enough(nodes(&all)) { all } else { usable.clone() };
                        Table::Ring(Arc::new(Ring::build(&of)))
                    }
                }
            }
            HashKind::Maglev => match before.map(|before| &before.table) {
                Some(Table::Maglev(table)) if table.is_of(&all) => Table::Maglev(Arc::clone(table)),
                _ => Table::Maglev(Arc::new(Maglev::build(&all))),
            },
        };
        let units = members.iter().map(|&index| (index, servers[index as usize].share()));
        let shares = hash.balance_factor.map(|factor| Shares::new(factor, servers.len(), units));
        Self { table, shares }
    }
}

impl Shares {
    /// Of servers by their index, with their units.
    fn new(factor: u32, servers: usize, usable: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut units = vec![(0, 0); servers];
        let mut total = 0;
        for (index, own) in usable {
            units[index as usize] = (own, total);
            total += own;
        }
        Self { factor, units: units.into(), total }
    }

    /// How many requests a server may carry when one more comes to those that all carry: its share of them, rounded so
    /// that together they may carry them all, and one at least.
    pub fn of(&self, index: u32, carried: u32) -> u32 {
        let (own, before) =
            self.units.get(index as usize).map_or((0, 0), |&(own, before)| (own.into(), before.into()));
        let total = u64::from(self.total).max(1);
        let places = ((u64::from(carried) + 1) * u64::from(self.factor)).div_ceil(100);
        let (each, rest): (u64, u64) = (places / total, places % total);
        let places = own * each + (before + own) * rest / total - before * rest / total;
        u32::try_from(places.max(1)).unwrap_or(u32::MAX)
    }
}

/// The servers of a group as they are placed, in their order. What they are known by may be the same for some, as when a
/// command gives two one address: then the later ones have places that follow from their ids as well, or they would have
/// no keys.
fn placed(by: ServerKey, servers: &[Arc<Server>], group: &[u32]) -> Vec<Placed> {
    let mut taken = HashSet::new();
    let place = |&index: &u32| {
        let server = &servers[index as usize];
        let mut seed = seed(by, server.id, &server.name, &server.address());
        // Ids differ by themselves. An odd step comes to all numbers in the end.
        while by != ServerKey::Id && !taken.insert(seed) {
            seed = seed.wrapping_add(avalanche(server.id) | 1);
        }
        Placed { index, weight: server.weight(), seed }
    };
    group.iter().map(place).collect()
}

/// Units of a ring that HAProxy numbers a server by: as many as it can have nodes.
const RANGE: u32 = 256 * ring::SCALE;

/// What a server's places follow from, HAProxy's to the bit. What has no IP address is known by its id.
pub fn seed(by: ServerKey, id: u32, name: &str, address: &Address) -> u32 {
    let of_ip = |ip, key: u32| match ip {
        // As it lies in the memory of a little-endian machine.
        IpAddr::V4(v4) => avalanche(key.wrapping_add(u32::from_le_bytes(v4.octets()))),
        IpAddr::V6(v6) => xxh32(&v6.octets(), key),
    };
    match (by, address) {
        (ServerKey::Name, _) => xxh32(name.as_bytes(), 0),
        (ServerKey::Address, Address::Ip(socket)) => of_ip(socket.ip(), 0),
        (ServerKey::AddressAndPort, Address::Ip(socket)) => {
            of_ip(socket.ip(), avalanche(socket.port().into()))
        }
        (ServerKey::Id | ServerKey::Address | ServerKey::AddressAndPort, _) => id.wrapping_mul(RANGE),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_hashed_as_haproxy_does() {
        let address = |text: &str| text.parse::<Address>().unwrap();
        let seed = |by, text: &str| seed(by, 3, "app", &address(text));
        assert_eq!(seed(ServerKey::Id, "127.0.0.1:80"), 3 * 4096);
        assert_eq!(seed(ServerKey::Address, "127.0.0.1:80"), avalanche(0x0100_007f));
        assert_eq!(
            seed(ServerKey::AddressAndPort, "127.0.0.1:80"),
            avalanche(avalanche(80).wrapping_add(0x0100_007f))
        );
        assert_ne!(seed(ServerKey::AddressAndPort, "[::1]:80"), seed(ServerKey::AddressAndPort, "[::1]:81"));
        assert_eq!(seed(ServerKey::Address, "unix@/run/app"), 3 * 4096);
    }

    proptest! {
        /// HAProxy's `chash_server_is_eligible` in its own numbers.
        #[test]
        fn shares_are_haproxys_and_enough(
            weights in proptest::collection::vec(1_u32..=256, 1..20),
            carried in 0_u32..100_000,
            factor in 101_u32..400,
        ) {
            let units = (0..).zip(&weights).map(|(index, weight)| (index, weight * 16));
            let shares = Shares::new(factor, weights.len(), units);
            let all: u32 = (0..weights.len() as u32).map(|index| shares.of(index, carried)).sum();
            prop_assert!(all > carried, "somebody has room");
            let total: u64 = weights.iter().map(|&w| u64::from(w) * 16).sum();
            for (&weight, index) in weights.iter().zip(0..) {
                let fair = u64::from(carried + 1) * u64::from(factor) * u64::from(weight) * 16 / total / 100;
                prop_assert!(u64::from(shares.of(index, carried)).abs_diff(fair) <= 2);
            }
        }
    }
}
