//! TLS handshakes, as `/metrics` tells of them.

use std::io::Write as _;

use crate::model::snapshot::Snapshot;
use crate::net::tls::failure::Failure;
use crate::stats::cells::Count;

/// Adds the family of frontends. What never happened has a line too, so that its first time is a step and not a new
/// series.
pub(super) fn of_clients(text: &mut Vec<u8>, snapshot: &Snapshot) {
    let frontends: Vec<_> =
        snapshot.frontends.iter().filter(|f| f.binds.iter().any(|bind| bind.tls.is_some())).collect();
    if frontends.is_empty() {
        return;
    }
    // Writing to a Vec cannot fail, and names of proxies need no escapes.
    let _infallible = write!(
        text,
        "\n# HELP proxyd_tls_handshakes_total TLS handshakes of clients that came to their end\n\
         # TYPE proxyd_tls_handshakes_total counter\n"
    );
    for frontend in &frontends {
        let [all, resumed] =
            [Count::Handshakes, Count::Resumptions].map(|which| frontend.live.stats.raw(which));
        for (kind, count) in [("full", all.saturating_sub(resumed)), ("resumed", resumed)] {
            let _infallible = writeln!(
                text,
                "proxyd_tls_handshakes_total{{proxy=\"{}\",kind=\"{kind}\"}} {count}",
                frontend.name,
            );
        }
    }
    let _infallible = write!(
        text,
        "\n# HELP proxyd_tls_failures_total TLS handshakes of clients that failed\n\
         # TYPE proxyd_tls_failures_total counter\n"
    );
    for frontend in frontends {
        // Who never says a word has failed at nothing.
        for failure in Failure::ALL.iter().filter(|failure| **failure != Failure::Silent) {
            let count = frontend.live.tls_failures.total(*failure as usize);
            let _infallible = writeln!(
                text,
                "proxyd_tls_failures_total{{proxy=\"{}\",reason=\"{}\"}} {count}",
                frontend.name,
                failure.label(),
            );
        }
    }
}

/// Adds the family of servers.
pub(super) fn with_servers(text: &mut Vec<u8>, snapshot: &Snapshot) {
    let servers = snapshot.backends.iter().flat_map(|backend| &backend.servers);
    let mut servers = servers.filter(|server| server.tls.is_some()).peekable();
    if servers.peek().is_none() {
        return;
    }
    let _infallible = write!(
        text,
        "\n# HELP proxyd_server_tls_failures_total TLS handshakes with a server that failed\n\
         # TYPE proxyd_server_tls_failures_total counter\n"
    );
    for server in servers {
        let count = server.stats.raw(Count::TlsFailures);
        let _infallible = writeln!(
            text,
            "proxyd_server_tls_failures_total{{proxy=\"{}\",server=\"{}\"}} {count}",
            server.backend, server.name,
        );
    }
}
