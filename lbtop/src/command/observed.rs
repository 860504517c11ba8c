//! A server's state as the balancer itself records it, read right before and right after a command.
//!
//! `show stat` says what a server is doing; a drained server that is down just says DOWN there. What an operator
//! asked for, and the weight he set, stand in `show servers state`, and undo has to be made from those.

use std::fmt;

use super::order::{Admin, Change, Weight};

/// What `show servers state` says of one server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Observed {
    pub admin: Admin,
    /// The weight as set.
    pub weight: u32,
    /// The weight of the configuration.
    pub initial: u32,
}

impl Observed {
    /// From `srv_admin_state`, `srv_uweight` and `srv_iweight`. Maintenance comes first, as it does in the balancer.
    pub const fn from_fields(admin: u32, weight: u32, initial: u32) -> Self {
        // SRV_ADMF_MAINT and SRV_ADMF_DRAIN: forced or inherited; maintenance also by resolution.
        let admin = if admin & 0x23 != 0 {
            Admin::Maint
        } else if admin & 0x18 != 0 {
            Admin::Drain
        } else {
            Admin::Ready
        };
        Self { admin, weight, initial }
    }

    /// Whether the change is in place.
    pub fn shows(&self, change: Change) -> bool {
        match change {
            Change::State(admin) => self.admin == admin,
            Change::Weight(weight) => self.weight == resolve(weight, self.initial),
        }
    }

    /// What brings this state back after `change`.
    pub const fn inverse(&self, change: Change) -> Change {
        match change {
            Change::State(_) => Change::State(self.admin),
            Change::Weight(_) => Change::Weight(Weight::Absolute(self.weight)),
        }
    }
}

/// The weight that comes of it: percents are of the initial weight, rounded down, and never pass 256.
pub fn resolve(weight: Weight, initial: u32) -> u32 {
    match weight {
        Weight::Absolute(weight) => weight,
        Weight::Percent(percent) => {
            let weight = u64::from(initial) * u64::from(percent) / 100;
            u32::try_from(weight).unwrap_or(u32::MAX).min(super::order::MAX_WEIGHT)
        }
    }
}

/// What must still hold when the command is sent; `None` is not looked at.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Expected {
    /// Whether the server is in maintenance.
    pub maint: Option<IsSo>,
    pub drain: Option<IsSo>,
    pub weight: Option<u32>,
}

/// Yes or no, where a bare `bool` in an `Option` would read as three things.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IsSo {
    Yes,
    No,
}

impl From<bool> for IsSo {
    fn from(so: bool) -> Self {
        if so { Self::Yes } else { Self::No }
    }
}

impl Expected {
    /// All of what was seen.
    pub fn exactly(observed: Observed) -> Self {
        Self {
            maint: Some((observed.admin == Admin::Maint).into()),
            drain: Some((observed.admin == Admin::Drain).into()),
            weight: Some(observed.weight),
        }
    }

    pub fn holds(&self, observed: Observed) -> bool {
        let holds = |expected: Option<IsSo>, is: bool| expected.is_none_or(|so| so == is.into());
        holds(self.maint, observed.admin == Admin::Maint)
            && (holds(self.drain, observed.admin == Admin::Drain) || observed.admin == Admin::Maint)
            && self.weight.is_none_or(|weight| weight == observed.weight)
    }
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, weight {}", self.admin.word(), self.weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_bits() {
        for (bits, admin) in [
            (0x00, Admin::Ready),
            (0x01, Admin::Maint),
            (0x05, Admin::Maint),
            (0x04, Admin::Ready),
            (0x02, Admin::Maint),
            (0x08, Admin::Drain),
            (0x10, Admin::Drain),
            (0x09, Admin::Maint),
            (0x20, Admin::Maint),
        ] {
            assert_eq!(Observed::from_fields(bits, 1, 1).admin, admin, "{bits:#x}");
        }
    }

    #[test]
    fn undo_is_the_state_before() {
        for (before, change, undo) in [
            (0x00, Change::State(Admin::Drain), "state ready"),
            (0x00, Change::State(Admin::Maint), "state ready"),
            (0x08, Change::State(Admin::Maint), "state drain"),
            (0x08, Change::State(Admin::Ready), "state drain"),
            (0x01, Change::State(Admin::Ready), "state maint"),
            (0x01, Change::State(Admin::Drain), "state maint"),
            (0x00, Change::Weight(Weight::Percent(50)), "weight 70"),
            (0x08, Change::Weight(Weight::Absolute(0)), "weight 70"),
        ] {
            let observed = Observed::from_fields(before, 70, 100);
            let inverse = observed.inverse(change);
            assert_eq!(inverse.to_string(), undo, "{before:#x} {change}");
            assert!(observed.shows(inverse), "the inverse leads back: {before:#x} {change}");
        }
    }

    #[test]
    fn percents_are_of_the_initial_weight() {
        assert_eq!(resolve(Weight::Percent(50), 100), 50);
        assert_eq!(resolve(Weight::Percent(50), 1), 0);
        assert_eq!(resolve(Weight::Percent(300), 100), 256);
    }

    #[test]
    fn expectations() {
        let ready = Observed::from_fields(0, 100, 100);
        let drained = Observed::from_fields(8, 100, 100);
        let up = Expected { maint: Some(IsSo::No), drain: Some(IsSo::No), weight: None };
        assert!(up.holds(ready));
        assert!(!up.holds(drained));
        assert!(Expected { maint: Some(IsSo::No), ..Expected::default() }.holds(drained));
        assert!(!Expected::exactly(ready).holds(Observed { weight: 50, ..ready }));
        assert!(Expected::exactly(drained).holds(drained));
    }
}
