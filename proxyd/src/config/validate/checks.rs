//! Checks that cannot be sent as they are asked for.

use super::super::report::{Diagnostic, Report};
use super::super::syntax::Document;
use super::super::syntax::backend::Backend;
use super::super::syntax::check::{Check, Timing, Written};
use super::super::syntax::server::{Server, is_unix};
use super::backends;

pub(super) fn check(document: &Document, report: &mut Report) {
    for backend in backends(document) {
        let shared = match &backend.check {
            Some(Written::Check(shared)) => Some(&shared.timing),
            _ => None,
        };
        if let Some(shared) = shared {
            in_time(shared, report);
        }
        unencrypted(backend, report);
        for server in backend.servers.iter().flatten() {
            if let Some(Written::Check(check)) = server.check.as_ref().or(backend.check.as_ref()) {
                place(server, check, report);
            }
            let Some(Written::Check(own)) = &server.check else { continue };
            let own = &own.timing;
            // What comes of the backend alone has been said of it.
            if own.interval.is_some() || own.timeout.is_some() {
                in_time(&shared.map_or_else(|| own.clone(), |shared| own.clone().over(shared)), report);
            }
        }
    }
}

/// What is offered in a handshake that there is not.
fn unencrypted(backend: &Backend, report: &mut Report) {
    let servers = || backend.servers.iter().flatten();
    let shared: Vec<&Server> = servers().filter(|server| server.check.is_none()).collect();
    let own = servers().map(|server| (server.check.as_ref(), vec![server]));
    for (check, servers) in own.chain([(backend.check.as_ref(), shared)]) {
        let Some(Written::Check(check)) = check else { continue };
        let Some(alpn) = &check.target.alpn else { continue };
        let encrypted = |server: &&Server| check.has_tls() || is_as_server(check, backend, server);
        if !servers.is_empty() && !servers.iter().any(encrypted) {
            report.push(
                Diagnostic::error("no-meaning", "`alpn` means nothing without TLS")
                    .at(alpn.span, "leave it out, or write `tls: true` beside it"),
            );
        }
    }
}

/// It is encrypted because traffic is.
fn is_as_server(check: &Check, backend: &Backend, server: &Server) -> bool {
    let target = &check.target;
    let goes_there = target.address.is_none() && target.port.is_none();
    let tls = server.tls.as_ref().or(backend.server_defaults.tls.as_ref());
    goes_there && target.tls.is_none() && tls.is_some_and(|tls| !tls.off)
}

/// Behind a Unix socket there is no other port, and no port at another address.
fn place(server: &Server, check: &Check, report: &mut Report) {
    let span = match (&check.target.address, &check.target.port) {
        (Some(address), None) => address.span,
        (None, Some(port)) => port.span,
        _ => return,
    };
    if is_unix(server.address.as_ref()) {
        let name = server.name.as_ref().map_or("?", |name| &name.value);
        report.push(
            Diagnostic::error("check-place", format!("server `{name}` is behind a Unix socket"))
                .at(span, "a check that goes elsewhere needs `address` and `port`"),
        );
    }
}

/// The next check waits for the end of the one before.
fn in_time(timing: &Timing, report: &mut Report) {
    let resolved = timing.resolved();
    let Some(timeout) = timing.timeout.as_ref().filter(|_| resolved.timeout > resolved.interval) else {
        return;
    };
    let diagnostic = Diagnostic::error("check-timeout", "`timeout` of a check is longer than its `interval`")
        .at(timeout.span, "checks that take so long are lost: the next ones are not sent in time");
    report.push(match &timing.interval {
        Some(interval) => diagnostic.at(interval.span, "the next check is due here"),
        None => diagnostic.help(format!(
            "the interval is {} where it is left out",
            super::super::print::duration(resolved.interval)
        )),
    });
}
