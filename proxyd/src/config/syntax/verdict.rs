//! `agent`, `observe`, `track` and `on_marked_*` of servers; `panic` and `eject` of backends.

use std::time::Duration;

use super::super::reference::{AGENT, EJECT, PANIC};
use super::super::report::{Diagnostic, Report, Span};
use super::super::shape::{Fields, Value};
use super::super::span::{Kind, Spanned};
use super::super::words::{INIT_STATES, LAYERS, MARKED_DOWN, MARKED_UP, ON_ERRORS, PANICS};
use super::super::{Agent, Eject, InitState, Layer, OnError, Panic, PanicMode, Track, defaults};
use super::address::ip;

/// What is said of a server, as written.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct Verdict {
    pub(in crate::config) init_state: Option<Spanned<InitState>>,
    pub(in crate::config) agent: Option<Spanned<Agent>>,
    pub(in crate::config) observe: Option<Spanned<Layer>>,
    pub(in crate::config) error_limit: Option<Spanned<u32>>,
    pub(in crate::config) on_error: Option<Spanned<OnError>>,
    pub(in crate::config) track: Option<Spanned<Track>>,
    pub(in crate::config) on_marked_down: Option<Spanned<()>>,
    pub(in crate::config) on_marked_up: Option<Spanned<()>>,
}

impl Verdict {
    /// Reads those of a server.
    pub(super) fn read(fields: &Fields<'_, '_>, report: &mut Report) -> Self {
        let track = fields.get("track").and_then(|value| track(value, report));
        Self { track, ..Self::read_shared(fields, report) }
    }

    /// Reads those that `server_defaults` has, too.
    pub(super) fn read_shared(fields: &Fields<'_, '_>, report: &mut Report) -> Self {
        Self {
            init_state: fields.get("init_state").and_then(|value| value.choice(&INIT_STATES, report)),
            agent: fields.get("agent").and_then(|value| agent(value, report)),
            observe: fields.get("observe").and_then(|value| value.choice(&LAYERS, report)),
            error_limit: fields.get("error_limit").and_then(|value| value.number(1..=u32::MAX, report)),
            on_error: fields.get("on_error").and_then(|value| value.choice(&ON_ERRORS, report)),
            track: None,
            on_marked_down: fields.get("on_marked_down").and_then(|value| value.choice(&MARKED_DOWN, report)),
            on_marked_up: fields.get("on_marked_up").and_then(|value| value.choice(&MARKED_UP, report)),
        }
    }
}

/// `"backend/server"`.
fn track(value: Value<'_, '_>, report: &mut Report) -> Option<Spanned<Track>> {
    let Spanned { value: text, span } = value.text(report)?;
    match text.split_once('/') {
        Some((backend, server)) if !backend.is_empty() && !server.is_empty() && !server.contains('/') => {
            let track = Track { backend: backend.to_owned(), server: server.to_owned() };
            Some(Spanned { value: track, span })
        }
        _ => {
            report.push(
                Diagnostic::error("bad-track", format!("\"{text}\" names no server"))
                    .at(span, "expected \"backend/server\""),
            );
            None
        }
    }
}

fn agent(value: Value<'_, '_>, report: &mut Report) -> Option<Spanned<Agent>> {
    let fields = value.section(&AGENT, report)?;
    fields.complete(report);
    let port = fields.get("port").and_then(|port| port.number(1..=u32::from(u16::MAX), report));
    let address = fields.get("address").and_then(|value| ip(value, "the address of an agent", report));
    let interval = fields.get("interval").and_then(|interval| interval.duration(report));
    let send = fields.get("send").and_then(|send| send.text(report));
    let agent = Agent {
        address: address.map(|address| address.value),
        port: u16::try_from(port?.value).ok()?,
        interval: interval.map_or(defaults::AGENT_INTERVAL, |interval| interval.value),
        send: send.map(|send| send.value).unwrap_or_default(),
    };
    Some(Spanned { value: agent, span: fields.span })
}

/// `panic: (below: "50%", then: all)`.
pub(super) fn panic(fields: &Fields<'_, '_>, report: &mut Report) -> Option<Panic> {
    let fields = fields.get("panic")?.section(&PANIC, report)?;
    fields.complete(report);
    let below = fields.get("below").and_then(|value| share(value, report));
    let then = fields.get("then").and_then(|value| value.choice(&PANICS, report));
    Some(Panic { below: below?, then: then.map_or(PanicMode::All, |then| then.value) })
}

/// More than nothing.
fn share(value: Value<'_, '_>, report: &mut Report) -> Option<u32> {
    let Spanned { value: share, span } = value.percent(report)?;
    if share == 0 {
        report.push(
            Diagnostic::error("bad-share", "a share of nothing never comes about")
                .at(span, "expected \"1%\" to \"100%\""),
        );
        return None;
    }
    Some(share)
}

/// `eject: (errors: "50%", ..)`.
pub(super) fn eject(fields: &Fields<'_, '_>, report: &mut Report) -> Option<Spanned<Eject>> {
    let fields = fields.get("eject")?.section(&EJECT, report)?;
    let errors = fields.get("errors").map(|value| share(value, report));
    let latency = fields.get("latency").map(|value| factor(value, report));
    if errors.is_none() && latency.is_none() {
        report.push(
            Diagnostic::error("missing-setting", "`eject` needs `errors` or `latency`")
                .at(fields.span, "nothing is said of what makes a server worse than the others")
                .help("write `eject: (errors: \"50%\")` or `eject: (latency: \"3x\")`"),
        );
        return None;
    }
    let mut duration = |name| Some(fields.get(name)?.duration(report)?.value);
    let (window, base): (Option<Duration>, Option<Duration>) = (duration("window"), duration("base"));
    let most = fields.get("most").and_then(|value| share(value, report));
    let min_requests = fields.get("min_requests").and_then(|value| value.number(1..=u32::MAX, report));
    let eject = Eject {
        errors: errors.flatten(),
        latency: latency.flatten(),
        window: window.unwrap_or(defaults::EJECT_WINDOW),
        base: base.unwrap_or(defaults::EJECT_BASE),
        most: most.unwrap_or(defaults::EJECT_MOST),
        min_requests: min_requests.map_or(defaults::EJECT_MIN_REQUESTS, |number| number.value),
    };
    Some(Spanned { value: eject, span: fields.span })
}

/// `"3x"` or `"1.5x"`, in percent.
fn factor(value: Value<'_, '_>, report: &mut Report) -> Option<u32> {
    let span: Span = value.node.span;
    let text = match &value.node.kind {
        Kind::Text(text) => text.as_str(),
        _ => "",
    };
    let number = text.strip_suffix('x').and_then(|number| number.parse::<f64>().ok());
    let percent = number.filter(|number| (1.1..=1000.0).contains(number)).map(|number| number * 100.0);
    if percent.is_none() {
        report.push(
            Diagnostic::error("bad-factor", format!("`{}` is not a factor that can be used", value.name))
                .at(span, "expected \"1.1x\" to \"1000x\""),
        );
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 110 to 100,000")]
    percent.map(|percent| percent.round() as u32)
}
