//! Servers of one backend beside each other: nothing here is wrong, but may not be what was meant.

use super::super::defaults;
use super::super::report::{Diagnostic, Report};
use super::super::syntax::Document;
use super::super::syntax::backend::Backend;
use super::super::syntax::server::Server;
use super::backends;

/// Weights further apart than this are more often a mix of HAProxy's scale (1) with this one (100) than a wish.
const SPREAD: u32 = 50;

pub(super) fn check(document: &Document, report: &mut Report) {
    for backend in backends(document) {
        let Some(servers) = &backend.servers else { continue };
        let name = backend.name.as_ref().map_or("?", |name| &name.value);
        if servers.is_empty() {
            report.push(
                Diagnostic::warning("no-servers", format!("backend `{name}` has no servers"))
                    .at(backend.head, "every request to it is answered with 503"),
            );
        } else if servers.iter().all(|server| weight(server) == 0) {
            report.push(
                Diagnostic::warning("no-weight", format!("all servers of `{name}` have weight 0"))
                    .at(backend.head, "none of them gets traffic"),
            );
        }
        spread(name, backend, servers, report);
    }
}

fn weight(server: &Server) -> u32 {
    server.weight.as_ref().map_or(defaults::WEIGHT, |weight| weight.value)
}

fn spread(name: &str, backend: &Backend, servers: &[Server], report: &mut Report) {
    let weighted = || servers.iter().filter(|server| weight(server) > 0);
    let (Some(low), Some(high)) =
        (weighted().min_by_key(|s| weight(s)), weighted().max_by_key(|s| weight(s)))
    else {
        return;
    };
    if weight(high) <= weight(low) * SPREAD {
        return;
    }
    let place = |server: &Server| match (&server.weight, &server.name) {
        (Some(weight), _) => weight.span,
        (None, Some(name)) => name.span,
        (None, None) => backend.head,
    };
    let said = |server: &Server| match server.weight {
        Some(_) => format!("weight {}", weight(server)),
        None => format!("weight {}, the default", weight(server)),
    };
    report.push(
        Diagnostic::warning(
            "weight-spread",
            format!("weights of `{name}` are more than {SPREAD} times apart"),
        )
        .at(place(low), said(low))
        .at(place(high), said(high))
        .help(format!("the default weight is {}, not 1 as in HAProxy", defaults::WEIGHT)),
    );
}
