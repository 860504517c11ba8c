//! Which server gets the next request.

use std::collections::BTreeMap;

use harness::origin::http::Origin;
use harness::{Client, Config, Daemon, eventually};

/// Who answers `n` requests, each over a connection of its own.
fn order(daemon: &Daemon, n: usize) -> Vec<String> {
    let address = daemon.listener("web");
    (0..n).map(|_| harness::client::get(address, "/").origin().to_owned()).collect()
}

fn tally(order: &[String]) -> BTreeMap<&str, usize> {
    let mut tally = BTreeMap::new();
    for name in order {
        *tally.entry(name.as_str()).or_default() += 1;
    }
    tally
}

#[test]
fn half_the_weight_is_exactly_half_the_requests() {
    let (one, two) = (Origin::start("app1"), Origin::start("app2"));
    let config =
        Config::http([("app1", one.addr())]).server("app2", two.addr(), "weight: 50").global("workers: 2");
    let daemon = Daemon::start(&config);
    let order = order(&daemon, 30);
    for three in order.chunks(3) {
        assert_eq!(tally(three), BTreeMap::from([("app1", 2), ("app2", 1)]), "{order:?}");
    }
}

#[test]
fn equal_servers_alternate_over_all_workers() {
    let origins = ["a", "b", "c"].map(Origin::start);
    let servers = ["a", "b", "c"].into_iter().zip(origins.iter().map(Origin::addr));
    let daemon = Daemon::start(&Config::http(servers).global("workers: 4"));
    let order = order(&daemon, 60);
    for three in order.chunks(3) {
        assert_eq!(tally(three).len(), 3, "{order:?}");
    }
}

#[test]
fn requests_of_one_connection_are_balanced_as_well() {
    let (one, two) = (Origin::start("app1"), Origin::start("app2"));
    let daemon = Daemon::start(&Config::http([("app1", one.addr()), ("app2", two.addr())]));
    let mut client = daemon.client();
    for _ in 0..20 {
        client.get("/");
    }
    assert_eq!((one.hits(), two.hits()), (10, 10));
}

#[test]
fn weight_0_gets_nothing() {
    let (one, two) = (Origin::start("app1"), Origin::start("app2"));
    let daemon = Daemon::start(&Config::http([("app1", one.addr())]).server("app2", two.addr(), "weight: 0"));
    order(&daemon, 20);
    assert_eq!((one.hits(), two.hits()), (20, 0));
}

#[test]
fn a_weight_set_at_run_time_holds_from_the_next_request() {
    let (one, two) = (Origin::start("app1"), Origin::start("app2"));
    let daemon = Daemon::start(&Config::http([("app1", one.addr()), ("app2", two.addr())]));
    assert_eq!(daemon.admin("set weight app/app2 0"), "");
    order(&daemon, 10);
    assert_eq!((one.hits(), two.hits()), (10, 0));
    assert_eq!(daemon.admin("set weight app/app2 100%"), "");
    order(&daemon, 10);
    assert_eq!((one.hits(), two.hits()), (15, 5));
}

#[test]
fn a_backup_serves_only_when_nobody_else_can() {
    let (one, spare) = (Origin::start("app1"), Origin::start("spare"));
    let daemon =
        Daemon::start(&Config::http([("app1", one.addr())]).server("spare", spare.addr(), "backup: true"));
    order(&daemon, 10);
    assert_eq!((one.hits(), spare.hits()), (10, 0));
    daemon.admin("set server app/app1 state maint");
    order(&daemon, 10);
    assert_eq!((one.hits(), spare.hits()), (10, 10));
    daemon.admin("set server app/app1 state ready");
    order(&daemon, 10);
    assert_eq!((one.hits(), spare.hits()), (20, 10));
}

#[test]
fn least_conn_avoids_the_busy_server() {
    let (one, two) = (Origin::start("app1"), Origin::start("app2"));
    let config = Config::http([("app1", one.addr()), ("app2", two.addr())]).with("balance: least_conn");
    let daemon = Daemon::start(&config);
    let mut slow = daemon.client();
    slow.send("GET /drip/1/3000 HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("the slow request is there", || (one.hits() + two.hits() == 1).then_some(()));
    let busy = if one.hits() == 1 { "app1" } else { "app2" };
    let free = if busy == "app1" { "app2" } else { "app1" };
    for _ in 0..10 {
        assert_eq!(harness::client::get(daemon.listener("web"), "/").origin(), free);
        // A client has its answer a moment before proxyd has noted that it is free again.
        eventually("it is free again", || (daemon.count("app", free, "scur") == 0).then_some(()));
    }
}

#[test]
fn least_conn_counts_in_tcp_mode_too() {
    let (one, two) = (harness::origin::tcp::Tcp::named("app1"), harness::origin::tcp::Tcp::named("app2"));
    let config = Config::tcp([("app1", one.addr()), ("app2", two.addr())]).with("balance: least_conn");
    let daemon = Daemon::start(&config);
    let address = daemon.listener("web");
    let mut held: Vec<(Vec<u8>, Client)> = (0..10)
        .map(|_| {
            let mut client = Client::tcp(address);
            (client.read_until("\n"), client)
        })
        .collect();
    assert_eq!(held.iter().filter(|(name, _)| name == b"app1\n").count(), 5);
    held.retain(|(name, _)| name == b"app1\n");
    eventually("half of them are gone", || (daemon.count("app", "app2", "scur") == 0).then_some(()));
    for _ in 0..5 {
        let mut client = Client::tcp(address);
        let name = client.read_until("\n");
        assert_eq!(name, b"app2\n");
        held.push((name, client));
    }
}
