//! `check`: `tcp`, `tcp(..)`, `http` or `http(..)`.

use std::time::Duration;

use super::super::StatusRange;
use super::super::reference::{HTTP_CHECK, TCP_CHECK};
use super::super::report::{Diagnostic, Report, Span};
use super::super::shape::{Fields, Value, no_choice};
use super::super::span::{Kind, Spanned};
use super::super::words::{CHECKS, CheckWord};

/// A check as written.
#[derive(Debug)]
pub(in crate::config) struct Check {
    pub(in crate::config) kind: CheckKind,
    pub(in crate::config) interval: Option<Duration>,
    pub(in crate::config) timeout: Option<Duration>,
    pub(in crate::config) rise: Option<u32>,
    pub(in crate::config) fall: Option<u32>,
}

/// What it does, as written.
#[derive(Debug)]
pub(in crate::config) enum CheckKind {
    Tcp,
    Http { method: Option<String>, path: Option<String>, host: Option<String>, expect: Option<StatusRange> },
}

impl Check {
    pub(super) fn read(value: Value<'_, '_>, report: &mut Report) -> Option<Self> {
        let (word, settings) = match &value.node.kind {
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
        let mut duration = |name| Some(fields?.get(name)?.duration(report)?.value);
        let (interval, timeout) = (duration("interval"), duration("timeout"));
        let mut count = |name| Some(fields?.get(name)?.number(1..=u32::MAX, report)?.value);
        let (rise, fall) = (count("rise"), count("fall"));
        let kind = match kind {
            CheckWord::Tcp => CheckKind::Tcp,
            CheckWord::Http => http(fields, report),
        };
        Some(Self { kind, interval, timeout, rise, fall })
    }
}

fn http(fields: Option<&Fields<'_, '_>>, report: &mut Report) -> CheckKind {
    let mut text = |name| fields?.get(name)?.text(report);
    let (method, path, host) = (text("method"), text("path"), text("host"));
    CheckKind::Http {
        method: method
            .and_then(|method| checked(method, is_method, "a method", "a word such as \"GET\"", report)),
        path: path.and_then(|path| request_path(path, report)),
        host: host.and_then(|host| {
            checked(host, is_host, "a host", "a host name such as \"app.internal\"", report)
        }),
        expect: fields.and_then(|fields| expect(fields.get("expect")?, report)),
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
