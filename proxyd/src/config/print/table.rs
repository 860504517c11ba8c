//! Stick tables.

use std::fmt::Write as _;

use super::super::table::{Form, KeyType, Stick, Stored, Table, Track};
use super::{duration, quoted};

pub(super) fn tables(tables: &[Table]) -> String {
    if tables.is_empty() {
        return String::new();
    }
    let mut text = String::from("    tables: [\n");
    for entry in tables {
        let _ = writeln!(text, "        {},", table(entry));
    }
    text.push_str("    ],\n");
    text
}

fn table(table: &Table) -> String {
    let key = match table.key {
        KeyType::String(length) | KeyType::Binary(length) => format!("{}({length})", table.key.word()),
        other => other.word().to_owned(),
    };
    let mut text = format!("(name: {}, key: {key}, entries: {}", quoted(&table.name), table.entries);
    if let Some(expire) = table.expire {
        let _ = write!(text, ", expire: {}", duration(expire));
    }
    let store: Vec<String> = table.store.iter().map(stored).collect();
    let _ = write!(text, ", store: [{}]", store.join(", "));
    if table.no_purge {
        text.push_str(", no_purge: true");
    }
    if let Some(save) = &table.save {
        let (path, interval) = (quoted(&save.path.to_string_lossy()), duration(save.interval));
        let _ = write!(text, ", save: {path}, save_interval: {interval}");
    }
    text.push(')');
    text
}

fn stored(stored: &Stored) -> String {
    let (name, count, period) = (stored.data.name(), stored.count, duration(stored.period));
    match (stored.data.is_array(), stored.data.form()) {
        (true, Form::Rate) => format!("{name}({count}, {period})"),
        (true, _) => format!("{name}({count})"),
        (false, Form::Rate) => format!("{name}({period})"),
        (false, _) => name.to_owned(),
    }
}

/// `stick` of a backend.
pub(super) fn stick(rules: &[Stick]) -> String {
    let rules = rules.iter().map(|Stick { rule, key, table }| {
        format!("{}(key: {}, table: {})", rule.word(), quoted(&key.text), quoted(table))
    });
    format!("stick: [{}]", rules.collect::<Vec<_>>().join(", "))
}

/// `track` of a proxy.
pub(super) fn track(tracks: &[Track]) -> String {
    let tracks = tracks
        .iter()
        .map(|Track { key, table }| format!("(key: {}, table: {})", quoted(&key.text), quoted(table)));
    format!("track: [{}]", tracks.collect::<Vec<_>>().join(", "))
}
