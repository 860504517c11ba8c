//! What is changed of the cookie of a backend.

use std::fmt;

use super::words::escaped;

/// What servers are called in cookies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CookieChange {
    /// After their addresses, or after their names.
    Dynamic(bool),
    /// With another key in the hash; an empty one is refused.
    Key(String),
}

impl CookieChange {
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, backend: &str) -> fmt::Result {
        let backend = escaped(backend);
        match self {
            Self::Dynamic(true) => write!(f, "enable dynamic-cookie backend {backend}"),
            Self::Dynamic(false) => write!(f, "disable dynamic-cookie backend {backend}"),
            Self::Key(key) => write!(f, "set dynamic-cookie-key backend {backend} {}", escaped(key)),
        }
    }
}
