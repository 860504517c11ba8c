//! The commands this program can send, to the byte.

use std::fmt;

use crate::model::server::ServerId;

/// A server whose name can stand in a command as it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target(ServerId);

impl Target {
    /// `None` if a name has characters HAProxy allows in no name: such a name could be more than one word.
    pub fn new(id: &ServerId) -> Option<Self> {
        let fits = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c))
        };
        (fits(&id.backend) && fits(&id.server)).then(|| Self(id.clone()))
    }

    pub const fn id(&self) -> &ServerId {
        &self.0
    }
}

/// What an operator asks of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admin {
    Ready,
    Drain,
    Maint,
}

impl Admin {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        }
    }
}

/// A weight as it is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Weight {
    Absolute(u32),
    /// Of the weight in the configuration.
    Percent(u32),
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(weight) => write!(f, "{weight}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// The largest weight there is.
pub const MAX_WEIGHT: u32 = 256;

/// A weight as it is typed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WeightInput {
    Exactly(Weight),
    /// Added to the weight of now.
    Step(i32),
}

impl WeightInput {
    /// Reads `120`, `50%`, `+10`, `-10`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORMS: &str = "a weight is 0 to 256, or 50%, or +10";
        let text = text.trim();
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse::<u32>().ok()).flatten().ok_or(FORMS)
        };
        if let Some(step) = text.strip_prefix('+') {
            return Ok(Self::Step(number(step)?.cast_signed()));
        }
        if let Some(step) = text.strip_prefix('-') {
            return Ok(Self::Step(-number(step)?.cast_signed()));
        }
        if let Some(percent) = text.strip_suffix('%') {
            return Ok(Self::Exactly(Weight::Percent(number(percent)?)));
        }
        match number(text)? {
            weight @ 0..=MAX_WEIGHT => Ok(Self::Exactly(Weight::Absolute(weight))),
            _ => Err(FORMS),
        }
    }

    /// What to send, where the weight is `now`.
    pub fn resolve(self, now: u32) -> Weight {
        match self {
            Self::Exactly(weight) => weight,
            Self::Step(step) => Weight::Absolute(now.saturating_add_signed(step).min(MAX_WEIGHT)),
        }
    }
}

/// What changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    State(Admin),
    Weight(Weight),
}

impl Change {
    /// The verb of the title: `Drain app/app1`.
    pub fn verb(self) -> &'static str {
        match self {
            Self::State(Admin::Ready) => "Ready",
            Self::State(Admin::Drain) => "Drain",
            Self::State(Admin::Maint) => "Maintenance for",
            Self::Weight(_) => "Weight of",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(admin) => write!(f, "state {}", admin.word()),
            Self::Weight(weight) => write!(f, "weight {weight}"),
        }
    }
}

/// A command; its `Display` is what goes over the socket, without the line's end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Command {
    pub target: Target,
    pub change: Change,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set server {} {}", self.target.id(), self.change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_as_typed() {
        for (text, expected) in [
            ("50%", Ok(WeightInput::Exactly(Weight::Percent(50)))),
            ("+10", Ok(WeightInput::Step(10))),
            ("-10", Ok(WeightInput::Step(-10))),
            (" 0 ", Ok(WeightInput::Exactly(Weight::Absolute(0)))),
            ("256", Ok(WeightInput::Exactly(Weight::Absolute(256)))),
        ] {
            assert_eq!(WeightInput::parse(text), expected, "{text}");
        }
        for text in ["", "257", "%", "+", "1 0", "5;", "99999", "1%0", "+-1"] {
            assert!(WeightInput::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn steps_start_at_the_weight_of_now() {
        assert_eq!(WeightInput::Step(10).resolve(100), Weight::Absolute(110));
        assert_eq!(WeightInput::Step(-10).resolve(5), Weight::Absolute(0));
        assert_eq!(WeightInput::Step(10).resolve(250), Weight::Absolute(256));
    }

    #[test]
    fn names_that_are_more_than_a_word_are_no_targets() {
        for bad in ["", "a b", "a;b", "a\nb", "a/b", "a\\", "ä", "a\x1b"] {
            assert_eq!(Target::new(&ServerId::new("be", bad)), None, "{bad:?}");
            assert_eq!(Target::new(&ServerId::new(bad, "s")), None, "{bad:?}");
        }
        assert!(Target::new(&ServerId::new("be-1.x_y:z", "s1")).is_some());
    }
}
