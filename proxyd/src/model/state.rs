//! How a server's state changes: pure, one table.
//!
//! What an operator forces and what checks find are kept apart, as HAProxy does it: `ready` lifts what was forced and
//! leaves the checks' verdict alone, maintenance stops checks, draining does not.

use proto::state::{Admin, Oper, Status};

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
}

/// What can happen to a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    CheckPassed,
    CheckFailed,
    /// `set server … state ready`, `enable server`.
    Ready,
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

impl State {
    /// Up, and one failed check away from down.
    pub fn new(check: Option<(u32, u32)>) -> Self {
        let (rise, fall) = check.unwrap_or((1, 1));
        Self {
            admin: Admin::default(),
            oper: Oper::Running,
            health: rise,
            rise,
            fall,
            check_configured: check.is_some(),
            check_enabled: check.is_some(),
        }
    }

    /// Whether checks are to be sent now.
    pub fn checks_run(&self) -> bool {
        self.check_configured && self.check_enabled && !self.admin.is_maint()
    }

    /// Whether new traffic may be sent, weight aside.
    pub fn takes_new(&self) -> bool {
        self.is_up() && self.oper != Oper::Stopping && !self.admin.is_drain()
    }

    /// Whether it counts as up.
    pub fn is_up(&self) -> bool {
        !self.admin.is_maint() && self.oper != Oper::Stopped
    }

    /// For the status word.
    pub fn status(&self) -> Status {
        Status {
            admin: self.admin,
            oper: self.oper,
            health: self.health,
            rise: self.rise,
            fall: self.fall,
            checked: self.check_configured && self.check_enabled,
        }
    }

    fn full_health(&self) -> u32 {
        self.rise + self.fall - 1
    }

    /// The state after `event`.
    #[must_use]
    pub fn after(mut self, event: Event) -> Self {
        match event {
            Event::CheckPassed | Event::CheckFailed if !self.checks_run() => {}
            Event::CheckPassed => {
                if self.health < self.full_health() {
                    self.health += 1;
                }
                if self.health >= self.rise {
                    self.health = self.full_health();
                    self.oper = Oper::Running;
                }
            }
            Event::CheckFailed => {
                self.health = if self.health > self.rise { self.health - 1 } else { 0 };
                if self.health == 0 {
                    self.oper = Oper::Stopped;
                }
            }
            Event::Ready => {
                self.leave_maintenance();
                self.admin.0 &= !(Admin::FMAINT | Admin::FDRAIN);
            }
            Event::Drain => {
                self.leave_maintenance();
                self.admin.0 = (self.admin.0 & !Admin::FMAINT) | Admin::FDRAIN;
            }
            Event::Maint => {
                self.admin.0 = (self.admin.0 & !Admin::FDRAIN) | Admin::FMAINT;
                self.oper = Oper::Stopped;
                self.health = 0;
            }
            Event::HealthUp => {
                self.health = self.full_health();
                if !self.admin.is_maint() {
                    self.oper = Oper::Running;
                }
            }
            Event::HealthStopping => {
                self.health = self.full_health();
                if self.oper != Oper::Stopped {
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

    /// Out of maintenance a server is up again, and one failed check away from down.
    fn leave_maintenance(&mut self) {
        if self.admin.is_maint() {
            self.oper = Oper::Running;
            self.health = self.rise;
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
    }

    #[test]
    fn disabled_checks_change_nothing() {
        use Event::{CheckFailed, DisableCheck, EnableCheck};
        assert_eq!(
            words(State::new(Some((1, 1))), &[DisableCheck, CheckFailed, EnableCheck, CheckFailed]),
            ["no check", "no check", "UP", "DOWN"]
        );
    }

    proptest! {
        #[test]
        fn invariants(rise in 1_u32..5, fall in 1_u32..5, events in proptest::collection::vec(0_usize..10, 0..40)) {
            use Event::{CheckFailed, CheckPassed, DisableCheck, Drain, EnableCheck, HealthDown, HealthStopping, HealthUp, Maint, Ready};
            let all = [CheckPassed, CheckFailed, Ready, Drain, Maint, HealthUp, HealthStopping, HealthDown, EnableCheck, DisableCheck];
            let mut state = State::new(Some((rise, fall)));
            for i in events {
                state = state.after(all[i]);
                prop_assert!(state.health < rise + fall);
                prop_assert!(!(state.admin.is_maint() && state.admin.is_drain()));
                prop_assert!(!state.admin.is_maint() || !state.takes_new());
                prop_assert_eq!(state.takes_new() && state.admin.is_drain(), false);
            }
        }
    }
}
