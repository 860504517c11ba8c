//! The cookie that a client presents: whom it names, and what the server gets to see of it.

use std::ops::Range;

use super::line::{self, Line, Pair};
use super::{Found, date};
use crate::config::{Cookie, CookieMode};

/// In prefix mode, between the server's value and the application's.
pub(super) const PREFIX_ENDS: u8 = b'~';
/// In front of each date.
pub(super) const DATE: u8 = b'|';
/// A date that lies further ahead was not written by a clock that goes right.
const AHEAD: i64 = 24 * 60 * 60;

/// What is known of a request's cookie.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Presented {
    pub found: Found,
    /// The server that the request belongs to, by its index.
    pub server: Option<u32>,
    /// Neither looked at nor given.
    pub(super) ignored: bool,
    /// The request was a POST.
    pub(super) is_post: bool,
    /// When it was last given, in seconds since 1970.
    pub(super) last: Option<u64>,
    /// When it was first given.
    pub(super) first: Option<u64>,
}

/// Whom a value names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Named {
    Nobody,
    /// A server that is down.
    Down,
    /// One that may be tried although it is down.
    DownYet(u32),
    Up(u32),
}

impl Presented {
    /// Reads the cookies of a head that goes to a server, and leaves there what that server is to see.
    ///
    /// `now` is asked only where dates matter.
    pub fn read(
        head: &mut Vec<u8>,
        cookie: &Cookie,
        ignored: bool,
        now: impl Fn() -> u64,
        find: impl Fn(&[u8]) -> Named,
    ) -> Self {
        let mut presented = Self { ignored, is_post: head.starts_with(b"POST "), ..Self::default() };
        let hides = cookie.mode == CookieMode::Insert && cookie.indirect;
        let mut at = 0;
        while let Some(line) = line::next(head, b"cookie", at) {
            at = if !presented.read_line(head, &line, cookie, &now, &find) {
                line.end()
            } else if hides {
                line::remove(head, &line, cookie.name.as_bytes())
            } else if cookie.mode == CookieMode::Prefix {
                strip(head, &line, cookie.name.as_bytes())
            } else {
                line.end()
            };
        }
        presented
    }

    /// What was found, now that the request is on this server.
    pub fn found_on(&self, index: u32) -> Found {
        // Its server was there, and failed.
        let moved = self.found == Found::Valid && self.server != Some(index);
        if moved { Found::Down } else { self.found }
    }

    /// Whether the cookie is in the line.
    fn read_line(
        &mut self,
        head: &[u8],
        line: &Line,
        cookie: &Cookie,
        now: impl Fn() -> u64,
        find: impl Fn(&[u8]) -> Named,
    ) -> bool {
        let (mut at, mut is_there) = (line.value.start, false);
        while at <= line.value.end {
            let pair = Pair::read(head, at, line.value.end);
            at = pair.whole.end + 1;
            if let Some(value) = pair.value
                && head[pair.name] == *cookie.name.as_bytes()
            {
                is_there = true;
                self.judge(&head[value], cookie, &now, &find);
            }
        }
        is_there
    }

    fn judge(&mut self, value: &[u8], cookie: &Cookie, now: impl Fn() -> u64, find: impl Fn(&[u8]) -> Named) {
        let mut name = value;
        if cookie.mode == CookieMode::Prefix {
            name = up_to(value, PREFIX_ENDS);
        } else {
            let mut parts = value.splitn(3, |byte| *byte == DATE);
            name = parts.next().unwrap_or(name);
            self.last = parts.next().and_then(date::read).or(self.last);
            self.first = parts.next().and_then(date::read).or(self.first);
        }
        if let Some(found) = self.outdated(cookie, now) {
            (self.found, self.first, self.last) = (found, None, None);
            return;
        }
        // One that was named before is not left for another, and what was said first stays.
        let named = match name {
            _ if self.ignored || self.server.is_some() => None,
            b"" => Some(Named::Nobody),
            name => Some(find(name)),
        };
        match named {
            Some(Named::Up(index)) => (self.found, self.server) = (Found::Valid, Some(index)),
            Some(Named::DownYet(index)) => (self.found, self.server) = (Found::Down, Some(index)),
            Some(Named::Down) => self.found = Found::Down,
            Some(Named::Nobody) if self.found == Found::None => self.found = Found::Invalid,
            None if self.found == Found::None => self.found = Found::Unused,
            Some(Named::Nobody) | None => {}
        }
    }

    fn outdated(&self, cookie: &Cookie, now: impl Fn() -> u64) -> Option<Found> {
        let over = |date: Option<u64>, most: Option<std::time::Duration>| {
            let (Some(date), Some(most)) = (date, most) else { return false };
            let age = now().cast_signed() - date.cast_signed();
            age > most.as_secs().cast_signed() || age < -AHEAD
        };
        if over(self.first, cookie.max_life) {
            Some(Found::Old)
        } else if over(self.last, cookie.max_idle) {
            Some(Found::Expired)
        } else {
            None
        }
    }
}

fn up_to(text: &[u8], byte: u8) -> &[u8] {
    text.split(|it| *it == byte).next().unwrap_or(text)
}

/// Takes the servers' part out of the application's cookies. Returns where to go on.
fn strip(head: &mut Vec<u8>, line: &Line, name: &[u8]) -> usize {
    let Range { start, end } = line.value.clone();
    // What stays moves up to `write`, from `kept` on.
    let (mut write, mut kept, mut at) = (start, start, start);
    while at <= end {
        let pair = Pair::read(head, at, end);
        at = pair.whole.end + 1;
        if let Some(value) = pair.value
            && head[pair.name] == *name
            && let Some(prefix) = head[value.clone()].iter().position(|byte| *byte == PREFIX_ENDS)
        {
            head.copy_within(kept..value.start, write);
            write += value.start - kept;
            kept = value.start + prefix + 1;
        }
    }
    head.copy_within(kept..end, write);
    write += end - kept;
    head.drain(write..end);
    write + 2
}
