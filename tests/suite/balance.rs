//! Which server gets the next request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use harness::origin::Refusing;
use harness::origin::http::{Answer, Origin};
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

/// Where it is in `show servers state`: what it is, what was forced, its weight and the one it began with.
fn state_of(daemon: &Daemon, server: &str) -> String {
    let text = daemon.admin("show servers state app");
    let line = text.lines().find(|line| line.contains(&format!(" {server} "))).unwrap();
    line.split(' ').skip(5).take(4).collect::<Vec<_>>().join(" ")
}

/// As HAProxy has it: `DRAIN` is what an operator or an agent asked for, and a weight is a weight.
#[test]
fn a_server_of_weight_0_is_up_and_not_drained() {
    let (one, two) = (Origin::start("app1"), Origin::start("app2"));
    let config = Config::http([("app1", one.addr())])
        .with(r#"check: tcp(interval: "10s", rise: 1, fall: 1)"#)
        .server("app2", two.addr(), r#"check: none, slow_start: "10m""#);
    let daemon = Daemon::start(&config);
    let of = |server: &str, columns: [&str; 4]| columns.map(|column| daemon.stat("app", server, column));
    let shown = |server: &str| of(server, ["status", "weight", "uweight", "act"]);
    daemon.admin("set server app/app2 state maint; set server app/app2 state ready");
    let warming = daemon.count("app", "app2", "throttle");
    assert!((1..20).contains(&warming), "{warming}");
    for server in ["app1", "app2"] {
        assert_eq!(daemon.admin(&format!("set weight app/{server} 0")), "");
    }
    daemon.wait_status("app", "app1", "UP");
    assert_eq!(shown("app1"), ["UP", "0", "0", "1"]);
    assert_eq!(shown("app2"), ["no check", "0", "0", "1"]);
    assert_eq!(daemon.stat("app", "app2", "throttle"), "", "there is nothing to throttle");
    assert_eq!([state_of(&daemon, "app1"), state_of(&daemon, "app2")], ["2 0 0 100", "1 0 0 100"]);
    assert_eq!(shown("BACKEND"), ["DOWN", "0", "0", "0"]);
    daemon.logged("backend 'app' has no server available!");
    assert_eq!(daemon.client().get("/").status, 503);
    daemon.admin("set server app/app1 state drain");
    assert_eq!((shown("app1")[0].as_str(), state_of(&daemon, "app1")), ("DRAIN", "2 8 0 100".into()));
    daemon.admin("set weight app/app1 100%");
    assert_eq!((shown("app1")[0].as_str(), state_of(&daemon, "app1")), ("DRAIN", "2 8 100 100".into()));
    daemon.admin("set server app/app1 state ready");
    assert_eq!(shown("app1"), ["UP", "100", "100", "1"]);
    assert_eq!(shown("BACKEND"), ["UP", "100", "100", "1"]);
    assert_eq!(tally(&order(&daemon, 4)), BTreeMap::from([("app1", 4)]));
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
    slow.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n");
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

#[test]
fn static_rr_takes_no_other_weight_than_its_own() {
    let (one, two) = (Origin::start("app1"), Origin::start("app2"));
    let config = Config::http([("app1", one.addr())]).server("app2", two.addr(), "weight: 50");
    let daemon = Daemon::start(&config.with("balance: static_rr"));
    assert_eq!(tally(&order(&daemon, 30)), BTreeMap::from([("app1", 20), ("app2", 10)]));
    let refused = "Backend is using a static LB algorithm and only accepts weights '0%' and '100%'.";
    for weight in ["25", "50%", "100"] {
        assert_eq!(daemon.admin(&format!("set weight app/app2 {weight}")).trim(), refused, "{weight}");
    }
    assert_eq!(daemon.admin("set weight app/app2 0%"), "");
    assert_eq!(tally(&order(&daemon, 10)), BTreeMap::from([("app1", 10)]));
    assert_eq!(daemon.admin("set weight app/app2 100%"), "");
    assert_eq!(daemon.admin("set weight app/app2 50"), "");
    assert_eq!(tally(&order(&daemon, 30)), BTreeMap::from([("app1", 20), ("app2", 10)]));
}

#[test]
fn the_algorithm_has_haproxys_name() {
    for (balance, name) in [
        ("round_robin", "roundrobin"),
        ("static_rr", "static-rr"),
        ("least_conn", "leastconn"),
        ("first", "first"),
        ("random", "random"),
        ("random(draws: 3)", "random"),
        ("least_latency", "least_latency"),
    ] {
        let one = Origin::start("app1");
        let config = Config::http([("app1", one.addr())]).with(&format!("balance: {balance}"));
        let daemon = Daemon::start(&config);
        assert_eq!(daemon.stat("app", "BACKEND", "algo"), name);
        assert_eq!(order(&daemon, 2), ["app1", "app1"], "{balance}");
    }
}

#[test]
fn first_fills_one_server_after_the_other() {
    let names = ["app1", "app2", "app3"];
    let servers = names.map(harness::origin::tcp::Tcp::named);
    let config = Config::tcp(names.into_iter().zip(servers.iter().map(harness::origin::tcp::Tcp::addr)));
    let config = config.with("balance: first, server_defaults: (maxconn: 2)");
    let daemon = Daemon::start(&config);
    let address = daemon.listener("web");
    let open = || {
        let mut client = Client::tcp(address);
        let name = String::from_utf8(client.read_until("\n")).unwrap();
        (name.trim().to_owned(), client)
    };
    let mut held: Vec<(String, Client)> = (0..5).map(|_| open()).collect();
    let said = |held: &[(String, Client)]| held.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(said(&held), ["app1", "app1", "app2", "app2", "app3"]);
    drop(held.remove(0));
    eventually("one has gone", || (daemon.count("app", "app1", "scur") == 1).then_some(()));
    held.push(open());
    assert_eq!(held[4].0, "app1");
    assert_eq!(daemon.admin("set maxconn server app/app1 4"), "");
    held.extend([open(), open()]);
    assert_eq!(said(&held)[5..], ["app1", "app1"]);
    held.push(open());
    assert_eq!(held[7].0, "app3");
}

/// Requests of which a quarter goes to the worse of two on average: that 45 of them do has a chance of one in 600, and in
/// one of 400 runs they would where it were half.
const DRAWN: usize = 120;
const TOO_MANY: usize = 45;

/// A machine that stands still for a moment makes a quick server slow, and that is remembered: any of so many will do.
fn any_has_few(mut try_it: impl FnMut() -> usize) {
    let many: Vec<usize> = (0..4).map(|_| try_it()).take_while(|n| *n >= TOO_MANY).collect();
    assert!(many.len() < 4, "{many:?} of {DRAWN} went to the worse one");
}

#[test]
fn least_latency_leaves_the_slow_server_to_a_quarter() {
    any_has_few(|| {
        let slow = Origin::scripted(|_| {
            // Longer than a busy machine makes the quick one take.
            harness::pause(Duration::from_millis(250));
            Answer { bytes: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(), close: false }
        });
        let quick = Origin::start("quick");
        let config =
            Config::http([("slow", slow.addr()), ("quick", quick.addr())]).with("balance: least_latency");
        let daemon = Daemon::start(&config);
        let address = daemon.listener("web");
        let ask = |n: usize| (0..n).for_each(|_| assert_eq!(harness::client::get(address, "/").status, 200));
        ask(20);
        let before = slow.hits();
        ask(DRAWN);
        // It is taken only where both draws fall on it.
        slow.hits() - before
    });
}

#[test]
fn least_latency_sends_little_to_who_fails_at_once() {
    // By far slower than a failure.
    let good = Origin::scripted(|_| {
        harness::pause(Duration::from_millis(20));
        Answer { bytes: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(), close: false }
    });
    let ask = |daemon: &Daemon, n: usize| {
        let address = daemon.listener("web");
        (0..n).map(|_| harness::client::get(address, "/").status).filter(|status| *status == 200).count()
    };
    any_has_few(|| {
        let fails = Arc::new(AtomicBool::new(false));
        let says = Arc::clone(&fails);
        let failing = Origin::scripted(move |_| {
            let status = if says.load(Relaxed) { "500 Internal Server Error" } else { "200 OK" };
            let bytes = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes();
            Answer { bytes, close: false }
        });
        let config = Config::http([("failing", failing.addr()), ("good", good.addr())]);
        let daemon = Daemon::start(&config.with("balance: least_latency"));
        assert_eq!(ask(&daemon, 20), 20);
        fails.store(true, Relaxed);
        ask(&daemon, 20);
        let before = failing.hits();
        ask(&daemon, DRAWN);
        failing.hits() - before
    });
    let refusing = Refusing::new();
    any_has_few(|| {
        let config = Config::http([("refusing", refusing.address()), ("good", good.address())]);
        let daemon = Daemon::start(&config.with("balance: least_latency"));
        assert_eq!(ask(&daemon, DRAWN), DRAWN);
        usize::try_from(daemon.count("app", "refusing", "connect")).unwrap()
    });
}

#[test]
fn all_backups_step_in_where_that_is_asked_for() {
    let origins = ["app1", "spare1", "spare2"].map(Origin::start);
    let config = Config::http([("app1", origins[0].addr())])
        .server("spare1", origins[1].addr(), "backup: true")
        .server("spare2", origins[2].addr(), "backup: true, weight: 50")
        .with("backups: all");
    let daemon = Daemon::start(&config);
    assert_eq!(tally(&order(&daemon, 10)), BTreeMap::from([("app1", 10)]));
    daemon.admin("set server app/app1 state maint");
    assert_eq!(daemon.stat("app", "BACKEND", "weight"), "150");
    assert_eq!(tally(&order(&daemon, 30)), BTreeMap::from([("spare1", 20), ("spare2", 10)]));
    daemon.admin("set server app/app1 state ready");
    assert_eq!(tally(&order(&daemon, 10)), BTreeMap::from([("app1", 10)]));
}

#[test]
fn a_server_that_comes_up_is_warmed_up() {
    let origins = ["app1", "app2", "app3"].map(Origin::start);
    // One is warm soon, of the other only the beginning is looked at.
    let config = Config::http([("app1", origins[0].addr())])
        .server("app2", origins[1].addr(), r#"slow_start: "6s", maxconn: 100"#)
        .server("app3", origins[2].addr(), r#"slow_start: "1h", maxconn: 100"#);
    let daemon = Daemon::start(&config);
    let state = |server: &str| {
        let text = daemon.admin("show servers state app");
        let line = text.lines().find(|line| line.contains(&format!(" {server} "))).unwrap().to_owned();
        line.split(' ').nth(5).unwrap().to_owned()
    };
    let weight = |server: &str| daemon.count("app", server, "weight");
    for server in ["app2", "app3"] {
        let throttle = daemon.stat("app", server, "throttle");
        assert_eq!((weight(server), throttle, state(server)), (100, String::new(), "2".into()));
    }
    daemon.admin(
        "set server app/app2 state maint; set server app/app3 state maint; set server app/app3 state ready",
    );
    let begun = weight("app3");
    assert!(begun < 50, "{begun}");
    assert_eq!(daemon.count("app", "app3", "uweight"), 100);
    assert_eq!(daemon.stat("app", "app3", "status"), "no check");
    assert_eq!(state("app3"), "1");
    assert!(daemon.count("app", "app3", "throttle") < 50);
    // A sixteenth or two of what it will have.
    let early = tally(&order(&daemon, 17)).get("app3").copied().unwrap_or(0);
    assert!(early < 8, "{early}");
    daemon.admin("set server app/app3 state maint; set server app/app2 state ready");
    let mut seen = vec![weight("app2")];
    eventually("it is warm", || {
        let now = weight("app2");
        assert!(*seen.last().unwrap() <= now, "{seen:?} {now}");
        seen.push(now);
        (now == 100 && daemon.stat("app", "app2", "throttle").is_empty()).then_some(())
    });
    seen.dedup();
    assert!(seen.len() > 5, "in steps: {seen:?}");
    assert_eq!(state("app2"), "2");
    assert_eq!(tally(&order(&daemon, 20)), BTreeMap::from([("app1", 10), ("app2", 10)]));
}
