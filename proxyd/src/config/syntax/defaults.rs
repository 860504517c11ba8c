//! `defaults`: mode, timeouts, retries, forward headers.

use std::sync::Arc;

use super::super::reference::{DEFAULTS, TIMEOUTS};
use super::super::report::{Report, Span};
use super::super::shape::{Fields, Value};
use super::super::span::Spanned;
use super::super::words::{FORWARD_HEADERS, ForwardHeader, MODES};
use super::super::{ClientCertHeader, ForwardHeaders, Mode, Trusted};
use super::http::{Http, Page};
use super::log::ProxyLog;
use super::traffic::{Retries, Timeouts, retries, timeouts};
use super::{address, client_cert, http};

/// `defaults` as written.
#[derive(Debug)]
pub(in crate::config) struct Defaults {
    pub(in crate::config) span: Span,
    pub(in crate::config) mode: Option<Spanned<Mode>>,
    pub(in crate::config) timeouts: Timeouts,
    pub(in crate::config) retries: Retries,
    pub(in crate::config) forward: ForwardHeaders,
    pub(in crate::config) client_cert_headers: Arc<[ClientCertHeader]>,
    pub(in crate::config) http: Http,
    pub(in crate::config) pages: Vec<Page>,
    pub(in crate::config) abort_on_close: Option<bool>,
    pub(in crate::config) trusted: Option<Trusted>,
    pub(in crate::config) log: Option<ProxyLog>,
}

impl Defaults {
    pub(super) fn read(value: Value<'_, '_>, report: &mut Report) -> Option<Self> {
        let fields = value.section(&DEFAULTS, report)?;
        Some(Self {
            span: fields.head(),
            mode: fields.get("mode").and_then(|value| value.choice(&MODES, report)),
            timeouts: timeouts(&fields, &TIMEOUTS, report).unwrap_or_default(),
            retries: retries(&fields, report).unwrap_or_default(),
            forward: forward(&fields, report).unwrap_or_default(),
            client_cert_headers: client_cert::headers(&fields, report).unwrap_or_default(),
            http: Http::read(&fields, report),
            pages: http::pages(&fields, report),
            abort_on_close: http::abort_on_close(&fields, report),
            trusted: fields.get("trusted").and_then(|value| address::networks(value, report)),
            log: ProxyLog::read(&fields, report),
        })
    }
}

/// Reads `forward_headers`.
pub(super) fn forward(fields: &Fields<'_, '_>, report: &mut Report) -> Option<ForwardHeaders> {
    let mut headers = ForwardHeaders::default();
    for word in fields.get("forward_headers")?.list(report)? {
        let Some(header) = word.choice(&FORWARD_HEADERS, report) else { continue };
        match header.value {
            ForwardHeader::For => headers.x_forwarded_for = true,
            ForwardHeader::Proto => headers.x_forwarded_proto = true,
            ForwardHeader::Host => headers.x_forwarded_host = true,
            ForwardHeader::Port => headers.x_forwarded_port = true,
            ForwardHeader::Forwarded => headers.forwarded = true,
            ForwardHeader::Via => headers.via = true,
        }
    }
    Some(headers)
}
