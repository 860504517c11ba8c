//! Checks without a network: each ends as the server it asks is at that moment.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use proto::addr::Address;
use proxyd::clock::{self, Instant};
use proxyd::config::Check;
use proxyd::health::prober::{Asking, Prober};
use proxyd::model::backend::Backend;
use proxyd::model::server::{CheckStatus, Outcome, Server};

use crate::world::{Truth, World};

/// Who stands in for the network.
pub(crate) struct Simulated(pub(crate) Rc<World>);

/// What is known of one server's checks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// A probe is under way.
    pub(crate) now: bool,
    /// When the last one began and ended.
    pub(crate) began: Option<Instant>,
    pub(crate) ended: Option<Instant>,
    /// Results in a row since anything else happened to the server.
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    /// Since when nothing but checks happened to it, and they were to be sent.
    pub(crate) undisturbed: Option<Instant>,
}

/// By `backend/server`.
pub(crate) type Probes = BTreeMap<String, Asked>;

impl Prober for Simulated {
    fn ask<'a>(&'a self, _: &'a Address, _: &'a Backend, server: &'a Server, _: &'a Check) -> Asking<'a> {
        let (world, path) = (Rc::clone(&self.0), server.path());
        Box::pin(async move {
            let began = clock::now();
            world.probe(&path, |asked| (asked.now, asked.began) = (true, Some(began)));
            let timeout = world.check_of(&path).map_or(Duration::from_secs(1), |check| check.timeout);
            let soon = Duration::from_millis(world.dice.borrow_mut().between(1, 20)).min(timeout / 2);
            let (status, takes) = match world.truth(&path) {
                Truth::Well => (CheckStatus::L4Ok, soon),
                Truth::Refuses => (CheckStatus::L4Con, soon),
                Truth::Hangs => (CheckStatus::L4Timeout, timeout),
            };
            tokio::time::sleep(takes).await;
            world.probe(&path, |asked| {
                (asked.now, asked.ended) = (false, Some(clock::now()));
                // A check that was under way when something happened may say nothing any more.
                if asked.undisturbed.is_none_or(|since| since < began) {
                    (asked.passed, asked.failed) =
                        if status.passed() { (asked.passed + 1, 0) } else { (0, asked.failed + 1) };
                }
            });
            world.say(&format!("check of {path}: {}", status.word()));
            Outcome {
                status,
                code: None,
                duration: clock::now() - began,
                info: String::new(),
                answer: Box::default(),
            }
        })
    }
}
