//! The lines of the stream, as they are written and read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Fields;

/// `v` of the hello line.
pub const VERSION: u32 = 1;

/// No line is longer, its line break included.
pub const MAX_LINE: usize = 64 * 1024;

/// One line.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// The first one.
    Hello(Hello),
    /// State of the process, under the names of `show info`.
    Info { info: Fields },
    /// State of one object.
    Row { id: String, row: Fields },
    /// The state is complete.
    Sync(Stamp),
    /// What changed since the line before with a `seq`; the beat of the stream.
    Delta(Delta),
    /// Something happened.
    Event(Event),
    /// The reader was too slow: the state follows again.
    Gap(Gap),
    /// What `since` named is not there any more: the state follows.
    Gone,
    /// The command was refused; the connection closes.
    Error { message: String },
    /// The server ends the stream.
    Bye { reason: String },
    /// A kind of a later version.
    #[serde(other)]
    Unknown,
}

impl Line {
    /// Reads a line, with or without its line break.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Appends the line with its line break.
    pub fn write(&self, out: &mut Vec<u8>) {
        // Maps have texts as keys and a Vec takes everything, so this cannot fail.
        let _infallible = serde_json::to_writer(&mut *out, self);
        out.push(b'\n');
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Hello {
    pub v: u32,
    /// Name and version.
    #[serde(default)]
    pub server: String,
    /// Another one after every start; `since` needs it.
    #[serde(default)]
    pub boot: String,
    /// Names the configuration that is loaded.
    #[serde(default)]
    pub config: String,
    #[serde(default)]
    pub interval_ms: u64,
}

/// The place of a line in the daemon's own count and its clocks.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Stamp {
    pub seq: u64,
    /// Wall clock, RFC 3339 in UTC with milliseconds.
    #[serde(default)]
    pub at: String,
    /// Milliseconds of a clock that never jumps.
    #[serde(default)]
    pub mono_ms: u64,
}

/// Changes by object. The parts of a delta that is split share their `seq` and are one change.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Delta {
    pub seq: u64,
    #[serde(default)]
    pub at: String,
    #[serde(default)]
    pub mono_ms: u64,
    /// Changed fields by id; null is empty now. An id not seen before comes whole.
    #[serde(default)]
    pub rows: BTreeMap<String, Fields>,
    /// Objects that are no more.
    #[serde(default)]
    pub del: Vec<String>,
    #[serde(default)]
    pub info: Fields,
    /// Another part follows.
    #[serde(default)]
    pub more: bool,
}

/// What happened, to whom, and who did it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Event {
    pub seq: u64,
    #[serde(default)]
    pub at: String,
    pub event: EventKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who gave the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Event {
    /// An event with nothing said of it yet.
    pub const fn new(seq: u64, at: String, event: EventKind) -> Self {
        Self { seq, at, event, id: None, from: None, to: None, reason: None, by: None, command: None }
    }
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    ServerState,
    Health,
    Weight,
    Reload,
    CountersCleared,
    Queue,
    BackendDown,
    /// One of a later version.
    #[serde(untagged)]
    Other(String),
}

/// The lines that a slow reader missed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Gap {
    #[serde(default)]
    pub from: u64,
    #[serde(default)]
    pub to: u64,
    #[serde(default)]
    pub events_lost: u64,
}
