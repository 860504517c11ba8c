//! Tables that are used: that each is there, and that its keys are what a value can become.

use super::super::report::{Diagnostic, Report, Span};
use super::super::sample::Place;
use super::super::span::Spanned;
use super::super::syntax::stick::Use;
use super::super::syntax::{Document, Partial};
use super::super::table::{Data, StickRule};
use super::super::{Mode, defaults, words};
use super::{backends, frontends};

pub(super) fn check(document: &Document, report: &mut Report) {
    for table in &document.tables {
        if let (None, Some(interval)) = (&table.save, &table.save_interval) {
            report.push(
                Diagnostic::error(
                    "no-meaning",
                    "`save_interval` means nothing for a table that is not saved",
                )
                .at(interval.span, "nothing is written")
                .help("write `save: \"/var/lib/proxyd/by_ip\"` beside it"),
            );
        }
    }
    let shared = document.defaults.first();
    let shared = shared.and_then(|defaults| defaults.mode.as_ref()).map_or(defaults::MODE, |mode| mode.value);
    let mode = |mode: Option<&Spanned<Mode>>| mode.map_or(shared, |mode| mode.value);
    for frontend in frontends(document) {
        let whose = ("frontend", mode(frontend.mode.as_ref()), frontend.head);
        frontend.track.iter().for_each(|entry| used(document, entry, whose, report));
    }
    for backend in backends(document) {
        let whose = ("backend", mode(backend.mode.as_ref()), backend.head);
        backend.track.iter().chain(&backend.stick).for_each(|entry| used(document, entry, whose, report));
    }
}

fn used(document: &Document, entry: &Use, (what, mode, head): (&str, Mode, Span), report: &mut Report) {
    if entry.rule == Some(StickRule::StoreResponse) && mode == Mode::Tcp {
        report.push(
            Diagnostic::error("no-meaning", "there are no answers in mode tcp")
                .at(entry.span, "write `store_request(..)`")
                .at(head, format!("this {what} has mode tcp")),
        );
    } else if let Some(key) = &entry.key
        && mode == Mode::Tcp
        && key.value.needs() != Place::Connection
    {
        report.push(
            Diagnostic::error("no-meaning", "there are no requests in mode tcp")
                .at(key.span, "this looks at one")
                .at(head, format!("this {what} has mode tcp")),
        );
    }
    let Some(name) = &entry.table else { return };
    let found = document
        .tables
        .iter()
        .find(|table| table.name.as_ref().is_some_and(|known| known.value == name.value));
    let Some(table) = found else {
        if document.partial == Partial::Whole {
            report.push(missing(document, name));
        }
        return;
    };
    if let (Some(key), Some(kind)) = (&entry.key, &table.key)
        && !key.value.kind().becomes(kind.value.kind())
    {
        let (is, wants) = (key.value.kind().what(), kind.value.kind().what());
        report.push(
            Diagnostic::error("wrong-key", format!("{is} cannot be a key of `{}`", name.value))
                .at(key.span, format!("this is {is}"))
                .at(kind.span, format!("its keys are each {wants}")),
        );
    }
    if entry.rule.is_none() && !table.store.iter().any(|stored| is_counted(stored.value.data)) {
        report.push(
            Diagnostic::warning(
                "nothing-counted",
                format!("`{}` stores nothing that is counted", name.value),
            )
            .at(entry.span, "this only makes entries")
            .help("write `store: [conn_cur, http_req_rate(\"10s\")]` in the table"),
        );
    }
}

/// What tracking changes.
fn is_counted(data: Data) -> bool {
    let name = data.name();
    !(name.starts_with("gp") || name.starts_with("server"))
}

fn missing(document: &Document, name: &Spanned<String>) -> Diagnostic {
    let names: Vec<&str> =
        document.tables.iter().filter_map(|table| Some(table.name.as_ref()?.value.as_str())).collect();
    let diagnostic = Diagnostic::error("unknown-table", format!("there is no table `{}`", name.value));
    match words::nearest(&name.value, names.iter().copied()) {
        Some(near) => diagnostic.at(name.span, format!("did you mean `{near}`?")),
        None if names.is_empty() => diagnostic
            .at(name.span, "no table is configured at all")
            .help("write `tables: [(name: \"by_ip\", key: ip, entries: 100_000)]` at top level"),
        None => {
            diagnostic.at(name.span, "named here").help(format!("there is {}", words::list(names, "and")))
        }
    }
}
