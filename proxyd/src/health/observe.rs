//! Too many errors of a server's traffic: what is done about them, as HAProxy does it.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::SUPERVISION;
use crate::config::OnError;
use crate::model::backend::Backend;
use crate::model::change::Cause;
use crate::model::server::Server;
use crate::model::shared::Shared;
use crate::model::state::Event;
use crate::model::traffic::Excess;

/// Which task listens for which server of which backend; both may be new after a reload.
type Key = (*const Backend, *const Server);

/// Listens to the traffic of all servers that are observed, of the graph of now and of those that follow.
pub async fn run(shared: Arc<Shared>) {
    let mut tasks: HashMap<Key, JoinHandle<()>> = HashMap::new();
    loop {
        let mut published = pin!(shared.published.notified());
        published.as_mut().enable();
        let snapshot = shared.snapshot();
        let mut wanted = HashMap::new();
        for backend in &snapshot.backends {
            for server in backend.servers.iter().filter(|server| server.traffic.is_some()) {
                let key = (Arc::as_ptr(backend), Arc::as_ptr(server));
                let task = tasks.remove(&key).filter(|task| !task.is_finished()).unwrap_or_else(|| {
                    let (shared, backend) = (Arc::clone(&shared), Arc::clone(backend));
                    tokio::task::spawn_local(listen(shared, backend, Arc::clone(server)))
                });
                wanted.insert(key, task);
            }
        }
        for task in tasks.into_values() {
            task.abort();
        }
        tasks = wanted;
        tokio::select! {
            () = published => {}
            () = tokio::time::sleep(SUPERVISION) => {}
        }
    }
}

async fn listen(shared: Arc<Shared>, backend: Arc<Backend>, server: Arc<Server>) {
    let Some(traffic) = &server.traffic else { return };
    loop {
        let excess = traffic.excess().await;
        act(&shared, &backend, &server, traffic.conf().on_error, excess);
    }
}

fn act(shared: &Shared, backend: &Backend, server: &Server, on_error: OnError, excess: Excess) {
    let Excess { errors, last } = excess;
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
            let outcome = control.check.outcome.map(|outcome| outcome.to_string());
            let words =
                "Health analyze, info: \"Detected 10 consecutive errors, last one was: Wrong http response\"";
            assert_eq!(outcome.as_deref(), (word != "UP").then_some(words));
        }
    }
}
