//! Formats of the access log that a proxy's mode cannot fill.

use super::super::Mode;
use super::super::defaults;
use super::super::log_format::LogFormat;
use super::super::report::{Diagnostic, Report};
use super::super::syntax::Document;
use super::frontends;

pub(super) fn check(document: &Document, report: &mut Report) {
    let shared = document.defaults.first();
    let preset = shared.and_then(|d| d.mode.as_ref()).map_or(defaults::MODE, |mode| mode.value);
    let common = shared.and_then(|defaults| defaults.log.as_ref()?.format.as_ref());
    for frontend in frontends(document) {
        if frontend.mode.as_ref().map_or(preset, |mode| mode.value) != Mode::Tcp {
            continue;
        }
        let own = frontend.log.as_ref().and_then(|log| log.format.as_ref());
        let Some(format) = own.or(common) else { continue };
        let what = match &format.value {
            LogFormat::Httplog if own.is_some() => "`httplog`".to_owned(),
            LogFormat::Httpslog if own.is_some() => "`httpslog`".to_owned(),
            LogFormat::Custom(template) => match template.http_only() {
                Some(name) => format!("`%{name}`"),
                None => continue,
            },
            _ => continue,
        };
        let name = frontend.name.as_ref().map_or("", |name| &name.value);
        report.push(
            Diagnostic::error("log-format-mode", format!("{what} is of HTTP, and `{name}` has mode tcp"))
                .at(format.span, "nothing of it is known in mode tcp")
                .at(frontend.head, "this one has mode tcp")
                .help("write `tcplog`, `json`, or a string without it"),
        );
    }
}
