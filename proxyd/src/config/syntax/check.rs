//! `check` of a backend or a server: `tcp`, `tcp(..)`, `http(..)` and so on, or `none`.

use std::time::Duration;

use super::super::check::{CheckKind, StatusRange, Timing as Resolved};
use super::super::defaults;
use super::super::reference::{HTTP_CHECK, TCP_CHECK};
use super::super::report::{Diagnostic, Report, Span};
use super::super::shape::{Fields, Value, no_choice};
use super::super::span::{Kind, Spanned};
use super::super::words::{CHECKS, CheckWord};

/// Checks in a row that can be asked for: sums of two such numbers are numbers still.
const MOST_CHECKS: u32 = 1_000_000;
/// In percent.
const MOST_SPREAD: u32 = 50;

/// `check` as written.
#[derive(Clone, Debug)]
pub(in crate::config) enum Written {
    /// `none`
    Off,
    Check(Box<Check>),
}

/// A check as written.
#[derive(Clone, Debug)]
pub(in crate::config) struct Check {
    pub(in crate::config) kind: CheckKind,
    pub(in crate::config) timing: Timing,
}

/// When it is sent, as written.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct Timing {
    pub(in crate::config) interval: Option<Spanned<Duration>>,
    pub(in crate::config) fast_interval: Option<Spanned<Duration>>,
    pub(in crate::config) down_interval: Option<Spanned<Duration>>,
    pub(in crate::config) timeout: Option<Spanned<Duration>>,
    spread: Option<u32>,
    rise: Option<u32>,
    fall: Option<u32>,
}

impl Written {
    pub(super) fn read(value: Value<'_, '_>, report: &mut Report) -> Option<Self> {
        let (word, settings) = match &value.node.kind {
            Kind::Word("none") => return Some(Self::Off),
            Kind::Word(word) => (*word, None),
            Kind::Variant(word, settings) => (*word, Some(settings)),
            _ => {
                let found = value.node.kind.described();
                report.push(
                    Diagnostic::error(
                        "wrong-type",
                        format!("`check` takes `tcp` or `http(..)`, not {found}"),
                    )
                    .at(value.node.span, "expected tcp or http(..)")
                    .help("write `check: http(path: \"/healthz\")`, or `check: tcp`"),
                );
                return None;
            }
        };
        let Some(kind) = CHECKS.find(word) else {
            report.push(no_choice(word, value, &CHECKS));
            return None;
        };
        let section = match kind {
            CheckWord::Tcp => &TCP_CHECK,
            CheckWord::Http => &HTTP_CHECK,
        };
        let fields = match settings {
            None => None,
            Some(settings) => Some(Fields::open(settings, section, report)?),
        };
        let fields = fields.as_ref();
        let timing = fields.map(|fields| Timing::read(fields, report)).unwrap_or_default();
        let kind = match kind {
            CheckWord::Tcp => CheckKind::Tcp,
            CheckWord::Http => http(fields, report),
        };
        Some(Self::Check(Box::new(Check { kind, timing })))
    }
}

impl Timing {
    fn read(fields: &Fields<'_, '_>, report: &mut Report) -> Self {
        let mut duration = |name| fields.get(name)?.duration(report);
        let (interval, fast_interval) = (duration("interval"), duration("fast_interval"));
        let (down_interval, timeout) = (duration("down_interval"), duration("timeout"));
        let spread = fields.get("spread").and_then(|value| spread(value, report));
        let mut count = |name| Some(fields.get(name)?.number(1..=MOST_CHECKS, report)?.value);
        Self {
            interval,
            fast_interval,
            down_interval,
            timeout,
            spread,
            rise: count("rise"),
            fall: count("fall"),
        }
    }

    /// These words, and what they leave out as `below` says.
    pub(in crate::config) fn over(self, below: &Self) -> Self {
        Self {
            // Intervals that follow from another one follow from the one beside them.
            fast_interval: self.fast_interval.or_else(|| below.fast_interval.clone()),
            down_interval: self.down_interval.or_else(|| below.down_interval.clone()),
            timeout: self.timeout.or_else(|| below.timeout.clone()),
            interval: self.interval.or_else(|| below.interval.clone()),
            spread: self.spread.or(below.spread),
            rise: self.rise.or(below.rise),
            fall: self.fall.or(below.fall),
        }
    }

    /// What holds.
    pub(in crate::config) fn resolved(&self) -> Resolved {
        let value = |written: &Option<Spanned<Duration>>| written.as_ref().map(|written| written.value);
        let interval = value(&self.interval).unwrap_or(defaults::CHECK_INTERVAL);
        Resolved {
            interval,
            fast_interval: value(&self.fast_interval).unwrap_or(interval),
            down_interval: value(&self.down_interval).unwrap_or(interval),
            timeout: value(&self.timeout).unwrap_or(interval),
            spread: self.spread.unwrap_or(defaults::CHECK_SPREAD),
            rise: self.rise.unwrap_or(defaults::CHECK_RISE),
            fall: self.fall.unwrap_or(defaults::CHECK_FALL),
        }
    }
}

/// A share of an interval; with more than half of it checks would come in pairs.
fn spread(value: Value<'_, '_>, report: &mut Report) -> Option<u32> {
    let share = value.percent(report)?;
    if share.value <= MOST_SPREAD {
        return Some(share.value);
    }
    report.push(
        Diagnostic::error("bad-share", format!("`{}` is more than half an interval", value.name))
            .at(share.span, format!("expected \"0%\" to \"{MOST_SPREAD}%\"")),
    );
    None
}

fn http(fields: Option<&Fields<'_, '_>>, report: &mut Report) -> CheckKind {
    let mut text = |name| fields?.get(name)?.text(report);
    let (method, path, host) = (text("method"), text("path"), text("host"));
    CheckKind::Http {
        method: method
            .and_then(|method| checked(method, is_method, "a method", "a word such as \"GET\"", report))
            .unwrap_or_else(|| defaults::CHECK_METHOD.to_owned()),
        path: path
            .and_then(|path| request_path(path, report))
            .unwrap_or_else(|| defaults::CHECK_PATH.to_owned()),
        host: host.and_then(|host| {
            checked(host, is_host, "a host", "a host name such as \"app.internal\"", report)
        }),
        expect: fields
            .and_then(|fields| expect(fields.get("expect")?, report))
            .unwrap_or(defaults::CHECK_EXPECT),
    }
}

/// A path of a check, from a file or from the command line.
pub(in crate::config) fn request_path(path: Spanned<String>, report: &mut Report) -> Option<String> {
    let is_path = |path: &str| path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    checked(path, is_path, "a path", "it starts with `/` and has no blanks", report)
}

fn checked(
    text: Spanned<String>,
    right: impl Fn(&str) -> bool,
    what: &str,
    expected: &str,
    report: &mut Report,
) -> Option<String> {
    if right(&text.value) {
        return Some(text.value);
    }
    report.push(
        Diagnostic::error("bad-request", format!("\"{}\" is not {what} that a check can send", text.value))
            .at(text.span, expected),
    );
    None
}

/// Upper case, as all methods that are in use; CONNECT would open a tunnel.
fn is_method(text: &str) -> bool {
    !text.is_empty()
        && text != "CONNECT"
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
}

/// `status("200-299")`, `status("204")` or `status(204)`.
fn expect(value: Value<'_, '_>, report: &mut Report) -> Option<StatusRange> {
    let span = value.node.span;
    let argument = match &value.node.kind {
        Kind::Variant("status", settings) => match &settings.kind {
            Kind::Tuple(values) => match values.as_slice() {
                [one] => Some(one),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    let Some(argument) = argument else {
        report.push(
            Diagnostic::error("wrong-type", "`expect` takes `status(..)`")
                .at(span, "expected status(\"200-299\")"),
        );
        return None;
    };
    let range = match &argument.kind {
        Kind::Number(number) => number.parse().ok().map(|one| (one, one)),
        Kind::Text(text) => match text.split_once('-') {
            Some((first, last)) => first.parse().ok().zip(last.parse().ok()),
            None => text.parse().ok().map(|one| (one, one)),
        },
        _ => None,
    };
    match range {
        Some((first, last)) if 100 <= first && first <= last && last <= 599 => {
            Some(StatusRange { first, last })
        }
        _ => {
            report.push(bad_status(argument.span));
            None
        }
    }
}

fn bad_status(span: Span) -> Diagnostic {
    Diagnostic::error("bad-status", "this is no status and no range of statuses")
        .at(span, "expected a status from 100 to 599, or a range such as \"200-299\"")
}
