//! Servers of one backend beside each other: nothing here is wrong, but may not be what was meant.

use super::super::report::{Diagnostic, Report};
use super::super::syntax::Document;
use super::super::syntax::backend::Backend;
use super::super::syntax::server::Server;
use super::super::{Mode, ServerHttp, defaults};
use super::backends;

/// Weights further apart than this are more often a mix of HAProxy's scale (1) with this one (100) than a wish.
const SPREAD: u32 = 50;

pub(super) fn check(document: &Document, report: &mut Report) {
    let shared = document.defaults.first();
    let mode = shared.and_then(|defaults| defaults.mode.as_ref()).map_or(defaults::MODE, |mode| mode.value);
    for backend in backends(document) {
        let Some(servers) = &backend.servers else { continue };
        let name = backend.name.as_ref().map_or("?", |name| &name.value);
        if servers.is_empty() {
            report.push(
                Diagnostic::warning("no-servers", format!("backend `{name}` has no servers"))
                    .at(backend.head, "every request to it is answered with 503"),
            );
        } else if servers.iter().all(|server| weight(backend, server) == 0) {
            report.push(
                Diagnostic::warning("no-weight", format!("all servers of `{name}` have weight 0"))
                    .at(backend.head, "none of them gets traffic"),
            );
        }
        spread(name, backend, servers, report);
        limits(backend, servers, report);
        if backend.mode.as_ref().map_or(mode, |mode| mode.value) == Mode::Tcp {
            http(name, backend, servers, report);
        } else {
            http2(name, backend, servers, report);
        }
    }
}

/// Bytes have no version.
fn http(name: &str, backend: &Backend, servers: &[Server], report: &mut Report) {
    let written = servers.iter().map(|server| &server.http).chain([&backend.server_defaults.http]);
    for http in written.flatten().filter(|http| http.value != ServerHttp::Http1) {
        report.push(
            Diagnostic::error("no-meaning", format!("`http` means nothing for servers of `{name}`"))
                .at(http.span, "leave it out, or write `mode: http`")
                .at(backend.head, "this one has mode tcp"),
        );
    }
    let written = servers.iter().map(|server| server.http2.span).chain([backend.server_defaults.http2.span]);
    for span in written.flatten() {
        report.push(
            Diagnostic::error("no-meaning", format!("`http2` means nothing for servers of `{name}`"))
                .at(span, "leave it out")
                .at(backend.head, "this one has mode tcp"),
        );
    }
}

/// It is set where nobody speaks it.
fn http2(name: &str, backend: &Backend, servers: &[Server], report: &mut Report) {
    let shared = &backend.server_defaults;
    let speaks = |server: &Server| {
        let http =
            server.http.as_ref().or(shared.http.as_ref()).map_or(defaults::SERVER_HTTP, |http| http.value);
        http != ServerHttp::Http1
    };
    let silent = servers.iter().filter(|server| !speaks(server)).filter_map(|server| server.http2.span);
    let spoken = shared.http.as_ref().is_some_and(|http| http.value != ServerHttp::Http1);
    let shared = shared.http2.span.filter(|_| !spoken && !servers.iter().any(speaks));
    for span in silent.chain(shared) {
        report.push(
            Diagnostic::error("no-meaning", format!("`http2` means nothing for servers of `{name}`"))
                .at(span, "leave it out, or write `http: h2` or `http: auto` beside it")
                .at(backend.head, "none that this is said of speaks HTTP/2"),
        );
    }
}

fn weight(backend: &Backend, server: &Server) -> u32 {
    let written = server.weight.as_ref().or(backend.server_defaults.weight.as_ref());
    written.map_or(defaults::WEIGHT, |weight| weight.value)
}

/// A limit that grows needs somewhere to grow to.
fn limits(backend: &Backend, servers: &[Server], report: &mut Report) {
    for server in servers {
        let limits = server.limits.or(backend.server_defaults.limits);
        let (maxconn, minconn) = (limits.maxconn.unwrap_or(0), limits.minconn.unwrap_or(0));
        if minconn == 0 || minconn <= maxconn {
            continue;
        }
        let name = server.name.as_ref().map_or("?", |name| &name.value);
        let message = match maxconn {
            0 => format!("server `{name}` has a `minconn` and no `maxconn`"),
            _ => format!("`minconn` of server `{name}` is more than its `maxconn`"),
        };
        report.push(
            Diagnostic::error("minconn", message)
                .at(limits.span.unwrap_or(backend.head), "nothing to grow to")
                .help("the limit of a server grows from `minconn` to `maxconn` with the load of its backend"),
        );
    }
}

fn spread(name: &str, backend: &Backend, servers: &[Server], report: &mut Report) {
    let weighted = || servers.iter().filter(|server| weight(backend, server) > 0);
    let (Some(low), Some(high)) =
        (weighted().min_by_key(|s| weight(backend, s)), weighted().max_by_key(|s| weight(backend, s)))
    else {
        return;
    };
    if weight(backend, high) <= weight(backend, low) * SPREAD {
        return;
    }
    let place = |server: &Server| match (&server.weight, &server.name) {
        (Some(weight), _) => weight.span,
        (None, Some(name)) => name.span,
        (None, None) => backend.head,
    };
    let said = |server: &Server| match server.weight {
        Some(_) => format!("weight {}", weight(backend, server)),
        None => format!("weight {}, the default", weight(backend, server)),
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
