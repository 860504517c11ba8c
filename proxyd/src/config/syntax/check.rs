//! `check` of a backend or a server: `tcp`, `tcp(..)`, `http(..)` and so on, or `none`.

mod expect;
mod kind;
mod script;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::super::check::{CheckKind, Encrypt, Greet, Step, Target as ResolvedTarget, Timing as Resolved};
use super::super::defaults;
use super::super::reference::{Section, checks};
use super::super::report::{Diagnostic, Report, Span};
use super::super::shape::{Fields, Value, no_choice};
use super::super::span::{Kind, Spanned};
use super::super::tls::ServerTls as Settings;
use super::super::words::{CHECKS, CheckWord};
use super::address::ip;
use super::socket::send_proxy;
use super::tls::{ServerTls, alpn};
pub(in crate::config) use kind::request_path;

/// Checks in a row that can be asked for: sums of two such numbers are numbers still.
const MOST_CHECKS: u32 = 1_000_000;
/// In percent.
const MOST_SPREAD: u32 = 50;

/// `check` as written.
#[derive(Clone, Debug)]
pub(in crate::config) enum Written {
    /// `none`
    Off,
    Check(Box<Check>),
}

/// A check as written.
#[derive(Clone, Debug)]
pub(in crate::config) struct Check {
    /// Where it stands.
    pub(in crate::config) span: Span,
    pub(in crate::config) kind: CheckKind,
    pub(in crate::config) timing: Timing,
    pub(in crate::config) target: Target,
}

/// Where it goes, as written.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct Target {
    pub(in crate::config) address: Option<Spanned<IpAddr>>,
    pub(in crate::config) port: Option<Spanned<u16>>,
    /// Its files are read later.
    pub(in crate::config) tls: Option<ServerTls>,
    pub(in crate::config) alpn: Option<Spanned<Vec<String>>>,
    pub(in crate::config) greet: Greet,
}

/// When it is sent, as written.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct Timing {
    pub(in crate::config) interval: Option<Spanned<Duration>>,
    pub(in crate::config) fast_interval: Option<Spanned<Duration>>,
    pub(in crate::config) down_interval: Option<Spanned<Duration>>,
    pub(in crate::config) timeout: Option<Spanned<Duration>>,
    spread: Option<u32>,
    rise: Option<u32>,
    fall: Option<u32>,
}

impl Written {
    pub(super) fn read(value: Value<'_, '_>, report: &mut Report) -> Option<Self> {
        let (word, settings) = match &value.node.kind {
            Kind::Word("none") => return Some(Self::Off),
            Kind::Word(word) => (*word, None),
            Kind::Variant(word, settings) => (*word, Some(settings)),
            _ => {
                let found = value.node.kind.described();
                report.push(
                    Diagnostic::error(
                        "wrong-type",
                        format!("`check` takes a word such as `tcp` or `http(..)`, not {found}"),
                    )
                    .at(value.node.span, format!("expected {}", CHECKS.listed()))
                    .help("write `check: http(path: \"/healthz\")`, or `check: tcp`"),
                );
                return None;
            }
        };
        let Some(kind) = CHECKS.find(word) else {
            report.push(no_choice(word, value, &CHECKS));
            return None;
        };
        // `script([..])` is `script(steps: [..])`.
        let steps = settings.and_then(|settings| match &settings.kind {
            Kind::Tuple(values) if kind == CheckWord::Script => values.first().filter(|_| values.len() == 1),
            _ => None,
        });
        let fields = match settings {
            Some(settings) if steps.is_none() => Some(Fields::open(settings, section(kind), report)?),
            _ => None,
        };
        if let Some(fields) = &fields {
            fields.complete(report);
        }
        let kind = match steps {
            Some(node) => script::read(Some(Value { name: "steps", node }), value.node.span, report),
            None => kind::read(kind, fields.as_ref(), value.node.span, report),
        };
        let (timing, target) = fields
            .map(|fields| (Timing::read(&fields, report), Target::read(&fields, report)))
            .unwrap_or_default();
        Some(Self::Check(Box::new(Check { span: value.node.span, kind: kind?, timing, target })))
    }
}

/// The settings of each kind.
const fn section(kind: CheckWord) -> &'static Section {
    match kind {
        CheckWord::Tcp => &checks::TCP,
        CheckWord::Http => &checks::HTTP,
        CheckWord::Grpc => &checks::GRPC,
        CheckWord::Script => &checks::SCRIPT,
        CheckWord::Postgres => &checks::POSTGRES,
        CheckWord::Mysql => &checks::MYSQL,
        CheckWord::Redis => &checks::REDIS,
        CheckWord::Smtp => &checks::SMTP,
        CheckWord::External => &checks::EXTERNAL,
    }
}

impl Check {
    /// Some connection of it may be encrypted in another way than those of traffic.
    pub(in crate::config) fn has_tls(&self) -> bool {
        let always =
            |step: &Step| matches!(step, Step::Connect(connect) if connect.encrypt == Encrypt::Always);
        let steps = match &self.kind {
            CheckKind::Script(steps) => steps.as_slice(),
            _ => &[],
        };
        self.target.tls.as_ref().is_some_and(|tls| !tls.off) || steps.iter().any(always)
    }
}

impl Target {
    fn read(fields: &Fields<'_, '_>, report: &mut Report) -> Self {
        let own = |name| fields.has(name).then(|| fields.get(name)).flatten();
        Self {
            address: own("address").and_then(|value| address(value, report)),
            port: own("port").and_then(|value| port(value, report)),
            tls: own("tls").and_then(|value| ServerTls::read(value, report)),
            alpn: own("alpn").and_then(|value| protocols(value, report)),
            greet: own("send_proxy").map(|value| greet(value, report)).unwrap_or_default(),
        }
    }

    /// What holds; `tls` was read for it.
    pub(in crate::config) fn resolved(&self, tls: Option<Arc<Settings>>) -> ResolvedTarget {
        ResolvedTarget {
            address: self.address.as_ref().map(|address| address.value),
            port: self.port.as_ref().map(|port| port.value),
            encrypt: match &self.tls {
                None => Encrypt::AsServer,
                Some(tls) if tls.off => Encrypt::Never,
                Some(_) => Encrypt::Always,
            },
            tls,
            alpn: self.alpn.as_ref().map(|alpn| alpn.value.clone()),
            greet: self.greet,
        }
    }
}

fn protocols(value: Value<'_, '_>, report: &mut Report) -> Option<Spanned<Vec<String>>> {
    let protocols = alpn(value, report)?.into_iter().map(|protocol| protocol.value.name());
    Some(Spanned { value: protocols.collect(), span: value.node.span })
}

fn address(value: Value<'_, '_>, report: &mut Report) -> Option<Spanned<IpAddr>> {
    ip(value, "an address that a check can go to", report)
}

fn port(value: Value<'_, '_>, report: &mut Report) -> Option<Spanned<u16>> {
    let number = value.number(1..=u16::MAX.into(), report)?;
    Some(Spanned { value: number.value as u16, span: number.span })
}

fn greet(value: Value<'_, '_>, report: &mut Report) -> Greet {
    send_proxy(value, report)
        .map_or(Greet::AsServer, |sends| sends.header().map_or(Greet::Never, Greet::Send))
}

impl Timing {
    fn read(fields: &Fields<'_, '_>, report: &mut Report) -> Self {
        let mut duration = |name| fields.get(name)?.duration(report);
        let (interval, fast_interval) = (duration("interval"), duration("fast_interval"));
        let (down_interval, timeout) = (duration("down_interval"), duration("timeout"));
        let spread = fields.get("spread").and_then(|value| spread(value, report));
        let mut count = |name| Some(fields.get(name)?.number(1..=MOST_CHECKS, report)?.value);
        Self {
            interval,
            fast_interval,
            down_interval,
            timeout,
            spread,
            rise: count("rise"),
            fall: count("fall"),
        }
    }

    /// These words, and what they leave out as `below` says.
    pub(in crate::config) fn over(self, below: &Self) -> Self {
        Self {
            // Intervals that follow from another one follow from the one beside them.
            fast_interval: self.fast_interval.or_else(|| below.fast_interval.clone()),
            down_interval: self.down_interval.or_else(|| below.down_interval.clone()),
            timeout: self.timeout.or_else(|| below.timeout.clone()),
            interval: self.interval.or_else(|| below.interval.clone()),
            spread: self.spread.or(below.spread),
            rise: self.rise.or(below.rise),
            fall: self.fall.or(below.fall),
        }
    }

    /// What holds.
    pub(in crate::config) fn resolved(&self) -> Resolved {
        let value = |written: &Option<Spanned<Duration>>| written.as_ref().map(|written| written.value);
        let interval = value(&self.interval).unwrap_or(defaults::CHECK_INTERVAL);
        Resolved {
            interval,
            fast_interval: value(&self.fast_interval).unwrap_or(interval),
            down_interval: value(&self.down_interval).unwrap_or(interval),
            timeout: value(&self.timeout).unwrap_or(interval),
            spread: self.spread.unwrap_or(defaults::CHECK_SPREAD),
            rise: self.rise.unwrap_or(defaults::CHECK_RISE),
            fall: self.fall.unwrap_or(defaults::CHECK_FALL),
        }
    }
}

/// A share of an interval; with more than half of it checks would come in pairs.
fn spread(value: Value<'_, '_>, report: &mut Report) -> Option<u32> {
    let share = value.percent(report)?;
    if share.value <= MOST_SPREAD {
        return Some(share.value);
    }
    report.push(
        Diagnostic::error("bad-share", format!("`{}` is more than half an interval", value.name))
            .at(share.span, format!("expected \"0%\" to \"{MOST_SPREAD}%\"")),
    );
    None
}
