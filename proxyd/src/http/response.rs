//! An answer's head: judged, then written anew for the client.

use std::mem::MaybeUninit;

use super::field::{self, Field, Fields, Known, MAX_FIELDS, Options};
use super::framing::{self, Body};
use super::{forwarded, request};

/// What the rest of the answer's way needs to know of its head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Facts {
    pub status: u16,
    /// How the server sends the body.
    pub body: Body,
    /// How the client is sent it.
    pub sent: Body,
    /// The server goes on with the connection after this answer.
    pub server_keeps: bool,
    /// The client's connection goes on after this answer.
    pub client_keeps: bool,
    /// From here on bytes go both ways, whatever they are.
    pub tunnel: bool,
    /// Bytes of the head.
    pub length: usize,
}

/// What of the connection matters to the head.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// The client's connection may go on, for all reasons but this answer.
    pub keep_client: bool,
    /// This hop names itself.
    pub via: bool,
    /// Seconds that the client is told it may leave between two requests.
    pub keep_alive: Option<u32>,
}

impl Facts {
    /// An answer before the answer (RFC 9110 15.2); 101 is a final one.
    pub const fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
}

/// Nothing yet, or a whole head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Parsed {
    Partial,
    Complete(Facts),
}

/// An answer that no client can be given.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid response: {0}")]
pub struct Invalid(pub &'static str);

/// Parses the head at the start of `bytes`; when it is whole and sound, `out` gets what the client is sent.
pub fn parse(
    bytes: &[u8],
    out: &mut Vec<u8>,
    request: &request::Facts,
    site: Site,
) -> Result<Parsed, Invalid> {
    let mut fields = [MaybeUninit::<Field<'_>>::uninit(); MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        &mut fields,
    );
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(Parsed::Partial),
        Err(_) => return Err(Invalid("the head is malformed")),
    };
    let head = Head::read(&response)?;
    let facts = head.judge(length, request, site.keep_client)?;
    head.write(out, &facts, request, site);
    Ok(Parsed::Complete(facts))
}

/// Judges a parsed head of `length` bytes, for whoever reads an answer and passes nothing on.
pub fn judge(
    response: &httparse::Response<'_, '_>,
    length: usize,
    request: &request::Facts,
) -> Result<Facts, Invalid> {
    Head::read(response)?.judge(length, request, false)
}

struct Head<'a> {
    status: u16,
    is_11: bool,
    reason: &'a str,
    fields: Fields<'a>,
    options: Options,
}

impl<'a> Head<'a> {
    fn read(response: &'a httparse::Response<'_, '_>) -> Result<Self, Invalid> {
        let (Some(status), Some(minor)) = (response.code, response.version) else {
            return Err(Invalid("the status line is not complete"));
        };
        if !(100..=999).contains(&status) {
            return Err(Invalid("the status is not three digits"));
        }
        let fields = Fields::new(response.headers);
        let options = fields.options();
        let reason = response.reason.unwrap_or_default();
        Ok(Self { status, is_11: minor == 1, reason, fields, options })
    }

    fn judge(&self, length: usize, request: &request::Facts, keep_client: bool) -> Result<Facts, Invalid> {
        let options = self.options;
        if self.status == 101 && !request.upgrade {
            return Err(Invalid("101 without a request to switch protocols"));
        }
        let tunnel = self.status == 101 || request.connect && (200..300).contains(&self.status);
        let framing = framing::read(&self.fields).map_err(|ambiguous| Invalid(ambiguous.reason()))?;
        // What follows a CONNECT that succeeded is the tunnel, whatever the head says (RFC 9112 6.3).
        let no_body = request.is_head || tunnel || self.status < 200 || matches!(self.status, 204 | 304);
        let body = match (framing.chunked, framing.length) {
            _ if no_body => Body::None,
            (true, _) if !self.is_11 => return Err(Invalid("Transfer-Encoding in an HTTP/1.0 answer")),
            (true, _) => Body::Chunked,
            (false, Some(0)) => Body::None,
            (false, Some(length)) => Body::Length(length),
            (false, None) => Body::UntilClose,
        };
        let server_keeps =
            body != Body::UntilClose && !options.close && (self.is_11 || options.keep_alive) && !tunnel;
        let sent = match body {
            Body::Chunked | Body::UntilClose if request.is_11 => Body::Chunked,
            Body::Chunked | Body::UntilClose => Body::UntilClose,
            known => known,
        };
        let client_keeps = keep_client && request.keep_alive && sent != Body::UntilClose && !tunnel;
        Ok(Facts { status: self.status, body, sent, server_keeps, client_keeps, tunnel, length })
    }

    fn write(&self, out: &mut Vec<u8>, facts: &Facts, request: &request::Facts, site: Site) {
        out.clear();
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(itoa::Buffer::new().format(self.status).as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.reason.as_bytes());
        out.extend_from_slice(b"\r\n");
        let switched = self.status == 101;
        for (field, known) in self.fields.iter() {
            let keep = match known {
                // A client is told what HEAD and 304 say of a body that does not come.
                Some(Known::ContentLength) => self.status >= 200 && self.status != 204 && !facts.tunnel,
                Some(Known::Upgrade) => switched || self.status == 426,
                // What a server asks of a user is asked by whoever the user reaches.
                Some(Known::Hop) => field.name.eq_ignore_ascii_case("proxy-authenticate"),
                Some(Known::Connection | Known::TransferEncoding | Known::Te) => false,
                Some(_) => true,
                None => {
                    !(self.options.names
                        && self.fields.is_named(field.name)
                        && field::is_droppable(field.name))
                }
            };
            if keep {
                field::write(out, field.name.as_bytes(), field.value);
            }
        }
        if facts.sent == Body::Chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        if site.via {
            forwarded::write_via(out, self.is_11);
        }
        if switched {
            out.extend_from_slice(b"Connection: Upgrade\r\n");
        } else if !facts.is_interim() && !facts.tunnel {
            if facts.client_keeps {
                if !request.is_11 {
                    out.extend_from_slice(b"Connection: keep-alive\r\n");
                }
                field::write_keep_alive(out, site.keep_alive);
            } else {
                out.extend_from_slice(b"Connection: close\r\n");
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GET: request::Facts = request::Facts {
        body: Body::None,
        is_11: true,
        is_head: false,
        idempotent: true,
        keep_alive: true,
        upgrade: false,
        connect: false,
        expects: false,
        form: request::Form::Origin,
        length: 0,
    };

    const KEPT: Site = Site { keep_client: true, via: false, keep_alive: None };

    fn sent(response: &str, request: &request::Facts) -> Result<(Facts, String), Invalid> {
        let mut out = Vec::new();
        match parse(response.as_bytes(), &mut out, request, KEPT)? {
            Parsed::Complete(facts) => Ok((facts, String::from_utf8(out).unwrap())),
            Parsed::Partial => panic!("partial: {response:?}"),
        }
    }

    #[test]
    fn bodies() {
        let old = request::Facts { is_11: false, keep_alive: false, ..GET };
        let head = request::Facts { is_head: true, ..GET };
        for (response, request, body, sent_as) in [
            ("200 OK\r\nContent-Length: 5", &GET, Body::Length(5), Body::Length(5)),
            ("200 OK\r\nTransfer-Encoding: chunked", &GET, Body::Chunked, Body::Chunked),
            ("200 OK\r\nTransfer-Encoding: chunked", &old, Body::Chunked, Body::UntilClose),
            ("200 OK\r\nX: y", &GET, Body::UntilClose, Body::Chunked),
            ("200 OK\r\nX: y", &old, Body::UntilClose, Body::UntilClose),
            ("200 OK\r\nContent-Length: 5", &head, Body::None, Body::None),
            ("204 No Content\r\nContent-Length: 5", &GET, Body::None, Body::None),
            ("304 Not Modified\r\nContent-Length: 5", &GET, Body::None, Body::None),
        ] {
            let (facts, _) = sent(&format!("HTTP/1.1 {response}\r\n\r\n"), request).unwrap();
            assert_eq!((facts.body, facts.sent), (body, sent_as), "{response}");
        }
    }

    #[test]
    fn heads() {
        let (facts, head) = sent(
            "HTTP/1.1 200 Fine\r\nServer: s\r\nConnection: close, x-a\r\nX-A: 1\r\nKeep-Alive: 5\r\nContent-Length: 2\r\n\r\n",
            &GET,
        )
        .unwrap();
        assert_eq!(head, "HTTP/1.1 200 Fine\r\nServer: s\r\nContent-Length: 2\r\n\r\n");
        assert!(!facts.server_keeps && facts.client_keeps);
        let old = request::Facts { is_11: false, ..GET };
        let (_, head) = sent("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", &old).unwrap();
        assert_eq!(head, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n");
        let leaving = request::Facts { keep_alive: false, ..GET };
        let (_, head) = sent("HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", &leaving).unwrap();
        assert_eq!(head, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        let (facts, head) = sent("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", &GET).unwrap();
        assert!(facts.is_interim());
        assert_eq!(head, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    }

    #[test]
    fn invalid() {
        for response in [
            "HTTP/1.1 101 Switching\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
            "SSH-2.0-OpenSSH\r\n",
        ] {
            assert!(sent(response, &GET).is_err(), "{response:?}");
        }
    }

    #[test]
    fn a_switch_of_protocols() {
        let request = request::Facts { upgrade: true, ..GET };
        let (facts, head) = sent(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            &request,
        )
        .unwrap();
        assert!(!facts.server_keeps && !facts.client_keeps && !facts.is_interim());
        assert_eq!(
            head,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        );
    }

    #[test]
    fn a_connect_that_succeeds_is_a_tunnel() {
        let request = request::Facts { connect: true, ..GET };
        let (facts, head) = sent("HTTP/1.1 200 Go\r\nContent-Length: 5\r\nX: y\r\n\r\n", &request).unwrap();
        assert_eq!((facts.body, facts.sent), (Body::None, Body::None));
        assert!(facts.tunnel && !facts.server_keeps && !facts.client_keeps);
        assert_eq!(head, "HTTP/1.1 200 Go\r\nX: y\r\n\r\n");
        let (facts, _) = sent("HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n", &request).unwrap();
        assert_eq!((facts.body, facts.tunnel, facts.server_keeps), (Body::Length(5), false, true));
    }

    #[test]
    fn this_hop_names_itself_with_the_servers_version() {
        for (version, via) in [("1.1", "1.1 proxyd"), ("1.0", "1.0 proxyd")] {
            let response = format!("HTTP/{version} 200 OK\r\nVia: 1.1 x\r\nContent-Length: 0\r\n\r\n");
            let mut out = Vec::new();
            parse(response.as_bytes(), &mut out, &GET, Site { via: true, ..KEPT }).unwrap();
            let head = String::from_utf8(out).unwrap();
            assert!(head.ends_with(&format!("Content-Length: 0\r\nVia: {via}\r\n\r\n")), "{head}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut response = b"HTTP/1.1 200 OK\r\n".to_vec();
            response.extend_from_slice(&bytes);
            let _verdict = parse(&response, &mut Vec::new(), &GET, KEPT);
        }
    }
}
