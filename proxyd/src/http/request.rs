//! A request's head: judged, then written anew for the server.

use std::io::Write as _;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};

use super::field::{self, Field, Fields, Forwarded, Known, MAX_FIELDS};
use super::framing::{self, Ambiguous, Body};
use super::reply::Reply;
use crate::config::ForwardHeaders;

/// What the rest of the request's way needs to know of its head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Facts {
    pub body: Body,
    /// HTTP/1.1; else 1.0.
    pub is_11: bool,
    pub is_head: bool,
    /// May be sent twice without harm (RFC 9110 9.2.2).
    pub idempotent: bool,
    /// The client wants to go on with this connection.
    pub keep_alive: bool,
    /// Asks to switch protocols; the answer may be 101.
    pub upgrade: bool,
    /// Bytes of the head.
    pub length: usize,
}

/// Why a request goes nowhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusal {
    pub reply: Reply,
    pub reason: &'static str,
}

/// What is known of the connection and written into the head.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    pub forward: ForwardHeaders,
    /// `None` for a Unix socket.
    pub client: Option<IpAddr>,
    /// Port the client came to.
    pub port: Option<u16>,
    /// The address the client came to, for an old request without Host.
    pub local: &'a dyn Fn() -> Option<SocketAddr>,
}

impl std::fmt::Debug for Site<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("client", &self.client).field("port", &self.port).finish_non_exhaustive()
    }
}

/// Nothing yet, or a whole head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Parsed {
    Partial,
    Complete(Facts),
}

const fn refuse<T>(reply: Reply, reason: &'static str) -> Result<T, Refusal> {
    Err(Refusal { reply, reason })
}

const fn bad<T>(reason: &'static str) -> Result<T, Refusal> {
    refuse(Reply::BadRequest, reason)
}

/// Parses the head at the start of `bytes`; when it is whole and sound, `out` gets what the server is sent.
pub fn parse(bytes: &[u8], out: &mut Vec<u8>, site: &Site<'_>) -> Result<Parsed, Refusal> {
    let mut fields = [MaybeUninit::<Field<'_>>::uninit(); MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(Parsed::Partial),
        Err(error) => return Err(malformed(error)),
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return bad("the request line is not complete");
    };
    let head = Head { method, target, is_11: minor == 1, fields: Fields::new(request.headers) };
    head.judge(length).map(|(facts, target)| {
        head.write(out, &facts, &target, site);
        Parsed::Complete(facts)
    })
}

/// Refuses a head that fills its buffer without an end.
pub fn too_long(bytes: &[u8]) -> Refusal {
    if bytes.contains(&b'\n') {
        Refusal { reply: Reply::HeadTooLarge, reason: "the head is longer than its buffer" }
    } else {
        Refusal { reply: Reply::UriTooLong, reason: "the request line is longer than its buffer" }
    }
}

fn malformed(error: httparse::Error) -> Refusal {
    let (reply, reason) = match error {
        httparse::Error::TooManyHeaders => (Reply::HeadTooLarge, "too many header fields"),
        httparse::Error::HeaderName => (Reply::BadRequest, "a header name is malformed"),
        httparse::Error::HeaderValue => (Reply::BadRequest, "a header value is malformed"),
        httparse::Error::NewLine => (Reply::BadRequest, "a line end is malformed"),
        httparse::Error::Version => (Reply::BadRequest, "the version is not HTTP/1.0 or HTTP/1.1"),
        _ => (Reply::BadRequest, "the request line is malformed"),
    };
    Refusal { reply, reason }
}

struct Head<'a> {
    method: &'a str,
    target: &'a str,
    is_11: bool,
    fields: Fields<'a>,
}

/// Where the request goes: what the server is told.
struct Target<'a> {
    /// Origin form, or `*`.
    path: &'a str,
    /// From an absolute-form target, which goes before Host.
    authority: Option<&'a str>,
    has_host: bool,
    /// Some `Connection` option names a field.
    names: bool,
}

impl<'a> Head<'a> {
    fn judge(&self, length: usize) -> Result<(Facts, Target<'a>), Refusal> {
        let options = self.fields.options();
        let (mut host, mut upgrade, mut http2): (Option<&Field<'_>>, _, _) = (None, false, false);
        for (field, known) in self.fields.iter() {
            match known {
                Some(Known::Host) if host.is_some() => return bad("more than one Host"),
                Some(Known::Host) => host = Some(field),
                Some(Known::Upgrade) => {
                    // HTTP/2 would pass by everything that is looked at here, whatever it is offered beside.
                    let offers =
                        |wanted: &[u8]| field::tokens(field.value).any(|t| t.eq_ignore_ascii_case(wanted));
                    upgrade = true;
                    http2 |= offers(b"h2c") || offers(b"h2");
                }
                Some(Known::Expect) if !field.value.eq_ignore_ascii_case(b"100-continue") => {
                    return refuse(Reply::ExpectationFailed, "an expectation other than 100-continue");
                }
                _ => {}
            }
        }
        let body = self.body()?;
        let target = Target { names: options.names, ..self.target(host)? };
        let idempotent = matches!(self.method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE");
        let keep_alive = !options.close && (self.is_11 || options.keep_alive);
        let facts = Facts {
            body,
            is_11: self.is_11,
            is_head: self.method == "HEAD",
            idempotent,
            keep_alive,
            upgrade: upgrade && !http2 && options.upgrade && self.is_11 && body == Body::None,
            length,
        };
        Ok((facts, target))
    }

    fn body(&self) -> Result<Body, Refusal> {
        let framing = match framing::read(&self.fields) {
            Ok(framing) => framing,
            Err(Ambiguous::UnknownCoding) => {
                return refuse(Reply::NotImplemented, Ambiguous::UnknownCoding.reason());
            }
            Err(ambiguous) => return bad(ambiguous.reason()),
        };
        match (framing.chunked, framing.length) {
            (true, _) if !self.is_11 => bad("Transfer-Encoding in an HTTP/1.0 request"),
            (true, _) => Ok(Body::Chunked),
            (false, Some(0) | None) => Ok(Body::None),
            (false, Some(length)) => Ok(Body::Length(length)),
        }
    }

    /// RFC 9112 3.2 and 3.3.
    fn target(&self, host: Option<&Field<'a>>) -> Result<Target<'a>, Refusal> {
        if host.is_none() && self.is_11 {
            return bad("no Host");
        }
        if !self.target.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
            return bad("the target holds a byte that no URI has");
        }
        if host.is_some_and(|h| !is_authority(h.value) && !h.value.is_empty()) {
            return bad("Host is not a host");
        }
        if self.method == "CONNECT" {
            return refuse(Reply::NotImplemented, "CONNECT is not served here");
        }
        if self.target.starts_with('/') || (self.target == "*" && self.method == "OPTIONS") {
            return Ok(Target { path: self.target, authority: None, has_host: host.is_some(), names: false });
        }
        let Some(rest) = strip_scheme(self.target) else {
            return bad("the target is neither a path nor a URI");
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() || !is_authority(authority.as_bytes()) {
            return bad("the target's authority is not a host");
        }
        if host.is_some_and(|h| !h.value.eq_ignore_ascii_case(authority.as_bytes())) {
            return bad("Host differs from the target's authority");
        }
        let path = if path.is_empty() { if self.method == "OPTIONS" { "*" } else { "/" } } else { path };
        Ok(Target { path, authority: Some(authority), has_host: host.is_some(), names: false })
    }

    fn write(&self, out: &mut Vec<u8>, facts: &Facts, target: &Target<'_>, site: &Site<'_>) {
        out.clear();
        out.extend_from_slice(self.method.as_bytes());
        out.push(b' ');
        if target.path.starts_with('?') {
            out.push(b'/');
        }
        out.extend_from_slice(target.path.as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        match target.authority {
            Some(authority) => field::write(out, b"Host", authority.as_bytes()),
            None if !target.has_host => match (site.local)() {
                // Writing to memory cannot fail.
                Some(local) => _ = write!(out, "Host: {local}\r\n"),
                None => out.extend_from_slice(b"Host: localhost\r\n"),
            },
            None => {}
        }
        for (field, known) in self.fields.iter() {
            let keep = match known {
                Some(Known::Connection | Known::Hop | Known::TransferEncoding) => false,
                Some(Known::Upgrade) => facts.upgrade,
                Some(Known::Te) => {
                    if field::tokens(field.value).any(|t| t.eq_ignore_ascii_case(b"trailers")) {
                        out.extend_from_slice(b"TE: trailers\r\nConnection: TE\r\n");
                    }
                    false
                }
                Some(Known::Host) => target.authority.is_none(),
                Some(Known::XForwarded(which)) => !replaces(which, site.forward),
                Some(Known::Expect) => facts.body != Body::None && facts.is_11,
                Some(Known::ContentLength) => true,
                None => {
                    !(target.names && self.fields.is_named(field.name) && field::is_droppable(field.name))
                }
            };
            if keep {
                field::write(out, field.name.as_bytes(), field.value);
            }
        }
        if facts.body == Body::Chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        if facts.upgrade {
            out.extend_from_slice(b"Connection: Upgrade\r\n");
        }
        self.write_forwarded(out, target, site);
        out.extend_from_slice(b"\r\n");
    }

    fn write_forwarded(&self, out: &mut Vec<u8>, target: &Target<'_>, site: &Site<'_>) {
        let ForwardHeaders { x_forwarded_for, x_forwarded_proto, x_forwarded_host, x_forwarded_port } =
            site.forward;
        if x_forwarded_for && let Some(client) = site.client {
            let _infallible = write!(out, "X-Forwarded-For: {}\r\n", client.to_canonical());
        }
        if x_forwarded_proto {
            field::write(out, b"X-Forwarded-Proto", b"http");
        }
        if x_forwarded_host {
            let host = self.fields.iter().find(|(_, known)| *known == Some(Known::Host));
            if let Some(host) = target.authority.map(str::as_bytes).or_else(|| host.map(|(h, _)| h.value)) {
                field::write(out, b"X-Forwarded-Host", host);
            }
        }
        if x_forwarded_port && let Some(port) = site.port {
            field::write(out, b"X-Forwarded-Port", itoa::Buffer::new().format(port).as_bytes());
        }
    }
}

/// A client's own claim is replaced by ours, but X-Forwarded-For is a list that grows.
const fn replaces(which: Forwarded, forward: ForwardHeaders) -> bool {
    match which {
        Forwarded::For => false,
        Forwarded::Proto => forward.x_forwarded_proto,
        Forwarded::Host => forward.x_forwarded_host,
        Forwarded::Port => forward.x_forwarded_port,
    }
}

fn strip_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")).then_some(rest)
}

/// Host and port: no user, no path, no list, nothing a URI's authority has not (RFC 3986 3.2).
fn is_authority(value: &[u8]) -> bool {
    value.iter().all(|&b| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(&b))
}

#[cfg(test)]
mod tests;
