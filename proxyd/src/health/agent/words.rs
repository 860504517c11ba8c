//! The words of an agent's answer, as HAProxy takes them: only the first line counts, words are separated by blanks
//! and commas, of several of a kind the last one holds, and behind a `#` is a reason.

use proto::command::Weight;

/// What one answer says. What it does not mention stays as it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Words {
    pub admin: Option<Admin>,
    pub weight: Option<Weight>,
    /// 0 is no limit.
    pub maxconn: Option<u32>,
    pub health: Option<Health>,
    /// Behind the `#`.
    pub reason: String,
    /// The first word that means nothing.
    pub unknown: Option<String>,
}

/// What it asks for in the place of an operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admin {
    Ready,
    Drain,
    Maint,
}

/// What it says of its server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Health {
    Up,
    Down,
    Stopped,
    Fail,
}

impl Health {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Stopped => "stopped",
            Self::Fail => "fail",
        }
    }
}

/// The first line of an answer, once it has come to its end. What is cut off may mean something else than was said.
pub fn line(answer: &[u8]) -> Option<&[u8]> {
    let end = answer.iter().position(|byte| matches!(byte, b'\n' | b'\r' | 0))?;
    (answer[end] != 0).then_some(&answer[..end])
}

impl Words {
    /// Reads the first line of an answer.
    pub fn read(line: &[u8]) -> Self {
        let line = String::from_utf8_lossy(line);
        let mut words = Self::default();
        let mut rest = &*line;
        loop {
            rest = rest.trim_start_matches(is_separator);
            if let Some(reason) = rest.strip_prefix('#') {
                reason.trim().clone_into(&mut words.reason);
                break;
            }
            if rest.is_empty() {
                break;
            }
            let (word, behind) = rest.split_at(rest.find(is_separator).unwrap_or(rest.len()));
            words.take(word);
            rest = behind;
        }
        words
    }

    fn take(&mut self, word: &str) {
        match word.to_ascii_lowercase().as_str() {
            "up" => self.health = Some(Health::Up),
            "down" => self.health = Some(Health::Down),
            "stopped" => self.health = Some(Health::Stopped),
            "fail" | "failed" => self.health = Some(Health::Fail),
            "ready" => self.admin = Some(Admin::Ready),
            "drain" => self.admin = Some(Admin::Drain),
            "maint" => self.admin = Some(Admin::Maint),
            lower => match number(lower) {
                Some(Number::Weight(weight)) => self.weight = Some(weight),
                Some(Number::Maxconn(maxconn)) => self.maxconn = Some(maxconn),
                None => {
                    self.unknown.get_or_insert_with(|| word.to_owned());
                }
            },
        }
    }
}

const fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | ',')
}

enum Number {
    Weight(Weight),
    Maxconn(u32),
}

/// `75%`, `weight:50`, `weight:75%`, `maxconn:30`.
fn number(word: &str) -> Option<Number> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    if let Some(maxconn) = word.strip_prefix("maxconn:") {
        return digits(maxconn).filter(|maxconn| i32::try_from(*maxconn).is_ok()).map(Number::Maxconn);
    }
    let (named, bare) = match word.strip_prefix("weight:") {
        Some(bare) => (true, bare),
        None => (false, word),
    };
    let weight = match bare.strip_suffix('%') {
        Some(percent) => digits(percent).map(Weight::Percent),
        None if named => digits(bare).filter(|weight| *weight <= Weight::MAX).map(Weight::Absolute),
        None => None,
    };
    weight.map(Number::Weight)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_of_haproxys_agents() {
        let none = Words::default();
        for (answer, words) in [
            ("up", Words { health: Some(Health::Up), ..none.clone() }),
            ("UP", Words { health: Some(Health::Up), ..none.clone() }),
            (
                "down # too hot",
                Words { health: Some(Health::Down), reason: "too hot".into(), ..none.clone() },
            ),
            ("stopped#x", Words { health: None, unknown: Some("stopped#x".into()), ..none.clone() }),
            ("stopped #x", Words { health: Some(Health::Stopped), reason: "x".into(), ..none.clone() }),
            ("failed", Words { health: Some(Health::Fail), ..none.clone() }),
            ("75%", Words { weight: Some(Weight::Percent(75)), ..none.clone() }),
            ("weight:40", Words { weight: Some(Weight::Absolute(40)), ..none.clone() }),
            (
                "ready,up\t50%, 60% maxconn:30",
                Words {
                    admin: Some(Admin::Ready),
                    health: Some(Health::Up),
                    weight: Some(Weight::Percent(60)),
                    maxconn: Some(30),
                    ..none.clone()
                },
            ),
            ("drain", Words { admin: Some(Admin::Drain), ..none.clone() }),
            ("maint", Words { admin: Some(Admin::Maint), ..none.clone() }),
            (
                "warm lukewarm up",
                Words { health: Some(Health::Up), unknown: Some("warm".into()), ..none.clone() },
            ),
            ("weight:400", Words { unknown: Some("weight:400".into()), ..none.clone() }),
            ("-5%", Words { unknown: Some("-5%".into()), ..none.clone() }),
            ("99999999999%", Words { unknown: Some("99999999999%".into()), ..none.clone() }),
            ("maxconn: 30", Words { unknown: Some("maxconn:".into()), ..none.clone() }),
            ("", none.clone()),
            (" , ", none.clone()),
        ] {
            let words = if answer == "maxconn: 30" {
                // The first that means nothing is told.
                Words { unknown: Some("maxconn:".into()), ..words }
            } else {
                words
            };
            assert_eq!(Words::read(answer.as_bytes()), words, "{answer:?}");
        }
    }

    #[test]
    fn only_what_has_come_to_its_end_counts() {
        assert_eq!(line(b"up\r"), Some(&b"up"[..]));
        assert_eq!(line(b"down # too hot\r\nup\n"), Some(&b"down # too hot"[..]));
        assert_eq!(line(b"\n up"), Some(&b""[..]));
        for cut in ["", "up", "up maxconn:3", "up\0\n"] {
            assert_eq!(line(cut.as_bytes()), None, "{cut:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(answer in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _whatever = line(&answer).map(Words::read);
            let _whatever = Words::read(&answer);
        }
    }
}
