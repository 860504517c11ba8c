//! `global`: the process, its sockets, its metrics.

use std::num::NonZeroUsize;

use proto::addr::Address;
use proto::level::Level;

use super::super::reference::{GLOBAL, METRICS, SOCKET};
use super::super::report::{Diagnostic, Report, Span};
use super::super::shape::{Fields, Value};
use super::super::span::{Kind, Spanned};
use super::super::words::{ACCEPTS, LEVELS, SPLICES};
use super::super::{Accept, Memory, Splice};
use super::address;
use super::log::LogTarget;

/// With less than this hardly a connection could be served.
const LEAST_MEMORY: u64 = 16 * 1024 * 1024;

/// `global` as written.
#[derive(Debug)]
pub(in crate::config) struct Global {
    pub(in crate::config) span: Span,
    pub(in crate::config) workers: Option<NonZeroUsize>,
    pub(in crate::config) maxconn: Option<Spanned<u32>>,
    pub(in crate::config) accept: Option<Spanned<Accept>>,
    pub(in crate::config) memory: Option<Memory>,
    pub(in crate::config) splice: Option<Spanned<Splice>>,
    pub(in crate::config) sockets: Vec<Socket>,
    pub(in crate::config) metrics: Option<Spanned<Address>>,
    pub(in crate::config) log: Vec<LogTarget>,
    pub(in crate::config) tls_keylog: Option<Spanned<bool>>,
}

/// A socket as written.
#[derive(Debug)]
pub(in crate::config) struct Socket {
    pub(in crate::config) path: Option<Spanned<String>>,
    pub(in crate::config) mode: Option<u32>,
    pub(in crate::config) level: Option<Spanned<Level>>,
}

impl Global {
    pub(super) fn read(value: Value<'_, '_>, report: &mut Report) -> Option<Self> {
        let fields = value.section(&GLOBAL, report)?;
        Some(Self {
            span: fields.head(),
            workers: fields.get("workers").and_then(|value| workers(value, report)),
            maxconn: fields.get("maxconn").and_then(|value| value.number(1..=u32::MAX, report)),
            accept: fields.get("accept").and_then(|value| value.choice(&ACCEPTS, report)),
            memory: fields.get("memory").and_then(|value| memory(value, report)),
            splice: fields.get("splice").and_then(|value| value.choice(&SPLICES, report)),
            sockets: sockets(&fields, report),
            metrics: metrics(&fields, report),
            log: LogTarget::read_all(&fields, report),
            tls_keylog: fields.get("tls_keylog").and_then(|value| value.boolean(report)),
        })
    }
}

fn workers(value: Value<'_, '_>, report: &mut Report) -> Option<NonZeroUsize> {
    match &value.node.kind {
        Kind::Word("auto") => None,
        Kind::Word(_) | Kind::Text(_) => {
            report.push(
                Diagnostic::error("wrong-type", "`workers` takes `auto` or a number")
                    .at(value.node.span, "expected auto or a number, without quotes"),
            );
            None
        }
        _ => value.number(1..=1024, report).and_then(|number| NonZeroUsize::new(number.value as usize)),
    }
}

fn memory(value: Value<'_, '_>, report: &mut Report) -> Option<Memory> {
    match &value.node.kind {
        Kind::Text(text) if text.trim_end().ends_with('%') => {
            let share = value.percent(report)?;
            if (10..=100).contains(&share.value) {
                return Some(Memory::Share(share.value));
            }
            report.push(
                Diagnostic::error("bad-share", "`memory` is a share that nobody can work with")
                    .at(share.span, "expected \"10%\" to \"100%\""),
            );
            None
        }
        _ => Some(Memory::Size(value.size(LEAST_MEMORY..=u64::MAX, report)?.value)),
    }
}

fn sockets(fields: &Fields<'_, '_>, report: &mut Report) -> Vec<Socket> {
    let entries = fields.get("sockets").and_then(|value| value.list(report)).unwrap_or_default();
    let mut sockets = Vec::new();
    for entry in entries {
        let Some(fields) = entry.section(&SOCKET, report) else { continue };
        sockets.push(Socket {
            path: fields.get("path").and_then(|value| value.text(report)),
            mode: fields.get("mode").and_then(|value| file_mode(value, report)),
            level: fields.get("level").and_then(|value| value.choice(&LEVELS, report)),
        });
        fields.complete(report);
    }
    sockets
}

fn metrics(fields: &Fields<'_, '_>, report: &mut Report) -> Option<Spanned<Address>> {
    let fields = fields.get("metrics")?.section(&METRICS, report)?;
    fields.complete(report);
    let bind = fields.get("bind")?.text(report)?;
    address::listener(&bind, report)
}

pub(super) fn file_mode(value: Value<'_, '_>, report: &mut Report) -> Option<u32> {
    let span = value.node.span;
    let text = match &value.node.kind {
        Kind::Number(number) => {
            let digits = number.trim_start_matches("0o").trim_start_matches('0');
            report.push(
                Diagnostic::error(
                    "file-mode",
                    "a file mode is a string, since 600 and 0o600 are easily confused",
                )
                .at(span, format!("write \"0{digits}\"")),
            );
            return None;
        }
        _ => value.text(report)?.value,
    };
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    match u32::from_str_radix(&text, 8) {
        Ok(mode) if octal && mode <= 0o777 => Some(mode),
        _ => {
            report.push(
                Diagnostic::error("file-mode", format!("\"{text}\" is not a file mode"))
                    .at(span, "expected three octal digits after a 0, such as \"0660\""),
            );
            None
        }
    }
}
