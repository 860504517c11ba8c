//! Connections of each client's address, where a frontend bounds them.
//!
//! Asked once a connection, never on a request's way; an address is held only while it has connections.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_utils::CachePadded;

/// So many threads can count different addresses at once.
const SHARDS: usize = 16;

/// The addresses that have connections.
#[derive(Debug, Default)]
pub struct Sources {
    /// Who connects chooses the addresses, so the hash has a secret.
    secret: RandomState,
    shards: [CachePadded<Mutex<HashMap<IpAddr, u32>>>; SHARDS],
}

/// One connection, counted for as long as it lives.
#[derive(Debug)]
pub struct Counted {
    sources: Arc<Sources>,
    source: IpAddr,
}

impl Sources {
    /// Counts one more of a client's, if that is within `limit`.
    pub fn enter(self: &Arc<Self>, client: IpAddr, limit: u32) -> Option<Counted> {
        let source = source(client);
        let mut shard = self.shard(source).lock().unwrap_or_else(PoisonError::into_inner);
        let count = shard.entry(source).or_insert(0);
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Counted { sources: Arc::clone(self), source })
    }

    fn shard(&self, source: IpAddr) -> &Mutex<HashMap<IpAddr, u32>> {
        &self.shards[self.secret.hash_one(source) as usize % SHARDS]
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut shard = self.sources.shard(self.source).lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = shard.entry(self.source) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Who has one address of IPv6 has 2^64 of them: the network of /64 counts as one.
fn source(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_has_its_own_bound() {
        let sources = Arc::new(Sources::default());
        let enter = |client: &str| sources.enter(client.parse().unwrap(), 2);
        let first = enter("10.0.0.1").unwrap();
        let _second = enter("::ffff:10.0.0.1").unwrap();
        assert!(enter("10.0.0.1").is_none());
        let _other = enter("10.0.0.2").unwrap();
        drop(first);
        let third = enter("10.0.0.1").unwrap();
        let (_one, _two) = (enter("2001:db8::1").unwrap(), enter("2001:db8::2").unwrap());
        assert!(enter("2001:db8::3").is_none());
        assert!(enter("2001:db8:0:1::3").is_some());
        drop(third);
    }

    #[test]
    fn who_has_no_connection_is_forgotten() {
        let sources = Arc::new(Sources::default());
        let held: Vec<_> = (0..100_u32).map(|n| sources.enter(IpAddr::V4(n.into()), 1).unwrap()).collect();
        drop(held);
        assert!(sources.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }
}
