//! `grpc.health.v1.Health/Check`: its two small messages, and the answer of a call.

use super::finding::{Finding, said};
use super::turn::{Heard, Move};

const SERVING: u64 = 1;
const STATES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/// Names of the statuses of a call.
const STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The head of the call.
pub fn head(authority: &str) -> String {
    format!(
        "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/grpc\r\n\
         TE: trailers\r\nUser-Agent: proxyd-check\r\n\r\n"
    )
}

/// A message in its frame: `HealthCheckRequest { string service = 1; }`.
pub fn body(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(1 << 3 | 2);
        let mut length = service.len();
        while length >= 0x80 {
            message.push(length as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend_from_slice(service.as_bytes());
    }
    let mut frame = vec![0];
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.append(&mut message);
    frame
}

#[derive(Clone, Copy, Debug)]
pub struct Grpc;

impl Grpc {
    pub fn hear(self, heard: Heard<'_>) -> Move {
        if !heard.ended {
            return Move::More;
        }
        let mut fields = [httparse::EMPTY_HEADER; 100];
        let mut response = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(length)) = response.parse(heard.bytes) else {
            return Move::Done(Finding::nonsense("not an answer of gRPC"));
        };
        let code = response.code.unwrap_or_default();
        if code != 200 {
            return Move::Done(Finding::refused(format!("HTTP status {code}")).with_code(code));
        }
        let mut behind = [httparse::EMPTY_HEADER; 100];
        let behind = match httparse::parse_headers(&[heard.trailers, b"\r\n"].concat(), &mut behind) {
            Ok(httparse::Status::Complete((_, fields))) => {
                fields.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect()
            }
            _ => Vec::new(),
        };
        let named = |name: &str| -> Option<Vec<u8>> {
            let own = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
            let later = behind.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            own.map(|field| field.value.to_vec()).or_else(|| later.map(|(_, value)| value.clone()))
        };
        let status =
            named("grpc-status").and_then(|value| std::str::from_utf8(&value).ok()?.parse::<u16>().ok());
        Move::Done(match status {
            None => Finding::nonsense("no status of gRPC"),
            Some(0) => match state(&heard.bytes[length..]) {
                None => Finding::nonsense("not an answer of a health check"),
                Some(SERVING) => Finding::passed("SERVING").with_code(0),
                Some(other) => {
                    let name = usize::try_from(other).ok().and_then(|other| STATES.get(other));
                    Finding::refused(*name.unwrap_or(&"an unknown state")).with_code(0)
                }
            },
            Some(status) => {
                let name = STATUSES.get(usize::from(status)).unwrap_or(&"an unknown status");
                let message = named("grpc-message").map(|text| said(&text)).unwrap_or_default();
                let text = if message.is_empty() { (*name).to_owned() } else { format!("{name}: {message}") };
                Finding::refused(text).with_code(status)
            }
        })
    }
}

/// `HealthCheckResponse { ServingStatus status = 1; }` in its frame; what is left out is 0.
fn state(frame: &[u8]) -> Option<u64> {
    let (&[packed, a, b, c, d], rest) = frame.split_first_chunk::<5>()?;
    let mut message = rest.get(..u32::from_be_bytes([a, b, c, d]) as usize)?;
    if packed != 0 {
        return None;
    }
    let mut state = 0;
    while !message.is_empty() {
        let key = number(&mut message)?;
        match key & 7 {
            0 => {
                let value = number(&mut message)?;
                if key >> 3 == 1 {
                    state = value;
                }
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(number(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(state)
}

/// A number in groups of seven bits.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::server::CheckStatus::{self, L7Ok, L7Response, L7Status};

    const HEAD: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n";

    fn verdict(head: &[u8], body: &[u8], trailers: &[u8]) -> (CheckStatus, Option<u16>, String) {
        let bytes = [head, body].concat();
        let Move::Done(found) = Grpc.hear(Heard { bytes: &bytes, ended: true, trailers }) else { panic!() };
        (found.status, found.code, found.info)
    }

    #[test]
    fn a_request_in_its_frame() {
        assert_eq!(body(""), b"\0\0\0\0\0");
        assert_eq!(body("app"), b"\0\0\0\0\x05\x0a\x03app");
        let long = "x".repeat(200);
        assert_eq!(body(&long)[..8], *b"\0\0\0\0\xcb\x0a\xc8\x01");
    }

    #[test]
    fn recorded_answers() {
        // grpcio 1.51
        let ok = b"grpc-status: 0\r\ngrpc-message: \r\n";
        assert_eq!(verdict(HEAD, b"\0\0\0\0\x02\x08\x01", ok), (L7Ok, Some(0), "SERVING".into()));
        assert_eq!(verdict(HEAD, b"\0\0\0\0\x02\x08\x02", ok), (L7Status, Some(0), "NOT_SERVING".into()));
        assert_eq!(verdict(HEAD, b"\0\0\0\0\0", ok), (L7Status, Some(0), "UNKNOWN".into()));
        let unknown = b"HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 5\r\ngrpc-message: unknown service\r\n\r\n";
        assert_eq!(verdict(unknown, b"", b""), (L7Status, Some(5), "NOT_FOUND: unknown service".into()));
        assert_eq!(verdict(HEAD, b"", b"grpc-status: 12\r\n"), (L7Status, Some(12), "UNIMPLEMENTED".into()));
        assert_eq!(verdict(HEAD, b"\0\0\0\0\x02\x08\x01", b"").0, L7Response);
        assert_eq!(verdict(b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b"", b"").1, Some(502));
        // Further fields are left alone; cut ones are not taken for anything.
        assert_eq!(verdict(HEAD, b"\0\0\0\0\x07\x12\x01x\x08\x01\x18\x05", ok).0, L7Ok);
        assert_eq!(verdict(HEAD, b"\0\0\0\0\x05\x08\x01", ok).0, L7Response);
        assert_eq!(verdict(HEAD, b"\x01\0\0\0\x02\x08\x01", ok).0, L7Response);
    }

    proptest! {
        #[test]
        fn no_answer_panics(body in proptest::collection::vec(any::<u8>(), 0..40), trailers in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = verdict(HEAD, &body, &trailers);
            let _ = verdict(&body, &trailers, b"");
            let framed = [&[0][..], &(body.len() as u32).to_be_bytes(), &body].concat();
            let _ = verdict(HEAD, &framed, b"grpc-status: 0\r\n");
        }
    }
}
