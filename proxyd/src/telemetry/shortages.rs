//! Connections to servers for which no source address or port was free, by server, as `/metrics` tells it.

use std::io::Write as _;

use crate::model::snapshot::Snapshot;
use crate::stats::cells::Count;

/// Adds the family. What never happened has a line too, so that its first time is a step and not a new series.
pub(super) fn of_servers(text: &mut Vec<u8>, snapshot: &Snapshot) {
    // Writing to a Vec cannot fail, and names of proxies and servers need no escapes.
    let _infallible = write!(
        text,
        "\n# HELP proxyd_no_source_address_total Connections to a server for which no source address or port was free\n\
         # TYPE proxyd_no_source_address_total counter\n"
    );
    for backend in &snapshot.backends {
        for server in &backend.servers {
            let count = server.stats.raw(Count::NoAddress);
            let _infallible = writeln!(
                text,
                "proxyd_no_source_address_total{{proxy=\"{}\",server=\"{}\"}} {count}",
                backend.name, server.name,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing;

    #[test]
    fn by_server() {
        let snapshot = testing::shared().snapshot();
        let server = &snapshot.backends[0].servers[0];
        server.stats.worker(0).inc(Count::NoAddress);
        let mut text = Vec::new();
        of_servers(&mut text, &snapshot);
        let text = String::from_utf8(text).unwrap();
        let sample = |i: usize, count: u32| {
            let backend = &snapshot.backends[0];
            format!(
                "\nproxyd_no_source_address_total{{proxy=\"{}\",server=\"{}\"}} {count}\n",
                backend.name, backend.servers[i].name
            )
        };
        assert!(text.contains(&sample(0, 1)) && text.contains(&sample(1, 0)), "{text}");
    }
}
