//! Stick tables.

use super::Choices;
use crate::config::table::{Data, StickRule};

/// The type of a table's keys, without its length.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeyWord {
    Ip,
    Ipv6,
    Integer,
    String,
    Binary,
}

pub(crate) const KEYS: Choices<KeyWord> = Choices {
    what: "a type of key",
    known: &[
        ("ip", KeyWord::Ip),
        ("ipv6", KeyWord::Ipv6),
        ("integer", KeyWord::Integer),
        ("string", KeyWord::String),
        ("binary", KeyWord::Binary),
    ],
    also: &[("ipv4", KeyWord::Ip)],
    later: &[],
};

pub(crate) const STICKS: Choices<StickRule> = Choices {
    what: "a stick rule",
    known: &[
        ("on", StickRule::On),
        ("match", StickRule::Match),
        ("store_request", StickRule::StoreRequest),
        ("store_response", StickRule::StoreResponse),
    ],
    also: &[],
    later: &[],
};

pub(crate) const DATA: Choices<Data> = Choices {
    what: "what a table can store",
    known: Data::NAMED,
    also: &[("server_name", Data::ServerKey)],
    later: &[],
};
