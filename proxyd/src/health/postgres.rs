//! `PostgreSQL`: whoever starts a session is asked for a password, or for none (frontend/backend protocol 3.0).

use super::finding::{Finding, said};
use super::turn::{Heard, Move};

/// Terminate.
pub const GOODBYE: &[u8] = b"X\0\0\0\x04";

/// 3.0
const PROTOCOL: u32 = 196_608;

/// Kinds of authentication that a server may ask for.
const KINDS: [u32; 9] = [0, 2, 3, 4, 5, 6, 7, 9, 10];

/// Longest message that is waited for.
const LONGEST: u32 = 8 * 1024;

#[derive(Clone, Copy, Debug)]
pub struct Postgres;

/// The message that starts a session.
pub fn startup(user: &str, database: Option<&str>) -> Vec<u8> {
    let mut body = PROTOCOL.to_be_bytes().to_vec();
    for (name, value) in [("user", Some(user)), ("database", database)] {
        let Some(value) = value else { continue };
        for text in [name, value] {
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
    }
    body.push(0);
    let mut message = (body.len() as u32 + 4).to_be_bytes().to_vec();
    message.append(&mut body);
    message
}

impl Postgres {
    pub fn hear(self, heard: Heard<'_>) -> Move {
        let bytes = heard.bytes;
        if bytes.is_empty() && heard.ended {
            return Move::Done(Finding::nonsense("closed without an answer"));
        }
        if bytes.first().is_some_and(|kind| !matches!(kind, b'R' | b'E' | b'N')) {
            return Move::Done(Finding::nonsense("not an answer of PostgreSQL"));
        }
        let Some((&[kind, a, b, c, d], rest)) = bytes.split_first_chunk::<5>() else { return waits(heard) };
        let length = u32::from_be_bytes([a, b, c, d]);
        if !(4..=LONGEST).contains(&length) {
            // Before version 3 an error was text up to a zero byte.
            return Move::Done(Finding::nonsense(match kind {
                b'E' => said(&bytes[1..]),
                _ => "not an answer of PostgreSQL".to_owned(),
            }));
        }
        let Some(body) = rest.get(..length as usize - 4) else { return waits(heard) };
        match kind {
            b'E' => Move::Done(Finding::nonsense(error(body))),
            // A notice may come in front.
            b'N' => Move::Say { read: length as usize + 1, bytes: Vec::new() },
            _ => Move::Done(match body.first_chunk::<4>() {
                Some(asked) if KINDS.contains(&u32::from_be_bytes(*asked)) => {
                    Finding::passed("PostgreSQL server is ok")
                }
                _ => Finding::refused("PostgreSQL unknown error"),
            }),
        }
    }
}

fn waits(heard: Heard<'_>) -> Move {
    if heard.ended { Move::Done(Finding::nonsense("not an answer of PostgreSQL")) } else { Move::More }
}

/// Severity, code and text of an error's fields.
fn error(body: &[u8]) -> String {
    let fields = body.split(|byte| *byte == 0);
    let field =
        |kind: u8| fields.clone().find_map(|field| field.strip_prefix(&[kind])).map(said).unwrap_or_default();
    let (severity, code, text) = (field(b'S'), field(b'C'), field(b'M'));
    if code.is_empty() { format!("{severity}: {text}") } else { format!("{severity}: {text} ({code})") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::talk::Talk;
    use super::super::talk::tests::{play, survives};
    use super::*;
    use crate::model::server::CheckStatus::{self, L7Ok, L7Response, L7Status};

    fn verdict(bytes: &[u8]) -> (CheckStatus, String) {
        let [one, many] = [1, 1000].map(|size| play(&mut Talk::Postgres(Postgres), bytes, size).0.unwrap());
        assert_eq!(one.status, many.status);
        (many.status, many.info)
    }

    #[test]
    fn the_first_message() {
        assert_eq!(startup("ha", None), b"\0\0\0\x11\0\x03\0\0user\0ha\0\0");
        assert_eq!(startup("a", Some("b")), b"\0\0\0\x1b\0\x03\0\0user\0a\0database\0b\0\0");
    }

    #[test]
    fn recorded_answers() {
        let ok = (L7Ok, "PostgreSQL server is ok".to_owned());
        // trust, with what follows
        assert_eq!(verdict(b"R\0\0\0\x08\0\0\0\0S\0\0\0\x16application_name\0\0"), ok);
        assert_eq!(verdict(b"R\0\0\0\x0c\0\0\0\x05\x0e\x1f\xa2\x9b"), ok);
        assert_eq!(verdict(b"R\0\0\0\x17\0\0\0\nSCRAM-SHA-256\0\0"), ok);
        let starting = b"E\0\0\0\x61SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0Fpostmaster.c\0L2356\0RProcessStartupPacket\0\0";
        let mut whole = starting.to_vec();
        let length = (whole.len() - 1) as u8;
        whole[4] = length;
        assert_eq!(verdict(&whole), (L7Response, "FATAL: the database system is starting up (57P03)".into()));
        assert_eq!(verdict(b"R\0\0\0\x08\0\0\0\x63").0, L7Status);
        assert_eq!(verdict(b"R\0\0\0\x06\0\0").0, L7Status);
        assert_eq!(verdict(b"Eunsupported frontend protocol\n\0").0, L7Response);
        assert_eq!(verdict(b"R\0\0").0, L7Response);
        assert_eq!(verdict(b"HTTP/1.1 400").1, "not an answer of PostgreSQL");
        assert_eq!(verdict(b"").1, "closed without an answer");
    }

    proptest! {
        #[test]
        fn no_answer_panics(kind in "[REN]", bytes in proptest::collection::vec(any::<u8>(), 0..60), size in 1_usize..20) {
            survives(|| Talk::Postgres(Postgres), &bytes, size);
            survives(|| Talk::Postgres(Postgres), &[kind.as_bytes(), &bytes].concat(), size);
        }

        #[test]
        fn no_body_panics(kind in "[REN]", bytes in proptest::collection::vec(any::<u8>(), 0..60), size in 1_usize..20) {
            let length = (bytes.len() as u32 + 4).to_be_bytes();
            survives(|| Talk::Postgres(Postgres), &[kind.as_bytes(), &length, &bytes].concat(), size);
        }
    }
}
