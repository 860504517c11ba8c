//! The head of a request, read and judged.

use std::borrow::Cow;

use super::Connection;
use crate::clock::{self, Instant};
use crate::http::forwarded::Peer;
use crate::http::refusal::Reason;
use crate::http::request::{self, Parsed, Site, Told};
use crate::net::stream::Stream;
use crate::net::timer::Elapsed;
use crate::session::h2;

/// What waiting for a request brought.
pub(super) enum Waited {
    Request(request::Facts),
    Refused(Reason),
    /// Nothing but line ends came in time.
    Idle,
    /// The client closed, or was never heard of.
    Gone,
    /// The preface of HTTP/2 (RFC 9113 3.4), or its beginning.
    Http2,
}

impl Connection {
    /// Reads a whole head; what the server is sent is then in `up_head`.
    ///
    /// The deadline is absolute: a drip of bytes does not move it.
    pub(super) async fn read_head(&mut self, deadline: Instant) -> Waited {
        let longest = self.frontend.frontend.http.max_header_bytes;
        let mut look = !self.buffer.is_empty();
        let mut waited = false;
        loop {
            if look {
                self.skip_line_ends();
                match self.parse() {
                    Ok(Parsed::Complete(facts)) => {
                        if let Some(trace) = &mut self.trace {
                            match &self.client {
                                Stream::H2(stream) => {
                                    trace.take_line_of_stream(self.buffer.data(), stream.scheme());
                                }
                                _ => trace.take_line(self.buffer.data()),
                            }
                        }
                        self.buffer.consume(facts.length);
                        if waited {
                            self.now = clock::now();
                        }
                        return Waited::Request(facts);
                    }
                    Ok(Parsed::Partial) if self.buffer.len() >= longest => {
                        return Waited::Refused(request::too_long(self.buffer.data()));
                    }
                    Ok(Parsed::Partial) => waited = true,
                    Err(_) if self.speaks_http2() => return Waited::Http2,
                    Err(reason) => return Waited::Refused(reason),
                }
            }
            let (client, buffer) = (&mut self.client, &mut self.buffer);
            let read = self.timer.within(deadline, |cx| client.poll_read(cx, buffer.room())).await;
            let n = match read {
                Ok(Ok(n)) => n,
                Ok(Err(_reset)) => return Waited::Gone,
                Err(Elapsed) if self.buffer.is_empty() && self.requests > 0 => return Waited::Idle,
                Err(Elapsed) => return Waited::Refused(Reason::HeadTimeout),
            };
            if n == 0 {
                if self.buffer.is_empty() {
                    return Waited::Gone;
                }
                return Waited::Refused(Reason::EndsEarly);
            }
            // A head ends with a line end: until one comes there is nothing new to parse.
            look = self.buffer.is_empty() || self.buffer.room()[..n].contains(&b'\n');
            self.buffer.filled(n);
            look |= self.buffer.len() >= longest;
        }
    }

    /// Line ends in front of a request are skipped (RFC 9112 2.2).
    fn skip_line_ends(&mut self) {
        let n = self.buffer.data().iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        self.buffer.consume(n);
    }

    /// Only what a connection begins with may be a preface.
    fn speaks_http2(&self) -> bool {
        self.requests == 0
            && self.frontend.frontend.http.http2.prior_knowledge
            && !self.client.is_h2()
            && h2::is_preface(self.buffer.data())
    }

    fn parse(&mut self) -> Result<Parsed, Reason> {
        if self.buffer.is_empty() {
            return Ok(Parsed::Partial);
        }
        let frontend = &self.frontend.frontend;
        let client = self.addresses.client.map(|a| a.ip());
        let headers = &frontend.client_cert_headers;
        let lines = if headers.is_empty() { Cow::default() } else { self.addresses.told_lines(headers) };
        let site = Site {
            told: Told { headers, lines: &lines },
            forward: frontend.forward,
            options: &frontend.http,
            // A Unix socket has no address that could be named.
            peer: match client {
                _ if frontend.trusted.is_empty() => Peer::Unjudged,
                Some(client) if frontend.trusted.contains(client) => Peer::Trusted,
                _ => Peer::Foreign,
            },
            client,
            port: self.addresses.local_port,
            scheme: if self.addresses.tls.is_some() { "https" } else { "http" },
            only_host: self.addresses.tls.as_ref().and_then(|tls| tls.only_host()),
            local: &|| self.addresses.destination().or_else(|| self.client.local_addr()),
        };
        if let Stream::H2(stream) = &self.client
            && stream.fields() > frontend.http.max_headers
        {
            return Err(Reason::TooManyFields);
        }
        request::parse(self.buffer.data(), &mut self.up_head, &site)
    }
}
