//! Frames as text, one a line; `tests/corpus/README.md` has the form.

use super::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, FRAME, Frame, HEADERS, PADDED, PREFACE, PRIORITISED,
    PRIORITY, SETTING_NAMES, code, hpack, request_fields,
};
use crate::corpus::unescape;

/// What one side does next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    Send(Vec<u8>),
    /// Waits until the other side has said all on that stream.
    Over(u32),
    /// Waits for the head of its answer.
    Head(u32),
    /// Waits for the settings of the other side, and what it says to ours.
    Settings,
    /// Leaves PINGs unanswered from now on.
    Mute,
    /// Says no more, and goes on listening.
    Close,
}

/// A head in the making.
#[derive(Debug)]
struct Block {
    frame: Frame,
    /// More of it comes in other frames.
    open: bool,
    padding: Option<usize>,
}

impl Block {
    fn bytes(mut self) -> Vec<u8> {
        if self.frame.kind == HEADERS && self.frame.flags & PRIORITISED != 0 {
            // It depends on no other stream.
            self.frame.payload.splice(..0, [0, 0, 0, 0, 15]);
        }
        if let Some(padding) = self.padding {
            pad(&mut self.frame, padding);
        }
        if self.open {
            return self.frame.bytes();
        }
        let long = self.frame.payload.split_off(self.frame.payload.len().min(FRAME));
        let mut frames = vec![self.frame];
        let stream = frames[0].stream;
        frames.extend(long.chunks(FRAME).map(|part| Frame::new(CONTINUATION, 0, stream, part)));
        frames.last_mut().expect("at least one").flags |= END_HEADERS;
        super::bytes(&frames)
    }
}

fn pad(frame: &mut Frame, padding: usize) {
    frame.flags |= PADDED;
    frame.payload.insert(0, padding as u8);
    frame.payload.extend(vec![0; padding]);
}

/// Reads the lines of a case; `@` in them is this stream. The error names its line.
pub fn parse(lines: &[(usize, String)], stream: u32) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut block: Option<Block> = None;
    for (number, line) in lines {
        let error = |what: String| format!("line {number}: {what}: {line:?}");
        if line.starts_with(['+', '=']) {
            let open = block.as_mut().ok_or_else(|| error("no head in front".into()))?;
            open.frame.payload.extend(part(line).map_err(error)?);
            continue;
        }
        if let Some(block) = block.take() {
            steps.push(Step::Send(block.bytes()));
        }
        match read(line, stream).map_err(error)? {
            Line::Step(step) => steps.push(step),
            Line::Block(begun) => block = Some(begun),
        }
    }
    steps.extend(block.map(|it| Step::Send(it.bytes())));
    Ok(steps)
}

/// `+ name: value` or `+N name: value`, a field, and `= bytes`, which are HPACK already.
fn part(line: &str) -> Result<Vec<u8>, String> {
    let (sign, rest) = line.split_once(' ').ok_or("nothing behind it")?;
    if sign == "=" {
        return unescape(rest);
    }
    let times = match &sign[1..] {
        "" => 1,
        times => times.parse().map_err(|_no_number| "how often?")?,
    };
    // A name may begin with a colon, but for one that is nothing else.
    let (from, rest_of) =
        rest.strip_prefix(':').filter(|it| it.contains(':')).map_or((0, rest), |it| (1, it));
    let colon = rest_of.find(':').ok_or("a field is `name: value`")? + from;
    let (name, value) = (&rest[..colon], &rest[colon + 1..]);
    let value =
        if value.is_empty() { value } else { value.strip_prefix(' ').ok_or("a blank follows `:`")? };
    Ok(hpack::literal(&unescape(name)?, &unescape(value)?).repeat(times))
}

enum Line {
    Step(Step),
    Block(Block),
}

/// Words of a line, taken from its front.
struct Words<'a> {
    left: std::str::SplitWhitespace<'a>,
    stream: u32,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Result<&'a str, String> {
        self.left.next().ok_or_else(|| "a word is missing".into())
    }

    fn number(&mut self) -> Result<u32, String> {
        let word = self.next()?;
        let number = match word.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => word.parse(),
        };
        number.map_err(|error| format!("{word:?}: {error}"))
    }

    fn stream(&mut self) -> Result<u32, String> {
        let Some(word) = self.left.clone().next() else { return Err("which stream?".into()) };
        let Some(rest) = word.strip_prefix('@') else { return self.number() };
        self.left.next();
        if rest.is_empty() {
            return Ok(self.stream);
        }
        let more: u32 = rest.parse().map_err(|error| format!("{word:?}: {error}"))?;
        Ok(self.stream + more)
    }

    fn code(&mut self) -> Result<u32, String> {
        let word = self.next()?;
        code(word).or_else(|| word.parse().ok()).ok_or_else(|| format!("{word:?} is no code"))
    }

    fn all_read(&mut self) -> Result<(), String> {
        self.left.next().map_or(Ok(()), |it| Err(format!("{it:?} is one word too many")))
    }
}

fn read(line: &str, stream: u32) -> Result<Line, String> {
    let (words, text) = line.split_once(" : ").map_or((line, None), |(words, text)| (words, Some(text)));
    let text = text.map(unescape).transpose()?.unwrap_or_default();
    let mut words = Words { left: words.split_whitespace(), stream };
    let verb = words.next()?;
    let send = |bytes: Vec<u8>| Ok(Line::Step(Step::Send(bytes)));
    match verb {
        "preface" => send(PREFACE.to_vec()),
        "raw" => send(unescape(line.strip_prefix("raw ").unwrap_or_default())?),
        "close" => Ok(Line::Step(Step::Close)),
        "await" => {
            let step = match words.left.clone().next() {
                Some("settings") => Step::Settings,
                Some("head") => {
                    words.next()?;
                    return Ok(Line::Step(Step::Head(words.stream()?)));
                }
                _ => Step::Over(words.stream()?),
            };
            Ok(Line::Step(step))
        }
        "get" | "head" | "post" | "put" | "options" => {
            let stream = words.stream()?;
            let target = unescape(words.next()?)?.into_iter().map(char::from).collect::<String>();
            words.all_read()?;
            let flags = if matches!(verb, "post" | "put") { 0 } else { END_STREAM };
            let fields = hpack::encode(&request_fields(&verb.to_ascii_uppercase(), &target));
            Ok(Line::Block(Block {
                frame: Frame::new(HEADERS, flags, stream, fields),
                open: false,
                padding: None,
            }))
        }
        "fields" | "continue" => {
            let kind = if verb == "fields" { HEADERS } else { CONTINUATION };
            let mut block =
                Block { frame: Frame::new(kind, 0, words.stream()?, []), open: false, padding: None };
            for word in words.left.by_ref() {
                match word {
                    "end" => block.frame.flags |= END_STREAM,
                    "open" => block.open = true,
                    "priority" => block.frame.flags |= PRIORITISED,
                    _ => block.padding = Some(padding(word)?),
                }
            }
            Ok(Line::Block(block))
        }
        "data" => {
            let mut frame = Frame::new(DATA, 0, words.stream()?, text);
            for word in words.left.by_ref() {
                match word {
                    "end" => frame.flags |= END_STREAM,
                    _ => pad(&mut frame, padding(word)?),
                }
            }
            send(frame.bytes())
        }
        "frame" => {
            let (kind, flags) = (words.number()?, words.number()?);
            let frame = Frame::new(kind as u8, flags as u8, words.stream()?, text);
            let length = match words.left.next() {
                None => frame.payload.len(),
                Some(word) => word
                    .strip_prefix("length=")
                    .and_then(|it| it.parse().ok())
                    .ok_or_else(|| format!("{word:?} is no length"))?,
            };
            send(frame.with_length(length))
        }
        _ => small(verb, &mut words),
    }
}

fn padding(word: &str) -> Result<usize, String> {
    let padding = word.strip_prefix("padded=").and_then(|it| it.parse::<u8>().ok());
    padding.map(usize::from).ok_or_else(|| format!("{word:?} is no flag"))
}

/// The frames that are numbers only.
fn small(verb: &str, words: &mut Words<'_>) -> Result<Line, String> {
    let frame = match verb {
        "settings" => {
            let mut values = Vec::new();
            let mut flags = 0;
            for word in words.left.by_ref() {
                let Some((name, value)) = word.split_once('=') else {
                    flags |= if word == "ack" { ACK } else { return Err(format!("{word:?}")) };
                    continue;
                };
                let known = SETTING_NAMES.iter().find(|(it, _)| *it == name).map(|(_, number)| *number);
                let name = known.or_else(|| name.parse().ok()).ok_or_else(|| format!("{name:?}?"))?;
                values.push((name, value.parse().map_err(|error| format!("{value:?}: {error}"))?));
            }
            Frame { flags, ..Frame::settings(&values) }
        }
        "reset" => Frame::reset(words.stream()?, words.code()?),
        "window" => Frame::window(words.stream()?, words.number()?),
        "goaway" => Frame::goaway(words.stream()?, words.code()?),
        "ping" => Frame::ping(*b"are you?"),
        "priority" => {
            let (stream, on) = (words.stream()?, words.stream()?);
            Frame::new(PRIORITY, 0, stream, [&on.to_be_bytes()[..], &[15]].concat())
        }
        _ => return Err(format!("{verb:?} is nothing to do")),
    };
    words.all_read()?;
    Ok(Line::Step(Step::Send(frame.bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Result<Vec<Step>, String> {
        let lines: Vec<_> = text.lines().enumerate().map(|(at, line)| (at + 1, line.to_owned())).collect();
        parse(&lines, 5)
    }

    #[test]
    fn frames_are_what_the_lines_say() {
        let read =
            steps("fields @ end\n+ a: b\n= \\x82\ndata 7 padded=1 end : hi\nawait head @2\nwindow 0 1");
        assert_eq!(
            read.unwrap(),
            [
                Step::Send(b"\0\0\x06\x01\x05\0\0\0\x05\0\x01a\x01b\x82".to_vec()),
                Step::Send(b"\0\0\x04\0\x09\0\0\0\x07\x01hi\0".to_vec()),
                Step::Head(7),
                Step::Send(b"\0\0\x04\x08\0\0\0\0\0\0\0\0\x01".to_vec()),
            ]
        );
        let long = steps("fields 1\n+ a: \\{20000*x}").unwrap();
        let Step::Send(bytes) = &long[0] else { unreachable!("a head") };
        assert_eq!((bytes.len(), bytes[4]), (20_000 + 18 + 7, 0));
        assert_eq!(
            steps("frame 0x1 0x25 1 length=9 : ab").unwrap(),
            [Step::Send(b"\0\0\x09\x01\x25\0\0\0\x01ab".to_vec())]
        );
    }

    #[test]
    fn slips_are_errors() {
        for (text, message) in [
            ("jump 1", "nothing to do"),
            ("+ a: b", "no head"),
            ("get 1", "missing"),
            ("get 1 / x", "too many"),
            ("fields 1\n+ a", "a field is"),
            ("fields 1\n+ a:b", "a blank follows"),
            ("fields 1 over", "no flag"),
            ("reset 1 OOPS", "no code"),
            ("settings WIDTH=1", "WIDTH"),
            ("window 1", "missing"),
            ("frame 1 1 1 2", "no length"),
            ("await", "which stream"),
        ] {
            let error = steps(text).unwrap_err();
            assert!(error.contains(message), "{text:?}: {error}");
        }
    }
}
