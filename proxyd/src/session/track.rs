//! What is counted in tables: entries that a connection or a request holds until it ends.

use std::cell::Cell;
use std::rc::Rc;

use smallvec::SmallVec;

use super::view::{BackendView, FrontendView};
use super::worker::{self, Worker};
use crate::config::sample::{Fetch, Place, Sample};
use crate::config::table::Data;
use crate::model::stick::Track;
use crate::sample::Facts;
use crate::stick::{EntryMut, Held, key};

/// Whose `track` it is.
#[derive(Debug)]
pub enum Whose {
    Frontend(Rc<FrontendView>),
    Backend(Rc<BackendView>),
}

impl Whose {
    fn tracks(&self) -> &[Track] {
        match self {
            Self::Frontend(view) => &view.frontend.track,
            Self::Backend(view) => &view.backend.track,
        }
    }
}

/// When a key can be looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum When {
    /// At once.
    Accepted,
    /// When TLS has been agreed on.
    Secured,
    /// With a request.
    Requested,
}

impl When {
    fn of(key: &Sample) -> Self {
        match key.fetch {
            _ if key.needs() != Place::Connection => Self::Requested,
            Fetch::Tls(_) | Fetch::Certificate(_) => Self::Secured,
            _ => Self::Accepted,
        }
    }
}

/// Entries that are held, by their places in `track`.
#[derive(Debug)]
pub struct Tracked {
    whose: Whose,
    worker: Rc<Worker>,
    held: SmallVec<[(usize, Held); 3]>,
}

impl Tracked {
    pub fn new(whose: Whose, worker: &Rc<Worker>) -> Self {
        Self { whose, worker: Rc::clone(worker), held: SmallVec::new() }
    }

    /// Holds the entries whose keys can be looked at `when`, and counts one more of each.
    #[must_use]
    pub fn begin(mut self, facts: &Facts<'_>, when: impl Fn(When) -> bool) -> Self {
        let now = self.now();
        for (at, track) in self.whose.tracks().iter().enumerate() {
            if !when(When::of(&track.key)) {
                continue;
            }
            let value = track.key.evaluate(facts);
            let key = value.and_then(|value| key::of_value(track.table.layout().key_type(), value));
            let held = key.and_then(|key| {
                track.table.hold(&key, now, |entry| {
                    entry.add(Data::ConnCnt, 0, 1);
                    entry.add(Data::ConnCur, 0, 1);
                    entry.add(Data::ConnRate, 0, 1);
                })
            });
            self.held.extend(held.map(|held| (at, held)));
        }
        self
    }

    /// The connection is a session: whatever was to be agreed on was.
    pub fn session(&self) {
        self.each(|entry| {
            entry.add(Data::SessCnt, 0, 1);
            entry.add(Data::SessRate, 0, 1);
        });
    }

    pub fn request(&self) {
        self.each(|entry| {
            entry.add(Data::HttpReqCnt, 0, 1);
            entry.add(Data::HttpReqRate, 0, 1);
        });
    }

    /// A request was answered, by whomever.
    pub fn answered(&self, status: u16) {
        let [count, rate] = match status {
            400..=499 => [Data::HttpErrCnt, Data::HttpErrRate],
            // What no server can be blamed for.
            501 | 505 => return,
            500..=599 => [Data::HttpFailCnt, Data::HttpFailRate],
            _ => return,
        };
        self.each(|entry| {
            entry.add(count, 0, 1);
            entry.add(rate, 0, 1);
        });
    }

    /// Bytes from the client, while they flow.
    fn received(&self, n: u64) {
        self.each_of(
            |track| track.bytes,
            |entry| {
                entry.add(Data::BytesInCnt, 0, n);
                entry.add(Data::BytesInRate, 0, n);
            },
        );
    }

    /// Bytes to the client.
    fn sent(&self, n: u64) {
        self.each_of(
            |track| track.bytes,
            |entry| {
                entry.add(Data::BytesOutCnt, 0, n);
                entry.add(Data::BytesOutRate, 0, n);
            },
        );
    }

    /// Something came that is no proper HTTP.
    pub fn glitch(&self) {
        self.each(|entry| {
            entry.add(Data::GlitchCnt, 0, 1);
            entry.add(Data::GlitchRate, 0, 1);
        });
    }

    fn each(&self, change: impl Fn(&mut EntryMut<'_>)) {
        self.each_of(|_| true, change);
    }

    fn each_of(&self, which: impl Fn(&Track) -> bool, change: impl Fn(&mut EntryMut<'_>)) {
        let tracks = self.whose.tracks();
        let mut held = self.held.iter().filter(|(at, _)| which(&tracks[*at])).peekable();
        // Where there is nothing to be changed the clock is not read.
        if held.peek().is_some() {
            let now = self.now();
            held.for_each(|(at, held)| tracks[*at].table.with(held, now, &change));
        }
    }

    fn now(&self) -> u64 {
        self.worker.shared.epoch.now_ms()
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let now = self.now();
        for (at, held) in self.held.drain(..) {
            self.whose.tracks()[at].table.release(held, now, |entry| entry.sub(Data::ConnCur, 1));
        }
    }
}

/// What one request, or TCP session, is counted in; nothing where nobody asked for it.
#[derive(Debug, Default)]
pub struct Tally(Option<Box<Entries>>);

#[derive(Debug)]
struct Entries {
    /// What is held for it alone: by its frontend, and by its backend.
    own: [Tracked; 2],
    /// What is held for its connection.
    connection: Option<Rc<Tracked>>,
    /// Bytes from the client that were told of.
    received: Cell<u64>,
    /// How many of them went to a server before, and go to another once more.
    again: Cell<u64>,
}

impl Tally {
    /// Holds what the frontend tracks of requests, and all that the backend does.
    pub fn begin(
        frontend: &Rc<FrontendView>,
        backend: &Rc<BackendView>,
        place: &worker::Place,
        facts: &Facts<'_>,
    ) -> Self {
        let worker = &place.worker;
        let of_frontend = Tracked::new(Whose::Frontend(Rc::clone(frontend)), worker);
        let of_backend = Tracked::new(Whose::Backend(Rc::clone(backend)), worker);
        let own =
            [of_frontend.begin(facts, |when| when == When::Requested), of_backend.begin(facts, |_| true)];
        let connection = place.tracked().cloned();
        Self(Some(Box::new(Entries { own, connection, received: Cell::default(), again: Cell::default() })))
    }

    /// Whether there is something to be held.
    pub fn is_wanted(frontend: &FrontendView, backend: &BackendView) -> bool {
        !(frontend.frontend.track.is_empty() && backend.backend.track.is_empty())
    }

    /// What it holds, without what its connection does.
    pub fn own(&self) -> impl Iterator<Item = &Tracked> {
        self.0.iter().flat_map(|entries| &entries.own)
    }

    pub fn all(&self) -> impl Iterator<Item = &Tracked> {
        let connection = self.0.iter().filter_map(|entries| entries.connection.as_deref());
        self.own().chain(connection)
    }

    /// Bytes from the client.
    pub fn received(&self, n: u64) {
        let Some(entries) = &self.0 else { return };
        let known = n.min(entries.again.get());
        entries.again.set(entries.again.get() - known);
        let fresh = n - known;
        if fresh > 0 {
            entries.received.update(|bytes| bytes + fresh);
            self.all().for_each(|tracked| tracked.received(fresh));
        }
    }

    /// What went to a server goes to another from the beginning.
    pub fn rewind(&self) {
        if let Some(entries) = &self.0 {
            entries.again.set(entries.received.get());
        }
    }

    /// Bytes to the client.
    pub fn sent(&self, n: u64) {
        if self.0.is_some() && n > 0 {
            self.all().for_each(|tracked| tracked.sent(n));
        }
    }
}
