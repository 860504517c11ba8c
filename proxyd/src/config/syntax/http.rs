//! `http` and `http_errors`, which `defaults`, frontends and listen sections may have; backends the latter. And `http2`
//! of servers.

use std::path::Path;
use std::time::Duration;

use super::super::reference::{ERROR_PAGE, HTTP, HTTP2, SERVER_HTTP2};
use super::super::report::{Diagnostic, Report, Span};
use super::super::shape::{Fields, Value};
use super::super::span::Spanned;
use super::super::{ERROR_STATUSES, ErrorPage, Http2Options, HttpOptions, ServerHttp2, defaults};

/// `http` as written.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::config) struct Http {
    connect: Option<bool>,
    announce_keep_alive: Option<bool>,
    max_header_bytes: Option<usize>,
    max_headers: Option<usize>,
    max_uri: Option<usize>,
    max_body: Option<u64>,
    http2: Http2,
}

/// `http.http2` as written.
#[derive(Clone, Copy, Debug, Default)]
struct Http2 {
    prior_knowledge: Option<bool>,
    max_concurrent_streams: Option<u32>,
    initial_window: Option<u32>,
    connection_window: Option<u32>,
    max_frame_size: Option<u32>,
    header_table: Option<u32>,
    send_buffer: Option<usize>,
    max_pending_accept_reset_streams: Option<usize>,
    max_local_error_reset_streams: Option<usize>,
    glitches: Option<u32>,
    ping_interval: Option<Duration>,
    ping_timeout: Option<Duration>,
}

impl Http {
    pub(super) fn read(fields: &Fields<'_, '_>, report: &mut Report) -> Self {
        let Some(fields) = fields.get("http").and_then(|value| value.section(&HTTP, report)) else {
            return Self::default();
        };
        let longest = defaults::MAX_HEADER_BYTES;
        let mut size = |name, least| {
            let size = fields.get(name)?.size(least..=longest as u64, report)?;
            usize::try_from(size.value).ok()
        };
        Self {
            max_header_bytes: size("max_header_bytes", 256),
            max_uri: size("max_uri", 1),
            connect: fields.get("connect").and_then(|value| Some(value.boolean(report)?.value)),
            announce_keep_alive: fields
                .get("announce_keep_alive")
                .and_then(|value| Some(value.boolean(report)?.value)),
            max_headers: fields.get("max_headers").and_then(|value| {
                Some(value.number(1..=defaults::MAX_HEADERS as u32, report)?.value as usize)
            }),
            http2: Http2::read(&fields, report),
            max_body: fields.get("max_body").and_then(|value| Some(value.size(0..=u64::MAX, report)?.value)),
        }
    }

    /// What holds, with `below` where nothing was written.
    pub(in crate::config) fn over(self, below: HttpOptions) -> HttpOptions {
        HttpOptions {
            connect: self.connect.unwrap_or(below.connect),
            announce_keep_alive: self.announce_keep_alive.unwrap_or(below.announce_keep_alive),
            max_header_bytes: self.max_header_bytes.unwrap_or(below.max_header_bytes),
            max_headers: self.max_headers.unwrap_or(below.max_headers),
            max_uri: self.max_uri.unwrap_or(below.max_uri),
            max_body: self.max_body.unwrap_or(below.max_body),
            http2: self.http2.over(below.http2),
        }
    }
}

impl Http2 {
    fn read(fields: &Fields<'_, '_>, report: &mut Report) -> Self {
        let Some(fields) = fields.get("http2").and_then(|value| value.section(&HTTP2, report)) else {
            return Self::default();
        };
        let mut size =
            |name, least, most| u32::try_from(fields.get(name)?.size(least..=most, report)?.value).ok();
        let (initial_window, connection_window) =
            (size("initial_window", 16 << 10, WINDOW), size("connection_window", 64 << 10, WINDOW));
        let max_frame_size = size("max_frame_size", 16 << 10, (1 << 24) - 1);
        let header_table = size("header_table", 0, 64 << 10);
        let send_buffer = size("send_buffer", 16 << 10, 16 << 20).map(|size| size as usize);
        let mut number = |name, least, most| Some(fields.get(name)?.number(least..=most, report)?.value);
        let max_concurrent_streams = number("max_concurrent_streams", 1, 10_000);
        let glitches = number("glitches", 1, u32::MAX);
        let mut streams = |name| number(name, 0, 1_000_000).map(|number| number as usize);
        let max_pending_accept_reset_streams = streams("max_pending_accept_reset_streams");
        let max_local_error_reset_streams = streams("max_local_error_reset_streams");
        let mut duration = |name| Some(fields.get(name)?.duration(report)?.value);
        Self {
            ping_interval: duration("ping_interval"),
            ping_timeout: duration("ping_timeout"),
            prior_knowledge: fields.get("prior_knowledge").and_then(|v| Some(v.boolean(report)?.value)),
            max_concurrent_streams,
            initial_window,
            connection_window,
            max_frame_size,
            header_table,
            send_buffer,
            max_pending_accept_reset_streams,
            max_local_error_reset_streams,
            glitches,
        }
    }

    fn over(self, below: Http2Options) -> Http2Options {
        Http2Options {
            prior_knowledge: self.prior_knowledge.unwrap_or(below.prior_knowledge),
            max_concurrent_streams: self.max_concurrent_streams.unwrap_or(below.max_concurrent_streams),
            initial_window: self.initial_window.unwrap_or(below.initial_window),
            connection_window: self.connection_window.unwrap_or(below.connection_window),
            max_frame_size: self.max_frame_size.unwrap_or(below.max_frame_size),
            header_table: self.header_table.unwrap_or(below.header_table),
            send_buffer: self.send_buffer.unwrap_or(below.send_buffer),
            max_pending_accept_reset_streams: self
                .max_pending_accept_reset_streams
                .unwrap_or(below.max_pending_accept_reset_streams),
            max_local_error_reset_streams: self
                .max_local_error_reset_streams
                .unwrap_or(below.max_local_error_reset_streams),
            glitches: self.glitches.unwrap_or(below.glitches),
            ping_interval: self.ping_interval.unwrap_or(below.ping_interval),
            ping_timeout: self.ping_timeout.unwrap_or(below.ping_timeout),
        }
    }
}

/// `http2` of servers as written.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::config) struct WrittenServerHttp2 {
    /// Where it stands, if it does.
    pub(in crate::config) span: Option<Span>,
    max_concurrent_streams: Option<usize>,
    initial_window: Option<u32>,
    connection_window: Option<u32>,
    max_frame_size: Option<u32>,
    header_table: Option<u32>,
    max_header_list: Option<u32>,
    send_buffer: Option<usize>,
    max_local_error_reset_streams: Option<usize>,
    ping_interval: Option<Duration>,
    ping_timeout: Option<Duration>,
}

impl WrittenServerHttp2 {
    pub(super) fn read(fields: &Fields<'_, '_>, report: &mut Report) -> Self {
        let Some(value) = fields.get("http2") else { return Self::default() };
        let Some(fields) = value.section(&SERVER_HTTP2, report) else { return Self::default() };
        let mut size =
            |name, least, most| u32::try_from(fields.get(name)?.size(least..=most, report)?.value).ok();
        let (initial_window, connection_window) =
            (size("initial_window", 16 << 10, WINDOW), size("connection_window", 64 << 10, WINDOW));
        let max_frame_size = size("max_frame_size", 16 << 10, (1 << 24) - 1);
        let header_table = size("header_table", 0, 64 << 10);
        let max_header_list = size("max_header_list", 1 << 10, 64 << 10);
        let send_buffer = size("send_buffer", 16 << 10, 16 << 20).map(|size| size as usize);
        let mut number =
            |name, least, most| Some(fields.get(name)?.number(least..=most, report)?.value as usize);
        let max_concurrent_streams = number("max_concurrent_streams", 1, 10_000);
        let max_local_error_reset_streams = number("max_local_error_reset_streams", 0, 1_000_000);
        let mut duration = |name| Some(fields.get(name)?.duration(report)?.value);
        Self {
            span: Some(value.node.span),
            max_concurrent_streams,
            initial_window,
            connection_window,
            max_frame_size,
            header_table,
            max_header_list,
            send_buffer,
            max_local_error_reset_streams,
            ping_interval: duration("ping_interval"),
            ping_timeout: duration("ping_timeout"),
        }
    }

    /// What holds, with `below` where nothing was written.
    pub(in crate::config) fn over(self, below: ServerHttp2) -> ServerHttp2 {
        ServerHttp2 {
            max_concurrent_streams: self.max_concurrent_streams.unwrap_or(below.max_concurrent_streams),
            initial_window: self.initial_window.unwrap_or(below.initial_window),
            connection_window: self.connection_window.unwrap_or(below.connection_window),
            max_frame_size: self.max_frame_size.unwrap_or(below.max_frame_size),
            header_table: self.header_table.unwrap_or(below.header_table),
            max_header_list: self.max_header_list.unwrap_or(below.max_header_list),
            send_buffer: self.send_buffer.unwrap_or(below.send_buffer),
            max_local_error_reset_streams: self
                .max_local_error_reset_streams
                .unwrap_or(below.max_local_error_reset_streams),
            ping_interval: self.ping_interval.unwrap_or(below.ping_interval),
            ping_timeout: self.ping_timeout.unwrap_or(below.ping_timeout),
        }
    }
}

/// The longest window there is (RFC 9113 6.9.1), near enough to be written.
const WINDOW: u64 = 1 << 30;

/// One of `http_errors` as written.
#[derive(Clone, Debug)]
pub(in crate::config) struct Page {
    status: Spanned<u32>,
    content_type: Option<String>,
    pub(in crate::config) content: Content,
}

/// Where the body of a page comes from.
#[derive(Clone, Debug)]
pub(in crate::config) enum Content {
    File(Spanned<String>),
    Text(String),
}

impl Page {
    /// The page as it is sent; one whose file could not be read never gets here.
    pub(in crate::config) fn resolved(self) -> Option<ErrorPage> {
        let Content::Text(body) = self.content else { return None };
        let content_type = self.content_type.unwrap_or_else(|| HTML.to_owned());
        Some(ErrorPage { status: u16::try_from(self.status.value).ok()?, content_type, body })
    }
}

const HTML: &str = "text/html";

/// Reads `abort_on_close`.
pub(super) fn abort_on_close(fields: &Fields<'_, '_>, report: &mut Report) -> Option<bool> {
    Some(fields.get("abort_on_close")?.boolean(report)?.value)
}

/// Reads `http_errors`.
pub(super) fn pages(fields: &Fields<'_, '_>, report: &mut Report) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    let entries = fields.get("http_errors").and_then(|value| value.list(report)).unwrap_or_default();
    for entry in entries {
        let Some(page) = page(entry, report) else { continue };
        match pages.iter().find(|other| other.status.value == page.status.value) {
            Some(first) => report.push(
                Diagnostic::error("set-twice", format!("status {} has two pages", page.status.value))
                    .at(page.status.span, "the second")
                    .at(first.status.span, "the first"),
            ),
            None => pages.push(page),
        }
    }
    pages
}

fn page(entry: Value<'_, '_>, report: &mut Report) -> Option<Page> {
    let fields = entry.section(&ERROR_PAGE, report)?;
    fields.complete(report);
    let status = fields.get("status").and_then(|value| value.number(100..=599, report));
    let file = fields.get("file").and_then(|value| value.text(report));
    let body = fields.get("body").and_then(|value| value.text(report));
    let content_type = fields.get("content_type").and_then(|value| content_type(value, report));
    let status = status?;
    if !ERROR_STATUSES.iter().any(|made| u32::from(*made) == status.value) {
        let made: Vec<String> = ERROR_STATUSES.iter().map(ToString::to_string).collect();
        report.push(
            Diagnostic::error("error-page", format!("no answer with status {} is made here", status.value))
                .at(status.span, format!("expected one of {}", made.join(", "))),
        );
    }
    let (content, content_type) = match (file, body) {
        (Some(file), None) => {
            let guessed = content_type.or_else(|| by_extension(&file.value).map(str::to_owned));
            (Content::File(file), guessed)
        }
        (None, Some(body)) => {
            if body.value.contains('\0') {
                report.push(
                    Diagnostic::error("error-page", "an error page holds no NUL")
                        .at(body.span, "one is here"),
                );
            }
            (Content::Text(body.value), content_type)
        }
        (file, _) => {
            let wrong =
                if file.is_some() { "has a file and a body" } else { "has neither a file nor a body" };
            report.push(
                Diagnostic::error("error-page", format!("the page of status {} {wrong}", status.value))
                    .at(entry.node.span, "expected one of `file` and `body`"),
            );
            return None;
        }
    };
    Some(Page { status, content_type, content })
}

fn by_extension(path: &str) -> Option<&'static str> {
    let extension = Path::new(path).extension()?.to_str()?.to_ascii_lowercase();
    Some(match extension.as_str() {
        "json" => "application/json",
        "txt" => "text/plain",
        "xml" => "application/xml",
        _ => return None,
    })
}

fn content_type(value: Value<'_, '_>, report: &mut Report) -> Option<String> {
    let text = value.text(report)?;
    let printable = text.value.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if printable && text.value.contains('/') {
        return Some(text.value);
    }
    report.push(
        Diagnostic::error("error-page", "`content_type` is not a media type")
            .at(text.span, "expected something like \"text/html; charset=utf-8\""),
    );
    None
}
