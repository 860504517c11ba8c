//! Outliers: servers that do worse than the others of their backend are left out for a while (`eject`).
//!
//! What is decided is decided by [`judge`], which is given numbers and the time and knows nothing else.

pub mod judge;

use std::sync::Arc;

use self::judge::{Act, Judge, Reading, Tally};
use super::posts::{Post, Posts, man};
use crate::clock;
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
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let readings: Vec<Reading> = backend.servers.iter().map(|server| reading(server)).collect();
        for (index, act) in judge.judge(clock::now(), &readings) {
            let server = &backend.servers[index];
            match act {
                Act::Eject { fault, reason } => shared.eject(&backend, server, fault, &reason),
                Act::Readmit { reason } => shared.readmit(&backend, server, &reason),
            }
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
    let state = server.control().state;
    Reading {
        tally,
        counts: !server.backup && server.weight() > 0 && state.is_offered(),
        is_up: state.is_up(),
        is_ejected: state.ejected,
    }
}
