//! Entries of `routes`.

use std::net::IpAddr;

use super::super::reference::ROUTE;
use super::super::report::{Diagnostic, Report, Span};
use super::super::routes::{ServerName, is_host_name};
use super::super::shape::{Fields, Value};
use super::super::span::{Kind, Spanned};
use super::super::words::{CONDITIONS, Condition};
use super::condition;

/// A route as written.
#[derive(Debug)]
pub(in crate::config) struct Route {
    pub(in crate::config) names: Vec<Spanned<ServerName>>,
    pub(in crate::config) to: Option<Spanned<String>>,
}

/// `routes` with its place.
pub(super) fn routes(fields: &Fields<'_, '_>, report: &mut Report) -> Option<Spanned<Vec<Route>>> {
    let value = fields.get("routes")?;
    let entries = value.list(report)?;
    let routes = entries.into_iter().filter_map(|entry| route(entry, report)).collect();
    Some(Spanned { value: routes, span: value.node.span })
}

fn route(entry: Value<'_, '_>, report: &mut Report) -> Option<Route> {
    let fields = entry.section(&ROUTE, report)?;
    fields.complete(report);
    let names = fields.get("when").and_then(|when| names(when, report)).unwrap_or_default();
    let to = fields.get("to").and_then(|value| value.text(report));
    Some(Route { names, to })
}

/// `sni("a.example", "*.b.example")`
fn names(when: Value<'_, '_>, report: &mut Report) -> Option<Vec<Spanned<ServerName>>> {
    let hint = ("sni(..)", "when: sni(\"www.example.com\")");
    let (Condition::Sni, inner) = condition::word(when, &CONDITIONS, hint, report)?;
    let said = ("`sni` takes host names", "sni(\"www.example.com\")");
    let names = condition::values(when, inner, said, report)?;
    let names =
        names.iter().map(|node| Value { name: "sni", node }.text(report).and_then(|name| host(name, report)));
    // All are looked at before one that is wrong makes the route none.
    names.collect::<Vec<_>>().into_iter().collect()
}

fn host(written: Spanned<String>, report: &mut Report) -> Option<Spanned<ServerName>> {
    let Spanned { value: text, span } = written;
    let name = text.strip_suffix('.').unwrap_or(&text).to_ascii_lowercase();
    let value = match name.strip_prefix("*.") {
        _ if name == "*" => Some(ServerName::Any),
        Some(parent) if is_host(parent) => Some(ServerName::Below(parent.to_owned())),
        None if is_host(&name) => Some(ServerName::Exact(name.clone())),
        _ => None,
    };
    if value.is_none() {
        report.push(bad_host(&text, span));
    }
    Some(Spanned { value: value?, span })
}

fn bad_host(text: &str, span: Span) -> Diagnostic {
    let diagnostic = Diagnostic::error("bad-host", format!("{text:?} is not a host name"))
        .at(span, "expected \"www.example.com\", \"*.example.com\" or \"*\"");
    let address = text.parse::<IpAddr>().is_ok();
    if address {
        diagnostic.help("clients name no addresses, and what names none goes to `default_backend`")
    } else if text.matches('*').count() == 1 {
        diagnostic.help("a `*` stands for one whole label, and only for the first")
    } else if !text.is_ascii() {
        diagnostic.help("write it as clients send it, with `xn--`")
    } else {
        diagnostic
    }
}

fn is_host(name: &str) -> bool {
    is_host_name(name) && name.parse::<IpAddr>().is_err()
}

/// A frontend with routes may go without a backend for the rest.
pub(super) fn complete(fields: &Fields<'_, '_>, report: &mut Report) {
    const WITHOUT_DEFAULT: &[&str] = &["default_backend"];
    let some = |value: Value<'_, '_>| !matches!(&value.node.kind, Kind::List(entries) if entries.is_empty());
    let spared = if fields.get("routes").is_some_and(some) { WITHOUT_DEFAULT } else { &[] };
    fields.complete_but(spared, report);
}
