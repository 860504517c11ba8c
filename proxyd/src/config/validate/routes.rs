//! Routes: that each can be taken.

use super::super::Mode;
use super::super::report::{Diagnostic, Report};
use super::super::resolve::Shared;
use super::super::routes::ServerName;
use super::super::span::Spanned;
use super::super::syntax::Document;
use super::frontends;

pub(super) fn check(document: &Document, report: &mut Report) {
    let shared = Shared::of(document.defaults.first()).mode();
    for frontend in frontends(document) {
        let Some(routes) = &frontend.routes else { continue };
        if frontend.mode.as_ref().map_or(shared, |mode| mode.value) == Mode::Http {
            let message = "`routes` of mode http is not supported yet";
            report.push(
                Diagnostic::error("not-supported-yet", message).at(routes.span, "").help(
                    "write `mode: tcp` in the frontend to choose by the host that clients ask for by TLS",
                ),
            );
            continue;
        }
        let mut above: Vec<&Spanned<ServerName>> = Vec::new();
        for name in routes.value.iter().flat_map(|route| &route.names) {
            match above.iter().find(|first| first.value.covers(&name.value)) {
                Some(first) => report.push(
                    Diagnostic::error(
                        "unreachable-route",
                        format!("no connection is left for \"{}\"", name.value),
                    )
                    .at(name.span, "is never looked at")
                    .at(first.span, "takes all of them")
                    .help("the first route that fits is taken: put the narrower one above"),
                ),
                None => above.push(name),
            }
        }
    }
}
