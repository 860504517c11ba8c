//! What a connection to the socket may do (HAProxy management guide 9.3, `level`).

use std::fmt;

/// Each level includes the ones before it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// May read what is not sensitive.
    User,
    /// May read all and clear counters.
    Operator,
    /// May change state.
    Admin,
}

impl Level {
    /// The word of the configuration and of `show cli level`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
