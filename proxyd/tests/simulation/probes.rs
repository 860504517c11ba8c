//! Checks and questions to agents without a network: each ends as the server, or its agent, is at that moment.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use proto::addr::Address;
use proxyd::clock::{self, Instant};
use proxyd::config::{Agent, Check};
use proxyd::health::prober::{Asking, Consulting, Prober};
use proxyd::model::backend::Backend;
use proxyd::model::server::{CheckStatus, Outcome, Server};

use crate::agents::Mood;
use crate::beginnings::Begun;
use crate::stopping;
use crate::world::{Truth, World};

/// Who stands in for the network.
pub(crate) struct Simulated(pub(crate) Rc<World>);

/// What is known of one server's checks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// The probe that is under way.
    pub(crate) now: Option<u64>,
    /// When the last one began and ended.
    pub(crate) began: Option<Instant>,
    pub(crate) ended: Option<Instant>,
    /// Results in a row since anything else happened to the server.
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    /// When its traffic had too many errors last.
    pub(crate) excess: Option<Instant>,
    /// Since when the next one is wanted sooner for that.
    pub(crate) hurried: Option<Instant>,
    /// Since when nothing but checks happened to it, and they were to be sent.
    pub(crate) undisturbed: Option<Instant>,
    /// What they said since it began, if that is known.
    pub(crate) begun: Option<Begun>,
    /// Whether the last one that passed asked for nothing new; `None` if something else happened since.
    pub(crate) stops: Option<bool>,
}

/// By `backend/server`.
pub(crate) type Probes = BTreeMap<String, Asked>;

/// A question that is under way, however it ends.
struct Question {
    world: Rc<World>,
    path: String,
    of_agent: bool,
    number: u64,
}

impl Question {
    fn begin(world: &Rc<World>, path: &str, of_agent: bool) -> Self {
        let number = world.questions.get() + 1;
        world.questions.set(number);
        let it = Self { world: Rc::clone(world), path: path.to_owned(), of_agent, number };
        it.update(|now| *now = Some(number));
        it
    }

    fn update(&self, change: impl FnOnce(&mut Option<u64>)) {
        if self.of_agent {
            self.world.agent(&self.path, |heard| change(&mut heard.now));
        } else {
            self.world.probe(&self.path, |asked| change(&mut asked.now));
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        // After a reload another may have begun.
        self.update(|now| *now = now.filter(|number| *number != self.number));
    }
}

impl Prober for Simulated {
    fn ask<'a>(&'a self, _: &'a Address, _: &'a Backend, server: &'a Server, check: &'a Check) -> Asking<'a> {
        let (world, path) = (Rc::clone(&self.0), server.path());
        Box::pin(async move {
            let began = clock::now();
            let question = Question::begin(&world, &path, false);
            world.probe(&path, |asked| (asked.began, asked.hurried) = (Some(began), None));
            let timeout = world.check_of(&path).map_or(Duration::from_secs(1), |check| check.timeout);
            let soon = Duration::from_millis(world.dice.borrow_mut().between(1, 20)).min(timeout / 2);
            let truth = world.truth(&path);
            let (status, takes) = match truth {
                Truth::Well | Truth::Errs | Truth::Leaves => (stopping::answered(truth, server, check), soon),
                Truth::Refuses => (CheckStatus::L4Con, soon),
                Truth::Hangs => (CheckStatus::L4Timeout, timeout),
            };
            tokio::time::sleep(takes).await;
            drop(question);
            let counts = world.probe(&path, |asked| {
                let now = clock::now();
                asked.ended = Some(now);
                // A check that was under way when something happened may say nothing any more.
                let counts = asked.undisturbed.is_none_or(|since| since < began);
                // That one began when none was under way.
                asked.begun = asked.begun.and_then(|begun| begun.and(status.passed()));
                if asked.excess == Some(now) {
                    (asked.passed, asked.failed, asked.begun, asked.stops) = (0, 0, None, None);
                } else if counts {
                    if status.passed() {
                        asked.stops = Some(status == CheckStatus::L7OkConditional);
                    }
                    (asked.passed, asked.failed) =
                        if status.passed() { (asked.passed + 1, 0) } else { (0, asked.failed + 1) };
                }
                counts
            });
            if status.passed() || !counts {
                // With a check that passes all is well again, if it counts.
                world.errors(&path, |errors| *errors = counts.then_some(0));
            }
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

    fn consult<'a>(&'a self, server: &'a Server, agent: &'a Agent) -> Consulting<'a> {
        let (world, path) = (Rc::clone(&self.0), server.path());
        Box::pin(async move {
            let (begun, moves) = (clock::now(), server.moves());
            let question = Question::begin(&world, &path, true);
            let soon = Duration::from_millis(world.dice.borrow_mut().between(1, 20)).min(agent.interval);
            let is_mute = matches!(world.mood(&path), Mood::Mute);
            tokio::time::sleep(if is_mute { agent.interval } else { soon }).await;
            drop(question);
            world.agent(&path, |heard| heard.ended = Some(clock::now()));
            let status = match world.mood(&path) {
                Mood::Says(said) if !is_mute => {
                    // Where its server is no longer, nobody listens to it.
                    if server.moves() == moves {
                        world.heard(&path, server, said);
                    }
                    return Ok((format!("{}\n", said.text).into_bytes(), begun));
                }
                Mood::Away => CheckStatus::L4Con,
                _ => CheckStatus::L7Timeout,
            };
            let (code, info, answer) = (None, String::new(), Box::default());
            Err(Outcome { status, code, duration: clock::now() - begun, info, answer })
        })
    }
}
