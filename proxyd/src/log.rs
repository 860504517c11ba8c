//! The daemon's own log: one line an event on standard error, written by a thread of its own. Beside it, the threads
//! that take the access log to its targets ([`writer`]).
//!
//! A slow or dead reader of standard error delays nobody: lines beyond the channel's length are dropped and counted.

pub mod feed;
mod output;
pub mod target;
pub mod writer;

use std::fmt;
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use proto::timestamp::rfc3339;

use crate::clock;

/// How much an event matters; HAProxy's words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    Alert,
    Warning,
    Notice,
}

impl Severity {
    const fn word(self) -> &'static str {
        match self {
            Self::Alert => "ALERT",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
        }
    }
}

enum Item {
    Line(String),
    End,
}

/// Lines that may wait for standard error.
const QUEUE: usize = 4096;

static SINK: OnceLock<SyncSender<Item>> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Ends the log when dropped, after what was said has been written.
#[derive(Debug)]
pub struct Writer {
    thread: Option<JoinHandle<()>>,
}

/// Starts the writer thread. Until then, and in tests, lines go straight to standard error.
pub fn start() -> std::io::Result<Writer> {
    let (sender, receiver) = sync_channel(QUEUE);
    let thread = std::thread::Builder::new().name("log".into()).spawn(move || write_all(&receiver))?;
    // A second start in one process keeps the first sink; its own thread ends at once.
    let _first = SINK.set(sender);
    Ok(Writer { thread: Some(thread) })
}

/// From here on nothing is written, unless the writer was started before: where a simulation has thousands of servers
/// go up and down, nobody reads it.
pub fn silence() {
    let (sender, _) = sync_channel(0);
    let _first = SINK.set(sender);
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(sink) = SINK.get() {
            let _gone = sink.send(Item::End);
        }
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// Lines lost because nobody read standard error.
pub fn dropped() -> u64 {
    DROPPED.load(Relaxed)
}

/// Something that needs a person.
pub fn alert(text: fmt::Arguments<'_>) {
    write(Severity::Alert, text);
}

/// Something that went wrong and was dealt with.
pub fn warning(text: fmt::Arguments<'_>) {
    write(Severity::Warning, text);
}

/// Something worth knowing.
pub fn notice(text: fmt::Arguments<'_>) {
    write(Severity::Notice, text);
}

/// One line of the given severity.
pub fn write(severity: Severity, text: fmt::Arguments<'_>) {
    let line = line(severity, clock::wall_ms(), text);
    match SINK.get() {
        Some(sink) => {
            if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
                sink.try_send(Item::Line(line))
            {
                DROPPED.fetch_add(1, Relaxed);
            }
        }
        None => print(&line),
    }
}

fn write_all(lines: &Receiver<Item>) {
    while let Ok(Item::Line(line)) = lines.recv() {
        print(&line);
    }
}

fn print(line: &str) {
    // Nobody is left to tell when standard error is gone.
    let _lost = std::io::stderr().lock().write_all(line.as_bytes());
}

/// Text of others may hold anything; a line stays one line.
fn line(severity: Severity, wall_ms: u64, text: fmt::Arguments<'_>) -> String {
    let mut line = format!("{} [{}] ", rfc3339(wall_ms), severity.word());
    for c in text.to_string().chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line() {
        let text = line(Severity::Warning, 0, format_args!("a\nb\x1b[31m"));
        assert_eq!(text, "1970-01-01T00:00:00.000Z [WARNING] a\\nb\\u{1b}[31m\n");
    }
}
