//! Health checks.

use super::Choices;

/// What a check does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CheckWord {
    Tcp,
    Http,
}

pub(crate) const CHECKS: Choices<CheckWord> = Choices {
    what: "a check",
    known: &[("tcp", CheckWord::Tcp), ("http", CheckWord::Http)],
    also: &[],
    later: &[
        "tls",
        "ssl_hello",
        "script",
        "agent",
        "external",
        "grpc",
        "mysql",
        "pgsql",
        "redis",
        "ldap",
        "smtp",
    ],
};
