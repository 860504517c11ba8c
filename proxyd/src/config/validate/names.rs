//! Names: of what they are made, and that each is there once.

use std::collections::HashMap;

use super::super::report::{Diagnostic, Report, Span};
use super::super::span::Spanned;
use super::super::syntax::Document;
use super::{backends, frontends};

pub(super) fn check(document: &Document, report: &mut Report) {
    unique("frontend", "", frontends(document).map(|frontend| frontend.name.as_ref()), report);
    // Those of listen sections have been looked at as frontends, but for a backend that has the same name.
    let listen = document.listen.len();
    let names: Vec<_> = backends(document).map(|backend| backend.name.as_ref()).collect();
    for (index, clash) in unique_names("backend", "", names.iter().copied()) {
        if index >= listen {
            report.push(clash);
        }
    }
    for name in names.into_iter().skip(listen).flatten() {
        valid("backend", name, report);
    }
    frontends(document)
        .filter_map(|frontend| frontend.name.as_ref())
        .for_each(|name| valid("frontend", name, report));
    let tables = || document.tables.iter().map(|table| table.name.as_ref());
    unique("table", "", tables(), report);
    tables().flatten().for_each(|name| valid("table", name, report));
    let mut files: HashMap<&str, Span> = HashMap::new();
    for save in document.tables.iter().filter_map(|table| table.save.as_ref()) {
        if let Some(first) = files.insert(&save.value, save.span) {
            report.push(
                Diagnostic::error("name-taken", format!("two tables are saved to \"{}\"", save.value))
                    .at(save.span, "the second")
                    .at(first, "the first"),
            );
        }
    }
    for backend in backends(document) {
        let of = backend.name.as_ref().map(|name| format!(" of `{}`", name.value)).unwrap_or_default();
        let names = || backend.servers.iter().flatten().map(|server| server.name.as_ref());
        unique("server", &of, names(), report);
        names().flatten().for_each(|name| valid("server", name, report));
    }
}

fn valid(what: &str, name: &Spanned<String>, report: &mut Report) {
    if let Err(error) = proto::name::validate(&name.value) {
        report.push(
            Diagnostic::error("bad-name", format!("\"{}\" cannot be the name of a {what}", name.value))
                .at(name.span, error.to_string()),
        );
    }
}

fn unique<'d>(
    what: &str,
    of: &str,
    names: impl Iterator<Item = Option<&'d Spanned<String>>>,
    report: &mut Report,
) {
    for (_, clash) in unique_names(what, of, names) {
        report.push(clash);
    }
}

/// Names that stood before, with their place in the order.
fn unique_names<'d>(
    what: &str,
    of: &str,
    names: impl Iterator<Item = Option<&'d Spanned<String>>>,
) -> Vec<(usize, Diagnostic)> {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    let mut clashes = Vec::new();
    for (index, name) in names.enumerate() {
        let Some(name) = name else { continue };
        if let Some(first) = seen.get(name.value.as_str()) {
            let clash =
                Diagnostic::error("name-taken", format!("two {what}s{of} are called `{}`", name.value))
                    .at(name.span, "the second")
                    .at(*first, "the first");
            clashes.push((index, clash));
        } else {
            seen.insert(&name.value, name.span);
        }
    }
    clashes
}
