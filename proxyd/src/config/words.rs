//! The closed sets of words a value can be.

mod balance;
mod check;
mod haproxy;
mod log;
mod near;
mod persistence;
mod table;
mod tls;
mod verdict;

use proto::level::Level;

pub(crate) use self::balance::{
    ALGORITHMS, AlgorithmWord, BACKUPS, FUNCTIONS, HASH_KINDS, HashedWord, SERVER_KEYS,
};
pub(crate) use self::check::{CHECKS, CheckWord, HTTP_VERSIONS};
pub(crate) use self::haproxy::haproxy;
pub(crate) use self::log::{FACILITY, FORMATS, FRAMINGS, LEAVE_OUT, LeaveOut, TARGETS, TargetWord};
pub(crate) use self::near::nearest;
pub(crate) use self::persistence::{
    COOKIE_MODES, PERSISTENCES, PersistenceWord, REQUEST_CONDITIONS, RequestCondition, SAME_SITES,
};
pub(crate) use self::table::{DATA, KEYS, KeyWord, STICKS};
pub(crate) use self::tls::{
    ALPNS, CERT_FIELDS, CLIENT_VERIFY, GROUPS, SERVER_VERIFY, SUITES, TICKET_KEYS, TLS_VERSIONS, Verify,
};
pub(crate) use self::verdict::{INIT_STATES, LAYERS, MARKED_DOWN, MARKED_UP, ON_ERRORS, PANICS};
use super::reasons::Reason;
use super::{Accept, Mode, ServerHttp, Splice};

/// The words one setting takes.
#[derive(Debug)]
pub(crate) struct Choices<T: 'static> {
    /// As messages name it: "a mode".
    pub(crate) what: &'static str,
    pub(crate) known: &'static [(&'static str, T)],
    /// Other spellings that are taken as well.
    pub(crate) also: &'static [(&'static str, T)],
    /// Words that will mean something one day.
    pub(crate) later: &'static [&'static str],
}

impl<T: Clone> Choices<T> {
    /// What a word stands for.
    pub(crate) fn find(&self, word: &str) -> Option<T> {
        self.known.iter().chain(self.also).find(|(name, _)| *name == word).map(|(_, value)| value.clone())
    }

    /// The words as a sentence lists them.
    pub(crate) fn listed(&self) -> String {
        list(self.known.iter().map(|(name, _)| *name), "or")
    }
}

pub(crate) const MODES: Choices<Mode> = Choices {
    what: "a mode",
    known: &[("tcp", Mode::Tcp), ("http", Mode::Http)],
    also: &[],
    later: &["log", "spop"],
};

pub(crate) const SPLICES: Choices<Splice> = Choices {
    what: "a way to splice",
    known: &[("auto", Splice::Auto), ("off", Splice::Off)],
    also: &[],
    later: &[],
};

pub(crate) const SERVER_HTTPS: Choices<ServerHttp> = Choices {
    what: "a version of HTTP",
    known: &[("http1", ServerHttp::Http1), ("h2", ServerHttp::H2), ("auto", ServerHttp::Auto)],
    also: &[("http2", ServerHttp::H2)],
    later: &["h3"],
};

pub(crate) const ACCEPTS: Choices<Accept> = Choices {
    what: "a way to accept",
    known: &[("balanced", Accept::Balanced), ("local", Accept::Local)],
    also: &[],
    later: &[],
};

/// The form of a PROXY header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ProxyVersion {
    V1,
    V2,
}

pub(crate) const PROXY_VERSIONS: Choices<ProxyVersion> = Choices {
    what: "a version of the PROXY protocol",
    known: &[("v1", ProxyVersion::V1), ("v2", ProxyVersion::V2)],
    also: &[],
    later: &[],
};

/// What a PROXY header of version 2 may carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ProxyTlv {
    Alpn,
    Authority,
    UniqueId,
    Crc32c,
}

pub(crate) const PROXY_TLVS: Choices<ProxyTlv> = Choices {
    what: "a TLV of the PROXY protocol",
    known: &[
        ("alpn", ProxyTlv::Alpn),
        ("authority", ProxyTlv::Authority),
        ("unique_id", ProxyTlv::UniqueId),
        ("crc32c", ProxyTlv::Crc32c),
    ],
    also: &[],
    later: &["ssl", "cert_cn", "netns"],
};

/// What a route may ask of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Condition {
    Sni,
}

pub(crate) const CONDITIONS: Choices<Condition> = Choices {
    what: "a condition",
    known: &[("sni", Condition::Sni)],
    also: &[],
    later: &[
        "all",
        "any",
        "not",
        "named",
        "host",
        "path",
        "method",
        "header",
        "query",
        "cookie",
        "source",
        "websocket",
        "tls",
    ],
};

pub(crate) const LEVELS: Choices<Level> = Choices {
    what: "a level",
    known: &[("user", Level::User), ("operator", Level::Operator), ("admin", Level::Admin)],
    also: &[],
    later: &[],
};

pub(crate) const RETRY_ON: Choices<Reason> = Choices {
    what: "a reason to retry",
    known: &[
        ("conn_failure", Reason::ConnFailure),
        ("empty_response", Reason::EmptyResponse),
        ("junk_response", Reason::JunkResponse),
        ("response_timeout", Reason::ResponseTimeout),
    ],
    also: &[],
    later: &["early_data_rejected", "all_retryable_errors"],
};

/// A header that tells servers about the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ForwardHeader {
    For,
    Proto,
    Host,
    Port,
    Forwarded,
    Via,
}

pub(crate) const FORWARD_HEADERS: Choices<ForwardHeader> = Choices {
    what: "a forward header",
    known: &[
        ("x_forwarded_for", ForwardHeader::For),
        ("x_forwarded_proto", ForwardHeader::Proto),
        ("x_forwarded_host", ForwardHeader::Host),
        ("x_forwarded_port", ForwardHeader::Port),
        ("forwarded", ForwardHeader::Forwarded),
        ("via", ForwardHeader::Via),
    ],
    also: &[],
    later: &["x_real_ip"],
};

/// `a`, `b` and `c`, each in backticks.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>, and: &str) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} {and} {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_as_in_a_sentence() {
        assert_eq!(list([], "or"), "");
        assert_eq!(list(["a"], "or"), "`a`");
        assert_eq!(list(["a", "b", "c"], "or"), "`a`, `b` or `c`");
    }
}
