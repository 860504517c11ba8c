//! What ends with its server: sessions and requests on one that is marked down, and on a backup that is no longer needed.

use std::fs;
use std::io::{ErrorKind, Read};
use std::time::Duration;

use harness::frames::{self, Frame, Peer};
use harness::origin::http::Origin;
use harness::origin::streams;
use harness::origin::tcp::Tcp;
use harness::{Client, Config, Daemon, eventually};

/// Nothing in a test that works takes this long.
const LIMIT: Duration = Duration::from_secs(20);
const INTERNAL_ERROR: u32 = 2;

fn logging(config: Config) -> Config {
    config.global(r#"workers: 1, log: [(target: file("access"))]"#)
}

/// The letters of each line, once there are so many.
fn all_letters(daemon: &Daemon, at: usize, lines: usize) -> Vec<String> {
    eventually("the lines of the access log", || {
        let text = fs::read_to_string(daemon.dir().join("access")).unwrap_or_default();
        (text.ends_with('\n') && text.lines().count() >= lines).then(|| {
            assert_eq!(text.lines().count(), lines, "{text}");
            text.lines().map(|line| line.split(' ').nth(at).unwrap_or_default().to_owned()).collect()
        })
    })
}

/// Those of the only line.
fn letters(daemon: &Daemon, at: usize) -> String {
    all_letters(daemon, at, 1).remove(0)
}

/// Nothing is on it any more.
fn leaves(daemon: &Daemon, server: &str) {
    eventually(&format!("{server} is left"), || (daemon.count("app", server, "scur") == 0).then_some(()));
}

const OF_TCP: usize = 6;
const OF_HTTP: usize = 9;

fn is_reset(client: &mut Client) -> bool {
    matches!(client.stream().read(&mut [0]), Err(error) if error.kind() == ErrorKind::ConnectionReset)
}

#[test]
fn sessions_end_with_a_server_that_is_marked_down() {
    let (one, two) = (Tcp::echo(), Tcp::echo());
    let config = Config::new().frontend("web", r#"default_backend: "app""#).defaults("mode: tcp");
    let config = config
        .backend("app", "")
        .server("app1", one.addr(), "on_marked_down: shutdown_sessions")
        .server("app2", two.addr(), "");
    let daemon = Daemon::start(&logging(config));
    let mut clients = [daemon.client(), daemon.client()];
    for client in &mut clients {
        client.send("12345");
        client.read_exactly(5);
    }
    assert_eq!(daemon.count("app", "app1", "scur"), 1);
    daemon.admin("set server app/app1 health down");
    leaves(&daemon, "app1");
    assert_eq!(letters(&daemon, OF_TCP), "DD");
    // Of the two the one on the other server goes on.
    let alive = clients.iter_mut().filter_map(|client| {
        client.try_send("6").ok()?;
        let mut byte = [0];
        matches!(client.stream().read(&mut byte), Ok(1)).then_some(())
    });
    assert_eq!(alive.count(), 1);
    assert_eq!(daemon.count("app", "app2", "scur"), 1);
}

#[test]
fn requests_end_with_a_server_that_goes_into_maintenance() {
    let origin = Origin::start("app1");
    let config = Config::new().frontend("web", r#"default_backend: "app""#).backend("app", "");
    let config = config.server("app1", origin.addr(), "on_marked_down: shutdown_sessions");
    let daemon = Daemon::start(&logging(config));
    // Under way to the client: it is cut.
    let mut reading = daemon.client();
    reading.send("GET /drip/1000/100 HTTP/1.1\r\nHost: test\r\n\r\n");
    reading.read_until("\r\n\r\n");
    daemon.admin("set server app/app1 state maint");
    assert_eq!(letters(&daemon, OF_HTTP), "DD--");
    eventually("it is reset", || is_reset(&mut reading).then_some(()));
}

#[test]
fn a_request_without_an_answer_yet_is_told() {
    let origin = Origin::start("app1");
    let config = Config::new().frontend("web", r#"default_backend: "app""#).backend("app", "");
    let config = config.server("app1", origin.addr(), "on_marked_down: shutdown_sessions");
    let daemon = Daemon::start(&logging(config));
    let mut waiting = daemon.client();
    waiting.send("GET /slow/60000 HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("it is with the server", || (origin.hits() == 1).then_some(()));
    daemon.admin("set server app/app1 health down");
    assert_eq!(waiting.response("GET").status, 503);
    assert_eq!(letters(&daemon, OF_HTTP), "DH--");
}

#[test]
fn sessions_leave_a_backup_when_an_active_server_is_back() {
    let (one, spare) = (Tcp::echo(), Tcp::echo());
    let config = Config::new().frontend("web", r#"default_backend: "app""#).defaults("mode: tcp");
    let config = config
        .backend("app", "")
        .server("app1", one.addr(), "on_marked_up: shutdown_backup_sessions")
        .server("spare", spare.addr(), "backup: true");
    let daemon = Daemon::start(&logging(config));
    daemon.admin("set server app/app1 health down");
    let mut client = daemon.client();
    client.send("12345");
    client.read_exactly(5);
    assert_eq!(daemon.count("app", "spare", "scur"), 1);
    daemon.admin("set server app/app1 health up");
    leaves(&daemon, "spare");
    assert_eq!(letters(&daemon, OF_TCP), "UD");
    assert!(is_reset(&mut client));
}

/// HTTP/2 from the client and to servers of these settings, the first of them active.
fn multiplexed(servers: [(&'static str, &streams::Origin, &str); 2]) -> Daemon {
    let web = r#"default_backend: "app", http: (http2: (prior_knowledge: true))"#;
    let config = Config::new().frontend("web", web).backend("app", "");
    let config = servers.into_iter().fold(config, |config, (name, origin, fields)| {
        config.server(name, origin.addr(), &format!("http: h2, {fields}"))
    });
    Daemon::start(&logging(config))
}

/// Begins a stream that sends back what comes, and says which server it is on.
fn begin_echo(peer: &mut Peer, stream: u32) -> String {
    peer.send(frames::post(stream, "/echo"));
    echoes(peer, stream);
    peer.on(stream).get("x-origin").unwrap_or_default().to_owned()
}

/// What is sent on a stream comes back on it.
fn echoes(peer: &mut Peer, stream: u32) {
    let before = peer.on(stream).body.len();
    peer.send(Frame::data(0, stream, "hello").bytes());
    let back = peer.reads_until(LIMIT, |it| it.on(stream).body.len() == before + 5);
    assert!(back, "stream {stream}: {:?}", peer.on(stream));
}

#[test]
fn streams_end_with_a_server_that_is_marked_down() {
    let (one, two) = (streams::Origin::start("app1"), streams::Origin::start("app2"));
    let daemon = multiplexed([("app1", &one, "on_marked_down: shutdown_sessions"), ("app2", &two, "")]);
    let mut peer = Peer::client(daemon.listener("web"));
    let streams = [1, 3, 5, 7];
    let (ends, stays): (Vec<u32>, Vec<u32>) =
        streams.into_iter().partition(|stream| begin_echo(&mut peer, *stream) == "app1");
    assert_eq!((ends.len(), stays.len()), (2, 2));
    assert_eq!((one.record().connections, two.record().connections), (1, 1), "each shares one");
    daemon.admin("set server app/app1 health down");
    for stream in ends {
        let heard = peer.answer(stream);
        assert_eq!((heard.reset, heard.ended), (Some(INTERNAL_ERROR), false), "{heard:?}");
    }
    eventually("the server is told", || (one.record().cancelled == 2).then_some(()));
    leaves(&daemon, "app1");
    // Those on the other server go on, on the same connection, and so do new ones.
    for stream in &stays {
        echoes(&mut peer, *stream);
    }
    assert_eq!(begin_echo(&mut peer, 9), "app2");
    assert_eq!((peer.goaway, peer.closed), (None, false));
    assert!(peer.violations.is_empty(), "{:?}", peer.violations);
    assert_eq!(two.record().cancelled, 0);
    assert_eq!(all_letters(&daemon, OF_HTTP, 2), ["DD--", "DD--"]);
}

#[test]
fn a_stream_without_an_answer_yet_is_told() {
    let (one, two) = (streams::Origin::start("app1"), streams::Origin::start("app2"));
    let ends = "on_marked_down: shutdown_sessions";
    let daemon = multiplexed([("app1", &one, ends), ("app2", &two, "weight: 0")]);
    let mut peer = Peer::client(daemon.listener("web"));
    peer.send(frames::get(1, "/never"));
    eventually("it is with the server", || (one.record().active == 1).then_some(()));
    daemon.admin("set server app/app1 state maint");
    let heard = peer.answer(1);
    assert_eq!((heard.status(), heard.ended, heard.reset), (Some(503), true, None), "{heard:?}");
    eventually("the server is told", || (one.record().cancelled == 1).then_some(()));
    assert_eq!(letters(&daemon, OF_HTTP), "DH--");
    assert!(peer.is_alive(LIMIT));
}

#[test]
fn streams_leave_a_backup_when_an_active_server_is_back() {
    let (one, spare) = (streams::Origin::start("app1"), streams::Origin::start("spare"));
    let daemon = multiplexed([
        ("app1", &one, "on_marked_up: shutdown_backup_sessions"),
        ("spare", &spare, "backup: true"),
    ]);
    daemon.admin("set server app/app1 health down");
    let mut peer = Peer::client(daemon.listener("web"));
    for stream in [1, 3] {
        assert_eq!(begin_echo(&mut peer, stream), "spare");
    }
    daemon.admin("set server app/app1 health up");
    for stream in [1, 3] {
        assert_eq!(peer.answer(stream).reset, Some(INTERNAL_ERROR));
    }
    eventually("the backup is told", || (spare.record().cancelled == 2).then_some(()));
    leaves(&daemon, "spare");
    assert_eq!(begin_echo(&mut peer, 5), "app1", "on the same connection");
    assert_eq!(all_letters(&daemon, OF_HTTP, 2), ["UD--", "UD--"]);
}
