//! A worker's end of the access log: what is written of a request or session, into batches for each target.
//!
//! A line is made at the end of what it tells of, into a buffer that goes to the target's thread when it is full or
//! a few milliseconds later. Nothing here waits, locks or allocates for a line.

mod date;
mod escape;
mod header;
mod json;
mod line;

use std::cell::RefCell;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::Notify;

use self::date::{Calendar, WallClock};
use self::header::Header;
use super::client::Addresses;
use super::record::{Moments, Record};
use super::termination::Cause;
use super::view::{BackendView, FrontendView, ServerView};
use crate::clock::Instant;
use crate::config::LogTarget;
use crate::config::log_format::Variable;
use crate::log::feed::Feed;
use crate::log::target::Sample;
use crate::model::access_log::Line;
use crate::model::shared::Shared;

/// How long a line may wait for company.
const LINGER: Duration = Duration::from_millis(20);

/// All there is to say of one request or session.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    pub record: &'a Record,
    pub frontend: &'a FrontendView,
    pub backend: Option<&'a BackendView>,
    pub server: Option<&'a ServerView>,
    pub addresses: &'a Addresses,
    /// The address the client came to.
    pub local: &'a dyn Fn() -> Option<SocketAddr>,
    /// The address the server was connected from.
    pub source: Option<SocketAddr>,
    /// As the client sent it; `None` for one that was not understood.
    pub request_line: Option<&'a [u8]>,
}

impl std::fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("record", self.record).finish_non_exhaustive()
    }
}

/// What is kept of a connection for the lines of its requests; only where there is an access log.
#[derive(Debug)]
pub struct Trace {
    /// Of the request under way.
    pub moments: Moments,
    /// Nothing was told yet.
    first: bool,
    /// Its request line, as it came.
    pub line: Vec<u8>,
    pub source: Option<SocketAddr>,
}

/// Longest part of a request line that is kept, HAProxy's.
const LONGEST_LINE: usize = 1023;

impl Trace {
    /// For a connection of a frontend that has something to write.
    pub fn new(frontend: &FrontendView, addresses: &Addresses, begun: Instant) -> Option<Box<Self>> {
        frontend.frontend.log.as_ref()?;
        let handshake = addresses.tls.as_ref().map(|tls| tls.first_took()).unwrap_or_default();
        let moments = Moments { handshake, ..Moments::waiting(begun) };
        Some(Box::new(Self { moments, first: true, line: Vec::new(), source: None }))
    }

    /// A request begins; what was before it ended at `idle_since`.
    pub fn begin(&mut self, idle_since: Instant, first_byte: Instant) {
        let first = std::mem::take(&mut self.first);
        let handshake = if first { self.moments.handshake } else { Duration::ZERO };
        self.moments = Moments { handshake, first_byte: Some(first_byte), ..Moments::waiting(idle_since) };
        self.source = None;
    }

    /// Keeps the first line of a head.
    pub fn take_line(&mut self, head: &[u8]) {
        self.line.clear();
        // Reading from memory cannot fail.
        let _infallible = (&head[..head.len().min(LONGEST_LINE)]).read_until(b'\n', &mut self.line);
        self.line.pop_if(|&mut byte| byte == b'\n');
        self.line.pop_if(|&mut byte| byte == b'\r');
    }
}

impl Trace {
    /// The same of a stream of HTTP/2, whose head is text here: as HAProxy writes it.
    pub fn take_line_of_stream(&mut self, head: &[u8], scheme: &str) {
        self.take_line(head);
        let Some(line) = self.line.strip_suffix(b" HTTP/1.1") else { return };
        let mut written = Vec::with_capacity(line.len() + 64);
        let mut words = line.splitn(2, |&b| b == b' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        // The authority comes first of all fields.
        let rest = &head[line.len() + b" HTTP/1.1\r\n".len()..];
        let host = rest.strip_prefix(b"host: ").and_then(|rest| rest.split(|&b| b == b'\r').next());
        written.extend_from_slice(method);
        written.push(b' ');
        if let (Some(host), [b'/', ..]) = (host, target) {
            written.extend_from_slice(scheme.as_bytes());
            written.extend_from_slice(b"://");
            written.extend_from_slice(host);
        }
        written.extend_from_slice(target);
        written.extend_from_slice(b" HTTP/2.0");
        written.truncate(LONGEST_LINE);
        self.line = written;
    }
}

/// The access log of one worker.
#[derive(Debug)]
pub struct AccessLog {
    state: RefCell<State>,
    /// Told when a line waits where none did before.
    waiting: Notify,
}

#[derive(Debug)]
struct State {
    outputs: Vec<Output>,
    clock: WallClock,
    dates: Calendar,
    host: String,
    process: u32,
}

/// One target as this worker sees it.
#[derive(Debug)]
struct Output {
    feed: Feed,
    header: Header,
    length: usize,
    sample: Option<Sample>,
    /// Lines of the present round of the sample.
    seen: u32,
}

impl AccessLog {
    /// Targets and the ways to them, in the same order.
    pub fn new(targets: &[LogTarget], feeds: Vec<Feed>) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let outputs = targets
            .iter()
            .zip(feeds)
            .map(|(LogTarget { target, .. }, feed)| Output {
                feed,
                header: Header::new(target, &host, std::process::id()),
                length: target.length,
                sample: target.sample,
                seen: 0,
            })
            .collect();
        let state = State {
            outputs,
            clock: WallClock::new(),
            dates: Calendar::default(),
            host,
            process: std::process::id(),
        };
        Self { state: RefCell::new(state), waiting: Notify::new() }
    }

    /// Writes the lines of one request or session.
    pub fn write(&self, shared: &Shared, entry: &Entry<'_>) {
        let Some(log) = &entry.frontend.frontend.log else { return };
        let is_error = entry.record.is_error();
        let is_null = entry.record.bytes_in == 0
            && matches!(entry.record.termination.cause, Cause::None | Cause::Client | Cause::ClientTimeout);
        if log.without_normal && !is_error || log.without_null && is_null {
            return;
        }
        let mut state = self.state.borrow_mut();
        let State { outputs, clock, dates, host, process } = &mut *state;
        clock.refresh(entry.record.moments.ended);
        let numbers =
            if log.wants_numbers { Numbers::of(shared, entry, &log.lines) } else { Numbers::default() };
        let error = is_error && log.errors_separately;
        let mut began = false;
        for (output, line) in outputs.iter_mut().zip(&log.lines) {
            if !output.takes() {
                continue;
            }
            let waited = output.feed.is_waiting();
            let Some(out) = output.feed.line() else { continue };
            let start = out.len();
            output.header.write(out, error, || clock.wall_ms(entry.record.moments.ended) / 1000);
            let context = line::Context { entry, shared, numbers, clock, host, process: *process };
            match line {
                Line::Text(template) => line::write(out, &template.steps, &context, dates),
                Line::Json => json::write(out, &context),
            }
            out.truncate(start + output.length);
            out.push(b'\n');
            if output.feed.is_full() {
                output.feed.flush();
            } else {
                began |= !waited;
            }
        }
        if began {
            self.waiting.notify_one();
        }
    }

    /// Sends what waits, again and again.
    pub async fn run(self: Rc<Self>) {
        loop {
            self.waiting.notified().await;
            tokio::time::sleep(LINGER).await;
            self.flush();
        }
    }

    /// Sends what waits.
    pub fn flush(&self) {
        for output in &mut self.state.borrow_mut().outputs {
            output.feed.flush();
        }
    }
}

impl Output {
    /// Whether the sample takes the next line.
    fn takes(&mut self) -> bool {
        let Some(Sample { keep, of }) = self.sample else { return true };
        let takes = self.seen < keep;
        self.seen = (self.seen + 1) % of;
        takes
    }
}

/// Numbers that are given out, only where a line says them.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    request: u64,
    line: u64,
}

impl Numbers {
    fn of(shared: &Shared, entry: &Entry<'_>, lines: &[Line]) -> Self {
        let says = |which| lines.iter().any(|line| matches!(line, Line::Text(text) if text.uses(&[which])));
        let mut numbers = Self::default();
        if says(Variable::RequestCount) {
            numbers.request = shared.numbered.fetch_add(1, Relaxed);
        }
        if says(Variable::LogCount) {
            numbers.line = entry.frontend.frontend.live.logged.fetch_add(1, Relaxed);
        }
        numbers
    }
}
