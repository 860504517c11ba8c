//! How a server's state changes: pure, one table.
//!
//! What an operator forces, what checks find, what an agent says and what a tracked server is are kept apart, as
//! HAProxy does it: `ready` lifts what was forced and leaves the others' verdicts alone, maintenance stops checks,
//! draining does not. A server is up while nobody says it is down.

use proto::state::{Admin, Agent as AgentWord, Oper, Status};

use crate::config::InitState;

/// Everything that decides whether a server gets traffic, but its weight.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct State {
    pub admin: Admin,
    pub oper: Oper,
    /// 0 to rise + fall - 1; `rise` and more is up.
    pub health: u32,
    pub rise: u32,
    pub fall: u32,
    /// A check is configured.
    pub check_configured: bool,
    /// It is not switched off by `disable health`.
    pub check_enabled: bool,
    pub agent: Agent,
    /// The server that this one tracks, as it is.
    pub lead: Option<Lead>,
    /// It does so much worse than the others that it is left out for a while.
    pub ejected: bool,
    /// What it begins as, and comes out of maintenance as.
    pub init: InitState,
}

/// What an agent has said, in the terms of checks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Agent {
    /// One is configured.
    pub configured: bool,
    /// It is not switched off by `disable agent`.
    pub enabled: bool,
    /// 0 to rise + fall - 1; `rise` and more is up.
    pub health: u32,
    pub rise: u32,
    pub fall: u32,
}

/// A server that others track, as they see it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lead {
    pub oper: Oper,
    pub health: u32,
    pub rise: u32,
    pub fall: u32,
    pub checked: bool,
    pub agent: AgentWord,
    pub maint: bool,
    pub drain: bool,
}

/// What can happen to a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    CheckPassed,
    /// Passed, and it asks for no new sessions.
    CheckStopping,
    CheckFailed,
    /// Traffic went wrong so often that the next failed check marks it down.
    SuddenDeath,
    /// Traffic went wrong so often that it is down.
    MarkDown,
    /// The agent says `up`.
    AgentUp,
    /// The agent says `down`, `fail` or `stopped`.
    AgentDown,
    /// `set server … agent up|down`.
    ForceAgentUp,
    ForceAgentDown,
    /// `enable agent`, `disable agent`.
    EnableAgent,
    DisableAgent,
    /// What the tracked server is now.
    Follow(Lead),
    /// It is left out, and taken in again.
    Eject,
    Readmit,
    /// `set server … state ready`, `enable server`.
    Ready,
    /// The agent says `ready`, which is no word on how the server does beside the others.
    AgentReady,
    /// `set server … state drain`.
    Drain,
    /// `set server … state maint`, `disable server`.
    Maint,
    /// `set server … health up|stopping|down`.
    HealthUp,
    HealthStopping,
    HealthDown,
    /// `enable health`, `disable health`.
    EnableCheck,
    DisableCheck,
}

impl Agent {
    const NONE: Self = Self { configured: false, enabled: false, health: 1, rise: 1, fall: 1 };

    const fn full_health(self) -> u32 {
        self.rise + self.fall - 1
    }

    /// Whether it has a say and says that the server is down.
    const fn is_down(self) -> bool {
        self.enabled && self.health < self.rise
    }

    const fn word(self) -> AgentWord {
        match self {
            Self { enabled: false, .. } => AgentWord::None,
            Self { health: 0, .. } => AgentWord::Down,
            _ => AgentWord::Up,
        }
    }
}

/// What HAProxy counts by where nothing is checked; it shows in `show servers state`.
const UNCHECKED: (u32, u32) = (2, 3);

impl State {
    /// Up, and one failed check away from down.
    pub fn new(check: Option<(u32, u32)>) -> Self {
        let (rise, fall) = check.unwrap_or(UNCHECKED);
        Self {
            admin: Admin::default(),
            oper: Oper::Running,
            health: rise,
            rise,
            fall,
            check_configured: check.is_some(),
            check_enabled: check.is_some(),
            agent: Agent::NONE,
            lead: None,
            ejected: false,
            init: InitState::Up,
        }
    }

    /// Beginning as `init` says, which only a checked server can.
    #[must_use]
    pub fn beginning(mut self, init: InitState) -> Self {
        if self.check_configured {
            self.init = init;
            self.begin();
        }
        self
    }

    /// With an agent of that rise and fall.
    #[must_use]
    pub fn with_agent(self, rise: u32, fall: u32) -> Self {
        Self { agent: Agent { configured: true, enabled: true, health: rise, rise, fall }, ..self }
    }

    /// Whether checks are to be sent now.
    pub fn checks_run(&self) -> bool {
        self.check_configured && self.check_enabled && !self.admin.is_maint()
    }

    /// Whether the agent is to be asked now.
    pub fn agent_runs(&self) -> bool {
        // An agent may lift a maintenance that it asked for itself, so it is asked then, too.
        self.agent.configured && self.agent.enabled
    }

    /// Whether new traffic may be sent, weight aside.
    pub fn takes_new(&self) -> bool {
        self.is_up() && self.oper != Oper::Stopping && !self.admin.is_drain()
    }

    /// Whether new traffic may be sent where health is not believed, weight aside: who asks for none drains itself.
    pub fn is_offered(&self) -> bool {
        !self.admin.is_maint() && !self.admin.is_drain() && self.oper != Oper::Stopping
    }

    /// Whether it counts as up.
    pub fn is_up(&self) -> bool {
        !self.admin.is_maint() && self.oper != Oper::Stopped && !self.ejected
    }

    /// As servers see it that track it.
    pub fn as_lead(&self) -> Lead {
        let status = self.status();
        // Whoever follows warms up by its own settings.
        let oper = if self.oper == Oper::Starting { Oper::Running } else { self.oper };
        Lead {
            oper,
            health: status.health,
            rise: status.rise,
            fall: status.fall,
            checked: status.checked,
            agent: status.agent,
            maint: self.admin.is_maint(),
            drain: self.admin.is_drain(),
        }
    }

    /// For the status word.
    pub fn status(&self) -> Status {
        let own = Status {
            admin: self.admin,
            oper: self.oper,
            health: self.health,
            rise: self.rise,
            fall: self.fall,
            checked: self.check_configured && self.check_enabled,
            agent: self.agent.word(),
            ejected: self.ejected,
        };
        match self.lead {
            None => own,
            Some(Lead { health, rise, fall, checked, agent, .. }) => {
                let agent = if own.agent == AgentWord::None { agent } else { own.agent };
                Status { health, rise, fall, checked, agent, ..own }
            }
        }
    }

    /// The most: all is well.
    pub const fn full_health(&self) -> u32 {
        self.rise + self.fall - 1
    }

    /// Nobody who is listened to says that it is down.
    fn is_well(&self) -> bool {
        let checked = self.check_configured && self.check_enabled;
        let lead_is_up = self.lead.is_none_or(|lead| lead.oper != Oper::Stopped);
        lead_is_up && !(checked && self.health < self.rise) && !self.agent.is_down()
    }

    /// The state after `event`.
    #[must_use]
    pub fn after(mut self, event: Event) -> Self {
        match event {
            Event::CheckPassed
            | Event::CheckStopping
            | Event::CheckFailed
            | Event::SuddenDeath
            | Event::MarkDown
                if !self.checks_run() => {}
            Event::CheckPassed => self.pass(Oper::Running),
            Event::CheckStopping => self.pass(Oper::Stopping),
            Event::CheckFailed => self.fail(),
            Event::SuddenDeath => {
                self.health = self.health.min(self.rise + 1);
                self.fail();
            }
            Event::MarkDown => {
                self.health = self.health.min(self.rise);
                self.fail();
            }
            Event::AgentUp | Event::AgentDown if !self.agent_runs() => {}
            Event::AgentUp => {
                self.agent.health = self.agent.full_health();
                // It takes back what an agent said, and it cannot have asked for no new sessions.
                if !self.admin.is_maint() && self.oper != Oper::Stopping && self.is_well() {
                    self.oper = Oper::Running;
                }
            }
            Event::ForceAgentUp => {
                self.agent.health = self.agent.full_health();
                if !self.admin.is_maint() {
                    self.oper = Oper::Running;
                }
            }
            Event::AgentDown | Event::ForceAgentDown => {
                self.agent.health = 0;
                self.oper = Oper::Stopped;
            }
            Event::EnableAgent => self.agent.enabled = self.agent.configured,
            Event::DisableAgent => self.agent.enabled = false,
            Event::Follow(lead) => self.follow(lead),
            Event::Eject => self.ejected = true,
            Event::Readmit => self.ejected = false,
            Event::Ready => {
                self.ejected = false;
                self.unforce();
            }
            Event::AgentReady => self.unforce(),
            Event::Drain => self.admit(Admin((self.admin.0 & !Admin::FMAINT) | Admin::FDRAIN)),
            Event::Maint => self.admit(Admin((self.admin.0 & !Admin::FDRAIN) | Admin::FMAINT)),
            Event::HealthUp => {
                self.ejected = false;
                self.health = self.full_health();
                if !self.admin.is_maint() {
                    self.oper = Oper::Running;
                }
            }
            Event::HealthStopping => {
                self.health = self.full_health();
                if !self.admin.is_maint() {
                    self.oper = Oper::Stopping;
                }
            }
            Event::HealthDown => {
                self.health = 0;
                self.oper = Oper::Stopped;
            }
            Event::EnableCheck => self.check_enabled = self.check_configured,
            Event::DisableCheck => self.check_enabled = false,
        }
        self
    }

    /// One more passed check; up as `oper`, if they are enough.
    fn pass(&mut self, oper: Oper) {
        if self.health < self.full_health() {
            self.health += 1;
        }
        if self.health >= self.rise {
            self.health = self.full_health();
            if self.is_well() {
                self.oper = oper;
            }
        }
    }

    fn fail(&mut self) {
        self.health = if self.health > self.rise { self.health - 1 } else { 0 };
        if self.health == 0 {
            self.oper = Oper::Stopped;
        }
    }

    fn follow(&mut self, lead: Lead) {
        self.lead = Some(lead);
        let inherited = |set: bool, bit: u8| if set { bit } else { 0 };
        let own = self.admin.0 & !(Admin::IMAINT | Admin::IDRAIN);
        let inherited = inherited(lead.maint, Admin::IMAINT) | inherited(lead.drain, Admin::IDRAIN);
        self.admit(Admin(own | inherited));
        if !self.admin.is_maint() {
            self.oper = if self.agent.is_down() { Oper::Stopped } else { lead.oper };
        }
    }

    fn unforce(&mut self) {
        self.admit(Admin(self.admin.0 & !(Admin::FMAINT | Admin::FDRAIN)));
    }

    fn begin(&mut self) {
        let (health, oper) = match self.init {
            InitState::FullyUp => (self.full_health(), Oper::Running),
            InitState::Up => (self.rise, Oper::Running),
            InitState::Down => (self.rise - 1, Oper::Stopped),
            InitState::FullyDown => (0, Oper::Stopped),
        };
        self.oper = oper;
        if self.check_configured {
            self.health = health;
        }
    }

    /// Takes what is asked for. In maintenance a server is down; out of it it is what it began as: up, and one failed
    /// check away from down, unless it is told otherwise, or its agent says that it is down.
    fn admit(&mut self, admin: Admin) {
        let was_maint = self.admin.is_maint();
        self.admin = admin;
        if admin.is_maint() {
            if self.check_configured || self.oper != Oper::Stopped {
                self.health = 0;
            }
            self.oper = Oper::Stopped;
        } else if was_maint {
            self.begin();
            if let Some(lead) = self.lead {
                self.oper = lead.oper;
            }
            if self.agent.is_down() {
                self.oper = Oper::Stopped;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(state: State, events: &[Event]) -> Vec<String> {
        let mut state = state;
        events
            .iter()
            .map(|&event| {
                state = state.after(event);
                state.status().word().into_owned()
            })
            .collect()
    }

    #[test]
    fn a_server_begins_as_it_is_told() {
        use Event::{CheckFailed as F, CheckPassed as P, Maint, Ready};
        let begin = |init| State::new(Some((2, 3))).beginning(init);
        for (init, first, failed, passed) in [
            (InitState::FullyUp, "UP", "UP 2/3", "UP"),
            (InitState::Up, "UP 1/3", "DOWN", "UP"),
            (InitState::Down, "DOWN 1/2", "DOWN", "UP"),
            (InitState::FullyDown, "DOWN", "DOWN", "DOWN 1/2"),
        ] {
            let start = begin(init);
            assert_eq!(start.status().word(), first);
            assert_eq!(start.takes_new(), first.starts_with("UP"));
            assert_eq!(start.after(F).status().word(), failed, "{init:?}");
            assert_eq!(start.after(P).status().word(), passed, "{init:?}");
            assert_eq!(start.after(P).after(Maint).after(Ready).status().word(), first, "{init:?}");
        }
        assert_eq!(State::new(None).beginning(InitState::Down), State::new(None));
    }

    #[test]
    fn the_first_failed_check_marks_down() {
        let start = State::new(Some((2, 3)));
        assert!(start.takes_new());
        assert_eq!(words(start, &[Event::CheckFailed]), ["DOWN"]);
    }

    #[test]
    fn rise_and_fall() {
        use Event::{CheckFailed as F, CheckPassed as P};
        assert_eq!(
            words(State::new(Some((2, 3))), &[P, F, F, P, F, F, F, F, P, F, P, P]),
            [
                "UP", "UP 2/3", "UP 1/3", "UP", "UP 2/3", "UP 1/3", "DOWN", "DOWN", "DOWN 1/2", "DOWN",
                "DOWN 1/2", "UP"
            ]
        );
    }

    #[test]
    fn maintenance_and_back() {
        use Event::{CheckFailed, CheckPassed, Drain, Maint, Ready};
        assert_eq!(
            words(
                State::new(Some((2, 3))),
                &[Maint, CheckPassed, CheckFailed, Ready, CheckPassed, Drain, CheckPassed, Ready]
            ),
            ["MAINT", "MAINT", "MAINT", "UP 1/3", "UP", "DRAIN", "DRAIN", "UP"]
        );
        // Drain out of maintenance brings it up, draining.
        assert_eq!(words(State::new(None), &[Maint, Drain, Ready]), ["MAINT", "DRAIN", "no check"]);
    }

    #[test]
    fn health_without_checks_is_what_haproxy_shows() {
        use Event::{AgentDown, AgentUp, Drain, HealthDown, HealthStopping, HealthUp, Maint, Ready};
        let mut state = State::new(None).with_agent(1, 1);
        let healths =
            [AgentDown, Maint, Ready, AgentUp, Drain, Maint, Ready, HealthUp, HealthDown, HealthStopping]
                .map(|event| {
                    state = state.after(event);
                    state.health
                });
        assert_eq!(healths, [2, 2, 2, 2, 2, 0, 0, 4, 0, 4]);
    }

    #[test]
    fn forced_health() {
        use Event::{CheckFailed, CheckPassed, HealthDown, HealthStopping, HealthUp, Maint, Ready};
        assert_eq!(
            words(
                State::new(Some((2, 3))),
                &[HealthStopping, CheckPassed, HealthDown, HealthUp, CheckFailed]
            ),
            ["NOLB", "UP", "DOWN", "UP", "UP 2/3"]
        );
        assert_eq!(words(State::new(Some((2, 3))), &[Maint, HealthUp, Ready]), ["MAINT", "MAINT", "UP 1/3"]);
        // It is up, for those who belong there, whatever was said of it.
        for start in [State::new(None), State::new(Some((2, 3)))] {
            assert_eq!(words(start, &[HealthDown, HealthStopping]), ["DOWN", "NOLB"]);
            assert_eq!(words(start, &[Maint, HealthStopping]), ["MAINT", "MAINT"]);
        }
    }

    #[test]
    fn disabled_checks_change_nothing() {
        use Event::{CheckFailed, DisableCheck, EnableCheck};
        assert_eq!(
            words(State::new(Some((1, 1))), &[DisableCheck, CheckFailed, EnableCheck, CheckFailed]),
            ["no check", "no check", "UP", "DOWN"]
        );
    }

    #[test]
    fn an_agent_has_a_say_beside_the_check() {
        use Event::{AgentDown, AgentUp, CheckFailed, CheckPassed, DisableAgent};
        let start = State::new(Some((2, 3))).with_agent(1, 1);
        // Checks alone cannot bring back what the agent took down.
        assert_eq!(
            words(start, &[CheckPassed, AgentDown, CheckPassed, CheckPassed, AgentUp]),
            ["UP", "DOWN (agent)", "DOWN (agent)", "DOWN (agent)", "UP"]
        );
        // Nor the agent what they took down.
        assert_eq!(
            words(start, &[CheckFailed, AgentUp, CheckPassed, AgentUp, CheckPassed]),
            ["DOWN", "DOWN", "DOWN 1/2", "DOWN 1/2", "UP"]
        );
        assert_eq!(
            words(start, &[CheckPassed, CheckFailed, AgentUp, CheckFailed, AgentUp, CheckFailed]),
            ["UP", "UP 2/3", "UP 2/3", "UP 1/3", "UP 1/3", "DOWN"]
        );
        // It is as well as they say once nobody listens to it any more.
        assert_eq!(
            words(start, &[CheckPassed, AgentDown, DisableAgent, CheckPassed]),
            ["UP", "DOWN (agent)", "DOWN 4/2", "UP"]
        );
        // Without a check it decides alone.
        assert_eq!(
            words(State::new(None).with_agent(1, 1), &[AgentDown, AgentUp]),
            ["DOWN (agent)", "no check"]
        );
        assert_eq!(words(State::new(None), &[AgentDown]), ["no check"], "there is none");
    }

    #[test]
    fn an_agent_asks_for_what_operators_can() {
        use Event::{AgentDown, AgentUp, Drain, ForceAgentDown, ForceAgentUp, Maint, Ready};
        let start = State::new(Some((2, 3))).with_agent(1, 1);
        assert_eq!(
            words(start, &[Drain, Ready, Maint, AgentUp, Ready, ForceAgentDown, ForceAgentUp]),
            ["DRAIN (agent)", "UP 1/3", "MAINT", "MAINT", "UP 1/3", "DOWN (agent)", "UP 1/3"]
        );
        assert!(start.after(Maint).agent_runs(), "else it could not lift it");
        // What it said before still holds behind it.
        assert_eq!(
            words(start, &[AgentDown, Maint, Ready, Maint, Drain, Maint, AgentUp, Ready]),
            ["DOWN (agent)", "MAINT", "DOWN (agent)", "MAINT", "DOWN (agent)", "MAINT", "MAINT", "UP 1/3"]
        );
    }

    #[test]
    fn a_passed_check_can_ask_for_no_new_sessions() {
        use Event::{CheckFailed, CheckPassed, CheckStopping};
        let start = State::new(Some((2, 3)));
        assert_eq!(
            words(start, &[CheckStopping, CheckFailed, CheckStopping, CheckPassed]),
            ["NOLB", "NOLB 2/3", "NOLB", "UP"]
        );
        assert_eq!(words(start, &[CheckFailed, CheckStopping, CheckStopping]), ["DOWN", "DOWN 1/2", "NOLB"]);
        assert!(!start.after(CheckStopping).takes_new());
    }

    #[test]
    fn an_agent_takes_back_only_what_it_said() {
        use Event::{AgentDown, AgentUp, CheckPassed, CheckStopping, HealthStopping};
        let start = State::new(Some((2, 3))).with_agent(1, 1);
        assert_eq!(
            words(start, &[CheckStopping, AgentUp, AgentUp, CheckPassed, HealthStopping, AgentUp]),
            ["NOLB", "NOLB", "NOLB", "UP", "NOLB", "NOLB"]
        );
        assert_eq!(
            words(start, &[CheckStopping, AgentDown, CheckStopping, AgentUp, CheckStopping]),
            ["NOLB", "DOWN (agent)", "DOWN (agent)", "UP", "NOLB"]
        );
    }

    #[test]
    fn what_traffic_tells_counts_as_checks() {
        use Event::{CheckFailed, CheckPassed, MarkDown, SuddenDeath};
        let full = State::new(Some((2, 3))).after(CheckPassed);
        assert_eq!(words(full, &[SuddenDeath, CheckFailed]), ["UP 1/3", "DOWN"]);
        assert_eq!(words(full, &[MarkDown, CheckPassed, MarkDown]), ["DOWN", "DOWN 1/2", "DOWN"]);
        assert_eq!(words(State::new(None), &[MarkDown]), ["no check"], "nothing would bring it back");
    }

    #[test]
    fn one_that_tracks_follows() {
        use Event::{CheckFailed, CheckPassed, Drain, HealthStopping, Maint, Ready};
        let (mut lead, mut state) = (State::new(Some((1, 2))), State::new(None));
        let mut both = |event| {
            lead = lead.after(event);
            state = state.after(Event::Follow(lead.as_lead()));
            state.status().word().into_owned()
        };
        assert_eq!(
            [CheckPassed, CheckFailed, CheckFailed, CheckPassed, HealthStopping, Maint, Drain, Ready]
                .map(&mut both),
            ["UP", "UP 1/2", "DOWN", "UP", "NOLB", "MAINT", "DRAIN 1/2", "UP 1/2"]
        );
        assert_eq!(state.admin, Admin::default());
    }

    #[test]
    fn what_is_inherited_is_not_lifted_by_hand() {
        let lead = State::new(None).after(Event::Maint).as_lead();
        let state = State::new(None).after(Event::Maint).after(Event::Follow(lead));
        assert_eq!(state.admin.0, Admin::FMAINT | Admin::IMAINT);
        let state = state.after(Event::Ready);
        assert_eq!((state.admin.0, state.takes_new()), (Admin::IMAINT, false));
        let state = state.after(Event::Follow(State::new(None).as_lead()));
        assert!(state.takes_new());
        // It was forced to drain for itself, and stays so.
        let state = state.after(Event::Drain).after(Event::Follow(State::new(None).as_lead()));
        assert_eq!(state.admin.0, Admin::FDRAIN);
    }

    #[test]
    fn one_that_is_left_out_is_down_and_comes_back() {
        use Event::{AgentReady, AgentUp, CheckFailed, CheckPassed, Eject, HealthUp, Readmit, Ready};
        let start = State::new(Some((1, 1)));
        assert_eq!(
            words(
                start,
                &[Eject, CheckPassed, CheckFailed, CheckPassed, Readmit, Eject, Ready, Eject, HealthUp]
            ),
            [
                "DOWN (ejected)",
                "DOWN (ejected)",
                "DOWN",
                "DOWN (ejected)",
                "UP",
                "DOWN (ejected)",
                "UP",
                "DOWN (ejected)",
                "UP"
            ]
        );
        // An agent says nothing of the others.
        let told = State::new(None).with_agent(1, 1);
        assert_eq!(words(told, &[Eject, AgentReady, AgentUp]), ["DOWN (ejected)"; 3]);
        let out = start.after(Eject);
        assert!(!out.is_up() && !out.takes_new() && out.is_offered());
    }

    fn any_event() -> impl Strategy<Value = Event> {
        use Event::{
            AgentDown, AgentReady, AgentUp, CheckFailed, CheckPassed, CheckStopping, DisableAgent,
            DisableCheck, Drain, Eject, EnableAgent, EnableCheck, ForceAgentDown, ForceAgentUp, HealthDown,
            HealthStopping, HealthUp, Maint, MarkDown, Readmit, Ready, SuddenDeath,
        };
        let lead = |event| Event::Follow(State::new(Some((2, 2))).after(event).as_lead());
        proptest::sample::select(vec![
            CheckPassed,
            CheckStopping,
            CheckFailed,
            SuddenDeath,
            MarkDown,
            AgentUp,
            AgentDown,
            AgentReady,
            ForceAgentUp,
            ForceAgentDown,
            EnableAgent,
            DisableAgent,
            Eject,
            Readmit,
            Ready,
            Drain,
            Maint,
            HealthUp,
            HealthStopping,
            HealthDown,
            EnableCheck,
            DisableCheck,
            lead(CheckFailed),
            lead(Maint),
            lead(Drain),
            lead(Ready),
        ])
    }

    proptest! {
        #[test]
        fn invariants(
            rise in 1_u32..5,
            fall in 1_u32..5,
            agent in any::<bool>(),
            events in proptest::collection::vec(any_event(), 0..60),
        ) {
            let state = State::new(Some((rise, fall)));
            let mut state = if agent { state.with_agent(rise, fall) } else { state };
            for event in events {
                state = state.after(event);
                prop_assert!(state.health < rise + fall);
                prop_assert!(state.agent.health < state.agent.rise + state.agent.fall);
                prop_assert!(!state.takes_new() || state.is_up() && state.is_offered());
                prop_assert!(!state.admin.is_maint() || state.oper == Oper::Stopped);
                prop_assert_eq!(state.is_up(), !["DOWN", "MAINT"].iter().any(|word| state.status().word().starts_with(word)));
            }
            // Whatever happened, it can be brought back.
            let state = state.after(Event::Follow(State::new(None).as_lead()));
            let state = state.after(Event::Ready).after(Event::ForceAgentUp).after(Event::HealthUp);
            prop_assert!(state.takes_new());
        }
    }
}
