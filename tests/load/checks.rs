//! Thousands of checks a second: in time, and at a bounded cost.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use harness::{Config, Daemon, Witness, is_optimized};

const INTERVAL: Duration = Duration::from_secs(1);
const SPAN: Duration = Duration::from_secs(6);

/// What is not optimized takes many times as long: it is asked for a tenth of it.
fn servers() -> usize {
    if is_optimized() { 5000 } else { 500 }
}

/// The bounds hold for a machine that has nothing else to do, and others may use this one: any of so many will do, and
/// what makes a thread late that only sleeps is the machine's.
const TRIES: usize = 8;

/// One server for each address of a network: it accepts, and remembers when.
struct Crowd {
    port: u16,
    asked: Arc<Mutex<HashMap<IpAddr, Vec<Instant>>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Crowd {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let asked = Arc::<Mutex<HashMap<IpAddr, Vec<Instant>>>>::default();
        let over = Arc::new(AtomicBool::new(false));
        let (record, stop) = (Arc::clone(&asked), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let now = Instant::now();
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(here) = stream.local_addr() {
                    record.lock().expect("nobody panics with it").entry(here.ip()).or_default().push(now);
                }
            }
        });
        Self { port, asked, over, thread: Some(thread) }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// Processor time of the thread that checks; without one it is beyond all bounds.
fn checks_cpu(daemon: &Daemon) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", daemon.pid())).expect("the process lives");
    for task in tasks.flatten() {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        if read("comm").trim() == "checks" {
            let nanos = read("schedstat").split(' ').next().and_then(|time| time.parse().ok());
            return Duration::from_nanos(nanos.expect("the kernel counts"));
        }
    }
    Duration::MAX
}

#[derive(Debug)]
struct Seen {
    checks: usize,
    /// Share of one processor.
    busy: f64,
    /// How much later than its interval a check came at most.
    latest: Duration,
    /// How late the machine itself was.
    late: Duration,
}

impl Seen {
    fn is_good(&self, servers: usize) -> bool {
        let spans = (SPAN.saturating_sub(self.late).as_secs_f64() / INTERVAL.as_secs_f64()) as usize;
        self.latest <= INTERVAL / 10 + self.late * 3
            && self.busy < 0.5
            && self.checks >= servers * spans.saturating_sub(1)
    }
}

#[test]
fn thousands_of_checks_are_in_time_and_cost_little() {
    let _alone = super::alone();
    let crowd = Crowd::start();
    let mut config = Config::new()
        .defaults("mode: tcp")
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", r#"check: tcp(interval: "1s")"#);
    let servers = servers();
    for i in 0..servers {
        let name = format!("s{i}");
        let address =
            std::net::SocketAddr::from(([127, 9, (i / 250) as u8, (i % 250 + 1) as u8], crowd.port));
        config = config.server(&name, address, "");
    }
    let daemon = Daemon::start(&config);
    // Every server has been asked, and the beat is there.
    harness::pause(INTERVAL * 3);
    let (mut tries, machine) = (Vec::new(), Witness::start());
    while tries.len() < TRIES {
        crowd.asked.lock().expect("nobody panics with it").clear();
        let (cpu, start) = (checks_cpu(&daemon), Instant::now());
        harness::pause(SPAN);
        let busy = checks_cpu(&daemon).saturating_sub(cpu).as_secs_f64() / start.elapsed().as_secs_f64();
        let asked = crowd.asked.lock().expect("nobody panics with it").clone();
        let gaps = asked.values().flat_map(|at| at.windows(2).map(|pair| pair[1] - pair[0]));
        let late = gaps.map(|gap| gap.saturating_sub(INTERVAL));
        let seen = Seen {
            checks: asked.values().map(Vec::len).sum(),
            busy,
            latest: late.max().unwrap_or(SPAN),
            late: machine.late_since(start),
        };
        println!("{servers} servers: {seen:?}");
        let good = seen.is_good(servers);
        tries.push(seen);
        if good {
            return;
        }
    }
    assert!(tries.is_empty(), "not once in time and at that cost: {tries:#?}");
}
