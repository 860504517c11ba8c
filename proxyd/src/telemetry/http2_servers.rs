//! Connections of HTTP/2 to servers that were ended and streams that were reset, by server and reason, as `/metrics`
//! tells it.

use std::io::Write as _;

use crate::config::ServerHttp;
use crate::http::parting::Parting;
use crate::model::server::Server;
use crate::model::snapshot::Snapshot;

const FAMILIES: [(Parting, &str, &str); 4] = [
    (
        Parting::Ended,
        "proxyd_http2_servers_connections_ended_total",
        "Connections of HTTP/2 that proxyd ended, by the code the server was told; no_error is one of no more use",
    ),
    (
        Parting::Left,
        "proxyd_http2_servers_goaways_total",
        "Connections of HTTP/2 that the server ended, by the code it told",
    ),
    (
        Parting::Reset,
        "proxyd_http2_servers_streams_reset_total",
        "Streams of HTTP/2 that proxyd reset, by the code the server was told",
    ),
    (
        Parting::Refused,
        "proxyd_http2_servers_streams_refused_total",
        "Streams of HTTP/2 that the server reset, by the code it told",
    ),
];
const SILENCES: (&str, &str) = (
    "proxyd_http2_servers_silences_total",
    "Connections of HTTP/2 that get no more requests, since a PING was not answered in time",
);

/// Adds the families. What never happened has a line too, so that its first time is a step and not a new series.
pub(super) fn exposition(text: &mut Vec<u8>, snapshot: &Snapshot) {
    let servers: Vec<&Server> = snapshot
        .backends
        .iter()
        .flat_map(|backend| &backend.servers)
        .map(|server| &**server)
        .filter(|server| server.uplink.http != ServerHttp::Http1)
        .collect();
    if servers.is_empty() {
        return;
    }
    // Writing to a Vec cannot fail, and names of proxies and servers need no escapes.
    for (parting, name, help) in FAMILIES {
        let _infallible = write!(text, "\n# HELP {name} {help}\n# TYPE {name} counter\n");
        for server in &servers {
            for (place, reason) in parting.places() {
                let count = server.partings.total(place);
                let _infallible = writeln!(
                    text,
                    "{name}{{proxy=\"{}\",server=\"{}\",reason=\"{reason}\"}} {count}",
                    server.backend, server.name
                );
            }
        }
    }
    let (name, help) = SILENCES;
    let _infallible = write!(text, "\n# HELP {name} {help}\n# TYPE {name} counter\n");
    for server in &servers {
        let count = server.partings.total(Parting::SILENCE);
        let _infallible =
            writeln!(text, "{name}{{proxy=\"{}\",server=\"{}\"}} {count}", server.backend, server.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing;

    #[test]
    fn by_server_and_reason() {
        let shared = testing::shared();
        let mut text = Vec::new();
        exposition(&mut text, &shared.snapshot());
        assert_eq!(text, b"", "none of them speaks it");
    }
}
