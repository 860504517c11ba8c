//! How long clients and servers may take, each in its turn, and where that is said.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use harness::origin::http::Origin;
use harness::origin::slow::Silent;
use harness::origin::tcp::Tcp;
use harness::{Client, Config, Daemon, eventually};

/// Within what a busy machine needs more.
fn about(taken: Duration, ms: u64) {
    assert!(
        (Duration::from_millis(ms)..Duration::from_millis(ms) + Duration::from_secs(12)).contains(&taken),
        "{taken:?}"
    );
}

/// A server that ends its side, or not, and then says nothing for ever.
fn mute(ends: bool) -> Tcp {
    Tcp::start(move |mut stream, _| {
        stream.write_all(b"hello").ok();
        if ends {
            stream.shutdown(Shutdown::Write).ok();
        }
        stream.read_to_end(&mut Vec::new()).ok();
        let mut forever = stream.again().unwrap();
        // Its own end is not told: reading past the end returns at once, so the other side's reset is waited for.
        while forever.write_all(b"").is_ok() && forever.read(&mut [0]).is_ok_and(|n| n > 0) {}
        std::thread::park_timeout(Duration::from_secs(20));
    })
}

#[test]
fn a_client_that_goes_on_after_its_server_has_ended_has_less_time() {
    let origin = mute(true);
    let config = Config::tcp([("app1", origin.address())])
        .defaults(r#"timeouts: (client: "30s", server: "30s", client_fin: "30s", server_fin: "400ms")"#);
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    let start = Instant::now();
    assert_eq!(client.read_to_end(), b"hello");
    eventually("it is over", || (daemon.count("web", "FRONTEND", "scur") == 0).then_some(()));
    about(start.elapsed(), 400);
    assert_eq!(daemon.count("app", "app1", "srv_abrt"), 1);
}

#[test]
fn a_client_that_has_ended_has_less_time() {
    let origin = mute(false);
    let config = Config::tcp([("app1", origin.address())])
        .defaults(r#"timeouts: (client: "30s", server: "30s", client_fin: "400ms", server_fin: "30s")"#);
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    assert_eq!(client.read_exactly(5), b"hello");
    let start = Instant::now();
    client.half_close();
    assert_eq!(client.read_to_end(), b"");
    about(start.elapsed(), 400);
    eventually("it is over", || (daemon.count("web", "FRONTEND", "scur") == 0).then_some(()));
    assert_eq!(daemon.count("app", "BACKEND", "cli_abrt"), 1);
}

#[test]
fn a_frontend_may_give_its_clients_less_time() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())])
        .defaults(r#"timeouts: (http_request: "30s")"#)
        .frontend("hasty", r#"timeouts: (http_request: "300ms"), default_backend: "app""#);
    let daemon = Daemon::start(&config);
    let mut patient = daemon.client();
    patient.send("GET / HTTP/1.1\r\n");
    let mut hasty = Client::tcp(daemon.listener("hasty"));
    let start = Instant::now();
    hasty.send("GET / HTTP/1.1\r\n");
    assert_eq!(hasty.response("GET").status, 408);
    about(start.elapsed(), 300);
    patient.send("Host: test\r\n\r\n");
    assert_eq!(patient.response("GET").status, 200);
}

#[test]
fn a_backend_may_give_its_servers_less_time() {
    let (hasty, patient) = (Silent::start(), Origin::start("patient"));
    let config = Config::new()
        .defaults(r#"timeouts: (server: "30s")"#)
        .frontend("web", r#"default_backend: "app""#)
        .frontend("patient", r#"default_backend: "slow""#)
        .backend("app", r#"timeouts: (server: "300ms")"#)
        .server("app1", hasty.address(), "")
        .backend("slow", "")
        .server("slow1", patient.addr(), "");
    let daemon = Daemon::start(&config);
    let start = Instant::now();
    assert_eq!(daemon.client().get("/").status, 504);
    about(start.elapsed(), 300);
    assert_eq!(Client::tcp(daemon.listener("patient")).get("/slow/1000").status, 200);
}

#[test]
fn a_tunnel_has_the_time_of_its_backend() {
    let origin = Tcp::start(|mut stream, _| {
        let mut head = [0; 4096];
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            match stream.read(&mut head) {
                Ok(n @ 1..) => seen.extend_from_slice(&head[..n]),
                _ => return,
            }
        }
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
            .ok();
        stream.read_to_end(&mut Vec::new()).ok();
    });
    let config = Config::new()
        .defaults(r#"timeouts: (tunnel: "30s", client: "3s", server: "3s")"#)
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", r#"timeouts: (tunnel: "5s")"#)
        .server("app1", origin.address(), "");
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    let start = Instant::now();
    client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    assert_eq!(client.response("GET").status, 101);
    assert_eq!(client.read_to_end(), b"");
    about(start.elapsed(), 5000);
}

#[test]
fn a_backend_may_have_its_own_retries() {
    let refusing = harness::origin::Refusing::new();
    let config = Config::new()
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", r#"retries: (max: 0), timeouts: (connect: "5s")"#)
        .server("app1", refusing.address(), "");
    let daemon = Daemon::start(&config);
    let asked = || {
        let start = Instant::now();
        assert_eq!(daemon.client().get("/").status, 503);
        start.elapsed()
    };
    let quickest = (0..5).map(|_| asked()).min().unwrap();
    assert!(quickest < Duration::from_millis(900), "no pause, as there is no further try: {quickest:?}");
    assert_eq!(daemon.count("app", "BACKEND", "wretr"), 0);
}
