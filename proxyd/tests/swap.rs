//! A new graph in place of the old one, under traffic: what a reload will do.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use proxyd::clock::Epoch;
use proxyd::config::source::Memory;
use proxyd::config::{self, Accept, Config, Splice};
use proxyd::model::process::Process;
use proxyd::model::shared::Shared;
use proxyd::model::snapshot::{Site, Snapshot};
use proxyd::net::bind::{self, Bound};
use proxyd::process::accept::{Listening, Socket};
use proxyd::process::inbox::Message;
use proxyd::process::worker::{self, Start};
use proxyd::stats::cells::Count;
use tokio::sync::mpsc::unbounded_channel;

/// An origin that answers every request with its name.
fn origin(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                while read_head(&mut stream) {
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    address
}

fn read_head(stream: &mut TcpStream) -> bool {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return false,
        }
    }
    true
}

fn get(client: &mut TcpStream) -> String {
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(read_head(client), "the connection goes on");
    let mut body = [0; 3];
    client.read_exact(&mut body).unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

fn configuration(servers: &[(&str, SocketAddr)]) -> Config {
    let servers: Vec<String> =
        servers.iter().map(|(name, address)| format!("(name: \"{name}\", address: \"{address}\")")).collect();
    let servers = servers.join(",");
    let text = format!(
        "(frontends: [(name: \"web\", bind: [\"127.0.0.1:0\"], default_backend: \"app\")],
          backends: [(name: \"app\", servers: [{servers}])])"
    );
    config::load(&Memory::default().with("swap.ron", text), &["swap.ron".into()]).unwrap().config
}

fn snapshot(config: &Config, previous: Option<&Snapshot>, epoch: &Epoch) -> Snapshot {
    let resolve = |_: &str, _| Err(std::io::ErrorKind::NotFound.into());
    Snapshot::build(
        config,
        previous,
        Site { workers: 1, maxconn: 100, now_ms: epoch.now_ms(), resolve: &resolve },
    )
    .unwrap()
}

#[test]
fn a_new_graph_takes_over_between_two_requests() {
    let (one, two) = (origin("one"), origin("two"));
    let epoch = Epoch::new();
    let first = snapshot(&configuration(&[("kept", one), ("gone", one)]), None, &epoch);
    let shared = Arc::new(Shared::new(first, Process::new(1, 100, 1000, "boot".into()), epoch));
    let frontend = Arc::clone(shared.snapshot().frontend("web").unwrap());
    let bind = Arc::clone(&frontend.binds[0]);
    let conf = &bind.conf;
    let Bound::Tcp { address, mut shards } = bind::bind(&conf.address, &conf.options, 1).unwrap() else {
        panic!("an IP address was bound")
    };
    let socket = Socket::Tcp(shards.remove(0));
    let (tell, inbox) = unbounded_channel();
    let (accepts, _accepting) = unbounded_channel();
    let start = Start {
        index: 0,
        shared: Arc::clone(&shared),
        listening: vec![Listening { socket, frontend, bind, port: Some(address.port()) }],
        inbox,
        workers: vec![tell.clone()],
        accept: Accept::Balanced,
        splice: Splice::Auto,
        seed: 1,
        logs: (Arc::new([]), Vec::new()),
        accepts,
    };
    let thread = std::thread::spawn(|| worker::run(start).unwrap());

    let mut client = TcpStream::connect(address).unwrap();
    assert_eq!([(); 4].map(|()| get(&mut client)), ["one"; 4]);
    let before = shared.snapshot();
    let kept = Arc::clone(before.backend("app").unwrap().server("kept").unwrap());
    let counted = kept.stats.raw(Count::Sessions);
    assert_eq!(counted, 2);

    // Others go on asking all the while: none of them sees anything but an answer.
    let done = Arc::new(AtomicBool::new(false));
    let others: Vec<_> = (0..4)
        .map(|_| {
            let done = Arc::clone(&done);
            std::thread::spawn(move || {
                let mut client = TcpStream::connect(address).unwrap();
                while !done.load(Relaxed) {
                    let name = get(&mut client);
                    assert!(name == "one" || name == "two", "{name}");
                }
            })
        })
        .collect();
    for turn in 0..50 {
        let servers: &[(&str, SocketAddr)] =
            if turn % 2 == 0 { &[("kept", one), ("new", two)] } else { &[("kept", one), ("newer", two)] };
        shared.publish(snapshot(&configuration(servers), Some(&shared.snapshot()), &epoch));
    }
    done.store(true, Relaxed);
    for other in others {
        other.join().unwrap();
    }

    let after = shared.snapshot();
    let backend = after.backend("app").unwrap();
    assert!(Arc::ptr_eq(backend.server("kept").unwrap(), &kept), "a server lives on by its name");
    assert!(backend.server("gone").is_none());
    let mut names = [get(&mut client), get(&mut client)];
    names.sort();
    assert_eq!(names, ["one", "two"], "the old connection takes the new graph up");
    assert!(kept.stats.raw(Count::Sessions) > counted);

    drop(client);
    tell.send(Message::Drain(Duration::from_secs(5))).unwrap();
    let limit = Instant::now() + Duration::from_secs(10);
    while !thread.is_finished() {
        assert!(Instant::now() < limit, "the worker drains");
        std::thread::yield_now();
    }
    assert_eq!(shared.process.connections.load(Relaxed), 0);
}
