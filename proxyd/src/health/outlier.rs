//! Outliers: servers that do worse than the others of their backend are left out for a while (`eject`).
//!
//! Who is left out is decided by [`judge`], which is given numbers and the time and knows nothing else. Who is due back is
//! known of the servers themselves, so that a task begun anew lets those back that another one left out.

pub mod judge;

use std::sync::Arc;

use proto::units::format_duration;
use tokio::time::MissedTickBehavior;

use self::judge::{Judge, Outlier, Reading, Tally};
use super::posts::{Post, Posts, man};
use crate::clock::{self, Instant};
use crate::config::Eject;
use crate::model::backend::Backend;
use crate::model::server::Server;
use crate::model::shared::Shared;
use crate::model::snapshot::Snapshot;
use crate::stats::cells::Count;

/// How often the servers are looked at within a window.
pub const LOOKS: u32 = 10;

/// Looks at the backends of the graph of now, and of those that follow, until this is dropped.
pub async fn run(shared: &Arc<Shared>) {
    man(shared, compared, |(backend, conf)| look(Arc::clone(shared), backend, conf)).await;
}

fn compared(snapshot: &Snapshot) -> Posts<(Arc<Backend>, Eject)> {
    let backends = snapshot.backends.iter();
    backends
        .filter_map(|backend| Some((Post::backend(backend), (Arc::clone(backend), backend.eject?))))
        .collect()
}

async fn look(shared: Arc<Shared>, backend: Arc<Backend>, conf: Eject) {
    let mut judge = Judge::new(conf, backend.servers.len());
    let mut ticks = tokio::time::interval(conf.window / LOOKS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let back = backend.servers.iter().filter_map(|server| server.absence()).map(|out| out.until).min();
        tokio::select! {
            biased;
            () = until(back) => readmit(&shared, &backend, clock::now()),
            _ = ticks.tick() => {
                let readings: Vec<Reading> = backend.servers.iter().map(|server| reading(server)).collect();
                for Outlier { index, absence, fault, reason } in judge.judge(clock::now(), &readings) {
                    shared.eject(&backend, &backend.servers[index], absence, fault, &reason);
                }
            }
        }
    }
}

/// Never, without a time.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Takes in again those whose time is over.
fn readmit(shared: &Shared, backend: &Backend, now: Instant) {
    for server in &backend.servers {
        if let Some(out) = server.absence().filter(|out| out.until <= now) {
            let reason = format!("its {} are over", format_duration(out.length));
            shared.readmit(backend, server, &reason);
        }
    }
}

fn reading(server: &Server) -> Reading {
    let count = |which| server.stats.raw(which);
    let failures = [
        Count::Status5xx,
        Count::ConnectErrors,
        Count::ResponseErrors,
        // What was tried again had failed here.
        Count::Retries,
        Count::Redispatches,
    ];
    let tally = Tally {
        requests: count(Count::Sessions),
        failures: failures.into_iter().map(count).sum(),
        answers: count(Count::TimedAnswers),
        answer_us: count(Count::AnswerTime),
    };
    let control = server.control();
    let state = control.state;
    Reading {
        tally,
        counts: !server.backup && server.weight() > 0 && state.is_offered(),
        is_up: state.is_up(),
        is_ejected: state.ejected,
        last: control.absence,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::{JoinHandle, spawn_local};

    use super::*;
    use crate::config::Config;
    use crate::model::change::Cause;
    use crate::model::state::Event;
    use crate::model::testing::{self, SECOND};

    const BASE: Duration = Duration::from_secs(35);

    /// Looked at every ten seconds, which is never when a time is over.
    fn config() -> Config {
        let mut config = testing::config();
        config.backends[0].servers[2].backup = false;
        config.backends[0].eject = Some(Eject {
            errors: Some(50),
            latency: None,
            window: SECOND * 100,
            base: BASE,
            most: 50,
            min_requests: 10,
        });
        config
    }

    fn begin(shared: &Arc<Shared>) -> JoinHandle<()> {
        let shared = Arc::clone(shared);
        spawn_local(async move { run(&shared).await })
    }

    fn server(shared: &Shared) -> Arc<Server> {
        Arc::clone(&shared.snapshot().backend("app").unwrap().servers[0])
    }

    fn is_out(shared: &Shared) -> bool {
        server(shared).absence().is_some()
    }

    /// Has the first one fail all that it is sent, until it is left out.
    async fn fail(shared: &Shared) {
        while !is_out(shared) {
            for server in &shared.snapshot().backend("app").unwrap().servers {
                server.stats.worker(0).add(Count::Sessions, 20);
            }
            server(shared).stats.worker(0).add(Count::ConnectErrors, 20);
            tokio::time::sleep(SECOND).await;
        }
    }

    #[tokio::test(start_paused = true, flavor = "local")]
    async fn it_is_back_in_time_whoever_left_it_out() {
        let shared = testing::shared_of(&config());
        let first = begin(&shared);
        fail(&shared).await;
        let until = server(&shared).absence().unwrap().until;
        assert!(until > clock::now() + BASE * 9 / 10);
        first.abort();
        tokio::time::sleep_until(until + SECOND * 5).await;
        assert!(is_out(&shared), "nobody is there to let it back");
        let second = begin(&shared);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(!is_out(&shared), "it was due");
        // What the first one knew is known: it goes for twice as long, and is back to the millisecond.
        fail(&shared).await;
        let out = server(&shared).absence().unwrap();
        assert_eq!(out.length, BASE * 2);
        second.abort();
        let _third = begin(&shared);
        tokio::time::sleep_until(out.until - Duration::from_millis(1)).await;
        assert!(is_out(&shared));
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(!is_out(&shared));
        let history = server(&shared).history();
        assert_eq!(&*history.last().unwrap().reason, "its 70s are over");
    }

    #[tokio::test(start_paused = true, flavor = "local")]
    async fn a_new_graph_lets_it_back_in_time() {
        let shared = testing::shared_of(&config());
        let _task = begin(&shared);
        fail(&shared).await;
        let until = server(&shared).absence().unwrap().until;
        shared.publish(testing::snapshot(&config(), Some(&shared.snapshot())));
        tokio::time::sleep_until(until - Duration::from_millis(1)).await;
        assert!(is_out(&shared), "a new graph is no reason to take it in");
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(!is_out(&shared));
        // Who was taken in by hand was out all the same.
        fail(&shared).await;
        let by_hand = Cause::Command { by: "test", line: "" };
        let snapshot = shared.snapshot();
        shared.server_event(snapshot.backend("app").unwrap(), &server(&shared), Event::Ready, by_hand);
        assert!(!is_out(&shared));
        fail(&shared).await;
        assert_eq!(server(&shared).absence().unwrap().length, BASE * 3);
    }

    #[tokio::test(start_paused = true, flavor = "local")]
    async fn where_none_is_left_out_any_more_it_is_back_at_once() {
        let shared = testing::shared_of(&config());
        let _task = begin(&shared);
        fail(&shared).await;
        let mut config = config();
        config.backends[0].eject = None;
        shared.publish(testing::snapshot(&config, Some(&shared.snapshot())));
        assert!(!is_out(&shared));
        let lineup = shared.snapshot().backend("app").unwrap().lineup();
        assert_eq!(*lineup.active.members, [0, 1, 2]);
    }
}
