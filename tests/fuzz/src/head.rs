//! Heads of messages: what is passed on is what a strict parser takes, and means what was read.

use std::net::{IpAddr, Ipv4Addr};

use harness::wire::{Framing, Head};
use proxyd::config::{ForwardHeaders, Http2Options, HttpOptions};
use proxyd::http::forwarded::Peer;
use proxyd::http::framing::Body;
use proxyd::http::request::{self, Site, Told};
use proxyd::http::response;

/// Beyond this what is added on the way may be one field too many for a second reading.
const FEW_FIELDS: usize = 90;

const OPTIONS: HttpOptions = HttpOptions {
    announce_keep_alive: true,
    connect: true,
    max_header_bytes: 16 << 10,
    max_headers: 100,
    max_uri: 16 << 10,
    max_body: u64::MAX,
    http2: Http2Options::DEFAULT,
};

fn site() -> Site<'static> {
    Site {
        forward: ForwardHeaders {
            x_forwarded_for: true,
            x_forwarded_proto: true,
            x_forwarded_host: true,
            x_forwarded_port: true,
            forwarded: true,
            via: true,
        },
        options: &OPTIONS,
        peer: Peer::Unjudged,
        client: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        scheme: "http",
        only_host: None,
        told: Told { headers: &[], lines: &[] },
        port: Some(80),
        local: &|| None,
    }
}

/// Judges a request's head, and writes what a server is sent.
pub(super) fn read(bytes: &[u8]) -> Option<(request::Facts, Vec<u8>)> {
    let mut out = Vec::new();
    match request::parse(bytes, &mut out, &site()) {
        Ok(request::Parsed::Complete(facts)) => Some((facts, out)),
        _ => None,
    }
}

/// A request's head, as it comes from a client.
pub fn request_head(bytes: &[u8]) {
    let Some((facts, out)) = read(bytes) else { return };
    let head = &bytes[..facts.length];
    assert_eq!(read(head), Some((facts, out.clone())), "what follows a head changes nothing");
    assert_eq!(read(&head[..head.len() - 1]), None, "a head is whole with its last byte");

    let forwarded = Head::parse(&out).expect("a strict server takes it");
    let framing = forwarded.request_framing().expect("a strict server can frame it");
    assert!(same_framing(facts.body, framing), "{facts:?} was forwarded as {framing:?}");
    assert!(is_claimed(head, facts.body), "the head does not say {:?}", facts.body);
    assert_eq!(forwarded.word(2), "HTTP/1.1");
    let line = first_line(head);
    assert!(line.starts_with(format!("{} ", forwarded.word(0)).as_bytes()), "another method");
    assert_eq!(forwarded.word(0) == "HEAD", facts.is_head);
    let target = forwarded.word(1);
    assert!(target.bytes().all(|it| it.is_ascii_graphic() && it != b'#'), "{target:?}");
    assert!(target.starts_with('/') || forwarded.word(0) == "CONNECT" || target == "*", "{target:?}");
    for gone in ["keep-alive", "proxy-connection", "http2-settings"] {
        assert_eq!(forwarded.get(gone), None, "a field of one hop");
    }
    assert!(facts.upgrade || forwarded.get("upgrade").is_none(), "an upgrade nobody waits for");

    if forwarded.fields.len() < FEW_FIELDS {
        let (again, _) = read(&out).expect("it would pass on what it passes on");
        assert_eq!((again.body, again.is_head, again.upgrade), (facts.body, facts.is_head, facts.upgrade));
    }
}

/// A target and a Host, the first byte choosing the method.
pub fn target(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let at = rest.iter().position(|it| *it == b'\n').unwrap_or(rest.len());
    let (target, host) = (&rest[..at], rest.get(at + 1..).unwrap_or_default());
    let method: &[u8] = [&b"GET"[..], b"OPTIONS", b"CONNECT", b"POST"][usize::from(choice % 4)];
    let head = [method, b" ", target, b" HTTP/1.1\r\nHost: ", host, b"\r\n\r\n"].concat();
    request_head(&head);
    let Some((facts, out)) = read(&head) else { return };
    if facts.length != head.len() || host.contains(&b'\n') {
        // Target or Host brought line ends of their own; the request's head was judged above.
        return;
    }
    let forwarded = Head::parse(&out).expect("a strict server takes it");
    let host = host.trim_ascii();
    let named = forwarded.get("host").unwrap_or_default();
    let of_target = if method == b"CONNECT" { Some(target) } else { authority(target) };
    assert_eq!(named.as_bytes(), of_target.unwrap_or(host), "another host");
    assert!(!named.contains(['@', '/', '?', '#', ',', ' ', '\\']), "{named:?} is no host");
}

/// The authority of an absolute URI.
fn authority(target: &[u8]) -> Option<&[u8]> {
    let at = target.windows(3).position(|it| it == b"://")?;
    if !target[..at].iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    target[at + 3..].split(|it| matches!(it, b'/' | b'?' | b'#')).next()
}

/// An answer's head; the first byte says what was asked.
pub fn response_head(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let is = |bit: u8| choice & bit != 0;
    let request = request::Facts {
        body: Body::None,
        is_11: is(1),
        is_head: is(2),
        idempotent: true,
        keep_alive: is(4),
        upgrade: is(8) && is(1) && !is(32),
        connect: is(32) && !is(2),
        expects: false,
        form: request::Form::Origin,
        length: 0,
    };
    let site = response::Site { keep_client: is(16), via: is(64), keep_alive: is(128).then_some(59) };
    let read = |bytes: &[u8]| {
        let mut out = Vec::new();
        match response::parse(bytes, &mut out, &request, site) {
            Ok(response::Parsed::Complete(facts)) => Some((facts, out)),
            _ => None,
        }
    };
    let Some((facts, out)) = read(bytes) else { return };
    let head = &bytes[..facts.length];
    assert_eq!(read(head), Some((facts, out.clone())), "what follows a head changes nothing");

    let sent = Head::parse(&out).expect("a strict client takes it");
    if facts.tunnel && request.connect {
        assert!((200..300).contains(&facts.status) && !facts.server_keeps && !facts.client_keeps);
        assert_eq!(
            (sent.get("content-length"), sent.get("transfer-encoding")),
            (None, None),
            "it has no body"
        );
        return;
    }
    let method = if request.is_head { "HEAD" } else { "GET" };
    let framing = sent.response_framing(method).expect("a strict client can frame it");
    let bodiless = request.is_head || facts.status < 200 || matches!(facts.status, 204 | 304);
    assert!(same_framing(facts.sent, framing), "{facts:?} was sent as {framing:?}");
    assert_eq!((sent.word(0), sent.word(1).parse()), ("HTTP/1.1", Ok(facts.status)));
    assert!(facts.sent != Body::UntilClose || !facts.client_keeps, "it ends with the connection");
    assert!(facts.body != Body::UntilClose || !facts.server_keeps, "it ends with the connection");
    assert!(facts.sent != Body::Chunked || request.is_11, "HTTP/1.0 knows no chunks");
    assert!(facts.status != 101 || request.upgrade, "a switch nobody asked for");
    assert!(bodiless || facts.body == Body::UntilClose || is_claimed(head, facts.body), "{facts:?}");
    assert!(!bodiless || (facts.body, facts.sent) == (Body::None, Body::None), "{facts:?}");
}

fn same_framing(body: Body, framing: Framing) -> bool {
    match (body, framing) {
        (Body::None, Framing::Empty | Framing::Length(0))
        | (Body::Chunked, Framing::Chunked)
        | (Body::UntilClose, Framing::UntilClose) => true,
        (Body::Length(own), Framing::Length(other)) => own == other,
        _ => false,
    }
}

/// Whether nothing in the head speaks against a body being framed so, read line by line and with much patience.
fn is_claimed(head: &[u8], body: Body) -> bool {
    let lengths = values(head, b"content-length");
    let codings = values(head, b"transfer-encoding");
    match body {
        Body::None => codings.is_empty() && lengths.iter().all(|it| it.iter().all(|it| *it == b'0')),
        Body::Length(n) => {
            let said = lengths.first().and_then(|it| std::str::from_utf8(it).ok()).map(str::parse::<u64>);
            codings.is_empty() && lengths.len() == 1 && said == Some(Ok(n))
        }
        Body::Chunked => {
            lengths.is_empty() && codings.len() == 1 && codings[0].eq_ignore_ascii_case(b"chunked")
        }
        Body::UntilClose => false,
    }
}

fn values<'a>(head: &'a [u8], name: &[u8]) -> Vec<&'a [u8]> {
    let fields = head.split(|it| *it == b'\n').filter_map(|line| {
        let at = line.iter().position(|it| *it == b':')?;
        Some((line[..at].trim_ascii(), line[at + 1..].trim_ascii()))
    });
    fields.filter(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

fn first_line(head: &[u8]) -> &[u8] {
    let start = head.iter().position(|it| !matches!(it, b'\r' | b'\n')).unwrap_or_default();
    head[start..].split(|it| *it == b'\n').next().unwrap_or_default()
}
