//! Backends in panic and servers that were left out, as `/metrics` tells it.

use std::io::Write as _;

use crate::model::backend::Backend;
use crate::model::panic::Belief;
use crate::model::server::Fault;
use crate::model::snapshot::Snapshot;
use crate::stats::cells::Count;

/// Adds what is said of backends. What never happened has a line too, so that its first time is a step.
pub(super) fn of_backends(text: &mut Vec<u8>, snapshot: &Snapshot) {
    let backends: Vec<&Backend> = snapshot
        .backends
        .iter()
        .map(|backend| &**backend)
        .filter(|backend| backend.panic.is_some())
        .collect();
    if backends.is_empty() {
        return;
    }
    // Writing to a Vec cannot fail, and names of proxies and servers need no escapes.
    let mut family = |name: &str, kind: &str, help: &str, value: fn(&Backend) -> u64| {
        let _infallible = write!(text, "\n# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for backend in &backends {
            let _infallible = writeln!(text, "{name}{{proxy=\"{}\"}} {}", backend.name, value(backend));
        }
    };
    family(
        "proxyd_backend_panic",
        "gauge",
        "Whether so few servers of the backend are up that health is not believed",
        |backend| u64::from(backend.live.panic.belief() != Belief::Health),
    );
    family("proxyd_backend_panics_total", "counter", "Times the backend went into panic", |backend| {
        backend.live.panic.times.total()
    });
}

/// Adds what is said of servers, as far as their backends ask for it.
pub(super) fn of_servers(text: &mut Vec<u8>, snapshot: &Snapshot) {
    let judged: Vec<&Backend> = snapshot
        .backends
        .iter()
        .map(|backend| &**backend)
        .filter(|backend| backend.eject.is_some())
        .collect();
    if !judged.is_empty() {
        let name = "proxyd_server_ejections_total";
        let help = "Times a server was left out for doing worse than the others, by what it did worse";
        let _infallible = write!(text, "\n# HELP {name} {help}\n# TYPE {name} counter\n");
        for server in judged.iter().flat_map(|backend| &backend.servers) {
            for (fault, reason) in [(Fault::Errors, "errors"), (Fault::Latency, "latency")] {
                let count = server.ejections[fault as usize].total();
                let _infallible = writeln!(
                    text,
                    "{name}{{proxy=\"{}\",server=\"{}\",reason=\"{reason}\"}} {count}",
                    server.backend, server.name
                );
            }
        }
        let name = "proxyd_server_ejected";
        let help = "Whether the server is left out now";
        let _infallible = write!(text, "\n# HELP {name} {help}\n# TYPE {name} gauge\n");
        for server in judged.iter().flat_map(|backend| &backend.servers) {
            let out = u8::from(server.control().state.ejected);
            let _infallible =
                writeln!(text, "{name}{{proxy=\"{}\",server=\"{}\"}} {out}", server.backend, server.name);
        }
    }
    if snapshot.backends.iter().any(|backend| backend.dismisses) {
        let name = "proxyd_server_sessions_ended_total";
        let help = "Requests and sessions that ended because a server was marked down or up";
        let _infallible = write!(text, "\n# HELP {name} {help}\n# TYPE {name} counter\n");
        let backends = snapshot.backends.iter().filter(|backend| backend.dismisses);
        for server in backends.flat_map(|backend| &backend.servers) {
            let count = server.stats.raw(Count::EndedByVerdict);
            let _infallible =
                writeln!(text, "{name}{{proxy=\"{}\",server=\"{}\"}} {count}", server.backend, server.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::config::{Eject, Panic, PanicMode};
    use crate::model::absence::Absence;
    use crate::model::change::Cause;
    use crate::model::state::Event;
    use crate::model::testing::{self, SECOND};

    #[test]
    fn what_is_asked_for_is_told() {
        let mut text = Vec::new();
        let plain = testing::shared();
        of_backends(&mut text, &plain.snapshot());
        of_servers(&mut text, &plain.snapshot());
        assert_eq!(text, b"");
        let mut config = testing::config();
        let app = &mut config.backends[0];
        app.panic = Some(Panic { below: 60, then: PanicMode::All });
        app.eject = Some(Eject {
            errors: Some(50),
            latency: None,
            window: SECOND,
            base: SECOND,
            most: 50,
            min_requests: 1,
        });
        app.servers[0].verdict.ends_sessions = true;
        app.servers[2].backup = false;
        let shared = testing::shared_of(&config);
        let snapshot = shared.snapshot();
        let backend = snapshot.backend("app").unwrap();
        let absence = Absence::after(None, clock::now(), SECOND);
        shared.eject(backend, &backend.servers[0], absence, Fault::Errors, "because");
        let cause = Cause::Command { by: "test", line: "" };
        shared.server_event(backend, &backend.servers[1], Event::HealthDown, cause);
        of_backends(&mut text, &snapshot);
        of_servers(&mut text, &snapshot);
        let text = String::from_utf8(text).unwrap();
        for line in [
            "proxyd_backend_panic{proxy=\"app\"} 1\n",
            "proxyd_backend_panics_total{proxy=\"app\"} 1\n",
            "proxyd_server_ejections_total{proxy=\"app\",server=\"app1\",reason=\"errors\"} 1\n",
            "proxyd_server_ejections_total{proxy=\"app\",server=\"app1\",reason=\"latency\"} 0\n",
            "proxyd_server_ejected{proxy=\"app\",server=\"app1\"} 1\n",
            "proxyd_server_ejected{proxy=\"app\",server=\"app2\"} 0\n",
            "proxyd_server_sessions_ended_total{proxy=\"app\",server=\"spare\"} 0\n",
        ] {
            assert!(text.contains(&format!("\n{line}")), "{line}{text}");
        }
    }
}
