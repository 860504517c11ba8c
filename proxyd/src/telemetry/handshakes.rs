//! TLS handshakes, as `/metrics` tells of them.

use std::fmt;
use std::io::Write as _;

use crate::model::snapshot::Snapshot;
use crate::net::tls::failure::Failure;
use crate::stats::cells::{Count, Sharded};

/// Adds the families of frontends. What never happened has a line too, so that its first time is a step and not a new
/// series.
pub(super) fn of_clients(text: &mut Vec<u8>, snapshot: &Snapshot) {
    let frontends = || snapshot.frontends.iter().filter(|f| f.binds.iter().any(|bind| bind.tls.is_some()));
    if frontends().next().is_none() {
        return;
    }
    let name = "proxyd_tls_handshakes_total";
    // Writing to a Vec cannot fail, and names of proxies need no escapes.
    let _infallible =
        write!(text, "\n# HELP {name} TLS handshakes of clients that went well\n# TYPE {name} counter\n");
    for frontend in frontends() {
        went_well(text, name, format_args!("proxy=\"{}\"", frontend.name), &frontend.live.stats);
    }
    let _infallible = write!(
        text,
        "\n# HELP proxyd_tls_failures_total TLS handshakes of clients that failed\n\
         # TYPE proxyd_tls_failures_total counter\n"
    );
    for frontend in frontends() {
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

/// Handshakes that went well, by whether a session went on.
fn went_well(text: &mut Vec<u8>, name: &str, labels: fmt::Arguments<'_>, stats: &Sharded) {
    let resumed = stats.raw(Count::Resumptions);
    let full = stats.raw(Count::Handshakes).saturating_sub(resumed);
    // Writing to a Vec cannot fail.
    let _infallible = write!(
        text,
        "{name}{{{labels},resumed=\"no\"}} {full}\n{name}{{{labels},resumed=\"yes\"}} {resumed}\n"
    );
}

/// Adds the families of servers.
pub(super) fn with_servers(text: &mut Vec<u8>, snapshot: &Snapshot) {
    let servers = snapshot.backends.iter().flat_map(|backend| &backend.servers);
    let servers = servers.filter(|server| server.tls.is_some());
    if servers.clone().next().is_none() {
        return;
    }
    let name = "proxyd_server_tls_handshakes_total";
    let _infallible =
        write!(text, "\n# HELP {name} TLS handshakes with a server that went well\n# TYPE {name} counter\n");
    for server in servers.clone() {
        let labels = format_args!("proxy=\"{}\",server=\"{}\"", server.backend, server.name);
        went_well(text, name, labels, &server.stats);
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
