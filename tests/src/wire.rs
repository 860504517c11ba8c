//! HTTP/1 on the wire, as strict as RFC 9112: what a test reads with must not forgive what it is there to find.

use std::io::{self, ErrorKind, Read};

/// Bodies are kept up to here and counted beyond.
const KEPT: usize = 4 << 20;

/// A message head: its first line and its fields in order, names as received.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Head {
    pub first: String,
    pub fields: Vec<(String, String)>,
    /// The bytes it was read from.
    pub raw: Vec<u8>,
}

/// A message body as it came off the wire.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Body {
    pub bytes: Vec<u8>,
    /// All of it, also what was not kept.
    pub len: u64,
    pub chunked: bool,
    pub trailers: Vec<(String, String)>,
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    Empty,
    Length(u64),
    Chunked,
    UntilClose,
}

/// Reads messages from a connection, keeping what belongs to the next one.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    buf: Vec<u8>,
}

impl Head {
    /// The first field of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// How many fields have that name.
    pub fn count(&self, name: &str) -> usize {
        self.fields.iter().filter(|(it, _)| it.eq_ignore_ascii_case(name)).count()
    }

    /// The word of the first line at that place.
    pub fn word(&self, at: usize) -> &str {
        self.first.split(' ').nth(at).unwrap_or_default()
    }

    /// Parses a head that ends in an empty line; the error names what a strict recipient refuses.
    pub fn parse(raw: &[u8]) -> Result<Self, String> {
        let body = raw.strip_suffix(b"\r\n\r\n").ok_or("no empty line")?;
        let text: String = body.iter().map(|&byte| char::from(byte)).collect();
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default().to_owned();
        if let Some(odd) = text.replace("\r\n", "").chars().find(|it| matches!(it, '\r' | '\n' | '\0')) {
            return Err(format!("a bare {odd:?}"));
        }
        if first.split(' ').count() < 3 {
            return Err(format!("first line {first:?}"));
        }
        let mut fields = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':').ok_or_else(|| format!("no colon: {line:?}"))?;
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(format!("field name {name:?}"));
            }
            if value.bytes().any(|byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) {
                return Err(format!("field value {value:?}"));
            }
            fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
        }
        Ok(Self { first, fields, raw: raw.to_vec() })
    }

    /// How a request with this head is framed.
    pub fn request_framing(&self) -> Result<Framing, String> {
        if !matches!(self.word(2), "HTTP/1.1" | "HTTP/1.0") || self.first.split(' ').count() != 3 {
            return Err(format!("request line {:?}", self.first));
        }
        if self.word(2) == "HTTP/1.1" && self.count("host") != 1 {
            return Err(format!("{} Host fields", self.count("host")));
        }
        Ok(self.framing()?.unwrap_or(Framing::Empty))
    }

    /// How a response with this head to that method is framed.
    pub fn response_framing(&self, method: &str) -> Result<Framing, String> {
        let bodiless =
            method == "HEAD" || matches!(self.word(1), "204" | "304") || self.word(1).starts_with('1');
        let framing = self.framing()?.unwrap_or(Framing::UntilClose);
        Ok(if bodiless { Framing::Empty } else { framing })
    }

    fn framing(&self) -> Result<Option<Framing>, String> {
        match (self.count("transfer-encoding"), self.count("content-length")) {
            (0, 0) => Ok(None),
            (0, 1) => {
                let value = self.get("content-length").unwrap_or_default();
                if value.is_empty() || !value.bytes().all(|it| it.is_ascii_digit()) {
                    return Err(format!("Content-Length {value:?}"));
                }
                Ok(Some(Framing::Length(value.parse().map_err(|error| format!("Content-Length: {error}"))?)))
            }
            (1, 0) if self.get("transfer-encoding") == Some("chunked") => Ok(Some(Framing::Chunked)),
            (te, cl) => Err(format!("{te} Transfer-Encoding and {cl} Content-Length: {:?}", self.fields)),
        }
    }
}

impl<R: Read> Reader<R> {
    /// Reads from `inner` on.
    pub fn new(inner: R) -> Self {
        Self { inner, buf: Vec::new() }
    }

    /// The connection itself.
    pub fn inner(&mut self) -> &mut R {
        &mut self.inner
    }

    /// Everything received and not yet taken.
    pub fn pending(&self) -> &[u8] {
        &self.buf
    }

    /// Receives once; 0 is the end.
    pub fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 16 << 10];
        let n = self.inner.read(&mut chunk)?;
        self.buf.extend_from_slice(&chunk[..n]);
        Ok(n)
    }

    /// Reads through the first occurrence of `end`.
    pub fn until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        let mut from = 0;
        loop {
            if let Some(at) = find(&self.buf[from..], end) {
                return Ok(self.take(from + at + end.len()));
            }
            from = self.buf.len().saturating_sub(end.len() - 1);
            if self.fill()? == 0 {
                return Err(self.ended("in front of its delimiter"));
            }
        }
    }

    /// Reads exactly so much.
    pub fn exactly(&mut self, n: usize) -> io::Result<Vec<u8>> {
        while self.buf.len() < n {
            if self.fill()? == 0 {
                return Err(self.ended("before its length"));
            }
        }
        Ok(self.take(n))
    }

    /// Reads to the end of the stream.
    pub fn to_end(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? != 0 {}
        Ok(std::mem::take(&mut self.buf))
    }

    /// The next head; `None` when the peer closed between messages.
    pub fn head(&mut self) -> io::Result<Option<Head>> {
        if self.buf.is_empty() && self.fill()? == 0 {
            return Ok(None);
        }
        let raw = self.until(b"\r\n\r\n")?;
        Head::parse(&raw).map(Some).map_err(|error| invalid(&format!("{error} in {:?}", show(&raw))))
    }

    /// A body of that framing.
    pub fn body(&mut self, framing: Framing) -> io::Result<Body> {
        let mut body = Body::default();
        match framing {
            Framing::Empty => {}
            Framing::Length(len) => self.counted(len, &mut body)?,
            Framing::UntilClose => loop {
                let n = self.buf.len();
                self.keep(n, &mut body);
                if self.fill()? == 0 {
                    break;
                }
            },
            Framing::Chunked => {
                body.chunked = true;
                while self.chunk(&mut body)? {}
                loop {
                    let line = self.until(b"\r\n")?;
                    let text = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
                    let Some((name, value)) = text.split_once(':') else { break };
                    body.trailers.push((name.to_owned(), value.trim().to_owned()));
                }
            }
        }
        Ok(body)
    }

    fn chunk(&mut self, body: &mut Body) -> io::Result<bool> {
        let line = self.until(b"\r\n")?;
        let text = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
        let size = text.split(';').next().unwrap_or_default();
        if size.is_empty() || size.len() > 16 || !size.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Err(invalid(&format!("chunk size {text:?}")));
        }
        let size = u64::from_str_radix(size, 16).map_err(|error| invalid(&format!("chunk size: {error}")))?;
        if size == 0 {
            return Ok(false);
        }
        self.counted(size, body)?;
        match self.exactly(2)?.as_slice() {
            b"\r\n" => Ok(true),
            other => Err(invalid(&format!("{other:?} after a chunk"))),
        }
    }

    fn counted(&mut self, len: u64, body: &mut Body) -> io::Result<()> {
        let mut left = len;
        while left > 0 {
            if self.buf.is_empty() && self.fill()? == 0 {
                return Err(self.ended("inside a body"));
            }
            let n = self.buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.keep(n, body);
            left -= n as u64;
        }
        Ok(())
    }

    fn keep(&mut self, n: usize, body: &mut Body) {
        let room = KEPT.saturating_sub(body.bytes.len()).min(n);
        body.bytes.extend_from_slice(&self.buf[..room]);
        body.len += n as u64;
        self.buf.drain(..n);
    }

    fn take(&mut self, n: usize) -> Vec<u8> {
        self.buf.drain(..n).collect()
    }

    fn ended(&self, place: &str) -> io::Error {
        io::Error::new(ErrorKind::UnexpectedEof, format!("closed {place}, after {:?}", show(&self.buf)))
    }
}

/// Bytes for a message of a failing test.
pub fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(2048)]).into_owned()
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|it| it == needle)
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(head: &str) -> String {
        Head::parse(head.as_bytes()).and_then(|it| it.request_framing()).unwrap_err()
    }

    #[test]
    fn refuses_what_a_strict_server_refuses() {
        assert!(refused("GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n").contains("field name"));
        assert!(refused("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n").contains("no colon"));
        assert!(refused("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n").contains("bare"));
        assert!(refused("GET / HTTP/1.1\r\n\r\n").contains("0 Host"));
        assert!(refused("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n").contains("request line"));
        assert!(
            refused("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n").contains("Content-Length")
        );
        let both = "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(refused(both).contains("1 Transfer-Encoding and 1"));
    }

    #[test]
    fn reads_one_message_after_the_other() {
        let stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\nHTTP/1.1 204 No\r\n\r\n";
        let mut reader = Reader::new(&stream[..]);
        let first = reader.head().unwrap().unwrap();
        let body = reader.body(first.response_framing("GET").unwrap()).unwrap();
        assert_eq!((body.bytes.as_slice(), body.trailers.len()), (&b"abc"[..], 1));
        let second = reader.head().unwrap().unwrap();
        assert_eq!(second.response_framing("GET"), Ok(Framing::Empty));
        assert_eq!(reader.head().unwrap(), None);
    }
}
