//! Routes: which connections go to another backend than the default one.

use std::fmt;

/// Where connections go of which something holds; the first route that fits is taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    pub names: Vec<ServerName>,
    /// Name of a backend.
    pub to: String,
}

/// A host as `sni(..)` has it, in small letters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ServerName {
    /// Whoever names a host.
    Any,
    /// This host.
    Exact(String),
    /// Hosts with one more label in front of this one, as a wildcard of a certificate has it.
    Below(String),
}

impl ServerName {
    /// `name` is in small letters and without a dot at its end.
    pub fn fits(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(host) => name == host,
            Self::Below(parent) => name.split_once('.').is_some_and(|(_, rest)| rest == parent),
        }
    }

    /// Whatever fits the other fits this one too.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match other {
            Self::Exact(host) => self.fits(host),
            Self::Any | Self::Below(_) => *self == Self::Any || self == other,
        }
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(host) => f.write_str(host),
            Self::Below(parent) => write!(f, "*.{parent}"),
        }
    }
}

/// Labels of 1 to 63 letters, digits, hyphens and underscores; 253 characters in all.
pub fn is_host_name(name: &str) -> bool {
    let of_letters =
        |label: &str| label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let fits = |label: &str| (1..=63).contains(&label.len()) && of_letters(label);
    name.len() <= 253 && name.split('.').all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_one_label() {
        let below = ServerName::Below("b.example".into());
        for (name, fits) in
            [("a.b.example", true), ("b.example", false), ("x.a.b.example", false), ("ab.example", false)]
        {
            assert_eq!(below.fits(name), fits, "{name}");
        }
        let exact = ServerName::Exact("b.example".into());
        assert!(exact.fits("b.example") && !exact.fits("a.b.example"));
    }

    #[test]
    fn what_covers_what() {
        let (any, below) = (ServerName::Any, ServerName::Below("b.example".into()));
        let exact = |name: &str| ServerName::Exact(name.into());
        assert!(any.covers(&below) && any.covers(&any) && any.covers(&exact("a")));
        assert!(below.covers(&below) && below.covers(&exact("a.b.example")));
        assert!(!below.covers(&any) && !below.covers(&exact("b.example")) && !exact("a").covers(&any));
        assert!(!below.covers(&ServerName::Below("example".into())));
    }
}
