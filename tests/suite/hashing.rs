//! Requests and connections that belong to a server by a key.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::origin::http::Origin;
use harness::origin::tcp::Tcp;
use harness::{Client, Config, Daemon, eventually};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Four servers balanced by this, each told more by `server`.
fn play(balance: &str, server: &str) -> ([Origin; 4], Daemon) {
    let origins = NAMES.map(Origin::start);
    let config = Config::new().frontend("web", r#"default_backend: "app""#).backend("app", "");
    let config = config.with(&format!("balance: {balance}")).global("workers: 2");
    let servers = NAMES.into_iter().zip(&origins);
    let config = servers.fold(config, |config, (name, origin)| config.server(name, origin.addr(), server));
    (origins, Daemon::start(&config))
}

/// Who answers a target, with these fields, over a connection of its own.
fn origin(daemon: &Daemon, target: &str, fields: &str) -> String {
    let mut client = daemon.client();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
    client.response("GET").origin().to_owned()
}

#[test]
fn a_key_stays_with_its_server_whichever_worker_asks() {
    for (balance, target, fields) in [
        ("uri(depth: 2, function: crc32)", "/cart/N/again", ""),
        ("url_param(\"id\")", "/?x=1&id=N", ""),
        ("header(name: \"x-user\", kind: consistent, avalanche: true)", "/", "X-User: N\r\n"),
        ("cookie(name: \"sid\", kind: maglev)", "/", "Cookie: a=b; sid=N\r\n"),
        ("hash(key: \"req.hdr(x-user),lower\", function: xxh3)", "/", "x-USER: N\r\n"),
    ] {
        let (_origins, daemon) = play(balance, "");
        let ask = |n: usize| {
            let fill = |text: &str| text.replace('N', &format!("key{n}"));
            origin(&daemon, &fill(target), &fill(fields))
        };
        let first: Vec<String> = (0..40).map(ask).collect();
        let second: Vec<String> = (0..40).map(ask).collect();
        assert_eq!(first, second, "{balance}");
        assert!(first.iter().collect::<BTreeSet<_>>().len() > 2, "{balance}: {first:?}");
    }
}

#[test]
fn a_request_without_the_key_goes_in_turns() {
    let (_origins, daemon) = play("header(\"x-user\")", "");
    let order: Vec<String> = (0..8).map(|_| origin(&daemon, "/", "")).collect();
    assert_eq!(order[..4].iter().collect::<BTreeSet<_>>().len(), 4, "{order:?}");
    assert_eq!(order[..4], order[4..]);
}

#[test]
fn only_the_keys_of_a_server_that_goes_move_and_they_come_back() {
    for kind in ["consistent", "maglev"] {
        let (_origins, daemon) = play(&format!("uri(kind: {kind}, avalanche: true)"), "");
        let all = || -> Vec<String> { (0..60).map(|n| origin(&daemon, &format!("/{n}"), "")).collect() };
        let before = all();
        daemon.admin("set server app/b state maint");
        for (was, is) in before.iter().zip(all()) {
            assert!(is != "b" && (*was == is || was == "b"), "{kind}: {was} became {is}");
        }
        daemon.admin("set server app/b state ready");
        assert_eq!(all(), before, "{kind}");
    }
}

#[test]
fn a_server_that_refuses_is_left_for_the_next_one_of_the_key() {
    let (mut origins, daemon) = play("uri(kind: consistent)", "");
    let first = origin(&daemon, "/it", "");
    let index = NAMES.iter().position(|name| *name == first).unwrap();
    origins[index].stop();
    let second = origin(&daemon, "/it", "");
    assert_ne!(first, second);
    assert!((0..5).all(|_| origin(&daemon, "/it", "") == second));
}

#[test]
fn a_request_waits_for_the_server_it_belongs_to() {
    let (origins, daemon) = play("uri(kind: consistent)", "maxconn: 1");
    let mut slow = daemon.client();
    slow.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n");
    let busy = eventually("somebody is busy", || {
        NAMES.iter().find(|name| daemon.count("app", name, "scur") == 1).copied()
    });
    // The same target, and so the same server, which is full.
    let mut waiting = daemon.client();
    waiting.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("it waits for that server", || (daemon.count("app", busy, "qcur") == 1).then_some(()));
    // Who belongs elsewhere is not kept waiting.
    let free = (0..40).map(|n| {
        let mut client = daemon.client();
        client.send(format!("GET /{n} HTTP/1.1\r\nHost: test\r\n\r\n"));
        client
    });
    let mut free: Vec<Client> = free.collect();
    let answered = |client: &mut Client| {
        client.stream().limit(Some(Duration::from_millis(200))).unwrap();
        client.try_response("GET").is_ok()
    };
    assert!(free.iter_mut().map(answered).filter(|answered| *answered).count() > 10);
    origins.iter().for_each(Origin::let_go);
    assert_eq!(slow.response("GET").origin(), busy);
    assert_eq!(waiting.response("GET").origin(), busy);
}

#[test]
fn loads_are_held_near_their_share() {
    let (_origins, daemon) = play("uri(kind: consistent, balance_factor: \"125%\")", "");
    // One key alone: without the bound all would go to one server.
    let mut clients: Vec<Client> = (0..20).map(|_| daemon.client()).collect();
    let carried = || NAMES.map(|name| daemon.count("app", name, "scur"));
    // One after the other: two that are placed at the same moment do not see each other.
    for (at, client) in (1..).zip(&mut clients) {
        client.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n");
        eventually("it is under way", || (carried().iter().sum::<u64>() == at).then_some(()));
    }
    assert!(carried().iter().all(|n| *n <= 7), "{:?}", carried());
}

#[test]
fn connections_of_mode_tcp_belong_by_their_address() {
    let origins = NAMES.map(Tcp::named);
    for balance in ["source", "hash(key: \"src,ipmask(24)\", kind: consistent)"] {
        let config = Config::tcp(NAMES.into_iter().zip(origins.iter().map(Tcp::addr)));
        let daemon = Daemon::start(&config.with(&format!("balance: {balance}")).global("workers: 2"));
        let address = daemon.listener("web");
        let names: BTreeSet<Vec<u8>> = (0..10).map(|_| Client::tcp(address).read_until("\n")).collect();
        assert_eq!(names.len(), 1, "{balance}: {names:?}");
    }
}

#[test]
fn the_statistics_name_the_algorithm_and_static_maps_keep_their_weights() {
    let (_origins, daemon) = play("header(\"x-user\")", "");
    assert_eq!(daemon.stat("app", "BACKEND", "algo"), "hdr");
    assert!(daemon.admin("set weight app/a 10").contains("static LB algorithm"));
    let (_origins, daemon) = play("hash(key: \"src\", kind: consistent)", "");
    assert_eq!(daemon.stat("app", "BACKEND", "algo"), "hash");
    assert_eq!(daemon.admin("set weight app/a 10"), "");
}
