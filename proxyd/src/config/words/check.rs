//! Health checks.

use super::Choices;
use crate::config::check::HttpVersion;

/// What a check does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CheckWord {
    Tcp,
    Http,
    Grpc,
    Script,
    Postgres,
    Mysql,
    Redis,
    Smtp,
    External,
}

pub(crate) const CHECKS: Choices<CheckWord> = Choices {
    what: "a check",
    known: &[
        ("tcp", CheckWord::Tcp),
        ("http", CheckWord::Http),
        ("grpc", CheckWord::Grpc),
        ("script", CheckWord::Script),
        ("postgres", CheckWord::Postgres),
        ("mysql", CheckWord::Mysql),
        ("redis", CheckWord::Redis),
        ("smtp", CheckWord::Smtp),
        ("external", CheckWord::External),
    ],
    also: &[],
    later: &["ldap", "spop"],
};

/// As they are written.
pub(crate) const HTTP_VERSIONS: [(&str, HttpVersion); 3] =
    [("1.0", HttpVersion::Http10), ("1.1", HttpVersion::Http11), ("2", HttpVersion::Http2)];
