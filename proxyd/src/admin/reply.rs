//! What a command answers.

use std::borrow::Cow;

use proto::command::{Refusal, Severity};

/// What a command answers.
pub(super) enum Reply {
    /// An empty line.
    Silent,
    Message(Severity, Cow<'static, str>),
    /// A dump that is short, with its last line feed.
    Text(String),
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::Message(refusal.severity, refusal.text)
    }
}
