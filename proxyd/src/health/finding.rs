//! What a check came to, before its time is added.

use std::io;

use crate::model::server::CheckStatus;

/// Longest text of a server that is passed on to people.
const LONGEST_TEXT: usize = 200;

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
}

/// The system's words without their number.
pub fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// A server's words as they can be shown: one line of text, not too long.
pub fn said(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let text = String::from_utf8_lossy(&line[..line.len().min(LONGEST_TEXT)]);
    text.trim().chars().map(|c| if c.is_control() { '.' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_server_are_one_line() {
        assert_eq!(said(b" 220 mail\x1b[2J ready\r\n250 more"), "220 mail.[2J ready");
        assert_eq!(said(&[b'x'; 500]).len(), LONGEST_TEXT);
        assert_eq!(said(b"\xff"), "\u{fffd}");
    }
}
