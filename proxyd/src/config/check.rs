//! How the health of a server is asked for.

use std::time::Duration;

/// A check of one server.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    pub kind: CheckKind,
    pub timing: Timing,
}

/// When a server is asked, and how often before it is believed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// From one check to the next of a server that is up.
    pub interval: Duration,
    /// The same of one that is on its way up or down.
    pub fast_interval: Duration,
    /// The same of one that is down.
    pub down_interval: Duration,
    /// For all of a check.
    pub timeout: Duration,
    /// By how many percent an interval may be shorter or longer, at random.
    pub spread: u32,
    /// Passed checks until a server is up again.
    pub rise: u32,
    /// Failed checks until a server is down.
    pub fall: u32,
}

/// What a check does.
#[derive(Clone, Debug, PartialEq)]
pub enum CheckKind {
    /// The connection is accepted.
    Tcp,
    /// A request is answered with a status of `expect`.
    Http { method: String, path: String, host: Option<String>, expect: StatusRange },
}

/// Statuses from `first` to `last`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StatusRange {
    pub first: u16,
    pub last: u16,
}
