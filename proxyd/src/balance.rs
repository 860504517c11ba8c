//! Which server is next.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::config::Algorithm;
use crate::model::backend::Backend;
use crate::model::lineup::Lineup;
use crate::model::server::Server;

/// Above so many servers `least_conn` compares a sample instead of all.
const SCAN_ALL: usize = 64;
/// Servers it compares then.
const SAMPLE: usize = 8;

/// A small generator of random numbers for choices that need no secrecy (xorshift64*).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        ((high * n as u64) >> 32) as usize
    }
}

/// What a pick came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Picked {
    /// The index of a server; room on it was taken.
    Server(u32),
    /// There are servers, and none of them has room.
    Full,
    Nobody,
}

/// Room on the server for a new request: none of `tried`, an active one before a backup.
pub fn pick(backend: &Backend, tried: &[u32], random: &mut Random) -> Picked {
    let lineup = backend.lineup();
    let servers = &backend.servers;
    // The lineup may be a moment older than the state word.
    let usable = |index: u32| servers[index as usize].takes_new() && tried.iter().all(|&it| it != index);
    let active = match backend.balance {
        Algorithm::RoundRobin => round_robin(backend, &lineup, usable),
        Algorithm::LeastConn => least_conn(backend, &lineup.active, usable, random),
    };
    // Backups step in when no active server is left, not when the active ones were tried.
    if active != Picked::Nobody || lineup.active.iter().any(|&i| servers[i as usize].takes_new()) {
        return active;
    }
    match lineup.backup.iter().copied().find(|&i| usable(i)) {
        Some(index) if backend.enter(index) => Picked::Server(index),
        Some(_) => Picked::Full,
        None => Picked::Nobody,
    }
}

fn round_robin(backend: &Backend, lineup: &Lineup, usable: impl Fn(u32) -> bool) -> Picked {
    let turn = lineup.order.len();
    let mut picked = Picked::Nobody;
    for _ in 0..turn {
        let index = lineup.order[backend.live.cursor.fetch_add(1, Relaxed) % turn];
        if usable(index) {
            if backend.enter(index) {
                return Picked::Server(index);
            }
            picked = Picked::Full;
        }
    }
    picked
}

/// Times another server is looked for when the one found was filled by another worker meanwhile.
const AGAIN: usize = 3;

/// The fewest requests for its weight; which of equals is left to chance.
fn least_conn(
    backend: &Backend,
    active: &[u32],
    usable: impl Fn(u32) -> bool,
    random: &mut Random,
) -> Picked {
    let free = |index: u32| usable(index) && backend.has_room(index);
    for _ in 0..AGAIN {
        let mut lightest = Lightest::default();
        if active.len() <= SCAN_ALL {
            active.iter().copied().filter(|&i| free(i)).for_each(|i| lightest.compare(i, &backend.servers));
        } else {
            let drawn = std::iter::repeat_with(|| active[random.below(active.len())]).take(SAMPLE);
            drawn.filter(|&i| free(i)).for_each(|i| lightest.compare(i, &backend.servers));
        }
        let found = lightest.any(random).or_else(|| {
            // A sample may hold nobody who is free.
            let (before, from) = active.split_at(random.below(active.len()));
            from.iter().chain(before).copied().find(|&i| free(i))
        });
        match found {
            Some(index) if backend.enter(index) => return Picked::Server(index),
            Some(_) => {}
            None => break,
        }
    }
    if active.iter().any(|&i| usable(i)) { Picked::Full } else { Picked::Nobody }
}

/// The servers with the least load for their weight of those compared so far.
struct Lightest {
    equals: [u32; SCAN_ALL],
    count: usize,
    load: u64,
    weight: u64,
}

impl Default for Lightest {
    fn default() -> Self {
        // More than any server can have.
        Self { equals: [0; SCAN_ALL], count: 0, load: u64::from(u32::MAX) + 2, weight: 1 }
    }
}

impl Lightest {
    #[inline]
    fn compare(&mut self, index: u32, servers: &[Arc<Server>]) {
        let server = &servers[index as usize];
        let (load, weight) = (u64::from(server.served.load(Relaxed)) + 1, u64::from(server.weight().max(1)));
        // Fractions, compared without dividing.
        let (this, least) = (load * self.weight, self.load * weight);
        if this > least {
            return;
        }
        if this < least {
            (self.count, self.load, self.weight) = (0, load, weight);
        }
        self.equals[self.count] = index;
        self.count += 1;
    }

    /// Any of them, so that none is favoured for where it stands.
    fn any(&self, random: &mut Random) -> Option<u32> {
        match self.count {
            0 => None,
            1 => Some(self.equals[0]),
            count => Some(self.equals[random.below(count)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{self, Config, Global, Limits, Mode, Retries, ServerAddress, ServerTimeouts};
    use crate::model::snapshot::{Site, Snapshot};

    fn backend(balance: Algorithm, servers: &[(u32, bool)]) -> Arc<Backend> {
        let servers = servers.iter().enumerate().map(|(i, &(weight, backup))| config::Server {
            name: format!("s{i}"),
            address: ServerAddress::Literal("127.0.0.1:1".parse().unwrap()),
            weight,
            backup,
            limits: Limits::default(),
            uplink: config::Uplink::default(),
        });
        let s = Duration::from_secs(1);
        let config = Config {
            global: Global::default(),
            frontends: Vec::new(),
            backends: vec![config::Backend {
                pages: Vec::new(),
                abort_on_close: false,
                name: "b".into(),
                mode: Mode::Http,
                balance,
                check: None,
                servers: servers.collect(),
                fullconn: None,
                timeouts: ServerTimeouts { connect: s, queue: s, server: s, server_fin: None, tunnel: s },
                retries: Retries::default(),
            }],
        };
        let resolve = |_: &str, _| Err(std::io::ErrorKind::NotFound.into());
        let site = Site { workers: 1, maxconn: 100, now_ms: 1, resolve: &resolve };
        Arc::clone(&Snapshot::build(&config, None, site).unwrap().backends[0])
    }

    fn picks(backend: &Backend, n: usize, tried: &[u32]) -> Vec<Option<u32>> {
        let mut random = Random::new(7);
        let mut one = || match pick(backend, tried, &mut random) {
            Picked::Server(index) => {
                backend.leave(index);
                Some(index)
            }
            Picked::Full | Picked::Nobody => None,
        };
        (0..n).map(|_| one()).collect()
    }

    #[test]
    fn round_robin_is_exact() {
        let backend = backend(Algorithm::RoundRobin, &[(100, false), (50, false), (1, true)]);
        let picked = picks(&backend, 300, &[]);
        assert_eq!(picked.iter().filter(|&&p| p == Some(0)).count(), 200);
        assert_eq!(picked.iter().filter(|&&p| p == Some(1)).count(), 100);
    }

    #[test]
    fn what_was_tried_is_left_out_and_backups_stay_back() {
        let backend = backend(Algorithm::RoundRobin, &[(1, false), (1, false), (1, true)]);
        assert!(picks(&backend, 20, &[0]).iter().all(|&p| p == Some(1)));
        assert_eq!(picks(&backend, 1, &[0, 1]), [None]);
    }

    #[test]
    fn backups_step_in_and_weight_zero_is_nobody() {
        let backend = backend(Algorithm::LeastConn, &[(0, false), (1, true), (1, true)]);
        assert_eq!(picks(&backend, 2, &[]), [Some(1), Some(1)]);
        assert_eq!(picks(&backend, 1, &[1]), [Some(2)]);
    }

    #[test]
    fn least_conn_weighs_load() {
        let two = backend(Algorithm::LeastConn, &[(100, false), (50, false)]);
        two.servers[0].served.store(3, Relaxed);
        two.servers[1].served.store(1, Relaxed);
        // 4/100 and 2/50 are equal; one less on either decides.
        two.servers[0].served.store(2, Relaxed);
        assert_eq!(picks(&two, 1, &[]), [Some(0)]);
        two.servers[0].served.store(4, Relaxed);
        assert_eq!(picks(&two, 1, &[]), [Some(1)]);
        let many = backend(Algorithm::LeastConn, &[(1, false); 200]);
        many.servers.iter().for_each(|s| s.served.store(5, Relaxed));
        assert!(picks(&many, 50, &[]).iter().all(Option::is_some));
    }

    #[test]
    fn least_conn_favours_nobody_among_equals() {
        let six = backend(Algorithm::LeastConn, &[(1, false); 6]);
        six.servers[2].served.store(9, Relaxed);
        let picked = picks(&six, 5000, &[]);
        for index in [0, 1, 3, 4, 5] {
            let times = picked.iter().filter(|&&p| p == Some(index)).count();
            assert!((800..1200).contains(&times), "{index}: {times}");
        }
    }

    #[test]
    fn a_full_server_is_passed_over() {
        for algorithm in [Algorithm::RoundRobin, Algorithm::LeastConn] {
            let backend = backend(algorithm, &[(1, false), (1, false), (1, true)]);
            backend.servers.iter().for_each(|s| s.set_maxconn(2));
            let mut random = Random::new(7);
            let mut one = || pick(&backend, &[], &mut random);
            let mut picked = [one(), one(), one(), one()];
            picked.sort_by_key(|p| format!("{p:?}"));
            assert_eq!(picked, [0, 0, 1, 1].map(Picked::Server));
            // The backup stays back: the active ones are busy, not away.
            assert_eq!(one(), Picked::Full);
            backend.leave(1);
            assert_eq!(one(), Picked::Server(1));
        }
    }
}
