//! Agents without a network: what each says when it is asked, what is meant by it, and what must hold of it.

use proto::state::{Admin, Oper};
use proxyd::clock::{self, Instant};
use proxyd::model::server::Server;

use crate::dice::Dice;
use crate::invariants::GRACE;
use crate::plan::BackendPlan;
use crate::world::World;

/// How an agent is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mood {
    Says(&'static Said),
    /// It cannot be connected to.
    Away,
    /// It does not answer.
    Mute,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) text: &'static str,
    /// The server is up.
    health: Option<bool>,
    admin: Option<Forced>,
    weight: Option<Weight>,
    maxconn: Option<u32>,
}

/// What an operator can force.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Forced {
    Ready,
    Drain,
    Maint,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Weight {
    Percent(u32),
    Absolute(u32),
}

impl Forced {
    /// What is forced of a server now.
    fn of(server: &Server) -> Self {
        match server.control().state.admin.0 & (Admin::FMAINT | Admin::FDRAIN) {
            0 => Self::Ready,
            Admin::FDRAIN => Self::Drain,
            _ => Self::Maint,
        }
    }
}

impl Weight {
    fn of(self, initial: u32) -> u32 {
        match self {
            Self::Percent(percent) => (initial * percent / 100).min(256),
            Self::Absolute(weight) => weight,
        }
    }
}

const fn said(text: &'static str) -> Said {
    Said { text, health: None, admin: None, weight: None, maxconn: None }
}

const UP: Said = Said { health: Some(true), ..said("up") };
const DOWN: Said = Said { health: Some(false), ..said("down") };
const HALF: Weight = Weight::Percent(50);
const ALL: Weight = Weight::Percent(100);

const WELL: Said = Said { text: "ready up 100%", admin: Some(Forced::Ready), weight: Some(ALL), ..UP };

const WORDS: [Said; 20] = [
    UP,
    UP,
    Said { text: "UP\r\ndown", ..UP },
    Said { text: "warm up", ..UP },
    WELL,
    DOWN,
    Said { text: "down # too hot, up", ..DOWN },
    Said { text: "stopped", ..DOWN },
    Said { text: "fail 50%", weight: Some(HALF), ..DOWN },
    Said { text: "drain", admin: Some(Forced::Drain), ..said("") },
    Said { text: "drain,up", admin: Some(Forced::Drain), ..UP },
    Said { text: "maint", admin: Some(Forced::Maint), ..said("") },
    Said { text: "ready", admin: Some(Forced::Ready), ..said("") },
    Said { text: "ready\tdown", admin: Some(Forced::Ready), ..DOWN },
    Said { text: "0%", weight: Some(Weight::Percent(0)), ..said("") },
    Said { text: "50%", weight: Some(HALF), ..said("") },
    Said { text: "up weight:7 maxconn:3", weight: Some(Weight::Absolute(7)), maxconn: Some(3), ..UP },
    Said { text: "100% maxconn:0", weight: Some(ALL), maxconn: Some(0), ..said("") },
    said("lukewarm"),
    said(""),
];

impl Mood {
    /// How agents begin.
    pub(crate) const UP: Self = Self::Says(&UP);
    /// All is well, and what was asked for otherwise is taken back.
    pub(crate) const WELL: Self = Self::Says(&WELL);

    pub(crate) fn drawn(dice: &mut Dice) -> Self {
        match dice.below(10) {
            0 => Self::Away,
            1 => Self::Mute,
            _ => Self::Says(&WORDS[dice.below(WORDS.len() as u64) as usize]),
        }
    }
}

/// What is known of one server's agent. What it said is forgotten once anything else happens to the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// The question that is under way.
    pub(crate) now: Option<u64>,
    pub(crate) ended: Option<Instant>,
    /// Whether the server is up.
    pub(crate) health: Option<bool>,
    admin: Option<Forced>,
    weight: Option<u32>,
    maxconn: Option<u32>,
}

impl Heard {
    pub(crate) fn disturb(&mut self) {
        *self = Self { now: self.now, ended: self.ended, ..Self::default() };
    }

    fn hear(&mut self, said: &Said, initial_weight: u32, any_weight: bool) {
        self.health = said.health.or(self.health);
        self.admin = said.admin.or(self.admin);
        self.maxconn = said.maxconn.or(self.maxconn);
        let weight = said.weight.map(|weight| weight.of(initial_weight));
        self.weight = weight.filter(|it| any_weight || *it == 0 || *it == initial_weight).or(self.weight);
    }
}

impl World {
    /// The agent of a server says this, and is heeded.
    pub(crate) fn heard(&self, path: &str, server: &Server, said: &Said) {
        if !server.control().state.agent_runs() {
            return;
        }
        self.say(&format!("the agent of {path} says {:?}", said.text));
        if said.admin.is_some_and(|admin| admin != Forced::of(server)) {
            self.touch(path);
        }
        self.stir(path);
        let backend = path.split('/').next().unwrap_or_default();
        let any_weight = self.plan.borrow().backend(backend).is_some_and(BackendPlan::is_dynamic);
        self.agent(path, |heard| heard.hear(said, server.initial_weight, any_weight));
    }

    /// Agents are asked in time, and what they said last is in force.
    pub(crate) fn judge_agents(&self) {
        let now = clock::now();
        for path in self.paths() {
            let (Some((_, server)), Some(interval)) = (self.find(&path), self.agent_of(&path)) else {
                continue;
            };
            let heard = self.agent(&path, |heard| heard.clone());
            let state = server.control().state;
            let longest = interval * 2 + GRACE;
            if state.agent_runs()
                && heard.now.is_none()
                && self.last_touched(&path).max(heard.ended).is_some_and(|since| now > since + longest)
            {
                self.fail(format!("the agent of {path} was not asked for longer than {longest:?}"));
            }
            if server.consultations.any() != heard.now.is_some() {
                self.fail(format!("the agent of {path} is asked: {:?}, and it is told otherwise", heard.now));
            }
            let (forced, weight, maxconn) = (Forced::of(&server), server.weight(), server.maxconn());
            let is_in_force = heard.admin.is_none_or(|it| it == forced)
                && heard.weight.is_none_or(|it| it == weight)
                && heard.maxconn.is_none_or(|it| it == maxconn);
            if !is_in_force {
                self.fail(format!(
                    "{path} is {forced:?}, {weight}, {maxconn}, and its agent wants {heard:?}"
                ));
            }
            let is_stopped = state.oper == Oper::Stopped;
            let is_alone = !state.checks_run() && state.lead.is_none();
            let should_be = match heard.health.filter(|_| state.agent.enabled) {
                Some(false) => true,
                Some(true) if is_alone && !state.admin.is_maint() => false,
                _ => is_stopped,
            };
            if should_be != is_stopped {
                self.fail(format!("{path} is {}, and its agent says {heard:?}", state.status().word()));
            }
        }
    }
}
