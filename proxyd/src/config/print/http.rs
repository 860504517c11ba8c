//! What sections say about HTTP, where it is not what holds anyway.

use std::fmt::Write as _;

use super::super::{ErrorPage, ForwardHeaders, Frontend, HttpOptions};
use super::{chosen, quoted, size};

/// Settings of a frontend, each behind a comma. `shared` is said in `defaults`.
pub(super) fn frontend(text: &mut String, frontend: &Frontend, shared: ForwardHeaders) {
    if frontend.forward != shared {
        let _ = write!(text, ", forward_headers: [{}]", forward(frontend.forward));
    }
    if frontend.http != HttpOptions::default() {
        let _ = write!(text, ", http: ({})", options(&frontend.http));
    }
    if !frontend.pages.is_empty() {
        let _ = write!(text, ", http_errors: [{}]", pages(&frontend.pages));
    }
}

pub(super) fn forward(headers: ForwardHeaders) -> String {
    chosen(&[
        ("x_forwarded_for", headers.x_forwarded_for),
        ("x_forwarded_proto", headers.x_forwarded_proto),
        ("x_forwarded_host", headers.x_forwarded_host),
        ("x_forwarded_port", headers.x_forwarded_port),
        ("forwarded", headers.forwarded),
        ("via", headers.via),
    ])
}

fn options(options: &HttpOptions) -> String {
    let mut text = format!(
        "connect: {}, announce_keep_alive: {}, max_header_bytes: {}, max_headers: {}, max_uri: {}",
        options.connect,
        options.announce_keep_alive,
        size(options.max_header_bytes as u64),
        options.max_headers,
        size(options.max_uri as u64),
    );
    if options.max_body != u64::MAX {
        let _ = write!(text, ", max_body: {}", size(options.max_body));
    }
    text
}

/// Pages with their texts, whatever files they came from.
pub(super) fn pages(pages: &[ErrorPage]) -> String {
    let pages: Vec<String> = pages
        .iter()
        .map(|page| {
            let (kind, body) = (quoted(&page.content_type), quoted(&page.body));
            format!("(status: {}, content_type: {kind}, body: {body})", page.status)
        })
        .collect();
    pages.join(", ")
}
