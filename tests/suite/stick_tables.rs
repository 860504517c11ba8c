//! Stick tables: clients that stay with their servers, and what is counted of them, as the socket shows it.

use std::collections::HashMap;

use harness::frames::{self, Frame, Peer, hpack};
use harness::origin::http::{Answer, Origin, Request};
use harness::origin::tcp::Tcp;
use harness::{Client, Config, Daemon, Start, eventually};

const CHECK: &str = r#"check: tcp(interval: "100ms", rise: 1, fall: 1)"#;

fn three(origins: &[Origin], fields: &str) -> Config {
    let config = Config::new()
        .global("workers: 2")
        .table("users", r#"key: string(20), entries: 1000, expire: "1m""#)
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", fields);
    let names = ["app1", "app2", "app3"];
    origins.iter().zip(names).fold(config, |config, (origin, name)| config.server(name, origin.addr(), ""))
}

/// Who answers a request with these lines.
pub(super) fn asks(daemon: &Daemon, lines: &str) -> String {
    asks_for(daemon, "/", lines)
}

fn asks_for(daemon: &Daemon, path: &str, lines: &str) -> String {
    let mut client = Client::tcp(daemon.listener("web"));
    client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n{lines}\r\n"));
    let answer = client.response("GET");
    assert_eq!(answer.status, 200, "{lines}");
    answer.origin().to_owned()
}

/// The values of the one entry of a key.
pub(super) fn entry(daemon: &Daemon, table: &str, key: &str) -> HashMap<String, String> {
    let shown = daemon.admin(&format!("show table {table} key {key}"));
    let line = shown.lines().nth(1).unwrap_or_default();
    line.split(' ')
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

pub(super) fn value(daemon: &Daemon, table: &str, key: &str, name: &str) -> u64 {
    entry(daemon, table, key).get(name).map_or(0, |value| value.parse().unwrap())
}

#[test]
fn a_client_stays_through_drain_and_weights_and_moves_once_when_its_server_dies() {
    let mut origins: Vec<Origin> = ["app1", "app2", "app3"].map(Origin::start).into();
    let stick = r#"stick: [on(key: "req.hdr(x-user)", table: "users")]"#;
    let daemon = Daemon::start(&three(&origins, &format!("{stick}, {CHECK}")));
    let alice = || asks(&daemon, "X-User: alice\r\n");
    let home = alice();
    let at_home = |why: &str| {
        for _ in 0..6 {
            assert_eq!(alice(), home, "{why}");
        }
    };
    at_home("it is where it was");
    assert_eq!(entry(&daemon, "users", "alice")["server_key"], home);
    for command in ["weight app/HOME 0", "server app/HOME weight 1", "server app/HOME state drain"] {
        assert_eq!(daemon.admin(&format!("set {}", command.replace("HOME", &home))).trim(), "");
        at_home(command);
    }
    // Nobody else comes to a drained server.
    for n in 0..6 {
        assert_ne!(asks(&daemon, &format!("X-User: stranger{n}\r\n")), home);
    }
    // Who has no key is balanced, and known to nobody.
    asks(&daemon, "");
    assert!(daemon.admin("show table").contains("used:7"), "{}", daemon.admin("show table"));
    daemon.admin(&format!("set server app/{home} state maint"));
    let second = alice();
    assert_ne!(second, home);
    assert_eq!(entry(&daemon, "users", "alice")["server_key"], second);
    // It comes back, and nobody goes back.
    daemon.admin(&format!("set server app/{home} state ready"));
    assert_eq!(alice(), second);
    let dies = origins.iter_mut().zip(["app1", "app2", "app3"]).find(|(_, name)| *name == second).unwrap().0;
    dies.stop();
    let third = alice();
    assert_ne!(third, second);
    assert_eq!(entry(&daemon, "users", "alice")["server_key"], third);
    daemon.wait_status("app", &second, "DOWN");
    assert_eq!(alice(), third);
    // A key that was forgotten is balanced anew.
    daemon.admin("clear table users");
    assert!(daemon.admin("show table").contains("used:0"));
    alice();
    assert!(daemon.admin("show table").contains("used:1"));
}

#[test]
fn a_session_of_the_servers_own_leads_back_to_it() {
    let origins = ["app1", "app2", "app3"].map(|name| {
        Origin::scripted(move |request: &Request| {
            let fresh = !request.head.raw.windows(7).any(|part| part == b"Cookie:");
            let set = if fresh { format!("Set-Cookie: SID=of-{name}; path=/\r\n") } else { String::new() };
            let bytes = format!("HTTP/1.1 200 OK\r\nX-Origin: {name}\r\n{set}Content-Length: 0\r\n\r\n");
            Answer { bytes: bytes.into_bytes(), close: false }
        })
    });
    let stick = r#"stick: [match(key: "req.cook(SID)", table: "users"), store_response(key: "res.cook(SID)", table: "users")]"#;
    let daemon = Daemon::start(&three(&origins, stick));
    for _ in 0..5 {
        let home = asks(&daemon, "");
        for _ in 0..4 {
            assert_eq!(asks(&daemon, &format!("Cookie: SID=of-{home}\r\n")), home);
        }
    }
    let all = daemon.admin("show table users");
    assert!(all.contains("key=of-app1 ") && all.contains("server_key=app1"), "{all}");
    assert_eq!(entry(&daemon, "users", "of-app2")["server_id"], "2");
}

#[test]
fn a_request_that_is_ignored_changes_nothing_that_is_known_of_its_client() {
    let origins = ["app1", "app2", "app3"].map(Origin::start);
    let fields = r#"stick: [on(key: "req.hdr(x-user)", table: "users"), store_response(key: "res.hdr(x-origin)", table: "users")],
        persist: (ignore: [path("/i*")])"#;
    let daemon = Daemon::start(&three(&origins, fields));
    let alice = |path: &str| asks_for(&daemon, path, "X-User: alice\r\n");
    let home = alice("/");
    let before = daemon.admin("show table");
    assert!(before.contains("used:2"), "its name, and that of its server: {before}");
    let others = [alice("/i1"), alice("/i2"), alice("/i3")];
    assert!(others.iter().any(|other| *other != home), "they take turns: {others:?}");
    assert_eq!(daemon.admin("show table"), before);
    assert_eq!(entry(&daemon, "users", "alice")["server_key"], home);
    assert_eq!(alice("/"), home);
}

#[test]
fn the_server_that_made_an_answer_good_is_the_one_that_is_stored() {
    let junk = Origin::scripted(|_: &Request| {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n".to_vec();
        Answer { bytes, close: false }
    });
    let origins = [junk, Origin::start("app2")];
    let fields = r#"stick: [on(key: "req.hdr(x-user)", table: "users")], retries: (on: [junk_response])"#;
    let daemon = Daemon::start(&three(&origins, fields));
    for user in ["a", "b"] {
        assert_eq!(asks(&daemon, &format!("X-User: {user}\r\n")), "app2");
        assert_eq!(entry(&daemon, "users", user)["server_key"], "app2");
    }
}

#[test]
fn tcp_connections_stay_by_their_address() {
    let origins = [Tcp::start(|stream, _| names(stream, b'a')), Tcp::start(|stream, _| names(stream, b'b'))];
    let config = Config::tcp([("a", origins[0].address()), ("b", origins[1].address())])
        .table("by_ip", "key: ip, entries: 100")
        .with(r#"stick: [on(key: "src", table: "by_ip")]"#);
    let daemon = Daemon::start(&config);
    let first = daemon.client().read_exactly(1);
    for _ in 0..5 {
        assert_eq!(daemon.client().read_exactly(1), first);
    }
    assert_eq!(entry(&daemon, "by_ip", "127.0.0.1")["server_key"].as_bytes(), first);
    let other = if first == b"a" { ("b", 2) } else { ("a", 1) };
    assert_eq!(daemon.admin(&format!("set table by_ip key 127.0.0.1 data.server_id {}", other.1)).trim(), "");
    // The name goes before the number.
    assert_eq!(daemon.client().read_exactly(1), first);
}

#[test]
fn exceptions_are_made_of_tcp_connections_too() {
    let config = |persist: &str, origins: &[Tcp; 2]| {
        Config::tcp([("a", origins[0].address()), ("b", origins[1].address())])
            .table("by_ip", "key: ip, entries: 100")
            .with(&format!(r#"stick: [on(key: "src", table: "by_ip")], persist: ({persist})"#))
    };
    let origins = [Tcp::start(|stream, _| names(stream, b'a')), Tcp::start(|stream, _| names(stream, b'b'))];
    let daemon = Daemon::start(&config(r#"ignore: [source("127.0.0.0/8")]"#, &origins));
    let first = daemon.client().read_exactly(1);
    assert_ne!(daemon.client().read_exactly(1), first, "they take turns");
    assert!(daemon.admin("show table").contains("used:0"), "nothing is stored");
    let daemon = Daemon::start(&config(r#"force: [source("127.0.0.0/8")]"#, &origins));
    let first = daemon.client().read_exactly(1);
    let server = format!("app/{}", String::from_utf8_lossy(&first));
    daemon.admin(&format!("set server {server} state maint"));
    assert_eq!(daemon.client().read_exactly(1), first, "it has this one or none");
}

fn names(mut stream: harness::stream::Stream, name: u8) {
    use std::io::{Read as _, Write as _};
    stream.write_all(&[name]).ok();
    stream.read_to_end(&mut Vec::new()).ok();
}

#[test]
fn what_clients_do_is_counted() {
    let origin = Origin::start("app1");
    let store = r#"store: [conn_cnt, conn_cur, conn_rate("1m"), sess_cnt, http_req_cnt, http_req_rate("1m"), http_err_cnt, http_fail_cnt, bytes_in_cnt, bytes_out_cnt, glitch_cnt]"#;
    let config = Config::new()
        .table("by_ip", &format!("key: ip, entries: 100, {store}"))
        .table("by_user", &format!("key: string(9), entries: 100, {store}"))
        .frontend(
            "web",
            r#"default_backend: "app", http: (http2: (prior_knowledge: true)),
            track: [(key: "src", table: "by_ip"), (key: "req.hdr(x-user)", table: "by_user")]"#,
        )
        .backend("app", "")
        .server("app1", origin.addr(), "");
    let daemon = Daemon::start(&config);
    let source = |name: &str| value(&daemon, "by_ip", "127.0.0.1", name);
    let bob = |name: &str| value(&daemon, "by_user", "bob", name);
    let mut client = Client::tcp(daemon.listener("web"));
    for path in ["/", "/bytes/1000", "/status/404", "/status/500", "/status/501"] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-User: bob\r\n\r\n"));
        client.response("GET");
    }
    client.get("/");
    let now = |name: &str, expected: u64, of: &dyn Fn(&str) -> u64| {
        eventually(name, || (of(name) == expected).then_some(()));
    };
    now("http_req_cnt", 6, &source);
    for (name, expected) in [
        ("conn_cnt", 1),
        ("conn_cur", 1),
        ("conn_rate(60000)", 1),
        ("sess_cnt", 1),
        ("http_req_rate(60000)", 6),
        ("http_err_cnt", 1),
        ("http_fail_cnt", 1),
        ("use", 1),
    ] {
        now(name, expected, &source);
    }
    // Bytes are counted a request at a time: what the two places say is compared when all have come.
    let sums = [("bytes_in_cnt", "bin", 6 * 27), ("bytes_out_cnt", "bout", 1000)];
    for (name, of_frontend, least) in sums {
        eventually(name, || {
            let counted = source(name);
            (counted == daemon.count("web", "FRONTEND", of_frontend) && counted >= least).then_some(())
        });
    }
    // A request's key is held no longer than the request.
    for (name, expected) in
        [("http_req_cnt", 5), ("conn_cur", 0), ("conn_cnt", 5), ("http_err_cnt", 1), ("use", 0)]
    {
        now(name, expected, &bob);
    }
    drop(client);
    now("conn_cur", 0, &source);
    // Streams are requests, and their connection is one.
    let mut peer = Peer::client(daemon.listener("web"));
    for stream in [1, 3, 5] {
        let fields = frames::request_fields("GET", "/");
        peer.send(frames::bytes(&Frame::head(frames::END_STREAM, stream, &hpack::encode(&fields))));
        assert_eq!(peer.answer(stream).status(), Some(200));
    }
    now("http_req_cnt", 9, &source);
    now("conn_cnt", 2, &source);
    now("conn_cur", 1, &source);
    drop(peer);
    // What is no HTTP counts as well.
    let mut client = Client::tcp(daemon.listener("web"));
    client.send("NONSENSE\r\n\r\n");
    assert_eq!(client.response("GET").status, 400);
    now("glitch_cnt", 1, &source);
    now("http_err_cnt", 2, &source);
    now("http_req_cnt", 10, &source);
    let metrics = daemon.admin("show table");
    assert!(metrics.contains("# table: by_ip, type: ip, size:100, used:1"), "{metrics}");
}

#[test]
fn what_a_client_sent_is_counted_once_however_many_servers_got_it() {
    let junk = || {
        Origin::scripted(|_: &Request| {
            let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n".to_vec();
            Answer { bytes, close: false }
        })
    };
    let origins = [junk(), junk(), Origin::start("app3")];
    let config = three(
        &origins,
        r#"retries: (on: [junk_response], max: 3), track: [(key: "req.hdr(x-user)", table: "seen")]"#,
    )
    .table("seen", "key: string(9), entries: 100, store: [bytes_in_cnt]");
    let daemon = Daemon::start(&config);
    // Each begins with another server.
    let counts = ["a", "b", "c"].map(|user| {
        assert_eq!(asks(&daemon, &format!("X-User: {user}\r\n")), "app3");
        eventually("it is over", || (value(&daemon, "seen", user, "use") == 0).then_some(()));
        value(&daemon, "seen", user, "bytes_in_cnt")
    });
    let sent = "GET / HTTP/1.1\r\nHost: test\r\nX-User: a\r\n\r\n".len() as u64;
    assert_eq!(counts, [sent; 3]);
    // Nobody got it.
    for server in ["app1", "app2", "app3"] {
        daemon.admin(&format!("set server app/{server} state maint"));
    }
    let mut client = Client::tcp(daemon.listener("web"));
    client.send("GET / HTTP/1.1\r\nHost: test\r\nX-User: d\r\n\r\n");
    assert_eq!(client.response("GET").status, 503);
    eventually("it is counted", || (value(&daemon, "seen", "d", "bytes_in_cnt") == sent).then_some(()));
}

#[test]
fn a_backend_counts_what_comes_to_it() {
    let origin = Tcp::echo();
    let config = Config::tcp([("app1", origin.address())])
        .table("by_ip", "key: ip, entries: 100, store: [conn_cnt, conn_cur, bytes_in_cnt, bytes_out_cnt]")
        .with(r#"track: [(key: "src", table: "by_ip")]"#);
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    client.send("hello");
    assert_eq!(client.read_exactly(5), b"hello");
    assert_eq!(value(&daemon, "by_ip", "127.0.0.1", "conn_cur"), 1);
    assert_eq!(daemon.admin("clear table by_ip key 127.0.0.1"), "Entry currently in use, cannot remove\n");
    client.half_close();
    assert_eq!(client.read_to_end(), b"");
    eventually("it is over", || (value(&daemon, "by_ip", "127.0.0.1", "conn_cur") == 0).then_some(()));
    assert_eq!(value(&daemon, "by_ip", "127.0.0.1", "bytes_in_cnt"), 5);
    assert_eq!(value(&daemon, "by_ip", "127.0.0.1", "bytes_out_cnt"), 5);
}

#[test]
fn bytes_are_counted_while_they_flow() {
    let store = "store: [bytes_in_cnt, bytes_out_cnt, bytes_out_rate(\"1m\")]";
    let track = r#"track: [(key: "src", table: "TABLE")]"#;
    // A tunnel.
    let echo = Tcp::echo();
    let config = Config::new()
        .table("of_frontend", &format!("key: ip, entries: 100, {store}"))
        .table("of_backend", &format!("key: ip, entries: 100, {store}"))
        .frontend(
            "web",
            &format!(r#"mode: tcp, default_backend: "app", {}"#, track.replace("TABLE", "of_frontend")),
        )
        .backend("app", &format!("mode: tcp, {}", track.replace("TABLE", "of_backend")))
        .server("app1", echo.address(), "");
    let daemon = Daemon::start(&config);
    let mut client = Client::tcp(daemon.listener("web"));
    for round in 1..4 {
        client.send("hello");
        assert_eq!(client.read_exactly(5), b"hello");
        for table in ["of_frontend", "of_backend"] {
            for name in ["bytes_in_cnt", "bytes_out_cnt", "bytes_out_rate(60000)"] {
                eventually(name, || (value(&daemon, table, "127.0.0.1", name) == 5 * round).then_some(()));
            }
        }
    }
    client.half_close();
    assert_eq!(client.read_to_end(), b"");
    eventually("it is over", || (value(&daemon, "of_backend", "127.0.0.1", "use") == 0).then_some(()));
    assert_eq!(value(&daemon, "of_frontend", "127.0.0.1", "bytes_in_cnt"), 15);
    assert_eq!(value(&daemon, "of_backend", "127.0.0.1", "bytes_out_cnt"), 15);
    // An answer that its client is in no hurry to read.
    let length = 64 * 1024 * 1024;
    let origin = Origin::start("app1");
    let config = Config::new()
        .table("of_frontend", &format!("key: ip, entries: 100, {store}"))
        .table("of_backend", &format!("key: string(9), entries: 100, {store}"))
        .frontend("web", &format!(r#"default_backend: "app", {}"#, track.replace("TABLE", "of_frontend")))
        .backend("app", r#"track: [(key: "req.hdr(x-user)", table: "of_backend")]"#)
        .server("app1", origin.addr(), "");
    let daemon = Daemon::start(&config);
    let places = [("of_frontend", "127.0.0.1"), ("of_backend", "bob")];
    let mut client = Client::tcp(daemon.listener("web"));
    client
        .send(format!("GET /bytes/{length} HTTP/1.1\r\nHost: a\r\nX-User: bob\r\nConnection: close\r\n\r\n"));
    for (table, key) in places {
        eventually("a part is counted", || (value(&daemon, table, key, "bytes_out_cnt") > 0).then_some(()));
        assert!(value(&daemon, table, key, "bytes_in_cnt") > 0, "what was asked is on its way");
        assert_eq!(value(&daemon, table, key, "use"), 1);
        assert!(value(&daemon, table, key, "bytes_out_cnt") < length, "the client has read nothing yet");
    }
    let read = client.read_to_end().len() as u64;
    assert!(read > length);
    for (table, key) in places {
        eventually("all of it is counted", || (value(&daemon, table, key, "use") == 0).then_some(()));
        assert_eq!(value(&daemon, table, key, "bytes_out_cnt"), read, "once");
    }
}

#[test]
fn who_watches_hears_what_is_changed_by_hand() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())])
        .table("users", "key: string(20), entries: 100, store: [gpc0]")
        .with(r#"stick: [on(key: "req.hdr(x-user)", table: "users")]"#);
    let daemon = Daemon::start(&config);
    let watch = |command: &str| {
        let mut client = Client::unix(&daemon.socket_path());
        client.send(format!("{command}\n"));
        client.read_until("\"kind\":\"sync\"");
        client
    };
    let mut watchers = [watch("watch events"), watch("user;watch events")];
    for command in [
        "set table users key alice data.gpc0 5",
        "set table users key alice data.gpc0 many",
        "clear table users key bob",
        "clear table users key alice",
    ] {
        daemon.admin(command);
    }
    for (watcher, sees) in watchers.iter_mut().zip([true, false]) {
        let told = [("set", "table_set", "0", "1"), ("clear", "table_cleared", "1", "0")];
        for (doing, event, from, to) in told {
            watcher.read_until("\"kind\":\"event\"");
            let line = String::from_utf8(watcher.read_until("}\n")).unwrap();
            let parts = [
                format!("\"event\":\"{event}\",\"id\":\"t/users\""),
                format!("\"from\":\"{from}\",\"to\":\"{to}\""),
                format!("\"command\":\"{doing} table users{}", if sees { " key alice" } else { "\"" }),
            ];
            assert!(parts.iter().all(|part| line.contains(part)), "{line}");
            assert!(sees || !line.contains("alice"), "keys are for operators: {line}");
        }
    }
}

#[test]
fn tables_that_memory_has_no_room_for_are_refused_at_the_start() {
    let config = |memory: &str, entries: u32| {
        let big = format!("key: string(1000), entries: {entries}");
        let config = Config::http([("app1", Origin::start("app1").addr())]);
        config.table("users", &big).table("sessions", &big).global(memory)
    };
    let refused = |memory: &str, entries: u32| {
        let Err(failed) = Start::new(&config(memory, entries)).try_run() else {
            panic!("it started with {memory} and {entries} entries")
        };
        assert!(!failed.status.success(), "{}", failed.log);
        failed.log
    };
    // Two terabytes, of whatever there is.
    let log = refused("", 1_000_000_000);
    assert!(log.contains("the tables may take 2") && log.contains("give them fewer entries"), "{log}");
    // Less than there is may be said to be all; a table alone would fit.
    let less = r#"memory: "150MB""#;
    let log = refused(less, 100_000);
    assert!(log.contains(" MB, of 150.0 MB of memory there are: give them fewer entries"), "{log}");
    Start::new(&config(less, 50_000)).run();
}
