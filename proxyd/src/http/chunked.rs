//! Chunked bodies (RFC 9112 7.1), decoded in place and written anew.

use std::ops::Range;
use std::sync::Arc;

use super::field::{self, Field, MAX_FIELDS};
use crate::config::ClientCertHeader;

/// Bytes of a chunk's size line, extensions included.
const MAX_LINE: usize = 256;
/// Bytes of all trailer fields.
const MAX_TRAILERS: usize = 8 * 1024;

/// Where in a chunked body the decoder stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    Size,
    Data(u64),
    /// The line end behind a chunk's data.
    DataEnd,
    Trailers,
    Done,
}

/// A body that is no chunked body.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("chunked body is malformed")]
pub struct Malformed;

/// Takes framing off a chunked body. It keeps no bytes but the trailers.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// Trailer fields as they are passed on, canonical.
    trailers: Vec<u8>,
    /// Names that nobody else uses: such trailers are dropped.
    barred: Option<Arc<[ClientCertHeader]>>,
}

/// What one step found at the start of the bytes it was given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Payload in this range; everything up to its end is done with.
    Payload(Range<usize>),
    /// No payload; so many bytes are done with.
    Framing(usize),
    /// More bytes are needed.
    Partial,
    /// The body ended; so many bytes of it were given.
    Done(usize),
}

impl Default for Decoder {
    fn default() -> Self {
        Self { state: State::Size, trailers: Vec::new(), barred: None }
    }
}

impl Decoder {
    /// Trailer fields, each with its line end.
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Drops trailers of these names.
    pub fn bar(&mut self, headers: Arc<[ClientCertHeader]>) {
        self.barred = Some(headers);
    }

    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Decodes from the start of `bytes`.
    pub fn step(&mut self, bytes: &[u8]) -> Result<Step, Malformed> {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            match self.state {
                State::Size => {
                    let Some(line) = line(rest, MAX_LINE)? else {
                        return Ok(partial(at));
                    };
                    let size = size(line)?;
                    at += line.len() + 2;
                    self.state = if size == 0 { State::Trailers } else { State::Data(size) };
                }
                State::Data(left) => {
                    if rest.is_empty() {
                        return Ok(partial(at));
                    }
                    let n = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let left = left - n as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    return Ok(Step::Payload(at..at + n));
                }
                State::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        at += 2;
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => return Ok(partial(at)),
                    _ => return Err(Malformed),
                },
                State::Trailers => {
                    let Some(length) = self.trailer_section(rest)? else {
                        return Ok(partial(at));
                    };
                    self.state = State::Done;
                    return Ok(Step::Done(at + length));
                }
                State::Done => return Ok(Step::Done(at)),
            }
        }
    }

    /// The whole section at once: fields and the empty line.
    fn trailer_section(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        if bytes.starts_with(b"\r\n") {
            return Ok(Some(2));
        }
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        match httparse::parse_headers(bytes, &mut fields) {
            Ok(httparse::Status::Complete((length, fields))) => {
                if bare_line_feed(&bytes[..length]) {
                    return Err(Malformed);
                }
                for field in fields.iter().filter(|f| is_allowed_trailer(f)) {
                    if self.barred.as_ref().is_some_and(|barred| is_barred(field.name, barred)) {
                        continue;
                    }
                    field::write(&mut self.trailers, field.name.as_bytes(), field.value);
                }
                Ok(Some(length))
            }
            Ok(httparse::Status::Partial) if bytes.len() <= MAX_TRAILERS => Ok(None),
            _ => Err(Malformed),
        }
    }
}

/// Whether one of these headers has this name.
pub fn is_barred(name: &str, headers: &[ClientCertHeader]) -> bool {
    headers.iter().any(|header| header.name.eq_ignore_ascii_case(name))
}

fn partial(consumed: usize) -> Step {
    if consumed == 0 { Step::Partial } else { Step::Framing(consumed) }
}

fn bare_line_feed(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().any(|(i, &b)| b == b'\n' && (i == 0 || bytes[i - 1] != b'\r'))
}

/// Framing, routing and authentication must be known before a body (RFC 9110 6.5.1).
fn is_allowed_trailer(field: &Field<'_>) -> bool {
    let name = field.name;
    !field::is_known(name)
        && ![
            "authorization",
            "cookie",
            "set-cookie",
            "content-encoding",
            "content-type",
            "trailer",
            "cache-control",
        ]
        .iter()
        .any(|n| name.eq_ignore_ascii_case(n))
}

/// The line at the start of `bytes` without its CRLF; `None` while it is not complete.
fn line(bytes: &[u8], max: usize) -> Result<Option<&[u8]>, Malformed> {
    let window = &bytes[..bytes.len().min(max)];
    match window.iter().position(|&b| b == b'\n') {
        Some(end) if end > 0 && window[end - 1] == b'\r' => Ok(Some(&window[..end - 1])),
        Some(_) => Err(Malformed),
        None if bytes.len() >= max => Err(Malformed),
        None => Ok(None),
    }
}

/// `1*HEXDIG [ chunk-ext ]`; the extension is checked for control bytes and dropped.
fn size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let rest = &line[digits..];
    let blanks = rest.iter().take_while(|&&b| b == b' ' || b == b'\t').count();
    let extension = &rest[blanks..];
    let extension_is_fine = match extension {
        [] => line.len() == digits,
        [b';', text @ ..] => text.iter().all(|&b| b == b'\t' || (b >= b' ' && b != 0x7f)),
        _ => false,
    };
    if digits == 0 || digits > 15 || !extension_is_fine {
        return Err(Malformed);
    }
    let text = std::str::from_utf8(&line[..digits]).map_err(|_not_ascii| Malformed)?;
    u64::from_str_radix(text, 16).map_err(|_overflow| Malformed)
}

/// The size line in front of a chunk of `len` bytes.
pub fn size_line(len: usize) -> ([u8; 18], usize) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut line = [0; 18];
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4).max(1) as usize;
    for (i, place) in line[..digits].iter_mut().enumerate() {
        *place = HEX[(len >> (4 * (digits - 1 - i))) & 15];
    }
    line[digits] = b'\r';
    line[digits + 1] = b'\n';
    (line, digits + 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `body` in pieces of `piece` bytes; returns payload, trailers and what was left over.
    fn decode(body: &[u8], piece: usize) -> Result<(Vec<u8>, String, usize), Malformed> {
        let mut decoder = Decoder::default();
        let (mut held, mut payload, mut fed) = (Vec::new(), Vec::new(), 0);
        loop {
            match decoder.step(&held)? {
                Step::Payload(range) => {
                    payload.extend_from_slice(&held[range.clone()]);
                    held.drain(..range.end);
                }
                Step::Framing(n) => drop(held.drain(..n)),
                Step::Done(n) => {
                    let left = held.len() - n + body.len() - fed;
                    return Ok((payload, String::from_utf8_lossy(decoder.trailers()).into_owned(), left));
                }
                Step::Partial => {
                    if fed == body.len() {
                        return Ok((payload, "partial".into(), 0));
                    }
                    let n = piece.min(body.len() - fed);
                    held.extend_from_slice(&body[fed..fed + n]);
                    fed += n;
                }
            }
        }
    }

    #[test]
    fn bodies() {
        for piece in [1, 2, 3, 7, 100] {
            let body = b"4\r\nWiki\r\n5;x=\"y\"\r\npedia\r\n0\r\nX-Sum: 1\r\nHost: evil\r\n\r\nnext";
            assert_eq!(decode(body, piece), Ok((b"Wikipedia".to_vec(), "X-Sum: 1\r\n".into(), 4)), "{piece}");
            assert_eq!(decode(b"0\r\n\r\n", piece), Ok((Vec::new(), String::new(), 0)));
        }
    }

    #[test]
    fn malformed() {
        for body in [
            "\r\n",
            "x\r\n",
            "0x5\r\nhello\r\n",
            "+5\r\n",
            "5 5\r\n",
            "5 \r\nhello\r\n",
            "5\nhello\n0\n\n",
            "5\r\nhelloX\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "FFFFFFFFFFFFFFFF0\r\n",
            "8000000000000000\r\n",
            "5;\x01\r\nhello\r\n",
            "5;a\rb\r\nhello\r\n",
            "5\r;a\r\nhello\r\n",
            "5\x0c;a\r\nhello\r\n",
            "0\r\nbad header\r\n\r\n",
            "0\r\nA: b\n\r\n",
            ";\r\n",
        ] {
            for piece in [1, 1000] {
                assert_eq!(decode(body.as_bytes(), piece), Err(Malformed), "{body:?} in pieces of {piece}");
            }
        }
        let long = format!("5;{}\r\nhello\r\n", "x".repeat(300));
        assert_eq!(decode(long.as_bytes(), 1000), Err(Malformed));
    }

    #[test]
    fn size_lines() {
        for len in [0, 1, 15, 16, 255, 4096, 65_535, 1 << 30] {
            let (line, n) = size_line(len);
            assert_eq!(std::str::from_utf8(&line[..n]).unwrap(), format!("{len:x}\r\n"));
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..10), piece in 1_usize..50) {
            let mut body = Vec::new();
            for chunk in &chunks {
                let (line, n) = size_line(chunk.len());
                body.extend_from_slice(&line[..n]);
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\n");
            prop_assert_eq!(decode(&body, piece), Ok((chunks.concat(), String::new(), 0)));
        }

        #[test]
        fn nothing_panics(body in proptest::collection::vec(any::<u8>(), 0..200), piece in 1_usize..50) {
            let _verdict = decode(&body, piece);
        }
    }
}
