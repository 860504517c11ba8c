//! The client's side: the state that the lines of a stream add up to.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Ages, Delta, Event, Fields, Gap, Hello, Line, Stamp, VERSION};
use crate::stats::{self, Col, Kind, Row, Text, ValueType};

/// Why a line cannot be applied. The stream is of no use after it: connect again.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("a line of the stream is not readable")]
    Line(#[from] serde_json::Error),
    #[error("the stream has version {0}, which is newer than this program")]
    Version(u32),
    #[error("changes came before the state they belong to")]
    NotSynced,
}

/// Whether the rows can be relied on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sync {
    /// The state is on its way.
    Loading,
    /// What is here is what the server said last.
    Synced,
}

/// What a line did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Applied {
    Hello(Hello),
    /// A piece of the state, which is not complete yet.
    State,
    /// The state is complete.
    Synced(Stamp),
    /// Changes are in. Up to the last part of a split delta the rows are of two moments.
    Delta {
        stamp: Stamp,
        more: bool,
    },
    Event(Event),
    /// The state is dropped and comes again.
    Gap(Gap),
    /// The state is dropped and comes again.
    Gone,
    Error(String),
    Bye(String),
    /// A line of an unknown kind or of changes that are in already.
    Ignored,
}

/// The state of a server, kept up from its stream. It outlives connections, so that `since` can resume.
#[derive(Clone, Debug)]
pub struct Replica {
    rows: BTreeMap<String, Fields>,
    info: Fields,
    hello: Option<Hello>,
    sync: Sync,
    /// The highest `seq` of a line that is in completely.
    seq: u64,
    /// The `seq` of the last sync or complete delta.
    delta_seq: u64,
    /// The `seq` of a delta that is in partly.
    open: Option<u64>,
    stamp: Stamp,
}

impl Default for Replica {
    fn default() -> Self {
        Self::new()
    }
}

impl Replica {
    pub fn new() -> Self {
        Self {
            rows: BTreeMap::new(),
            info: Fields::new(),
            hello: None,
            sync: Sync::Loading,
            seq: 0,
            delta_seq: 0,
            open: None,
            stamp: Stamp::default(),
        }
    }

    /// Reads and applies one line.
    pub fn apply_line(&mut self, text: &str) -> Result<Applied, ApplyError> {
        self.apply(Line::parse(text)?)
    }

    /// Applies one line.
    pub fn apply(&mut self, line: Line) -> Result<Applied, ApplyError> {
        Ok(match line {
            Line::Hello(hello) => {
                if hello.v > VERSION {
                    return Err(ApplyError::Version(hello.v));
                }
                // A delta that a lost connection cut comes again as a whole.
                self.open = None;
                if self.boot() != Some(&hello.boot) {
                    self.reset();
                }
                self.hello = Some(hello.clone());
                Applied::Hello(hello)
            }
            Line::Info { info } => {
                self.begin_state();
                self.info = info;
                Applied::State
            }
            Line::Row { id, row } => {
                self.begin_state();
                self.rows.insert(id, row);
                Applied::State
            }
            Line::Sync(stamp) => {
                self.sync = Sync::Synced;
                self.seq = stamp.seq;
                self.delta_seq = stamp.seq;
                self.stamp = stamp.clone();
                Applied::Synced(stamp)
            }
            Line::Delta(delta) => return self.delta(delta),
            Line::Event(event) => {
                self.seq = self.seq.max(event.seq);
                Applied::Event(event)
            }
            Line::Gap(gap) => {
                self.reset();
                Applied::Gap(gap)
            }
            Line::Gone => {
                self.reset();
                Applied::Gone
            }
            Line::Error { message } => Applied::Error(message),
            Line::Bye { reason } => Applied::Bye(reason),
            Line::Unknown => Applied::Ignored,
        })
    }

    fn delta(&mut self, delta: Delta) -> Result<Applied, ApplyError> {
        if self.sync == Sync::Loading {
            return Err(ApplyError::NotSynced);
        }
        let Delta { seq, at, mono_ms, rows, del, info, more } = delta;
        if seq <= self.delta_seq && self.open != Some(seq) {
            return Ok(Applied::Ignored);
        }
        for id in &del {
            self.rows.remove(id);
        }
        for (id, changes) in rows {
            patch(self.rows.entry(id).or_default(), changes);
        }
        patch(&mut self.info, info);
        let stamp = Stamp { seq, at, mono_ms };
        self.stamp = stamp.clone();
        if more {
            self.open = Some(seq);
        } else {
            self.open = None;
            self.delta_seq = seq;
            self.seq = self.seq.max(seq);
        }
        Ok(Applied::Delta { stamp, more })
    }

    /// A state line after a complete state begins another one.
    fn begin_state(&mut self) {
        if self.sync == Sync::Synced {
            self.reset();
        }
    }

    fn reset(&mut self) {
        self.rows.clear();
        self.info.clear();
        self.sync = Sync::Loading;
        self.seq = 0;
        self.delta_seq = 0;
        self.open = None;
    }

    pub fn sync(&self) -> Sync {
        self.sync
    }

    /// What `since` needs to go on after a lost connection: `<boot>:<seq>`. Nothing before the first sync.
    pub fn since(&self) -> Option<String> {
        // With a delta that is in partly, all of it has to come again, and what came after it too.
        let seq = if self.open.is_some() { self.delta_seq } else { self.seq };
        self.boot().filter(|_| self.sync == Sync::Synced).map(|boot| format!("{boot}:{seq}"))
    }

    pub fn seq(&self) -> u64 {
        self.seq
    }

    pub fn boot(&self) -> Option<&str> {
        self.hello.as_ref().map(|hello| hello.boot.as_str())
    }

    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// Place and clocks of the last sync or delta.
    pub fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// The fields of `show info`.
    pub fn info(&self) -> &Fields {
        &self.info
    }

    /// The fields of every object by id.
    pub fn rows(&self) -> &BTreeMap<String, Fields> {
        &self.rows
    }

    /// The ids in the order of `show stat`.
    pub fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<(_, &str)> = self.rows.iter().map(|(id, row)| (place(row), id.as_str())).collect();
        ids.sort_unstable();
        ids.into_iter().map(|(_, id)| id).collect()
    }

    /// The row as `show stat` has it at `now_ms` (Unix milliseconds of the server's clock).
    pub fn row(&self, id: &str, now_ms: u64) -> Option<Row> {
        self.rows.get(id).map(|fields| row_of(fields, now_ms))
    }

    /// The CSV line of `show stat` at `now_ms`.
    pub fn to_row_text(&self, id: &str, now_ms: u64) -> Option<String> {
        let row = self.row(id, now_ms)?;
        let mut out = Vec::new();
        stats::csv::row(&mut out, &row);
        String::from_utf8(out).ok()
    }
}

/// Turns the fields of the stream into the columns of `show stat` as they are at `now_ms`.
pub fn row_of(fields: &Fields, now_ms: u64) -> Row {
    let number = |col: Col| fields.get(col.name()).and_then(Value::as_u64).unwrap_or(0);
    let mut row = Row::new(kind(fields), number(Col::Iid) as u32, number(Col::Sid) as u32);
    for (name, value) in fields {
        if let Some((col, value)) = Col::from_name(name).and_then(|col| Some((col, value_of(col, value)?))) {
            row.set(col, value);
        }
    }
    Ages::of(fields).fill(&mut row, now_ms);
    row
}

fn kind(fields: &Fields) -> Kind {
    fields.get(Col::Type.name()).and_then(Value::as_u64).and_then(Kind::from_type).unwrap_or(Kind::Server)
}

fn value_of(col: Col, value: &Value) -> Option<stats::Value> {
    match col.field().value {
        ValueType::U32 => value.as_u64().map(|number| stats::Value::U32(number as u32)),
        ValueType::U64 => value.as_u64().map(stats::Value::U64),
        ValueType::S32 => value.as_i64().map(|number| stats::Value::S32(number as i32)),
        ValueType::F64 => value.as_f64().map(stats::Value::F64),
        ValueType::Str => value.as_str().map(|text| stats::Value::Str(Text::Shared(text.into()))),
    }
}

/// Proxies by number; in each the frontend, its listeners, the servers, the backend.
fn place(fields: &Fields) -> (u64, u8, u64) {
    let number = |col: Col| fields.get(col.name()).and_then(Value::as_u64).unwrap_or(0);
    let rank = match kind(fields) {
        Kind::Frontend => 0,
        Kind::Listener => 1,
        Kind::Server => 2,
        Kind::Backend => 3,
    };
    (number(Col::Iid), rank, number(Col::Sid))
}

fn patch(fields: &mut Fields, changes: Fields) {
    for (name, value) in changes {
        if value.is_null() {
            fields.shift_remove(&name);
        } else {
            fields.insert(name, value);
        }
    }
}
