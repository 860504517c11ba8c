//! Connections of HTTP/2 that were ended and streams that were reset, by frontend and reason, as `/metrics` tells it.

use std::io::Write as _;

use crate::config::Mode;
use crate::http::ending::{CODES, Ending};
use crate::model::snapshot::Snapshot;

/// Adds the families. What never happened has a line too, so that its first time is a step and not a new series.
pub(super) fn exposition(text: &mut Vec<u8>, snapshot: &Snapshot) {
    let endings: Vec<_> = Ending::ALL.iter().map(|ending| (*ending as usize, ending.label())).collect();
    let codes: Vec<_> =
        CODES.iter().enumerate().map(|(code, label)| (Ending::COUNT + code, *label)).collect();
    family(
        text,
        snapshot,
        "proxyd_http2_connections_ended_total",
        "Connections of HTTP/2 that were ended for what the client did or did not do",
        &endings,
    );
    family(
        text,
        snapshot,
        "proxyd_http2_streams_reset_total",
        "Streams of HTTP/2 that were reset, by the code the client was told",
        &codes,
    );
}

fn family(text: &mut Vec<u8>, snapshot: &Snapshot, name: &str, help: &str, places: &[(usize, &str)]) {
    // Writing to a Vec cannot fail, and names of proxies need no escapes.
    let _infallible = write!(text, "\n# HELP {name} {help}\n# TYPE {name} counter\n");
    for frontend in snapshot.frontends.iter().filter(|frontend| frontend.mode == Mode::Http) {
        for (place, label) in places {
            let count = frontend.live.http2.total(*place);
            let _infallible =
                writeln!(text, "{name}{{proxy=\"{}\",reason=\"{label}\"}} {count}", frontend.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing;

    #[test]
    fn by_frontend_and_reason() {
        let snapshot = testing::shared().snapshot();
        let web = snapshot.frontend("web").unwrap();
        web.live.http2.inc(0, Ending::Pings as usize);
        web.live.http2.inc(0, Ending::COUNT + 1);
        let mut text = Vec::new();
        exposition(&mut text, &snapshot);
        let text = String::from_utf8(text).unwrap();
        for line in [
            "\nproxyd_http2_connections_ended_total{proxy=\"web\",reason=\"ping_flood\"} 1\n",
            "\nproxyd_http2_streams_reset_total{proxy=\"web\",reason=\"protocol_error\"} 1\n",
            "\nproxyd_http2_streams_reset_total{proxy=\"web\",reason=\"cancel\"} 0\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
