//! Heads of HTTP/2, from and to the text that everything else reads and writes.

use std::io;
use std::mem::MaybeUninit;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri, Version};

/// What a request asks for, as far as its answer is written by it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Asked {
    #[default]
    Plain,
    Head,
    /// CONNECT: an answer of 2xx begins a tunnel.
    Connect,
    /// Extended CONNECT (RFC 8441), an upgrade elsewhere; with the key that a client of HTTP/1.1 sent.
    Protocol(Option<HeaderValue>),
}

impl Asked {
    fn of(method: &Method) -> Self {
        match *method {
            Method::HEAD => Self::Head,
            Method::CONNECT => Self::Connect,
            _ => Self::Plain,
        }
    }

    /// Nothing but what follows the head says whether the client has more to say.
    pub(super) fn takes_end(&self) -> bool {
        matches!(self, Self::Plain | Self::Head)
    }

    pub(super) fn is_tunnel(&self, status: StatusCode) -> bool {
        !self.takes_end() && status.is_success()
    }
}

/// Length of the head that `text` begins with.
pub(super) fn length(text: &[u8]) -> Option<usize> {
    Some(text.windows(4).position(|w| w == b"\r\n\r\n")? + 4)
}

/// What only one hop may say, or HTTP/2 says otherwise (RFC 9113 8.2.2).
fn is_of_the_hop(name: &str) -> bool {
    const NAMES: [&str; 6] =
        ["connection", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Framing, routing and authentication must be known before a body (RFC 9110 6.5.1).
fn is_of_a_head(name: &HeaderName) -> bool {
    const NAMES: [&str; 11] = [
        "authorization",
        "cache-control",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "set-cookie",
        "te",
        "trailer",
    ];
    NAMES.contains(&name.as_str()) || is_of_the_hop(name.as_str())
}

/// Trailers as lines, as many as a head may have.
pub fn write_trailers(out: &mut Vec<u8>, fields: &HeaderMap) -> io::Result<()> {
    if fields.len() > MAX_FIELDS {
        return Err(invalid("too many trailers"));
    }
    for (name, value) in fields.iter().filter(|(name, _)| !is_of_a_head(name)) {
        line(out, name.as_ref(), value.as_bytes());
    }
    Ok(())
}

/// A switch to HTTP/2 would pass by everything that is looked at here, and what is no token is no name.
fn is_protocol(name: &[u8]) -> bool {
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    !name.is_empty() && name.iter().all(token) && !is("h2") && !is("h2c")
}

/// Fields as lines. Crumbs of a cookie become one again (RFC 9113 8.2.3).
fn write_fields(out: &mut Vec<u8>, fields: &HeaderMap) {
    for (name, value) in fields {
        if name != header::COOKIE {
            line(out, name.as_ref(), value.as_bytes());
        }
    }
    let mut crumbs = fields.get_all(header::COOKIE).iter();
    if let Some(first) = crumbs.next() {
        out.extend_from_slice(b"cookie: ");
        out.extend_from_slice(first.as_bytes());
        for crumb in crumbs {
            out.extend_from_slice(b"; ");
            out.extend_from_slice(crumb.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// A request that came, as text; `ended` says that it has no body.
pub fn write_request(out: &mut Vec<u8>, parts: &http::request::Parts, ended: bool) -> Asked {
    // Without its protocol it is a CONNECT with a path, which is refused where all requests are judged.
    let protocol = parts.extensions.get::<h2::ext::Protocol>().filter(|name| is_protocol(name.as_ref()));
    let asked = if protocol.is_some() { Asked::Protocol(None) } else { Asked::of(&parts.method) };
    let method = if protocol.is_some() { Method::GET } else { parts.method.clone() };
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    let path = parts.uri.path_and_query().map(http::uri::PathAndQuery::as_str);
    let host = parts.headers.get(header::HOST);
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    match (path, authority) {
        (None, Some(authority)) => out.extend_from_slice(authority.as_bytes()),
        (path, authority) => {
            let scheme = parts.uri.scheme_str().unwrap_or("http");
            let is_known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
            // Two names for one host, and other schemes, are judged where all requests are.
            if let Some(authority) = authority.filter(|_| host.is_some() || !is_known) {
                out.extend_from_slice(scheme.as_bytes());
                out.extend_from_slice(b"://");
                out.extend_from_slice(authority.as_bytes());
            }
            out.extend_from_slice(path.unwrap_or("/").as_bytes());
        }
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    if let (Some(authority), None) = (authority, host) {
        line(out, b"host", authority.as_bytes());
    }
    write_fields(out, &parts.headers);
    if let Some(protocol) = protocol {
        line(out, b"connection", b"upgrade");
        line(out, b"upgrade", protocol.as_ref());
        if !parts.headers.contains_key(header::SEC_WEBSOCKET_KEY) {
            line(out, b"sec-websocket-key", websocket_key().as_bytes());
        }
    } else if !ended && asked.takes_end() && !parts.headers.contains_key(header::CONTENT_LENGTH) {
        line(out, b"transfer-encoding", b"chunked");
    }
    out.extend_from_slice(b"\r\n");
    asked
}

/// An answer that came, as text; `ended` says that it has no body.
pub fn write_answer(out: &mut Vec<u8>, parts: &http::response::Parts, asked: &Asked, ended: bool) {
    // What agrees to an extended CONNECT is what agrees to a switch of protocols elsewhere.
    let switched = matches!(asked, Asked::Protocol(_)) && parts.status.is_success();
    let status = if switched { StatusCode::SWITCHING_PROTOCOLS } else { parts.status };
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    write_fields(out, &parts.headers);
    if let (true, Asked::Protocol(key)) = (switched, asked) {
        line(out, b"connection", b"upgrade");
        line(out, b"upgrade", b"websocket");
        if let Some(key) = key {
            line(out, b"sec-websocket-accept", websocket_accept(key.as_bytes()).as_bytes());
        }
    }
    let bodiless = *asked == Asked::Head || matches!(status.as_u16(), 100..200 | 204 | 304);
    if ended && !bodiless && asked.takes_end() && !parts.headers.contains_key(header::CONTENT_LENGTH) {
        line(out, b"content-length", b"0");
    } else if !ended && !bodiless && asked.takes_end() && !parts.headers.contains_key(header::CONTENT_LENGTH)
    {
        line(out, b"transfer-encoding", b"chunked");
    }
    out.extend_from_slice(b"\r\n");
}

/// Most fields of a head; what is written here was read with the same bound, and a few are added.
const MAX_FIELDS: usize = 128;

fn invalid(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn fields(of: &[httparse::Header<'_>]) -> io::Result<HeaderMap> {
    let mut map = HeaderMap::with_capacity(of.len());
    for field in of {
        if is_of_the_hop(field.name) || field.name.eq_ignore_ascii_case("te") && field.value != b"trailers" {
            continue;
        }
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(invalid)?;
        map.append(name, HeaderValue::from_bytes(field.value).map_err(invalid)?);
    }
    Ok(map)
}

fn named<'a>(fields: &[httparse::Header<'a>], name: &str) -> Option<&'a [u8]> {
    fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

/// A request to be sent, from its text.
pub fn read_request(text: &[u8], secure: bool) -> io::Result<(Request<()>, Asked)> {
    let mut room = [MaybeUninit::uninit(); MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    parsed.parse_with_uninit_headers(text, &mut room).map_err(invalid)?;
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return Err(invalid("the head is not whole"));
    };
    let mut request = Request::new(());
    let mut asked = Asked::of(&Method::from_bytes(method.as_bytes()).map_err(invalid)?);
    let host = named(parsed.headers, "host").unwrap_or_default();
    *request.headers_mut() = fields(parsed.headers)?;
    let uri = Uri::builder();
    *request.version_mut() = Version::HTTP_2;
    let uri = if asked == Asked::Connect {
        uri.authority(target)
    } else if host.is_empty() {
        // The only form of a request without an authority that h2 takes.
        *request.version_mut() = Version::HTTP_11;
        uri.path_and_query(target)
    } else {
        uri.scheme(if secure { "https" } else { "http" }).authority(host).path_and_query(target)
    };
    *request.uri_mut() = uri.build().map_err(invalid)?;
    *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(invalid)?;
    // What else asks for a switch is served without one, as any server may (RFC 9110 7.8).
    let protocol = named(parsed.headers, "upgrade").filter(|name| method == "GET" && is_protocol(name));
    if let Some(protocol) = protocol {
        let protocol = std::str::from_utf8(protocol).map_err(invalid)?;
        request.extensions_mut().insert(h2::ext::Protocol::from(protocol));
        *request.method_mut() = Method::CONNECT;
        // The key is a matter between hops of HTTP/1.1 (RFC 8441 5).
        asked = Asked::Protocol(request.headers_mut().remove(header::SEC_WEBSOCKET_KEY));
    }
    Ok((request, asked))
}

/// An answer to be sent, from its text.
pub fn read_answer(text: &[u8], asked: &Asked) -> io::Result<Response<()>> {
    let mut room = [MaybeUninit::uninit(); MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut parsed, text, &mut room)
        .map_err(invalid)?;
    let status = StatusCode::from_u16(parsed.code.unwrap_or_default()).map_err(invalid)?;
    let mut response = Response::new(());
    *response.headers_mut() = fields(parsed.headers)?;
    *response.version_mut() = Version::HTTP_2;
    *response.status_mut() = status;
    // HTTP/2 has no 101 (RFC 9113 8.6): the tunnel is agreed to with 200.
    if status == StatusCode::SWITCHING_PROTOCOLS {
        if !matches!(asked, Asked::Protocol(_)) {
            return Err(invalid("101 without a request to switch protocols"));
        }
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().remove("sec-websocket-accept");
    }
    Ok(response)
}

/// Trailers to be sent, from their lines.
pub fn read_fields(lines: &[u8]) -> io::Result<HeaderMap> {
    if lines.is_empty() {
        return Ok(HeaderMap::new());
    }
    let mut room = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut text = lines.to_vec();
    text.extend_from_slice(b"\r\n");
    match httparse::parse_headers(&text, &mut room).map_err(invalid)? {
        httparse::Status::Complete((_, parsed)) => fields(parsed),
        httparse::Status::Partial => Err(invalid("trailers are not whole")),
    }
}

/// A nonce, for a server of HTTP/1.1 (RFC 6455 4.1).
fn websocket_key() -> String {
    let mut nonce = [0_u8; 16];
    // A nonce of zeros is as good for a server that only hashes it.
    let _unlikely = aws_lc_rs::rand::fill(&mut nonce);
    BASE64.encode(nonce)
}

/// The proof that a client of HTTP/1.1 wants for its key (RFC 6455 4.2.2).
fn websocket_accept(key: &[u8]) -> String {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64.encode(context.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_of_the_rfc() {
        assert_eq!(websocket_accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(websocket_key().len(), 24);
    }

    fn request(request: Request<()>, ended: bool) -> (String, Asked) {
        let mut out = Vec::new();
        let asked = write_request(&mut out, &request.into_parts().0, ended);
        (String::from_utf8(out).unwrap(), asked)
    }

    #[test]
    fn requests_as_text() {
        let plain =
            Request::get("https://a.b/c?d").header("x", "y").header("cookie", "a=1").header("cookie", "b=2");
        assert_eq!(
            request(plain.body(()).unwrap(), true),
            ("GET /c?d HTTP/1.1\r\nhost: a.b\r\nx: y\r\ncookie: a=1; b=2\r\n\r\n".to_owned(), Asked::Plain)
        );
        let two = Request::post("https://a.b/").header("host", "c.d");
        assert_eq!(
            request(two.body(()).unwrap(), false).0,
            "POST https://a.b/ HTTP/1.1\r\nhost: c.d\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        let connect = Request::builder().method("CONNECT").uri("a.b:443");
        assert_eq!(
            request(connect.body(()).unwrap(), false),
            ("CONNECT a.b:443 HTTP/1.1\r\nhost: a.b:443\r\n\r\n".to_owned(), Asked::Connect)
        );
    }

    #[test]
    fn what_is_to_be_refused_is_written_so() {
        for protocol in ["", "h2c", "H2", "websocket\r\nx: y", "a b"] {
            let mut connect = Request::builder().method("CONNECT").uri("http://a.b/c").body(()).unwrap();
            connect.extensions_mut().insert(h2::ext::Protocol::from(protocol));
            let refused = ("CONNECT /c HTTP/1.1\r\nhost: a.b\r\n\r\n".to_owned(), Asked::Connect);
            assert_eq!(request(connect, false), refused, "{protocol:?}");
        }
        let scheme = Request::get("ftp://a.b/c").body(()).unwrap();
        assert_eq!(request(scheme, true).0, "GET ftp://a.b/c HTTP/1.1\r\nhost: a.b\r\n\r\n");
    }

    #[test]
    fn trailers_say_nothing_that_comes_too_late() {
        let mut fields = HeaderMap::new();
        for name in ["cookie", "content-length", "host", "te", "x-sum", "authorization", "set-cookie"] {
            fields.insert(name, HeaderValue::from_static("1"));
        }
        let mut out = Vec::new();
        write_trailers(&mut out, &fields).unwrap();
        assert_eq!(out, b"x-sum: 1\r\n");
        for i in 0..MAX_FIELDS {
            fields.append("x", HeaderValue::from(i));
        }
        assert!(write_trailers(&mut out, &fields).is_err());
    }

    #[test]
    fn there_and_back() {
        for (text, expected) in [
            ("GET /x HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\r\n", Asked::Plain),
            ("HEAD /x HTTP/1.1\r\nhost: a\r\n\r\n", Asked::Head),
            ("CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n", Asked::Connect),
        ] {
            let (read, asked) = read_request(text.as_bytes(), false).unwrap();
            assert_eq!(asked, expected);
            assert_eq!(request(read, true), (text.to_owned(), expected));
        }
        let text = "HTTP/1.1 404 Not Found\r\nx: y\r\ncontent-length: 0\r\n\r\n";
        let answer = read_answer(text.as_bytes(), &Asked::Plain).unwrap();
        let mut out = Vec::new();
        write_answer(&mut out, &answer.into_parts().0, &Asked::Plain, true);
        assert_eq!(out, text.as_bytes());
    }

    #[test]
    fn a_switch_of_protocols_is_an_extended_connect() {
        let text = "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let (request, asked) = read_request(text.as_bytes(), false).unwrap();
        assert_eq!(request.method(), Method::CONNECT);
        assert_eq!(request.extensions().get::<h2::ext::Protocol>().unwrap().as_str(), "websocket");
        assert!(request.headers().is_empty());
        let mut out = Vec::new();
        write_answer(&mut out, &Response::new(()).into_parts().0, &asked, false);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
        for (old, new) in [("GET", "POST"), ("Upgrade: websocket", "Upgrade: websocket, x")] {
            let (request, asked) = read_request(text.replace(old, new).as_bytes(), false).unwrap();
            assert!(asked == Asked::Plain && request.method() != Method::CONNECT, "{new}");
        }
        let agreed = read_answer(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n", &asked).unwrap();
        assert_eq!(agreed.status(), StatusCode::OK);
        assert!(read_answer(b"HTTP/1.1 101 Switching\r\n\r\n", &Asked::Plain).is_err());
    }
}
