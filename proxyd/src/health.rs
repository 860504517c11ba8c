//! Health checks: each server is asked at its interval, whatever the workers are doing.
//!
//! Checks run on a thread of their own. First checks are spread over the interval, so that many servers are not asked
//! at once. What an answer means for the server's state is decided by the model.

pub mod agent;
pub mod observe;
pub mod outlier;
pub mod probe;
pub mod prober;

use std::collections::HashMap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::clock::{self, Instant};
use crate::config::Check;
use crate::model::backend::Backend;
use crate::model::change::Cause;
use crate::model::server::Server;
use crate::model::shared::Shared;
use crate::model::state::Event;
use prober::{Network, Prober};

/// Which task asks which server for which backend; both may be new after a reload.
type Key = (*const Backend, *const Server);

/// How often the tasks are looked after.
const SUPERVISION: Duration = Duration::from_secs(5);

/// Asks all servers of the graph of now, and of those that follow, until the task is dropped.
pub async fn run(shared: Arc<Shared>) {
    run_by(shared, Rc::new(Network)).await;
}

/// The same, by somebody else's means.
pub async fn run_by(shared: Arc<Shared>, prober: Rc<dyn Prober>) {
    let mut tasks: HashMap<Key, JoinHandle<()>> = HashMap::new();
    loop {
        let mut published = pin!(shared.published.notified());
        published.as_mut().enable();
        let snapshot = shared.snapshot();
        let mut wanted = HashMap::new();
        for backend in &snapshot.backends {
            let Some(check) = &backend.check else { continue };
            for (i, server) in backend.servers.iter().enumerate() {
                if server.verdict.track.is_some() {
                    continue;
                }
                let key = (Arc::as_ptr(backend), Arc::as_ptr(server));
                // A task never ends by itself; one that panicked is begun anew.
                let task = tasks.remove(&key).filter(|task| !task.is_finished()).unwrap_or_else(|| {
                    let first = clock::now() + spread(check.interval, i, backend.servers.len());
                    let (shared, backend, server) =
                        (Arc::clone(&shared), Arc::clone(backend), Arc::clone(server));
                    let prober = Rc::clone(&prober);
                    tokio::task::spawn_local(ask(shared, backend, server, check.clone(), first, prober))
                });
                wanted.insert(key, task);
            }
        }
        for (_, task) in tasks.drain() {
            task.abort();
        }
        tasks = wanted;
        tokio::select! {
            () = published => {}
            () = tokio::time::sleep(SUPERVISION) => {}
        }
    }
}

/// Server `i` of `n` is asked first at its share of the interval.
fn spread(interval: Duration, i: usize, n: usize) -> Duration {
    interval.mul_f64(i as f64 / n.max(1) as f64)
}

async fn ask(
    shared: Arc<Shared>,
    backend: Arc<Backend>,
    server: Arc<Server>,
    check: Check,
    first: Instant,
    prober: Rc<dyn Prober>,
) {
    let mut due = first;
    loop {
        tokio::time::sleep_until(due).await;
        if server.checks_run() {
            let (moves, address) = (server.moves(), server.address());
            let outcome = {
                let _checking = Checking::begin(&server);
                prober.ask(&address, &server, &check).await
            };
            // What was found at an address the server has left says nothing about it.
            if server.moves() == moves {
                let event = if outcome.status.passed() { Event::CheckPassed } else { Event::CheckFailed };
                shared.server_event(&backend, &server, event, Cause::Check(&outcome));
            }
        }
        due = next(due, clock::now(), check.interval);
    }
}

/// Marks a server as being asked, for as long as it lives.
struct Checking<'a>(&'a Server);

impl<'a> Checking<'a> {
    fn begin(server: &'a Server) -> Self {
        server.set_checking(true);
        Self(server)
    }
}

impl Drop for Checking<'_> {
    fn drop(&mut self) {
        self.0.set_checking(false);
    }
}

/// Whole intervals from the last one; those that were missed are left out.
fn next(due: Instant, now: Instant, interval: Duration) -> Instant {
    let next = due + interval;
    if next > now { next } else { now + interval }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_checks_are_spread() {
        let s = Duration::from_secs(2);
        assert_eq!([0, 1, 3].map(|i| spread(s, i, 4)), [0, 500, 1500].map(Duration::from_millis));
    }

    #[tokio::test(start_paused = true)]
    async fn checks_keep_their_beat() {
        let (start, s) = (clock::now(), Duration::from_secs(1));
        assert_eq!(next(start, start + s / 2, s), start + s);
        assert_eq!(next(start, start + s * 3, s), start + s * 4);
    }
}
