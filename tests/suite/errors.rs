//! What a client sees when something is wrong, and that nobody else sees it.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use harness::origin::Refusing;
use harness::origin::faulty::{End, Fault, Faulty};
use harness::origin::http::{Answer, Origin};
use harness::origin::slow::Silent;
use harness::{Config, Daemon, eventually};

fn scripted(bytes: &'static [u8]) -> Origin {
    Origin::scripted(move |_| Answer { bytes: bytes.to_vec(), close: true })
}

/// A second backend that works, so that a test can see it is unharmed.
fn with_good(config: Config, good: &Origin) -> Daemon {
    let config = config.frontend("good", r#"default_backend: "good""#).backend("good", "");
    Daemon::start(&config.server("good", good.addr(), ""))
}

#[test]
fn refused_connections_are_503() {
    let (refusing, good) = (Refusing::new(), Origin::start("good"));
    let daemon = with_good(Config::http([("app1", refusing.address())]), &good);
    let mut other = harness::Client::tcp(daemon.listener("good"));
    assert_eq!(other.get("/").status, 200);
    let mut client = daemon.client();
    assert_eq!(client.get("/").status, 503);
    assert!(daemon.count("app", "app1", "econ") > 0);
    assert_eq!(daemon.count("app", "BACKEND", "hrsp_5xx"), 1);
    assert_eq!(other.get("/").status, 200, "others are unharmed");
}

#[test]
fn a_backend_without_a_usable_server_is_503() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    daemon.admin("set server app/app1 state maint");
    let mut client = daemon.client();
    assert_eq!(client.get("/").status, 503);
    daemon.admin("set server app/app1 state ready");
    assert_eq!(client.get("/").status, 200, "an error answer does not end the connection");
    assert_eq!(origin.hits(), 1);
}

#[test]
fn answers_that_are_no_http_are_502() {
    for bytes in [
        &b"garbage\r\n\r\n"[..],
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Name: 1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ] {
        let origin = scripted(bytes);
        let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
        let answer = daemon.client().get("/");
        assert_eq!(answer.status, 502, "{}", String::from_utf8_lossy(bytes));
        assert_eq!(daemon.count("app", "app1", "eresp"), 1, "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_server_that_closes_without_an_answer_is_502_for_a_post() {
    for end in [End::Close, End::Reset] {
        let origin = Faulty::start(Fault::Response(0), end);
        let daemon = Daemon::start(&Config::http([("app1", origin.address())]));
        let mut client = daemon.client();
        assert_eq!(client.post("/", b"body").status, 502, "{end:?}");
        assert_eq!(origin.requests(), 1, "a request with a body is not repeated");
    }
}

#[test]
fn an_answer_cut_off_is_never_passed_as_whole() {
    let origin = scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let mut client = daemon.client();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(client.try_response("GET").is_err(), "five of ten bytes are not an answer");

    let origin = scripted(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfive!\r\n");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let mut client = daemon.client();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(client.try_response("GET").is_err(), "a missing last chunk is not an answer");
    assert_eq!(origin.hits(), 1, "an answer that began is not asked for again");
}

#[test]
fn a_server_that_does_not_answer_is_504() {
    let (silent, good) = (Silent::start(), Origin::start("good"));
    let config = Config::http([("app1", silent.address())]).with(r#"timeouts: (server: "300ms")"#);
    let daemon = with_good(config, &good);
    let mut other = harness::Client::tcp(daemon.listener("good"));
    assert_eq!(other.get("/").status, 200);
    let start = Instant::now();
    let mut client = daemon.client();
    assert_eq!(client.get("/").status, 504);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(15), "{took:?}");
    eventually("it was asked", || (silent.requests() > 0).then_some(()));
    assert_eq!(silent.requests(), 1, "a server that may still be at it is not asked again");
    assert_eq!(daemon.count("app", "BACKEND", "hrsp_5xx"), 1);
    assert_eq!(other.get("/").status, 200, "others are unharmed");
}

#[test]
fn an_answer_that_stalls_ends_the_connection() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())]).defaults(r#"timeouts: (server: "1500ms")"#);
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    client.send("GET /drip/2/15000 HTTP/1.1\r\nHost: test\r\n\r\n");
    let start = Instant::now();
    assert!(client.try_response("GET").is_err());
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[test]
fn a_slow_but_steady_answer_is_no_timeout() {
    let origin = Origin::start("app1");
    let config =
        Config::http([("app1", origin.addr())]).defaults(r#"timeouts: (server: "5s", client: "5s")"#);
    let daemon = Daemon::start(&config);
    assert_eq!(daemon.client().get("/drip/12/500").body.len, 12, "six seconds in all");
}

#[test]
fn half_a_request_head_is_408() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())]).defaults(r#"timeouts: (http_request: "400ms")"#);
    let daemon = Daemon::start(&config);
    let start = Instant::now();
    let mut client = daemon.client();
    client.send("GET / HTTP/1.1\r\nHos");
    // Drip-feeding does not extend an absolute deadline.
    harness::pause(Duration::from_millis(200));
    client.try_send("t").ok();
    let answer = client.response("GET");
    let took = start.elapsed();
    assert_eq!(answer.status, 408);
    assert!(took >= Duration::from_millis(400) && took < Duration::from_secs(15), "{took:?}");
    assert!(client.closed_within(Duration::from_secs(5)));
    assert_eq!(origin.hits(), 0);
    assert_eq!(daemon.count("web", "FRONTEND", "hrsp_4xx"), 1);
}

#[test]
fn half_a_request_body_is_408() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())]).defaults(r#"timeouts: (client: "400ms")"#);
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nfive!");
    let start = Instant::now();
    assert_eq!(client.response("POST").status, 408);
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())])
        .defaults(r#"timeouts: (http_keep_alive: "300ms", http_request: "30s", client: "30s")"#);
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    let start = Instant::now();
    client.get("/");
    assert!(client.closed_within(Duration::from_secs(5)), "closed, and no 408");
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
}

#[test]
fn a_request_that_crosses_the_end_of_an_idle_connection_meets_no_reset() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())])
        .defaults(r#"timeouts: (http_keep_alive: "100ms", http_request: "30s", client: "30s")"#);
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    client.get("/");
    let mut byte = [0];
    assert_eq!(client.stream().read(&mut byte).unwrap(), 0, "the end is told");
    // A client that had sent this a moment earlier could not have known.
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    harness::pause(Duration::from_millis(100));
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.stream().read(&mut byte).unwrap(), 0, "and is no reset afterwards");
    assert_eq!(origin.hits(), 1);
    eventually("the connection ends for good", || {
        (daemon.count("web", "FRONTEND", "scur") == 0).then_some(())
    });
}

#[test]
fn a_server_that_asks_for_no_body_is_to_blame_for_the_wait() {
    let silent = Silent::start();
    let config =
        Config::http([("app1", silent.address())]).defaults(r#"timeouts: (client: "300ms", server: "3s")"#);
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.response("POST").status, 504);
    // Once it has begun its body, the client owes the rest.
    let mut client = daemon.client();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhe");
    assert_eq!(client.response("POST").status, 408);
}

#[test]
fn nonsense_is_400_and_reaches_nobody() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    for request in ["nonsense\r\n\r\n", "\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/3.0\r\n\r\n"] {
        let mut client = daemon.client();
        client.send(request);
        let answer = client.response("GET");
        assert!(matches!(answer.status, 400 | 505), "{request:?}: {}", answer.status);
        assert!(client.closed_within(Duration::from_secs(5)), "{request:?}");
    }
    assert_eq!(origin.hits(), 0);
    assert_eq!(daemon.count("web", "FRONTEND", "ereq"), 4);
    assert_eq!(daemon.client().get("/").status, 200);
}

#[test]
fn a_head_that_drips_in_is_408_in_time() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())])
        .defaults(r#"timeouts: (http_request: "500ms", client: "300ms", http_keep_alive: "300ms")"#);
    let daemon = Daemon::start(&config);
    let start = Instant::now();
    let mut client = daemon.client();
    client.send("GET / HTTP/1.1\r\n");
    let mut drip = client.stream().again().unwrap();
    // Whole lines, more of them than the time allows for; it ends when the connection does.
    let dripping = std::thread::spawn(move || {
        for n in 0..1000 {
            harness::pause(Duration::from_millis(20));
            if drip.write_all(format!("X-{n}: y\r\n").as_bytes()).is_err() {
                return;
            }
        }
    });
    assert_eq!(client.response("GET").status, 408);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(450) && took < Duration::from_secs(15), "{took:?}");
    dripping.join().unwrap();
    assert!(client.closed_within(Duration::from_secs(5)));
    assert_eq!(origin.hits(), 0);
}

#[test]
fn a_second_head_that_stays_half_is_408_too() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())]).defaults(r#"timeouts: (http_request: "3s")"#);
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    assert_eq!(client.get("/").status, 200);
    client.send("GET / HTTP/1.1\r\nHos");
    assert_eq!(client.response("GET").status, 408);
    assert_eq!(origin.hits(), 1);
}

#[test]
fn a_head_that_ends_early_is_400() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    for head in ["GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: test\r\n"] {
        let mut client = daemon.client();
        client.send(head);
        client.half_close();
        assert_eq!(client.response("GET").status, 400, "{head:?}");
        assert!(client.closed_within(Duration::from_secs(5)), "{head:?}");
    }
    assert_eq!(origin.hits(), 0);
    assert_eq!(daemon.count("web", "FRONTEND", "ereq"), 3);
    // Saying nothing at all is no error.
    let mut silent = daemon.client();
    silent.half_close();
    assert!(silent.closed_within(Duration::from_secs(5)));
    assert_eq!(daemon.count("web", "FRONTEND", "ereq"), 3);
}
