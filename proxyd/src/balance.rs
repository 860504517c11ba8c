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

/// The index of the server for a new request: none of `tried`, an active one before a backup.
pub fn pick(backend: &Backend, tried: &[u32], random: &mut Random) -> Option<u32> {
    let lineup = backend.lineup();
    let servers = &backend.servers;
    // The lineup may be a moment older than the state word.
    let usable = |index: u32| servers[index as usize].takes_new() && tried.iter().all(|&it| it != index);
    let active = match backend.balance {
        Algorithm::RoundRobin => round_robin(backend, &lineup, usable),
        Algorithm::LeastConn => least_conn(servers, &lineup.active, usable, random),
    };
    // Backups step in when no active server is left, not when the active ones were tried.
    let any_active = || lineup.active.iter().any(|&i| servers[i as usize].takes_new());
    active.or_else(|| if any_active() { None } else { lineup.backup.iter().copied().find(|&i| usable(i)) })
}

fn round_robin(backend: &Backend, lineup: &Lineup, usable: impl Fn(u32) -> bool) -> Option<u32> {
    let turn = lineup.order.len();
    (0..turn)
        .map(|_| lineup.order[backend.live.cursor.fetch_add(1, Relaxed) % turn])
        .find(|&index| usable(index))
}

/// The fewest requests for its weight; equals take turns from a random start.
fn least_conn(
    servers: &[Arc<Server>],
    active: &[u32],
    usable: impl Fn(u32) -> bool,
    random: &mut Random,
) -> Option<u32> {
    let mut lightest = Lightest { index: None, load: u64::from(u32::MAX) + 2, weight: 1 };
    if active.len() > SCAN_ALL {
        for _ in 0..SAMPLE {
            let index = active[random.below(active.len())];
            if usable(index) {
                lightest.consider(index, &servers[index as usize]);
            }
        }
        if lightest.index.is_some() {
            return lightest.index;
        }
    }
    // Few servers, or a sample of which none was usable: all of them.
    let (before, from) = active.split_at(random.below(active.len()));
    for half in [from, before] {
        for &index in half {
            if usable(index) {
                lightest.consider(index, &servers[index as usize]);
            }
        }
    }
    lightest.index
}

/// The server with the lightest load so far.
struct Lightest {
    index: Option<u32>,
    load: u64,
    weight: u64,
}

impl Lightest {
    #[inline]
    fn consider(&mut self, index: u32, server: &Server) {
        let (load, weight) = (u64::from(server.served.load(Relaxed)) + 1, u64::from(server.weight().max(1)));
        // Fractions, compared without dividing: the first of equals stays.
        if load * self.weight < self.load * weight {
            *self = Self { index: Some(index), load, weight };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{self, Config, Global, Mode, Retries, ServerAddress, ServerTimeouts};
    use crate::model::snapshot::{Site, Snapshot};

    fn backend(balance: Algorithm, servers: &[(u32, bool)]) -> Arc<Backend> {
        let servers = servers.iter().enumerate().map(|(i, &(weight, backup))| config::Server {
            name: format!("s{i}"),
            address: ServerAddress::Literal("127.0.0.1:1".parse().unwrap()),
            weight,
            backup,
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
                timeouts: ServerTimeouts { connect: s, server: s, server_fin: None },
                retries: Retries { max: 3, conn_failure: true, empty_response: true, budget_percent: 20 },
            }],
        };
        let resolve = |_: &str, _| Err(std::io::ErrorKind::NotFound.into());
        let site = Site { workers: 1, now_ms: 1, resolve: &resolve };
        Arc::clone(&Snapshot::build(&config, None, site).unwrap().backends[0])
    }

    fn picks(backend: &Backend, n: usize, tried: &[u32]) -> Vec<Option<u32>> {
        let mut random = Random::new(7);
        (0..n).map(|_| pick(backend, tried, &mut random)).collect()
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
}
