//! Where a request's traffic is counted: its frontend, its backend, its server.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::slot::{Found, Slot};
use super::termination::{Cause, Phase, Termination};
use super::track::Tally;
use super::view::{BackendView, FrontendView, ServerView};
use crate::clock::{Instant, ms_between as ms};
use crate::stats::cells::{Cells, Count, Time};

/// The objects one request or TCP session belongs to.
#[derive(Debug)]
pub struct Meter {
    frontend: Rc<FrontendView>,
    backend: Rc<BackendView>,
    server: Option<Rc<ServerView>>,
    epoch: u32,
    /// Bytes of this stream alone, and its status: for the access log.
    received: Cell<u64>,
    sent: Cell<u64>,
    status: Cell<Option<u16>>,
    /// Entries of tables that count it.
    tally: Tally,
}

/// Readings of the clock along a session's way.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// The request's head was complete, or the connection was accepted.
    pub start: Instant,
    /// Time in the queue, all of it together.
    pub waited: Duration,
    /// A connection to a server was had.
    pub connected: Option<Instant>,
    /// The answer's head was complete.
    pub answered: Option<Instant>,
    /// All of it was passed on, and the server's connection put back.
    pub ended: Option<Instant>,
}

impl Timings {
    pub fn new(start: Instant) -> Self {
        Self { start, waited: Duration::ZERO, connected: None, answered: None, ended: None }
    }
}

impl Meter {
    /// Counts one more stream of the backend.
    pub fn new(frontend: Rc<FrontendView>, backend: Rc<BackendView>, epoch: u32) -> Self {
        let cells = backend.cells();
        cells.enter(epoch);
        cells.inc(Count::Sessions);
        Self {
            frontend,
            backend,
            server: None,
            epoch,
            received: Cell::default(),
            sent: Cell::default(),
            status: Cell::default(),
            tally: Tally::default(),
        }
    }

    /// From here on its bytes are counted there too.
    pub fn count_in(&mut self, tally: Tally) {
        self.tally = tally;
    }

    /// Where else it is counted.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    pub fn backend(&self) -> &Rc<BackendView> {
        &self.backend
    }

    /// The last one it was given.
    pub fn server(&self) -> Option<&ServerView> {
        self.server.as_deref()
    }

    /// Bytes from the client and to it.
    pub fn bytes(&self) -> (u64, u64) {
        (self.received.get(), self.sent.get())
    }

    /// What the client was answered.
    pub fn status(&self) -> Option<u16> {
        self.status.get()
    }

    /// From here on the stream is this server's.
    pub fn assign(&mut self, slot: &Slot, now_ms: u64) {
        let (backend, cells) = (self.backend.cells(), slot.view.cells());
        if slot.found == Found::Balanced {
            backend.inc(Count::Chosen);
            cells.inc(Count::Chosen);
        }
        backend.last_session.set(now_ms);
        cells.inc(Count::Sessions);
        cells.last_session.set(now_ms);
        self.server = Some(Rc::clone(&slot.view));
    }

    /// In the backend, and in the server if there is one.
    pub fn count(&self, which: Count) {
        self.behind(|cells| cells.inc(which));
    }

    /// A request of HTTP was taken in.
    pub fn request(&self) {
        self.backend.cells().inc(Count::Requests);
    }

    /// Bytes towards the server.
    pub fn bytes_in(&self, n: u64) {
        if n > 0 {
            self.received.update(|bytes| bytes + n);
            self.everywhere(|cells| cells.add(Count::BytesIn, n));
            self.tally.received(n);
        }
    }

    /// Bytes towards the client.
    pub fn bytes_out(&self, n: u64) {
        if n > 0 {
            self.sent.update(|bytes| bytes + n);
            self.everywhere(|cells| cells.add(Count::BytesOut, n));
            self.tally.sent(n);
        }
    }

    /// An answer of a server.
    pub fn answer(&self, status: u16) {
        self.status.set(Some(status));
        self.everywhere(|cells| cells.status(status));
        if let Some(server) = &self.server {
            server.cells().inc(Count::Requests);
        }
    }

    /// An answer of our own.
    pub fn reply(&self, status: u16) {
        self.status.set(Some(status));
        self.frontend.cells().status(status);
        self.backend.cells().status(status);
    }

    /// Where a stream stands that is dropped in the middle.
    pub fn phase(&self, timings: &Timings) -> Phase {
        match timings {
            Timings { answered: Some(_), .. } => Phase::Data,
            Timings { connected: Some(_), .. } => Phase::Headers,
            _ if self.server.is_some() => Phase::Connect,
            _ => Phase::Queue,
        }
    }

    /// The stream is over.
    pub fn finish(&self, timings: &Timings, end: Instant, termination: Termination) {
        let queued = timings.start + timings.waited;
        let connected = timings.connected.unwrap_or(end);
        // Worked out once for both.
        let waited = timings.waited.as_millis() as u64;
        let connecting = ms(queued, connected);
        let answering = timings.answered.map(|answered| ms(connected, answered));
        let total = ms(timings.start, end);
        self.behind(|cells| {
            cells.time(Time::Queue, self.epoch, waited);
            cells.time(Time::Connect, self.epoch, connecting);
            if let Some(answering) = answering {
                cells.time(Time::Response, self.epoch, answering);
            }
            cells.time(Time::Total, self.epoch, total);
        });
        if let (Some(answered), Some(server)) = (timings.answered, &self.server)
            && self.backend.backend.eject.is_some_and(|eject| eject.latency.is_some())
        {
            let time = answered.saturating_duration_since(connected);
            server.cells().inc(Count::TimedAnswers);
            server.cells().add(Count::AnswerTime, time.as_micros() as u64);
        }
        match termination.cause {
            Cause::Client | Cause::ClientTimeout => self.count(Count::ClientAborts),
            // No server had it.
            Cause::Server | Cause::ServerTimeout if termination.phase == Phase::Queue => {}
            Cause::Server | Cause::ServerTimeout => self.count(Count::ServerAborts),
            Cause::Resource | Cause::Internal => self.count(Count::Internal),
            Cause::ServerDown | Cause::ServerUp => self.count(Count::EndedByVerdict),
            Cause::None | Cause::Proxy | Cause::Killed => {}
        }
    }

    fn behind(&self, add: impl Fn(&Cells)) {
        add(self.backend.cells());
        if let Some(server) = &self.server {
            add(server.cells());
        }
    }

    fn everywhere(&self, add: impl Fn(&Cells)) {
        add(self.frontend.cells());
        self.behind(add);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.backend.cells().leave();
    }
}
