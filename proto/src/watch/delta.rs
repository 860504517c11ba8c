//! The server's side: the state at a moment, what differs between two, and the lines that say so.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{AGE_COLUMNS, Ages, Delta, Fields, Line, MAX_LINE, Stamp, fields_of};
use crate::info::{Info, InfoValues};
use crate::stats::{Col, Row};

/// One object at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its `lastchg`, `lastsess` and `downtime` are not looked at.
    pub row: Row,
    pub ages: Ages,
}

impl Sample {
    /// Everything, as a row line has it.
    pub fn fields(&self) -> Fields {
        fields_of(&self.row, self.ages)
    }

    /// The fields that are different in `new`, null for those that are empty there.
    fn changes(&self, new: &Self) -> Fields {
        let mut changes = Fields::new();
        for col in Col::ALL.into_iter().filter(|col| !AGE_COLUMNS.contains(col)) {
            let now = new.row.get(col);
            if self.row.get(col) != now {
                changes.insert(col.name().to_owned(), now.map_or(Value::Null, crate::stats::Value::to_json));
            }
        }
        for ((name, before), (_, now)) in self.ages.named().into_iter().zip(new.ages.named()) {
            if before != now {
                changes.insert(name.to_owned(), now.map_or(Value::Null, Value::from));
            }
        }
        changes
    }
}

/// Everything at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub rows: BTreeMap<String, Sample>,
    pub info: InfoValues,
}

impl State {
    /// Adds a row under its id.
    pub fn push(&mut self, row: Row, ages: Ages) {
        self.rows.insert(row.id(), Sample { row, ages });
    }

    /// The fields of the process, as an info line has them.
    pub fn info_fields(&self) -> Fields {
        self.info.iter().map(|(field, value)| (field.name().to_owned(), value.to_json())).collect()
    }

    /// Appends the lines of the whole state: info, the rows whose id `wanted` accepts, sync.
    pub fn write(&self, out: &mut Vec<u8>, stamp: Stamp, wanted: impl Fn(&str) -> bool) {
        Line::Info { info: self.info_fields() }.write(out);
        for (id, sample) in self.rows.iter().filter(|(id, _)| wanted(id)) {
            Line::Row { id: id.clone(), row: sample.fields() }.write(out);
        }
        Line::Sync(stamp).write(out);
    }
}

/// What differs between two states.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Changed fields by id; null is empty now. A new object has all of its fields.
    pub rows: BTreeMap<String, Fields>,
    /// Objects that are no more.
    pub del: Vec<String>,
    pub info: Fields,
}

/// Compares two states.
pub fn delta(old: &State, new: &State) -> Changes {
    let mut rows = BTreeMap::new();
    for (id, sample) in &new.rows {
        let changes = match old.rows.get(id) {
            Some(before) => before.changes(sample),
            None => sample.fields(),
        };
        if !changes.is_empty() {
            rows.insert(id.clone(), changes);
        }
    }
    let del = old.rows.keys().filter(|id| !new.rows.contains_key(*id)).cloned().collect();
    let info = Info::ALL
        .into_iter()
        .map(|field| (field, old.info.get(field), new.info.get(field)))
        .filter(|(_, before, now)| before != now)
        .map(|(field, _, now)| {
            (field.name().to_owned(), now.map_or(Value::Null, crate::stats::Value::to_json))
        })
        .collect();
    Changes { rows, del, info }
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.del.is_empty() && self.info.is_empty()
    }

    /// Keeps the objects whose id `wanted` accepts.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.rows.retain(|id, _| wanted(id));
        self.del.retain(|id| wanted(id));
    }

    /// The delta lines, each with its line break: one, also if nothing changed, or as many as [`MAX_LINE`] asks for.
    pub fn into_lines(self, stamp: &Stamp) -> Vec<Vec<u8>> {
        self.into_lines_of(stamp, MAX_LINE)
    }

    pub(super) fn into_lines_of(self, stamp: &Stamp, limit: usize) -> Vec<Vec<u8>> {
        let Stamp { seq, at, mono_ms } = stamp.clone();
        let whole = Line::Delta(Delta {
            seq,
            at,
            mono_ms,
            rows: self.rows,
            del: self.del,
            info: self.info,
            more: false,
        });
        let line = whole.to_bytes();
        match whole {
            Line::Delta(delta) if line.len() > limit => Splitter::new(stamp, limit).split(delta),
            _ => vec![line],
        }
    }
}

/// Spreads a delta that is too long over lines. A row is kept in one piece where one line can hold it.
struct Splitter {
    limit: usize,
    /// Length of a line with nothing in it.
    base: usize,
    stamp: Stamp,
    part: Delta,
    used: usize,
    lines: Vec<Vec<u8>>,
}

impl Splitter {
    fn new(stamp: &Stamp, limit: usize) -> Self {
        let part = empty_part(stamp);
        // `false` is the longer word.
        let base = Line::Delta(part.clone()).to_bytes().len() + 1;
        Self { limit, base, stamp: stamp.clone(), part, used: base, lines: Vec::new() }
    }

    fn split(mut self, whole: Delta) -> Vec<Vec<u8>> {
        for id in whole.del {
            self.make_room(text_len(&id) + 1);
            self.part.del.push(id);
        }
        for (name, value) in whole.info {
            self.make_room(field_len(&name, &value));
            self.part.info.insert(name, value);
        }
        for (id, fields) in whole.rows {
            self.row(&id, fields);
        }
        self.part.more = false;
        self.lines.push(Line::Delta(self.part).to_bytes());
        self.lines
    }

    fn row(&mut self, id: &str, fields: Fields) {
        let frame = text_len(id) + r":{},".len();
        let whole = frame + fields.iter().map(|(name, value)| field_len(name, value)).sum::<usize>();
        if self.base + whole <= self.limit {
            self.make_room(whole);
            self.part.rows.insert(id.to_owned(), fields);
            return;
        }
        for (name, value) in fields {
            self.make_room(frame + field_len(&name, &value));
            self.part.rows.entry(id.to_owned()).or_default().insert(name, value);
        }
    }

    /// Begins another line if the one being filled has no room for this.
    fn make_room(&mut self, size: usize) {
        if self.used + size > self.limit && self.used > self.base {
            let full = std::mem::replace(&mut self.part, empty_part(&self.stamp));
            self.lines.push(Line::Delta(full).to_bytes());
            self.used = self.base;
        }
        self.used += size;
    }
}

fn empty_part(stamp: &Stamp) -> Delta {
    Delta { seq: stamp.seq, at: stamp.at.clone(), mono_ms: stamp.mono_ms, more: true, ..Delta::default() }
}

/// Length of `"name":value,`.
fn field_len(name: &str, value: &Value) -> usize {
    text_len(name) + 2 + value.as_str().map_or_else(|| value.to_string().len(), text_len)
}

/// Length of the text as JSON.
fn text_len(text: &str) -> usize {
    serde_json::to_string(text).map_or(0, |json| json.len())
}
