//! The threads that write the access log: one a target, so that none delays another.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, channel};
use std::time::Duration;

use super::feed::{self, Feed, Inlet, Item, Status};
use super::output::Output;
use super::target::{Place, Target};
use crate::clock;

/// How long what is queued may take to be written at the end.
const LAST: Duration = Duration::from_secs(2);

/// The running targets, for whoever asks about them or has them reopened.
#[derive(Debug, Default)]
pub struct Targets(Vec<(Arc<Status>, SyncSender<Item>)>);

/// Ends the threads when dropped, after what is queued was written or two seconds have passed.
#[derive(Debug)]
pub struct Writers {
    targets: Vec<(Arc<Status>, SyncSender<Item>)>,
    done: Receiver<()>,
}

/// What was started: the targets, the workers' feeds (for each worker one a target), and the end of it.
#[derive(Debug)]
pub struct Started {
    pub targets: Targets,
    pub feeds: Vec<Vec<Feed>>,
    pub writers: Writers,
}

/// A file that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open log target {name}: {error}")]
pub struct OpenError {
    name: String,
    error: io::Error,
}

/// Opens the files and starts a thread for each target.
pub fn start<'a>(
    targets: impl IntoIterator<Item = &'a Target>,
    workers: usize,
) -> Result<Started, OpenError> {
    let (tell, done) = channel();
    let mut running = Vec::new();
    let mut all: Vec<Vec<Feed>> = (0..workers).map(|_| Vec::new()).collect();
    for (number, target) in targets.into_iter().enumerate() {
        let failed = |error| OpenError { name: target.name(), error };
        let status = Arc::new(Status::new(target.name()));
        let mut output = Output::new(target, Arc::clone(&status));
        if matches!(target.place, Place::File(_)) {
            output.open().map_err(failed)?;
        }
        let (feeds, sender, inlet) = feed::feeds(&status, workers);
        for (worker, feed) in all.iter_mut().zip(feeds) {
            worker.push(feed);
        }
        let tell = tell.clone();
        std::thread::Builder::new()
            .name(format!("log-{}", number + 1))
            .spawn(move || {
                run(&inlet, output);
                // Nobody waits any more where it took too long.
                let _late = tell.send(());
            })
            .map_err(failed)?;
        running.push((status, sender));
    }
    Ok(Started { targets: Targets(running.clone()), feeds: all, writers: Writers { targets: running, done } })
}

fn run(inlet: &Inlet, mut output: Output) {
    while let Ok(item) = inlet.items.recv() {
        match item {
            Item::Batch(batch) => {
                output.write(&batch.bytes, batch.lines);
                inlet.give_back(batch);
            }
            Item::Wake => output.look(),
            Item::End => return,
        }
    }
}

impl Targets {
    pub fn iter(&self) -> impl Iterator<Item = &Status> {
        self.0.iter().map(|(status, _)| &**status)
    }

    /// Lines lost over all targets.
    pub fn dropped(&self) -> u64 {
        self.iter().map(Status::dropped).sum()
    }

    /// Has files opened anew, after they were moved away.
    pub fn reopen(&self) {
        for (status, sender) in &self.0 {
            status.reopen.store(true, Relaxed);
            // Where there is no room for a word, the flag is seen with the next batch.
            let _busy = sender.try_send(Item::Wake);
        }
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        for (status, sender) in &self.targets {
            status.ending.store(true, Relaxed);
            // A thread whose queue is full is stuck, and is left behind.
            let _stuck = sender.try_send(Item::End);
        }
        let begun = clock::now();
        for _ in &self.targets {
            let left = LAST.saturating_sub(clock::now() - begun);
            if self.done.recv_timeout(left).is_err() {
                super::warning(format_args!("a log target takes no lines: what is queued for it is lost"));
                return;
            }
        }
    }
}
