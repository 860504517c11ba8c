//! One of `frontends`, and the frontend's half of one of `listen`.

use std::sync::Arc;

use super::super::report::{Report, Span};
use super::super::shape::Fields;
use super::super::span::Spanned;
use super::super::words::MODES;
use super::super::{ClientCertHeader, ForwardHeaders, Mode, Trusted};
use super::http::{Http, Page};
use super::log::ProxyLog;
use super::route::{self, Route};
use super::socket::{Bind, binds};
use super::stick::{self, Use};
use super::traffic::Timeouts;
use super::{address, client_cert, defaults, http, name};

/// A frontend as written.
#[derive(Debug)]
pub(in crate::config) struct Frontend {
    pub(in crate::config) head: Span,
    pub(in crate::config) name: Option<Spanned<String>>,
    pub(in crate::config) mode: Option<Spanned<Mode>>,
    pub(in crate::config) binds: Vec<Spanned<Bind>>,
    pub(in crate::config) maxconn: Option<Spanned<u32>>,
    pub(in crate::config) maxconn_per_source: Option<u32>,
    pub(in crate::config) trusted: Option<Trusted>,
    pub(in crate::config) track: Vec<Use>,
    pub(in crate::config) forward: Option<ForwardHeaders>,
    pub(in crate::config) client_cert_headers: Option<Arc<[ClientCertHeader]>>,
    pub(in crate::config) http: Http,
    pub(in crate::config) pages: Vec<Page>,
    pub(in crate::config) routes: Option<Spanned<Vec<Route>>>,
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
            maxconn_per_source: fields
                .get("maxconn_per_source")
                .and_then(|value| Some(value.number(1..=u32::MAX, report)?.value)),
            maxconn: fields.get("maxconn").and_then(|value| value.number(1..=u32::MAX, report)),
            trusted: fields.get("trusted").and_then(|value| address::networks(value, report)),
            track: stick::track(fields, report),
            forward: defaults::forward(fields, report),
            client_cert_headers: client_cert::headers(fields, report),
            http: Http::read(fields, report),
            pages: http::pages(fields, report),
            routes: route::routes(fields, report),
            default_backend: None,
            timeouts: Timeouts::default(),
            log: ProxyLog::read(fields, report),
        }
    }

    pub(super) fn read_default_backend(&mut self, fields: &Fields<'_, '_>, report: &mut Report) {
        self.default_backend = fields.get("default_backend").and_then(|value| value.text(report));
    }
}
