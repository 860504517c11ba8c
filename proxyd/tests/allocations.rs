//! Every allocation of a worker has a name here: none for a request on a connection that is kept, few for a connection.
//!
//! The allocator of this program counts what the worker's thread asks it for, and who of proxyd asked.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should panic")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proxyd::clock::Epoch;
use proxyd::config::source::Memory;
use proxyd::config::{self, Accept, Splice};
use proxyd::model::process::Process;
use proxyd::model::shared::Shared;
use proxyd::model::snapshot::{Site, Snapshot};
use proxyd::net::bind::{self, Bound};
use proxyd::process::accept::{Listening, Socket};
use proxyd::process::worker::{self, Start};
use tokio::sync::mpsc::unbounded_channel;

/// What a client's connection may allocate: by whom, how often at most, and why.
const OF_A_CONNECTION: [(&str, f64, &str); 6] = [
    ("process::accept::Registered::poll_accept", 1.0, "the driver's entry for the socket"),
    ("process::accept::serve", 2.0, "the task, and the place that its streams may share"),
    ("session::http::Connection::run", 1.0, "the room of its requests, given back when it is parked"),
    ("session::worker::Place::new", 0.1, "the worker's table of connections grows"),
    ("net::timer::Timer::poll_at", 1.0, "the one timer, when something is first waited for"),
    ("session::http::Connection::reserve_heads", 2.0, "room for the heads to server and client, as long"),
];

/// Bytes that a connection holds once it is parked.
const OF_AN_IDLE_ONE: i64 = 1200;
const SOON: Duration = Duration::from_secs(10);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of the worker, and bytes it holds.
static COUNT: AtomicU64 = AtomicU64::new(0);
static HELD: AtomicI64 = AtomicI64::new(0);
/// Names are looked up only where they are asked for: that takes its time.
static NAMING: AtomicBool = AtomicBool::new(false);
static NAMES: Mutex<BTreeMap<String, (u64, usize)>> = Mutex::new(BTreeMap::new());

thread_local! {
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

fn names() -> MutexGuard<'static, BTreeMap<String, (u64, usize)>> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count(grown: i64, size: usize) {
    // A thread that ends has no such variable any more.
    if COUNTED.try_with(Cell::get) != Ok(true) {
        return;
    }
    HELD.fetch_add(grown, SeqCst);
    if size == 0 {
        return;
    }
    COUNT.fetch_add(1, SeqCst);
    if NAMING.load(SeqCst) {
        COUNTED.set(false);
        let name = asker(&Backtrace::force_capture().to_string());
        let mut names = names();
        let entry = names.entry(name).or_default();
        *entry = (entry.0 + 1, entry.1 + size);
        drop(names);
        COUNTED.set(true);
    }
}

/// The innermost function of proxyd in a backtrace.
fn asker(backtrace: &str) -> String {
    let frame = backtrace.lines().find_map(|line| {
        let name = line.trim().split_once(": ")?.1;
        name.trim_start_matches('<').starts_with("proxyd::").then_some(name)
    });
    frame.map_or_else(|| format!("nobody of proxyd:\n{backtrace}"), ToOwned::to_owned)
}

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe by its nature; this one only counts and asks the system's"
)]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64, layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as i64), 0);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as i64 - layout.size() as i64, size);
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// An origin that answers GET with 66 bytes and POST with the same in chunks, when it has the body.
fn origin() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                while let Some(head) = read_head(&mut stream) {
                    let answer = if head.starts_with(b"POST") {
                        stream.read_exact(&mut [0; 66]).unwrap();
                        format!(
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n42\r\n{}\r\n0\r\n\r\n",
                            "x".repeat(66)
                        )
                    } else {
                        format!("HTTP/1.1 200 OK\r\nContent-Length: 66\r\n\r\n{}", "x".repeat(66))
                    };
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    address
}

fn read_head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(head)
}

const GET: &str = "GET / HTTP/1.1\r\nHost: test\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n";

fn get(client: &mut TcpStream) {
    client.write_all(GET.as_bytes()).unwrap();
    assert!(read_head(client).unwrap().starts_with(b"HTTP/1.1 200"));
    client.read_exact(&mut [0; 66]).unwrap();
}

fn post(client: &mut TcpStream) {
    let body = "x".repeat(66);
    let request = format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 66\r\n\r\n{body}");
    client.write_all(request.as_bytes()).unwrap();
    assert!(read_head(client).unwrap().starts_with(b"HTTP/1.1 200"));
    client.read_exact(&mut [0; "42\r\n\r\n0\r\n\r\n".len() + 66]).unwrap();
}

/// A worker on a thread of its own, whose allocations are counted.
fn worker(balance: &str) -> SocketAddr {
    let text = format!(
        "(frontends: [(name: \"web\", bind: [\"127.0.0.1:0\"], default_backend: \"app\")],
          backends: [(name: \"app\", balance: {balance}, servers: [(name: \"one\", address: \"{}\")])])",
        origin()
    );
    let config = config::load(&Memory::default().with("a.ron", text), &["a.ron".into()]).unwrap().config;
    let epoch = Epoch::new();
    let resolve = |_: &str, _| Err(std::io::ErrorKind::NotFound.into());
    let site = Site { workers: 1, maxconn: 1000, now_ms: epoch.now_ms(), resolve: &resolve };
    let snapshot = Snapshot::build(&config, None, site).unwrap();
    let shared = Arc::new(Shared::new(snapshot, Process::new(1, 1000, 3000, "boot".into()), epoch));
    let frontend = Arc::clone(shared.snapshot().frontend("web").unwrap());
    let bind = Arc::clone(&frontend.binds[0]);
    let conf = &bind.conf;
    let Bound::Tcp { address, mut shards } = bind::bind(&conf.address, &conf.options, 1).unwrap() else {
        panic!("an IP address was bound")
    };
    let socket = Socket::Tcp(shards.remove(0));
    let (tell, inbox) = unbounded_channel();
    let (accepts, _accepting) = unbounded_channel();
    let listening = vec![Listening { socket, frontend, bind, port: Some(address.port()) }];
    let start = Start {
        index: 0,
        shared,
        listening,
        inbox,
        workers: vec![tell.clone()],
        accept: Accept::Balanced,
        splice: Splice::Auto,
        seed: 1,
        logs: (Arc::new([]), Vec::new()),
        accepts,
    };
    std::thread::spawn(move || {
        let _held_so_that_it_runs_on = tell;
        COUNTED.set(true);
        worker::run(start).unwrap();
    });
    address
}

/// A connection that nobody uses for a second is parked, and a machine that is busy elsewhere may come to that: any of
/// so many rounds will do.
const ROUNDS: usize = 3;

/// Requests on a connection that is kept allocate nothing; from here on allocations are named.
fn costs_nothing(what: &str, client: &mut TcpStream, request: fn(&mut TcpStream)) {
    NAMING.store(true, SeqCst);
    let is_free = |_| {
        names().clear();
        let before = COUNT.load(SeqCst);
        (0..500).for_each(|_| request(client));
        COUNT.load(SeqCst) == before
    };
    assert!((0..ROUNDS).any(is_free), "{what}: {:#?}", names());
}

/// One test, since what it counts is one process's.
#[test]
fn every_allocation_has_a_name() {
    // Nor where a request is known by a key, and that has to be made.
    let mut keyed = TcpStream::connect(worker("hash(key: \"method,lower\", kind: consistent)")).unwrap();
    (0..100).for_each(|_| get(&mut keyed));
    costs_nothing("GET by a key", &mut keyed, get);
    NAMING.store(false, SeqCst);

    let address = worker("round_robin");
    let connect = || TcpStream::connect(address).unwrap();
    let mut kept = connect();
    for _ in 0..100 {
        get(&mut kept);
        post(&mut kept);
        get(&mut connect());
    }
    // What the worker still does when an answer has come is done when the next ones have.
    (0..10).for_each(|_| get(&mut kept));

    // Requests on a connection that is kept: none.
    costs_nothing("GET", &mut kept, get);
    costs_nothing("POST", &mut kept, post);

    // A connection with one request.
    let mut idle = Vec::with_capacity(100);
    let held = HELD.load(SeqCst);
    names().clear();
    for _ in 0..100 {
        let mut client = connect();
        get(&mut client);
        idle.push(client);
    }
    get(&mut kept);
    NAMING.store(false, SeqCst);
    let found = std::mem::take(&mut *names());
    for (name, &(times, bytes)) in &found {
        let (times, bytes) = (times as f64 / 100.0, bytes as f64 / 100.0);
        println!("{times:.2} times, {bytes:.0} bytes: {name}");
        let allowed = OF_A_CONNECTION.iter().find(|(allowed, ..)| name.contains(allowed));
        assert!(allowed.is_some_and(|&(_, most, _)| times <= most), "{name}: {times} times");
    }
    for (allowed, _, why) in OF_A_CONNECTION {
        assert!(
            found.keys().any(|name| name.contains(allowed)),
            "{allowed} ({why}) allocates no more: take it out"
        );
    }
    let begun = Instant::now();
    let of_one = || (HELD.load(SeqCst) - held) / 100;
    while of_one() > OF_AN_IDLE_ONE {
        assert!(begun.elapsed() < SOON, "an idle connection holds {} bytes", of_one());
        get(&mut kept);
    }
}
