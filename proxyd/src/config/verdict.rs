//! What decides on a server's state beside its check: its agent, its traffic, another server, the other servers.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// What is said of one server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    pub init_state: InitState,
    pub agent: Option<Agent>,
    pub observe: Option<Observe>,
    /// It is up while that one is.
    pub track: Option<Track>,
    /// When it is marked down, its sessions end.
    pub ends_sessions: bool,
    /// When it is marked up, sessions on backups end.
    pub ends_backup_sessions: bool,
}

/// What is thought of a server before its first check, and out of maintenance.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum InitState {
    /// Up until all its checks have failed.
    FullyUp,
    /// Up until the first check that fails.
    #[default]
    Up,
    /// Down until the first check that passes.
    Down,
    /// Down until all its checks have passed.
    FullyDown,
}

/// A program beside a server that says how it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// Where it is, if not where the server is.
    pub address: Option<IpAddr>,
    pub port: u16,
    /// From one question to the next; also the longest that one may take.
    pub interval: Duration,
    /// What it is told once it has accepted.
    pub send: String,
}

/// How traffic counts beside checks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observe {
    pub layer: Layer,
    /// Errors in a row before something is done.
    pub error_limit: u32,
    pub on_error: OnError,
}

/// What is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Layer {
    /// Whether connections are accepted.
    Four,
    /// What is answered, as well.
    Seven,
}

/// What is done about too many errors. The next check always comes sooner.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnError {
    /// No more than that.
    FastInterval,
    /// It counts as a failed check.
    FailCheck,
    /// It counts as all failed checks but the last.
    SuddenDeath,
    /// It counts as all of them.
    MarkDown,
}

/// A server that another follows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Track {
    pub backend: String,
    pub server: String,
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.backend, self.server)
    }
}

/// When so few servers of a backend are up that health is no longer believed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Panic {
    /// Percent of them.
    pub below: u32,
    pub then: PanicMode,
}

/// Who gets traffic then.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PanicMode {
    /// All servers that are neither in maintenance nor draining nor `NOLB`.
    All,
    None,
}

/// When a server is left out for a while because it does worse than the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eject {
    /// Percent of its requests that go wrong.
    pub errors: Option<u32>,
    /// Percent of the time that the others take to answer.
    pub latency: Option<u32>,
    /// Over which it is judged.
    pub window: Duration,
    /// For how long it is left out the first time.
    pub base: Duration,
    /// Percent of a backend's servers that may be left out at once.
    pub most: u32,
    /// Requests within the window without which nothing is said of it.
    pub min_requests: u32,
}
