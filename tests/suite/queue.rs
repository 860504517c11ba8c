//! Servers that take so much at a time: who waits, in what order, for how long, and what becomes of them.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use harness::origin::http::{Answer, Origin};
use harness::origin::tcp::Tcp;
use harness::{Client, Config, Daemon, eventually, holds_for, pause};
use rustix::process::Signal;

/// An origin that answers when it is told to.
struct Gated {
    origin: Origin,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

#[derive(Default)]
struct Gate {
    /// Targets, in the order they came.
    came: Vec<String>,
    /// How many may be answered still.
    free: usize,
    now: usize,
    most: usize,
}

impl Gated {
    fn start() -> Self {
        let gate = Arc::new((Mutex::new(Gate::default()), Condvar::new()));
        let inner = Arc::clone(&gate);
        let origin = Origin::scripted(move |request| {
            let (state, changed) = &*inner;
            let mut state = state.lock().unwrap();
            state.came.push(request.target().to_owned());
            state.now += 1;
            state.most = state.most.max(state.now);
            while state.free == 0 {
                state = changed.wait(state).unwrap();
            }
            state.free -= 1;
            state.now -= 1;
            Answer { bytes: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(), close: false }
        });
        Self { origin, gate }
    }

    fn release(&self, n: usize) {
        self.gate.0.lock().unwrap().free += n;
        self.gate.1.notify_all();
    }

    fn came(&self) -> Vec<String> {
        self.gate.0.lock().unwrap().came.clone()
    }

    fn wait_for(&self, n: usize) {
        eventually(&format!("{n} requests at the origin"), || (self.came().len() == n).then_some(()));
    }

    fn most(&self) -> usize {
        self.gate.0.lock().unwrap().most
    }
}

impl Drop for Gated {
    fn drop(&mut self) {
        // Threads of the origin end with their connections.
        self.release(1_000_000);
    }
}

fn ask(daemon: &Daemon, target: &str) -> Client {
    let mut client = daemon.client();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
    client
}

fn queued(daemon: &Daemon, n: u64) {
    eventually(&format!("{n} in the queue"), || (daemon.count("app", "BACKEND", "qcur") == n).then_some(()));
}

/// One server that takes one at a time, over four workers.
fn one_at_a_time(origin: &Gated, server: &str, defaults: &str) -> Daemon {
    let config = Config::new()
        .global("workers: 4")
        .defaults(defaults)
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "")
        .server("app1", origin.origin.addr(), server);
    Daemon::start(&config)
}

#[test]
fn who_comes_first_is_served_first() {
    const CLIENTS: usize = 12;
    let origin = Gated::start();
    let daemon = one_at_a_time(&origin, "maxconn: 1", "");
    let mut clients = Vec::new();
    for n in 0..CLIENTS {
        clients.push(ask(&daemon, &format!("/{n}")));
        match n {
            0 => origin.wait_for(1),
            _ => queued(&daemon, n as u64),
        }
    }
    for (n, client) in clients.iter_mut().enumerate() {
        origin.wait_for(n + 1);
        assert_eq!(daemon.count("app", "app1", "scur"), 1);
        assert_eq!(daemon.count("app", "BACKEND", "qcur"), (CLIENTS - 1 - n) as u64);
        pause(Duration::from_millis(20));
        origin.release(1);
        assert_eq!(client.response("GET").status, 200);
    }
    let order: Vec<String> = (0..CLIENTS).map(|n| format!("/{n}")).collect();
    assert_eq!(origin.came(), order);
    assert_eq!(origin.most(), 1);
    assert_eq!(daemon.count("app", "BACKEND", "qmax"), (CLIENTS - 1) as u64);
    assert_eq!(daemon.stat("app", "app1", "slim"), "1");
    assert_eq!(daemon.stat("app", "app1", "qlimit"), "");
    assert!(daemon.count("app", "BACKEND", "qtime") >= 20, "time was spent waiting");
    eventually("the longest wait", || (daemon.count("app", "BACKEND", "qtime_max") >= 200).then_some(()));
    assert_eq!(daemon.count("app", "app1", "smax"), 1);
    eventually("all is given back", || (daemon.count("app", "app1", "scur") == 0).then_some(()));
}

#[test]
fn a_crowd_passes_through_a_narrow_door() {
    let origin = Origin::start("app1");
    let config = Config::new()
        .global("workers: 4")
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "server_defaults: (maxconn: 2)")
        .server("app1", origin.addr(), "");
    let daemon = Daemon::start(&config);
    let address = daemon.listener("web");
    let threads: Vec<_> = (0..24)
        .map(|_| {
            std::thread::spawn(move || {
                let mut client = Client::tcp(address);
                (0..40).filter(|_| client.get("/").status == 200).count()
            })
        })
        .collect();
    let served: usize = threads.into_iter().map(|it| it.join().unwrap()).sum();
    assert_eq!(served, 24 * 40);
    assert!(daemon.count("app", "app1", "smax") <= 2);
    assert_eq!(daemon.count("app", "BACKEND", "qcur"), 0);
    assert!(daemon.count("app", "BACKEND", "qmax") > 2);
    eventually("all is given back", || (daemon.count("app", "app1", "scur") == 0).then_some(()));
}

#[test]
fn who_waits_too_long_is_told() {
    let origin = Gated::start();
    let daemon = one_at_a_time(&origin, "maxconn: 1", r#"timeouts: (queue: "300ms")"#);
    let mut first = ask(&daemon, "/first");
    origin.wait_for(1);
    let start = Instant::now();
    let mut second = ask(&daemon, "/second");
    assert_eq!(second.response("GET").status, 503);
    let waited = start.elapsed();
    assert!((Duration::from_millis(300)..Duration::from_secs(15)).contains(&waited), "{waited:?}");
    assert_eq!(daemon.count("app", "BACKEND", "qcur"), 0);
    assert_eq!(daemon.count("app", "BACKEND", "econ"), 1);
    assert_eq!(daemon.count("app", "BACKEND", "hrsp_5xx"), 1);
    assert_eq!(daemon.count("app", "app1", "econ"), 0);
    assert_eq!(daemon.count("app", "BACKEND", "srv_abrt"), 0);
    origin.release(2);
    assert_eq!(first.response("GET").status, 200, "the one in front is served all the same");
    assert_eq!(second.get("/third").status, 200, "the connection goes on");
    assert_eq!(origin.came(), ["/first", "/third"]);
}

#[test]
fn the_time_to_wait_is_that_to_connect_unless_said() {
    let origin = Gated::start();
    let daemon = one_at_a_time(&origin, "maxconn: 1", r#"timeouts: (connect: "200ms")"#);
    let _first = ask(&daemon, "/first");
    origin.wait_for(1);
    let start = Instant::now();
    assert_eq!(daemon.client().get("/second").status, 503);
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[test]
fn who_closes_its_side_in_the_line_may_still_be_served() {
    let origin = Gated::start();
    let daemon = one_at_a_time(&origin, "maxconn: 1", r#"timeouts: (queue: "30s")"#);
    let mut first = ask(&daemon, "/first");
    origin.wait_for(1);
    let mut second = ask(&daemon, "/second");
    queued(&daemon, 1);
    second.half_close();
    holds_for(Duration::from_millis(200), "it waits", || daemon.count("app", "BACKEND", "qcur") == 1);
    origin.release(2);
    assert_eq!((first.response("GET").status, second.response("GET").status), (200, 200));
    assert_eq!(daemon.count("app", "BACKEND", "cli_abrt"), 0);
}

#[test]
fn who_leaves_the_line_makes_way() {
    let origin = Gated::start();
    let daemon = one_at_a_time(&origin, "maxconn: 1", r#"timeouts: (queue: "30s"), abort_on_close: true"#);
    let mut first = ask(&daemon, "/first");
    origin.wait_for(1);
    let second = ask(&daemon, "/second");
    queued(&daemon, 1);
    let mut third = ask(&daemon, "/third");
    queued(&daemon, 2);
    drop(second);
    queued(&daemon, 1);
    eventually("it is counted", || (daemon.count("app", "BACKEND", "cli_abrt") == 1).then_some(()));
    // One with a body that nobody has read leaves as well.
    let mut fourth = daemon.client();
    fourth.send("POST /fourth HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n");
    fourth.send(vec![b'x'; 60_000]);
    queued(&daemon, 2);
    fourth.reset();
    queued(&daemon, 1);
    origin.release(2);
    assert_eq!((first.response("GET").status, third.response("GET").status), (200, 200));
    assert_eq!(origin.came(), ["/first", "/third"]);
    eventually("both are counted", || (daemon.count("app", "BACKEND", "cli_abrt") == 2).then_some(()));
    assert_eq!(daemon.count("app", "BACKEND", "econ"), 0);
    eventually("all is given back", || (daemon.count("app", "app1", "scur") == 0).then_some(()));
}

#[test]
fn a_limit_changes_at_run_time() {
    let origin = Gated::start();
    let daemon = one_at_a_time(&origin, "", r#"timeouts: (queue: "30s")"#);
    let mut watch = Client::unix(&daemon.socket_path());
    watch.send("watch events\n");
    watch.read_until("\"kind\":\"sync\"");
    assert_eq!(daemon.stat("app", "app1", "slim"), "");
    assert_eq!(daemon.admin("set maxconn server app/app1 2"), "");
    assert_eq!(daemon.stat("app", "app1", "slim"), "2");
    let mut clients: Vec<Client> = (0..2).map(|n| ask(&daemon, &format!("/{n}"))).collect();
    origin.wait_for(2);
    clients.extend((2..5).map(|n| ask(&daemon, &format!("/{n}"))));
    queued(&daemon, 3);
    assert_eq!(daemon.admin("set maxconn server app/app1 3"), "");
    origin.wait_for(3);
    queued(&daemon, 2);
    assert_eq!(daemon.admin("set maxconn server app/app1 1"), "");
    // Three are under way, and two have to end before the next one begins.
    origin.release(1);
    holds_for(Duration::from_millis(200), "nobody new", || origin.came().len() == 3);
    assert_eq!(daemon.admin("set maxconn server app/app1 0"), "");
    origin.wait_for(5);
    assert_eq!(daemon.count("app", "BACKEND", "qcur"), 0);
    origin.release(4);
    for client in &mut clients {
        assert_eq!(client.response("GET").status, 200);
    }
    let event = String::from_utf8(watch.read_until("server_maxconn\"")).unwrap();
    let rest = String::from_utf8(watch.read_until("}")).unwrap();
    assert!(rest.contains("s/app/app1") && rest.contains("set maxconn server app/app1 2"), "{event}{rest}");
    assert_eq!(daemon.admin("set maxconn frontend web 77"), "");
    let rest = String::from_utf8(watch.read_until("set maxconn frontend web 77")).unwrap();
    assert!(rest.contains("frontend_maxconn") && rest.contains("f/web"), "{rest}");
}

#[test]
fn a_line_has_an_end() {
    let origin = Gated::start();
    let daemon = one_at_a_time(&origin, "maxconn: 1, max_queue: 2", r#"timeouts: (queue: "30s")"#);
    let _first = ask(&daemon, "/0");
    origin.wait_for(1);
    let _waiting = [ask(&daemon, "/1"), ask(&daemon, "/2")];
    queued(&daemon, 2);
    let start = Instant::now();
    assert_eq!(daemon.client().get("/3").status, 503);
    assert!(start.elapsed() < Duration::from_secs(15), "at once");
    assert_eq!(daemon.count("app", "BACKEND", "qcur"), 2);
    assert_eq!(daemon.count("app", "BACKEND", "econ"), 1);
    assert_eq!(daemon.stat("app", "app1", "qlimit"), "2");
}

#[test]
fn a_limit_grows_with_the_load_of_the_backend() {
    let origin = Gated::start();
    let config = Config::new()
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", r#"fullconn: 10, timeouts: (queue: "30s")"#)
        .server("app1", origin.origin.addr(), "minconn: 1, maxconn: 5");
    let daemon = Daemon::start(&config);
    assert_eq!(daemon.stat("app", "BACKEND", "slim"), "10");
    let mut clients = Vec::new();
    // Sessions of the backend, and how many of them the server has: 5 of 10 in proportion, at least 1.
    for (sessions, served) in
        [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (7, 3), (8, 4), (9, 4), (10, 5), (11, 5)]
    {
        clients.push(ask(&daemon, &format!("/{sessions}")));
        origin.wait_for(served);
        queued(&daemon, (sessions - served) as u64);
    }
    origin.release(11);
    for client in &mut clients {
        assert_eq!(client.response("GET").status, 200);
    }
    assert_eq!(origin.most(), 5);
}

#[test]
fn a_full_backend_is_a_tenth_of_its_frontends_unless_said() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())])
        .global("maxconn: 300")
        .frontend("other", r#"default_backend: "app", maxconn: 101"#);
    let daemon = Daemon::start(&config);
    assert_eq!(daemon.stat("app", "BACKEND", "slim"), "41", "300 and 101, rounded up");
}

#[test]
fn those_who_wait_go_where_there_is_room() {
    let (one, two) = (Gated::start(), Gated::start());
    let config = Config::new()
        .backend("app", r#"timeouts: (queue: "30s"), server_defaults: (maxconn: 1)"#)
        .frontend("web", r#"default_backend: "app""#)
        .server("app1", one.origin.addr(), "")
        .server("app2", two.origin.addr(), "");
    let daemon = Daemon::start(&config);
    daemon.admin("set server app/app2 state drain");
    let mut first = ask(&daemon, "/0");
    one.wait_for(1);
    let mut waiting = [ask(&daemon, "/1"), ask(&daemon, "/2"), ask(&daemon, "/3")];
    queued(&daemon, 3);
    daemon.admin("set server app/app2 state ready");
    two.wait_for(1);
    daemon.logged("1 sessions requeued, 2 total in queue.");
    // A server in maintenance gets nobody, though it has room.
    daemon.admin("set server app/app1 state maint");
    one.release(1);
    assert_eq!(first.response("GET").status, 200);
    eventually("it is idle", || (daemon.count("app", "app1", "scur") == 0).then_some(()));
    assert_eq!(daemon.count("app", "BACKEND", "qcur"), 2);
    two.release(1);
    two.wait_for(2);
    // With nobody left to wait for there is no use in waiting.
    daemon.admin("set server app/app2 state maint");
    queued(&daemon, 0);
    two.release(1);
    let mut statuses: Vec<u16> = waiting.iter_mut().map(|client| client.response("GET").status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 503]);
    assert_eq!(daemon.client().get("/late").status, 503, "nor does anybody line up");
}

#[test]
fn a_server_that_is_killed_loses_only_its_own() {
    let (mut one, two) = (Origin::start("app1"), Gated::start());
    let config = Config::new()
        .backend("app", r#"timeouts: (queue: "30s"), server_defaults: (maxconn: 1), check: tcp(interval: "2s", fast_interval: "100ms", down_interval: "100ms", fall: 1)"#)
        .frontend("web", r#"default_backend: "app""#)
        .server("app1", one.addr(), "")
        .server("app2", two.origin.addr(), "");
    let daemon = Daemon::start(&config);
    daemon.wait_status("app", "app1", "UP");
    daemon.wait_status("app", "app2", "UP");
    let mut clients: Vec<Client> = vec![ask(&daemon, "/slow/20000"), ask(&daemon, "/slow/20000")];
    eventually("both are busy", || (one.hits() + two.came().len() == 2).then_some(()));
    clients.extend((0..4).map(|n| ask(&daemon, &format!("/{n}"))));
    queued(&daemon, 4);
    one.stop();
    daemon.wait_status("app", "app1", "DOWN");
    // What was under way there may be asked for again; it waits for the other server.
    two.release(6);
    for client in &mut clients {
        assert_eq!(client.response("GET").status, 200);
    }
    assert_eq!(two.most(), 1);
}

#[test]
fn a_server_that_refuses_delays_the_line_and_breaks_nothing() {
    let (refusing, good) = (harness::origin::Refusing::new(), Gated::start());
    let config = Config::new()
        .backend("app", r#"timeouts: (queue: "30s"), server_defaults: (maxconn: 1)"#)
        .frontend("web", r#"default_backend: "app""#)
        .server("refusing", refusing.address(), "")
        .server("good", good.origin.addr(), "");
    let daemon = Daemon::start(&config);
    let mut clients: Vec<Client> = (0..6).map(|n| ask(&daemon, &format!("/{n}"))).collect();
    good.wait_for(1);
    queued(&daemon, 5);
    good.release(6);
    for client in &mut clients {
        assert_eq!(client.response("GET").status, 200);
    }
    assert_eq!(good.most(), 1);
    assert_eq!(daemon.count("app", "BACKEND", "qcur"), 0);
}

#[test]
fn connections_of_tcp_wait_too() {
    let origin = Tcp::echo();
    let config = Config::new()
        .defaults(r#"mode: tcp, timeouts: (queue: "30s")"#)
        .backend("app", "")
        .frontend("web", r#"default_backend: "app""#)
        .server("app1", origin.address(), "maxconn: 1");
    let daemon = Daemon::start(&config);
    let mut first = daemon.client();
    first.send("a");
    assert_eq!(first.read_exactly(1), b"a");
    // It has said what it has to say, and waits for the answer.
    let mut second = daemon.client();
    second.send("second");
    second.half_close();
    queued(&daemon, 1);
    let third = daemon.client();
    queued(&daemon, 2);
    drop(third);
    queued(&daemon, 1);
    eventually("it is counted", || (daemon.count("app", "BACKEND", "cli_abrt") == 1).then_some(()));
    first.half_close();
    assert_eq!(second.read_to_end(), b"second");
    assert_eq!(daemon.count("app", "app1", "smax"), 1);
}

#[test]
fn those_who_wait_are_served_before_the_process_ends() {
    let origin = Gated::start();
    let mut daemon = one_at_a_time(&origin, "maxconn: 1", r#"timeouts: (queue: "30s")"#);
    let mut clients = [ask(&daemon, "/0"), ask(&daemon, "/1"), ask(&daemon, "/2")];
    origin.wait_for(1);
    queued(&daemon, 2);
    daemon.signal(Signal::TERM);
    daemon.logged("stopping: 3 connections");
    origin.release(3);
    for client in &mut clients {
        assert_eq!(client.response("GET").status, 200);
    }
    assert_eq!(daemon.wait_exit(Duration::from_secs(10)).code(), Some(0));
}
