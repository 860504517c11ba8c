//! What a check says, by its kind.

use std::path::PathBuf;

use super::super::super::check::{CheckKind, Expect, HttpCheck, HttpVersion};
use super::super::super::defaults;
use super::super::super::http::is_token;
use super::super::super::report::{Diagnostic, Report, Span};
use super::super::super::shape::{Fields, Value};
use super::super::super::span::{Kind, Spanned};
use super::super::super::words::{CheckWord, HTTP_VERSIONS};
use super::{expect, script};

/// The longest body of a request, and what is sent by one step: it goes out at once.
pub(super) const LONGEST: usize = 16 * 1024;

/// `None` where it cannot be used, which has been reported.
pub(super) fn read(
    word: CheckWord,
    fields: Option<&Fields<'_, '_>>,
    span: Span,
    report: &mut Report,
) -> Option<CheckKind> {
    let mut text = |name| fields?.get(name)?.text(report);
    Some(match word {
        CheckWord::Tcp => CheckKind::Tcp,
        CheckWord::Redis => CheckKind::Redis,
        CheckWord::Http => CheckKind::Http(Box::new(http(fields, report))),
        CheckWord::Script => script::read(fields.and_then(|fields| fields.get("steps")), span, report)?,
        CheckWord::Grpc => {
            let (service, authority) = (text("service"), text("authority"));
            CheckKind::Grpc {
                service: service.map(|service| service.value).unwrap_or_default(),
                authority: authority.and_then(|authority| host(authority, report)),
            }
        }
        CheckWord::Postgres => {
            let (user, database) = (text("user"), text("database"));
            let database = database.and_then(|database| name(database, report));
            CheckKind::Postgres { user: needed(user, ("postgres", "user"), span, report)?, database }
        }
        CheckWord::Mysql => CheckKind::Mysql { user: text("user").and_then(|user| name(user, report)) },
        CheckWord::Smtp => {
            let helo = text("helo").and_then(|helo| host(helo, report));
            CheckKind::Smtp { helo: helo.unwrap_or_else(|| defaults::CHECK_HELO.to_owned()) }
        }
        CheckWord::External => {
            let command = needed(text("command"), ("external", "command"), span, report)?;
            let arguments = fields.and_then(|fields| fields.get("arguments"));
            let arguments = arguments.and_then(|value| value.list(report)).map(|values| {
                let texts = values.into_iter().filter_map(|value| name(value.text(report)?, report));
                texts.collect()
            });
            CheckKind::External { command: PathBuf::from(command), arguments }
        }
    })
}

/// A setting that there is no check without.
fn needed(
    text: Option<Spanned<String>>,
    (kind, setting): (&str, &str),
    span: Span,
    report: &mut Report,
) -> Option<String> {
    if let Some(text) = text {
        return name(text, report);
    }
    // Where there are settings, the one that is missing has been reported.
    if span.end - span.start <= kind.len() + 2 {
        let message = format!("{kind} as a check needs `{setting}`");
        report.push(
            Diagnostic::error("missing-setting", message)
                .at(span, "")
                .help(format!("write `check: {kind}({setting}: \"..\")`")),
        );
    }
    None
}

/// A text of a protocol in which a zero byte ends it.
fn name(text: Spanned<String>, report: &mut Report) -> Option<String> {
    let right = |text: &str| !text.is_empty() && text.len() <= 255 && !text.contains('\0');
    checked(text, right, "a text", "expected 1 to 255 bytes, none of them zero", report)
}

fn http(fields: Option<&Fields<'_, '_>>, report: &mut Report) -> HttpCheck {
    let mut text = |name| fields?.get(name)?.text(report);
    let (method, path, named, body) = (text("method"), text("path"), text("host"), text("body"));
    let get = |name| fields.and_then(|fields| fields.get(name));
    let method = method
        .and_then(|method| checked(method, is_method, "a method", "a word such as \"GET\"", report))
        .unwrap_or_else(|| defaults::CHECK_METHOD.to_owned());
    let version = get("version").and_then(|value| version(value, report));
    let asked = get("expect").map(|value| (expect::read(value, report), value.node.span));
    if method == "HEAD"
        && let Some((list, span)) = &asked
        && list.iter().any(asks_for_body)
    {
        report.push(
            Diagnostic::error("no-body", "an answer to HEAD has no body to look at")
                .at(*span, "this asks for one")
                .help("write `method: \"GET\"`"),
        );
    }
    HttpCheck {
        path: path
            .and_then(|path| match path.value.as_str() {
                // The server as a whole is asked what it can do (RFC 9112 3.2.4).
                "*" if method == "OPTIONS" => Some(path.value),
                _ => request_path(path, report),
            })
            .unwrap_or_else(|| defaults::CHECK_PATH.to_owned()),
        method,
        host: named.and_then(|named| host(named, report)),
        version,
        headers: get("headers").map(|value| headers(value, report)).unwrap_or_default(),
        body: body
            .and_then(|body| {
                let right = |body: &str| body.len() <= LONGEST;
                checked(body, right, "a body", "expected at most 16 KiB", report)
            })
            .unwrap_or_default(),
        expect: asked
            .map(|(list, _)| list)
            .filter(|list| !list.is_empty())
            .unwrap_or_else(|| vec![Expect::Status(vec![defaults::CHECK_EXPECT])]),
        disable_on_404: get("disable_on_404")
            .and_then(|value| value.boolean(report))
            .is_some_and(|on| on.value),
    }
}

fn asks_for_body(expect: &Expect) -> bool {
    match expect {
        Expect::Body(_) => true,
        Expect::Not(inner) => asks_for_body(inner),
        Expect::Status(_) | Expect::Header { .. } => false,
    }
}

fn version(value: Value<'_, '_>, report: &mut Report) -> Option<HttpVersion> {
    let text = value.text(report)?;
    let found = HTTP_VERSIONS.iter().find(|(name, _)| *name == text.value).map(|(_, version)| *version);
    if found.is_none() {
        report.push(
            Diagnostic::error("bad-request", format!("{:?} is no version of HTTP", text.value))
                .at(text.span, "expected \"1.0\", \"1.1\" or \"2\""),
        );
    }
    found
}

/// `[("name", "value"), ..]`
fn headers(value: Value<'_, '_>, report: &mut Report) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for entry in value.list(report).unwrap_or_default() {
        let (Kind::Tuple(pair), span) = (&entry.node.kind, entry.node.span) else {
            report.push(
                Diagnostic::error("wrong-type", "a header is a name and a value")
                    .at(entry.node.span, "expected (\"x-name\", \"value\")"),
            );
            continue;
        };
        let [Kind::Text(name), Kind::Text(text)] = pair.iter().map(|node| &node.kind).collect::<Vec<_>>()[..]
        else {
            report.push(
                Diagnostic::error("wrong-type", "a header is a name and a value")
                    .at(span, "expected (\"x-name\", \"value\")"),
            );
            continue;
        };
        let good = is_token(name) && text.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f));
        if !good {
            report.push(
                Diagnostic::error("bad-request", "this is no header that a check can send")
                    .at(span, "a name has letters, digits and dashes; a value has one line"),
            );
        } else if OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
            report.push(
                Diagnostic::error("bad-request", format!("`{name}` is written by the check itself"))
                    .at(span, "leave it out"),
            );
        } else {
            headers.push((name.clone(), text.trim().to_owned()));
        }
    }
    headers
}

/// What frames a request.
const OURS: [&str; 7] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "proxy-connection",
    "expect",
];

/// A path of a check, from a file or from the command line.
pub(in crate::config) fn request_path(path: Spanned<String>, report: &mut Report) -> Option<String> {
    let is_path = |path: &str| path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    checked(path, is_path, "a path", "it starts with `/` and has no blanks", report)
}

fn host(text: Spanned<String>, report: &mut Report) -> Option<String> {
    checked(text, is_host, "a host", "a host name such as \"app.internal\"", report)
}

pub(super) fn checked(
    text: Spanned<String>,
    right: impl Fn(&str) -> bool,
    what: &str,
    expected: &str,
    report: &mut Report,
) -> Option<String> {
    if right(&text.value) {
        return Some(text.value);
    }
    report.push(
        Diagnostic::error("bad-request", format!("{:?} is not {what} that a check can send", text.value))
            .at(text.span, expected),
    );
    None
}

/// Upper case, as all methods that are in use; CONNECT would open a tunnel.
fn is_method(text: &str) -> bool {
    !text.is_empty()
        && text != "CONNECT"
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
}
