//! What sections say about HTTP, where it is not what holds anyway.

use std::fmt::Write as _;

use super::super::words::CERT_FIELDS;
use super::super::{
    ClientCertHeader, ErrorPage, ForwardHeaders, Frontend, Http2Options, HttpOptions, ServerHttp2,
};
use super::{chosen, duration, quoted, size};

/// Settings of a frontend, each behind a comma. `shared` is said in `defaults`.
pub(super) fn frontend(text: &mut String, frontend: &Frontend, shared: ForwardHeaders) {
    if frontend.forward != shared {
        let _ = write!(text, ", forward_headers: [{}]", forward(frontend.forward));
    }
    if !frontend.client_cert_headers.is_empty() {
        let headers: Vec<String> = frontend.client_cert_headers.iter().map(client_cert_header).collect();
        let _ = write!(text, ", client_cert_headers: [{}]", headers.join(", "));
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

fn client_cert_header(header: &ClientCertHeader) -> String {
    let field = CERT_FIELDS.known.iter().find(|(_, field)| *field == header.field);
    format!("(name: {}, field: {})", quoted(&header.name), field.map_or("", |(word, _)| word))
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
    if options.http2 != Http2Options::DEFAULT {
        let _ = write!(text, ", http2: ({})", http2(&options.http2));
    }
    text
}

fn http2(options: &Http2Options) -> String {
    let texts = [
        ("prior_knowledge", options.prior_knowledge.to_string()),
        ("max_concurrent_streams", options.max_concurrent_streams.to_string()),
        ("initial_window", size(options.initial_window.into())),
        ("connection_window", size(options.connection_window.into())),
        ("max_frame_size", size(options.max_frame_size.into())),
        ("header_table", size(options.header_table.into())),
        ("send_buffer", size(options.send_buffer as u64)),
        ("max_pending_accept_reset_streams", options.max_pending_accept_reset_streams.to_string()),
        ("max_local_error_reset_streams", options.max_local_error_reset_streams.to_string()),
        ("glitches", options.glitches.to_string()),
        ("ping_interval", duration(options.ping_interval)),
        ("ping_timeout", duration(options.ping_timeout)),
    ];
    texts.map(|(name, text)| format!("{name}: {text}")).join(", ")
}

pub(super) fn server_http2(options: &ServerHttp2) -> String {
    let texts = [
        ("max_concurrent_streams", options.max_concurrent_streams.to_string()),
        ("initial_window", size(options.initial_window.into())),
        ("connection_window", size(options.connection_window.into())),
        ("max_frame_size", size(options.max_frame_size.into())),
        ("header_table", size(options.header_table.into())),
        ("max_header_list", size(options.max_header_list.into())),
        ("send_buffer", size(options.send_buffer as u64)),
        ("max_local_error_reset_streams", options.max_local_error_reset_streams.to_string()),
        ("ping_interval", duration(options.ping_interval)),
        ("ping_timeout", duration(options.ping_timeout)),
    ];
    texts.map(|(name, text)| format!("{name}: {text}")).join(", ")
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
