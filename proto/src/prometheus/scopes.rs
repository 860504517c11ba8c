//! What a scrape asks for: the query of HAProxy's exporter.

use std::ops::BitOr;

/// Which samples to write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scopes(u8);

/// Why a query is refused. HAProxy answers 400.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ScopeError {
    #[error("{0:?} is no scope; there are global, frontend, listener, backend, server, sticktable and *")]
    Unknown(String),
}

impl Scopes {
    pub const NONE: Self = Self(0);
    pub const GLOBAL: Self = Self(1);
    pub const FRONTEND: Self = Self(2);
    pub const LISTENER: Self = Self(4);
    pub const BACKEND: Self = Self(8);
    pub const SERVER: Self = Self(16);
    /// Servers in maintenance are left out.
    pub const NO_MAINT: Self = Self(32);
    pub const STICKTABLE: Self = Self(64);
    /// All six, servers in maintenance too.
    pub const ALL: Self = Self(31 | 64);

    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Reads a query such as `scope=global&scope=server&no-maint`, without its `?`. Everything is wanted if no scope
    /// is named; an empty one forgets those before it. Other parameters are ignored.
    pub fn from_query(query: &str) -> Result<Self, ScopeError> {
        let mut named = None;
        let mut flags = Self::NONE;
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name {
                "scope" => named = Some(Self::named(named.unwrap_or(Self::NONE), value)?),
                "no-maint" => flags = Self::NO_MAINT,
                _ => {}
            }
        }
        Ok(named.unwrap_or(Self::ALL) | flags)
    }

    fn named(before: Self, value: &str) -> Result<Self, ScopeError> {
        Ok(before
            | match value {
                "" => return Ok(Self::NONE),
                "global" => Self::GLOBAL,
                "frontend" => Self::FRONTEND,
                "listener" => Self::LISTENER,
                "backend" => Self::BACKEND,
                "server" => Self::SERVER,
                "sticktable" => Self::STICKTABLE,
                "*" | "%2A" | "%2a" => Self::ALL,
                _ => return Err(ScopeError::Unknown(value.to_owned())),
            })
    }
}

impl BitOr for Scopes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        for (query, scopes) in [
            ("", Scopes::ALL),
            ("x=1&y", Scopes::ALL),
            ("scope=server", Scopes::SERVER),
            ("scope=frontend&scope=backend", Scopes::FRONTEND | Scopes::BACKEND),
            ("scope=*&scope=", Scopes::NONE),
            ("scope=&scope=global", Scopes::GLOBAL),
            ("scope=sticktable", Scopes::STICKTABLE),
            ("scope=%2A", Scopes::ALL),
            ("no-maint", Scopes::ALL | Scopes::NO_MAINT),
            ("scope=listener&no-maint=empty", Scopes::LISTENER | Scopes::NO_MAINT),
        ] {
            assert_eq!(Scopes::from_query(query), Ok(scopes), "{query}");
        }
        assert_eq!(Scopes::from_query("scope=moon"), Err(ScopeError::Unknown("moon".into())));
    }
}
