//! HTTP/1.1 through proxyd: framing, persistence, headers, bodies of every kind.

use std::env;
use std::io::{Read, Write};
use std::time::Duration;

use harness::origin::http::{Answer, Origin};
use harness::{Client, Config, Daemon, eventually, holds_for};

fn one() -> (Origin, Daemon) {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    (origin, daemon)
}

#[test]
fn both_sides_are_kept_alive() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).global("workers: 1"));
    let mut client = daemon.client();
    for _ in 0..20 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.text().as_str()), (200, "app1\n"));
    }
    assert_eq!(origin.hits(), 20);
    assert_eq!(origin.service().accepted(), 1, "one server connection carries all requests");
    let mut other = daemon.client();
    other.get("/");
    assert_eq!(origin.service().accepted(), 1, "the pool belongs to the worker, not to a client");
}

#[test]
fn bodies_of_both_framings_arrive_whole() {
    let (origin, daemon) = one();
    let mut client = daemon.client();
    for size in [0, 1, 65, 4095, 4096, 16_384, 65_537, 1_000_000] {
        let length = client.get(&format!("/bytes/{size}"));
        assert_eq!((length.body.len, length.body.chunked), (size, false));
        assert_eq!(length.header("content-length"), Some(size.to_string().as_str()));
        let chunked = client.get(&format!("/chunked/{size}"));
        assert_eq!((chunked.body.len, chunked.body.chunked), (size, true));
        let body = vec![b'x'; usize::try_from(size).unwrap()];
        assert_eq!(client.post("/echo", &body).body.bytes, body);
    }
    assert_eq!(origin.service().accepted(), 1);
}

#[test]
fn a_chunked_request_is_reframed_and_whole() {
    let (origin, daemon) = one();
    let mut client = daemon.client();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    for part in ["5\r\nhello\r\n", "1;name=value\r\n \r\n", "00006\r\nworld!\r\n", "0\r\n", "\r\n"] {
        client.send(part);
    }
    let answer = client.response("POST");
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello world!"));
    let request = &origin.requests()[0];
    assert!(request.body.chunked);
    assert_eq!(client.get("/").status, 200, "the connection goes on");
}

#[test]
fn a_body_ended_by_closing_ends_for_the_client_too() {
    let (_origin, daemon) = one();
    let answer = daemon.client().get("/until-close/100000");
    assert_eq!((answer.status, answer.body.len), (200, 100_000));
}

#[test]
fn bodiless_answers_stay_in_step() {
    let (_origin, daemon) = one();
    let mut client = daemon.client();
    client.send("HEAD /bytes/1000 HTTP/1.1\r\nHost: test\r\n\r\n");
    let head = client.response("HEAD");
    assert_eq!((head.status, head.header("content-length")), (200, Some("1000")));
    client.send("HEAD /chunked/1000 HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.response("HEAD").status, 200);
    for status in [204, 304] {
        let answer = client.get(&format!("/status/{status}"));
        assert_eq!((answer.status, answer.body.len), (status, 0));
        assert_eq!(answer.header("transfer-encoding"), None);
    }
    assert_eq!(client.get("/").text(), "app1\n");
}

#[test]
fn any_status_passes() {
    let (_origin, daemon) = one();
    let mut client = daemon.client();
    for status in [200, 201, 301, 400, 404, 418, 429, 500, 502, 503, 599] {
        assert_eq!(client.get(&format!("/status/{status}")).status, status);
    }
}

#[test]
fn a_client_that_asks_to_close_is_closed() {
    let (origin, daemon) = one();
    let mut client = daemon.client();
    client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    let answer = client.response("GET");
    assert_eq!(answer.text(), "app1\n");
    assert!(
        answer.header("connection").is_some_and(|it| it.eq_ignore_ascii_case("close")),
        "{:?}",
        answer.head
    );
    assert!(client.closed_within(Duration::from_secs(5)));
    assert!(daemon.client().get("/").status == 200);
    assert!(
        origin.requests().iter().all(|it| it.head.get("connection").is_none_or(|value| value != "close"))
    );
}

#[test]
fn a_server_that_closes_does_not_close_the_client() {
    let (_origin, daemon) = one();
    let mut client = daemon.client();
    for _ in 0..3 {
        let answer = client.get("/close");
        assert_eq!(answer.text(), "app1\n");
        assert!(answer.header("connection").is_none_or(|it| !it.eq_ignore_ascii_case("close")));
    }
}

#[test]
fn http_1_0_clients_are_served() {
    let (origin, daemon) = one();
    let mut client = daemon.client();
    client.send("GET /bytes/10 HTTP/1.0\r\n\r\n");
    let answer = client.response("GET");
    assert_eq!((answer.status, answer.body.len), (200, 10));
    assert!(client.closed_within(Duration::from_secs(5)), "1.0 closes unless asked otherwise");

    let mut client = daemon.client();
    client.send("GET /chunked/10 HTTP/1.0\r\nHost: test\r\n\r\n");
    let answer = client.response("GET");
    assert_eq!(answer.header("transfer-encoding"), None, "1.0 knows no chunks");
    assert_eq!(answer.body.len, 10);

    let mut client = daemon.client();
    for _ in 0..3 {
        client.send("GET /bytes/10 HTTP/1.0\r\nHost: test\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.response("GET");
        assert_eq!((answer.status, answer.body.len), (200, 10));
    }
    assert_eq!(origin.hits(), 5);
}

#[test]
fn an_old_client_is_told_when_its_connection_ends() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let mut client = daemon.client();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(client.response("GET").header("connection"), Some("keep-alive"));
    daemon.admin("set server app/app1 state maint");
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.response("GET");
    assert_eq!((answer.status, answer.header("connection")), (503, Some("close")));
    assert!(client.closed_within(Duration::from_secs(5)));
}

#[test]
fn every_form_of_target_has_its_place() {
    let (origin, daemon) = one();
    let mut client = daemon.client();
    for (request, target, host) in [
        ("GET http://a.example/x?y HTTP/1.1\r\nHost: a.example", "/x?y", "a.example"),
        ("GET HTTP://A.example HTTP/1.1\r\nHost: a.EXAMPLE", "/", "A.example"),
        // The scheme's own port may be left out of either.
        ("GET http://a.example:80/ HTTP/1.1\r\nHost: a.example", "/", "a.example:80"),
        ("GET https://a.example/ HTTP/1.1\r\nHost: a.example:443", "/", "a.example"),
        ("GET http://a.example/ HTTP/1.0", "/", "a.example"),
        ("OPTIONS * HTTP/1.1\r\nHost: a.example", "*", "a.example"),
        ("OPTIONS http://a.example HTTP/1.1\r\nHost: a.example", "*", "a.example"),
        ("OPTIONS http://a.example/ HTTP/1.1\r\nHost: a.example", "/", "a.example"),
        ("PURGE /x HTTP/1.1\r\nHost: a.example", "/x", "a.example"),
        ("TRACE /x HTTP/1.1\r\nHost: a.example", "/x", "a.example"),
        ("GET //x HTTP/1.1\r\nHost: a.example", "//x", "a.example"),
    ] {
        if request.contains("HTTP/1.0") {
            client = daemon.client();
        }
        client.send(format!("{request}\r\n\r\n"));
        assert_eq!(client.response("GET").status, 200, "{request}");
        let sent = origin.requests().pop().unwrap();
        assert_eq!((sent.target(), sent.head.get("host")), (target, Some(host)), "{request}");
        assert_eq!(sent.head.count("host"), 1, "{request}");
        if request.contains("HTTP/1.0") {
            client = daemon.client();
        }
    }
}

#[test]
fn hop_by_hop_fields_end_here() {
    let (origin, daemon) = one();
    let mut client = daemon.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: test\r\nConnection: X-One, ,x-TWO\r\ncONNECTION: keep-alive, X-Three\r\n\
         X-One: 1\r\nX-Two: 2\r\nx-three: 3\r\nX-Four: 4\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\n\
         TE: gzip\r\nUpgrade: h2c\r\nTrailer: X-Five\r\n\r\n",
    );
    let answer = client.response("GET");
    assert_eq!(answer.status, 200);
    let head = &origin.requests()[0].head;
    for gone in ["x-one", "x-two", "x-three", "keep-alive", "proxy-connection", "te", "upgrade"] {
        assert_eq!(head.get(gone), None, "{gone} in {:?}", head.fields);
    }
    assert_eq!(head.get("x-four"), Some("4"));
    assert!(head.get("connection").is_none_or(|it| !it.to_ascii_lowercase().contains("x-")));
    assert_eq!(client.get("/").status, 200, "X-One and the like are no reason to close");
}

#[test]
fn hop_by_hop_tokens_cannot_remove_what_matters() {
    let (origin, daemon) = one();
    let mut client = daemon.client();
    client.send(
        "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nCookie: a=b\r\nAuthorization: Basic eA==\r\n\
         Connection: close, Host, Content-Length, Cookie, Authorization, X-Forwarded-For\r\n\r\nhello",
    );
    let answer = client.response("POST");
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    let head = &origin.requests()[0].head;
    assert_eq!(head.get("host"), Some("test"));
    assert_eq!(head.get("cookie"), Some("a=b"));
    assert_eq!(head.get("authorization"), Some("Basic eA=="));
}

#[test]
fn hop_by_hop_fields_of_an_answer_end_here() {
    let origin = Origin::scripted(|_| {
        Answer {
        bytes: b"HTTP/1.1 200 OK\r\nConnection: X-Internal, keep-alive\r\nX-Internal: secret\r\nKeep-Alive: timeout=1\r\n\
                 X-Public: yes\r\nContent-Length: 2\r\n\r\nok"
            .to_vec(),
        close: false,
    }
    });
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let answer = daemon.client().get("/");
    assert_eq!(answer.header("x-internal"), None);
    assert_eq!(answer.header("keep-alive"), None);
    assert_eq!(answer.header("x-public"), Some("yes"));
}

#[test]
fn end_to_end_fields_pass_in_order_and_in_their_case() {
    let (origin, daemon) = one();
    let mut client = daemon.client();
    client.send(
        "GET /a%2Fb?c=d&e HTTP/1.1\r\nHost: Test.Example\r\nX-CaSe: Value With  Spaces\r\nX-Many: 1\r\nX-Many: 2\r\n\
         X-Empty:\r\nX-Latin: caf\u{e9}\r\n\r\n",
    );
    assert_eq!(client.response("GET").status, 200);
    let request = &origin.requests()[0];
    assert_eq!(request.target(), "/a%2Fb?c=d&e");
    let head = &request.head;
    assert_eq!(head.get("host"), Some("Test.Example"));
    let many: Vec<_> = head.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-many")).collect();
    assert_eq!(many.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(head.get("x-case"), Some("Value With  Spaces"));
    assert_eq!(head.get("x-empty"), Some(""));
    assert!(
        head.fields.iter().any(|(name, _)| name == "X-CaSe"),
        "the case of names survives: {:?}",
        head.fields
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (origin, daemon) = one();
    let mut client = daemon.client();
    let requests: Vec<_> =
        (0..10).map(|n| format!("GET /bytes/{n} HTTP/1.1\r\nHost: test\r\n\r\n")).collect();
    client.send(requests.concat());
    for n in 0..10 {
        assert_eq!(client.response("GET").body.len, n);
    }
    assert_eq!(origin.hits(), 10);
}

#[test]
fn a_request_in_pieces_is_one_request() {
    let (origin, daemon) = one();
    let mut client = daemon.client();
    for byte in b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc" {
        client.send([*byte]);
    }
    assert_eq!(client.response("POST").text(), "abc");
    assert_eq!(origin.hits(), 1);
}

#[test]
fn expect_100_continue_lets_the_body_come() {
    let (origin, daemon) = one();
    let mut client = daemon.client();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    let interim = client.read_until("\r\n\r\n");
    assert!(interim.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&interim));
    client.send("hello");
    assert_eq!(client.response("POST").text(), "hello");
    assert_eq!(client.get("/").status, 200);
    assert_eq!(origin.hits(), 2);
}

#[test]
fn an_early_answer_reaches_a_client_that_still_sends() {
    let (_origin, daemon) = one();
    let mut client = daemon.client();
    client.send("POST /early HTTP/1.1\r\nHost: test\r\nContent-Length: 10000000\r\n\r\nsome");
    let answer = client.response("POST");
    assert_eq!((answer.status, answer.text().as_str()), (403, "early\n"));
    assert_eq!(daemon.client().get("/").status, 200, "others are unharmed");
}

#[test]
fn a_client_that_leaves_early_leaves_nothing_behind() {
    let (origin, daemon) = one();
    for _ in 0..20 {
        let mut client = daemon.client();
        client.send("GET /bytes/50000000 HTTP/1.1\r\nHost: test\r\n\r\n");
        client.read_exactly(1000);
        client.reset();
    }
    eventually("no connection to the server is left", || (origin.service().open() <= 1).then_some(()));
    eventually("no session is left", || (daemon.count("web", "FRONTEND", "scur") == 0).then_some(()));
    assert_eq!(daemon.client().get("/").status, 200);
}

#[test]
fn a_half_closed_client_gets_its_answer() {
    let (_origin, daemon) = one();
    let mut client = daemon.client();
    client.send("GET /slow/200 HTTP/1.1\r\nHost: test\r\n\r\n");
    client.half_close();
    assert_eq!(client.response("GET").text(), "app1\n");
    assert!(client.closed_within(Duration::from_secs(5)));
}

#[test]
fn a_body_is_passed_on_as_it_comes() {
    let (origin, daemon) = one();
    let mut client = daemon.client();
    client.send("GET /held/4 HTTP/1.1\r\nHost: test\r\n\r\n");
    client.read_until("\r\n\r\n");
    // The server sends the others when this one has come.
    client.read_exactly(1);
    origin.let_go();
    client.read_exactly(3);
}

#[test]
fn large_bodies_take_constant_memory() {
    let gib = 1 << 30;
    let size: u64 = if env::var_os("PROXYD_BIG").is_some() { 2 * gib } else { gib / 16 };
    let (origin, daemon) = one();
    let mut client = daemon.client();
    client.get("/");
    let before = daemon.rss();

    let down = client.get(&format!("/bytes/{size}"));
    assert_eq!(down.body.len, size);
    let chunked = client.get(&format!("/chunked/{size}"));
    assert_eq!(chunked.body.len, size);

    client.send(format!("POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: {size}\r\n\r\n"));
    let block = vec![b'u'; 1 << 20];
    for _ in 0..size >> 20 {
        client.send(&block);
    }
    assert_eq!(client.response("POST").text(), size.to_string());
    let grown = daemon.rss().saturating_sub(before);
    assert!(grown < 8 << 20, "grew by {grown} bytes");
    assert_eq!(origin.hits(), 4);
}

#[test]
fn backpressure_reaches_the_server_and_the_client() {
    let (_origin, daemon) = one();
    let before = daemon.rss();
    let mut reader = daemon.client();
    reader.stream().buffers(8 << 10);
    reader.send("GET /bytes/200000000 HTTP/1.1\r\nHost: test\r\n\r\n");
    reader.read_exactly(1000);

    let stuck = harness::origin::slow::Stuck::start();
    let second = Daemon::start(&Config::http([("stuck", stuck.address())]));
    let mut writer = second.client();
    writer.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 200000000\r\n\r\n");
    writer.stream().limit(Some(Duration::from_millis(500))).unwrap();
    let block = vec![0; 1 << 20];
    let mut sent = 0;
    while let Ok(n @ 1..) = writer.stream().write(&block) {
        sent += n;
    }
    assert!(sent < 100_000_000, "{sent} bytes were taken that nobody reads");
    holds_for(Duration::from_millis(300), "memory is bounded", || {
        daemon.rss().saturating_sub(before) < 8 << 20
    });
    assert!(second.rss() < before + (16 << 20));
    stuck.release();
}

#[test]
fn a_large_head_is_carried_or_refused_and_nothing_else() {
    let (origin, daemon) = one();
    let mut client = daemon.client();
    client.send(format!("GET / HTTP/1.1\r\nHost: test\r\nX-Large: {}\r\n\r\n", "x".repeat(6000)));
    assert_eq!(client.response("GET").status, 200);
    assert_eq!(origin.requests()[0].head.get("x-large").map(str::len), Some(6000));

    let mut client = daemon.client();
    let head = format!("GET / HTTP/1.1\r\nHost: test\r\nX-Large: {}\r\n\r\n", "x".repeat(2 << 20));
    // The answer may come, and the connection end, before all of it is sent.
    client.try_send(head).ok();
    let mut seen = [0; 12];
    if client.stream().read_exact(&mut seen).is_ok() {
        assert!(matches!(&seen[9..], b"431" | b"400" | b"414"), "{}", String::from_utf8_lossy(&seen));
    }
    assert_eq!(origin.hits(), 1);
}

#[test]
fn many_connections_at_once_are_served() {
    let (origin, daemon) = one();
    let address = daemon.listener("web");
    let threads: Vec<_> = (0..16)
        .map(|_| {
            std::thread::spawn(move || {
                for _ in 0..10 {
                    let mut client = Client::tcp(address);
                    for _ in 0..5 {
                        assert_eq!(client.get("/").status, 200);
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(origin.hits(), 800);
    for (px, sv, column) in [("web", "FRONTEND", "req_tot"), ("app", "app1", "hrsp_2xx")] {
        eventually("all are counted", || (daemon.count(px, sv, column) == 800).then_some(()));
    }
}

#[test]
fn clients_are_told_how_long_a_connection_may_be_idle() {
    let origin = Origin::start("app1");
    let config = Config::new()
        .defaults(r#"timeouts: (http_keep_alive: "20s"), http: (announce_keep_alive: true)"#)
        .frontend("web", r#"default_backend: "app""#)
        .frontend("quiet", r#"default_backend: "app", http: (announce_keep_alive: false)"#)
        .frontend("empty", r#"default_backend: "none""#)
        .backend("none", "")
        .backend("app", "")
        .server("app1", origin.addr(), "");
    let daemon = Daemon::start(&config);
    let told = |frontend: &str| {
        let mut client = Client::tcp(daemon.listener(frontend));
        client.get("/").header("keep-alive").map(ToOwned::to_owned)
    };
    assert_eq!(told("web").as_deref(), Some("timeout=19"), "a second less than there is");
    assert_eq!(told("empty").as_deref(), Some("timeout=19"), "in answers of our own as well");
    assert_eq!(told("quiet"), None);
    let mut last = daemon.client();
    last.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    assert_eq!(last.response("GET").header("keep-alive"), None, "nothing follows the last answer");
}
