//! What must hold behind an attack, whatever it was: nothing runs, nothing is left open, memory is back, and clients
//! that were there all the while noticed nothing.

mod machine;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::config::Config;
use crate::daemon::Daemon;
use crate::eventually::{eventually, pause};
use crate::frames::{self, Peer};
use crate::origin::tcp::Tcp;
use crate::wire::Reader;
use machine::{Machine, Threads};

pub use machine::Witness;

/// Kept connections to servers, buffers of them and the like.
const SLACK: usize = 8;
/// What an allocator keeps of one burst.
const MEMORY: u64 = 8 << 20;
/// Buffers a worker keeps for the next connections.
const BUFFERS: u64 = 12 << 20;
/// Over which processor time is measured.
const SPAN: Duration = Duration::from_millis(300);

/// What a daemon holds while nothing happens.
#[derive(Debug)]
pub struct Level {
    descriptors: usize,
    rss: u64,
}

impl Level {
    /// As it is now.
    pub fn of(daemon: &Daemon) -> Self {
        Self { descriptors: daemon.descriptors(), rss: daemon.rss() }
    }

    /// How much more memory it holds now.
    pub fn grown(&self, daemon: &Daemon) -> u64 {
        daemon.rss().saturating_sub(self.rss)
    }

    /// Waits until it is so again.
    pub fn is_back(&self, daemon: &Daemon) {
        eventually("descriptors are back", || {
            (daemon.descriptors() <= self.descriptors + SLACK).then_some(())
        });
        eventually("processor time is idle", || {
            let busy = daemon.cpu();
            pause(SPAN);
            (daemon.cpu().saturating_sub(busy) <= SPAN / 10).then_some(())
        });
        let workers = thread::available_parallelism().map_or(1, |it| it.get() as u64);
        let kept = MEMORY + workers * BUFFERS;
        eventually("memory is back", || (self.grown(daemon) < kept).then_some(()));
    }
}

/// A client with one request after the other, from now on until it is asked how it went.
#[derive(Debug)]
pub struct Canary {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Wait>>,
}

/// How long a request took, and how much of that the machine may have kept whom it needs from running.
#[derive(Clone, Copy, Debug)]
struct Wait {
    took: Duration,
    late: Duration,
}

impl Wait {
    /// What is not the machine's fault. How late that was is known roughly: of much, a quarter more is forgiven.
    fn blamed(self) -> Duration {
        self.took.saturating_sub(self.late + self.late / 4)
    }
}

/// Between two requests of a canary.
const BREATH: Duration = Duration::from_millis(5);
/// What threads of a daemon are called through which its requests go.
const WORKERS: &str = "worker-";
/// What is usual beside an attack, and what nobody waits, even on a machine that has much else to do.
const USUAL: Duration = Duration::from_millis(500);
const BEARABLE: Duration = Duration::from_secs(5);

/// A frontend that nobody attacks, and a server of its own: what is slow there is slow for the proxy's sake.
#[derive(Debug)]
pub struct Beside {
    origin: Tcp,
    threads: Threads,
}

impl Beside {
    /// What the frontend is called.
    pub const NAME: &str = "beside";

    /// With a server that answers everything.
    pub fn start() -> Self {
        let threads = Threads::default();
        let all = threads.clone();
        let origin = Tcp::start(move |stream, _| {
            all.join();
            let mut reader = Reader::new(stream);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwell\n";
            while reader.head().is_ok_and(|head| head.is_some()) && reader.inner().write_all(answer).is_ok() {
            }
        });
        threads.add(&origin.service().accepting());
        Self { origin, threads }
    }

    /// Adds it.
    #[must_use]
    pub fn to(&self, config: Config) -> Config {
        config
            .frontend(Self::NAME, &format!("default_backend: {:?}", Self::NAME))
            .backend(Self::NAME, "")
            .server("origin", self.origin.address(), "")
    }
}

impl Canary {
    /// Every other request over a connection of its own.
    pub fn start(to: SocketAddr, daemon: &Daemon) -> Self {
        Self::sing(daemon, Threads::default(), move || {
            let mut kept = Client::tcp(to);
            move |fresh| {
                let answer = if fresh { Client::tcp(to).get("/canary") } else { kept.get("/canary") };
                Some(answer.status)
            }
        })
    }

    /// The same over HTTP/2 by prior knowledge, where nobody else is.
    pub fn over_http2(beside: &Beside, daemon: &Daemon) -> Self {
        let to = daemon.listener(Beside::NAME);
        Self::sing(daemon, beside.threads.clone(), move || {
            let (mut kept, mut stream) = (Peer::client(to), 1);
            move |fresh| {
                if fresh {
                    let mut fresh = Peer::client(to);
                    fresh.send(frames::get(1, "/canary"));
                    return fresh.answer(1).status();
                }
                kept.send(frames::get(stream, "/canary"));
                stream += 2;
                kept.answer(stream - 2).status()
            }
        })
    }

    /// `ask` makes what asks, over a connection of its own or not, for a status.
    fn sing<Ask: FnMut(bool) -> Option<u16>>(
        daemon: &Daemon,
        servers: Threads,
        ask: impl FnOnce() -> Ask + Send + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, daemon) = (Arc::clone(&stop), daemon.pid());
        let thread = thread::spawn(move || {
            let (mut ask, mut waits) = (ask(), Vec::new());
            let mut machine = Machine::beside(daemon, WORKERS, servers);
            while !stopped.load(Ordering::Relaxed) {
                let (asked, mark) = (Instant::now(), machine.mark());
                assert_eq!(ask(waits.len() % 2 == 0), Some(200), "the canary is harmed");
                let took = asked.elapsed();
                waits.push(Wait { took, late: machine.late_since(&mark) });
                pause(BREATH);
            }
            waits
        });
        Self { stop, thread }
    }

    /// Its requests, those that took longest last.
    fn waits(self) -> Vec<Wait> {
        self.stop.store(true, Ordering::Relaxed);
        let mut waits = self.thread.join().expect("the canary is well");
        waits.sort_unstable_by_key(|it| it.took);
        waits
    }

    /// It was served all the while, and no request took longer than that, but for the time for which the machine itself
    /// was late.
    pub fn never_waits(self, limit: Duration) {
        let waits = self.waits();
        let n = waits.len();
        let Some(worst) = waits.last() else { unreachable!("a canary that never sang") };
        let late: Vec<&Wait> = waits.iter().filter(|it| it.blamed() > limit).collect();
        let excused = waits.iter().filter(|it| it.took > limit).count();
        eprintln!(
            "the canary sang {n} times, {worst:?} at most; a late machine made it wait {excused} times"
        );
        assert!(late.is_empty(), "{} of {n} waits beyond {limit:?}: {late:?}", late.len());
        assert!(worst.took < BEARABLE, "{worst:?}");
    }

    /// It was served all the while, and soon.
    pub fn is_well(self) {
        let waits = self.waits();
        let n = waits.len();
        let (Some(usual), Some(worst)) = (waits.get(n / 2), waits.last()) else {
            unreachable!("a canary that never sang")
        };
        assert!(
            usual.took < USUAL && worst.took < BEARABLE,
            "the canary waited {usual:?}, once {worst:?}, of {n} times"
        );
    }
}
