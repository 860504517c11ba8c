//! `client_cert_headers`: what servers are told of clients' certificates.

use std::sync::Arc;

use super::super::ClientCertHeader;
use super::super::http::is_token;
use super::super::reference::CLIENT_CERT_HEADER;
use super::super::report::{Diagnostic, Report};
use super::super::shape::{Fields, Value};
use super::super::span::Spanned;
use super::super::words::CERT_FIELDS;

/// Headers that mean something to proxies, or are made by other settings.
const TAKEN: [&str; 19] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
];

/// Names longer than this are a slip.
const LONGEST_NAME: usize = 100;

/// Reads `client_cert_headers`.
pub(super) fn headers(fields: &Fields<'_, '_>, report: &mut Report) -> Option<Arc<[ClientCertHeader]>> {
    let mut headers: Vec<Spanned<ClientCertHeader>> = Vec::new();
    for entry in fields.get("client_cert_headers")?.list(report)? {
        let Some(header) = header(entry, report) else { continue };
        let same = headers.iter().find(|other| other.value.name.eq_ignore_ascii_case(&header.value.name));
        match same {
            Some(first) => report.push(
                Diagnostic::error("set-twice", format!("the header `{}` is set twice", header.value.name))
                    .at(header.span, "the second time")
                    .at(first.span, "the first time"),
            ),
            None => headers.push(header),
        }
    }
    Some(headers.into_iter().map(|header| header.value).collect())
}

fn header(entry: Value<'_, '_>, report: &mut Report) -> Option<Spanned<ClientCertHeader>> {
    let fields = entry.section(&CLIENT_CERT_HEADER, report)?;
    fields.complete(report);
    let name = fields.get("name").and_then(|value| value.text(report));
    let field = fields.get("field").and_then(|value| value.choice(&CERT_FIELDS, report));
    let Spanned { value: name, span } = name?;
    let wrong = if name.len() > LONGEST_NAME || !is_token(&name) {
        "is not the name of a header"
    } else if TAKEN.iter().any(|taken| name.eq_ignore_ascii_case(taken)) {
        "has a meaning of its own"
    } else {
        return Some(Spanned { value: ClientCertHeader { name, field: field?.value }, span });
    };
    report.push(
        Diagnostic::error("bad-header", format!("{name:?} {wrong}"))
            .at(span, "expected one such as \"X-SSL-Client-CN\""),
    );
    None
}
