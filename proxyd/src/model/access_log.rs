//! What a frontend writes to the access log, prepared for each target.

use std::sync::Arc;

use crate::config::log_format::{LogFormat, Template, Variable};
use crate::config::{self, LogTarget, Mode};

/// What is written of each request or session of a frontend.
#[derive(Debug)]
pub struct AccessLog {
    /// For each target of the process, in its order.
    pub lines: Vec<Line>,
    pub errors_separately: bool,
    pub without_null: bool,
    pub without_normal: bool,
    /// A line says where servers are connected from.
    pub wants_source: bool,
    /// A line says its number, or that of its request.
    pub wants_numbers: bool,
}

/// What a line is made from.
#[derive(Clone, Debug)]
pub enum Line {
    Json,
    Text(Arc<Template>),
}

impl AccessLog {
    /// `None` where nothing is to be written.
    pub fn new(proxy: &config::ProxyLog, mode: Mode, targets: &[LogTarget]) -> Option<Self> {
        if proxy.off || targets.is_empty() {
            return None;
        }
        let lines: Vec<Line> = targets
            .iter()
            .map(|target| {
                let format = match (target.format.as_ref().unwrap_or(&proxy.format), mode) {
                    (LogFormat::Httplog | LogFormat::Httpslog, Mode::Tcp) => &LogFormat::Tcplog,
                    (format, _) => format,
                };
                format.template().map_or(Line::Json, Line::Text)
            })
            .collect();
        let source = [Variable::SourceIp, Variable::SourcePort];
        let numbers = [Variable::RequestCount, Variable::LogCount];
        let uses = |which: &[Variable]| {
            lines.iter().any(|line| matches!(line, Line::Text(text) if text.uses(which)))
        };
        let (wants_source, wants_numbers) = (uses(&source), uses(&numbers));
        Some(Self {
            lines,
            errors_separately: proxy.errors_separately,
            without_null: proxy.without_null,
            without_normal: proxy.without_normal,
            wants_source,
            wants_numbers,
        })
    }
}
