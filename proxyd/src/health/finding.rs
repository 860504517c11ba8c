//! What a check came to, before its time is added, and what of the answer is kept.

use std::io;
use std::time::Duration;

use crate::model::outcome::KEPT_ANSWER;
use crate::model::server::{CheckStatus, Outcome};

/// Longest text of a server that is passed on to people.
const LONGEST_TEXT: usize = 200;

/// Longest that all of a finding's text is. A history keeps many of them, and a server may have had a word in each.
pub const LONGEST_INFO: usize = 1000;

/// How a check ended, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    pub status: CheckStatus,
    pub code: Option<u16>,
    /// For people.
    pub info: String,
}

impl Finding {
    pub fn new(status: CheckStatus, info: impl Into<String>) -> Self {
        Self { status, code: None, info: info.into() }
    }

    pub fn passed(info: impl Into<String>) -> Self {
        Self::new(CheckStatus::L7Ok, info)
    }

    /// What came makes no sense.
    pub fn nonsense(info: impl Into<String>) -> Self {
        Self::new(CheckStatus::L7Response, info)
    }

    /// What came makes sense, and is not what was hoped for.
    pub fn refused(info: impl Into<String>) -> Self {
        Self::new(CheckStatus::L7Status, info)
    }

    #[must_use]
    pub fn with_code(self, code: u16) -> Self {
        Self { code: Some(code), ..self }
    }

    /// With a word on where it happened.
    #[must_use]
    pub fn at(mut self, place: &str) -> Self {
        if !self.info.is_empty() {
            self.info.push(' ');
        }
        self.info.push_str(place);
        self
    }

    /// What is kept of it: text of one line, whoever it is from.
    pub fn into_outcome(self, duration: Duration, answer: Answer) -> Outcome {
        let Self { status, code, info } = self;
        let info = line(&info, LONGEST_INFO);
        Outcome { status, code, duration, info, answer: answer.into_bytes() }
    }
}

/// The first bytes of what a server said.
#[derive(Debug, Default)]
pub struct Answer(Vec<u8>);

impl Answer {
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        let room = KEPT_ANSWER - self.0.len();
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// A whole answer of something else than a connection.
    pub fn of(bytes: &[u8]) -> Self {
        let mut answer = Self::default();
        answer.keep(bytes);
        answer
    }

    pub fn into_bytes(self) -> Box<[u8]> {
        self.0.into()
    }
}

/// The system's words without their number.
pub fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// A server's words as they can be shown: one line of text, not too long.
pub fn said(bytes: &[u8]) -> String {
    let first = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    line(String::from_utf8_lossy(&first[..first.len().min(LONGEST_TEXT)]).trim(), LONGEST_TEXT)
}

/// Text without what moves a terminal, of so many bytes at most.
fn line(text: &str, most: usize) -> String {
    let shown = text[..text.floor_char_boundary(most)].chars();
    shown.map(|c| if c.is_control() { '.' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_server_are_one_line() {
        assert_eq!(said(b" 220 mail\x1b[2J ready\r\n250 more"), "220 mail.[2J ready");
        assert_eq!(said(&[b'x'; 500]).len(), LONGEST_TEXT);
        assert_eq!(said(b"\xff"), "\u{fffd}");
        assert!(said(&[0xff; 500]).len() <= LONGEST_TEXT);
    }

    #[test]
    fn what_is_kept_is_short_whoever_said_it() {
        let long = Finding::nonsense(format!("{}\u{e4}\n", "x".repeat(LONGEST_INFO - 1)));
        let kept = long.into_outcome(Duration::ZERO, Answer::default());
        assert_eq!(kept.info, "x".repeat(LONGEST_INFO - 1));
        let kept = Finding::passed("a\r\nb\x1b[2J").into_outcome(Duration::ZERO, Answer::default());
        assert_eq!(kept.info, "a..b.[2J");
    }
}
