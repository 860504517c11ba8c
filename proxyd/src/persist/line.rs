//! Cookies in the text of a head: where they stand, and how one is taken out or changed without touching the others.
//!
//! A head is what goes to the other side: a first line, then `Name: value` lines, then an empty one.

use std::ops::Range;

/// The lines of that name, from `at` on; their values.
pub(super) fn next(head: &[u8], name: &[u8], mut at: usize) -> Option<Line> {
    loop {
        let length = head.get(at..)?.windows(2).position(|two| two == b"\r\n")?;
        if length == 0 {
            return None;
        }
        let line = &head[at..at + length];
        if let Some((written, rest)) = line.split_at_checked(name.len())
            && written.eq_ignore_ascii_case(name)
            && rest.first() == Some(&b':')
        {
            let blanks = rest[1..].iter().take_while(|byte| is_blank(**byte)).count();
            return Some(Line { start: at, value: at + name.len() + 1 + blanks..at + length });
        }
        at += length + 2;
    }
}

/// Where a line and its value stand in a head.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Line {
    pub(super) start: usize,
    pub(super) value: Range<usize>,
}

impl Line {
    /// Where the next one begins.
    pub(super) fn end(&self) -> usize {
        self.value.end + 2
    }

    pub(super) fn remove(&self, head: &mut Vec<u8>) {
        head.drain(self.start..self.end());
    }
}

/// One `name=value` and what surrounds it, up to a `;` or the end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Pair {
    pub(super) whole: Range<usize>,
    pub(super) name: Range<usize>,
    /// `None` without a `=`.
    pub(super) value: Option<Range<usize>>,
}

impl Pair {
    /// The one that begins at `from`, in a text that ends at `end`.
    pub(super) fn read(text: &[u8], from: usize, end: usize) -> Self {
        let name_ends = (from..end).find(|&at| matches!(text[at], b'=' | b';')).unwrap_or(end);
        let name = trimmed(text, from..name_ends);
        if text[..end].get(name_ends) != Some(&b'=') {
            return Self { whole: from..name_ends, name, value: None };
        }
        let begins = name_ends + 1;
        let stops = quoted_end(text, begins, end)
            .unwrap_or_else(|| (begins..end).find(|&at| text[at] == b';').unwrap_or(end));
        Self { whole: from..stops, name, value: Some(trimmed(text, begins..stops)) }
    }

    /// `$Version` and the like: they belong to the cookie in front of them (RFC 2965).
    fn is_attribute(&self, text: &[u8]) -> bool {
        text[self.name.clone()].first() == Some(&b'$')
    }
}

/// The end of a value in quotes, which may hold a `;`; `None` if quotes do not enclose all of it.
fn quoted_end(text: &[u8], begins: usize, end: usize) -> Option<usize> {
    let blanks = text[begins..end].iter().take_while(|byte| is_blank(**byte)).count();
    let mut at = begins + blanks;
    if text[..end].get(at) != Some(&b'"') {
        return None;
    }
    at += 1;
    loop {
        match text[..end].get(at)? {
            b'\\' => at += 2,
            b'"' => break,
            _ => at += 1,
        }
    }
    let rest = &text[at + 1..end];
    let blanks = rest.iter().take_while(|byte| is_blank(**byte)).count();
    matches!(rest.get(blanks), None | Some(b';')).then_some(at + 1 + blanks)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trimmed(text: &[u8], range: Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let front = part.len() - part.trim_ascii_start().len();
    let back = part.len() - part.trim_ascii_end().len();
    if front == part.len() { range.start..range.start } else { range.start + front..range.end - back }
}

/// Takes the cookies of that name out of a `Cookie` line, with their attributes; an emptied line goes away. Returns
/// where to go on.
pub(super) fn remove(head: &mut Vec<u8>, line: &Line, name: &[u8]) -> usize {
    let Range { start, end } = line.value.clone();
    let (mut write, mut read) = (start, start);
    let (mut wrote, mut gap, mut others) = (false, false, false);
    while read <= end {
        let pair = Pair::read(head, read, end);
        read = pair.whole.end + 1;
        let ours = pair.value.is_some() && head[pair.name.clone()] == *name;
        if ours || gap && pair.is_attribute(head) {
            gap = true;
            continue;
        }
        others |=
            !pair.name.is_empty() && !pair.is_attribute(head) || pair.value.is_some() && pair.name.is_empty();
        let from = if gap { trimmed(head, pair.whole.clone()).start } else { pair.whole.start };
        if wrote {
            head[write] = b';';
            write += 1;
            if gap {
                head[write] = b' ';
                write += 1;
            }
        }
        head.copy_within(from..pair.whole.end, write);
        write += pair.whole.end - from;
        (wrote, gap) = (true, false);
    }
    if !others {
        line.remove(head);
        return line.start;
    }
    while write > start && is_blank(head[write - 1]) {
        write -= 1;
    }
    head.drain(write..end);
    write + 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn without(cookies: &str) -> Option<String> {
        let mut head = format!("GET / HTTP/1.1\r\nA: b\r\nCookie: {cookies}\r\nC: d\r\n\r\n").into_bytes();
        let line = next(&head, b"cookie", 0).unwrap();
        let on = remove(&mut head, &line, b"SRV");
        assert!(head[on..].starts_with(b"C: d\r\n"), "{:?}", String::from_utf8_lossy(&head));
        next(&head, b"cookie", 0).map(|line| String::from_utf8_lossy(&head[line.value]).into_owned())
    }

    #[test]
    fn a_cookie_goes_and_the_others_stay() {
        for (before, after) in [
            ("a=1", Some("a=1")),
            ("a=1; SRV=x", Some("a=1")),
            ("SRV=x; a=1", Some("a=1")),
            ("a=1; SRV=x; b=2", Some("a=1; b=2")),
            ("a=1;SRV=x;b=2", Some("a=1; b=2")),
            ("a=1;b=2; SRV=x", Some("a=1;b=2")),
            ("a=1 ; SRV=x", Some("a=1")),
            ("SRV=x", None),
            ("SRV=x;", None),
            ("SRV=x; SRV=y", None),
            (" SRV = x ", None),
            ("SRV=x; a=1; SRV=y; b=2; SRV", Some("a=1; b=2; SRV")),
            ("srv=x; a=1", Some("srv=x; a=1")),
            ("xSRV=x; SRVx=1", Some("xSRV=x; SRVx=1")),
            // RFC 2965.
            ("$Version=1; SRV=x; $Path=/; a=1; $Path=/", Some("$Version=1; a=1; $Path=/")),
            ("$Version=1; SRV=x; $Path=/", None),
            // Quotes that enclose a value, and such that do not.
            ("a=\"1; SRV=x\"; SRV=\"y;z\"; b=2", Some("a=\"1; SRV=x\"; b=2")),
            ("a=5\"; SRV=x; b=6\"", Some("a=5\"; b=6\"")),
            ("a=\"1; SRV=x", Some("a=\"1")),
            // A comma ends nothing.
            ("a=1,SRV=x; b=2", Some("a=1,SRV=x; b=2")),
            (";;SRV=x;;", None),
            (";;=,;", Some(";;=,;")),
            ("=;SRV=", Some("=")),
        ] {
            assert_eq!(without(before).as_deref(), after, "{before:?}");
        }
    }

    #[test]
    fn lines_are_found_by_their_whole_name() {
        let head =
            b"GET / HTTP/1.1\r\nX-Cookie: 1\r\nCookie2: 2\r\ncOOKIE:\t3\r\nCookie: \r\n\r\nCookie: 5\r\n";
        let first = next(head, b"cookie", 0).unwrap();
        assert_eq!(&head[first.value.clone()], b"3");
        let second = next(head, b"cookie", first.end()).unwrap();
        assert_eq!(&head[second.value.clone()], b"");
        assert_eq!(next(head, b"cookie", second.end()), None);
        assert_eq!(next(b"", b"cookie", 0), None);
        assert_eq!(next(b"Cookie: 1", b"cookie", 0), None);
    }

    /// The named cookies of a line, as the reader here sees them.
    fn pairs(text: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let (mut all, mut at) = (Vec::new(), 0);
        while at <= text.len() {
            let pair = Pair::read(text, at, text.len());
            at = pair.whole.end + 1;
            if let Some(value) = pair.value {
                all.push((text[pair.name].to_vec(), text[value].to_vec()));
            }
        }
        all
    }

    proptest! {
        #[test]
        fn others_read_as_before(text in "[aSRV=; \t,\"\\\\]{0,40}") {
            let before = pairs(text.trim().as_bytes());
            let mut head = format!("x\r\nCookie: {text}\r\n\r\n").into_bytes();
            let line = next(&head, b"cookie", 0).unwrap();
            remove(&mut head, &line, b"SRV");
            prop_assert!(head.starts_with(b"x\r\n") && head.ends_with(b"\r\n"));
            let after = next(&head, b"cookie", 0).map(|line| pairs(&head[line.value])).unwrap_or_default();
            let others: Vec<_> = before.into_iter().filter(|(name, _)| name != b"SRV").collect();
            prop_assert_eq!(after, others);
        }

        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut head = b"x\r\nCookie: ".to_vec();
            head.extend(bytes.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')));
            head.extend_from_slice(b"\r\n\r\n");
            let line = next(&head, b"cookie", 0).unwrap();
            remove(&mut head, &line, b"SRV");
            if let Some(line) = next(&bytes, b"cookie", 0) {
                prop_assert!(line.end() <= bytes.len());
            }
        }
    }
}
