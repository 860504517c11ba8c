//! How traffic is shared.

use super::Choices;
use crate::config::{Backups, HashKind, ServerKey};
use crate::hash::Function;

/// An algorithm, without what it is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AlgorithmWord {
    RoundRobin,
    StaticRr,
    LeastConn,
    First,
    Random,
    LeastLatency,
    Hashed(HashedWord),
}

/// What a request is known by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HashedWord {
    Source,
    Uri,
    UrlParam,
    Header,
    Cookie,
    Hash,
}

pub(crate) const ALGORITHMS: Choices<AlgorithmWord> = Choices {
    what: "a balance algorithm",
    known: &[
        ("round_robin", AlgorithmWord::RoundRobin),
        ("static_rr", AlgorithmWord::StaticRr),
        ("least_conn", AlgorithmWord::LeastConn),
        ("first", AlgorithmWord::First),
        ("random", AlgorithmWord::Random),
        ("least_latency", AlgorithmWord::LeastLatency),
        ("source", AlgorithmWord::Hashed(HashedWord::Source)),
        ("uri", AlgorithmWord::Hashed(HashedWord::Uri)),
        ("url_param", AlgorithmWord::Hashed(HashedWord::UrlParam)),
        ("header", AlgorithmWord::Hashed(HashedWord::Header)),
        ("cookie", AlgorithmWord::Hashed(HashedWord::Cookie)),
        ("hash", AlgorithmWord::Hashed(HashedWord::Hash)),
    ],
    also: &[
        ("roundrobin", AlgorithmWord::RoundRobin),
        ("leastconn", AlgorithmWord::LeastConn),
        ("staticrr", AlgorithmWord::StaticRr),
        ("hdr", AlgorithmWord::Hashed(HashedWord::Header)),
    ],
    later: &["rdp_cookie", "sticky"],
};

pub(crate) const BACKUPS: Choices<Backups> = Choices {
    what: "a choice of backups",
    known: &[("first", Backups::First), ("all", Backups::All)],
    also: &[],
    later: &[],
};

pub(crate) const HASH_KINDS: Choices<HashKind> = Choices {
    what: "a kind of hashing",
    known: &[
        ("map_based", HashKind::MapBased),
        ("consistent", HashKind::Consistent),
        ("maglev", HashKind::Maglev),
    ],
    also: &[],
    later: &[],
};

pub(crate) const FUNCTIONS: Choices<Function> = Choices {
    what: "a hash function",
    known: &[
        ("sdbm", Function::Sdbm),
        ("djb2", Function::Djb2),
        ("wt6", Function::Wt6),
        ("crc32", Function::Crc32),
        ("xxh3", Function::Xxh3),
        ("none", Function::None),
    ],
    also: &[],
    later: &[],
};

pub(crate) const SERVER_KEYS: Choices<ServerKey> = Choices {
    what: "what a server's places follow from",
    known: &[
        ("id", ServerKey::Id),
        ("name", ServerKey::Name),
        ("addr", ServerKey::Address),
        ("addr_port", ServerKey::AddressAndPort),
    ],
    also: &[],
    later: &["guid", "id32"],
};
