//! A request of HTTP, and what is expected of its answer.

use super::finding::{Finding, said};
use super::pattern::{is_in, is_value};
use super::turn::{Heard, Move};
use crate::config::check::{Expect, HttpCheck, HttpVersion};
use crate::http::field::MAX_FIELDS;
use crate::http::{framing, request, response};
use crate::model::server::CheckStatus;
use crate::net::buffer::SMALL;

/// The head of a request; its body goes behind it.
pub fn request(check: &HttpCheck, host: &str) -> String {
    let HttpCheck { method, path, body, .. } = check;
    let version = if check.version == Some(HttpVersion::Http10) { "1.0" } else { "1.1" };
    let mut head = format!("{method} {path} HTTP/{version}\r\n");
    let mut field = |name: &str, value: &str| {
        for part in [name, ": ", value, "\r\n"] {
            head.push_str(part);
        }
    };
    let is_own = |name: &str| check.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    if !is_own("host") {
        field("Host", check.host.as_deref().unwrap_or(host));
    }
    if !is_own("user-agent") {
        field("User-Agent", "proxyd-check");
    }
    for (name, value) in &check.headers {
        field(name, value);
    }
    if !body.is_empty() {
        field("Content-Length", &body.len().to_string());
    }
    field("Connection", "close");
    head.push_str("\r\n");
    head
}

#[derive(Debug)]
pub struct Http<'a> {
    check: &'a HttpCheck,
    framing: Framing,
    /// The server takes traffic, and may ask for no more of it.
    may_stop: bool,
}

/// How a body is told from what follows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// As its head says.
    Text,
    /// It ends with its stream, whatever the head says.
    Stream,
}

/// What there is of a body.
struct Body<'a> {
    bytes: std::borrow::Cow<'a, [u8]>,
    /// There is no more.
    whole: bool,
}

impl<'a> Http<'a> {
    pub fn new(check: &'a HttpCheck, framing: Framing, may_stop: bool) -> Self {
        Self { check, framing, may_stop }
    }

    pub fn hear(&self, heard: Heard<'_>) -> Move {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let length = match response.parse(heard.bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if !heard.ended => return Move::More,
            Ok(httparse::Status::Partial) => return Move::Done(Finding::nonsense(cut(heard.bytes))),
            Err(error) => return Move::Done(Finding::nonsense(malformed(error))),
        };
        let code = response.code.unwrap_or_default();
        // What no client would be given is no answer here either.
        let facts = match response::judge(&response, length, &self.asked()) {
            Ok(facts) => facts,
            Err(invalid) => return Move::Done(Finding::nonsense(invalid.to_string()).with_code(code)),
        };
        if facts.is_interim() {
            return Move::Say { read: length, bytes: Vec::new() };
        }
        if code == 404 && self.check.disable_on_404 && self.may_stop {
            return Move::Done(Finding::new(CheckStatus::L7OkConditional, reason(&response)).with_code(code));
        }
        let mut body = None;
        let mut waits = false;
        for expect in &self.check.expect {
            if asks_for_body(expect) && body.is_none() {
                match self.body(facts.body, &heard.bytes[length..]) {
                    Ok(read) => body = Some(Body { whole: read.whole || heard.ended, ..read }),
                    Err(finding) => return Move::Done(finding.with_code(code)),
                }
            }
            match holds(expect, &response, body.as_ref()) {
                Some(true) => {}
                Some(false) => return Move::Done(disappointed(expect, &response, body.as_ref())),
                None => waits = true,
            }
        }
        if waits {
            return Move::More;
        }
        Move::Done(Finding::passed(reason(&response)).with_code(code))
    }

    /// The request, as far as the framing of its answer goes by it. Whether a switch of protocols is what was hoped for,
    /// `expect` says.
    fn asked(&self) -> request::Facts {
        request::Facts {
            body: framing::Body::None,
            is_11: self.check.version != Some(HttpVersion::Http10),
            is_head: self.check.method == "HEAD",
            idempotent: true,
            keep_alive: false,
            upgrade: true,
            connect: false,
            expects: false,
            form: request::Form::Origin,
            length: 0,
        }
    }

    fn body<'b>(&self, framed: framing::Body, bytes: &'b [u8]) -> Result<Body<'b>, Finding> {
        Ok(match framed {
            framing::Body::None => Body { bytes: (&[][..]).into(), whole: true },
            framing::Body::Chunked if self.framing == Framing::Text => return dechunk(bytes),
            framing::Body::Length(length) if self.framing == Framing::Text => {
                match bytes.get(..usize::try_from(length).unwrap_or(usize::MAX)) {
                    Some(body) => Body { bytes: body.into(), whole: true },
                    None => Body { bytes: bytes.into(), whole: false },
                }
            }
            _ => Body { bytes: bytes.into(), whole: false },
        })
    }
}

/// Why a head has no end.
fn cut(bytes: &[u8]) -> &'static str {
    match bytes.len() {
        0 => "closed without an answer",
        1..SMALL => "closed in the middle of the head",
        _ => "the head is too long",
    }
}

fn malformed(error: httparse::Error) -> String {
    match error {
        httparse::Error::TooManyHeaders => format!("the answer has more than {MAX_FIELDS} headers"),
        httparse::Error::HeaderName | httparse::Error::HeaderValue => {
            "a header of the answer is malformed".to_owned()
        }
        httparse::Error::Status => "the status line of the answer is malformed".to_owned(),
        _ => "not an HTTP answer".to_owned(),
    }
}

fn dechunk(mut bytes: &[u8]) -> Result<Body<'_>, Finding> {
    let mut body = Vec::new();
    let whole = loop {
        let (at, length) = match httparse::parse_chunk_size(bytes) {
            Ok(httparse::Status::Complete(chunk)) => chunk,
            Ok(httparse::Status::Partial) => break false,
            Err(_) => return Err(Finding::nonsense("the chunks of the body make no sense")),
        };
        if length == 0 {
            break true;
        }
        let chunk = &bytes[at..];
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        body.extend_from_slice(&chunk[..length.min(chunk.len())]);
        match length.checked_add(2).and_then(|next| chunk.get(next..)) {
            Some(rest) => bytes = rest,
            None => break false,
        }
    };
    Ok(Body { bytes: body.into(), whole })
}

fn asks_for_body(expect: &Expect) -> bool {
    match expect {
        Expect::Body(_) => true,
        Expect::Not(inner) => asks_for_body(inner),
        Expect::Status(_) | Expect::Header { .. } => false,
    }
}

/// `None` while more may come that decides it.
fn holds(expect: &Expect, response: &httparse::Response<'_, '_>, body: Option<&Body<'_>>) -> Option<bool> {
    match expect {
        Expect::Status(ranges) => {
            let code = response.code.unwrap_or_default();
            Some(ranges.iter().any(|range| (range.first..=range.last).contains(&code)))
        }
        Expect::Header { name, value } => {
            let mut fields = response.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
            Some(match value {
                None => fields.next().is_some(),
                Some(value) => fields.any(|field| is_value(value, field.value)),
            })
        }
        Expect::Body(pattern) => {
            let body = body?;
            // More of it may still undo what an expression found at its end; the whole decides.
            let decided = body.whole || matches!(pattern, crate::config::check::Pattern::Text(_));
            match is_in(pattern, &body.bytes) {
                true if decided => Some(true),
                false if body.whole => Some(false),
                _ => None,
            }
        }
        Expect::Not(inner) => holds(inner, response, body).map(|holds| !holds),
    }
}

/// The server's word beside the status.
fn reason(response: &httparse::Response<'_, '_>) -> String {
    said(response.reason.unwrap_or_default().as_bytes())
}

/// HAProxy's words.
fn disappointed(expect: &Expect, response: &httparse::Response<'_, '_>, body: Option<&Body<'_>>) -> Finding {
    let code = response.code.unwrap_or_default();
    let finding = match (asks_for_body(expect), expect) {
        (false, _) => Finding::refused(reason(response)),
        (true, Expect::Not(_)) => Finding::nonsense("HTTP check matched unwanted content"),
        (true, _) if body.is_none_or(|body| body.bytes.is_empty()) => {
            Finding::nonsense("HTTP content check could not find a response body")
        }
        (true, _) => Finding::nonsense("HTTP content check did not match"),
    };
    finding.with_code(code)
}

#[cfg(test)]
mod tests;
