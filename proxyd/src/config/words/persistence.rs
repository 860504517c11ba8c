//! Persistence.

use super::super::{CookieMode, SameSite};
use super::Choices;

/// What a client is recognised by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PersistenceWord {
    Cookie,
}

pub(crate) const PERSISTENCES: Choices<PersistenceWord> = Choices {
    what: "a kind of persistence",
    known: &[("cookie", PersistenceWord::Cookie)],
    also: &[],
    later: &["rdp_cookie"],
};

pub(crate) const COOKIE_MODES: Choices<CookieMode> = Choices {
    what: "a mode of a cookie",
    known: &[
        ("insert", CookieMode::Insert),
        ("rewrite", CookieMode::Rewrite),
        ("prefix", CookieMode::Prefix),
        ("passive", CookieMode::Passive),
    ],
    also: &[],
    later: &[],
};

pub(crate) const SAME_SITES: Choices<SameSite> = Choices {
    what: "a value of SameSite",
    known: &[("strict", SameSite::Strict), ("lax", SameSite::Lax), ("none", SameSite::None)],
    also: &[],
    later: &[],
};

/// What may be asked of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RequestCondition {
    Path,
    Method,
    Source,
    Not,
    All,
    Any,
}

pub(crate) const REQUEST_CONDITIONS: Choices<RequestCondition> = Choices {
    what: "a condition on requests",
    known: &[
        ("path", RequestCondition::Path),
        ("method", RequestCondition::Method),
        ("source", RequestCondition::Source),
        ("not", RequestCondition::Not),
        ("all", RequestCondition::All),
        ("any", RequestCondition::Any),
    ],
    also: &[],
    later: &["named", "host", "header", "query", "cookie", "websocket", "tls", "sni"],
};
