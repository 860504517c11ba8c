//! One of `frontends`, and the frontend's half of one of `listen`.

use proto::addr::Address;

use super::super::reference::BIND_ENTRY;
use super::super::report::{Diagnostic, Report, Span};
use super::super::shape::{Fields, Value};
use super::super::span::{Kind, Spanned};
use super::super::words::MODES;
use super::super::{ForwardHeaders, Mode, Trusted};
use super::http::{Http, Page};
use super::log::ProxyLog;
use super::traffic::Timeouts;
use super::{address, defaults, http, name};

/// A frontend as written.
#[derive(Debug)]
pub(in crate::config) struct Frontend {
    pub(in crate::config) head: Span,
    pub(in crate::config) name: Option<Spanned<String>>,
    pub(in crate::config) mode: Option<Spanned<Mode>>,
    pub(in crate::config) binds: Vec<Spanned<Address>>,
    pub(in crate::config) maxconn: Option<Spanned<u32>>,
    pub(in crate::config) trusted: Option<Trusted>,
    pub(in crate::config) forward: Option<ForwardHeaders>,
    pub(in crate::config) http: Http,
    pub(in crate::config) pages: Vec<Page>,
    pub(in crate::config) default_backend: Option<Spanned<String>>,
    pub(in crate::config) timeouts: Timeouts,
    pub(in crate::config) log: Option<ProxyLog>,
}

impl Frontend {
    /// Reads what frontends and listen sections both have.
    pub(super) fn read(fields: &Fields<'_, '_>, report: &mut Report) -> Self {
        Self {
            head: fields.head(),
            name: name(fields, report),
            mode: fields.get("mode").and_then(|value| value.choice(&MODES, report)),
            binds: fields.get("bind").map(|value| binds(value, report)).unwrap_or_default(),
            maxconn: fields.get("maxconn").and_then(|value| value.number(1..=u32::MAX, report)),
            trusted: fields.get("trusted").and_then(|value| address::networks(value, report)),
            forward: defaults::forward(fields, report),
            http: Http::read(fields, report),
            pages: http::pages(fields, report),
            default_backend: None,
            timeouts: Timeouts::default(),
            log: ProxyLog::read(fields, report),
        }
    }

    pub(super) fn read_default_backend(&mut self, fields: &Fields<'_, '_>, report: &mut Report) {
        self.default_backend = fields.get("default_backend").and_then(|value| value.text(report));
    }
}

fn binds(value: Value<'_, '_>, report: &mut Report) -> Vec<Spanned<Address>> {
    let entries = value.list(report).unwrap_or_default();
    if entries.is_empty() && matches!(value.node.kind, Kind::List(_)) {
        report.push(
            Diagnostic::error("no-bind", "`bind` is empty")
                .at(value.node.span, "expected at least one address"),
        );
    }
    let mut binds = Vec::new();
    for entry in entries {
        let text = match &entry.node.kind {
            Kind::Struct(_) => {
                let Some(fields) = entry.section(&BIND_ENTRY, report) else { continue };
                fields.complete(report);
                fields.get("address").and_then(|value| value.text(report))
            }
            _ => entry.text(report),
        };
        binds.extend(text.and_then(|text| address::listener(&text, report)));
    }
    binds
}
