//! Where lines of the access log go, and how each is wrapped on its way.

use std::path::PathBuf;

/// One target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    pub place: Place,
    pub framing: Framing,
    pub facility: Facility,
    pub tag: String,
    /// Bytes of a line, its header included; the rest is cut off.
    pub length: usize,
    /// `None` is every line.
    pub sample: Option<Sample>,
}

/// What is written to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    Stdout,
    Stderr,
    File(PathBuf),
    /// A socket on this machine.
    Unix(PathBuf),
    /// Host and port; a name is looked up when it is connected to.
    Udp(String),
    Tcp(String),
}

/// What stands in front of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// Nothing.
    Raw,
    /// `<134>Nov 22 14:06:12 proxyd[4711]: `
    Rfc3164,
    /// `<134>1 2026-11-22T14:06:12+00:00 host proxyd 4711 - - `
    Rfc5424,
}

/// A syslog facility, by its number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Facility(pub u8);

/// `keep` of every `of` lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sample {
    pub keep: u32,
    pub of: u32,
}

/// Names of the facilities, HAProxy's, in the order of their numbers.
pub const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "auth2", "ftp", "ntp",
    "audit", "alert", "cron2", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

impl Facility {
    pub const LOCAL0: Self = Self(16);

    pub fn name(self) -> &'static str {
        FACILITIES[usize::from(self.0) % FACILITIES.len()]
    }
}

impl Target {
    /// As messages and metrics name it.
    pub fn name(&self) -> String {
        match &self.place {
            Place::Stdout => "stdout".to_owned(),
            Place::Stderr => "stderr".to_owned(),
            Place::File(path) => path.display().to_string(),
            Place::Unix(path) => format!("unix@{}", path.display()),
            Place::Udp(address) => format!("udp@{address}"),
            Place::Tcp(address) => format!("tcp@{address}"),
        }
    }
}
