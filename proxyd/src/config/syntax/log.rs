//! `global.log`, the targets of the access log, and `log`, what a proxy writes there.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use super::super::log_format::{LogFormat, Template, Wrong};
use super::super::reference::{LOG_TARGET, PROXY_LOG};
use super::super::report::{Diagnostic, Report, Span};
use super::super::shape::{Fields, Value, no_choice};
use super::super::span::{Kind, Node, Spanned};
use super::super::words::{FACILITY, FORMATS, FRAMINGS, LEAVE_OUT, LeaveOut, TARGETS, TargetWord};
use super::address::{LONGEST_PATH, is_host_name, too_long};
use crate::log::target::{Facility, Framing, Place, Sample};

/// A target as written.
#[derive(Debug)]
pub(in crate::config) struct LogTarget {
    pub(in crate::config) place: Option<Place>,
    pub(in crate::config) format: Option<LogFormat>,
    pub(in crate::config) framing: Option<Framing>,
    pub(in crate::config) facility: Option<Facility>,
    pub(in crate::config) tag: Option<String>,
    pub(in crate::config) length: Option<u32>,
    pub(in crate::config) sample: Option<Sample>,
}

/// `log` of a proxy, as written.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct ProxyLog {
    pub(in crate::config) off: bool,
    /// A section was written, which switches it on where `defaults` has it off.
    pub(in crate::config) says_something: bool,
    pub(in crate::config) format: Option<Spanned<LogFormat>>,
    pub(in crate::config) errors_separately: Option<bool>,
    pub(in crate::config) leave_out: Option<Vec<LeaveOut>>,
}

/// The shortest line that still says something.
const SHORTEST_LINE: u32 = 80;
const LONGEST_LINE: u32 = 65_535;

/// What syslog listens on, over UDP and TCP.
const SYSLOG_PORT: u16 = 514;

/// Tags go into each line.
const LONGEST_TAG: usize = 48;

impl LogTarget {
    /// All of `global.log`.
    pub(super) fn read_all(fields: &Fields<'_, '_>, report: &mut Report) -> Vec<Self> {
        let entries = fields.get("log").and_then(|value| value.list(report)).unwrap_or_default();
        entries.into_iter().filter_map(|entry| Self::read(entry, report)).collect()
    }

    /// A target with its settings in `( )`, or just the place.
    fn read(entry: Value<'_, '_>, report: &mut Report) -> Option<Self> {
        if !matches!(entry.node.kind, Kind::Struct(_) | Kind::Tuple(_)) {
            let place = place(Value { name: "target", node: entry.node }, report);
            return Some(Self {
                place,
                format: None,
                framing: None,
                facility: None,
                tag: None,
                length: None,
                sample: None,
            });
        }
        let fields = entry.section(&LOG_TARGET, report)?;
        fields.complete(report);
        let length =
            fields.get("length").and_then(|value| value.number(SHORTEST_LINE..=LONGEST_LINE, report));
        Some(Self {
            place: fields.get("target").and_then(|value| place(value, report)),
            format: fields.get("format").and_then(|value| format(value, report)).map(|format| format.value),
            framing: fields
                .get("framing")
                .and_then(|value| value.choice(&FRAMINGS, report))
                .map(|framing| framing.value),
            facility: fields
                .get("facility")
                .and_then(|value| value.choice(&FACILITY, report))
                .map(|facility| facility.value),
            tag: fields.get("tag").and_then(|value| tag(value, report)),
            length: length.map(|length| length.value),
            sample: fields.get("sample").and_then(|value| sample(value, report)),
        })
    }
}

impl ProxyLog {
    pub(super) fn read(fields: &Fields<'_, '_>, report: &mut Report) -> Option<Self> {
        let value = fields.get("log")?;
        if matches!(value.node.kind, Kind::Word("off")) {
            return Some(Self { off: true, ..Self::default() });
        }
        let fields = value.section(&PROXY_LOG, report)?;
        let errors = fields.get("errors_separately").and_then(|value| value.boolean(report));
        let leave_out = fields.get("leave_out").and_then(|value| value.list(report));
        Some(Self {
            off: false,
            says_something: true,
            format: fields.get("format").and_then(|value| format(value, report)),
            errors_separately: errors.map(|errors| errors.value),
            leave_out: leave_out.map(|words| {
                words.into_iter().filter_map(|word| Some(word.choice(&LEAVE_OUT, report)?.value)).collect()
            }),
        })
    }
}

/// `stdout`, `stderr`, `file("..")` or `syslog("..")`.
fn place(value: Value<'_, '_>, report: &mut Report) -> Option<Place> {
    let span = value.node.span;
    let (word, argument) = match &value.node.kind {
        Kind::Word(word) => (*word, None),
        Kind::Variant(word, settings) => (*word, Some(&**settings)),
        _ => {
            let found = value.node.kind.described();
            let diagnostic =
                Diagnostic::error("wrong-type", format!("`target` takes {}, not {found}", TARGETS.listed()))
                    .at(span, "expected a word");
            report.push(match &value.node.kind {
                Kind::Text(text) => diagnostic.help(format!("write `syslog({text:?})` or `file({text:?})`")),
                _ => diagnostic.help("write `syslog(\"/dev/log\")`, `file(\"access.log\")` or `stdout`"),
            });
            return None;
        }
    };
    let Some(kind) = TARGETS.find(word) else {
        report.push(no_choice(word, value, &TARGETS));
        return None;
    };
    let text = argument.and_then(one_text);
    let (place, text) = match (kind, text) {
        (TargetWord::Stdout, _) if argument.is_none() => return Some(Place::Stdout),
        (TargetWord::Stderr, _) if argument.is_none() => return Some(Place::Stderr),
        (TargetWord::Stdout | TargetWord::Stderr, _) => {
            report.push(
                Diagnostic::error("wrong-type", format!("`{word}` has no settings"))
                    .at(argument.map_or(span, |node| node.span), "nothing is expected here"),
            );
            return None;
        }
        (TargetWord::File, Some(text)) => (Some(Place::File(PathBuf::from(&text.value))), text),
        (TargetWord::Syslog, Some(text)) => (syslog(&text, report), text),
        (TargetWord::File, None) => {
            report.push(takes_text(word, "a path", "file(\"/var/log/proxyd/access.log\")", span));
            return None;
        }
        (TargetWord::Syslog, None) => {
            report.push(takes_text(word, "an address", "syslog(\"/dev/log\")", span));
            return None;
        }
    };
    if matches!(kind, TargetWord::File) && (text.value.is_empty() || text.value.contains('\0')) {
        report.push(
            Diagnostic::error("bad-path", "this cannot be the path of a file")
                .at(text.span, "expected a path"),
        );
        return None;
    }
    place
}

fn takes_text(word: &str, what: &str, example: &str, span: Span) -> Diagnostic {
    Diagnostic::error("wrong-type", format!("`{word}` takes {what} in quotes"))
        .at(span, format!("write `{example}`"))
}

/// The one string of `word("..")`.
fn one_text(node: &Node<'_>) -> Option<Spanned<String>> {
    let Kind::Tuple(values) = &node.kind else { return None };
    let [Node { kind: Kind::Text(text), span }] = values.as_slice() else { return None };
    Some(Spanned { value: text.clone(), span: *span })
}

/// A path, `unix@/path`, `127.0.0.1:514`, or `tcp@127.0.0.1:6514`.
fn syslog(text: &Spanned<String>, report: &mut Report) -> Option<Place> {
    let address = text.value.as_str();
    let path = address.strip_prefix("unix@").or_else(|| address.starts_with(['/', '.']).then_some(address));
    if let Some(path) = path {
        if path.is_empty() || path.len() > LONGEST_PATH || path.contains('\0') {
            report.push(too_long(text, path.len()));
            return None;
        }
        return Some(Place::Unix(PathBuf::from(path)));
    }
    let (tcp, rest) = match address.split_once('@') {
        Some(("tcp" | "tcp4" | "tcp6", rest)) => (true, rest),
        Some(("udp" | "udp4" | "udp6", rest)) => (false, rest),
        _ => (false, address),
    };
    let Some(host) = host_and_port(rest) else {
        report.push(
            Diagnostic::error("bad-address", format!("{address:?} is not the address of a syslog server"))
                .at(text.span, "expected a path, or host and port")
                .help(
                    "write \"/dev/log\", \"127.0.0.1:514\" for UDP, \"tcp@127.0.0.1:6514\" for TCP, or \
                     \"unix@/path\"",
                ),
        );
        return None;
    };
    Some(if tcp { Place::Tcp(host) } else { Place::Udp(host) })
}

fn host_and_port(text: &str) -> Option<String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return (address.port() != 0).then(|| address.to_string());
    }
    if let Ok(ip) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, SYSLOG_PORT).to_string());
    }
    match text.rsplit_once(':') {
        Some((host, port)) => {
            let port: u16 = port.parse().ok()?;
            (is_host_name(host) && port != 0).then(|| format!("{host}:{port}"))
        }
        None => is_host_name(text).then(|| format!("{text}:{SYSLOG_PORT}")),
    }
}

/// A word, or a log-format string.
fn format(value: Value<'_, '_>, report: &mut Report) -> Option<Spanned<LogFormat>> {
    let text = match &value.node.kind {
        Kind::Text(text) if FORMATS.find(text).is_none() => text,
        _ => return value.choice(&FORMATS, report),
    };
    let span = value.node.span;
    match Template::read(text) {
        Ok(template) => Some(Spanned { value: LogFormat::Custom(Arc::new(template)), span }),
        Err(Wrong { at, message, label, later }) => {
            let code = if later { "not-supported-yet" } else { "bad-log-format" };
            let place = report.within_text(span, text, at);
            report.push(Diagnostic::error(code, message).at(place, label));
            None
        }
    }
}

fn tag(value: Value<'_, '_>, report: &mut Report) -> Option<String> {
    let text = value.text(report)?;
    let right =
        (1..=LONGEST_TAG).contains(&text.value.len()) && text.value.bytes().all(|b| b.is_ascii_graphic());
    if !right {
        report.push(
            Diagnostic::error("bad-tag", format!("{:?} is not a tag for syslog", text.value))
                .at(text.span, format!("expected 1 to {LONGEST_TAG} letters, digits or signs, no blanks")),
        );
        return None;
    }
    Some(text.value)
}

/// `"1/10"` or `"10%"`.
fn sample(value: Value<'_, '_>, report: &mut Report) -> Option<Sample> {
    let text = value.text(report)?;
    let parsed = match text.value.split_once('/') {
        Some((keep, of)) => keep.trim().parse().ok().zip(of.trim().parse().ok()),
        None => text
            .value
            .strip_suffix('%')
            .and_then(|percent| percent.parse().ok())
            .map(|percent| (percent, 100)),
    };
    match parsed {
        Some((keep, of)) if 0 < keep && keep <= of && of <= 1_000_000 => Some(Sample { keep, of }),
        _ => {
            report.push(
                Diagnostic::error("bad-sample", format!("{:?} is not a share of the lines", text.value))
                    .at(text.span, "expected a share above 0, such as \"1/10\" or \"10%\""),
            );
            None
        }
    }
}
