//! What happened, in order: state changes for those who watch, kept for those who come back.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use tokio::sync::Notify;

/// Events kept for `watch since`.
const KEPT: usize = 1000;

/// One event, as a `watch` line without its envelope.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub seq: u64,
    pub wall_ms: u64,
    /// `server_state`, `health`, `weight`, `counters_cleared`, `certificates`, `backend_down`, …
    pub event: &'static str,
    /// `s/app/app1`, empty for the process.
    pub id: String,
    /// `from`, `to`, `reason`, `by`, `command`, as far as known; `public` is the command as those may see it who are
    /// no operators, where that is less.
    pub fields: Map<String, Value>,
}

/// The daemon's sequence and its last events.
#[derive(Debug, Default)]
pub struct Journal {
    inner: Mutex<Inner>,
    /// Told at every event.
    pub added: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    seq: u64,
    events: VecDeque<Event>,
    /// Number of the newest event that is no longer kept.
    forgotten: u64,
    /// Events added so far.
    added: u64,
}

impl Journal {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event under the next number.
    pub fn add(&self, wall_ms: u64, event: &'static str, id: String, fields: Map<String, Value>) {
        let mut inner = self.lock();
        inner.seq += 1;
        inner.added += 1;
        let seq = inner.seq;
        if inner.events.len() == KEPT
            && let Some(oldest) = inner.events.pop_front()
        {
            inner.forgotten = oldest.seq;
        }
        inner.events.push_back(Event { seq, wall_ms, event, id, fields });
        drop(inner);
        self.added.notify_waiters();
    }

    /// Takes a number for something that is not an event, such as a sample.
    pub fn next_seq(&self) -> u64 {
        let mut inner = self.lock();
        inner.seq += 1;
        inner.seq
    }

    /// The last number given.
    pub fn seq(&self) -> u64 {
        self.lock().seq
    }

    /// Events added so far, and how many of the first of them are no longer kept.
    pub fn counts(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.added, inner.added - inner.events.len() as u64)
    }

    /// Kept events after `seq`, a few at a time.
    pub fn after(&self, seq: u64, most: usize) -> Vec<Event> {
        let inner = self.lock();
        let start = inner.events.partition_point(|e| e.seq <= seq);
        inner.events.iter().skip(start).take(most).cloned().collect()
    }

    /// Events after `seq`; `None` if some of them are gone.
    pub fn since(&self, seq: u64) -> Option<Vec<Event>> {
        let inner = self.lock();
        if seq < inner.forgotten {
            return None;
        }
        Some(inner.events.iter().filter(|e| e.seq > seq).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_thousand_are_kept() {
        let journal = Journal::default();
        for _ in 0..1000 {
            journal.add(0, "weight", String::new(), Map::new());
        }
        assert_eq!(journal.since(0).map(|e| e.len()), Some(1000));
        journal.add(0, "weight", String::new(), Map::new());
        assert_eq!(journal.since(0), None);
        assert_eq!(journal.since(1).map(|e| e.len()), Some(1000));
        assert_eq!(journal.since(1001), Some(Vec::new()));
        assert_eq!(journal.counts(), (1001, 1));
        let few: Vec<u64> = journal.after(10, 2).iter().map(|e| e.seq).collect();
        assert_eq!(few, [11, 12]);
        assert_eq!(journal.after(1001, 2), []);
    }
}
