//! Clients that leave and servers that do, told apart; clients that only close their side.

use std::time::Duration;

use harness::origin::Refusing;
use harness::origin::faulty::{End, Fault, Faulty};
use harness::origin::http::Origin;
use harness::origin::slow::Silent;
use harness::{Config, Daemon, eventually, holds_for};

const GET: &str = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

fn aborts(daemon: &Daemon) -> (u64, u64) {
    (daemon.count("app", "BACKEND", "cli_abrt"), daemon.count("app", "BACKEND", "srv_abrt"))
}

fn waiting(defaults: &str) -> (Silent, Daemon, harness::Client) {
    let origin = Silent::start();
    let daemon = Daemon::start(&Config::http([("app1", origin.address())]).defaults(defaults));
    let mut client = daemon.client();
    client.send(GET);
    eventually("it is with the server", || (origin.requests() == 1).then_some(()));
    (origin, daemon, client)
}

#[test]
fn a_reset_cancels_the_request_at_the_server() {
    let (origin, daemon, client) = waiting("");
    client.reset();
    eventually("the server is let go", || (origin.service().open() == 0).then_some(()));
    eventually("it is counted", || (aborts(&daemon) == (1, 0)).then_some(()));
    eventually("at the server too", || (daemon.count("app", "app1", "cli_abrt") == 1).then_some(()));
    assert_eq!(daemon.count("app", "app1", "eresp"), 0, "the server has done nothing wrong");
}

#[test]
fn a_closed_side_is_waited_for() {
    let (origin, daemon, mut client) = waiting("");
    client.half_close();
    holds_for(Duration::from_millis(300), "the server still has it", || origin.service().open() == 1);
    assert_eq!(aborts(&daemon), (0, 0));
}

#[test]
fn a_closed_side_cancels_where_that_is_wanted() {
    let (origin, daemon, mut client) = waiting("abort_on_close: true");
    client.half_close();
    eventually("the server is let go", || (origin.service().open() == 0).then_some(()));
    assert_eq!(client.read_to_end(), b"");
    eventually("it is counted", || (aborts(&daemon) == (1, 0)).then_some(()));
}

#[test]
fn a_backend_may_think_otherwise_than_the_defaults() {
    let origin = Origin::start("app1");
    let config = Config::new().defaults("abort_on_close: true").frontend("web", r#"default_backend: "app""#);
    let config = config.backend("app", "abort_on_close: false").server("app1", origin.addr(), "");
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    client.send("GET /slow/300 HTTP/1.1\r\nHost: test\r\n\r\n");
    client.half_close();
    assert_eq!(client.response("GET").text(), "app1\n");
}

#[test]
fn one_that_sends_the_next_request_has_not_gone() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).defaults("abort_on_close: true"));
    let mut client = daemon.client();
    client.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("it is on its way", || (origin.record().heads == 1).then_some(()));
    client.send(GET);
    holds_for(Duration::from_millis(100), "it is waited for", || origin.service().open() == 1);
    origin.let_go();
    assert_eq!(client.response("GET").text(), "app1\n");
    assert_eq!(client.response("GET").text(), "app1\n");
    assert_eq!(aborts(&daemon), (0, 0));
}

#[test]
fn one_that_leaves_behind_its_next_request_is_seen_to_go() {
    for (defaults, reset) in [("", true), ("abort_on_close: true", false)] {
        let (origin, daemon, mut client) = waiting(defaults);
        client.send(GET);
        holds_for(Duration::from_millis(100), "it waits", || origin.service().open() == 1);
        if reset {
            client.reset();
        } else {
            client.half_close();
        }
        eventually("the server is let go", || (origin.service().open() == 0).then_some(()));
        eventually("it is counted", || (aborts(&daemon) == (1, 0)).then_some(()));
        assert_eq!(origin.requests(), 1);
    }
}

#[test]
fn one_that_leaves_before_there_is_a_connection_is_let_go() {
    let refusing = Refusing::new();
    // Each further try is made after a second.
    let daemon =
        Daemon::start(&Config::http([("app1", refusing.address())]).defaults("retries: (max: 1000)"));
    let mut client = daemon.client();
    client.send(GET);
    eventually("it is tried", || (daemon.count("app", "app1", "connect") > 0).then_some(()));
    client.reset();
    eventually("it is counted", || (aborts(&daemon) == (1, 0)).then_some(()));
    eventually("it is over", || (daemon.count("app", "BACKEND", "scur") == 0).then_some(()));
    assert_eq!(daemon.count("app", "BACKEND", "hrsp_5xx"), 0);
}

#[test]
fn who_breaks_an_answer_off_is_told_apart() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let mut client = daemon.client();
    client.send("GET /bytes/50000000 HTTP/1.1\r\nHost: test\r\n\r\n");
    client.read_exactly(1000);
    client.reset();
    eventually("the client's", || (aborts(&daemon) == (1, 0)).then_some(()));

    // Nothing is sent at this moment: the client's end is seen all the same.
    let mut client = daemon.client();
    client.send("GET /drip/2/3000 HTTP/1.1\r\nHost: test\r\n\r\n");
    client.read_until("\r\n\r\n");
    client.reset();
    eventually("the client's", || (aborts(&daemon) == (2, 0)).then_some(()));

    let faulty = Faulty::start(Fault::Response(60), End::Close);
    let daemon = Daemon::start(&Config::http([("app1", faulty.address())]));
    let mut client = daemon.client();
    client.send(GET);
    assert!(client.try_response("GET").is_err());
    eventually("the server's", || (aborts(&daemon) == (0, 1)).then_some(()));
}

#[test]
fn a_client_that_breaks_its_body_off_is_told() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let mut client = daemon.client();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf");
    client.half_close();
    client.read_to_end();
    eventually("it is counted", || (aborts(&daemon) == (1, 0)).then_some(()));
    assert_eq!(origin.hits(), 0);
}
