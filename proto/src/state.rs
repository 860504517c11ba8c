//! The state of a server: what an operator asked for, and what its checks say.
//!
//! Status words are HAProxy's (management guide 9.1, field 17), and so are the bits of `show servers state`.

use std::borrow::Cow;

/// What was asked for, as bits of `srv_admin_state`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Admin(pub u8);

impl Admin {
    /// Forced into maintenance.
    pub const FMAINT: u8 = 1;
    /// In maintenance as the server is that it tracks.
    pub const IMAINT: u8 = 2;
    /// Forced to drain.
    pub const FDRAIN: u8 = 8;
    /// Draining as the server is that it tracks.
    pub const IDRAIN: u8 = 16;

    pub const fn is_maint(self) -> bool {
        self.0 & (Self::FMAINT | Self::IMAINT) != 0
    }

    pub const fn is_drain(self) -> bool {
        self.0 & (Self::FDRAIN | Self::IDRAIN) != 0
    }

    /// In maintenance for no other reason than the server it tracks.
    pub const fn is_maint_inherited(self) -> bool {
        self.0 & Self::IMAINT != 0
    }
}

/// What checks found, as `srv_op_state`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Oper {
    /// Down.
    Stopped = 0,
    /// Up, weight ramping.
    Starting = 1,
    /// Up.
    Running = 2,
    /// Up for those who are pinned to it, no new ones (`NOLB`).
    Stopping = 3,
}

/// What the agent of a server says, as far as the status word tells it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Agent {
    /// There is none, or nobody listens to it.
    #[default]
    None,
    Up,
    Down,
}

/// Facts that decide a server's status word. Of a server that tracks another, what checks found is the other's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Status {
    pub admin: Admin,
    pub oper: Oper,
    /// 0 to rise + fall - 1; at least `rise` is up.
    pub health: u32,
    pub rise: u32,
    pub fall: u32,
    /// Whether checks are configured and enabled.
    pub checked: bool,
    pub agent: Agent,
    /// It does so much worse than the others that it is left out for a while.
    pub ejected: bool,
}

impl Status {
    /// The word of `show stat`, first match wins.
    pub fn word(self) -> Cow<'static, str> {
        if self.admin.is_maint() {
            return "MAINT".into();
        }
        if self.oper == Oper::Stopped {
            return match self.agent {
                Agent::Down => "DOWN (agent)".into(),
                _ if self.checked && self.health > 0 => format!("DOWN {}/{}", self.health, self.rise).into(),
                _ => "DOWN".into(),
            };
        }
        if self.ejected {
            return "DOWN (ejected)".into();
        }
        let label = match self.oper {
            Oper::Stopping => "NOLB",
            _ if self.admin.is_drain() && self.agent != Agent::None => return "DRAIN (agent)".into(),
            _ if self.admin.is_drain() => "DRAIN",
            _ if !self.checked => return "no check".into(),
            _ => "UP",
        };
        let full = self.rise + self.fall - 1;
        if self.checked && self.health < full {
            format!("{label} {}/{}", (self.health + 1).saturating_sub(self.rise), self.fall).into()
        } else {
            label.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(admin: u8, oper: Oper, health: u32, checked: bool) -> Status {
        let (agent, ejected) = (Agent::None, false);
        Status { admin: Admin(admin), oper, health, rise: 2, fall: 3, checked, agent, ejected }
    }

    #[test]
    fn words() {
        for (facts, word) in [
            (status(0, Oper::Running, 4, true), "UP"),
            (status(0, Oper::Running, 3, true), "UP 2/3"),
            (status(0, Oper::Running, 2, true), "UP 1/3"),
            (status(0, Oper::Stopped, 0, true), "DOWN"),
            (status(0, Oper::Stopped, 1, true), "DOWN 1/2"),
            (status(1, Oper::Stopped, 0, true), "MAINT"),
            (status(2, Oper::Stopped, 0, true), "MAINT"),
            (status(8, Oper::Running, 4, true), "DRAIN"),
            (status(16, Oper::Running, 4, true), "DRAIN"),
            (status(8, Oper::Running, 2, true), "DRAIN 1/3"),
            (status(8, Oper::Running, 4, false), "DRAIN"),
            (status(0, Oper::Stopping, 4, true), "NOLB"),
            (status(0, Oper::Running, 4, false), "no check"),
            (Status { agent: Agent::Up, ..status(0, Oper::Running, 4, true) }, "UP"),
            (Status { agent: Agent::Up, ..status(8, Oper::Running, 4, true) }, "DRAIN (agent)"),
            (Status { agent: Agent::Down, ..status(0, Oper::Stopped, 4, true) }, "DOWN (agent)"),
            (Status { agent: Agent::Up, ..status(0, Oper::Stopped, 1, true) }, "DOWN 1/2"),
            (Status { ejected: true, ..status(0, Oper::Running, 4, true) }, "DOWN (ejected)"),
            (Status { ejected: true, ..status(0, Oper::Stopped, 0, true) }, "DOWN"),
            (Status { ejected: true, ..status(1, Oper::Stopped, 0, true) }, "MAINT"),
        ] {
            assert_eq!(facts.word(), word, "{facts:?}");
        }
    }
}
