//! Many workers, seen from outside: clients are spread evenly, and a server sees no more connections than from one.

use std::time::{Duration, Instant};

use harness::client::get;
use harness::origin::http::Origin;
use harness::{Client, Config, Daemon, eventually, pause};

/// Connections of each worker, as `/metrics` has them.
fn connections(daemon: &Daemon) -> Vec<u32> {
    let text = get(daemon.listener("GLOBAL"), "/metrics").text();
    let of = |line: &str| {
        let (_, value) = line.strip_prefix("proxyd_worker_connections{")?.split_once(' ')?;
        value.parse().ok()
    };
    text.lines().filter_map(of).collect()
}

const METRICS: &str = r#"metrics: (bind: "127.0.0.1:0")"#;

fn spread(config: &Config) {
    let daemon = Daemon::start(&config.clone().global("workers: 8").global(METRICS));
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..16 {
        let mut client = daemon.client();
        assert_eq!(client.get("/").status, 200);
        clients.push(client);
    }
    assert_eq!(connections(&daemon), [2; 8]);
    // A worker that lost its clients gets the next ones.
    clients.truncate(8);
    eventually("half of the clients are gone", || {
        (connections(&daemon).iter().sum::<u32>() == 8).then_some(())
    });
    for _ in 0..8 {
        let mut client = daemon.client();
        assert_eq!(client.get("/").status, 200);
        clients.push(client);
    }
    assert_eq!(connections(&daemon), [2; 8]);
}

#[test]
fn connections_are_spread_evenly() {
    let origin = Origin::start("app1");
    spread(&Config::http([("app1", origin.addr())]));
    spread(&Config::tcp([("app1", origin.addr())]));
}

#[test]
fn where_the_kernel_chooses_all_are_served() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())]);
    let daemon = Daemon::start(&config.global("workers: 8").global("accept: local").global(METRICS));
    let mut clients: Vec<Client> = (0..16).map(|_| daemon.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(connections(&daemon).iter().sum::<u32>(), 16);
}

/// Requests one after the other, 200 a second, each from a client of its own; new connections that servers saw
/// during the second half.
fn connections_of_servers(workers: usize, requests: u32) -> (usize, usize) {
    const NAMES: [&str; 20] = [
        "s01", "s02", "s03", "s04", "s05", "s06", "s07", "s08", "s09", "s10", "s11", "s12", "s13", "s14",
        "s15", "s16", "s17", "s18", "s19", "s20",
    ];
    let origins = NAMES.map(Origin::start);
    let config = Config::http(NAMES.into_iter().zip(origins.iter().map(Origin::addr)));
    let daemon = Daemon::start(&config.global(&format!("workers: {workers}")).global(METRICS));
    let accepted = || origins.iter().map(|origin| origin.service().accepted()).sum::<usize>();
    let begun = Instant::now();
    let mut half = 0;
    for i in 0..requests {
        if i == requests / 2 {
            half = accepted();
        }
        pause((begun + Duration::from_millis(5) * i).saturating_duration_since(Instant::now()));
        assert_eq!(get(daemon.listener("web"), "/").status, 200);
    }
    (accepted(), accepted() - half)
}

#[test]
fn idle_server_connections_are_found_by_any_worker() {
    let (one, _) = connections_of_servers(1, 200);
    let (many, late) = connections_of_servers(16, 2000);
    assert!(many * 10 <= one * 12, "servers saw {many} connections from 16 workers, {one} from one");
    assert!(late <= 1, "{late} of 1000 requests found no idle connection");
}
