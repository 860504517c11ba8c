//! Reads a log-format string.

use std::ops::Range;

use super::variable::{Variable, known, near};
use super::{Flags, Piece, Wrong};

/// The parts of a line.
pub(super) fn read(text: &str) -> Result<Vec<Piece>, Wrong> {
    let mut reader = Reader { text, at: 0, pieces: Vec::new(), plain: String::new(), all: Flags::default() };
    reader.run()?;
    Ok(reader.pieces)
}

/// A string, and how far it was read.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    pieces: Vec<Piece>,
    plain: String,
    /// Flags of `%o`.
    all: Flags,
}

impl Reader<'_> {
    fn run(&mut self) -> Result<(), Wrong> {
        while let Some(c) = self.text[self.at..].chars().next() {
            match c {
                '%' => self.variable()?,
                ' ' => {
                    self.end_plain();
                    self.pieces.push(Piece::Blank);
                    self.at += 1;
                }
                c if c.is_control() => {
                    let at = self.at..self.at + c.len_utf8();
                    return Err(wrong(at, "a line of the log is one line of text", "a control character"));
                }
                c => {
                    self.plain.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
        self.end_plain();
        Ok(())
    }

    fn end_plain(&mut self) {
        if !self.plain.is_empty() {
            self.pieces.push(Piece::Text(std::mem::take(&mut self.plain).into()));
        }
    }

    /// `%name`, `%{flags}name` or `%%`.
    fn variable(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        let mut rest = &self.text[start + 1..];
        if rest.starts_with('%') {
            self.plain.push('%');
            self.at += 2;
            return Ok(());
        }
        let mut flags = self.all;
        if let Some(inner) = rest.strip_prefix('{') {
            let Some(end) = inner.find('}') else {
                return Err(wrong(start..self.text.len(), "flags end with `}`", "it is missing"));
            };
            read_flags(&inner[..end], start + 2, &mut flags)?;
            rest = &inner[end + 1..];
        }
        let name_at = self.text.len() - rest.len();
        if rest.starts_with('[') {
            let end = rest.find(']').map_or(self.text.len(), |end| name_at + end + 1);
            let name = self.text[name_at..end].replace("(CN)", "(cn)");
            if let Some((_, variable, ..)) = known(&name) {
                self.end_plain();
                self.at = end;
                self.pieces.push(Piece::Variable(*variable, flags));
                return Ok(());
            }
            return Err(Wrong {
                later: true,
                ..wrong(start..end, "this sample expression is not supported yet in a log format", "")
            });
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let name = &rest[..end];
        let place = start..name_at + end;
        if name.is_empty() {
            return Err(wrong(
                start..name_at.max(start + 1),
                "`%` begins a variable",
                "write `%%` for a percent sign",
            ));
        }
        let Some((_, variable, ..)) = known(name) else {
            let label = match near(name) {
                Some(near) => format!("did you mean `%{near}`?"),
                None => String::new(),
            };
            return Err(wrong(place, format!("`%{name}` is not a variable of a log format"), label));
        };
        self.end_plain();
        self.at = name_at + end;
        if *variable == Variable::Nothing {
            self.all = flags;
        } else {
            self.pieces.push(Piece::Variable(*variable, flags));
        }
        Ok(())
    }
}

fn read_flags(text: &str, at: usize, flags: &mut Flags) -> Result<(), Wrong> {
    let mut start = at;
    for flag in text.split(',') {
        let place = start..start + flag.len().max(1);
        start += flag.len() + 1;
        let (on, letter) = match flag.split_at_checked(1) {
            Some(("+", letter)) => (true, letter),
            Some(("-", letter)) => (false, letter),
            _ => return Err(wrong(place, "a flag has `+` or `-` in front of it", "as in `%{+Q}r`")),
        };
        match letter {
            "Q" => flags.quote = on,
            "X" => flags.hex = on,
            "E" => flags.escape = on,
            _ => return Err(wrong(place, format!("`{letter}` is not a flag"), "expected `Q`, `X` or `E`")),
        }
    }
    Ok(())
}

fn wrong(at: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> Wrong {
    Wrong { at, message: message.into(), label: label.into(), later: false }
}
