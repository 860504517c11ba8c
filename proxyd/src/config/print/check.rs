//! Checks, as they are written.

use std::fmt::Write as _;

use super::super::check::{Check, CheckKind, StatusRange, Timing};
use super::{duration, quoted};

pub(super) fn check(check: &Check) -> String {
    let mut text = match &check.kind {
        CheckKind::Tcp => "tcp(".to_owned(),
        CheckKind::Http { method, path, host, expect } => {
            let mut text = format!("http(method: {}, path: {}, ", quoted(method), quoted(path));
            if let Some(host) = host {
                let _ = write!(text, "host: {}, ", quoted(host));
            }
            let _ = write!(text, "expect: {}, ", status(*expect));
            text
        }
    };
    timing(&mut text, &check.timing);
    text.push(')');
    text
}

fn timing(text: &mut String, timing: &Timing) {
    let durations = [
        ("interval", timing.interval),
        ("fast_interval", timing.fast_interval),
        ("down_interval", timing.down_interval),
        ("timeout", timing.timeout),
    ];
    for (name, value) in durations {
        let _ = write!(text, "{name}: {}, ", duration(value));
    }
    let Timing { spread, rise, fall, .. } = timing;
    let _ = write!(text, "spread: \"{spread}%\", rise: {rise}, fall: {fall}");
}

pub(in crate::config) fn status(range: StatusRange) -> String {
    format!("status(\"{}-{}\")", range.first, range.last)
}
