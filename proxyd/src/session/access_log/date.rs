//! Dates in lines: worked out once a second, then copied.

use std::io::Write as _;

use proto::timestamp::civil;

use crate::clock::{self, Instant};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// How long one reading of the system's clock serves.
const FRESH_MS: u128 = 1000;

/// Ties the monotonic clock to the time of day, anew every second, so that a step of the latter is followed.
#[derive(Clone, Copy, Debug)]
pub(super) struct WallClock {
    at: Instant,
    wall_ms: u64,
}

impl WallClock {
    pub(super) fn new() -> Self {
        Self { at: clock::now(), wall_ms: clock::wall_ms() }
    }

    pub(super) fn refresh(&mut self, now: Instant) {
        if now.saturating_duration_since(self.at).as_millis() >= FRESH_MS {
            *self = Self::new();
        }
    }

    /// Milliseconds since 1970.
    pub(super) fn wall_ms(&self, at: Instant) -> u64 {
        match at.checked_duration_since(self.at) {
            Some(later) => self.wall_ms + later.as_millis() as u64,
            None => self.wall_ms.saturating_sub((self.at - at).as_millis() as u64),
        }
    }
}

/// A second of the calendar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Second {
    pub(super) year: u64,
    /// From 1.
    pub(super) month: u64,
    pub(super) day: u64,
    pub(super) hour: u64,
    pub(super) minute: u64,
    pub(super) second: u64,
    /// Seconds east of UTC.
    pub(super) offset: i32,
}

impl Second {
    pub(super) fn utc(seconds: u64) -> Self {
        Self::with_offset(seconds, 0)
    }

    pub(super) fn local(seconds: u64) -> Self {
        Self::with_offset(seconds, clock::zone_offset(seconds))
    }

    fn with_offset(seconds: u64, offset: i32) -> Self {
        let local = seconds.saturating_add_signed(i64::from(offset));
        let (year, month, day) = civil(local / 86_400);
        let rest = local % 86_400;
        Self { year, month, day, hour: rest / 3600, minute: rest / 60 % 60, second: rest % 60, offset }
    }

    pub(super) fn month_name(&self) -> &'static str {
        MONTHS[(self.month as usize - 1) % MONTHS.len()]
    }

    /// `+0200`, or `+02:00` with a separator.
    pub(super) fn write_offset(&self, out: &mut Vec<u8>, separator: &str) {
        let (sign, offset) = (if self.offset < 0 { '-' } else { '+' }, self.offset.unsigned_abs());
        // Writing to memory cannot fail.
        let _infallible = write!(out, "{sign}{:02}{separator}{:02}", offset / 3600, offset / 60 % 60);
    }

    /// `22/Nov/2026:14:06:12`
    fn write(&self, out: &mut Vec<u8>) {
        let Self { year, day, hour, minute, second, .. } = self;
        let month = self.month_name();
        let _infallible = write!(out, "{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02}");
    }
}

/// The text of the second that was asked for last.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    seconds: u64,
    text: Vec<u8>,
}

impl Calendar {
    /// `22/Nov/2026:14:06:12.345`, local time.
    pub(super) fn with_milliseconds(&mut self, out: &mut Vec<u8>, wall_ms: u64) {
        let seconds = wall_ms / 1000;
        if self.seconds != seconds || self.text.is_empty() {
            self.seconds = seconds;
            self.text.clear();
            Second::local(seconds).write(&mut self.text);
            self.text.push(b'.');
        }
        out.extend_from_slice(&self.text);
        let ms = wall_ms % 1000;
        out.extend_from_slice(&[ms / 100, ms / 10 % 10, ms % 10].map(|digit| b'0' + digit as u8));
    }
}

/// `22/Nov/2026:14:06:12 +0000`
pub(super) fn with_offset(out: &mut Vec<u8>, second: Second) {
    second.write(out);
    out.push(b' ');
    second.write_offset(out, "");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let mut out = Vec::new();
        with_offset(&mut out, Second::utc(1_795_356_372));
        out.push(b'|');
        with_offset(&mut out, Second::with_offset(1_795_356_372, -12_600));
        assert_eq!(String::from_utf8(out).unwrap(), "22/Nov/2026:14:06:12 +0000|22/Nov/2026:10:36:12 -0330");
    }

    #[test]
    fn a_second_is_worked_out_once_and_the_next_is_another() {
        let (mut calendar, mut out) = (Calendar::default(), Vec::new());
        let offset = i64::from(clock::zone_offset(1_795_356_372));
        let at = 1_795_356_372_u64.saturating_add_signed(-offset) * 1000;
        for ms in [3, 45, 678, 1000, 0] {
            calendar.with_milliseconds(&mut out, at + ms);
            out.push(b' ');
        }
        let day = "22/Nov/2026:14:06:12";
        let expected = format!("{day}.003 {day}.045 {day}.678 22/Nov/2026:14:06:13.000 {day}.000 ");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn the_clocks_agree() {
        let clock = WallClock::new();
        let later = clock.at + std::time::Duration::from_millis(1500);
        assert_eq!(clock.wall_ms(later), clock.wall_ms + 1500);
        assert_eq!(WallClock { at: later, wall_ms: 10_000 }.wall_ms(clock.at), 8500);
    }
}
