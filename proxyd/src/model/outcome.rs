//! How a check ended: HAProxy's statuses with their words, and what was seen.

use std::fmt;
use std::time::Duration;

/// Bytes of an answer that are kept.
pub const KEPT_ANSWER: usize = 256;

/// How one check ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    pub status: CheckStatus,
    /// Status code of an HTTP answer, or of what else has codes.
    pub code: Option<u16>,
    pub duration: Duration,
    /// What the system or the server said, for people.
    pub info: String,
    /// The first bytes that came, at most [`KEPT_ANSWER`].
    pub answer: Box<[u8]>,
}

/// HAProxy's words for how a check ended.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.status.text())?;
        if let Some(code) = self.code {
            write!(f, ", code: {code}")?;
        }
        if !self.info.is_empty() {
            write!(f, ", info: \"{}\"", self.info)?;
        }
        if self.status == CheckStatus::Hana {
            // It was no check.
            return Ok(());
        }
        write!(f, ", check duration: {}ms", self.duration.as_millis())
    }
}

/// HAProxy's check statuses (management guide, `check_status`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CheckStatus {
    /// Nothing was said of the server's health.
    Checked,
    /// Not a check: its traffic tells.
    Hana,
    /// Could not be tried: a socket error of ours.
    SockErr,
    L4Ok,
    L4Timeout,
    L4Con,
    L6Ok,
    L6Timeout,
    L6Response,
    L7Timeout,
    L7Response,
    L7Ok,
    /// It answers, and asks for nothing new.
    L7OkConditional,
    L7Status,
    /// A program could not be run, or ended badly.
    ProcErr,
    ProcTimeout,
    ProcOk,
}

/// Statuses, their words in `show stat`, their long forms, and their numbers in `show servers state`.
const TABLE: [(CheckStatus, &str, &str, u32); 17] = [
    (CheckStatus::Checked, "CHECKED", "No status change", 3),
    (CheckStatus::Hana, "HANA", "Health analyze", 4),
    (CheckStatus::SockErr, "SOCKERR", "Socket error", 5),
    (CheckStatus::L4Ok, "L4OK", "Layer4 check passed", 6),
    (CheckStatus::L4Timeout, "L4TOUT", "Layer4 timeout", 7),
    (CheckStatus::L4Con, "L4CON", "Layer4 connection problem", 8),
    (CheckStatus::L6Ok, "L6OK", "Layer6 check passed", 9),
    (CheckStatus::L6Timeout, "L6TOUT", "Layer6 timeout", 10),
    (CheckStatus::L6Response, "L6RSP", "Layer6 invalid response", 11),
    (CheckStatus::L7Timeout, "L7TOUT", "Layer7 timeout", 12),
    (CheckStatus::L7Response, "L7RSP", "Layer7 invalid response", 13),
    (CheckStatus::L7Ok, "L7OK", "Layer7 check passed", 15),
    (CheckStatus::L7OkConditional, "L7OKC", "Layer7 check conditionally passed", 16),
    (CheckStatus::L7Status, "L7STS", "Layer7 wrong status", 17),
    (CheckStatus::ProcErr, "PROCERR", "External check error", 18),
    (CheckStatus::ProcTimeout, "PROCTOUT", "External check timeout", 19),
    (CheckStatus::ProcOk, "PROCOK", "External check passed", 20),
];

impl CheckStatus {
    pub const fn passed(self) -> bool {
        matches!(self, Self::L4Ok | Self::L6Ok | Self::L7Ok | Self::L7OkConditional | Self::ProcOk)
    }

    /// The word of `show stat`.
    pub const fn word(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// The long form, `check_desc` and the log.
    pub const fn text(self) -> &'static str {
        TABLE[self as usize].2
    }

    /// `srv_check_status` of `show servers state`.
    pub const fn number(self) -> u32 {
        TABLE[self as usize].3
    }

    /// `srv_check_result` of `show servers state`: failed, passed, or passed with a condition.
    pub const fn result(self) -> u8 {
        match self {
            Self::L7OkConditional => 4,
            Self::Checked => 1,
            _ if self.passed() => 3,
            _ => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_order_of_the_statuses() {
        for (place, (status, word, ..)) in TABLE.iter().enumerate() {
            assert_eq!(*status as usize, place, "{word}");
            assert_eq!(status.passed(), word.contains("OK"), "{word}");
        }
    }
}
