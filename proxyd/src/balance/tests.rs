use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
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
        cookie: None,
        uplink: config::Uplink::default(),
        verdict: config::Verdict::default(),
    });
    let s = Duration::from_secs(1);
    let config = Config {
        global: Global::default(),
        tables: Vec::new(),
        frontends: Vec::new(),
        backends: vec![config::Backend {
            pages: Vec::new(),
            abort_on_close: false,
            persistence: None,
            persist: config::Persist::default(),
            panic: None,
            eject: None,
            name: "b".into(),
            mode: Mode::Http,
            balance,
            backups: Backups::First,
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
    let mut one = || match pick(backend, &Ask { tried }, &mut random) {
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
        let mut one = || pick(&backend, &Ask::default(), &mut random);
        let mut picked = [one(), one(), one(), one()];
        picked.sort_by_key(|p| format!("{p:?}"));
        assert_eq!(picked, [0, 0, 1, 1].map(Picked::Server));
        // The backup stays back: the active ones are busy, not away.
        assert_eq!(one(), Picked::Full);
        backend.leave(1);
        assert_eq!(one(), Picked::Server(1));
    }
}
