//! What servers are told about the client: X-Forwarded-*, Forwarded (RFC 7239), Via (RFC 9110 7.6.3).
//!
//! Who may tell it in our place: where no proxies are named as trusted, `X-Forwarded-For` grows as it does in HAProxy and
//! the others are replaced where we set them. Where some are, they alone are believed and appended to; what anybody
//! else claims of this kind is dropped.

use std::io::Write as _;
use std::net::IpAddr;

use super::field::{self, Forwarded};
use crate::config::ForwardHeaders;

/// The name this hop has in Via.
const PSEUDONYM: &str = "proxyd";

/// Whether the peer is one whose word counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Peer {
    /// Nobody is named as trusted.
    #[default]
    Unjudged,
    Trusted,
    Foreign,
}

/// Fields of this kind that came with the request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claims {
    proto: bool,
    host: bool,
    port: bool,
}

impl Claims {
    pub fn note(&mut self, which: Forwarded) {
        match which {
            Forwarded::Proto => self.proto = true,
            Forwarded::Host => self.host = true,
            Forwarded::Port => self.port = true,
            Forwarded::For | Forwarded::Standard => {}
        }
    }
}

/// Whether a field of this kind goes on as it came.
pub const fn keeps(which: Forwarded, peer: Peer, forward: ForwardHeaders) -> bool {
    match peer {
        Peer::Foreign => false,
        Peer::Trusted => true,
        Peer::Unjudged => match which {
            // Lists that grow.
            Forwarded::For | Forwarded::Standard => true,
            Forwarded::Proto => !forward.x_forwarded_proto,
            Forwarded::Host => !forward.x_forwarded_host,
            Forwarded::Port => !forward.x_forwarded_port,
        },
    }
}

/// Whether a field of no such name is a claim all the same, as `X-Forwarded-Prefix` is.
pub fn is_claim(name: &str) -> bool {
    name.get(..12).is_some_and(|start| start.eq_ignore_ascii_case("x-forwarded-"))
}

/// What is known of the client's connection.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// `None` for a Unix socket.
    pub client: Option<IpAddr>,
    /// Port the client came to.
    pub port: Option<u16>,
    /// `http` or `https`.
    pub scheme: &'static str,
    pub host: Option<&'a [u8]>,
    pub is_11: bool,
    pub peer: Peer,
    pub claims: Claims,
}

/// Writes the fields that are asked for.
pub fn write(out: &mut Vec<u8>, forward: ForwardHeaders, facts: &Facts<'_>) {
    let believed = |claimed: bool| claimed && facts.peer == Peer::Trusted;
    if forward.x_forwarded_for
        && let Some(client) = facts.client
    {
        let _infallible = write!(out, "X-Forwarded-For: {}\r\n", client.to_canonical());
    }
    if forward.x_forwarded_proto && !believed(facts.claims.proto) {
        field::write(out, b"X-Forwarded-Proto", facts.scheme.as_bytes());
    }
    if forward.x_forwarded_host
        && !believed(facts.claims.host)
        && let Some(host) = facts.host
    {
        field::write(out, b"X-Forwarded-Host", host);
    }
    if forward.x_forwarded_port
        && !believed(facts.claims.port)
        && let Some(port) = facts.port
    {
        field::write(out, b"X-Forwarded-Port", itoa::Buffer::new().format(port).as_bytes());
    }
    if forward.forwarded {
        write_standard(out, facts);
    }
    if forward.via {
        write_via(out, facts.is_11);
    }
}

/// One element of RFC 7239.
fn write_standard(out: &mut Vec<u8>, facts: &Facts<'_>) {
    let scheme = facts.scheme;
    let _infallible = match facts.client.map(|client| client.to_canonical()) {
        Some(IpAddr::V4(client)) => write!(out, "Forwarded: for={client};proto={scheme}"),
        Some(IpAddr::V6(client)) => write!(out, "Forwarded: for=\"[{client}]\";proto={scheme}"),
        None => write!(out, "Forwarded: for=unknown;proto={scheme}"),
    };
    if let Some(host) = facts.host.filter(|host| !host.is_empty()) {
        // A host has neither quotes nor backslashes.
        let quote: &[u8] = if host.iter().all(|&b| is_token(b)) { b"" } else { b"\"" };
        for part in [b";host=", quote, host, quote] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// This hop, behind those before it.
pub fn write_via(out: &mut Vec<u8>, is_11: bool) {
    let version = if is_11 { "1.1" } else { "1.0" };
    let _infallible = write!(out, "Via: {version} {PSEUDONYM}\r\n");
}

/// RFC 9110 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts<'_> = Facts {
        client: Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7))),
        port: Some(8080),
        scheme: "http",
        host: Some(b"h"),
        is_11: true,
        peer: Peer::Unjudged,
        claims: Claims { proto: false, host: false, port: false },
    };

    const NONE: ForwardHeaders = ForwardHeaders {
        x_forwarded_for: false,
        x_forwarded_proto: false,
        x_forwarded_host: false,
        x_forwarded_port: false,
        forwarded: false,
        via: false,
    };

    fn written(forward: ForwardHeaders, facts: &Facts<'_>) -> String {
        let mut out = Vec::new();
        write(&mut out, forward, facts);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn elements_are_quoted_where_they_must_be() {
        let forward = ForwardHeaders { forwarded: true, ..NONE };
        for (client, host, element) in [
            (Some("192.0.2.7"), &b"a.example"[..], "for=192.0.2.7;proto=http;host=a.example"),
            (Some("192.0.2.7"), b"a:81", "for=192.0.2.7;proto=http;host=\"a:81\""),
            (Some("2001:db8::1"), b"[::1]:8080", "for=\"[2001:db8::1]\";proto=http;host=\"[::1]:8080\""),
            (Some("::ffff:192.0.2.7"), b"", "for=192.0.2.7;proto=http"),
            (None, b"a", "for=unknown;proto=http;host=a"),
        ] {
            let client = client.map(|ip| ip.parse().unwrap());
            let facts = Facts { client, host: Some(host), ..FACTS };
            assert_eq!(written(forward, &facts), format!("Forwarded: {element}\r\n"));
        }
    }

    #[test]
    fn all_of_them() {
        let forward = ForwardHeaders {
            x_forwarded_for: true,
            x_forwarded_proto: true,
            x_forwarded_host: true,
            x_forwarded_port: true,
            forwarded: false,
            via: true,
        };
        let ours = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n\
                    X-Forwarded-Port: 8080\r\nVia: 1.1 proxyd\r\n";
        assert_eq!(written(forward, &FACTS), ours);
        let claims = Claims { proto: true, host: true, port: true };
        assert_eq!(written(forward, &Facts { claims, peer: Peer::Foreign, ..FACTS }), ours);
        let secure = ours.replace("Proto: http", "Proto: https");
        assert_eq!(written(forward, &Facts { scheme: "https", ..FACTS }), secure);
        assert_eq!(
            written(forward, &Facts { claims, peer: Peer::Trusted, is_11: false, ..FACTS }),
            "X-Forwarded-For: 192.0.2.7\r\nVia: 1.0 proxyd\r\n"
        );
    }

    #[test]
    fn whose_word_counts() {
        let all = [Forwarded::For, Forwarded::Standard, Forwarded::Proto, Forwarded::Host, Forwarded::Port];
        let ours = ForwardHeaders { x_forwarded_proto: true, ..NONE };
        let kept = |peer| all.map(|which| keeps(which, peer, ours));
        assert_eq!(kept(Peer::Unjudged), [true, true, false, true, true]);
        assert_eq!(kept(Peer::Trusted), [true; 5]);
        assert_eq!(kept(Peer::Foreign), [false; 5]);
        assert!(is_claim("X-Forwarded-Prefix") && !is_claim("X-Forward") && !is_claim("Forwarded"));
    }
}
