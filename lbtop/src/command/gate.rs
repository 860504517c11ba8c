//! The one way from a wish to bytes: a command can be sent only as [`Checked`], which takes a confirmation and an
//! open lock to make. Neither can be made elsewhere, so a key that slipped into the wrong table sends nothing.

use std::fmt;

use proto::level::Level;

use super::order::Command;
use super::question::Confirmed;

/// Why nothing may be changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// Started with `--read-only`; nothing opens that.
    ReadOnly,
    /// Locked by the operator.
    Locked,
    /// The socket allows less than admin.
    Level(Level),
    /// There is nobody to send to.
    Lost,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadOnly => f.write_str("read-only: started with --read-only"),
            Self::Locked => f.write_str("locked: L unlocks"),
            Self::Level(level) => write!(f, "needs level admin, the socket is level {level}"),
            Self::Lost => f.write_str("no connection: actions are locked until it is back"),
        }
    }
}

impl Reason {
    /// For the header: `RO` and this.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ReadOnly => "--read-only",
            Self::Locked => "locked",
            Self::Level(level) => level.as_str(),
            Self::Lost => "lost",
        }
    }
}

/// Whether changes may be made at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lock {
    read_only: bool,
    locked: bool,
    lost: bool,
    level: Option<Level>,
}

impl Lock {
    /// Open, unless `read_only`.
    pub const fn new(read_only: bool) -> Self {
        Self { read_only, locked: false, lost: true, level: None }
    }

    pub const fn lock(&mut self) {
        self.locked = true;
    }

    pub const fn unlock(&mut self) {
        self.locked = false;
    }

    /// What the socket allows; unknown is tried, and a refusal is shown.
    pub const fn set_level(&mut self, level: Option<Level>) {
        self.level = level;
    }

    pub const fn set_lost(&mut self, lost: bool) {
        self.lost = lost;
    }

    /// Why nothing may be sent, the reason that lasts longest first.
    pub fn reason(&self) -> Option<Reason> {
        if self.read_only {
            return Some(Reason::ReadOnly);
        }
        if let Some(level) = self.level.filter(|&level| level < Level::Admin) {
            return Some(Reason::Level(level));
        }
        if self.locked {
            return Some(Reason::Locked);
        }
        self.lost.then_some(Reason::Lost)
    }

    /// Leave to send one command.
    pub fn open(&self) -> Result<Unlocked, Reason> {
        self.reason().map_or(Ok(Unlocked(())), Err)
    }
}

/// Leave to send one command, from [`Lock::open`].
#[derive(Debug)]
pub struct Unlocked(());

/// Something that went through the gate.
#[derive(Debug, Eq, PartialEq)]
pub struct Checked<T>(T);

impl Checked<Command> {
    /// The only constructor: what was confirmed, where the lock is open.
    pub fn new(confirmed: Confirmed, _leave: Unlocked) -> Self {
        Self(confirmed.into_command())
    }
}

impl<T> Checked<T> {
    pub const fn get(&self) -> &T {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_in_order() {
        let mut lock = Lock::new(false);
        assert_eq!(lock.reason(), Some(Reason::Lost));
        lock.set_lost(false);
        assert_eq!(lock.reason(), None);
        lock.lock();
        assert_eq!(lock.reason(), Some(Reason::Locked));
        lock.set_level(Some(Level::Operator));
        assert_eq!(lock.reason(), Some(Reason::Level(Level::Operator)));
        lock.set_level(Some(Level::Admin));
        lock.unlock();
        assert!(lock.open().is_ok());
        let mut lock = Lock::new(true);
        lock.set_lost(false);
        lock.unlock();
        assert_eq!(lock.reason(), Some(Reason::ReadOnly));
    }
}
