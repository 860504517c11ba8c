//! One sampling for all watchers of an interval: the state of now, and what changed over the last minute.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proto::level::Level;
use proto::stats::Kind;
use proto::timestamp::rfc3339;
use proto::watch::{MAX_LINE, Stamp, State, delta, hide_from_users};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use crate::clock::{self, Instant};
use crate::model::shared::Shared;
use crate::telemetry::info;
use crate::telemetry::rows::{Selection, Since, samples};

/// How long changes are kept, and the sampler when nobody watches, for those who come back.
const KEPT: Duration = Duration::from_mins(1);

/// Most bytes of changes that are kept.
const KEPT_BYTES: usize = 8 * 1024 * 1024;

/// A sample that is younger is new enough for somebody who comes.
const YOUNG: Duration = Duration::from_millis(50);

/// Everything at a moment.
pub(super) struct Shot {
    pub(super) stamp: Stamp,
    pub(super) state: State,
    at: Instant,
}

impl Shot {
    /// The next number of the daemon's count, with the time of now.
    pub(super) fn stamp_now(shared: &Shared) -> Stamp {
        let seq = shared.journal.next_seq();
        let mono_ms = shared.epoch.now_ms();
        Stamp { seq, at: rfc3339(shared.epoch.wall(mono_ms)), mono_ms }
    }

    /// Nothing else of this thread runs meanwhile, so that what happens under a higher number is in a later one.
    fn take(shared: &Shared) -> Self {
        let stamp = Self::stamp_now(shared);
        let mut state = State::default();
        for sample in samples(shared, &shared.snapshot(), Selection::default(), Since::Clear) {
            state.push(sample.row, sample.ages);
        }
        state.info = info::values(shared, false);
        Self { stamp, state, at: clock::now() }
    }
}

/// What changed from one sample to the next, as text.
pub(super) struct Frame {
    pub(super) stamp: Stamp,
    rows: Vec<Fragment>,
    del: Vec<Fragment>,
    /// The object of changed fields of the process.
    info: String,
    at: Instant,
    bytes: usize,
}

/// One object's part of a delta.
struct Fragment {
    kind: Kind,
    iid: u32,
    sid: u32,
    /// `"id":{…}`, or `"id"` where the object is no more.
    text: String,
    /// The same for level user where that is not told everything; empty if nothing is left.
    user: Option<String>,
}

impl Frame {
    fn between(old: &Shot, new: &Shot) -> Self {
        let changes = delta(&old.state, &new.state);
        let text = |value: &serde_json::Value| value.to_string();
        let mut rows = Vec::with_capacity(changes.rows.len());
        for (id, mut fields) in changes.rows {
            let Some(sample) = new.state.rows.get(&id) else { continue };
            let key = text(&id.into());
            let whole = format!("{key}:{}", text(&fields.clone().into()));
            let count = fields.len();
            hide_from_users(&mut fields);
            let user = match fields.len() {
                left if left == count => None,
                0 => Some(String::new()),
                _ => Some(format!("{key}:{}", text(&fields.into()))),
            };
            let row = &sample.row;
            rows.push(Fragment { kind: row.kind, iid: row.iid, sid: row.sid, text: whole, user });
        }
        let gone = |id: &String| {
            let row = &old.state.rows.get(id)?.row;
            let text = text(&id.as_str().into());
            Some(Fragment { kind: row.kind, iid: row.iid, sid: row.sid, text, user: None })
        };
        let del: Vec<Fragment> = changes.del.iter().filter_map(gone).collect();
        let info = text(&changes.info.into());
        let size =
            |f: &Fragment| f.text.len() + f.user.as_ref().map_or(0, String::len) + size_of::<Fragment>();
        let bytes = rows.iter().chain(&del).map(size).sum::<usize>() + info.len() + size_of::<Self>();
        Self { stamp: new.stamp.clone(), rows, del, info, at: new.at, bytes }
    }

    /// The delta lines for one watcher.
    pub(super) fn lines(self: &Rc<Self>, selection: Selection, level: Level) -> DeltaLines {
        DeltaLines { frame: Rc::clone(self), selection, level, del: 0, row: 0, first: true }
    }
}

/// The lines of one delta, made one by one.
pub(super) struct DeltaLines {
    frame: Rc<Frame>,
    selection: Selection,
    level: Level,
    del: usize,
    row: usize,
    first: bool,
}

/// Room for what closes a line.
const TAIL: usize = 64;

impl DeltaLines {
    /// Appends the next line; whether more follow.
    pub(super) fn put(&mut self, out: &mut Vec<u8>) -> bool {
        let frame = Rc::clone(&self.frame);
        let start = out.len();
        let Stamp { seq, at, mono_ms } = &frame.stamp;
        out.extend_from_slice(
            format!(r#"{{"kind":"delta","seq":{seq},"at":"{at}","mono_ms":{mono_ms},"rows":{{"#).as_bytes(),
        );
        let info = if std::mem::take(&mut self.first) { frame.info.as_str() } else { "{}" };
        let mut room = Room { limit: start + MAX_LINE - TAIL - info.len(), used: false };
        self.row = self.parts(out, &frame.rows, self.row, &mut room);
        out.extend_from_slice(br#"},"del":["#);
        if self.row == frame.rows.len() {
            self.del = self.parts(out, &frame.del, self.del, &mut room);
        }
        let more = self.row < frame.rows.len() || self.del < frame.del.len();
        out.extend_from_slice(format!("],\"info\":{info},\"more\":{more}}}\n").as_bytes());
        more
    }

    /// Appends those that are wanted, as many as there is room for; the first that is left.
    fn parts(&self, out: &mut Vec<u8>, parts: &[Fragment], from: usize, room: &mut Room) -> usize {
        let mut comma = false;
        for (at, part) in parts.iter().enumerate().skip(from) {
            let text = match &part.user {
                Some(user) if self.level == Level::User => user,
                _ => &part.text,
            };
            if text.is_empty() || !self.selection.takes(part.kind, part.iid, part.sid) {
                continue;
            }
            if room.used && out.len() + text.len() + 1 > room.limit {
                return at;
            }
            if comma {
                out.push(b',');
            }
            out.extend_from_slice(text.as_bytes());
            comma = true;
            room.used = true;
        }
        parts.len()
    }
}

/// How far a line may grow.
struct Room {
    limit: usize,
    /// A part is in it; only a part of its own may go beyond the limit.
    used: bool,
}

/// Samples at one interval.
pub(super) struct Sampler {
    shared: Arc<Shared>,
    latest: RefCell<Rc<Shot>>,
    frames: RefCell<VecDeque<Rc<Frame>>>,
    /// `seq` of the sample before the first frame.
    base: Cell<u64>,
    bytes: Cell<usize>,
    added: Notify,
    watchers: Cell<usize>,
    /// Since when nobody watches.
    idle: Cell<Instant>,
}

impl Sampler {
    /// Samples until nobody has watched for as long as changes are kept.
    pub(super) fn start(shared: &Arc<Shared>, every: Duration) -> Rc<Self> {
        let shot = Shot::take(shared);
        let sampler = Rc::new(Self {
            shared: Arc::clone(shared),
            base: Cell::new(shot.stamp.seq),
            latest: RefCell::new(Rc::new(shot)),
            frames: RefCell::default(),
            bytes: Cell::new(0),
            added: Notify::new(),
            watchers: Cell::new(0),
            idle: Cell::new(clock::now()),
        });
        let running = Rc::clone(&sampler);
        tokio::task::spawn_local(async move {
            let mut ticks = tokio::time::interval_at(clock::now() + every, every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            while running.watchers.get() > 0 || running.idle.get().elapsed() < KEPT {
                ticks.tick().await;
                running.tick();
            }
        });
        sampler
    }

    fn tick(&self) {
        let shot = Rc::new(Shot::take(&self.shared));
        let old = self.latest.replace(Rc::clone(&shot));
        let frame = Frame::between(&old, &shot);
        let mut frames = self.frames.borrow_mut();
        self.bytes.update(|bytes| bytes + frame.bytes);
        frames.push_back(Rc::new(frame));
        while let Some(first) = frames.front()
            && (first.at.elapsed() > KEPT || self.bytes.get() > KEPT_BYTES && frames.len() > 1)
        {
            self.base.set(first.stamp.seq);
            self.bytes.update(|bytes| bytes - first.bytes);
            frames.pop_front();
        }
        self.added.notify_waiters();
    }
}

/// A sampler, as one of its watchers holds it.
pub(super) struct Joined(Rc<Sampler>);

impl Joined {
    /// Its latest sample is of now.
    pub(super) fn new(sampler: Rc<Sampler>) -> Self {
        if sampler.latest.borrow().at.elapsed() >= YOUNG {
            sampler.tick();
        }
        sampler.watchers.update(|n| n + 1);
        Self(sampler)
    }

    pub(super) fn latest(&self) -> Rc<Shot> {
        Rc::clone(&self.latest.borrow())
    }

    /// Whether everything after `seq` is there.
    pub(super) fn holds(&self, seq: u64) -> bool {
        self.base.get() <= seq
    }

    /// The first frame after `seq`.
    pub(super) fn after(&self, seq: u64) -> Option<Rc<Frame>> {
        let frames = self.frames.borrow();
        let at = frames.partition_point(|frame| frame.stamp.seq <= seq);
        frames.get(at).map(Rc::clone)
    }

    /// Until there is another frame.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }
}

impl Deref for Joined {
    type Target = Sampler;

    fn deref(&self) -> &Sampler {
        &self.0
    }
}

impl Clone for Joined {
    fn clone(&self) -> Self {
        self.0.watchers.update(|n| n + 1);
        Self(Rc::clone(&self.0))
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.0.watchers.update(|n| n - 1);
        self.0.idle.set(clock::now());
    }
}
