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
    /// Forced to drain.
    pub const FDRAIN: u8 = 8;

    pub const fn is_maint(self) -> bool {
        self.0 & Self::FMAINT != 0
    }

    pub const fn is_drain(self) -> bool {
        self.0 & Self::FDRAIN != 0
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

/// Facts that decide a server's status word.
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
}

impl Status {
    /// The word of `show stat`, first match wins.
    pub fn word(self) -> Cow<'static, str> {
        if self.admin.is_maint() {
            return "MAINT".into();
        }
        let up = self.oper != Oper::Stopped;
        if !up {
            return if self.checked && self.health > 0 {
                format!("DOWN {}/{}", self.health, self.rise).into()
            } else {
                "DOWN".into()
            };
        }
        let label = match self.oper {
            Oper::Stopping => "NOLB",
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
        Status { admin: Admin(admin), oper, health, rise: 2, fall: 3, checked }
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
            (status(8, Oper::Running, 4, true), "DRAIN"),
            (status(8, Oper::Running, 2, true), "DRAIN 1/3"),
            (status(8, Oper::Running, 4, false), "DRAIN"),
            (status(0, Oper::Stopping, 4, true), "NOLB"),
            (status(0, Oper::Running, 4, false), "no check"),
        ] {
            assert_eq!(facts.word(), word, "{facts:?}");
        }
    }
}
