//! How late the machine itself makes everybody: what a busy machine keeps from running is nobody's fault.
//!
//! The kernel counts how long each thread was ready and did not run. What it does not count for whom nobody looks at,
//! and what a hypervisor takes, is seen by a witness that sleeps and looks at the clock.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::eventually::pause;

/// How long the witness sleeps.
const NAP: Duration = Duration::from_millis(1);
/// So many of its naps are remembered that were longer.
const LONG_NAPS: usize = 4096;

/// The machine as a client of a process sees it: on the thread that made this.
#[derive(Debug)]
pub(super) struct Machine {
    /// This thread and those of the process.
    threads: Vec<File>,
    witness: Witness,
}

/// A moment, to be asked about later.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    at: Instant,
    kept_waiting: Duration,
}

impl Machine {
    /// Looks at threads of the process whose names begin so.
    pub(super) fn beside(process: u32, names: &str) -> Self {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        let named =
            |task: &PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|it| it.starts_with(names));
        let tasks = tasks.map(|task| task.path()).filter(named).chain(["/proc/thread-self".into()]);
        Self {
            threads: tasks.filter_map(|task| File::open(task.join("schedstat")).ok()).collect(),
            witness: Witness::start(),
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { at: Instant::now(), kept_waiting: self.threads.iter().map(kept_waiting).sum() }
    }

    /// How long since then the machine kept these threads from running, one after the other, and others that are
    /// between them.
    pub(super) fn late_since(&self, mark: Mark) -> Duration {
        self.mark().kept_waiting.saturating_sub(mark.kept_waiting) + self.witness.late_since(mark.at)
    }
}

/// How long a thread was ready and did not run, ever.
fn kept_waiting(thread: &File) -> Duration {
    let mut bytes = [0; 80];
    let n = thread.read_at(&mut bytes, 0).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[..n]);
    text.split_ascii_whitespace()
        .nth(1)
        .and_then(|it| it.parse().ok())
        .map_or(Duration::ZERO, Duration::from_nanos)
}

/// A thread that sleeps, and knows how much too long.
#[derive(Debug)]
struct Witness {
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

impl Witness {
    fn start() -> Self {
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

    /// How much too long it slept since then.
    fn late_since(&self, since: Instant) -> Duration {
        let naps = self.naps.lock().unwrap_or_else(PoisonError::into_inner);
        let over = naps.long.iter().rev().take_while(|(ended, _)| *ended >= since);
        let over: Duration = over.map(|(ended, late)| (*late).min(*ended - since)).sum();
        over + naps.begun.elapsed().saturating_sub(NAP).min(since.elapsed())
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
    fn seen(machine: &Machine, act: impl FnOnce()) -> (Duration, Duration) {
        let (begun, mark) = (Instant::now(), machine.mark());
        act();
        let took = begun.elapsed();
        (took, machine.late_since(mark))
    }

    fn spin(until: impl Fn() -> bool) {
        while !until() {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn who_waits_for_a_processor_is_told_from_who_waits_for_somebody() {
        let machine = Machine::beside(std::process::id(), "nobody");
        assert_eq!(machine.threads.len(), 1, "the kernel counts for this thread");
        let second = Duration::from_secs(1);
        let (took, idle) = seen(&machine, || pause(second));
        let stop = AtomicBool::new(false);
        let processors = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..3 * processors {
                scope.spawn(|| spin(|| stop.load(Ordering::Relaxed)));
            }
            let (spun, busy) = seen(&machine, || {
                let begun = Instant::now();
                spin(|| begun.elapsed() > second);
            });
            stop.store(true, Ordering::Relaxed);
            assert!(busy > spun / 4 && busy > idle, "{busy:?} of {spun:?}, {idle:?} of {took:?} before");
        });
    }
}
