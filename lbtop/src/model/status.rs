//! The status words of servers, and what they mean to somebody who looks for trouble.

/// What a server's status says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Condition {
    Down,
    /// Down, and its checks begin to pass.
    ComingUp,
    /// Up, and its checks begin to fail.
    GoingDown,
    Drain,
    /// Takes no new load by its own wish (404 on its check).
    Nolb,
    Maint,
    Up,
    NoCheck,
    /// A word this program does not know.
    Other,
}

impl Condition {
    /// Reads HAProxy's word (`UP 1/3`, `MAINT (via a/b)`, `no check`).
    pub fn parse(word: &str) -> Self {
        let (first, rest) = word.split_once(' ').unwrap_or((word, ""));
        let counting = rest.starts_with(|c: char| c.is_ascii_digit());
        match first {
            "UP" if counting => Self::GoingDown,
            "UP" | "OPEN" => Self::Up,
            "DOWN" if counting => Self::ComingUp,
            "DOWN" => Self::Down,
            "DRAIN" => Self::Drain,
            "NOLB" => Self::Nolb,
            "MAINT" => Self::Maint,
            "no" if rest == "check" => Self::NoCheck,
            _ => Self::Other,
        }
    }

    /// Whether new load may be sent to it, if its weight is above 0.
    pub const fn takes_load(self) -> bool {
        matches!(self, Self::Up | Self::GoingDown | Self::NoCheck)
    }
}

/// Whether it is the server's agent that says so (`DOWN (agent)`), whatever its check says.
pub fn is_of_agent(word: &str) -> bool {
    word.ends_with(" (agent)")
}

/// What a backend does while so few of its servers are up that health is not believed there; the worst first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Panic {
    /// No server gets anything.
    NoneUsed,
    /// All servers are used, up or not.
    AllUsed,
}

impl Panic {
    /// Reads the word of a backend (`UP (PANIC)`, `DOWN (PANIC)`).
    pub fn parse(word: &str) -> Option<Self> {
        let used = word.strip_suffix(" (PANIC)")?;
        Some(if Condition::parse(used) == Condition::Up { Self::AllUsed } else { Self::NoneUsed })
    }
}

/// How much a server asks for attention, most first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    Down,
    GoingDown,
    OverLimit,
    Queueing,
    Drain,
    Maint,
    Fine,
}

impl Severity {
    /// Whether `e` stops there: what nobody did on purpose.
    pub const fn is_problem(self) -> bool {
        matches!(self, Self::Down | Self::GoingDown | Self::OverLimit | Self::Queueing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics() {
        for (word, panic) in [
            ("UP (PANIC)", Some(Panic::AllUsed)),
            ("DOWN (PANIC)", Some(Panic::NoneUsed)),
            ("UP", None),
            ("DOWN", None),
        ] {
            assert_eq!(Panic::parse(word), panic, "{word:?}");
        }
        assert!(Panic::NoneUsed < Panic::AllUsed, "the worst is the least");
    }

    #[test]
    fn words() {
        for (word, condition) in [
            ("UP", Condition::Up),
            ("UP 1/3", Condition::GoingDown),
            ("DOWN", Condition::Down),
            ("DOWN 1/2", Condition::ComingUp),
            ("DOWN (agent)", Condition::Down),
            ("DRAIN", Condition::Drain),
            ("DRAIN 2/3", Condition::Drain),
            ("DRAIN (agent)", Condition::Drain),
            ("NOLB 1/2", Condition::Nolb),
            ("MAINT", Condition::Maint),
            ("MAINT (via a/b)", Condition::Maint),
            ("no check", Condition::NoCheck),
            ("", Condition::Other),
            ("\u{1b}[31m", Condition::Other),
        ] {
            assert_eq!(Condition::parse(word), condition, "{word:?}");
        }
    }
}
