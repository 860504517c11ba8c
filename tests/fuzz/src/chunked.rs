//! Chunked bodies: however they are cut, the decoder finds what the grammar says.

use harness::wire::Head;
use proxyd::http::chunked::{Decoder, Step};

/// What a body holds.
#[derive(Debug, Eq, PartialEq)]
struct Body {
    payload: Vec<u8>,
    /// Bytes of it, line ends and all.
    length: usize,
}

/// The first byte says in pieces of how many bytes the rest arrives.
pub fn chunked(bytes: &[u8]) {
    let Some((piece, body)) = bytes.split_first() else { return };
    let whole = decode(body, body.len().max(1));
    let pieces = decode(body, usize::from(*piece).max(1));
    assert_eq!(whole, pieces, "it matters how it is cut");
    let Some((found, trailers)) = whole else { return };
    assert_eq!(Some(found), by_the_grammar(body), "the grammar says something else");
    let head = [b"GET / HTTP/1.1\r\n".as_slice(), &trailers, b"\r\n"].concat();
    let head = Head::parse(&head).expect("a strict parser takes the trailers");
    for name in ["host", "content-length", "transfer-encoding", "connection", "cookie", "authorization"] {
        assert_eq!(head.get(name), None, "no place for it is behind a body");
    }
}

fn decode(body: &[u8], piece: usize) -> Option<(Body, Vec<u8>)> {
    let mut decoder = Decoder::default();
    let (mut held, mut fed, mut payload) = (Vec::new(), 0, Vec::new());
    loop {
        match decoder.step(&held).ok()? {
            Step::Payload(range) => {
                payload.extend_from_slice(&held[range.clone()]);
                held.drain(..range.end);
            }
            Step::Framing(n) => drop(held.drain(..n)),
            Step::Done(n) => {
                let length = fed - held.len() + n;
                return Some((Body { payload, length }, decoder.trailers().to_vec()));
            }
            Step::Partial if fed == body.len() => return None,
            Step::Partial => {
                let n = piece.min(body.len() - fed);
                held.extend_from_slice(&body[fed..fed + n]);
                fed += n;
            }
        }
    }
}

/// RFC 9112 7.1, with the blanks in front of an extension that it asks a recipient to bear.
fn by_the_grammar(body: &[u8]) -> Option<Body> {
    let mut rest = body;
    let mut payload = Vec::new();
    loop {
        let line = line(&mut rest)?;
        let size = line.split(|it| *it == b';').next()?;
        let size = if size.len() < line.len() { size.trim_ascii_end() } else { size };
        if size.is_empty() || !size.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let size = size.iter().try_fold(0_usize, |n, digit| {
            n.checked_mul(16)?.checked_add(usize::try_from(char::from(*digit).to_digit(16)?).ok()?)
        })?;
        if size == 0 {
            break;
        }
        payload.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
    while !line(&mut rest)?.is_empty() {}
    Some(Body { payload, length: body.len() - rest.len() })
}

/// A line without its CRLF, and no other line end in it.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let at = rest.windows(2).position(|it| it == b"\r\n")?;
    let (line, after) = (&rest[..at], &rest[at + 2..]);
    *rest = after;
    (!line.contains(&b'\r') && !line.contains(&b'\n')).then_some(line)
}
