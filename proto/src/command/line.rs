//! One line of input: its commands, and whether a payload follows.

/// Longest pattern that can end a payload.
pub const MAX_PATTERN: usize = 64;

/// A line, split at `;`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// In order; an empty one is answered with an empty line.
    pub commands: Vec<String>,
    /// The line that ends the payload of the last command, if there is one: an empty one, or the word after `<<`.
    pub payload_until: Option<String>,
}

/// Why a line cannot be taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("The payload pattern is too long: at most {MAX_PATTERN} characters may follow '<<'.")]
pub struct PatternTooLong;

impl Line {
    /// Splits a line without its line feed. A carriage return at its end ends the last command as a `;` does, which is
    /// what HAProxy's answer to CRLF shows.
    pub fn parse(line: &str) -> Result<Self, PatternTooLong> {
        let (line, crlf) = match line.strip_suffix('\r') {
            Some(line) => (line, true),
            None => (line, false),
        };
        let (line, payload_until) = match payload(line) {
            Some((_, pattern)) if pattern.len() > MAX_PATTERN => return Err(PatternTooLong),
            Some((line, pattern)) => (line, Some(pattern.to_owned())),
            None => (line, None),
        };
        let mut commands = split(line);
        if crlf && payload_until.is_none() {
            commands.push(String::new());
        }
        Ok(Self { commands, payload_until })
    }
}

/// The line before a last word `<<PATTERN`, and the pattern.
fn payload(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_end_matches([' ', '\t']);
    let (before, last) = line.rsplit_once([' ', '\t'])?;
    Some((before, last.strip_prefix("<<")?))
}

/// Splits at each `;` that no backslash precedes; escapes stay for the words to read.
fn split(line: &str) -> Vec<String> {
    let mut commands = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == ';' {
            commands.push(String::new());
            continue;
        }
        if let Some(command) = commands.last_mut() {
            command.push(c);
            if c == '\\' {
                command.extend(chars.next());
            }
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(line: &str) -> (Vec<String>, Option<String>) {
        let line = Line::parse(line).unwrap();
        (line.commands, line.payload_until)
    }

    #[test]
    fn commands_of_a_line() {
        for (line, commands) in [
            ("show version", vec!["show version"]),
            ("a; b", vec!["a", " b"]),
            (";;a;;", vec!["", "", "a", "", ""]),
            (r"a\;b", vec![r"a\;b"]),
            (r"a\\;b", vec![r"a\\", "b"]),
            ("show info;show stat\r", vec!["show info", "show stat", ""]),
            ("", vec![""]),
        ] {
            assert_eq!(parsed(line), (commands.into_iter().map(str::to_owned).collect(), None), "{line:?}");
        }
    }

    #[test]
    fn payloads() {
        for (line, command, until) in [
            ("add map m <<", "add map m", Some("")),
            ("add map m <<EOF  ", "add map m", Some("EOF")),
            ("add map m <<EOF\r", "add map m", Some("EOF")),
            ("add map m<<", "add map m<<", None),
            ("add << m", "add << m", None),
        ] {
            assert_eq!(parsed(line), (vec![command.to_owned()], until.map(str::to_owned)), "{line:?}");
        }
        assert_eq!(Line::parse(&format!("a <<{}", "E".repeat(65))), Err(PatternTooLong));
    }

    proptest! {
        #[test]
        fn never_panics(line in "\\PC*") {
            let _either = Line::parse(&line);
        }
    }
}
