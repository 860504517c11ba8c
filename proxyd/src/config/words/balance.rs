//! Algorithms.

use super::Choices;
use crate::config::Algorithm;

pub(crate) const ALGORITHMS: Choices<Algorithm> = Choices {
    what: "a balance algorithm",
    known: &[("round_robin", Algorithm::RoundRobin), ("least_conn", Algorithm::LeastConn)],
    also: &[("roundrobin", Algorithm::RoundRobin), ("leastconn", Algorithm::LeastConn)],
    later: &[
        "first",
        "random",
        "hash",
        "source",
        "uri",
        "url_param",
        "hdr",
        "rdp_cookie",
        "static_rr",
        "sticky",
    ],
};
