//! A request's head: judged, then written anew for the server.

use std::io::Write as _;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};

use super::field::{self, Field, Fields, Known, MAX_FIELDS};
use super::forwarded::{self, Claims, Peer};
use super::framing::{self, Body};
use super::refusal::Reason;
use crate::config::{ClientCertHeader, ForwardHeaders, HttpOptions, defaults};

const _: () = assert!(MAX_FIELDS == defaults::MAX_HEADERS);

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
    /// CONNECT: an answer of 2xx begins a tunnel.
    pub connect: bool,
    /// The client may wait for 100 before it sends the body.
    pub expects: bool,
    /// How the target was written.
    pub form: Form,
    /// Bytes of the head.
    pub length: usize,
}

/// Forms of a target (RFC 9112 3.2).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Form {
    /// A path alone, or what has none.
    #[default]
    Origin,
    /// A whole URL of this scheme.
    Absolute(&'static str),
}

impl Facts {
    /// The answer may begin a tunnel.
    pub const fn switches(&self) -> bool {
        self.upgrade || self.connect
    }
}

/// What the server is told of the client's certificate.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Nobody else tells it by these names.
    pub headers: &'a [ClientCertHeader],
    /// Whole lines.
    pub lines: &'a [u8],
}

impl Told<'_> {
    fn is_told_by(&self, name: &str) -> bool {
        self.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name))
    }
}

/// What is known of the connection and written into the head.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    pub forward: ForwardHeaders,
    pub options: &'a HttpOptions,
    pub peer: Peer,
    /// `None` for a Unix socket.
    pub client: Option<IpAddr>,
    /// Port the client came to.
    pub port: Option<u16>,
    /// What the client speaks, as URIs say it.
    pub scheme: &'static str,
    /// The only host that is meant here: who showed a certificate to one is not known to another.
    pub only_host: Option<&'a str>,
    pub told: Told<'a>,
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

/// Parses the head at the start of `bytes`; when it is whole and sound, `out` gets what the server is sent.
pub fn parse(bytes: &[u8], out: &mut Vec<u8>, site: &Site<'_>) -> Result<Parsed, Reason> {
    let mut fields = [MaybeUninit::<Field<'_>>::uninit(); MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(Parsed::Partial),
        Err(error) => return Err(error.into()),
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(Reason::RequestLine);
    };
    let limits = site.options;
    if target.len() > limits.max_uri {
        return Err(Reason::LineTooLong);
    }
    if length > limits.max_header_bytes {
        return Err(Reason::HeadTooLong);
    }
    if request.headers.len() > limits.max_headers {
        return Err(Reason::TooManyFields);
    }
    let head = Head { method, target, is_11: minor == 1, fields: Fields::new(request.headers) };
    let (facts, target) = head.judge(length, limits)?;
    if site.only_host.is_some_and(|only| target.host.is_some_and(|host| !is_for(host, only))) {
        return Err(Reason::Misdirected);
    }
    head.write(out, &facts, &target, site);
    Ok(Parsed::Complete(facts))
}

/// Why a head that has no end yet and is as long as a head may be goes nowhere.
pub fn too_long(bytes: &[u8]) -> Reason {
    if bytes.contains(&b'\n') { Reason::HeadTooLong } else { Reason::LineTooLong }
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
    /// Whom the client means.
    host: Option<&'a [u8]>,
    form: Form,
    /// Some `Connection` option names a field.
    names: bool,
    claims: Claims,
}

impl<'a> Head<'a> {
    fn judge(&self, length: usize, limits: &HttpOptions) -> Result<(Facts, Target<'a>), Reason> {
        let options = self.fields.options();
        let (mut host, mut upgrade, mut http2): (Option<&Field<'_>>, _, _) = (None, false, false);
        let (mut expects, mut claims) = (false, Claims::default());
        for (field, known) in self.fields.iter() {
            match known {
                Some(Known::Host) if host.is_some() => return Err(Reason::Hosts),
                Some(Known::Host) => host = Some(field),
                Some(Known::Upgrade) => {
                    // HTTP/2 would pass by everything that is looked at here, whatever it is offered beside.
                    let offers =
                        |wanted: &[u8]| field::tokens(field.value).any(|t| t.eq_ignore_ascii_case(wanted));
                    upgrade = true;
                    http2 |= offers(b"h2c") || offers(b"h2");
                }
                // HTTP/1.0 has no expectations (RFC 9110 10.1.1).
                Some(Known::Expect) if self.is_11 => {
                    if !field.value.eq_ignore_ascii_case(b"100-continue") {
                        return Err(Reason::Expectation);
                    }
                    expects = true;
                }
                Some(Known::Forwarded(which)) => claims.note(which),
                _ => {}
            }
        }
        let connect = self.method == "CONNECT";
        let body = self.body()?;
        let target = Target { names: options.names, claims, ..self.target(host, connect, limits)? };
        match body {
            Body::None => {}
            _ if connect => return Err(Reason::ConnectBody),
            Body::Length(length) if length > limits.max_body => return Err(Reason::BodyTooLarge),
            _ => {}
        }
        let idempotent = matches!(self.method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE");
        let keep_alive = !options.close && (self.is_11 || options.keep_alive);
        let facts = Facts {
            body,
            is_11: self.is_11,
            is_head: self.method == "HEAD",
            idempotent,
            keep_alive,
            upgrade: upgrade && !http2 && !connect && options.upgrade && self.is_11 && body == Body::None,
            connect,
            expects: expects && body != Body::None,
            form: target.form,
            length,
        };
        Ok((facts, target))
    }

    fn body(&self) -> Result<Body, Reason> {
        let framing = framing::read(&self.fields)?;
        match (framing.chunked, framing.length) {
            (true, _) if !self.is_11 => Err(Reason::CodingInOld),
            (true, _) => Ok(Body::Chunked),
            (false, Some(0) | None) => Ok(Body::None),
            (false, Some(length)) => Ok(Body::Length(length)),
        }
    }

    /// RFC 9112 3.2 and 3.3.
    fn target(
        &self,
        host: Option<&Field<'a>>,
        connect: bool,
        limits: &HttpOptions,
    ) -> Result<Target<'a>, Reason> {
        if host.is_none() && self.is_11 {
            return Err(Reason::NoHost);
        }
        if !self.target.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
            return Err(Reason::TargetByte);
        }
        let host = host.map(|host| host.value);
        if host.is_some_and(|host| !is_authority(host) && !host.is_empty()) {
            return Err(Reason::Host);
        }
        let of = |path, authority| Target {
            path,
            authority,
            form: Form::Origin,
            host: authority.map(str::as_bytes).or(host),
            names: false,
            claims: Claims::default(),
        };
        if connect {
            if !limits.connect {
                return Err(Reason::ConnectOff);
            }
            let authority = self.target;
            if !has_port(authority) {
                return Err(Reason::ConnectTarget);
            }
            if host.is_some_and(|host| !same_authority(host, authority, "")) {
                return Err(Reason::HostDiffers);
            }
            return Ok(of(authority, Some(authority)));
        }
        if self.target.starts_with('/') || (self.target == "*" && self.method == "OPTIONS") {
            return Ok(of(self.target, None));
        }
        let (default_port, rest) = strip_scheme(self.target).ok_or(Reason::TargetForm)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() || !is_authority(authority.as_bytes()) {
            return Err(Reason::Authority);
        }
        if host.is_some_and(|host| !same_authority(host, authority, default_port)) {
            return Err(Reason::HostDiffers);
        }
        let path = if path.is_empty() { if self.method == "OPTIONS" { "*" } else { "/" } } else { path };
        let form = Form::Absolute(if default_port == ":443" { "https" } else { "http" });
        Ok(Target { form, ..of(path, Some(authority)) })
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
            None if target.host.is_none() => match (site.local)() {
                // Writing to memory cannot fail.
                Some(local) => _ = write!(out, "Host: {local}\r\n"),
                None => out.extend_from_slice(b"Host: localhost\r\n"),
            },
            None => {}
        }
        for (field, known) in self.fields.iter() {
            let keep = match known {
                _ if site.told.is_told_by(field.name) => false,
                Some(Known::Connection | Known::Hop | Known::TransferEncoding) => false,
                Some(Known::Upgrade) => facts.upgrade,
                Some(Known::Te) => {
                    if field::tokens(field.value).any(|t| t.eq_ignore_ascii_case(b"trailers")) {
                        out.extend_from_slice(b"TE: trailers\r\nConnection: TE\r\n");
                    }
                    false
                }
                Some(Known::Host) => target.authority.is_none(),
                Some(Known::Forwarded(which)) => forwarded::keeps(which, site.peer, site.forward),
                Some(Known::Expect) => facts.body != Body::None && facts.is_11,
                Some(Known::ContentLength) => true,
                None if site.peer == Peer::Foreign && forwarded::is_claim(field.name) => false,
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
        if site.forward != ForwardHeaders::default() {
            let facts = forwarded::Facts {
                client: site.client,
                port: site.port,
                scheme: site.scheme,
                host: target.host,
                is_11: self.is_11,
                peer: site.peer,
                claims: target.claims,
            };
            forwarded::write(out, site.forward, &facts);
        }
        out.extend_from_slice(site.told.lines);
        out.extend_from_slice(b"\r\n");
    }
}

/// The scheme's own port, and what follows `://`.
fn strip_scheme(target: &str) -> Option<(&'static str, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    if scheme.eq_ignore_ascii_case("http") {
        Some((":80", rest))
    } else if scheme.eq_ignore_ascii_case("https") {
        Some((":443", rest))
    } else {
        None
    }
}

/// Whether Host names what the target names; the scheme's own port may be left out in either.
fn same_authority(host: &[u8], authority: &str, default_port: &str) -> bool {
    let bare = |name| <[u8]>::strip_suffix(name, default_port.as_bytes()).unwrap_or(name);
    bare(host).eq_ignore_ascii_case(bare(authority.as_bytes()))
}

/// Whether a Host names this host, whatever port it has.
fn is_for(host: &[u8], name: &str) -> bool {
    let without_port = match host.iter().rposition(|&b| b == b':') {
        Some(at) if host[at + 1..].iter().all(u8::is_ascii_digit) => &host[..at],
        _ => host,
    };
    let bare = |name| <[u8]>::strip_suffix(name, b".").unwrap_or(name);
    bare(without_port).eq_ignore_ascii_case(bare(name.as_bytes()))
}

/// A host and a port, as CONNECT names it (RFC 9112 3.2.3).
fn has_port(target: &str) -> bool {
    target.rsplit_once(':').is_some_and(|(host, port)| {
        // A colon in a host is one of an IPv6 address, which stands in brackets.
        let is_host = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
        !host.is_empty()
            && is_host
            && is_authority(host.as_bytes())
            && port.bytes().all(|b| b.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}

/// Host and port: no user, no path, no list, nothing a URI's authority has not (RFC 3986 3.2).
fn is_authority(value: &[u8]) -> bool {
    const ALLOWED: [bool; 256] = {
        let mut allowed = [false; 256];
        let others = b"-._~%!$&'()*+;=:[]";
        let mut at = 0;
        while at < others.len() {
            allowed[others[at] as usize] = true;
            at += 1;
        }
        let mut byte = 0_u8;
        while byte < 128 {
            allowed[byte as usize] |= byte.is_ascii_alphanumeric();
            byte += 1;
        }
        allowed
    };
    value.iter().all(|&byte| ALLOWED[usize::from(byte)])
}

#[cfg(test)]
mod tests;
