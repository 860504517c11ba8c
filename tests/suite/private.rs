//! Server connections that are one client's alone, since their server is told of it: what each begins with, who shares
//! them, and that they end with their client.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use harness::origin::http;
use harness::origin::streams::{Origin, Whims};
use harness::origin::tcp::Tcp;
use harness::stream::{Address, Stream};
use harness::tls::Identity;
use harness::wire::Reader;
use harness::{Client, Config, Daemon, Peer, Start, eventually, frames};

const SOON: Duration = Duration::from_secs(10);

fn telling(address: impl Into<Address>, fields: &str) -> Daemon {
    let config = Config::new()
        .global("workers: 1")
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "")
        .server("one", address, &format!("send_proxy: v1, {fields}"));
    Daemon::start(&config)
}

/// A server of HTTP/2 that is told in lines.
fn told() -> Origin {
    Origin::with("one", Whims { proxied: true, ..Whims::default() })
}

/// What a server is told of that connection of a client.
fn line(stream: &Stream) -> String {
    let Stream::Tcp(tcp) = stream else { unreachable!("a TCP client") };
    let (own, to) = (tcp.local_addr().unwrap(), tcp.peer_addr().unwrap());
    format!("PROXY TCP4 {} {} {} {}\r\n", own.ip(), to.ip(), own.port(), to.port())
}

/// The lines that a server of HTTP/2 was told, of the connections that carried requests to that path.
fn told_for(origin: &Origin, path: &str) -> Vec<String> {
    let record = origin.record();
    let carrying = record.requests.iter().filter(|it| it.uri.ends_with(path));
    carrying.map(|it| record.told[&it.connection].clone()).collect()
}

#[test]
fn a_server_of_http2_is_told_of_each_client_once() {
    let origin = told();
    let daemon = telling(origin.addr(), "http: h2");
    let mut clients = [daemon.client(), daemon.client()];
    for round in 0..3 {
        for (at, client) in clients.iter_mut().enumerate() {
            let path = format!("/{at}");
            assert_eq!(client.get(&path).status, 200);
            assert_eq!(told_for(&origin, &path), vec![line(client.stream()); round + 1]);
        }
    }
    let record = origin.record();
    assert_eq!((record.connections, record.open), (2, 2));
    assert_eq!((daemon.count("app", "one", "connect"), daemon.count("app", "one", "reuse")), (2, 4));
    let [first, mut second] = clients;
    drop(first);
    eventually("its connection goes with it", || (origin.record().open == 1).then_some(()));
    assert_eq!(second.get("/still").status, 200);
    assert_eq!(origin.record().connections, 2);
    drop(second);
    eventually("so does the other's", || (origin.record().open == 0).then_some(()));
}

#[test]
fn streams_of_a_client_share_what_is_its_own() {
    let origin = told();
    let daemon = telling(origin.addr(), "http: h2");
    let mut clients = [Peer::client(daemon.listener("web")), Peer::client(daemon.listener("web"))];
    for (at, client) in clients.iter_mut().enumerate() {
        for n in 0..5 {
            client.send(frames::get(1 + 2 * n, &format!("/held/{at}")));
        }
    }
    eventually("all are there", || (origin.record().active == 10).then_some(()));
    origin.let_go();
    for (at, client) in clients.iter_mut().enumerate() {
        for n in 0..5 {
            assert_eq!(client.answer(1 + 2 * n).status(), Some(200));
        }
        assert_eq!(told_for(&origin, &format!("/held/{at}")), vec![line(client.stream()); 5]);
    }
    let record = origin.record();
    assert_eq!((record.connections, record.most), (2, 5));
    let [first, second] = clients;
    drop(first);
    eventually("its connection goes with it", || (origin.record().open == 1).then_some(()));
    drop(second);
    eventually("so does the other's", || (origin.record().open == 0).then_some(()));
}

/// A server of HTTP/1.1 that answers with what it was told and the number of its connection, once so many requests are
/// there.
fn telling_back(least: &Arc<AtomicUsize>) -> Tcp {
    let (least, came) = (Arc::clone(least), AtomicUsize::new(0));
    Tcp::start(move |stream, number| {
        let mut reader = Reader::new(stream);
        let Ok(told) = reader.until(b"\r\n") else { return };
        while let Ok(Some(_)) = reader.head() {
            came.fetch_add(1, Ordering::SeqCst);
            eventually("all of them", || {
                (came.load(Ordering::SeqCst) >= least.load(Ordering::SeqCst)).then_some(())
            });
            let text = [&told[..], number.to_string().as_bytes()].concat();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
            if reader.inner().write_all(&[head.as_bytes(), &text].concat()).is_err() {
                return;
            }
        }
    })
}

/// The number behind the line.
fn number(body: &[u8], told: &str) -> usize {
    let text = std::str::from_utf8(body).unwrap();
    text.strip_prefix(told).and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{text:?}, not {told:?}"))
}

#[test]
fn streams_take_turns_on_connections_of_http_1() {
    let least = Arc::new(AtomicUsize::new(0));
    let origin = telling_back(&least);
    let daemon = telling(origin.address(), "");
    let mut client = Peer::client(daemon.listener("web"));
    let told = line(client.stream());
    let mut ask = |streams: std::ops::Range<u32>| {
        least.store(streams.end as usize, Ordering::SeqCst);
        for n in streams.clone() {
            client.send(frames::get(1 + 2 * n, "/"));
        }
        let mut carried = HashMap::new();
        for n in streams {
            let answer = client.answer(1 + 2 * n);
            assert_eq!(answer.status(), Some(200));
            *carried.entry(number(&answer.body, &told)).or_insert(0) += 1;
        }
        carried
    };
    assert_eq!(ask(0..20).len(), 20, "as many connections as requests at once");
    eventually("a few of them are kept", || (origin.service().open() == 5).then_some(()));
    assert_eq!(ask(20..25).len(), 5);
    for n in 25..30 {
        ask(n..n + 1);
    }
    assert_eq!(origin.service().accepted(), 20, "kept for requests that follow");
    drop(client);
    eventually("they end with their client", || (origin.service().open() == 0).then_some(()));
    assert_eq!(daemon.count("app", "one", "reuse"), 10);
}

#[test]
fn what_is_idle_too_long_is_not_used() {
    let origin = told();
    let daemon = telling(origin.addr(), "http: h2");
    let mut client = daemon.client();
    assert_eq!(client.get("/").status, 200);
    // Longer than connections to servers are kept.
    harness::pause(Duration::from_secs(5));
    assert_eq!(client.get("/").status, 200);
    assert_eq!(told_for(&origin, "/"), vec![line(client.stream()); 2]);
    assert_eq!(origin.record().connections, 2);
    eventually("and let go", || (origin.record().open == 1).then_some(()));
}

/// Behind a server that is told before TLS begins: proxyd itself, before an origin.
fn secure(origin: &http::Origin, alpn: &str) -> Daemon {
    let bind = format!(
        r#"bind: [(address: "127.0.0.1:0", accept_proxy: true, tls: (certificates: ["site.pem"], alpn: [{alpn}]))]"#
    );
    let config = Config::new()
        .global("log: [(target: stderr)]")
        .frontend("web", &format!(r#"{bind}, default_backend: "app""#))
        .backend("app", "")
        .server("origin", origin.addr(), "");
    let start = Start::new(&config);
    Identity::self_signed(&["localhost"]).write(start.dir(), "site.pem");
    start.run()
}

#[test]
fn the_header_stands_before_tls_whatever_is_agreed_on() {
    let origin = http::Origin::start("origin");
    for alpn in ["h2, http1", "http1"] {
        let server = secure(&origin, alpn);
        let daemon = telling(server.listener("web"), "http: auto, tls: (verify: none)");
        for made in 1..3 {
            let mut client = daemon.client();
            let Stream::Tcp(tcp) = client.stream() else { unreachable!("a TCP client") };
            let own: SocketAddr = tcp.local_addr().unwrap();
            for _ in 0..3 {
                assert_eq!(client.get("/").status, 200);
            }
            server.logged(&format!("{own} ["));
            assert_eq!(daemon.count("app", "one", "connect"), made, "{alpn}");
        }
        eventually("they go with their clients", || {
            (server.count("web", "FRONTEND", "scur") == 0).then_some(())
        });
    }
}

/// Needs the right to set `IP_TRANSPARENT`; without it there is nothing to be seen.
#[test]
fn who_comes_from_its_own_address_shares_with_nobody() {
    let origin = Origin::start("one");
    let config = Config::new()
        .global("workers: 1")
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "")
        .server("one", origin.addr(), "http: h2, source: client");
    let Ok(daemon) = Start::new(&config).try_run() else {
        eprintln!("SKIPPED: who_comes_from_its_own_address: `source: client` is not possible here");
        return;
    };
    let mut clients: Vec<Client> = (0..3).map(|_| daemon.client()).collect();
    thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| {
                for _ in 0..3 {
                    assert_eq!(client.get("/").status, 200);
                }
            });
        }
    });
    assert_eq!(origin.record().connections, 3);
    let mut peer = Peer::client(daemon.listener("web"));
    peer.send([frames::get(1, "/slow/50"), frames::get(3, "/slow/50")].concat());
    assert!(peer.reads_until(SOON, |it| it.on(1).is_over() && it.on(3).is_over()));
    assert_eq!(origin.record().connections, 4);
    drop((clients, peer));
    eventually("they go with their clients", || (origin.record().open == 0).then_some(()));
}
