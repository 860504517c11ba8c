//! Many workers, seen from outside: clients are spread evenly over them.

use harness::client::get;
use harness::origin::http::Origin;
use harness::{Client, Config, Daemon, eventually};

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
