//! From the workers to a target's thread: whole batches of lines, in buffers that circulate.
//!
//! A worker never waits: where all its buffers are on their way the line is dropped and counted.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{self, Instant};

/// Bytes after which a batch is sent without waiting for more.
const BATCH: usize = 32 * 1024;
/// Buffers of one worker for one target: what is kept while the target is slow.
const BUFFERS: usize = 16;
/// How often it is said that lines are lost.
const SAY_AGAIN: Duration = Duration::from_mins(1);

/// What a target's thread is sent.
#[derive(Debug)]
pub(super) enum Item {
    Batch(Batch),
    /// Look at the flags.
    Wake,
    /// Nothing more will come.
    End,
}

/// Lines, each with its line end.
#[derive(Debug)]
pub(super) struct Batch {
    worker: usize,
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u64,
}

/// What all sides know of a target.
#[derive(Debug)]
pub struct Status {
    pub name: String,
    pub(super) written: AtomicU64,
    dropped: AtomicU64,
    pub(super) reopen: AtomicBool,
    pub(super) ending: AtomicBool,
    said: Mutex<Said>,
}

/// What was last said of lost lines.
#[derive(Debug, Default)]
struct Said {
    dropped: u64,
    at: Option<Instant>,
}

impl Status {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            reopen: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            said: Mutex::default(),
        }
    }

    /// Lines the target took.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Lines that were lost.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    pub(super) fn drop_lines(&self, lines: u64) {
        self.dropped.fetch_add(lines, Relaxed);
    }

    /// Says that lines were lost, once a minute; called once a second.
    pub fn tell_losses(&self) {
        let now = clock::now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = self.dropped();
        if dropped == said.dropped || said.at.is_some_and(|at| now - at < SAY_AGAIN) {
            return;
        }
        let lost = dropped - said.dropped;
        *said = Said { dropped, at: Some(now) };
        super::warning(format_args!("log target {}: {lost} lines were dropped", self.name));
    }
}

/// A worker's way to one target.
pub struct Feed {
    status: Arc<Status>,
    worker: usize,
    sender: SyncSender<Item>,
    returned: Receiver<Vec<u8>>,
    made: usize,
    current: Vec<u8>,
    lines: u64,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("status", &self.status).finish_non_exhaustive()
    }
}

/// The other end: where a target's thread reads, and sends buffers back.
#[derive(Debug)]
pub(super) struct Inlet {
    pub(super) items: Receiver<Item>,
    returns: Vec<SyncSender<Vec<u8>>>,
}

/// One feed for each worker, and the end they lead to.
pub(super) fn feeds(status: &Arc<Status>, workers: usize) -> (Vec<Feed>, SyncSender<Item>, Inlet) {
    // Room for all buffers there can be and a few words, so that sending never fails for want of it.
    let (sender, items) = sync_channel(workers * BUFFERS + 8);
    let (returns, feeds) = (0..workers)
        .map(|worker| {
            let (give, returned) = sync_channel(BUFFERS);
            let feed = Feed {
                status: Arc::clone(status),
                worker,
                sender: sender.clone(),
                returned,
                made: 0,
                current: Vec::new(),
                lines: 0,
            };
            (give, feed)
        })
        .unzip();
    (feeds, sender, Inlet { items, returns })
}

impl Inlet {
    /// Lets the worker fill the buffer again.
    pub(super) fn give_back(&self, mut batch: Batch) {
        batch.bytes.clear();
        // Its worker may have ended.
        let _gone = self.returns[batch.worker].try_send(batch.bytes);
    }
}

impl Feed {
    /// Where to write one line and its end; `None` where there is no room, and the line is counted as lost.
    pub fn line(&mut self) -> Option<&mut Vec<u8>> {
        if self.current.capacity() == 0 {
            match self.returned.try_recv() {
                Ok(buffer) => self.current = buffer,
                Err(_) if self.made < BUFFERS => {
                    self.made += 1;
                    self.current = Vec::with_capacity(BATCH + BATCH / 4);
                }
                Err(_) => {
                    self.status.drop_lines(1);
                    return None;
                }
            }
        }
        self.lines += 1;
        Some(&mut self.current)
    }

    /// Lines wait to be sent.
    pub fn is_waiting(&self) -> bool {
        !self.current.is_empty()
    }

    /// Enough lines wait.
    pub fn is_full(&self) -> bool {
        self.current.len() >= BATCH
    }

    /// Sends what waits.
    pub fn flush(&mut self) {
        if self.current.is_empty() {
            return;
        }
        let (bytes, lines) = (std::mem::take(&mut self.current), std::mem::take(&mut self.lines));
        let batch = Batch { worker: self.worker, bytes, lines };
        if let Err(error) = self.sender.try_send(Item::Batch(batch)) {
            // The thread has ended before its workers: then nothing can be written any more.
            use std::sync::mpsc::TrySendError::{Disconnected, Full};
            if let Full(Item::Batch(batch)) | Disconnected(Item::Batch(batch)) = error {
                self.status.drop_lines(batch.lines);
                self.current = batch.bytes;
                self.current.clear();
            }
        }
    }
}

/// Line ends in `bytes`.
pub(super) fn lines(bytes: &[u8]) -> u64 {
    bytes.split(|&b| b == b'\n').count() as u64 - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_circulate_and_what_finds_none_is_counted() {
        let status = Arc::new(Status::new("test".into()));
        let (mut feeds, _sender, inlet) = feeds(&status, 2);
        let feed = &mut feeds[1];
        for _ in 0..BUFFERS {
            feed.line().unwrap().extend_from_slice(b"a\n");
            feed.flush();
        }
        assert!(feed.line().is_none() && feed.line().is_none());
        assert_eq!(status.dropped(), 2);
        let Ok(Item::Batch(batch)) = inlet.items.try_recv() else { panic!("a batch was sent") };
        let memory = batch.bytes.as_ptr();
        inlet.give_back(batch);
        drop(inlet);
        let line = feed.line().unwrap();
        assert_eq!(line.as_ptr(), memory);
        line.extend_from_slice(b"c\n");
        feed.flush();
        assert_eq!(status.dropped(), 3);
    }
}
