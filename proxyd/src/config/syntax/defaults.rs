//! `defaults`: mode, timeouts, retries, forward headers.

use std::time::Duration;

use super::super::reference::{DEFAULTS, RETRIES, TIMEOUTS};
use super::super::report::{Report, Span};
use super::super::shape::{Fields, Value};
use super::super::span::Spanned;
use super::super::words::{FORWARD_HEADERS, ForwardHeader, MODES, RETRY_ON, RetryOn};
use super::super::{ForwardHeaders, Mode, Trusted};
use super::http::{Http, Page};
use super::{address, http};

/// `defaults` as written.
#[derive(Debug)]
pub(in crate::config) struct Defaults {
    pub(in crate::config) span: Span,
    pub(in crate::config) mode: Option<Spanned<Mode>>,
    pub(in crate::config) timeouts: Timeouts,
    pub(in crate::config) retries: Retries,
    pub(in crate::config) forward: ForwardHeaders,
    pub(in crate::config) http: Http,
    pub(in crate::config) pages: Vec<Page>,
    pub(in crate::config) abort_on_close: Option<bool>,
    pub(in crate::config) trusted: Option<Trusted>,
}

/// `timeouts` as written.
#[derive(Debug, Default)]
pub(in crate::config) struct Timeouts {
    pub(in crate::config) connect: Option<Duration>,
    pub(in crate::config) client: Option<Duration>,
    pub(in crate::config) server: Option<Duration>,
    pub(in crate::config) http_request: Option<Duration>,
    pub(in crate::config) http_keep_alive: Option<Duration>,
    pub(in crate::config) tunnel: Option<Duration>,
    pub(in crate::config) client_fin: Option<Duration>,
    pub(in crate::config) server_fin: Option<Duration>,
}

/// `retries` as written.
#[derive(Debug, Default)]
pub(in crate::config) struct Retries {
    pub(in crate::config) max: Option<u32>,
    pub(in crate::config) on: Option<Vec<RetryOn>>,
    pub(in crate::config) budget: Option<u32>,
}

impl Defaults {
    pub(super) fn read(value: Value<'_, '_>, report: &mut Report) -> Option<Self> {
        let fields = value.section(&DEFAULTS, report)?;
        Some(Self {
            span: fields.head(),
            mode: fields.get("mode").and_then(|value| value.choice(&MODES, report)),
            timeouts: timeouts(&fields, report).unwrap_or_default(),
            retries: retries(&fields, report).unwrap_or_default(),
            forward: forward(&fields, report).unwrap_or_default(),
            http: Http::read(&fields, report),
            pages: http::pages(&fields, report),
            abort_on_close: http::abort_on_close(&fields, report),
            trusted: fields.get("trusted").and_then(|value| address::networks(value, report)),
        })
    }
}

fn timeouts(fields: &Fields<'_, '_>, report: &mut Report) -> Option<Timeouts> {
    let fields = fields.get("timeouts")?.section(&TIMEOUTS, report)?;
    let mut read = |name| Some(fields.get(name)?.duration(report)?.value);
    Some(Timeouts {
        connect: read("connect"),
        client: read("client"),
        server: read("server"),
        http_request: read("http_request"),
        http_keep_alive: read("http_keep_alive"),
        tunnel: read("tunnel"),
        client_fin: read("client_fin"),
        server_fin: read("server_fin"),
    })
}

fn retries(fields: &Fields<'_, '_>, report: &mut Report) -> Option<Retries> {
    let fields = fields.get("retries")?.section(&RETRIES, report)?;
    let max = fields.get("max").and_then(|value| value.number(0..=u32::MAX, report));
    let on = fields.get("on").and_then(|value| value.list(report));
    let on = on.map(|words| {
        words.into_iter().filter_map(|word| Some(word.choice(&RETRY_ON, report)?.value)).collect()
    });
    let budget = fields.get("budget").and_then(|value| value.percent(report));
    Some(Retries { max: max.map(|max| max.value), on, budget: budget.map(|budget| budget.value) })
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
