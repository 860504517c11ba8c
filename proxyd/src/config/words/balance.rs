//! How traffic is shared.

use super::Choices;
use crate::config::Backups;

/// An algorithm, without what it is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AlgorithmWord {
    RoundRobin,
    StaticRr,
    LeastConn,
    First,
    Random,
    LeastLatency,
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
    ],
    also: &[
        ("roundrobin", AlgorithmWord::RoundRobin),
        ("leastconn", AlgorithmWord::LeastConn),
        ("staticrr", AlgorithmWord::StaticRr),
    ],
    later: &["hash", "source", "uri", "url_param", "header", "hdr", "cookie", "rdp_cookie", "sticky"],
};

pub(crate) const BACKUPS: Choices<Backups> = Choices {
    what: "a choice of backups",
    known: &[("first", Backups::First), ("all", Backups::All)],
    also: &[],
    later: &[],
};
