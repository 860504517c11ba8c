//! Logs.

use super::Choices;
use crate::config::log_format::LogFormat;
use crate::log::target::{FACILITIES, Facility, Framing};

/// What a log target is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TargetWord {
    Stdout,
    Stderr,
    File,
    Syslog,
}

pub(crate) const TARGETS: Choices<TargetWord> = Choices {
    what: "a log target",
    known: &[
        ("stdout", TargetWord::Stdout),
        ("stderr", TargetWord::Stderr),
        ("file", TargetWord::File),
        ("syslog", TargetWord::Syslog),
    ],
    also: &[],
    later: &["ring", "fd"],
};

pub(crate) const FRAMINGS: Choices<Framing> = Choices {
    what: "a framing",
    known: &[("raw", Framing::Raw), ("rfc3164", Framing::Rfc3164), ("rfc5424", Framing::Rfc5424)],
    also: &[],
    later: &["short", "timed", "iso", "priority"],
};

pub(crate) const FORMATS: Choices<LogFormat> = Choices {
    what: "a log format",
    known: &[
        ("httplog", LogFormat::Httplog),
        ("httpslog", LogFormat::Httpslog),
        ("tcplog", LogFormat::Tcplog),
        ("json", LogFormat::Json),
    ],
    also: &[],
    later: &["clf", "cbor"],
};

/// The facilities by their names.
pub(crate) const FACILITY: Choices<Facility> = Choices {
    what: "a facility",
    known: &{
        let mut all = [("", Facility(0)); FACILITIES.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = (FACILITIES[at], Facility(at as u8));
            at += 1;
        }
        all
    },
    also: &[],
    later: &[],
};

/// What gets no line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LeaveOut {
    NullConnections,
    Normal,
}

pub(crate) const LEAVE_OUT: Choices<LeaveOut> = Choices {
    what: "a kind of lines to leave out",
    known: &[("null_connections", LeaveOut::NullConnections), ("normal", LeaveOut::Normal)],
    also: &[],
    later: &[],
};
