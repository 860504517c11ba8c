//! What must hold behind an attack, whatever it was: nothing runs, nothing is left open, memory is back, and clients
//! that were there all the while noticed nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::daemon::Daemon;
use crate::eventually::{eventually, pause};
use crate::frames::{self, Peer};

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
    thread: JoinHandle<Vec<Duration>>,
}

/// Between two requests of a canary.
const BREATH: Duration = Duration::from_millis(5);
/// What is usual beside an attack, and what nobody waits, even on a machine that has much else to do.
const USUAL: Duration = Duration::from_millis(500);
const BEARABLE: Duration = Duration::from_secs(5);

impl Canary {
    /// Every other request over a connection of its own.
    pub fn start(to: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut waits = Vec::new();
            let mut kept = Client::tcp(to);
            while !stopped.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let fresh = waits.len() % 2 == 0;
                let answer = if fresh { Client::tcp(to).get("/canary") } else { kept.get("/canary") };
                assert_eq!(answer.status, 200, "the canary is harmed");
                waits.push(asked.elapsed());
                pause(BREATH);
            }
            waits
        });
        Self { stop, thread }
    }

    /// The same over HTTP/2 by prior knowledge.
    pub fn over_http2(to: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut waits = Vec::new();
            let (mut kept, mut stream) = (Peer::client(to), 1);
            while !stopped.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let status = if waits.len() % 2 == 0 {
                    let mut fresh = Peer::client(to);
                    fresh.send(frames::get(1, "/canary"));
                    fresh.answer(1).status()
                } else {
                    kept.send(frames::get(stream, "/canary"));
                    stream += 2;
                    kept.answer(stream - 2).status()
                };
                assert_eq!(status, Some(200), "the canary is harmed");
                waits.push(asked.elapsed());
                pause(BREATH);
            }
            waits
        });
        Self { stop, thread }
    }

    /// How long each of its requests took, the shortest first.
    fn waits(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        let mut waits = self.thread.join().expect("the canary is well");
        waits.sort_unstable();
        waits
    }

    /// It was served all the while, and no request took longer than that, but for what a machine that has much else to
    /// do makes one in a hundred wait.
    pub fn never_waits(self, limit: Duration) {
        let waits = self.waits();
        let late = waits.iter().filter(|it| **it > limit).count();
        let (n, worst) = (waits.len(), waits.last().copied().unwrap_or_default());
        eprintln!("the canary sang {n} times and waited {worst:?} at most");
        assert!(n > 0, "a canary that never sang");
        assert!(
            late <= n / 100 + 1 && worst < BEARABLE,
            "{late} of {n} waits beyond {limit:?}, one {worst:?}"
        );
    }

    /// It was served all the while, and soon.
    pub fn is_well(self) {
        let waits = self.waits();
        let n = waits.len();
        let (Some(usual), Some(worst)) = (waits.get(n / 2), waits.last()) else {
            unreachable!("a canary that never sang")
        };
        assert!(
            *usual < USUAL && *worst < BEARABLE,
            "the canary waited {usual:?}, once {worst:?}, of {n} times"
        );
    }
}
