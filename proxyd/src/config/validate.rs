//! What no value shows alone: names that clash, references to nothing, places taken twice. Each part looks at the
//! whole document and reports all it finds.

mod balance;
mod checks;
mod listeners;
mod logs;
mod names;
mod persistence;
mod references;
mod routes;
mod servers;
mod tables;
mod verdicts;

use super::report::{Diagnostic, Report};
use super::syntax::backend::Backend;
use super::syntax::frontend::Frontend;
use super::syntax::{Document, Partial};

/// Runs all checks.
pub(super) fn check(document: &Document, report: &mut Report) {
    once(document, report);
    names::check(document, report);
    references::check(document, report);
    routes::check(document, report);
    balance::check(document, report);
    listeners::check(document, report);
    logs::check(document, report);
    servers::check(document, report);
    verdicts::check(document, report);
    persistence::check(document, report);
    checks::check(document, report);
    tables::check(document, report);
    let idle = document.frontends.is_empty() && document.listen.is_empty();
    if idle && document.partial == Partial::Whole && !report.has_errors() {
        report.push(
            Diagnostic::error(
                "no-frontend",
                "the configuration has no frontend, so there is nothing to listen on",
            )
            .help("add `frontends: [(name: \"web\", bind: [\"127.0.0.1:8080\"], default_backend: \"app\")]`"),
        );
    }
}

/// `global` and `defaults` may stand in one file only.
fn once(document: &Document, report: &mut Report) {
    let global: Vec<_> = document.global.iter().map(|global| global.span).collect();
    let defaults: Vec<_> = document.defaults.iter().map(|defaults| defaults.span).collect();
    for (name, spans) in [("global", global), ("defaults", defaults)] {
        let Some((first, others)) = spans.split_first() else { continue };
        for other in others {
            let files = (report.name(first.file).to_owned(), report.name(other.file).to_owned());
            let message = format!("`{name}` stands in two files, {} and {}", files.0, files.1);
            report.push(
                Diagnostic::error("two-files", message)
                    .at(*other, "the second")
                    .at(*first, "the first")
                    .help("lists add up over files; this section may stand in one only"),
            );
        }
    }
}

/// All frontends, those of listen sections first.
fn frontends(document: &Document) -> impl Iterator<Item = &Frontend> {
    document.listen.iter().map(|(frontend, _)| frontend).chain(&document.frontends)
}

/// All backends, those of listen sections first.
fn backends(document: &Document) -> impl Iterator<Item = &Backend> {
    document.listen.iter().map(|(_, backend)| backend).chain(&document.backends)
}
