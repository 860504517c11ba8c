//! Why something changes: what is kept of it, and what is said of it.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::model::server::{CheckStatus, Control, Outcome};

/// Why something changes.
#[derive(Clone, Copy, Debug)]
pub enum Cause<'a> {
    Check(&'a Outcome),
    /// What the server's agent said.
    Agent(&'a Outcome),
    /// What its traffic tells, in words.
    Traffic(&'a str),
    /// How it does beside the other servers, in words.
    Comparison(&'a str),
    /// Path of the server that it tracks.
    Lead(&'a str),
    Command {
        /// Who sent it, e.g. `uid 1000 (alice)`.
        by: &'a str,
        /// As it was typed.
        line: &'a str,
    },
}

impl Cause<'_> {
    /// Keeps what was found.
    pub(super) fn note(self, control: &mut Control, changes: bool) {
        match self {
            Self::Check(outcome) => control.check.outcome = Some(outcome.clone()),
            Self::Agent(outcome) => control.agent.outcome = Some(outcome.clone()),
            Self::Traffic(words) if changes => {
                control.check.outcome = Some(Outcome {
                    status: CheckStatus::Hana,
                    code: None,
                    duration: Duration::ZERO,
                    info: words.to_owned(),
                    answer: Box::default(),
                });
            }
            _ => {}
        }
    }

    pub(super) fn describe(self, fields: &mut Map<String, Value>) {
        match self {
            Self::Command { by, line } => {
                fields.insert("by".into(), by.into());
                fields.insert("command".into(), line.into());
            }
            other => {
                fields.insert("reason".into(), other.to_string().into());
            }
        }
    }
}

/// The reason in words, HAProxy's where it has some.
impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check(outcome) | Self::Agent(outcome) => outcome.fmt(f),
            Self::Traffic(words) => write!(f, "Health analyze, info: \"{words}\""),
            Self::Comparison(words) => f.write_str(words),
            Self::Lead(path) => write!(f, "via {path}"),
            Self::Command { .. } => f.write_str("changed from CLI"),
        }
    }
}
