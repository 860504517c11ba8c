//! Persistence: what a cookie's mode has no use for, and servers that could not be told from each other.

use std::collections::HashMap;
use std::net::SocketAddr;

use proto::addr::Address;

use super::super::condition::Condition;
use super::super::persistence::{CookieMode, SameSite};
use super::super::report::{Diagnostic, Report};
use super::super::span::Spanned;
use super::super::syntax::Document;
use super::super::syntax::backend::Backend;
use super::super::syntax::persistence::WrittenCookie;
use super::super::syntax::server::{Server, is_unix};
use super::super::{Mode, ServerAddress, defaults};
use super::backends;

/// What only a cookie has that is given here.
const OF_INSERT: [&str; 10] = [
    "nocache",
    "post_only",
    "httponly",
    "secure",
    "samesite",
    "domain",
    "path",
    "attr",
    "max_idle",
    "max_life",
];

pub(super) fn check(document: &Document, report: &mut Report) {
    let shared = document.defaults.first();
    let mode = shared.and_then(|defaults| defaults.mode.as_ref()).map_or(defaults::MODE, |mode| mode.value);
    for backend in backends(document) {
        let servers = backend.servers.as_deref().unwrap_or_default();
        let mode = backend.mode.as_ref().map_or(mode, |mode| mode.value);
        match &backend.persistence {
            Some(written) if mode == Mode::Tcp => {
                report.push(
                    Diagnostic::error("no-meaning", "there are no cookies in mode tcp")
                        .at(written.span, "leave it out, or write `mode: http`")
                        .at(backend.head, "this one has mode tcp"),
                );
            }
            Some(written) => {
                combinations(written, report);
                values(written, servers, report);
            }
            None => unused(backend, servers, report),
        }
        if mode == Mode::Tcp {
            of_requests(backend, report);
        }
    }
}

/// Conditions on what a connection has not.
fn of_requests(backend: &Backend, report: &mut Report) {
    let Some(persist) = &backend.persist else { return };
    let mut conditions = persist.value.ignore.iter().chain(&persist.value.force);
    if !backend.stick.is_empty() && conditions.any(Condition::needs_request) {
        report.push(
            Diagnostic::error("no-meaning", "`path` and `method` mean nothing in mode tcp")
                .at(persist.span, "of a connection there is `source(..)`")
                .at(backend.head, "this one has mode tcp"),
        );
    }
}

/// Settings that only persistence gives a meaning.
fn unused(backend: &Backend, servers: &[Server], report: &mut Report) {
    for cookie in servers.iter().filter_map(|server| server.cookie.as_ref()) {
        report.push(
            Diagnostic::error("no-meaning", "`cookie` means nothing for a server without persistence")
                .at(cookie.span, "nobody reads it")
                .at(backend.head, "write `persistence: cookie(name: \"SRV\")` here"),
        );
    }
    if let Some(persist) = backend.persist.as_ref().filter(|_| backend.stick.is_empty()) {
        report.push(
            Diagnostic::error("no-meaning", "`persist` means nothing without persistence")
                .at(persist.span, "there is nothing to make an exception of")
                .at(backend.head, "write `persistence: cookie(name: \"SRV\")` here"),
        );
    }
}

fn combinations(written: &WrittenCookie, report: &mut Report) {
    let cookie = &written.cookie;
    let mut wrong = |name: &str, message: String, why: &str| {
        if let Some(place) = written.place(name) {
            report.push(Diagnostic::error("no-meaning", message).at(place, why));
        }
    };
    if cookie.mode != CookieMode::Insert {
        for name in OF_INSERT {
            let message = format!("`{name}` means nothing in this mode");
            wrong(name, message, "the server gives the cookie; only in mode `insert` it is given here");
        }
    }
    if cookie.indirect && matches!(cookie.mode, CookieMode::Prefix | CookieMode::Rewrite) {
        let mode = if cookie.mode == CookieMode::Prefix { "prefix" } else { "rewrite" };
        let message = format!("`indirect` and mode `{mode}` exclude each other");
        wrong("indirect", message, "clients would not get what the server changes in its own cookie");
    }
    if cookie.preserve && cookie.mode != CookieMode::Insert && !cookie.indirect {
        let message = "`preserve` means nothing here".to_owned();
        wrong(
            "preserve",
            message,
            "it is for mode `insert` and for `indirect`, which take out the server's cookie",
        );
    }
    if cookie.samesite == Some(SameSite::None) && !cookie.secure {
        let message = "browsers refuse `samesite: none` without `secure`".to_owned();
        wrong("samesite", message, "write `secure: true` beside it");
    }
    if cookie.dynamic && written.key.is_none() {
        let message = "`dynamic` needs `key`".to_owned();
        wrong("dynamic", message, "addresses are easily guessed; their hash is not once a key is in it");
    }
}

/// Servers need a value of their own, since names without a key are easily guessed.
fn without_key(written: &WrittenCookie, servers: &[Server], report: &mut Report) {
    let nameless = servers.iter().filter(|server| server.cookie.is_none());
    let Some(cookie) = servers.iter().find_map(|server| server.cookie.as_ref()) else {
        if nameless.count() > 0 {
            report.push(
                Diagnostic::error("no-cookie", "servers have no `cookie`, and there is no `key`")
                    .at(
                        written.span,
                        "`key` is missing here: servers are called by a hash of it and their name",
                    )
                    .help(
                        "write `key: file(\"..\")`, the same on all instances, or a `cookie` for each server",
                    ),
            );
        }
        return;
    };
    for server in nameless {
        let name = server.name.as_ref();
        report.push(
            Diagnostic::error(
                "no-cookie",
                format!("server `{}` has no `cookie`", name.map_or("?", |name| &name.value)),
            )
            .at(name.map_or(written.span, |name| name.span), "its clients would not come back to it")
            .at(cookie.span, "others have one")
            .help("write one for each server, or `key: file(\"..\")` in `persistence`: then a hash of the key and its name is used"),
        );
    }
}

fn is_active(server: &Server) -> bool {
    !server.backup.as_ref().is_some_and(|backup| backup.value)
}

/// Servers that are called after their addresses.
fn same_addresses(servers: &[Server], report: &mut Report) {
    let mut known: HashMap<SocketAddr, &Spanned<String>> = HashMap::new();
    for server in servers.iter().filter(|server| server.cookie.is_none() && is_active(server)) {
        let (Some(ServerAddress::Literal(Address::Ip(address))), Some(name)) =
            (&server.address, &server.name)
        else {
            continue;
        };
        if let Some(first) = known.get(address) {
            let message = format!(
                "servers `{}` and `{}` would have the same cookie: both are {address}",
                first.value, name.value
            );
            report.push(
                Diagnostic::error("cookie-twice", message)
                    .at(name.span, "clients of this one would go to the other")
                    .at(first.span, "the first")
                    .help("write a `cookie` for one of them"),
            );
        } else {
            known.insert(*address, name);
        }
    }
}

fn values(written: &WrittenCookie, servers: &[Server], report: &mut Report) {
    let dynamic = written.cookie.dynamic;
    let given: Vec<&Server> = servers.iter().filter(|server| server.cookie.is_some()).collect();
    // Of `dynamic` without `key` is told already.
    if written.place("key").is_none() && !dynamic {
        without_key(written, servers, report);
    }
    if dynamic {
        for server in servers.iter().filter(|it| it.cookie.is_none() && is_unix(it.address.as_ref())) {
            let name = server.name.as_ref();
            report.push(
                Diagnostic::error(
                    "no-cookie",
                    format!("server `{}` has no IP address to hash", name.map_or("?", |name| &name.value)),
                )
                .at(name.map_or(written.span, |name| name.span), "write a `cookie` for it"),
            );
        }
    }
    if !servers.is_empty() && given.len() == servers.len() && written.key.is_some() {
        let place = written.place("key").unwrap_or(written.span);
        report.push(
            Diagnostic::error("no-meaning", "`key` means nothing where each server has a `cookie`")
                .at(place, "nothing is hashed with it"),
        );
    }
    if dynamic {
        same_addresses(servers, report);
    }
    let mut active: Vec<&Server> = Vec::new();
    for server in given.into_iter().filter(|server| is_active(server)) {
        let Some(cookie) = &server.cookie else { continue };
        let same =
            active.iter().find_map(|it| it.cookie.as_ref().filter(|other| other.value == cookie.value));
        if let Some(first) = same {
            report.push(
                Diagnostic::error("cookie-twice", format!("two servers have the cookie {:?}", cookie.value))
                    .at(cookie.span, "clients of this one would go to the other")
                    .at(first.span, "the first")
                    .help("only a backup may share the cookie of a server, whose clients it then takes"),
            );
        } else {
            active.push(server);
        }
    }
}
