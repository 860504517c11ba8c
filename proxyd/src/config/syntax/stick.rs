//! `stick` of a backend and `track` of a proxy: keys, and the tables they are looked up in.

use super::super::reference::{STICK, TRACK};
use super::super::report::{Diagnostic, Report, Span};
use super::super::sample::{Place, Sample};
use super::super::shape::{Fields, Value, no_choice};
use super::super::span::{Kind, Spanned};
use super::super::table::{MOST_TRACKS, StickRule};
use super::super::words::STICKS;
use super::sample;

/// A key and its table as written.
#[derive(Debug)]
pub(in crate::config) struct Use {
    /// `None` for what is tracked.
    pub(in crate::config) rule: Option<StickRule>,
    pub(in crate::config) span: Span,
    pub(in crate::config) key: Option<Spanned<Sample>>,
    pub(in crate::config) table: Option<Spanned<String>>,
}

/// `stick: [on(key: "src", table: "by_ip")]`
pub(super) fn stick(fields: &Fields<'_, '_>, report: &mut Report) -> Vec<Use> {
    let entries = fields.get("stick").and_then(|value| value.list(report)).unwrap_or_default();
    entries.into_iter().filter_map(|entry| rule(entry, report)).collect()
}

fn rule(entry: Value<'_, '_>, report: &mut Report) -> Option<Use> {
    let (word, settings) = match &entry.node.kind {
        Kind::Variant(word, settings) => (*word, Some(&**settings)),
        Kind::Word(word) => (*word, None),
        kind => {
            let found = kind.described();
            report.push(
                Diagnostic::error("wrong-type", format!("`stick` takes rules, not {found}"))
                    .at(entry.node.span, format!("expected {}", STICKS.listed()))
                    .help("write `stick: [on(key: \"src\", table: \"by_ip\")]`"),
            );
            return None;
        }
    };
    let Some(rule) = STICKS.find(word) else {
        report.push(no_choice(word, entry, &STICKS));
        return None;
    };
    let place = if rule == StickRule::StoreResponse { Place::Response } else { Place::Request };
    let Some(settings) = settings else {
        report.push(
            Diagnostic::error("missing-setting", format!("`{word}` needs `key` and `table`"))
                .at(entry.node.span, format!("write `{word}(key: \"src\", table: \"by_ip\")`")),
        );
        return None;
    };
    let fields = Fields::open(settings, &STICK, report)?;
    Some(of(&fields, Some(rule), place, entry.node.span, report))
}

/// `track: [(key: "src", table: "by_ip")]`
pub(super) fn track(fields: &Fields<'_, '_>, report: &mut Report) -> Vec<Use> {
    let Some(value) = fields.get("track") else { return Vec::new() };
    let entries = value.list(report).unwrap_or_default();
    if entries.len() > MOST_TRACKS {
        report.push(
            Diagnostic::error("too-many", format!("`track` has {} entries", entries.len()))
                .at(value.node.span, format!("it has at most {MOST_TRACKS}")),
        );
    }
    let entries = entries.into_iter().filter_map(|entry| {
        let fields = entry.section(&TRACK, report)?;
        Some(of(&fields, None, Place::Request, entry.node.span, report))
    });
    entries.collect()
}

fn of(
    fields: &Fields<'_, '_>,
    rule: Option<StickRule>,
    place: Place,
    span: Span,
    report: &mut Report,
) -> Use {
    fields.complete(report);
    Use {
        rule,
        span,
        key: fields.get("key").and_then(|value| sample::read(value, place, report)),
        table: fields.get("table").and_then(|value| value.text(report)),
    }
}
