//! `timeouts` and `retries`, wherever they stand.

use std::time::Duration;

use super::super::reasons::{Reason, Reasons, STATUSES};
use super::super::reference::{RETRIES, Section};
use super::super::report::{Diagnostic, Report};
use super::super::shape::{Fields, Value};
use super::super::span::{Kind, Node};
use super::super::words::RETRY_ON;

/// `timeouts` as written.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::config) struct Timeouts {
    pub(in crate::config) connect: Option<Duration>,
    pub(in crate::config) queue: Option<Duration>,
    pub(in crate::config) client: Option<Duration>,
    pub(in crate::config) server: Option<Duration>,
    pub(in crate::config) proxy_header: Option<Duration>,
    pub(in crate::config) http_request: Option<Duration>,
    pub(in crate::config) http_keep_alive: Option<Duration>,
    pub(in crate::config) tls_handshake: Option<Duration>,
    pub(in crate::config) tunnel: Option<Duration>,
    pub(in crate::config) client_hello: Option<Duration>,
    pub(in crate::config) client_fin: Option<Duration>,
    pub(in crate::config) server_fin: Option<Duration>,
}

/// `retries` as written.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct Retries {
    pub(in crate::config) max: Option<u32>,
    pub(in crate::config) on: Option<Reasons>,
    pub(in crate::config) redispatch: Option<bool>,
    pub(in crate::config) replay: Option<u32>,
    pub(in crate::config) non_idempotent: Option<bool>,
    pub(in crate::config) budget: Option<u32>,
}

/// Reads `timeouts`, which here takes the settings of `section`.
pub(super) fn timeouts(
    fields: &Fields<'_, '_>,
    section: &'static Section,
    report: &mut Report,
) -> Option<Timeouts> {
    let fields = fields.get("timeouts")?.section(section, report)?;
    let mut read =
        |name| if section.has(name) { Some(fields.get(name)?.duration(report)?.value) } else { None };
    Some(Timeouts {
        connect: read("connect"),
        queue: read("queue"),
        client: read("client"),
        server: read("server"),
        proxy_header: read("proxy_header"),
        http_request: read("http_request"),
        http_keep_alive: read("http_keep_alive"),
        tls_handshake: read("tls_handshake"),
        tunnel: read("tunnel"),
        client_hello: read("client_hello"),
        client_fin: read("client_fin"),
        server_fin: read("server_fin"),
    })
}

/// Reads `retries`.
pub(super) fn retries(fields: &Fields<'_, '_>, report: &mut Report) -> Option<Retries> {
    let fields = fields.get("retries")?.section(&RETRIES, report)?;
    let max = fields.get("max").and_then(|value| value.number(0..=u32::MAX, report));
    let on = fields.get("on").and_then(|value| value.list(report));
    let on = on.map(|words| words.into_iter().filter_map(|word| reason(word, report)).collect());
    let budget = fields.get("budget").and_then(|value| value.percent(report));
    let mut flag = |name| Some(fields.get(name)?.boolean(report)?.value);
    let (redispatch, non_idempotent) = (flag("redispatch"), flag("non_idempotent"));
    let replay = fields.get("replay").and_then(|value| value.size(0..=MOST_REPLAYED, report));
    Some(Retries {
        max: max.map(|max| max.value),
        on,
        redispatch,
        replay: replay.and_then(|replay| u32::try_from(replay.value).ok()),
        non_idempotent,
        budget: budget.map(|budget| budget.value),
    })
}

/// A body that is kept is memory that every such request takes.
const MOST_REPLAYED: u64 = 1024 * 1024;

/// A word of `on`, or `status(503)`.
fn reason(value: Value<'_, '_>, report: &mut Report) -> Option<Reason> {
    let settings = match &value.node.kind {
        Kind::Word("status") => value.node,
        Kind::Variant("status", settings) => settings,
        _ => return Some(value.choice(&RETRY_ON, report)?.value),
    };
    let status = match &settings.kind {
        Kind::Tuple(values) => match values.as_slice() {
            [Node { kind: Kind::Number(number), .. }] => number.parse().ok(),
            _ => None,
        },
        _ => None,
    };
    let status = status.filter(|status| STATUSES.contains(status));
    if status.is_none() {
        let statuses: Vec<String> = STATUSES.iter().map(u16::to_string).collect();
        report.push(
            Diagnostic::error("bad-status", "this is no status after which a request can be tried again")
                .at(settings.span, "expected one such as `status(503)`")
                .help(format!("there are {}", statuses.join(", "))),
        );
    }
    status.map(Reason::Status)
}
