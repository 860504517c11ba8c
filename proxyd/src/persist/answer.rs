//! What an answer tells the client: the server's own cookie changed, or one of ours beside it.

use super::line::{self, Line, Pair};
use super::request::{DATE, PREFIX_ENDS};
use super::{Given, Presented, date};
use crate::config::{Cookie, CookieMode};

/// The server that answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    pub index: u32,
    /// What it is called in cookies.
    pub value: &'a [u8],
    pub status: u16,
    /// What follows the value where a cookie is given: its attributes.
    pub attributes: &'a [u8],
    /// The answer to this method may be kept by caches.
    pub is_safe: bool,
}

impl Presented {
    /// Writes into the head of an answer what the client is to know. `now` is asked only where dates matter.
    pub fn answer(
        &self,
        head: &mut Vec<u8>,
        cookie: &Cookie,
        answered: &Answered<'_>,
        now: impl Fn() -> u64,
    ) -> Given {
        let direct = self.server == Some(answered.index);
        if self.ignored {
            return Given::None;
        }
        let mut given = change(head, cookie, answered.value, direct);
        if cookie.mode == CookieMode::Insert
            && given != Given::Passed
            && (!direct || self.is_stale(cookie, &now))
            && (!cookie.post_only || self.is_post)
        {
            let private = cookie.nocache && answered.is_safe && is_cacheable(head, answered.status);
            self.insert(head, cookie, answered, now);
            if private {
                append(head, b"Cache-Control: private\r\n");
            }
            given = if direct { Given::Updated } else { Given::Inserted };
        }
        given
    }

    /// The dates are not what they should be.
    fn is_stale(&self, cookie: &Cookie, now: impl Fn() -> u64) -> bool {
        let idle = cookie.max_idle.is_some() || self.last.is_some();
        idle && self.last.is_none_or(|last| last < now()) || cookie.max_life.is_some() != self.first.is_some()
    }

    fn insert(&self, head: &mut Vec<u8>, cookie: &Cookie, answered: &Answered<'_>, now: impl Fn() -> u64) {
        head.truncate(head.len() - 2);
        head.extend_from_slice(b"Set-Cookie: ");
        head.extend_from_slice(cookie.name.as_bytes());
        head.push(b'=');
        head.extend_from_slice(answered.value);
        if cookie.max_idle.is_some() || cookie.max_life.is_some() {
            let now = now();
            head.push(DATE);
            date::write(head, now);
            if cookie.max_life.is_some() {
                head.push(DATE);
                date::write(head, self.first.unwrap_or(now));
            }
        }
        head.extend_from_slice(answered.attributes);
        head.extend_from_slice(b"\r\n\r\n");
    }
}

/// Puts a line at the end of a head.
fn append(head: &mut Vec<u8>, line: &[u8]) {
    head.truncate(head.len() - 2);
    head.extend_from_slice(line);
    head.extend_from_slice(b"\r\n");
}

/// Does to the server's own cookie what the mode does.
fn change(head: &mut Vec<u8>, cookie: &Cookie, server: &[u8], direct: bool) -> Given {
    let (mut given, mut at) = (Given::None, 0);
    while let Some(line) = line::next(head, b"set-cookie", at) {
        at = line.end();
        let pair = Pair::read(head, line.value.start, line.value.end);
        let Some(value) = pair.value.filter(|_| head[pair.name] == *cookie.name.as_bytes()) else { continue };
        given = Given::Passed;
        if cookie.preserve {
            continue;
        }
        if cookie.mode == CookieMode::Insert || direct && cookie.indirect {
            line.remove(head);
            at = line.start;
            given = Given::Deleted;
            continue;
        }
        let length = head.len();
        match cookie.mode {
            CookieMode::Rewrite => drop(head.splice(value, server.iter().copied())),
            CookieMode::Prefix => {
                let prefix = server.iter().copied().chain([PREFIX_ENDS]);
                drop(head.splice(value.start..value.start, prefix));
            }
            CookieMode::Insert | CookieMode::Passive => continue,
        }
        given = Given::Rewritten;
        at = at + head.len() - length;
    }
    given
}

/// Whether a cache may keep an answer (RFC 9111 3), which then must not hold a cookie of one client.
fn is_cacheable(head: &[u8], status: u16) -> bool {
    let mut cacheable = matches!(status, 200 | 203 | 204 | 206 | 300 | 301 | 404 | 405 | 410 | 414 | 501);
    let first = |name: &[u8]| line::next(head, name, 0).map(|line| &head[line.value]);
    if first(b"pragma").is_some_and(|value| value.eq_ignore_ascii_case(b"no-cache")) {
        return false;
    }
    let (mut fresh, mut at_once_stale) = (false, false);
    let mut at = 0;
    while let Some(line) = line::next(head, b"cache-control", at) {
        at = line.end();
        for directive in directives(head, &line) {
            let is = |word: &[u8]| directive.eq_ignore_ascii_case(word);
            let names = |word: &[u8]| {
                directive.split_at_checked(word.len()).is_some_and(|(start, rest)| {
                    start.eq_ignore_ascii_case(word) && matches!(rest.first(), None | Some(b'='))
                })
            };
            if is(b"public") {
                cacheable = true;
            } else if is(b"max-age=0") {
                at_once_stale = true;
            } else if is(b"no-cache=\"set-cookie\"") {
                // The cookie is what is not kept.
            } else if names(b"private") || names(b"no-cache") || names(b"no-store") || is(b"s-maxage=0") {
                cacheable = false;
            } else if names(b"s-maxage") {
                (fresh, at_once_stale) = (true, false);
            } else if names(b"max-age") {
                fresh = true;
            }
        }
    }
    let has = |name: &[u8]| line::next(head, name, 0).is_some();
    cacheable && !at_once_stale && (fresh || has(b"expires") || has(b"etag") || has(b"last-modified"))
}

fn directives<'a>(head: &'a [u8], line: &Line) -> impl Iterator<Item = &'a [u8]> {
    head[line.value.clone()].split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}
