//! One of `tables`.

use std::time::Duration;

use super::super::reference::TABLE;
use super::super::report::{Diagnostic, Report, Span};
use super::super::shape::{Value, no_choice};
use super::super::span::{Kind, Node, Spanned};
use super::super::table::{Data, Form, KEY_LENGTH, KeyType, LONGEST_KEY, MOST_ENTRIES, Stored};
use super::super::words::{DATA, KEYS, KeyWord};
use super::name;

/// A table as written.
#[derive(Debug)]
pub(in crate::config) struct Table {
    pub(in crate::config) name: Option<Spanned<String>>,
    pub(in crate::config) key: Option<Spanned<KeyType>>,
    pub(in crate::config) entries: Option<u32>,
    pub(in crate::config) expire: Option<Duration>,
    pub(in crate::config) store: Vec<Spanned<Stored>>,
    pub(in crate::config) no_purge: Option<bool>,
    pub(in crate::config) save: Option<Spanned<String>>,
    pub(in crate::config) save_interval: Option<Spanned<Duration>>,
}

impl Table {
    pub(super) fn read(value: Value<'_, '_>, report: &mut Report) -> Option<Self> {
        let fields = value.section(&TABLE, report)?;
        fields.complete(report);
        Some(Self {
            name: name(&fields, report),
            key: fields.get("key").and_then(|value| key(value, report)),
            entries: fields
                .get("entries")
                .and_then(|value| Some(value.number(1..=MOST_ENTRIES, report)?.value)),
            expire: fields.get("expire").and_then(|value| Some(value.duration(report)?.value)),
            store: fields.get("store").map(|value| store(value, report)).unwrap_or_default(),
            no_purge: fields.get("no_purge").and_then(|value| Some(value.boolean(report)?.value)),
            save: fields.get("save").and_then(|value| save(value, report)),
            save_interval: fields.get("save_interval").and_then(|value| save_interval(value, report)),
        })
    }
}

/// `ip`, `string(64)`
fn key(value: Value<'_, '_>, report: &mut Report) -> Option<Spanned<KeyType>> {
    let (word, settings) = match &value.node.kind {
        Kind::Variant(word, settings) => (*word, arguments(settings)),
        Kind::Word(word) => (*word, Vec::new()),
        _ => return value.choice(&KEYS, report).and(None),
    };
    let Some(kind) = KEYS.find(word) else {
        report.push(no_choice(word, value, &KEYS));
        return None;
    };
    let mut length = KEY_LENGTH;
    match (kind, settings.as_slice()) {
        (_, []) => {}
        (KeyWord::String | KeyWord::Binary, [node]) => {
            length = Value { name: "key", node }.number(1..=LONGEST_KEY, report)?.value;
        }
        (KeyWord::String | KeyWord::Binary, _) => {
            report.push(
                Diagnostic::error("wrong-type", format!("`{word}` takes one length"))
                    .at(value.node.span, format!("expected `{word}({KEY_LENGTH})`")),
            );
            return None;
        }
        (KeyWord::Ip | KeyWord::Ipv6 | KeyWord::Integer, _) => {
            report.push(
                Diagnostic::error("wrong-type", format!("`{word}` has no length"))
                    .at(value.node.span, "nothing is expected behind it"),
            );
            return None;
        }
    }
    let value_of = match kind {
        KeyWord::Ip => KeyType::Ip,
        KeyWord::Ipv6 => KeyType::Ipv6,
        KeyWord::Integer => KeyType::Integer,
        KeyWord::String => KeyType::String(length),
        KeyWord::Binary => KeyType::Binary(length),
    };
    Some(Spanned { value: value_of, span: value.node.span })
}

/// A file.
fn save(value: Value<'_, '_>, report: &mut Report) -> Option<Spanned<String>> {
    let path = value.text(report)?;
    if path.value.is_empty() || path.value.ends_with('/') {
        report.push(
            Diagnostic::error("bad-path", format!("\"{}\" is not the path of a file", path.value))
                .at(path.span, "expected a file such as \"/var/lib/proxyd/by_ip\""),
        );
        return None;
    }
    Some(path)
}

/// All of a table is written each time.
const MOST_OFTEN: Duration = Duration::from_secs(1);

fn save_interval(value: Value<'_, '_>, report: &mut Report) -> Option<Spanned<Duration>> {
    let interval = value.duration(report)?;
    if interval.value >= MOST_OFTEN {
        return Some(interval);
    }
    report.push(
        Diagnostic::error("bad-duration", "a table cannot be saved that often")
            .at(interval.span, "it is at least \"1s\""),
    );
    None
}

/// Each thing once.
fn store(value: Value<'_, '_>, report: &mut Report) -> Vec<Spanned<Stored>> {
    let mut store: Vec<Spanned<Stored>> = Vec::new();
    for entry in value.list(report).unwrap_or_default() {
        let Some(stored) = stored(entry, report) else { continue };
        match store.iter().find(|known| known.value.data == stored.value.data) {
            Some(first) => report.push(
                Diagnostic::error("set-twice", format!("`{}` is stored twice", stored.value.data.name()))
                    .at(stored.span, "the second time")
                    .at(first.span, "the first time"),
            ),
            None => store.push(stored),
        }
    }
    exclusive(&store, report);
    store
}

/// `conn_cur`, `gpc(4)`, `http_req_rate("10s")`, `gpc_rate(4, "10s")`
fn stored(value: Value<'_, '_>, report: &mut Report) -> Option<Spanned<Stored>> {
    let span = value.node.span;
    let (word, settings) = match &value.node.kind {
        Kind::Word(word) => (*word, Vec::new()),
        Kind::Variant(word, settings) => (*word, arguments(settings)),
        _ => {
            let found = value.node.kind.described();
            report.push(
                Diagnostic::error("wrong-type", format!("`store` takes words, not {found}"))
                    .at(span, "expected a word")
                    .help("write `store: [conn_cur, http_req_rate(\"10s\"), gpc(4)]`"),
            );
            return None;
        }
    };
    let Some(data) = DATA.find(word) else {
        report.push(no_choice(word, value, &DATA));
        return None;
    };
    let (is_array, is_rate) = (data.is_array(), data.form() == Form::Rate);
    if settings.len() != usize::from(is_array) + usize::from(is_rate) {
        report.push(shape_of(word, is_array, is_rate, span));
        return None;
    }
    let argument = |at: usize| Value { name: "store", node: settings[at] };
    let count = if is_array { argument(0).number(1..=Data::MOST, report)?.value } else { 1 };
    let period = if is_rate { period(argument(usize::from(is_array)), report)? } else { Duration::ZERO };
    Some(Spanned { value: Stored { data, period, count }, span })
}

/// What stands in the brackets behind a word.
fn arguments<'n, 'a>(settings: &'n Node<'a>) -> Vec<&'n Node<'a>> {
    match &settings.kind {
        Kind::Tuple(values) => values.iter().collect(),
        Kind::Struct(fields) if fields.is_empty() => Vec::new(),
        _ => vec![settings],
    }
}

fn shape_of(word: &str, is_array: bool, is_rate: bool, span: Span) -> Diagnostic {
    let (takes, example) = match (is_array, is_rate) {
        (false, false) => ("nothing", word.to_owned()),
        (false, true) => ("the time over which it is taken", format!("{word}(\"10s\")")),
        (true, false) => ("how many there are", format!("{word}(4)")),
        (true, true) => {
            ("how many there are, and the time over which they are taken", format!("{word}(4, \"10s\")"))
        }
    };
    Diagnostic::error("wrong-type", format!("`{word}` takes {takes}"))
        .at(span, format!("expected `{example}`"))
}

/// The time of a rate.
fn period(value: Value<'_, '_>, report: &mut Report) -> Option<Duration> {
    let period = value.duration(report)?;
    if period.value <= LONGEST_PERIOD {
        return Some(period.value);
    }
    report.push(
        Diagnostic::error("bad-duration", "a rate cannot be taken over so long a time")
            .at(period.span, "it is at most \"24d\""),
    );
    None
}

/// Milliseconds of it fit into 31 bits.
const LONGEST_PERIOD: Duration = Duration::from_hours(24 * 24);

/// Of an array, the first two are what older names stand for.
fn exclusive(store: &[Spanned<Stored>], report: &mut Report) {
    let find = |data| store.iter().find(|stored| stored.value.data == data);
    for (old, array) in [
        (Data::Gpt0, Data::Gpt),
        (Data::Gpc0, Data::Gpc),
        (Data::Gpc1, Data::Gpc),
        (Data::Gpc0Rate, Data::GpcRate),
        (Data::Gpc1Rate, Data::GpcRate),
    ] {
        if let (Some(one), Some(all)) = (find(old), find(array)) {
            let (old, array) = (old.name(), array.name());
            report.push(
                Diagnostic::error("stored-twice", format!("`{old}` cannot stand beside `{array}`"))
                    .at(one.span, "an older name for one of them")
                    .at(all.span, "all of them")
                    .help(format!("leave `{old}` out, and use those of `{array}`")),
            );
        }
    }
}
