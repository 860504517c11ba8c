//! Health checks: each server is asked at its interval, whatever the workers are doing.
//!
//! Checks run on a thread of their own, a task for each server. First checks are spread over the interval, so that many
//! servers are not asked at once. What an answer means for the server's state is decided by the model.

pub mod agent;
pub mod beat;
pub mod external;
pub mod finding;
pub mod grpc;
pub mod http;
pub mod link;
pub mod mysql;
pub mod observe;
pub mod outlier;
pub mod pattern;
pub mod postgres;
pub mod probe;
pub mod prober;
pub mod redis;
pub mod script;
pub mod smtp;
pub mod talk;

use std::collections::HashMap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::balance::Random;
use crate::clock;
use crate::config::Check;
use crate::model::backend::Backend;
use crate::model::change::Cause;
use crate::model::server::{CheckStatus, Server};
use crate::model::shared::Shared;
use crate::model::state::Event;
use beat::{Beat, gap};
use prober::{Network, Prober};

/// Which task asks which server for which backend; both may be new after a reload.
type Key = (*const Backend, *const Server);

/// How often the tasks are looked after.
const SUPERVISION: Duration = Duration::from_secs(5);

/// Asks all servers of the graph of now, and of those that follow, until the task is dropped.
pub async fn run(shared: Arc<Shared>, seed: u64) {
    run_by(shared, seed, Rc::new(Network)).await;
}

/// The same, by somebody else's means; intervals vary as `seed` says.
pub async fn run_by(shared: Arc<Shared>, seed: u64, prober: Rc<dyn Prober>) {
    tokio::task::spawn_local(agent::run(Arc::clone(&shared)));
    tokio::task::spawn_local(observe::run(Arc::clone(&shared)));
    tokio::task::spawn_local(outlier::run(Arc::clone(&shared)));
    let mut seeds = Random::new(seed);
    let mut tasks: HashMap<Key, JoinHandle<()>> = HashMap::new();
    loop {
        let mut published = pin!(shared.published.notified());
        published.as_mut().enable();
        let snapshot = shared.snapshot();
        let checked = |backend: &Arc<Backend>| -> Vec<(Arc<Backend>, Arc<Server>, Arc<Check>)> {
            let servers = backend.servers.iter().filter(|server| server.verdict.track.is_none());
            let with = servers.filter_map(|server| Some((server, server.check.as_ref()?)));
            with.map(|(server, check)| (Arc::clone(backend), Arc::clone(server), Arc::clone(check))).collect()
        };
        let all: Vec<_> = snapshot.backends.iter().flat_map(checked).collect();
        let (start, n) = (clock::now(), all.len());
        let mut wanted = HashMap::with_capacity(n);
        for (i, (backend, server, check)) in all.into_iter().enumerate() {
            let key = (Arc::as_ptr(&backend), Arc::as_ptr(&server));
            // A task never ends by itself; one that panicked is begun anew.
            let task = tasks.remove(&key).filter(|task| !task.is_finished()).unwrap_or_else(|| {
                let series = Series {
                    beat: Beat::first(start, &check.timing, i, n),
                    random: Random::new(seeds.below(u32::MAX as usize) as u64),
                    shared: Arc::clone(&shared),
                    backend,
                    server,
                    check,
                };
                tokio::task::spawn_local(series.run(Rc::clone(&prober)))
            });
            wanted.insert(key, task);
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

/// The checks of one server.
struct Series {
    shared: Arc<Shared>,
    backend: Arc<Backend>,
    server: Arc<Server>,
    check: Arc<Check>,
    beat: Beat,
    random: Random,
}

impl Series {
    async fn run(mut self, prober: Rc<dyn Prober>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(self.beat.due()) => {}
                () = self.server.hurried() => {
                    self.beat.sooner(clock::now() + self.check.timing.fast_interval);
                    continue;
                }
            }
            if self.server.checks_run() {
                self.ask(&*prober).await;
            }
            let gap = gap(&self.server.control().state, &self.check.timing, &mut self.random);
            self.beat.next(clock::now(), gap);
        }
    }

    async fn ask(&self, prober: &dyn Prober) {
        let Self { backend, server, check, .. } = self;
        let (moves, address) = (server.moves(), server.address());
        let outcome = {
            let _checking = Checking::begin(server);
            prober.ask(&address, backend, server, check).await
        };
        // What was found at an address the server has left says nothing about it.
        if server.moves() == moves {
            let event = match outcome.status {
                CheckStatus::L7OkConditional => Event::CheckStopping,
                status if status.passed() => Event::CheckPassed,
                _ => Event::CheckFailed,
            };
            self.shared.server_event(backend, server, event, Cause::Check(&outcome));
        }
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
