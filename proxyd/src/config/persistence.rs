//! Persistence: clients that stay with the server they began with.

use std::path::PathBuf;
use std::time::Duration;

use super::condition::{Condition, Subject};

/// The cookie that says which server a client belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Cookie {
    pub name: String,
    pub mode: CookieMode,
    /// Servers do not see it, and clients get it only when they need it.
    pub indirect: bool,
    /// Caches are told not to keep an answer that gives it.
    pub nocache: bool,
    /// It is given in answers to POST only.
    pub post_only: bool,
    /// A server's own cookie of that name goes before.
    pub preserve: bool,
    pub httponly: bool,
    pub secure: bool,
    pub samesite: Option<SameSite>,
    pub domains: Vec<String>,
    pub path: String,
    /// Further attributes.
    pub attributes: Vec<String>,
    /// It is worth nothing when it was not used for so long.
    pub max_idle: Option<Duration>,
    /// It is worth nothing so long after it was first given.
    pub max_life: Option<Duration>,
    /// Servers are called after their addresses, as HAProxy does it.
    pub dynamic: bool,
    pub key: Option<Key>,
}

/// Who gives the cookie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CookieMode {
    /// We do.
    Insert,
    /// The server does, and we say in it who the server is.
    Rewrite,
    /// The server does, and we say in front of it who the server is.
    Prefix,
    /// The server does, and says itself who it is.
    Passive,
}

/// `SameSite` of a cookie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SameSite {
    Strict,
    Lax,
    None,
}

/// What servers' names are hashed with.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The file it was read from; `None` if it was written.
    pub file: Option<PathBuf>,
    pub bytes: Vec<u8>,
}

/// Which requests of a backend are an exception.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Persist {
    /// They go where they would go without persistence.
    pub ignore: Vec<Condition>,
    /// They go to their server whatever its state.
    pub force: Vec<Condition>,
    /// A server that is down is tried before another.
    pub try_down: bool,
}

/// What holds for one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exception {
    Ignored,
    Forced,
}

impl Persist {
    /// The exception that a request makes; who is to be ignored is not forced.
    pub fn exception(&self, subject: &Subject<'_>) -> Option<Exception> {
        let holds = |conditions: &[Condition]| conditions.iter().any(|condition| condition.holds(subject));
        if holds(&self.ignore) {
            Some(Exception::Ignored)
        } else if holds(&self.force) {
            Some(Exception::Forced)
        } else {
            None
        }
    }
}

impl Cookie {
    /// The attributes of a cookie that is given.
    pub fn written_attributes(&self) -> String {
        let mut text = format!("; path={}", self.path);
        for domain in &self.domains {
            text.push_str("; domain=");
            text.push_str(domain);
        }
        if self.httponly {
            text.push_str("; HttpOnly");
        }
        if self.secure {
            text.push_str("; Secure");
        }
        text.push_str(match self.samesite {
            Some(SameSite::Strict) => "; SameSite=Strict",
            Some(SameSite::Lax) => "; SameSite=Lax",
            Some(SameSite::None) => "; SameSite=None",
            None => "",
        });
        for attribute in &self.attributes {
            text.push_str("; ");
            text.push_str(attribute);
        }
        text
    }
}
