//! Short answers: how severe they are, and how that is shown.

use std::borrow::Cow;

use super::ServerName;

/// Syslog's levels, as far as answers use them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    Error = 3,
    Warning = 4,
    Notice = 5,
    Info = 6,
}

impl Severity {
    /// The word of `set severity-output string`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "err",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
        }
    }
}

/// What stands in front of a message.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SeverityOutput {
    #[default]
    None,
    Number,
    String,
}

impl SeverityOutput {
    pub const ALL: [Self; 3] = [Self::None, Self::Number, Self::String];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Number => "number",
            Self::String => "string",
        }
    }

    /// What is put in front of a message of this severity.
    pub fn prefix(self, severity: Severity) -> Cow<'static, str> {
        match self {
            Self::None => Cow::Borrowed(""),
            Self::Number => format!("[{}]: ", severity as u8).into(),
            Self::String => format!("[{}]: ", severity.word()).into(),
        }
    }
}

/// Why a command is not carried out.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    pub severity: Severity,
    pub text: Cow<'static, str>,
    /// What must exist for this to be the answer: HAProxy looks names up before it reads what follows them.
    pub needs: Option<Target>,
    /// Of `watch`: told as a line of its stream.
    pub stream: bool,
}

/// Something a command names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    Server(ServerName),
    /// A server whose checks are switched on.
    Checked(ServerName),
    Frontend(String),
    Proxy(String),
}

impl Refusal {
    pub fn new(severity: Severity, text: impl Into<Cow<'static, str>>) -> Self {
        Self { severity, text: text.into(), needs: None, stream: false }
    }

    pub fn error(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Severity::Error, text)
    }

    /// Somebody of a higher level may.
    pub fn denied() -> Self {
        Self::error("Permission denied")
    }

    /// Only the answer if `target` exists.
    #[must_use]
    pub fn needs(mut self, target: Target) -> Self {
        self.needs = Some(target);
        self
    }
}
