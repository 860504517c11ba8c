//! How late the machine itself makes everybody: what a busy machine keeps from running is nobody's fault.
//!
//! The kernel counts how long each thread was ready and did not run. What it does not count for whom nobody looks at,
//! and what a hypervisor takes, is seen by a witness that sleeps and looks at the clock.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::eventually::pause;

/// How long the witness sleeps.
const NAP: Duration = Duration::from_millis(1);
/// So many of its naps are remembered that were longer.
const LONG_NAPS: usize = 4096;

/// The machine as those see it through whom a request goes.
#[derive(Debug)]
pub(super) struct Machine {
    /// Of the process; one of them has the request, and another may have taken its connection in.
    threads: Vec<Thread>,
    /// This one, and those behind the process.
    others: Threads,
    witness: Witness,
}

/// Threads that come and go.
#[derive(Clone, Debug, Default)]
pub(super) struct Threads(Arc<Mutex<Vec<Thread>>>);

impl Threads {
    /// This one belongs to them.
    pub(super) fn join(&self) {
        self.add(Path::new("/proc/thread-self"));
    }

    /// So does that one.
    pub(super) fn add(&self, task: &Path) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(Thread::at(task));
    }

    fn kept_waiting(&self) -> Duration {
        // One after the other has the request.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter_mut().map(Thread::kept_waiting).sum()
    }
}

/// A moment, to be asked about later.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    at: Instant,
    threads: Vec<Duration>,
    others: Duration,
}

impl Machine {
    /// Looks at this thread, at `others`, and at those of a process whose names begin so.
    pub(super) fn beside(process: u32, names: &str, others: Threads) -> Self {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        let named =
            |task: &PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|it| it.starts_with(names));
        let threads = tasks.map(|task| task.path()).filter(named).filter_map(|task| Thread::at(&task));
        others.join();
        Self { threads: threads.collect(), others, witness: Witness::start() }
    }

    pub(super) fn mark(&mut self) -> Mark {
        let threads = self.threads.iter_mut().map(Thread::kept_waiting).collect();
        Mark { at: Instant::now(), threads, others: self.others.kept_waiting() }
    }

    /// How long since then the machine kept those from running through whom a request went.
    pub(super) fn late_since(&mut self, mark: &Mark) -> Duration {
        let now = self.mark();
        let threads = now.threads.iter().zip(&mark.threads).map(|(now, then)| now.saturating_sub(*then));
        let mut threads: Vec<Duration> = threads.collect();
        threads.sort_unstable();
        let two: Duration = threads.iter().rev().take(2).sum();
        let through = two + now.others.saturating_sub(mark.others);
        // Where the machine itself stands still, nobody waits for it.
        through.max(self.witness.late_since(mark.at))
    }
}

/// What the kernel counts of a thread.
#[derive(Debug)]
struct Thread {
    schedstat: File,
    /// As it was when the thread lived.
    kept_waiting: Duration,
}

impl Thread {
    fn at(task: &Path) -> Option<Self> {
        let schedstat = File::open(task.join("schedstat")).ok()?;
        Some(Self { schedstat, kept_waiting: Duration::ZERO })
    }

    /// How long it was ready and did not run, ever.
    fn kept_waiting(&mut self) -> Duration {
        let mut bytes = [0; 80];
        let n = self.schedstat.read_at(&mut bytes, 0).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes[..n]);
        if let Some(ns) = text.split_ascii_whitespace().nth(1).and_then(|it| it.parse().ok()) {
            self.kept_waiting = Duration::from_nanos(ns);
        }
        self.kept_waiting
    }
}

/// A thread that sleeps, and knows how much too long.
#[derive(Debug)]
pub struct Witness {
    stop: Arc<AtomicBool>,
    naps: Arc<Mutex<Naps>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Naps {
    /// When the one began that is not over.
    begun: Instant,
    /// When others ended, and how much too late.
    long: VecDeque<(Instant, Duration)>,
}

impl Default for Witness {
    fn default() -> Self {
        Self::start()
    }
}

impl Witness {
    /// Looks from now on.
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let naps = Arc::new(Mutex::new(Naps { begun: Instant::now(), long: VecDeque::new() }));
        let (stopped, slept) = (Arc::clone(&stop), Arc::clone(&naps));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let begun = Instant::now();
                slept.lock().unwrap_or_else(PoisonError::into_inner).begun = begun;
                pause(NAP);
                let ended = Instant::now();
                let late = (ended - begun).saturating_sub(NAP);
                if late < NAP {
                    continue;
                }
                let mut naps = slept.lock().unwrap_or_else(PoisonError::into_inner);
                if naps.long.len() == LONG_NAPS {
                    naps.long.pop_front();
                }
                naps.long.push_back((ended, late));
            }
        });
        Self { stop, naps, thread: Some(thread) }
    }

    /// How much too long it slept at most since then.
    pub fn late_since(&self, since: Instant) -> Duration {
        let naps = self.naps.lock().unwrap_or_else(PoisonError::into_inner);
        let over = naps.long.iter().rev().take_while(|(ended, _)| *ended >= since);
        let now = naps.begun.elapsed().saturating_sub(NAP);
        over.map(|(_, late)| *late).chain([now]).max().unwrap_or_default()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long this took, and how late the machine was meanwhile.
    fn seen(machine: &mut Machine, act: impl FnOnce()) -> (Duration, Duration) {
        let (begun, mark) = (Instant::now(), machine.mark());
        act();
        let took = begun.elapsed();
        (took, machine.late_since(&mark))
    }

    fn spin(until: impl Fn() -> bool) {
        while !until() {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn who_waits_for_a_processor_is_told_from_who_waits_for_somebody() {
        let mut machine = Machine::beside(std::process::id(), "nobody", Threads::default());
        let second = Duration::from_secs(1);
        let (took, idle) = seen(&mut machine, || pause(second));
        let stop = AtomicBool::new(false);
        let processors = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..3 * processors {
                scope.spawn(|| spin(|| stop.load(Ordering::Relaxed)));
            }
            let (spun, busy) = seen(&mut machine, || {
                let begun = Instant::now();
                spin(|| begun.elapsed() > second);
            });
            stop.store(true, Ordering::Relaxed);
            assert_ne!(machine.others.kept_waiting(), Duration::ZERO, "the kernel counts for this thread");
            assert!(busy > spun / 4 && busy > idle, "{busy:?} of {spun:?}, {idle:?} of {took:?} before");
        });
    }
}
