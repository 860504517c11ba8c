//! More clients than allowed, fewer descriptors than needed.

use std::time::Duration;

use harness::origin::http::Origin;
use harness::{Client, Config, Daemon, Start, eventually, pause};

fn served_in_turn(config: &Config) {
    let daemon = Daemon::start(config);
    let address = daemon.listener("web");
    let mut first: Vec<_> = (0..4).map(|_| Client::tcp(address)).collect();
    for client in &mut first {
        assert_eq!(client.get("/").status, 200);
    }
    let mut waiting: Vec<_> = (0..4).map(|_| Client::tcp(address)).collect();
    for client in &mut waiting {
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        assert!(!client.closed_within(Duration::from_millis(50)), "waits in the backlog, is not closed");
    }
    assert_eq!(daemon.count("web", "FRONTEND", "scur"), 4);
    eventually("waiting that costs no processor time", || {
        let busy = daemon.cpu();
        pause(Duration::from_millis(500));
        (daemon.cpu().saturating_sub(busy) < Duration::from_millis(60)).then_some(())
    });
    for client in first {
        drop(client);
    }
    for client in &mut waiting {
        assert_eq!(client.response("GET").status, 200, "served when there is room");
    }
}

#[test]
fn frontend_maxconn_holds_and_the_rest_waits() {
    let origin = Origin::start("app1");
    let config = Config::new().frontend("web", r#"maxconn: 4, default_backend: "app""#).backend("app", "");
    served_in_turn(&config.server("app1", origin.addr(), ""));
}

#[test]
fn global_maxconn_holds_and_the_rest_waits() {
    let origin = Origin::start("app1");
    served_in_turn(&Config::http([("app1", origin.addr())]).global("maxconn: 4"));
}

#[test]
fn maxconn_set_at_run_time_holds() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    assert_eq!(daemon.admin("set maxconn frontend web 1"), "");
    let mut first = daemon.client();
    assert_eq!(first.get("/").status, 200);
    let mut second = daemon.client();
    second.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(!second.closed_within(Duration::from_millis(200)));
    assert_eq!(origin.hits(), 1);
    assert_eq!(daemon.admin("set maxconn frontend web 10"), "");
    assert_eq!(second.response("GET").status, 200);
}

#[test]
fn global_maxconn_set_at_run_time_holds() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())]).frontend("other", r#"default_backend: "app""#);
    let daemon = Daemon::start(&config);
    assert_eq!(daemon.admin("set maxconn global 1"), "");
    assert!(daemon.admin("show info").contains("\nMaxconn: 1\n"));
    let mut first = daemon.client();
    assert_eq!(first.get("/").status, 200);
    let mut second = Client::tcp(daemon.listener("other"));
    second.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(!second.closed_within(Duration::from_millis(200)));
    assert_eq!(origin.hits(), 1, "the other frontend's connections count as well");
    assert_eq!(daemon.admin("set maxconn global 10"), "");
    assert_eq!(second.response("GET").status, 200);
}

/// A number of `show info`.
fn info(daemon: &Daemon, name: &str) -> u32 {
    let answer = daemon.admin("show info");
    let line = answer.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap();
    line.parse().unwrap()
}

#[test]
fn descriptors_are_raised_and_shared_out() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())]).global("workers: 2");
    let daemon = Start::new(&config).nofile(1000).run();
    assert_eq!(info(&daemon, "Ulimit-n"), 1000);
    let maxconn = info(&daemon, "Maxconn");
    assert!((300..500).contains(&maxconn), "a connection takes two of 1000: {maxconn}");
    assert_eq!(info(&daemon, "Hard_maxconn"), maxconn);
    let idle = u32::try_from(daemon.descriptors()).unwrap();
    assert!(idle + 2 * maxconn <= 1000, "{idle} are taken already");

    // The soft limit is raised to the hard one.
    let daemon = Start::new(&config).nofile_soft(64).run();
    assert!(info(&daemon, "Ulimit-n") > 1000, "{}", info(&daemon, "Ulimit-n"));

    // What is asked for and cannot be had is said.
    let daemon = Start::new(&config.clone().global("maxconn: 5000")).nofile(1000).run();
    assert_eq!(info(&daemon, "Maxconn"), maxconn);
    daemon.logged("[WARNING] global maxconn 5000");
    let daemon = Start::new(&config.global("maxconn: 100")).nofile(1000).run();
    assert_eq!((info(&daemon, "Maxconn"), info(&daemon, "Ulimit-n")), (100, 1000));
}

#[test]
fn too_few_descriptors_never_spin() {
    let origin = Origin::start("app1");
    let daemon = Start::new(&Config::http([("app1", origin.addr())]).global("workers: 2")).nofile(100).run();
    let address = daemon.listener("web");
    let mut clients: Vec<Client> = (0..300).map(|_| Client::tcp(address)).collect();
    let mut served = Vec::new();
    for client in &mut clients {
        if client.try_send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").is_ok() {
            served.push(client);
        }
    }
    // Those who are in are served first, which may take a busy machine a while.
    eventually("a second of waiting that costs hardly any processor time", || {
        let busy = daemon.cpu();
        pause(Duration::from_secs(1));
        (daemon.cpu().saturating_sub(busy) < Duration::from_millis(150)).then_some(())
    });
    assert!(daemon.descriptors() <= 100);
    assert!(daemon.admin("show info").contains("Name: HAProxy"), "the socket still answers");
    drop(clients);
    eventually("there is room again", || (daemon.count("web", "FRONTEND", "scur") == 0).then_some(()));
    assert_eq!(daemon.client().get("/").status, 200);
}

#[test]
fn the_socket_answers_at_full_load() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).global("maxconn: 50"));
    let address = daemon.listener("web");
    let held: Vec<_> = (0..50).map(|_| Client::tcp(address)).collect();
    eventually("all are in", || (daemon.count("web", "FRONTEND", "scur") == 50).then_some(()));
    assert!(daemon.admin("show stat").starts_with("# pxname,"));
    drop(held);
}

#[test]
fn memory_stays_below_its_ceiling() {
    const CEILING: u64 = 64 * 1024 * 1024;
    let origin = Origin::narrow("app1");
    let config = Config::http([("app1", origin.addr())])
        .global(r#"workers: 1, memory: "64MiB", metrics: (bind: "127.0.0.1:0")"#);
    let daemon = Daemon::start(&config);
    let mut canary = daemon.client();
    assert_eq!(canary.get("/").status, 200);
    let address = daemon.listener("web");
    // Nobody reads what they ask for: each holds buffers of ours, and more than the ceiling together.
    let mut crowd = Vec::new();
    eventually("the ceiling is felt", || {
        for _ in 0..20 {
            let mut client = Client::narrow(address);
            // Past the ceiling they wait in the backlog, or are given up.
            let _given_up = client.try_send("GET /bytes/50000000 HTTP/1.1\r\nHost: test\r\n\r\n");
            crowd.push(client);
        }
        (daemon.log().contains("no connection is accepted") || daemon.log().contains("are given up"))
            .then_some(())
    });
    eventually("enough are given up", || (daemon.rss() < CEILING / 100 * 95).then_some(()));
    // Between two looks at it a burst may go a little beyond.
    for _ in 0..20 {
        pause(Duration::from_millis(50));
        assert!(daemon.rss() < CEILING / 100 * 110, "{} bytes", daemon.rss());
    }
    // Sockets and metrics are served all the while, and so is who was there before.
    assert!(daemon.admin("show info").contains("Name: "));
    assert_eq!(harness::client::get(daemon.listener("GLOBAL"), "/metrics").status, 200);
    drop(crowd);
    daemon.logged("connections are accepted again");
    assert_eq!(harness::client::get(daemon.listener("web"), "/").status, 200);
}

#[test]
fn one_source_has_only_so_many_connections() {
    let origin = Origin::start("app1");
    let config = Config::new()
        .global("workers: 2")
        .frontend("web", r#"maxconn_per_source: 3, default_backend: "app""#)
        .backend("app", "")
        .server("app1", origin.addr(), "");
    let daemon = Daemon::start(&config);
    let mut held: Vec<_> = (0..3).map(|_| daemon.client()).collect();
    for client in &mut held {
        assert_eq!(client.get("/").status, 200);
    }
    for _ in 0..5 {
        // It may be reset before it is had.
        let client = Client::try_connect(&daemon.listener("web").into());
        assert!(
            client.is_err() || client.is_ok_and(|mut client| client.closed_within(Duration::from_secs(5)))
        );
    }
    eventually("they are counted", || (daemon.count("web", "FRONTEND", "dcon") == 5).then_some(()));
    for client in &mut held {
        assert_eq!(client.get("/").status, 200, "those who are there stay");
    }
    held.pop();
    eventually("room for one more", || {
        let mut client = Client::try_connect(&daemon.listener("web").into()).ok()?;
        client.try_send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").ok()?;
        client.try_response("GET").ok()
    });
}

#[test]
fn idle_server_connections_give_way_to_those_that_are_needed() {
    // Descriptors for the clients and a connection to a server each, but not for as many idle ones beside.
    let servers = ["app1", "app2"].map(Origin::start);
    let config = Config::new()
        .global("workers: 1")
        .frontend("one", r#"default_backend: "one""#)
        .frontend("two", r#"default_backend: "two""#)
        .backend("one", "")
        .server("app1", servers[0].addr(), "")
        .backend("two", "")
        .server("app2", servers[1].addr(), "");
    let daemon = Start::new(&config).nofile(400).run();
    for round in 0..3 {
        for frontend in ["one", "two"] {
            let mut clients: Vec<_> = (0..120).map(|_| Client::tcp(daemon.listener(frontend))).collect();
            for client in &mut clients {
                client.send("GET /slow/200 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
            }
            for client in &mut clients {
                assert_eq!(client.response("GET").status, 200, "round {round} of {frontend}");
            }
        }
        assert!(daemon.admin("show info").contains("Name: "), "the socket has descriptors of its own");
    }
}
