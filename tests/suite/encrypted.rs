//! TLS on the way of the data: with clients, with servers, and what is told of it.

use std::fs;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use harness::origin::http::Origin;
use harness::origin::tcp::Tcp;
use harness::stream::{Address, Stream};
use harness::tls::{Authority, Dialer, Identity, Kind, Serving, Versions};
use harness::{Client, Config, Daemon, Start, eventually};
use rustix::process::Signal;

/// Who vouches for all here, and a certificate for `a.example`.
struct Site {
    root: Authority,
    identity: Identity,
}

impl Site {
    fn new() -> Self {
        let root = Authority::new("root");
        let identity = root.issue(&["a.example"], Kind::Server);
        Self { root, identity }
    }

    /// Frontend `web` that speaks TLS.
    fn config(bind: &str, frontend: &str) -> Config {
        let bind = format!(
            "bind: [(address: \"127.0.0.1:0\", tls: (certificates: [\"site.pem\"], {bind}))], \
             default_backend: \"app\", {frontend}"
        );
        Config::new().frontend("web", &bind).backend("app", "")
    }

    /// With its files beside it.
    fn start(&self, config: &Config) -> Daemon {
        let start = Start::new(config);
        self.identity.write(start.dir(), "site.pem");
        self.root.write(start.dir(), "root.pem");
        start.run()
    }

    fn dial(&self, daemon: &Daemon) -> Client {
        Dialer::trusting(&self.root).client(daemon.listener("web"), "a.example").unwrap()
    }
}

/// Metrics of a daemon, once they say this.
fn tells(daemon: &Daemon, line: &str) {
    let address = daemon.listener("GLOBAL");
    eventually(line, || {
        let text = harness::client::get(address, "/metrics").text();
        text.lines().any(|it| it == line).then_some(())
    });
}

#[test]
fn a_client_is_served_over_tls_and_servers_are_told() {
    let site = Site::new();
    let origin = Origin::start("app1");
    let config =
        Site::config("", "forward_headers: [x_forwarded_proto, forwarded]").server("app1", origin.addr(), "");
    let daemon = site.start(&config);
    for versions in [Versions::Tls12, Versions::Tls13] {
        let dialer = Dialer::with(&site.root, versions, None);
        let mut client = dialer.client(daemon.listener("web"), "a.example").unwrap();
        for _ in 0..3 {
            assert_eq!(client.get("/").text(), "app1\n");
        }
        let body = vec![b'x'; 300_000];
        assert_eq!(client.post("/", &body).status, 200);
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(client.response("GET").status, 200);
        // An end that is told: without one reading would be an error.
        let mut rest = Vec::new();
        assert_eq!(client.stream().read_to_end(&mut rest).unwrap(), 0);
    }
    let record = origin.record();
    let last = record.requests.last().unwrap();
    assert_eq!(last.head.get("x-forwarded-proto"), Some("https"));
    assert!(last.head.get("forwarded").unwrap().contains("proto=https"), "{:?}", last.head);
}

#[test]
fn bytes_go_both_ways_through_a_tcp_frontend() {
    let site = Site::new();
    let origin = Tcp::echo();
    let config = Site::config("", "").defaults("mode: tcp").server("app1", origin.addr(), "");
    let daemon = site.start(&config);
    let mut client = site.dial(&daemon);
    let sent: Vec<u8> = (0..500_000_usize).map(|n| (n / 3) as u8).collect();
    for part in sent.chunks(50_000) {
        client.send(part);
        assert_eq!(client.read_exactly(part.len()), part);
    }
    client.half_close();
    let mut rest = Vec::new();
    assert_eq!(client.stream().read_to_end(&mut rest).unwrap(), 0);
}

#[test]
fn a_request_in_clear_is_told_so() {
    let site = Site::new();
    let origin = Origin::start("app1");
    let config =
        Site::config("", "").global("metrics: (bind: \"127.0.0.1:0\")").server("app1", origin.addr(), "");
    let daemon = site.start(&config);
    let mut client = daemon.client();
    assert_eq!(client.get("/").status, 400);
    assert_eq!(client.read_to_end(), b"");
    tells(&daemon, "proxyd_tls_failures_total{proxy=\"web\",reason=\"not_tls\"} 1");
    tells(&daemon, "proxyd_http_refused_total{proxy=\"web\",reason=\"in_clear\"} 1");
    assert_eq!(origin.hits(), 0);
}

#[test]
fn handshakes_that_fail_are_counted_logged_and_harm_nobody() {
    let site = Site::new();
    let origin = Origin::start("app1");
    let config = Site::config("", "timeouts: (tls_handshake: \"4s\")")
        .global("metrics: (bind: \"127.0.0.1:0\"), workers: 1")
        .server("app1", origin.addr(), "");
    let daemon = site.start(&config);
    // A client that does not believe the certificate says so.
    let other = Authority::new("other");
    let distrustful = Dialer::with(&other, Versions::Tls12, None);
    assert!(distrustful.client(daemon.listener("web"), "a.example").is_err());
    daemon.logged("SSL handshake failure: the peer refuses (received fatal alert: UnknownCA)");
    tells(&daemon, "proxyd_tls_failures_total{proxy=\"web\",reason=\"alert\"} 1");
    // One that drips is cut at its time, however busy it is.
    let hello = Dialer::trusting(&site.root).hello("a.example");
    let mut dripping = daemon.client();
    let begun = Instant::now();
    for byte in hello.iter().cycle() {
        if dripping.try_send([*byte]).is_err() || begun.elapsed() > Duration::from_secs(15) {
            break;
        }
        harness::pause(Duration::from_millis(10));
    }
    assert!(begun.elapsed() < Duration::from_secs(14), "{:?}", begun.elapsed());
    tells(&daemon, "proxyd_tls_failures_total{proxy=\"web\",reason=\"timeout\"} 1");
    daemon.logged("SSL handshake failure: it did not end in time");
    // Who never says a word has failed at nothing.
    let mut silent = daemon.client();
    assert!(silent.closed_within(Duration::from_secs(20)));
    tells(&daemon, "proxyd_tls_failures_total{proxy=\"web\",reason=\"closed\"} 0");
    assert_eq!(site.dial(&daemon).get("/").status, 200);
    assert_eq!(daemon.log().matches("SSL handshake failure").count(), 2, "{}", daemon.log());
}

#[test]
fn an_alert_is_not_lost_to_what_the_client_still_sends() {
    let site = Site::new();
    let origin = Origin::start("app1");
    let config = Site::config("strict_sni: true", "").global("metrics: (bind: \"127.0.0.1:0\")").server(
        "app1",
        origin.addr(),
        "",
    );
    let daemon = site.start(&config);
    let mut client = daemon.client();
    client.send(Dialer::trusting(&site.root).hello("b.example"));
    tells(&daemon, "proxyd_tls_failures_total{proxy=\"web\",reason=\"name\"} 1");
    // A connection that was closed would be reset by the first, and break at the second.
    for _ in 0..10 {
        client.send([0; 1000]);
    }
    client.half_close();
    let answer = client.read_to_end();
    assert!(matches!(answer[..], [21, 3, _, 0, 2, 2, _]), "{answer:?}");
}

#[test]
fn servers_are_spoken_to_and_checked_in_tls() {
    let site = Site::new();
    for versions in [Versions::Tls12, Versions::Tls13] {
        let serving = Serving::with(&site.identity, versions, None, &[]);
        let origin = Origin::tls("app1", &serving);
        let tls = r#"tls: (ca: "root.pem", sni: "a.example")"#;
        let config = Config::new()
            .frontend("web", r#"default_backend: "app""#)
            .backend("app", r#"check: http(path: "/health", interval: "2s", fast_interval: "200ms")"#)
            .server("app1", origin.addr(), tls);
        let daemon = site.start(&config);
        let checked = || origin.record().requests.iter().filter(|it| it.target() == "/health").count();
        eventually("checks that passed", || {
            (checked() > 1 && daemon.stat("app", "app1", "check_status") == "L7OK").then_some(())
        });
        let mut client = daemon.client();
        for _ in 0..20 {
            assert_eq!(client.get("/").text(), "app1\n");
        }
        let body = vec![b'x'; 300_000];
        assert_eq!(client.post("/", &body).status, 200);
        let asked = origin.record().requests.iter().filter(|it| it.target() != "/health").count();
        let seen = serving.seen();
        assert_eq!(seen[0].name.as_deref(), Some("a.example"));
        // One connection for all of them; the others were checks.
        assert_eq!(asked, 21);
        let checks = origin.record().requests.len() - asked;
        assert!(seen.len() <= checks + 3, "{} handshakes, {checks} checks", seen.len());
        assert!(seen.iter().any(|it| it.resumed), "what can be resumed is: {seen:?}");
        assert_eq!(origin.record().violations, Vec::<String>::new());
    }
}

#[test]
fn a_server_that_is_not_believed_gets_nothing() {
    let site = Site::new();
    for (identity, sni, reason) in [
        (site.root.issue(&["a.example"], Kind::Expired), "a.example", "has expired"),
        (site.root.issue(&["a.example"], Kind::Server), "b.example", "has another name"),
        (Authority::new("other").issue(&["a.example"], Kind::Server), "a.example", "is of an unknown CA"),
    ] {
        let serving = Serving::new(&identity);
        let origin = Origin::tls("app1", &serving);
        let config = Config::new()
            .global("metrics: (bind: \"127.0.0.1:0\")")
            .defaults("retries: (max: 0)")
            .frontend("web", r#"default_backend: "app""#)
            .backend("app", "")
            .server("app1", origin.addr(), &format!("tls: (ca: \"root.pem\", sni: {sni:?})"));
        let daemon = site.start(&config);
        assert_eq!(daemon.client().get("/").status, 503);
        daemon.logged(&format!("Server app/app1: SSL handshake failure: the peer's certificate {reason}"));
        tells(&daemon, "proxyd_server_tls_failures_total{proxy=\"app\",server=\"app1\"} 1");
        assert_eq!(origin.hits(), 0);
    }
}

#[test]
fn a_server_that_is_not_believed_is_tried_once() {
    let site = Site::new();
    let stranger = Serving::new(&Authority::new("other").issue(&["a.example"], Kind::Server));
    let old = Serving::with(&site.identity, Versions::Tls12, None, &[]);
    for (serving, versions) in [(stranger, ""), (old, "min_version: tls13, ")] {
        let bad = Origin::tls("bad", &serving);
        let good = Origin::tls("good", &Serving::new(&site.identity));
        let tls = |versions| format!("tls: (ca: \"root.pem\", {versions}sni: \"a.example\")");
        let config = Config::new()
            .defaults("retries: (max: 3)")
            .frontend("web", r#"default_backend: "alone""#)
            .frontend("two", r#"default_backend: "both""#)
            .backend("alone", "")
            .server("bad", bad.addr(), &tls(versions))
            .backend("both", "")
            .server("bad", bad.addr(), &tls(versions))
            .server("good", good.addr(), &tls(""));
        let daemon = site.start(&config);
        assert_eq!(daemon.client().get("/").status, 503);
        let of_backend = |backend, name| daemon.count(backend, "BACKEND", name);
        assert_eq!(daemon.count("alone", "bad", "connect"), 1);
        assert_eq!((of_backend("alone", "wretr"), of_backend("alone", "wredis")), (0, 0));
        for _ in 0..4 {
            assert_eq!(Client::tcp(daemon.listener("two")).get("/").text(), "good\n");
        }
        let tried = daemon.count("both", "bad", "connect");
        assert!(tried >= 1, "the other was never tried");
        assert_eq!((of_backend("both", "wretr"), of_backend("both", "wredis")), (0, tried));
    }
}

#[test]
fn checks_tell_what_is_wrong_with_tls() {
    let site = Site::new();
    let plain = Origin::start("plain");
    let tls = Origin::tls("tls", &Serving::new(&site.identity));
    let config = Config::new()
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", r#"check: tcp(interval: "2s", timeout: "1s", fall: 1)"#)
        .server("plain", plain.addr(), r#"tls: (ca: "root.pem", sni: "a.example")"#)
        .server("tls", tls.addr(), r#"tls: (ca: "root.pem", sni: "a.example")"#)
        .server("wrong", tls.addr(), r#"tls: (ca: "root.pem", sni: "b.example")"#);
    let daemon = site.start(&config);
    for (server, expected) in [("plain", "L6TOUT"), ("tls", "L6OK"), ("wrong", "L6RSP")] {
        eventually(server, || (daemon.stat("app", server, "check_status") == expected).then_some(()));
    }
}

#[test]
fn an_answer_that_is_cut_does_not_look_whole() {
    let site = Site::new();
    // Its length is not told, and it ends without a word of TLS.
    let serving = Serving::new(&site.identity);
    for told in [true, false] {
        let serving = serving.clone();
        let origin = harness::origin::Service::tcp(move |stream, _| {
            let Ok(mut session) = serving.accept(stream) else { return };
            let mut buf = [0; 1000];
            if session.read(&mut buf).is_ok() {
                session.write_all(b"HTTP/1.0 200 OK\r\n\r\nsome").unwrap();
                if told {
                    session.tls().send_close_notify();
                    session.flush().unwrap();
                }
                session.truncate();
            }
        });
        let config = Site::config("", "").server(
            "app1",
            origin.address().clone(),
            r#"tls: (ca: "root.pem", sni: "a.example")"#,
        );
        let daemon = site.start(&config);
        let mut client = site.dial(&daemon);
        client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
        let mut got = Vec::new();
        let end = client.stream().read_to_end(&mut got);
        assert_eq!(end.is_ok(), told, "{end:?}");
    }
}

#[test]
fn lines_tell_of_tls() {
    let site = Site::new();
    let origin = Origin::start("app1");
    let config = Site::config("", "log: (format: httpslog)")
        .global(r#"metrics: (bind: "127.0.0.1:0"), workers: 1, log: [(target: file("access")), (target: file("json"), format: json)]"#)
        .server("app1", origin.addr(), "");
    let daemon = site.start(&config);
    let dialer = Dialer::with(&site.root, Versions::Tls13, None).resuming();
    for _ in 0..2 {
        let mut client = dialer.client(daemon.listener("web"), "a.example").unwrap();
        assert_eq!(client.get("/").status, 200);
    }
    tells(&daemon, "proxyd_tls_handshakes_total{proxy=\"web\",resumed=\"no\"} 1");
    tells(&daemon, "proxyd_tls_handshakes_total{proxy=\"web\",resumed=\"yes\"} 1");
    assert!(daemon.admin("show info").contains("CumSslConns: 2\n"));
    eventually("no connection", || daemon.admin("show info").contains("CurrSslConns: 0\n").then_some(()));
    let lines: Vec<String> = eventually("two lines", || {
        let text = fs::read_to_string(daemon.dir().join("access")).unwrap_or_default();
        (text.lines().count() >= 2).then(|| text.lines().map(str::to_owned).collect())
    });
    let object = eventually("an object", || {
        let text = fs::read_to_string(daemon.dir().join("json")).unwrap_or_default();
        text.lines().next().filter(|_| text.ends_with('\n')).map(str::to_owned)
    });
    let tls = r#""tls":{"version":"TLSv1.3","cipher":"TLS_AES_256_GCM_SHA384","name":"a.example","alpn":null,"resumed":false,"client":null}"#;
    assert!(object.contains(tls) && object.contains(r#""ms":{"handshake":"#), "{object}");
    for (line, resumed) in lines.iter().zip([0, 1]) {
        let end = format!(
            "\"GET / HTTP/1.1\" 0/0000000000000000/0/0/{resumed} a.example/TLSv1.3/TLS_AES_256_GCM_SHA384"
        );
        assert!(line.ends_with(&end) && line.contains(" web~ app/app1 "), "{line}");
    }
}

#[test]
fn idle_connections_over_tls_end_when_it_drains() {
    let site = Site::new();
    let origin = Origin::start("app1");
    let mut daemon = site.start(&Site::config("", "").server("app1", origin.addr(), ""));
    let mut idle = site.dial(&daemon);
    assert_eq!(idle.get("/").status, 200);
    let mut silent = daemon.client();
    let shaken = site.dial(&daemon);
    eventually("three connections", || daemon.admin("show info").contains("CurrConns: 3").then_some(()));
    daemon.signal(Signal::TERM);
    let mut rest = Vec::new();
    assert_eq!(idle.stream().read_to_end(&mut rest).unwrap(), 0);
    assert!(silent.closed_within(Duration::from_secs(5)));
    drop(shaken);
    assert!(daemon.wait_exit(Duration::from_secs(10)).success());
}

#[test]
fn a_proxy_header_stands_in_front_of_the_handshake() {
    let site = Site::new();
    let origin = Origin::start("app1");
    let bind = "bind: [(address: \"127.0.0.1:0\", accept_proxy: true, tls: (certificates: [\"site.pem\"]))], \
                default_backend: \"app\", forward_headers: [x_forwarded_for, x_forwarded_proto]";
    let config = Config::new().frontend("web", bind).backend("app", "").server("app1", origin.addr(), "");
    let daemon = site.start(&config);
    let mut socket = Stream::connect(&Address::Tcp(daemon.listener("web")), Duration::from_secs(20)).unwrap();
    socket.write_all(b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n").unwrap();
    let session =
        Dialer::trusting(&site.root).over(socket, "a.example", |flight| vec![flight.to_vec()]).unwrap();
    let mut client = Client::over(Stream::Tls(Box::new(session)));
    assert_eq!(client.get("/").status, 200);
    let request = origin.record().requests.last().unwrap().clone();
    assert_eq!(request.head.get("x-forwarded-for"), Some("192.0.2.1"));
    assert_eq!(request.head.get("x-forwarded-proto"), Some("https"));
}

#[test]
fn idle_connections_over_tls_are_lent_between_workers() {
    // A worker that is slow to lend costs a handshake, and a busy machine makes many slow: any of so many tries will do.
    let site = Site::new();
    let tries: Vec<usize> = (0..10)
        .map(|_| handshakes_of_workers(&site))
        .take_while(|handshakes| *handshakes > WORKERS / 2)
        .collect();
    assert!(tries.len() < 10, "{tries:?} handshakes of {WORKERS} workers");
}

const WORKERS: usize = 8;

/// How many handshakes requests cost that come one after the other to each of them; without lending each makes one.
fn handshakes_of_workers(site: &Site) -> usize {
    let serving = Serving::new(&site.identity);
    let origin = Origin::tls("app1", &serving);
    let config = Config::new()
        .global(&format!("metrics: (bind: \"127.0.0.1:0\"), workers: {WORKERS}"))
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "")
        .server("app1", origin.addr(), r#"tls: (ca: "root.pem", sni: "a.example")"#);
    let daemon = site.start(&config);
    let mut clients: Vec<_> = (0..2 * WORKERS).map(|_| daemon.client()).collect();
    eventually("every worker has clients", || {
        let text = harness::client::get(daemon.listener("GLOBAL"), "/metrics").text();
        let of_workers = text.lines().filter_map(|line| line.strip_prefix("proxyd_worker_connections{"));
        let busy = of_workers.filter(|line| !line.ends_with(" 0")).count();
        (busy == WORKERS).then_some(())
    });
    for round in 0..3 {
        for client in &mut clients {
            assert_eq!(client.get("/").text(), "app1\n", "round {round}");
            eventually("an idle connection", || (daemon.count("app", "app1", "srv_icur") > 0).then_some(()));
        }
    }
    assert_eq!(origin.record().violations, Vec::<String>::new());
    serving.seen().len()
}

#[test]
fn one_source_has_only_so_many_connections_with_their_handshakes() {
    let site = Site::new();
    let origin = Origin::start("app1");
    let config =
        Site::config("", "maxconn_per_source: 3").global("workers: 2").server("app1", origin.addr(), "");
    let daemon = site.start(&config);
    let mut held = [site.dial(&daemon), site.dial(&daemon)];
    // One that has not said a word of its handshake has its place as well.
    let silent = daemon.client();
    eventually("three connections", || daemon.admin("show info").contains("CurrConns: 3").then_some(()));
    for _ in 0..3 {
        let refused = Dialer::trusting(&site.root).client(daemon.listener("web"), "a.example");
        assert!(refused.is_err());
    }
    eventually("they are counted", || (daemon.count("web", "FRONTEND", "dcon") == 3).then_some(()));
    for client in &mut held {
        assert_eq!(client.get("/").status, 200, "those who are there stay");
    }
    drop(silent);
    eventually("room for one more", || {
        let mut client = Dialer::trusting(&site.root).client(daemon.listener("web"), "a.example").ok()?;
        (client.get("/").status == 200).then_some(())
    });
}
