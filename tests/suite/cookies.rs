//! Clients that stay with their server by a cookie: what each mode does to the bytes, and what becomes of a client when its
//! server is drained, weighed anew, or dies.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use harness::frames::script::Step;
use harness::frames::{self, Frame, Peer, hpack};
use harness::origin::http::{Answer, Origin, Request};
use harness::origin::http2;
use harness::{Client, Config, Daemon, eventually};

/// A client that keeps cookies as a browser does, over HTTP/1.1 or HTTP/2.
struct Browser {
    to: SocketAddr,
    speaks: Speaks,
    jar: BTreeMap<String, String>,
    /// Cookies it was given, whole lines.
    given: Vec<String>,
}

enum Speaks {
    Http1(Client),
    Http2(Box<Peer>, u32),
}

impl Browser {
    fn http1(to: SocketAddr) -> Self {
        Self::new(to, Speaks::Http1(Client::tcp(to)))
    }

    fn http2(to: SocketAddr) -> Self {
        Self::new(to, Speaks::Http2(Box::new(Peer::client(to)), 1))
    }

    fn new(to: SocketAddr, speaks: Speaks) -> Self {
        Self { to, speaks, jar: BTreeMap::new(), given: Vec::new() }
    }

    fn cookies(&self) -> Vec<String> {
        self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// Status and origin.
    fn get(&mut self, path: &str) -> (u16, String) {
        let cookies = self.cookies();
        let (status, origin, set) = match &mut self.speaks {
            Speaks::Http1(client) => {
                let line = if cookies.is_empty() {
                    String::new()
                } else {
                    format!("Cookie: {}\r\n", cookies.join("; "))
                };
                client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n{line}\r\n"));
                let answer = client.response("GET");
                let (status, origin) = (answer.status, answer.origin().to_owned());
                if answer.header("connection") == Some("close") {
                    *client = Client::tcp(self.to);
                }
                (status, origin, answer.head.fields)
            }
            Speaks::Http2(peer, stream) => {
                let mut fields = frames::request_fields("GET", path);
                // One crumb each (RFC 9113 8.2.3).
                fields.extend(cookies.into_iter().map(|cookie| ("cookie".to_owned(), cookie)));
                peer.send(frames::bytes(&Frame::head(frames::END_STREAM, *stream, &hpack::encode(&fields))));
                let answer = peer.answer(*stream);
                *stream += 2;
                let origin = answer.get("x-origin").unwrap_or_default().to_owned();
                let fields = answer.heads.last().cloned().unwrap_or_default();
                (answer.status().unwrap_or_default(), origin, fields)
            }
        };
        for (_, line) in set.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.jar.insert(name.to_owned(), value.to_owned());
            self.given.push(line.clone());
        }
        (status, origin)
    }
}

/// Servers without a `cookie` of their own; what the cookie and the backend have besides.
fn three(origins: &[Origin], words: &str, fields: &str) -> Config {
    let config = Config::new()
        .global("workers: 2")
        .frontend("web", r#"default_backend: "app", http: (http2: (prior_knowledge: true))"#)
        .backend("app", &format!("persistence: cookie(name: \"SRV\", key: \"MyKey\"{words}){fields}"));
    let names = ["app1", "app2", "app3"];
    origins.iter().zip(names).fold(config, |config, (origin, name)| config.server(name, origin.addr(), ""))
}

#[test]
fn a_client_stays_through_drain_and_weights_and_moves_once_when_its_server_dies() {
    let check =
        r#", check: tcp(interval: "2s", fast_interval: "100ms", down_interval: "100ms", rise: 1, fall: 1)"#;
    for speak in [Browser::http1, Browser::http2] {
        let mut origins: Vec<Origin> = ["app1", "app2", "app3"].map(Origin::start).into();
        let daemon = Daemon::start(&three(&origins, "", check));
        let mut browser = speak(daemon.listener("web"));
        let (_, home) = browser.get("/");
        let at_home = |browser: &mut Browser, why: &str| {
            for _ in 0..10 {
                assert_eq!(browser.get("/"), (200, home.clone()), "{why}");
            }
        };
        at_home(&mut browser, "it is where it was");
        for command in ["weight app/HOME 0", "server app/HOME weight 1", "server app/HOME state drain"] {
            assert_eq!(daemon.admin(&format!("set {}", command.replace("HOME", &home))).trim(), "");
            at_home(&mut browser, command);
            let strangers: Vec<String> = (0..6).map(|_| speak(daemon.listener("web")).get("/").1).collect();
            let barred = !command.ends_with("weight 1");
            assert!(!barred || !strangers.contains(&home), "{command}: {strangers:?}");
        }
        daemon.admin(&format!("set server app/{home} state ready"));
        assert_eq!(browser.given.len(), 1, "{:?}", browser.given);
        assert_eq!(daemon.count("app", "BACKEND", "wredis"), 0);
        let dies =
            origins.iter_mut().zip(["app1", "app2", "app3"]).find(|(_, name)| *name == home).unwrap().0;
        dies.stop();
        let (status, second) = browser.get("/");
        assert_eq!(status, 200);
        assert_ne!(second, home);
        assert_eq!(browser.given.len(), 2, "{:?}", browser.given);
        daemon.wait_status("app", &home, "DOWN");
        for _ in 0..5 {
            assert_eq!(browser.get("/"), (200, second.clone()));
        }
        // It comes back, and nobody goes back.
        dies.restart();
        daemon.wait_status("app", &home, "UP");
        for _ in 0..5 {
            assert_eq!(browser.get("/"), (200, second.clone()));
        }
        assert_eq!(browser.given.len(), 2, "it moved once: {:?}", browser.given);
    }
}

#[test]
fn clients_that_are_kept_are_not_counted_as_balanced() {
    let origins: Vec<Origin> = ["app1", "app2"].map(Origin::start).into();
    let daemon = Daemon::start(&three(&origins, "", ""));
    let mut browser = Browser::http1(daemon.listener("web"));
    for _ in 0..5 {
        browser.get("/");
    }
    eventually("all are over", || (daemon.count("app", "BACKEND", "hrsp_2xx") == 5).then_some(()));
    assert_eq!(daemon.count("app", "BACKEND", "lbtot"), 1);
    assert_eq!(daemon.count("app", "BACKEND", "stot"), 5);
    assert_eq!(daemon.stat("app", "BACKEND", "cookie"), "SRV");
    let value = daemon.stat("app", "app1", "cookie");
    assert_eq!(value.len(), 16, "a hash: {value}");
    assert_ne!(daemon.stat("app", "app2", "cookie"), value);
}

/// One server `s1` behind a persistence.
fn one(at: SocketAddr, cookie: &str, server: &str) -> Daemon {
    let config = Config::new()
        .frontend("web", r#"default_backend: "app", http: (http2: (prior_knowledge: true))"#)
        .backend("app", &format!("persistence: {cookie}"))
        .server("one", at, &format!(r#"cookie: "s1"{server}"#));
    Daemon::start(&config)
}

/// The same with what it answers.
fn scripted(cookie: &str, answer: &'static str) -> (Origin, Daemon) {
    let origin = Origin::scripted(move |_: &Request| {
        let bytes = format!("HTTP/1.1 200 OK\r\n{answer}Content-Length: 0\r\n\r\n");
        Answer { bytes: bytes.into_bytes(), close: false }
    });
    let daemon = one(origin.addr(), cookie, "");
    (origin, daemon)
}

/// The head that the client is sent for these lines, and the one that the server was.
fn passes(origin: &Origin, daemon: &Daemon, request: &str) -> (String, String) {
    let mut client = daemon.client();
    let before = origin.record().requests.len();
    client.send(request);
    let answer = String::from_utf8(client.response("GET").head.raw).unwrap();
    let record = origin.record();
    assert!(record.violations.is_empty(), "{:?}", record.violations);
    (answer, String::from_utf8(record.requests[before].head.raw.clone()).unwrap())
}

const END: &str = "Content-Length: 0\r\n";
const OWN: &str = "Set-Cookie: SRV=own; path=/x\r\n";

#[test]
fn each_mode_to_the_byte() {
    let get = |lines: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let answer = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
    for (persistence, server, cookies, seen, told) in [
        ("cookie(name: \"SRV\")", "", "", "", "END Set-Cookie: SRV=s1; path=/\r\n"),
        ("cookie(name: \"SRV\")", "", "Cookie: SRV=s1\r\n", "Cookie: SRV=s1\r\n", "END "),
        ("cookie(name: \"SRV\")", OWN, "", "", "END Set-Cookie: SRV=s1; path=/\r\n"),
        ("cookie(name: \"SRV\", preserve: true)", OWN, "", "", "OWN END "),
        (
            "cookie(name: \"SRV\", indirect: true)",
            "",
            "Cookie: a=b; SRV=s1; c=d\r\nX: y\r\nCookie: SRV=z\r\n",
            "Cookie: a=b; c=d\r\nX: y\r\n",
            "END ",
        ),
        (
            "cookie(name: \"SRV\", httponly: true, secure: true, samesite: strict, domain: \"a.example\", path: \"/p\", attr: [\"X=y\"])",
            "",
            "Cookie: SRV=z\r\n",
            "Cookie: SRV=z\r\n",
            "END Set-Cookie: SRV=s1; path=/p; domain=a.example; HttpOnly; Secure; SameSite=Strict; X=y\r\n",
        ),
        (
            "cookie(name: \"SRV\", nocache: true)",
            "ETag: x\r\n",
            "",
            "",
            "ETag: x\r\nEND Set-Cookie: SRV=s1; path=/\r\nCache-Control: private\r\n",
        ),
        ("cookie(name: \"SRV\", post_only: true)", "", "", "", "END "),
        ("cookie(name: \"SRV\", mode: rewrite)", OWN, "", "", "Set-Cookie: SRV=s1; path=/x\r\nEND "),
        (
            "cookie(name: \"SRV\", mode: passive, indirect: true)",
            OWN,
            "Cookie: SRV=s1\r\n",
            "Cookie: SRV=s1\r\n",
            "END ",
        ),
        (
            "cookie(name: \"SRV\", mode: prefix)",
            OWN,
            "Cookie: SRV=s1~app\r\n",
            "Cookie: SRV=app\r\n",
            "Set-Cookie: SRV=s1~own; path=/x\r\nEND ",
        ),
        ("cookie(name: \"SRV\", mode: passive)", OWN, "Cookie: SRV=s1\r\n", "Cookie: SRV=s1\r\n", "OWN END "),
    ] {
        let (origin, daemon) = scripted(persistence, server);
        let (got, sent) = passes(&origin, &daemon, &get(cookies));
        assert_eq!(sent, get(seen), "{persistence}");
        assert_eq!(got, answer(&told.replace("END ", END).replace("OWN ", OWN)), "{persistence}");
    }
}

#[test]
fn answers_of_our_own_and_interim_ones_give_no_cookie() {
    let origin = Origin::scripted(|_: &Request| Answer {
        bytes: b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            .to_vec(),
        close: false,
    });
    let daemon = one(origin.addr(), r#"cookie(name: "SRV")"#, "");
    let answer = daemon.client().get("/");
    assert_eq!((answer.interim.len(), answer.interim[0].get("set-cookie")), (1, None));
    assert_eq!(answer.header("set-cookie"), Some("SRV=s1; path=/"));
    daemon.admin("set server app/one state maint");
    let answer = daemon.client().get("/");
    assert_eq!((answer.status, answer.header("set-cookie")), (503, None));
}

#[test]
fn a_switch_of_protocols_gives_one() {
    let origin = Origin::scripted(|_: &Request| Answer {
        bytes: b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello".to_vec(),
        close: true,
    });
    let daemon = one(origin.addr(), r#"cookie(name: "SRV")"#, "");
    let mut client = daemon.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    let head = String::from_utf8(client.read_until("\r\n\r\n")).unwrap();
    assert!(head.contains("\r\nSet-Cookie: SRV=s1; path=/\r\n"), "{head}");
    assert_eq!(client.read_exactly(5), b"hello");
}

#[test]
fn servers_of_http2_have_cookies_too() {
    let origin = http2::Origin::scripted(|_, stream| {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let fields =
            [field(":status", "200"), field("set-cookie", "SRV=own; path=/x"), field("set-cookie", "b=c")];
        let head = Frame::head(frames::END_STREAM, stream, &hpack::encode(&fields));
        vec![Step::Send(frames::bytes(&head))]
    });
    let daemon = one(origin.addr(), r#"cookie(name: "SRV", mode: prefix)"#, ", http: h2");
    let mut browser = Browser::http2(daemon.listener("web"));
    for _ in 0..2 {
        assert_eq!(browser.get("/").0, 200);
    }
    let once = ["SRV=s1~own; path=/x", "b=c"];
    assert_eq!(browser.given, [once, once].concat());
    let cookies: Vec<String> = origin.record().requests[1]
        .head
        .fields
        .iter()
        .filter(|(name, _)| name == "cookie")
        .flat_map(|(_, value)| value.split("; ").map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(cookies, ["SRV=own", "b=c"]);
}

#[test]
fn exceptions_are_made_by_condition() {
    let origins: Vec<Origin> = ["app1", "app2"].map(Origin::start).into();
    let persist = r#", persist: (ignore: [path("/static/*", "*.png")], force: [all([path("/try"), source("127.0.0.0/8")]), method("PUT")])"#;
    let daemon = Daemon::start(&three(&origins, ", indirect: true", persist));
    let mut browser = Browser::http1(daemon.listener("web"));
    for path in ["/static/a", "/b.png?x=/c"] {
        browser.get(path);
    }
    assert_eq!(browser.given, [""; 0]);
    let (_, home) = browser.get("/");
    let everywhere: Vec<String> = (0..4).map(|_| browser.get("/static/a").1).collect();
    assert!(everywhere.contains(&"app1".into()) && everywhere.contains(&"app2".into()), "{everywhere:?}");
    assert_eq!(browser.given.len(), 1);
    daemon.admin(&format!("set server app/{home} state maint"));
    assert_eq!(browser.get("/try"), (200, home.clone()), "it is tried although it is in maintenance");
    assert_eq!(browser.given.len(), 1);
    let (_, second) = browser.get("/");
    assert_ne!(second, home);
    assert_eq!(browser.given.len(), 2);
}

#[test]
fn a_server_that_is_down_is_tried_first_where_that_is_asked_for() {
    let mut origins: Vec<Origin> = ["app1", "app2"].map(Origin::start).into();
    let daemon = Daemon::start(&three(&origins, "", ", persist: (try_down: true)"));
    let mut browser = Browser::http1(daemon.listener("web"));
    let (_, home) = browser.get("/");
    daemon.admin(&format!("set server app/{home} state maint"));
    for _ in 0..3 {
        assert_eq!(browser.get("/"), (200, home.clone()));
    }
    origins.iter_mut().zip(["app1", "app2"]).find(|(_, name)| *name == home).unwrap().0.stop();
    let (status, second) = browser.get("/");
    assert_eq!(status, 200, "and another one when it fails");
    assert_ne!(second, home);
    assert_eq!(browser.given.len(), 2);
}

#[test]
fn a_server_that_is_down_is_tried_as_often_as_another() {
    let mut origins: Vec<Origin> = ["app1", "app2"].map(Origin::start).into();
    let fields =
        r#", persist: (try_down: true), timeouts: (connect: "20ms"), retries: (max: 3, redispatch: false)"#;
    let daemon = Daemon::start(&three(&origins, "", fields));
    let mut browser = Browser::http1(daemon.listener("web"));
    let (_, home) = browser.get("/");
    daemon.admin(&format!("set server app/{home} state maint"));
    origins.iter_mut().zip(["app1", "app2"]).find(|(_, name)| *name == home).unwrap().0.stop();
    let mut client = daemon.client();
    client.send(format!("GET / HTTP/1.1\r\nHost: test\r\nCookie: {}\r\n\r\n", browser.cookies()[0]));
    assert_eq!(client.response("GET").status, 503);
    eventually("three further tries", || (daemon.stat("app", &home, "wretr") == "3").then_some(()));
}

#[test]
fn a_full_server_is_waited_for_by_its_clients() {
    let origins: Vec<Origin> = ["app1", "app2"].map(Origin::start).into();
    let config = Config::new()
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", r#"persistence: cookie(name: "SRV"), server_defaults: (maxconn: 1, max_queue: 1)"#)
        .server("app1", origins[0].addr(), r#"cookie: "s1""#)
        .server("app2", origins[1].addr(), r#"cookie: "s2""#);
    let daemon = Daemon::start(&config);
    let ask = |path: &str| {
        let mut client = daemon.client();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\nCookie: SRV=s1\r\n\r\n"));
        client
    };
    let mut busy = ask("/held");
    eventually("it is there", || (origins[0].record().heads == 1).then_some(()));
    let mut waits = ask("/");
    eventually("it waits", || (daemon.count("app", "app1", "qcur") == 1).then_some(()));
    let mut third = ask("/");
    let answer = third.response("GET");
    assert_eq!(answer.origin(), "app2", "its line is as long as it may be");
    assert_eq!(answer.header("set-cookie"), Some("SRV=s2; path=/"));
    origins[0].let_go();
    for client in [&mut busy, &mut waits] {
        let answer = client.response("GET");
        assert_eq!((answer.origin(), answer.header("set-cookie")), ("app1", None));
    }
}

#[test]
fn dates_and_addresses_in_values() {
    let (origin, daemon) = scripted(r#"cookie(name: "SRV", max_idle: "1h", max_life: "8h")"#, "");
    let line = |head: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix("Set-Cookie: ")).map(str::to_owned);
        line.unwrap_or_default()
    };
    let get = |cookie: &str| format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: SRV={cookie}\r\n\r\n");
    let given = line(&passes(&origin, &daemon, &get("")).0);
    let value = given.strip_prefix("SRV=").unwrap().strip_suffix("; path=/").unwrap().to_owned();
    let parts: Vec<&str> = value.split('|').collect();
    assert_eq!((parts.len(), parts[0], parts[1].len(), parts[1]), (3, "s1", 5, parts[2]), "{value}");
    // It is not older than four seconds, or is refreshed with the same first date.
    let again = line(&passes(&origin, &daemon, &get(&value)).0);
    assert!(again.is_empty() || again.contains(&format!("|{}; path", parts[2])), "{again}");
    let old = line(&passes(&origin, &daemon, &get("s1|ZVPxB|ZVPxB")).0);
    assert!(old.starts_with("SRV=s1|") && !old.contains("ZVPxB"), "{old}");
    // HAProxy's formula, and a value that goes with the address.
    let origins: Vec<Origin> = ["app1", "app2"].map(Origin::start).into();
    let daemon = Daemon::start(&three(&origins, ", dynamic: true", ""));
    let before = daemon.stat("app", "app1", "cookie");
    daemon.admin("set server app/app1 addr 10.0.0.1 port 8080");
    assert_ne!(before, "3387097ed8d55e7d");
    assert_eq!(daemon.stat("app", "app1", "cookie"), "3387097ed8d55e7d");
    daemon.admin(&format!("set server app/app1 addr 127.0.0.1 port {}", origins[0].addr().port()));
    assert_eq!(daemon.stat("app", "app1", "cookie"), before);
    // Two at one address would be the same to their clients.
    daemon.admin(&format!("set server app/app2 addr 127.0.0.1 port {}", origins[0].addr().port()));
    daemon.logged("Servers app/app1 and app/app2 have the same cookie: clients of app/app2 go to app/app1.");
    daemon.admin(&format!("set server app/app2 addr 127.0.0.1 port {}", origins[1].addr().port()));
    // At run time.
    let mut watch = Client::unix(&daemon.socket_path());
    watch.send("watch\n");
    watch.read_until("\"sync\"");
    let value = |command: &str| {
        assert_eq!(daemon.admin(command).trim(), "", "{command}");
        daemon.stat("app", "app1", "cookie")
    };
    let other = value("set dynamic-cookie-key backend app Other");
    let named = value("disable dynamic-cookie backend app");
    assert!(other != before && named != before && named != other);
    assert_eq!(value("enable dynamic-cookie backend app"), other);
    assert_eq!(value("set dynamic-cookie-key backend app MyKey"), before);
    for (command, refusal) in [
        ("set dynamic-cookie-key backend app", "String value expected."),
        ("set dynamic-cookie-key backend", "A backend name is expected."),
        ("enable dynamic-cookie backend nobody", "No such backend."),
    ] {
        assert_eq!(daemon.admin(command).trim(), refusal);
    }
    let events = String::from_utf8(watch.read_until("dynamic-cookie-key backend app ***")).unwrap();
    assert!(!events.contains("Other"), "the key is not for whoever watches: {events}");
}

#[test]
fn log_lines_tell_of_cookies() {
    let origins: Vec<Origin> = ["app1", "app2"].map(Origin::start).into();
    let config = Config::new()
        .global(r#"workers: 1, log: [(target: file("access.log"), framing: raw)]"#)
        .frontend("web", r#"default_backend: "app", log: (format: "%tsc %HP")"#)
        .backend(
            "app",
            r#"persistence: cookie(name: "SRV", max_idle: "1h"), persist: (ignore: [path("/ignored")])"#,
        )
        .server("app1", origins[0].addr(), r#"cookie: "s1""#)
        .server("app2", origins[1].addr(), r#"cookie: "s2""#);
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    let mut ask = |path: &str, cookie: &str| {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\nCookie: a=b{cookie}\r\n\r\n"));
        client.response("GET").status
    };
    ask("/none", "");
    ask("/valid", "; SRV=s1|zzzzz");
    ask("/fresh", "; SRV=s1");
    ask("/invalid", "; SRV=x");
    ask("/ignored", "; SRV=s1");
    daemon.admin("set server app/app1 state maint");
    ask("/down", "; SRV=s1");
    daemon.admin("set server app/app2 state maint");
    assert_eq!(ask("/nobody", "; SRV=s1"), 503);
    let log = eventually("all lines", || {
        let log = std::fs::read_to_string(daemon.dir().join("access.log")).unwrap_or_default();
        log.contains("/nobody").then_some(log)
    });
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(
        lines,
        [
            "--NI /none",
            "--EI /valid",
            "--VU /fresh",
            "--II /invalid",
            "--UN /ignored",
            "--DI /down",
            "SCDN /nobody"
        ]
    );
}

#[test]
fn odd_cookies_do_no_harm() {
    for mode in ["insert, indirect: true", "rewrite", "prefix", "passive"] {
        let odd = "Set-Cookie: =;\r\nSet-Cookie2: x\r\nSet-Cookie2: x\r\nSet-Cookie: \r\nSet-Cookie: SRV\r\n";
        let (origin, daemon) = scripted(&format!("cookie(name: \"SRV\", mode: {mode})"), odd);
        for cookies in
            [";;=,;", ";", "=", "SRV", "SRV=;SRV=~;SRV=|", "\"", "SRV=\"", "$", "a;SRV=s1;b", ";;SRV=s1"]
        {
            let request = format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookies}\r\nX: y\r\n\r\n");
            let (answer, sent) = passes(&origin, &daemon, &request);
            assert!(answer.contains("\r\nSet-Cookie2: x\r\nSet-Cookie2: x\r\n"), "{answer}");
            assert!(sent.ends_with("X: y\r\n\r\n"), "{sent}");
        }
    }
}
