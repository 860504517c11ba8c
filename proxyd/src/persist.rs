//! Persistence by cookies: pure. What a cookie of a request says, what the server sees of it, and what the client is
//! told in the answer; the byte work is in [`line`], what servers are called in [`value`].
//!
//! It follows HAProxy's `cookie` (configuration manual, 4.2), but for what RFC 6265 says otherwise: pairs end at a
//! `;` and nowhere else, and quotes count only where they enclose a whole value.

mod answer;
mod date;
mod line;
mod request;
pub mod value;

pub use answer::Answered;
pub use request::{Named, Presented};

/// What was found of a cookie, in HAProxy's letters (configuration manual 8.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Letters(pub [u8; 2]);

impl Default for Letters {
    /// Nobody looked.
    fn default() -> Self {
        Self(*b"--")
    }
}

/// What the client presented.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(usize)]
pub enum Found {
    #[default]
    None,
    /// It names no server.
    Invalid,
    /// Its server is, or was, down.
    Down,
    Valid,
    /// Idle for too long.
    Expired,
    /// Too old.
    Old,
    /// It was not to be looked at, or not needed.
    Unused,
}

impl Found {
    /// As metrics name them, in their order.
    pub const WORDS: [&str; 7] = ["none", "invalid", "down", "valid", "expired", "old", "unused"];

    const fn letter(self) -> u8 {
        match self {
            Self::None => b'N',
            Self::Invalid => b'I',
            Self::Down => b'D',
            Self::Valid => b'V',
            Self::Expired => b'E',
            Self::Old => b'O',
            Self::Unused => b'U',
        }
    }
}

/// What became of the cookie in the answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(usize)]
pub enum Given {
    #[default]
    None,
    /// The server's own passed through.
    Passed,
    /// The server's own was taken out.
    Deleted,
    Inserted,
    /// The server's own was changed.
    Rewritten,
    /// Only its date is new.
    Updated,
}

impl Given {
    /// As metrics name them, in their order.
    pub const WORDS: [&str; 6] = ["none", "passed", "deleted", "inserted", "rewritten", "updated"];

    const fn letter(self) -> u8 {
        match self {
            Self::None => b'N',
            Self::Passed => b'P',
            Self::Deleted => b'D',
            Self::Inserted => b'I',
            Self::Rewritten => b'R',
            Self::Updated => b'U',
        }
    }
}

impl Letters {
    pub const fn new(found: Found, given: Given) -> Self {
        Self([found.letter(), given.letter()])
    }
}

#[cfg(test)]
mod tests;
