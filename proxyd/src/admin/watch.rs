//! The `watch` stream of one connection.
//!
//! A watcher holds no copy of anything: it has two positions, one among the samples its interval shares with others and
//! one in the journal, and one piece of text on its way. When the samples after its position are gone, it says so
//! (`gap`) and begins with the state again.

pub(super) mod hub;
mod sampler;

use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proto::command::WatchRequest;
use proto::level::Level;
use proto::timestamp::rfc3339;
use proto::watch::{Event, EventKind, Gap, Hello, Line, Stamp, VERSION, hide_from_users};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::input::{Input, Lines};
use crate::clock::{self, Instant};
use crate::model::journal;
use crate::model::shared::Shared;
use crate::telemetry::info::BUILD;
use crate::telemetry::rows::Selection;
use crate::telemetry::sampler::breathe;
use hub::{Hub, Seat};
use sampler::{Frame, Joined, Shot};

/// Text is handed over in pieces of about this size.
const PIECE: usize = 32 * 1024;

/// How long a reader may take nothing while it is sent the state. After that the state is let go, so that readers that
/// stand still do not keep old ones in memory.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked whether a client that sends no more is still there.
const GONE_CHECK: Duration = Duration::from_secs(1);

/// Events taken from the journal at once.
const EVENTS: usize = 16;

/// Lines that a watcher may send are thrown away; longer ones end the stream.
const MAX_LINE: usize = 16_384;

/// How a stream ended.
pub(super) enum Ended {
    /// In prompt mode, by an empty line.
    ByReader,
    /// The connection is to be closed.
    Closing,
}

impl Hub {
    /// Streams to `stream` until the client ends it.
    pub(super) async fn stream(
        self: &Rc<Self>,
        stream: &UnixStream,
        lines: &mut Lines,
        request: WatchRequest,
        level: Level,
        interactive: bool,
    ) -> io::Result<Ended> {
        let Some(selection) = Selection::of(request.filter.as_ref(), &self.shared.snapshot()) else {
            return fail(stream, "No such proxy.").await;
        };
        let Some(seat) = self.sit() else {
            return fail(stream, "Too many watchers: at most 64.").await;
        };
        let interval_ms = request.every.map_or(0, |every| every.as_millis() as u64);
        // Positions of one interval mean nothing in the samples of another.
        let boot = format!("{}-{interval_ms}", self.shared.process.boot);
        let mut watcher = Watcher {
            shared: &self.shared,
            stream,
            seat,
            selection,
            level,
            sampler: request.every.map(|every| self.join(every)),
            frames_at: 0,
            events_at: 0,
            events_seen: 0,
            out: Vec::new(),
            slice: clock::now(),
        };
        watcher.put(&Line::Hello(Hello {
            v: VERSION,
            server: BUILD.to_owned(),
            boot: boot.clone(),
            config: self.config.clone(),
            interval_ms,
        }));
        match request.since {
            Some(since) if since.boot == boot && watcher.resume(since.seq) => {}
            Some(_) => {
                watcher.put(&Line::Gone);
                watcher.state(None).await?;
            }
            None => watcher.state(None).await?,
        }
        watcher.run(lines, interactive).await
    }
}

async fn fail(stream: &UnixStream, message: &str) -> io::Result<Ended> {
    let line = Line::Error { message: message.to_owned() }.to_bytes();
    let mut output = super::output::Output::new(stream, PATIENCE);
    output.bytes = line;
    output.flush().await?;
    Ok(Ended::Closing)
}

struct Watcher<'a> {
    shared: &'a Arc<Shared>,
    stream: &'a UnixStream,
    seat: Seat,
    selection: Selection,
    level: Level,
    /// None where only events are wanted.
    sampler: Option<Joined>,
    /// `seq` of the last sample that was sent.
    frames_at: u64,
    /// `seq` up to which events were sent.
    events_at: u64,
    /// Number of events up to there, of all there ever were.
    events_seen: u64,
    out: Vec<u8>,
    slice: Instant,
}

/// What there is to send.
enum Item {
    Frame(Rc<Frame>),
    Events(Vec<journal::Event>),
    /// Something is no longer there.
    Lost,
}

/// Why a wait ended.
enum Woken {
    News,
    Stopping,
    Input(Input),
    Check,
}

impl Watcher<'_> {
    /// Goes on after `seq`, if everything after it is still there.
    fn resume(&mut self, seq: u64) -> bool {
        let journal = &self.shared.journal;
        let Some(events) = journal.since(seq).filter(|_| seq <= journal.seq()) else { return false };
        if self.sampler.as_ref().is_some_and(|sampler| !sampler.holds(seq)) {
            return false;
        }
        self.frames_at = seq;
        self.events_at = seq;
        self.events_seen = journal.counts().0 - events.len() as u64;
        true
    }

    async fn run(mut self, lines: &mut Lines, interactive: bool) -> io::Result<Ended> {
        loop {
            self.hand_over().await?;
            let journal_added = pin!(self.shared.journal.added.notified());
            let stopping = pin!(self.shared.stopping.notified());
            let sampler = self.sampler.clone();
            let frame_added = pin!(async move {
                match &sampler {
                    Some(sampler) => sampler.added().await,
                    None => std::future::pending().await,
                }
            });
            let (mut journal_added, mut stopping, mut frame_added) = (journal_added, stopping, frame_added);
            // From here on nothing that is told is missed.
            journal_added.as_mut().enable();
            stopping.as_mut().enable();
            let seen = self.shared.journal.seq();
            match self.next() {
                Some(Item::Lost) => {
                    self.gap().await?;
                    continue;
                }
                Some(Item::Events(events)) => {
                    self.events(&events);
                    continue;
                }
                Some(Item::Frame(frame)) => {
                    self.delta(&frame).await?;
                    continue;
                }
                None => self.seat.sent(seen),
            }
            if self.shared.process.is_stopping() {
                self.put(&Line::Bye { reason: "stopping".to_owned() });
                self.hand_over().await?;
                return Ok(Ended::Closing);
            }
            let ended = lines.has_ended();
            let woken = tokio::select! {
                () = &mut journal_added => Woken::News,
                () = &mut frame_added => Woken::News,
                () = &mut stopping => Woken::Stopping,
                input = lines.next(self.stream, MAX_LINE), if !ended => Woken::Input(input?),
                () = tokio::time::sleep(GONE_CHECK), if ended => Woken::Check,
            };
            match woken {
                Woken::Input(Input::Line(line)) if interactive && line.trim_end_matches('\r').is_empty() => {
                    return Ok(Ended::ByReader);
                }
                Woken::Input(Input::TooLong) => return Ok(Ended::Closing),
                Woken::Check if self.stream.ready(Interest::WRITABLE).await?.is_write_closed() => {
                    return Ok(Ended::Closing);
                }
                Woken::News | Woken::Stopping | Woken::Input(_) | Woken::Check => {}
            }
        }
    }

    /// What comes next, in the order of the daemon's count.
    fn next(&self) -> Option<Item> {
        let journal = &self.shared.journal;
        if journal.counts().1 > self.events_seen {
            return Some(Item::Lost);
        }
        let frame = match &self.sampler {
            Some(sampler) if !sampler.holds(self.frames_at) => return Some(Item::Lost),
            Some(sampler) => sampler.after(self.frames_at),
            None => None,
        };
        let mut events = journal.after(self.events_at, EVENTS);
        if let Some(frame) = frame {
            events.retain(|event| event.seq < frame.stamp.seq);
            if events.is_empty() {
                return Some(Item::Frame(frame));
            }
        }
        (!events.is_empty()).then_some(Item::Events(events))
    }

    /// Tells what was missed, then the state.
    async fn gap(&mut self) -> io::Result<()> {
        let gap = self.missed().await?;
        self.state(Some(gap)).await
    }

    /// Tells the events that are left of those that were missed.
    async fn missed(&mut self) -> io::Result<Gap> {
        let journal = &self.shared.journal;
        let from = self.frames_at.max(self.events_at) + 1;
        let mut events_lost = 0;
        // Those that are kept are told, a few at a time; more may come, and go, meanwhile.
        loop {
            let lost = journal.counts().1.saturating_sub(self.events_seen);
            self.events_seen += lost;
            events_lost += lost;
            let events = journal.after(self.events_at, EVENTS);
            if events.is_empty() {
                break;
            }
            self.events(&events);
            self.hand_over().await?;
        }
        Ok(Gap { from, to: 0, events_lost })
    }

    /// Sends the state; after a gap, which it closes.
    async fn state(&mut self, gap: Option<Gap>) -> io::Result<()> {
        let mut gap = gap;
        loop {
            let shot = self.sampler.as_ref().map(Joined::latest);
            let stamp = shot.as_ref().map_or_else(|| Shot::stamp_now(self.shared), |shot| shot.stamp.clone());
            if let Some(gap) = gap {
                let to = stamp.seq.max(gap.from + 1) - 1;
                self.put(&Line::Gap(Gap { to, ..gap }));
            }
            self.place(&stamp);
            let complete = match shot {
                None => true,
                Some(shot) => self.rows(&shot).await?,
            };
            if complete {
                self.put(&Line::Sync(stamp));
                return Ok(());
            }
            // Its reader stood still, and the state was let go; when it goes on, events have come and gone.
            self.hand_over().await?;
            gap = Some(self.missed().await?);
        }
    }

    /// From here on what comes after `stamp` is to be sent.
    fn place(&mut self, stamp: &Stamp) {
        let journal = &self.shared.journal;
        self.frames_at = stamp.seq;
        if self.events_at < stamp.seq {
            self.events_at = stamp.seq;
            let after = journal.since(stamp.seq).map_or(0, |events| events.len() as u64);
            self.events_seen = journal.counts().0 - after;
        }
    }

    /// Puts the info and row lines; false if the reader took nothing for too long.
    async fn rows(&mut self, shot: &Shot) -> io::Result<bool> {
        self.put(&Line::Info { info: shot.state.info_fields() });
        for (id, sample) in &shot.state.rows {
            let row = &sample.row;
            if !self.selection.takes(row.kind, row.iid, row.sid) {
                continue;
            }
            let mut fields = sample.fields();
            if self.level == Level::User {
                hide_from_users(&mut fields);
            }
            self.put(&Line::Row { id: id.clone(), row: fields });
            if self.out.len() >= PIECE {
                match timeout(PATIENCE, self.hand_over()).await {
                    Ok(done) => done?,
                    Err(_) => return Ok(false),
                }
            }
            breathe(&mut self.slice).await;
        }
        Ok(true)
    }

    async fn delta(&mut self, frame: &Rc<Frame>) -> io::Result<()> {
        let mut lines = frame.lines(self.selection, self.level);
        loop {
            let more = lines.put(&mut self.out);
            if self.out.len() >= PIECE {
                self.hand_over().await?;
            }
            if !more {
                break;
            }
            breathe(&mut self.slice).await;
        }
        self.frames_at = frame.stamp.seq;
        Ok(())
    }

    fn events(&mut self, events: &[journal::Event]) {
        for event in events {
            self.event(event);
        }
    }

    fn event(&mut self, event: &journal::Event) {
        self.events_at = event.seq;
        self.events_seen += 1;
        let text = |name: &str| event.fields.get(name).and_then(|v| v.as_str()).map(str::to_owned);
        let public = text("public").filter(|_| self.level == Level::User);
        self.put(&Line::Event(Event {
            seq: event.seq,
            at: rfc3339(event.wall_ms),
            event: kind(event.event),
            id: (!event.id.is_empty()).then(|| event.id.clone()),
            from: text("from"),
            to: text("to"),
            reason: text("reason"),
            by: text("by"),
            command: public.or_else(|| text("command")),
        }));
    }

    fn put(&mut self, line: &Line) {
        line.write(&mut self.out);
    }

    /// Hands over what is to be sent, however long the reader takes. What was taken when the future is dropped is not
    /// sent again.
    async fn hand_over(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.stream.try_write(&self.out) {
                Ok(n) => {
                    self.out.drain(..n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.seat.blocked(true);
                    self.stream.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
        self.seat.blocked(false);
        Ok(())
    }
}

fn kind(word: &str) -> EventKind {
    match word {
        "server_state" => EventKind::ServerState,
        "health" => EventKind::Health,
        "weight" => EventKind::Weight,
        "reload" => EventKind::Reload,
        "counters_cleared" => EventKind::CountersCleared,
        "queue" => EventKind::Queue,
        "backend_down" => EventKind::BackendDown,
        other => EventKind::Other(other.to_owned()),
    }
}

#[cfg(test)]
mod tests;
