//! `timeouts` and `retries`, wherever they stand.

use std::time::Duration;

use super::super::reference::{RETRIES, Section};
use super::super::report::Report;
use super::super::shape::Fields;
use super::super::words::{RETRY_ON, RetryOn};

/// `timeouts` as written.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::config) struct Timeouts {
    pub(in crate::config) connect: Option<Duration>,
    pub(in crate::config) queue: Option<Duration>,
    pub(in crate::config) client: Option<Duration>,
    pub(in crate::config) server: Option<Duration>,
    pub(in crate::config) http_request: Option<Duration>,
    pub(in crate::config) http_keep_alive: Option<Duration>,
    pub(in crate::config) tunnel: Option<Duration>,
    pub(in crate::config) client_fin: Option<Duration>,
    pub(in crate::config) server_fin: Option<Duration>,
}

/// `retries` as written.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct Retries {
    pub(in crate::config) max: Option<u32>,
    pub(in crate::config) on: Option<Vec<RetryOn>>,
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
        http_request: read("http_request"),
        http_keep_alive: read("http_keep_alive"),
        tunnel: read("tunnel"),
        client_fin: read("client_fin"),
        server_fin: read("server_fin"),
    })
}

/// Reads `retries`.
pub(super) fn retries(fields: &Fields<'_, '_>, report: &mut Report) -> Option<Retries> {
    let fields = fields.get("retries")?.section(&RETRIES, report)?;
    let max = fields.get("max").and_then(|value| value.number(0..=u32::MAX, report));
    let on = fields.get("on").and_then(|value| value.list(report));
    let on = on.map(|words| {
        words.into_iter().filter_map(|word| Some(word.choice(&RETRY_ON, report)?.value)).collect()
    });
    let budget = fields.get("budget").and_then(|value| value.percent(report));
    Some(Retries { max: max.map(|max| max.value), on, budget: budget.map(|budget| budget.value) })
}
