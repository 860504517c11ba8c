//! The order of the table.

use std::cmp::Reverse;

use crate::model::server::Server;

/// What the rows are sorted by.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Sort {
    /// Severity, then load.
    #[default]
    Trouble,
    Name,
    Requests,
    Sessions,
}

impl Sort {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trouble => "trouble",
            Self::Name => "name",
            Self::Requests => "req/s",
            Self::Sessions => "sessions",
        }
    }

    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::Trouble => Self::Name,
            Self::Name => Self::Requests,
            Self::Requests => Self::Sessions,
            Self::Sessions => Self::Trouble,
        }
    }

    /// Puts indexes of servers in order; what is equal stays in the balancer's own order.
    pub fn apply(self, order: &mut [usize], servers: &[Server]) {
        let server = |&at: &usize| &servers[at];
        match self {
            Self::Trouble => order.sort_by_cached_key(|at| {
                let server = server(at);
                (server.severity(), Reverse(magnitude(server)))
            }),
            Self::Name => order.sort_by(|a, b| server(a).id.cmp(&server(b).id)),
            Self::Requests => order.sort_by_cached_key(|at| Reverse(magnitude(server(at)))),
            Self::Sessions => order.sort_by_cached_key(|at| Reverse(server(at).current())),
        }
    }
}

/// Requests a second over the last ten, in powers of two: rows of about the same load must not change places each
/// second.
fn magnitude(server: &Server) -> u32 {
    let (requests, _, ms) = server.history.window();
    requests.saturating_mul(1000).checked_div(ms).map_or(0, |rate| u64::BITS - rate.leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::{Kind, Row};

    fn server(name: &str, status: &str, scur: u64, slim: u64, qcur: u64) -> Server {
        let mut row = Row::new(Kind::Server, "app", name);
        row.status = status.into();
        (row.scur, row.slim, row.qcur) = (Some(scur), Some(slim), Some(qcur));
        Server::new(row)
    }

    #[test]
    fn trouble_comes_first() {
        let servers = [
            server("fine", "UP", 1, 10, 0),
            server("maint", "MAINT", 0, 10, 0),
            server("drain", "DRAIN", 1, 10, 0),
            server("queue", "UP", 5, 10, 3),
            server("full", "UP", 10, 10, 0),
            server("failing", "UP 1/3", 1, 10, 0),
            server("down", "DOWN", 0, 10, 0),
            server("fine2", "no check", 1, 0, 0),
        ];
        let mut order: Vec<usize> = (0..servers.len()).collect();
        Sort::Trouble.apply(&mut order, &servers);
        let names: Vec<_> = order.iter().map(|&at| servers[at].id.server.as_str()).collect();
        assert_eq!(names, ["down", "failing", "full", "queue", "drain", "maint", "fine", "fine2"]);
    }
}
