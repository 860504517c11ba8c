//! A head as it was written for the other side, read again for the few places an expression asks for.
//!
//! What is looked up here was judged before: lines end in CRLF, names have a colon behind them, and the request line
//! has three words.

use super::{Bytes, Request};
use crate::config::sample::Message;

/// The head of a request or an answer.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a>(&'a [u8]);

impl<'a> Head<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn first_line(self) -> &'a [u8] {
        line(self.0).0
    }

    pub fn method(self) -> Option<&'a [u8]> {
        self.first_line().split(|&b| b == b' ').next()
    }

    /// As the server is told it.
    pub fn target(self) -> Option<&'a [u8]> {
        self.first_line().split(|&b| b == b' ').nth(1)
    }

    pub fn status(self) -> Option<i64> {
        let digits = self.first_line().get(9..12)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// Whole values of the fields of a name.
    pub fn fields<'n>(self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let mut rest = line(self.0).1;
        std::iter::from_fn(move || {
            loop {
                let (field, behind) = line(rest);
                if field.is_empty() {
                    return None;
                }
                rest = behind;
                if let Some((found, value)) = field.split_at_checked(name.len())
                    && let [b':', value @ ..] = value
                    && found.eq_ignore_ascii_case(name.as_bytes())
                {
                    return Some(value.trim_ascii());
                }
            }
        })
    }

    /// The same, each in its parts between commas.
    pub fn values<'n>(self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields(name).flat_map(|value| Parts { rest: Some(value) })
    }

    /// The last cookie of a name; of no name the first there is.
    pub fn cookie(self, message: Message, name: &[u8]) -> Option<&'a [u8]> {
        fn chosen<'a>(mut all: impl Iterator<Item = (&'a [u8], &'a [u8])>, name: &[u8]) -> Option<&'a [u8]> {
            let one =
                if name.is_empty() { all.next() } else { all.filter(|(found, _)| *found == name).last() };
            one.map(|(_, value)| value)
        }
        match message {
            Message::Request => chosen(self.values("cookie").flat_map(|value| Cookies { rest: value }), name),
            // Behind the first there are attributes.
            Message::Response => {
                chosen(self.fields("set-cookie").filter_map(|value| Cookies { rest: value }.next()), name)
            }
        }
    }
}

impl<'a> Request<'a> {
    /// From the first `/` on; `None` for what has no path.
    pub fn path(self) -> Option<&'a [u8]> {
        Head::new(self.head).target().filter(|target| target.starts_with(b"/"))
    }

    /// As the client named it.
    pub fn url(self) -> Option<Bytes<'a>> {
        let target = Head::new(self.head).target()?;
        let Some(scheme) = self.scheme.filter(|_| target.starts_with(b"/")) else {
            return Some(target.into());
        };
        let host = Head::new(self.head).fields("host").next().unwrap_or_default();
        let mut url = smallvec::SmallVec::from_slice(scheme.as_bytes());
        url.extend_from_slice(b"://");
        url.extend_from_slice(host);
        url.extend_from_slice(target);
        Some(Bytes::Made(url))
    }

    /// Host and path.
    pub(super) fn base(self, query: bool) -> Option<Bytes<'a>> {
        let path = self.path().map(|path| if query { path } else { without_query(path) });
        let Some(host) = Head::new(self.head).values("host").next().filter(|host| !host.is_empty()) else {
            return path.map(Bytes::from);
        };
        let mut base = smallvec::SmallVec::from_slice(host);
        base.extend_from_slice(path.unwrap_or_default());
        Some(Bytes::Made(base))
    }
}

/// A line, and what follows its end.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.windows(2).position(|pair| pair == b"\r\n") {
        Some(end) => (&bytes[..end], &bytes[end + 2..]),
        None => (bytes, &[]),
    }
}

/// The values of a field between its commas, which may be empty; in quotes a comma is none.
struct Parts<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let value = self.rest?;
        let end = end_of_value(value, b"," as &[u8]);
        self.rest = value.get(end + 1..);
        Some(value[..end].trim_ascii())
    }
}

/// The cookies of a value of `Cookie`, with their names.
struct Cookies<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Cookies<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let pair = self.rest.trim_ascii_start();
            let equal = pair.iter().position(|b| matches!(b, b'=' | b';' | b','));
            let equal = equal.unwrap_or(pair.len());
            let name = pair[..equal].trim_ascii_end();
            let has_value = pair.get(equal) == Some(&b'=');
            let end = if has_value { equal + 1 + end_of_value(&pair[equal + 1..], b",;") } else { equal };
            self.rest = pair.get(end + 1..).unwrap_or_default();
            // What begins with `$` tells of the cookie before it (RFC 2965).
            if has_value && !name.starts_with(b"$") {
                return Some((name, pair[equal + 1..end].trim_ascii()));
            }
        }
        None
    }
}

/// Where one of these stands outside of quotes, or the value ends.
fn end_of_value(value: &[u8], ends: &[u8]) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    let end = value.iter().position(|b| {
        if escaped {
            escaped = false;
        } else if quoted {
            escaped = *b == b'\\';
            quoted = *b != b'"';
        } else if *b == b'"' {
            quoted = true;
        } else {
            return ends.contains(b);
        }
        false
    });
    end.unwrap_or(value.len())
}

/// The one that is meant: from 1 on, or from -1 back.
pub(super) fn occurrence<'a>(mut all: impl Iterator<Item = &'a [u8]>, which: i32) -> Option<&'a [u8]> {
    const BACK: usize = 10;
    if let Ok(which) = usize::try_from(which) {
        return all.nth(which.saturating_sub(1));
    }
    let back = which.unsigned_abs() as usize;
    let mut last: [Option<&[u8]>; BACK] = [None; BACK];
    let mut count = 0;
    for value in all {
        last[count % BACK] = Some(value);
        count += 1;
    }
    if back > count || back > BACK { None } else { last[(count - back) % BACK] }
}

pub(super) fn without_query(path: &[u8]) -> &[u8] {
    path.split(|&b| b == b'?').next().unwrap_or_default()
}

/// What is behind the first `?`, with it if `mark`.
pub fn query(path: &[u8], mark: bool) -> Option<&[u8]> {
    let at = path.iter().position(|&b| b == b'?')?;
    // A mark alone is nothing.
    let from = if mark && at + 1 < path.len() { at } else { at + 1 };
    path.get(from..)
}

/// HAProxy's `url_param`.
pub(super) fn url_param<'a>(url: &'a [u8], name: &[u8], from: u8, any_case: bool) -> Option<&'a [u8]> {
    let at = url.iter().position(|&b| b == from)?;
    let ends = |b: &u8| matches!(b, b'&' | b';') || *b == from;
    let mut rest = &url[at + 1..];
    if name.is_empty() {
        let equal = rest.iter().position(|&b| b == b'=')?;
        return rest[equal + 1..].split(ends).next();
    }
    loop {
        if let Some((found, value)) = rest.split_at_checked(name.len())
            && let [b'=', value @ ..] = value
            && (found == name || any_case && found.eq_ignore_ascii_case(name))
        {
            return value.split(ends).next();
        }
        rest = &rest[rest.iter().position(ends)? + 1..];
    }
}
