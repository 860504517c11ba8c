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
mod posts;
pub mod probe;
pub mod prober;
pub mod redis;
pub mod script;
pub mod smtp;
pub mod talk;
pub mod turn;

use std::rc::Rc;
use std::sync::Arc;

use crate::balance::Random;
use crate::clock;
use crate::config::Check;
use crate::model::backend::Backend;
use crate::model::change::Cause;
use crate::model::server::{CheckStatus, Server};
use crate::model::shared::Shared;
use crate::model::snapshot::Snapshot;
use crate::model::state::Event;
use beat::{Beat, gap};
use posts::{Post, Posts, man};
use prober::{Network, Prober};

/// Asks all servers of the graph of now, and of those that follow, until this is dropped.
pub async fn run(shared: Arc<Shared>, seed: u64) {
    run_by(shared, seed, Rc::new(Network)).await;
}

/// The same, by somebody else's means; intervals vary as `seed` says.
pub async fn run_by(shared: Arc<Shared>, seed: u64, prober: Rc<dyn Prober>) {
    let mut seeds = Random::new(seed);
    let checks = man(&shared, checked, |Asked { backend, server, check, beat }| {
        let random = Random::new(seeds.below(u32::MAX as usize) as u64);
        let series = Series { shared: Arc::clone(&shared), backend, server, check, beat, random };
        series.run(Rc::clone(&prober))
    });
    tokio::join!(checks, agent::run(&shared, &prober), observe::run(&shared), outlier::run(&shared));
}

/// A server that is checked, and when it is first.
struct Asked {
    backend: Arc<Backend>,
    server: Arc<Server>,
    check: Arc<Check>,
    beat: Beat,
}

/// All of them; who tracks another is not asked itself.
fn checked(snapshot: &Snapshot) -> Posts<Asked> {
    let servers = snapshot.backends.iter().flat_map(|backend| {
        let own = backend.servers.iter().filter(|server| server.verdict.track.is_none());
        own.filter_map(move |server| Some((backend, server, server.check.as_ref()?)))
    });
    let (start, n) = (clock::now(), servers.clone().count());
    let asked = servers.enumerate().map(|(i, (backend, server, check))| {
        let beat = Beat::first(start, &check.timing, i, n);
        let (backend, server, check) = (Arc::clone(backend), Arc::clone(server), Arc::clone(check));
        (Post::server(&backend, &server), Asked { backend, server, check, beat })
    });
    asked.collect()
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
            let _checking = server.checks.begin();
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
