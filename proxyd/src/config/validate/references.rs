//! Frontends and the backends they name.

use super::super::report::{Diagnostic, Report, Span};
use super::super::resolve::Shared;
use super::super::span::Spanned;
use super::super::syntax::backend::Backend;
use super::super::syntax::{Document, Partial};
use super::super::{Mode, print, words};
use super::{backends, frontends};

pub(super) fn check(document: &Document, report: &mut Report) {
    let shared = Shared::of(document.defaults.first()).mode();
    let known =
        document.partial == Partial::Whole && backends(document).all(|backend| backend.name.is_some());
    for frontend in frontends(document) {
        let mode = frontend.mode.as_ref().map_or(shared, |mode| mode.value);
        let at = frontend.mode.as_ref().map_or(frontend.head, |mode| mode.span);
        let routes = frontend.routes.iter().flat_map(|routes| &routes.value);
        let named = frontend.default_backend.iter().chain(routes.filter_map(|route| route.to.as_ref()));
        let named: Vec<&Spanned<String>> = named.collect();
        for reference in &named {
            match find(document, &reference.value) {
                Some(backend) => same_mode((mode, at), backend, shared, reference, report),
                None if known => report.push(missing(document, reference)),
                None => {}
            }
        }
        let twin = frontend.name.as_ref().and_then(|name| find(document, &name.value));
        let itself = |reference: &&Spanned<String>| {
            frontend.name.as_ref().is_some_and(|name| name.value == reference.value)
        };
        if let Some(twin) = twin
            && !named.iter().any(itself)
        {
            one_proxy((mode, at), twin, shared, report);
        }
    }
}

fn find<'d>(document: &'d Document, name: &str) -> Option<&'d Backend> {
    backends(document).find(|backend| backend.name.as_ref().is_some_and(|known| known.value == name))
}

fn missing(document: &Document, reference: &Spanned<String>) -> Diagnostic {
    let names: Vec<&str> =
        backends(document).filter_map(|backend| Some(backend.name.as_ref()?.value.as_str())).collect();
    let diagnostic =
        Diagnostic::error("unknown-backend", format!("there is no backend `{}`", reference.value));
    match words::nearest(&reference.value, names.iter().copied()) {
        Some(near) => diagnostic.at(reference.span, format!("did you mean `{near}`?")),
        None if names.is_empty() => diagnostic.at(reference.span, "no backend is configured at all"),
        None if names.len() == 1 => {
            diagnostic.at(reference.span, format!("there is only {}", words::list(names, "and")))
        }
        None if names.len() <= 10 => {
            diagnostic.at(reference.span, format!("there are {}", words::list(names, "and")))
        }
        None => diagnostic.at(reference.span, "named here"),
    }
}

fn same_mode(
    (mode, at): (Mode, Span),
    backend: &Backend,
    shared: Mode,
    reference: &Spanned<String>,
    report: &mut Report,
) {
    let (other, there) = mode_of(backend, shared);
    if mode != other {
        let (mode, other) = (print::mode(mode), print::mode(other));
        report.push(
            Diagnostic::error(
                "mode-mismatch",
                format!(
                    "a frontend of mode {mode} cannot use `{}`, which is of mode {other}",
                    reference.value
                ),
            )
            .at(reference.span, "used here")
            .at(at, format!("this frontend is {mode}"))
            .at(there, format!("this backend is {other}"))
            .help(format!("write `mode: {mode}` in the backend, or `mode: {other}` in the frontend")),
        );
    }
}

/// A frontend and a backend of one name are one proxy to everybody who looks at it.
fn one_proxy((mode, at): (Mode, Span), twin: &Backend, shared: Mode, report: &mut Report) {
    let (other, there) = mode_of(twin, shared);
    if mode != other {
        let (mode, other) = (print::mode(mode), print::mode(other));
        report.push(
            Diagnostic::error(
                "mode-mismatch",
                "a frontend and a backend of one name are one proxy, and have one mode",
            )
            .at(at, format!("the frontend is {mode}"))
            .at(there, format!("the backend is {other}"))
            .help("give one of them another name, or both the same mode"),
        );
    }
}

fn mode_of(backend: &Backend, shared: Mode) -> (Mode, Span) {
    backend.mode.as_ref().map_or((shared, backend.head), |mode| (mode.value, mode.span))
}
