use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use proptest::prelude::*;

use super::super::{Random, key, pick};
use super::*;
use crate::config::source::Memory;
use crate::config::{self, Algorithm};
use crate::model::change::Cause;
use crate::model::shared::Shared;
use crate::model::snapshot::{Site, Snapshot};
use crate::model::state::Event;
use crate::model::testing::shared_of;
use crate::sample::testing::From;
use crate::sample::{Facts, Request};

fn config(balance: &str, servers: &str) -> config::Config {
    let text = format!(
        "(frontends: [(name: \"web\", bind: [\"127.0.0.1:0\"], default_backend: \"app\")],
          backends: [(name: \"app\", balance: {balance}, backups: all, servers: [{servers}])])"
    );
    let source = Memory::default().with("a.ron", text);
    config::load(&source, &["a.ron".into()]).unwrap_or_else(|report| panic!("{balance}: {report:?}")).config
}

fn backend(balance: &str, servers: &str) -> Arc<Backend> {
    let resolve = |_: &str, _| Err(std::io::ErrorKind::NotFound.into());
    let site = Site { workers: 1, maxconn: 100, now_ms: 1, resolve: &resolve };
    Arc::clone(&Snapshot::build(&config(balance, servers), None, site).unwrap().backends[0])
}

/// So many servers of weight 1.
fn servers(count: usize, more: &str) -> String {
    let one = |n| format!("(name: \"s{n}\", address: \"127.0.0.1:{}\", weight: 1{more})", n + 1);
    (0..count).map(one).collect::<Vec<_>>().join(", ")
}

fn picked(backend: &Backend, key: u32, tried: &[u32]) -> Picked {
    pick(backend, &Ask { tried, key: Some(key), ..Ask::default() }, &mut Random::new(7))
}

/// The server of a key, which is left again.
fn server(backend: &Backend, key: u32, tried: &[u32]) -> Option<u32> {
    let Picked::Server(index) = picked(backend, key, tried) else { return None };
    backend.leave(index);
    Some(index)
}

/// Of a heavy server that is down hardly a place of the table is anybody's who is left.
#[tokio::test(start_paused = true)]
async fn who_goes_moves_no_other_keys_where_few_are_left() {
    let light = servers(6, "");
    let heavy = "(name: \"heavy\", address: \"127.0.0.1:9\", weight: 256)";
    let shared = shared_of(&config("source(kind: maglev)", &format!("{light}, {heavy}")));
    let app = Arc::clone(&shared.snapshot().backends[0]);
    shared.server_event(&app, app.server("heavy").unwrap(), Event::Maint, BY);
    let homes = || (0..1000).map(|key| server(&app, avalanche(key), &[]).unwrap()).collect::<Vec<_>>();
    let before = homes();
    assert!((0..6).all(|index| before.iter().filter(|home| **home == index).count() > 100));
    shared.server_event(&app, &app.servers[2], Event::Maint, BY);
    for (before, after) in before.into_iter().zip(homes()) {
        assert!(before == after || before == 2 && after != 2, "{before} {after}");
    }
}

/// Lets a lineup be prepared that knows all changes.
async fn pass(shared: &Shared) {
    tokio::time::advance(Duration::from_mins(1)).await;
    shared.tend();
}

const BY: Cause<'_> = Cause::Command { by: "test", line: "" };
const KINDS: [&str; 3] = ["map_based", "consistent", "maglev"];

/// What `tests/peers/placement.py` recorded: a case's algorithm and servers, and where HAProxy placed keys.
#[test]
fn keys_are_where_haproxy_has_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/placement");
    let mut keys = 0;
    for file in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for case in text.split("\n\n").filter(|case| case.starts_with("case ")) {
            let with = |word: &'static str| case.lines().filter_map(move |line| line.strip_prefix(word));
            let servers: Vec<String> = with("server ")
                .map(|server| {
                    let words: Vec<&str> = server.split(' ').collect();
                    format!("(name: \"{}\", address: \"{}\", weight: {})", words[0], words[1], words[2])
                })
                .collect();
            let config = config(with("balance ").next().unwrap(), &servers.join(", "));
            let shared = shared_of(&config);
            let backend = Arc::clone(shared.snapshot().backend("app").unwrap());
            for down in with("down ") {
                let event = Event::Maint;
                shared.server_event(&backend, backend.server(down).unwrap(), event, BY);
            }
            let Algorithm::Hash(hash) = &backend.balance else { panic!("{case}") };
            for key in with("key ") {
                let words: Vec<&str> = key.splitn(3, ' ').collect();
                let (expected, target, field) = (words[0], words[1], words.get(2).copied().unwrap_or("A: b"));
                let from =
                    field.strip_prefix("PROXY ").and_then(|words| words.split(' ').nth(1)?.parse().ok());
                let client = From(from.map(|ip| SocketAddr::new(ip, 1)));
                let field = if from.is_some() { "A: b" } else { field };
                let head = format!("GET {target} HTTP/1.1\r\nHost: peers\r\n{field}\r\n\r\n");
                let request = Some(Request { head: head.as_bytes(), scheme: None });
                let number = key::of(hash, &Facts { request, ..Facts::of_connection(&client) }).unwrap();
                let index = server(&backend, number, &[]).unwrap();
                assert_eq!(&*backend.servers[index as usize].name, expected, "{key} of {case}");
                keys += 1;
            }
        }
    }
    assert!(keys > 1000, "only {keys} keys were recorded");
}

#[test]
fn a_key_has_one_server_until_that_was_tried() {
    for kind in KINDS {
        let backend = backend(&format!("uri(kind: {kind})"), &servers(7, ""));
        for key in (0..500).map(avalanche) {
            let first = server(&backend, key, &[]).unwrap();
            assert!((0..3).all(|_| server(&backend, key, &[]) == Some(first)), "{kind}");
            let second = server(&backend, key, &[first]).unwrap();
            assert_ne!(second, first);
            assert!(
                !matches!(server(&backend, key, &[first, second]), Some(it) if it == first || it == second)
            );
        }
        assert_eq!(picked(&backend, 1, &[0, 1, 2, 3, 4, 5, 6]), Picked::Nobody);
    }
}

/// What is expected of many keys, and how far off four standard deviations are. On a ring a server's share is that of
/// its nodes, of which it has sixteen for each unit of its weight, wherever they fall.
#[test]
fn keys_are_shared_by_weight() {
    const SITES: usize = 25;
    const KEYS: u32 = 2000;
    let all = SITES as f64 * f64::from(KEYS);
    for kind in KINDS {
        for weights in
            [&[100, 100, 100][..], &[100, 50], &[7, 5, 3, 2], &[256, 1], &[1, 2, 3, 4, 5], &[13, 0, 29]]
        {
            let mut counts = vec![0_u32; weights.len()];
            for site in 0..SITES {
                let one = |(n, weight): (usize, &u32)| {
                    let port = 1 + site * weights.len() + n;
                    format!("(name: \"s{n}\", address: \"127.0.0.1:{port}\", weight: {weight})")
                };
                let servers: Vec<String> = weights.iter().enumerate().map(one).collect();
                let by = if kind == "consistent" { ", hash_key: addr_port" } else { "" };
                let backend = backend(&format!("uri(kind: {kind}{by})"), &servers.join(", "));
                for key in 0..KEYS {
                    let key = avalanche(key + site as u32 * KEYS);
                    counts[server(&backend, key, &[]).unwrap() as usize] += 1;
                }
            }
            let sum: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
            for (&count, &weight) in counts.iter().zip(weights).filter(|(_, weight)| **weight > 0) {
                let share = f64::from(weight) / sum;
                let nodes = if kind == "consistent" {
                    share * share * (1.0 - share) / f64::from(16 * weight) / SITES as f64
                } else {
                    0.0
                };
                let off = (f64::from(count) / all - share).abs();
                let most = 4.0 * (share * (1.0 - share) / all + nodes).sqrt();
                assert!(off <= most, "{kind}: {counts:?} of {weights:?}, {off:.4} off, at most {most:.4}");
            }
            let idle = counts.iter().zip(weights).filter(|(_, weight)| **weight == 0);
            assert!(idle.map(|(count, _)| count).all(|&count| count == 0), "{kind}: {counts:?}");
        }
    }
}

#[test]
fn a_full_server_is_waited_for() {
    for kind in KINDS {
        let backend = backend(&format!("source(kind: {kind})"), &servers(3, ", maxconn: 1"));
        let first = picked(&backend, 77, &[]);
        let Picked::Server(index) = first else { panic!("{first:?}") };
        assert_eq!(picked(&backend, 77, &[]), Picked::Busy(index), "{kind}");
        assert!(matches!(picked(&backend, 77, &[index]), Picked::Server(other) if other != index));
        backend.leave(index);
        assert_eq!(picked(&backend, 77, &[]), first);
    }
}

#[test]
fn what_has_no_key_goes_in_turns() {
    for kind in KINDS {
        let backend = backend(&format!("uri(kind: {kind})"), &servers(4, ""));
        let mut random = Random::new(7);
        let picks: Vec<Picked> = (0..8).map(|_| pick(&backend, &Ask::default(), &mut random)).collect();
        assert_eq!(picks[..4], picks[4..]);
        assert!((0..4).all(|index| picks.contains(&Picked::Server(index))), "{kind}: {picks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn backups_have_places_of_their_own() {
    for kind in KINDS {
        let both =
            format!("{}, (name: \"b\", address: \"127.0.0.1:99\", weight: 1, backup: true)", servers(2, ""));
        let config = config(&format!("uri(kind: {kind})"), &both);
        let shared = shared_of(&config);
        let backend = Arc::clone(shared.snapshot().backend("app").unwrap());
        assert!((0..200).map(avalanche).all(|key| server(&backend, key, &[]) != Some(2)), "{kind}");
        for index in 0..2 {
            let event = Event::Maint;
            shared.server_event(&backend, &backend.servers[index], event, BY);
        }
        pass(&shared).await;
        assert!((0..20).all(|key| server(&backend, avalanche(key), &[]) == Some(2)), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_weight_that_grows_gets_more() {
    let config = config("uri(kind: consistent)", &servers(4, ""));
    let shared = shared_of(&config);
    let backend = Arc::clone(shared.snapshot().backend("app").unwrap());
    let share = || (0..4000).map(avalanche).filter(|&key| server(&backend, key, &[]) == Some(1)).count();
    let before = share();
    shared.set_weight(&backend, &backend.servers[1], 200, BY);
    pass(&shared).await;
    assert!(share() > before * 2, "{before}, {}", share());
    shared.set_weight(&backend, &backend.servers[1], 0, BY);
    pass(&shared).await;
    assert_eq!(share(), 0);
    shared.set_weight(&backend, &backend.servers[1], 1, BY);
    pass(&shared).await;
    assert_eq!(share(), before);
}

/// A command may give two what a configuration may not.
#[tokio::test(start_paused = true)]
async fn servers_that_come_to_one_address_have_keys_all_the_same() {
    for balance in ["uri(kind: consistent, hash_key: addr_port)", "uri(kind: maglev, hash_key: addr_port)"] {
        let shared = shared_of(&config(balance, &servers(4, "")));
        let backend = Arc::clone(shared.snapshot().backend("app").unwrap());
        let homes = || -> Vec<u32> {
            (0..4000).map(avalanche).map(|key| server(&backend, key, &[]).unwrap()).collect()
        };
        let before = homes();
        for index in [2, 3] {
            let address = backend.servers[0].address().as_ref().clone();
            shared.set_address(&backend, &backend.servers[index], address, BY);
        }
        pass(&shared).await;
        let after = homes();
        for index in 0..4 {
            let share = after.iter().filter(|home| **home == index).count();
            assert!((500..1700).contains(&share), "{balance}: {share} of s{index}");
        }
        // The first has places as before, and goes on with them where the last one goes.
        let moved =
            before.iter().zip(&after).filter(|(old, new)| **old < 2 && **new < 2 && old != new).count();
        assert!(moved < 100, "{balance}: {moved}");
        shared.server_event(&backend, &backend.servers[0], Event::Maint, BY);
        pass(&shared).await;
        let without = homes();
        let others = after.iter().zip(&without).filter(|(old, new)| **old != 0 && old != new).count();
        assert_eq!(others, 0, "{balance}");
    }
}

#[tokio::test(start_paused = true)]
async fn thousands_of_servers_are_found_though_most_are_down() {
    for kind in KINDS {
        let config = config(&format!("uri(kind: {kind})"), &servers(500, ""));
        let shared = shared_of(&config);
        let backend = Arc::clone(shared.snapshot().backend("app").unwrap());
        let before: Vec<_> = (0..200).map(|key| server(&backend, avalanche(key), &[])).collect();
        let all = |event| {
            for server in &backend.servers[1..] {
                shared.server_event(&backend, server, event, BY);
            }
        };
        all(Event::Maint);
        assert!((0..20).all(|key| server(&backend, avalanche(key), &[]) == Some(0)), "{kind}, at once");
        pass(&shared).await;
        assert!((0..200).all(|key| server(&backend, avalanche(key), &[]) == Some(0)), "{kind}");
        all(Event::Ready);
        pass(&shared).await;
        let after: Vec<_> = (0..200).map(|key| server(&backend, avalanche(key), &[])).collect();
        assert_eq!(before, after, "{kind}");
    }
}

/// The one server that has room is the smallest, and far away on the ring.
#[test]
fn who_has_room_is_found_however_rarely_a_key_comes_by() {
    let big = servers(7, "").replace("weight: 1", "weight: 256");
    let small = r#"(name: "small", address: "127.0.0.2:1", weight: 1)"#;
    for kind in ["consistent", "maglev"] {
        let balance = format!(r#"uri(kind: {kind}, balance_factor: "101%")"#);
        let backend = backend(&balance, &format!("{big}, {small}"));
        backend.servers[..7].iter().for_each(|server| server.served.store(100, Relaxed));
        for key in (0..50).map(avalanche) {
            assert_eq!(server(&backend, key, &[]), Some(7), "{kind}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However few keys there are, nobody carries more than its share.
    #[test]
    fn no_load_is_above_its_bound(
        kind in proptest::sample::select(vec!["consistent", "maglev"]),
        weights in proptest::collection::vec(1_u32..20, 2..8),
        factor in 101_u32..200,
        steps in proptest::collection::vec((any::<u8>(), any::<bool>()), 1..200),
    ) {
        let servers: Vec<String> = weights
            .iter()
            .enumerate()
            .map(|(n, weight)| format!("(name: \"s{n}\", address: \"127.0.0.1:{}\", weight: {weight})", n + 1))
            .collect();
        let balance = format!("uri(kind: {kind}, balance_factor: \"{factor}%\")");
        let backend = backend(&balance, &servers.join(", "));
        let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
        let mut carried = Vec::new();
        for (step, comes) in steps {
            if comes || carried.is_empty() {
                let Picked::Server(index) = picked(&backend, avalanche(u32::from(step % 4)), &[]) else {
                    return Err(TestCaseError::fail("somebody has room"));
                };
                carried.push(index);
                let weight = u64::from(weights[index as usize]);
                let fair = (carried.len() as u64 * u64::from(factor) * weight).div_ceil(100 * total);
                let served = u64::from(backend.servers[index as usize].served.load(Relaxed));
                // Rounded up to a whole request, of which fractions are shared out.
                prop_assert!(served <= fair.max(1) + 1, "{served} of {} where {fair} are fair", carried.len());
            } else {
                let index = carried.swap_remove(usize::from(step) % carried.len());
                backend.leave(index);
            }
            prop_assert_eq!(backend.carried() as usize, carried.len());
        }
    }
}
