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
    let checks = man(&shared, checked, |Asked { server, check, beat }| {
        let random = Random::new(seeds.below(u32::MAX as usize) as u64);
        let series = Series { shared: Arc::clone(&shared), server, check, beat, random };
        series.run(Rc::clone(&prober))
    });
    tokio::join!(checks, agent::run(&shared, &prober), observe::run(&shared), outlier::run(&shared));
}

/// A server that is checked, and when it is first.
struct Asked {
    server: Arc<Server>,
    check: Arc<Check>,
    beat: Beat,
}

/// All of them; who tracks another is not asked itself.
fn checked(snapshot: &Snapshot) -> Posts<Asked> {
    let servers = snapshot.backends.iter().flat_map(|backend| &backend.servers);
    let own = servers.filter(|server| server.verdict.track.is_none());
    let servers = own.filter_map(|server| Some((server, server.check.as_ref()?)));
    let (start, n) = (clock::now(), servers.clone().count());
    let asked = servers.enumerate().map(|(i, (server, check))| {
        let beat = Beat::first(start, &check.timing, i, n);
        (Post::server(server), Asked { server: Arc::clone(server), check: Arc::clone(check), beat })
    });
    asked.collect()
}

/// The checks of one server, which go on from one graph to the next.
struct Series {
    shared: Arc<Shared>,
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
        let Self { shared, server, check, .. } = self;
        let Some(backend) = shared.backend_of(server) else { return };
        let (moves, address, place) = (server.moves(), server.address(), server.check_place());
        let outcome = {
            let _checking = server.checks.begin();
            prober.ask(&address, &backend, server, check).await
        };
        // What was found at an address the server, or its checks, have left says nothing about it.
        if server.moves() == moves && server.check_place() == place {
            let event = match outcome.status {
                CheckStatus::L7OkConditional => Event::CheckStopping,
                status if status.passed() => Event::CheckPassed,
                _ => Event::CheckFailed,
            };
            shared.server_event(&backend, server, event, Cause::Check(&outcome));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proto::addr::Address;

    use super::*;
    use crate::config::Agent;
    use crate::health::prober::{Asking, Consulting};
    use crate::model::backend::Backend;
    use crate::model::server::Outcome;
    use crate::model::testing;

    /// Finds everybody well in ten milliseconds, and writes down who was asked when.
    struct Asks {
        start: clock::Instant,
        all: RefCell<BTreeMap<String, Vec<u64>>>,
    }

    impl Asks {
        fn note(&self, who: String) {
            let at = (clock::now() - self.start).as_millis() as u64;
            self.all.borrow_mut().entry(who).or_default().push(at);
        }
    }

    async fn answer() -> Outcome {
        let duration = Duration::from_millis(10);
        tokio::time::sleep(duration).await;
        let (info, answer) = (String::new(), Box::default());
        Outcome { status: CheckStatus::L4Ok, code: None, duration, info, answer }
    }

    impl Prober for Asks {
        fn ask<'a>(&'a self, _: &'a Address, _: &'a Backend, server: &'a Server, _: &'a Check) -> Asking<'a> {
            self.note(server.name.to_string());
            Box::pin(answer())
        }

        fn consult<'a>(&'a self, server: &'a Server, _: &'a Agent) -> Consulting<'a> {
            self.note(format!("agent of {}", server.name));
            Box::pin(async { Err(answer().await) })
        }
    }

    #[tokio::test(start_paused = true, flavor = "local")]
    async fn servers_and_agents_are_asked_on_the_same_beat_through_new_graphs() {
        let mut config = testing::config();
        let agent = Agent { address: None, port: 1, interval: testing::SECOND, send: String::new() };
        config.backends[0].servers[1].verdict.agent = Some(agent);
        let shared = testing::shared_of(&config);
        let asks = Rc::new(Asks { start: clock::now(), all: RefCell::default() });
        tokio::task::spawn_local(run_by(Arc::clone(&shared), 7, Rc::<Asks>::clone(&asks)));
        // More often than anybody is asked.
        for _ in 0..14 {
            tokio::time::sleep(Duration::from_millis(220)).await;
            shared.publish(testing::snapshot(&config, Some(&shared.snapshot())));
        }
        for (who, first) in [("app1", 0), ("app2", 333), ("agent of app2", 333), ("spare", 667)] {
            let times = asks.all.borrow().get(who).cloned().unwrap_or_default();
            let on_beat = times.iter().zip(0..).all(|(at, n)| at.abs_diff(n * 1000 + first) < 5);
            assert!(times.len() >= 3 && on_beat, "{who}: {times:?}");
        }
        let app = Arc::clone(shared.snapshot().backend("app").unwrap());
        assert_eq!(app.servers[0].control().state.status().word(), "UP");
    }
}
