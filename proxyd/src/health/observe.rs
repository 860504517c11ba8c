//! Too many errors of a server's traffic: what is done about them, as HAProxy does it.

use std::sync::Arc;

use super::posts::{Post, Posts, man};
use crate::config::OnError;
use crate::model::backend::Backend;
use crate::model::change::Cause;
use crate::model::server::Server;
use crate::model::shared::Shared;
use crate::model::snapshot::Snapshot;
use crate::model::state::Event;
use crate::model::traffic::Excess;

/// Listens to the traffic of all servers that are observed, of the graph of now and of those that follow, until this is
/// dropped.
pub async fn run(shared: &Arc<Shared>) {
    man(shared, observed, |server| listen(Arc::clone(shared), server)).await;
}

fn observed(snapshot: &Snapshot) -> Posts<Arc<Server>> {
    let servers = snapshot.backends.iter().flat_map(|backend| &backend.servers);
    let observed = servers.filter(|server| server.traffic.is_some());
    observed.map(|server| (Post::server(server), Arc::clone(server))).collect()
}

async fn listen(shared: Arc<Shared>, server: Arc<Server>) {
    let Some(traffic) = &server.traffic else { return };
    loop {
        let excess = traffic.excess().await;
        if let Some(backend) = shared.backend_of(&server) {
            act(&shared, &backend, &server, traffic.conf().on_error, excess);
        }
    }
}

fn act(shared: &Shared, backend: &Backend, server: &Server, on_error: OnError, excess: Excess) {
    let Excess { errors, last } = excess;
    server.excesses.inc();
    let words = format!("Detected {errors} consecutive errors, last one was: {}", last.text());
    let event = match on_error {
        OnError::FastInterval => None,
        OnError::FailCheck => Some(Event::CheckFailed),
        OnError::SuddenDeath => Some(Event::SuddenDeath),
        OnError::MarkDown => Some(Event::MarkDown),
    };
    if let Some(event) = event {
        shared.server_event(backend, server, event, Cause::Traffic(&words));
    }
    server.check_soon();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing;
    use crate::model::traffic::Sight;

    #[test]
    fn what_is_done() {
        let passed = Cause::Command { by: "test", line: "" };
        for (on_error, word) in [
            (OnError::FastInterval, "UP"),
            (OnError::FailCheck, "UP 2/3"),
            (OnError::SuddenDeath, "UP 1/3"),
            (OnError::MarkDown, "DOWN"),
        ] {
            let shared = testing::shared();
            let snapshot = shared.snapshot();
            let backend = snapshot.backend("app").unwrap();
            let server = &backend.servers[0];
            shared.server_event(backend, server, Event::CheckPassed, passed);
            act(&shared, backend, server, on_error, Excess { errors: 10, last: Sight::WrongAnswer });
            let control = server.control();
            assert_eq!(server.status_word(&control.state), word);
            assert_eq!(server.excesses.total(), 1);
            let outcome = control.check.outcome.map(|outcome| outcome.to_string());
            let words =
                "Health analyze, info: \"Detected 10 consecutive errors, last one was: Wrong http response\"";
            assert_eq!(outcome.as_deref(), (word != "UP").then_some(words));
        }
    }
}
