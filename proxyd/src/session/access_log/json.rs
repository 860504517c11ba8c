//! A line of JSON: what the other formats say, by name. A timer that did not run out is null.

use std::sync::atomic::Ordering::Relaxed;

use super::date::Second;
use super::escape;
use super::line::{Context, RequestLine, write_ip};
use crate::config::Mode;
use crate::session::handshake::Secured;
use crate::session::record::Ms;

/// Appends the object.
pub(super) fn write(out: &mut Vec<u8>, context: &Context<'_>) {
    let entry = context.entry;
    let record = entry.record;
    let (moments, way) = (&record.moments, &record.way);
    let mut object = Object { out, first: true };
    object.begin();
    object.key("time");
    time(object.out, context.request_ms());
    object.key("client");
    object.out.push(b'"');
    match entry.addresses.client {
        Some(client) => {
            write_ip(object.out, client.ip().to_canonical(), false);
            object.out.push(b'"');
            object.number("client_port", client.port().into());
        }
        None => object.out.extend_from_slice(b"unix\""),
    }
    object.text("frontend", entry.frontend.frontend.name.as_bytes());
    object.text("backend", context.backend().as_bytes());
    object.maybe("server", entry.server.map(|server| server.server.name.as_bytes()));
    if entry.frontend.frontend.mode == Mode::Http {
        let line = entry.request_line.map(RequestLine::split);
        object.maybe("method", line.map(|line| line.method));
        object.maybe("target", line.map(|line| line.target));
        object.maybe("version", line.map(|line| line.version));
        object.timer("status", record.status.map(u64::from));
    }
    object.number("bytes_in", record.bytes_in);
    object.number("bytes_out", record.bytes_out);
    object.text("termination", &record.letters());
    object.maybe("reason", record.reason.map(str::as_bytes));
    object.key("ms");
    object.begin();
    object.number("handshake", moments.handshake.as_millis() as u64);
    if entry.frontend.frontend.mode == Mode::Http {
        object.timer("idle", moments.idle());
        object.timer("request", moments.request());
    }
    object.timer("queue", record.queue());
    object.timer("connect", record.connect());
    if entry.frontend.frontend.mode == Mode::Http {
        object.timer("response", moments.response());
        object.number("active", moments.active());
    }
    object.number("total", moments.total());
    object.end();
    object.key("tls");
    tls(&mut object, entry.addresses.tls.as_deref());
    object.number("retries", way.retries.into());
    object.key("redispatched");
    object.out.extend_from_slice(if way.redispatched { b"true" } else { b"false" });
    object.key("queue");
    object.begin();
    object.number("server", way.server_queue.into());
    object.number("backend", way.backend_queue.into());
    object.end();
    object.key("connections");
    object.begin();
    object.number("process", context.shared.process.connections.load(Relaxed).into());
    let live = &entry.frontend.frontend.live;
    object.number("frontend", live.connections.load(Relaxed).into());
    object.number("backend", context.backend_connections());
    object.number("server", context.server_connections().into());
    object.end();
    object.end();
}

/// What TLS agreed on, and whom the client showed to be.
fn tls(object: &mut Object<'_>, secured: Option<&Secured>) {
    match secured {
        Some(secured @ Secured { agreed, .. }) => {
            object.begin();
            object.text("version", agreed.version().as_bytes());
            object.text("cipher", agreed.cipher().as_bytes());
            object.maybe("name", agreed.name.as_deref().map(str::as_bytes));
            object.maybe("alpn", agreed.alpn.as_deref());
            object.key("resumed");
            object.out.extend_from_slice(if agreed.resumed { b"true" } else { b"false" });
            match secured.shown() {
                Some((shown, _)) => {
                    object.key("client");
                    object.begin();
                    object.text("subject", &shown.subject.one_line());
                    object.text("issuer", &shown.issuer.one_line());
                    object.text("serial", shown.serial.as_bytes());
                    object.text("sha256", shown.sha256.as_bytes());
                    object.end();
                }
                None => object.null("client"),
            }
            object.end();
        }
        None => object.out.extend_from_slice(b"null"),
    }
}

/// RFC 3339 in UTC, with milliseconds.
fn time(out: &mut Vec<u8>, wall_ms: u64) {
    let at = Second::utc(wall_ms / 1000);
    let two = |out: &mut Vec<u8>, n: u64, end: u8| {
        out.extend_from_slice(&[b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8, end]);
    };
    out.push(b'"');
    out.extend_from_slice(itoa::Buffer::new().format(at.year).as_bytes());
    out.push(b'-');
    two(out, at.month, b'-');
    two(out, at.day, b'T');
    two(out, at.hour, b':');
    two(out, at.minute, b':');
    two(out, at.second, b'.');
    let ms = wall_ms % 1000;
    out.push(b'0' + (ms / 100) as u8);
    two(out, ms % 100, b'Z');
    out.push(b'"');
}

struct Object<'a> {
    out: &'a mut Vec<u8>,
    /// Nothing stands in the innermost object yet.
    first: bool,
}

impl Object<'_> {
    fn begin(&mut self) {
        self.out.push(b'{');
        self.first = true;
    }

    fn end(&mut self) {
        self.out.push(b'}');
        self.first = false;
    }

    fn key(&mut self, name: &str) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn number(&mut self, name: &str, number: u64) {
        self.key(name);
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    fn timer(&mut self, name: &str, ms: Ms) {
        match ms {
            Some(ms) => self.number(name, ms),
            None => self.null(name),
        }
    }

    fn text(&mut self, name: &str, text: &[u8]) {
        self.key(name);
        escape::json(self.out, text);
    }

    fn maybe(&mut self, name: &str, text: Option<&[u8]>) {
        match text {
            Some(text) => self.text(name, text),
            None => self.null(name),
        }
    }

    fn null(&mut self, name: &str) {
        self.key(name);
        self.out.extend_from_slice(b"null");
    }
}
