//! `MySQL` and `MariaDB`: a greeting, and for a user an answer to the login.

use super::finding::{Finding, said};
use super::turn::{Heard, Move};

/// `COM_QUIT`.
pub const GOODBYE: &[u8] = b"\x01\0\0\0\x01";

const ERROR: u8 = 0xff;
const OK: u8 = 0;
/// The server wants another kind of authentication.
const SWITCH: u8 = 0xfe;
/// Version of the protocol since 1998.
const PROTOCOL: u8 = 10;

/// `CLIENT_PROTOCOL_41` and `CLIENT_SECURE_CONNECTION`.
const CAPABILITIES: u32 = 0x0200 | 0x8000;
const MOST_PACKET: u32 = 1 << 24;
/// `utf8_general_ci`
const CHARSET: u8 = 33;

/// Longest packet that is waited for.
const LONGEST: usize = 8 * 1024;

#[derive(Debug)]
pub struct Mysql<'a> {
    user: Option<&'a str>,
    /// What the server greeted with, once it has.
    version: Option<String>,
    switched: bool,
}

impl<'a> Mysql<'a> {
    pub fn new(user: Option<&'a str>) -> Self {
        Self { user, version: None, switched: false }
    }

    /// The server takes leave of whoever has come in.
    pub fn came_in(&self) -> bool {
        self.user.is_some() && self.version.is_some()
    }

    pub fn hear(&mut self, heard: Heard<'_>) -> Move {
        let bytes = heard.bytes;
        let Some((&[a, b, c, turn], rest)) = bytes.split_first_chunk::<4>() else {
            return match (heard.ended, bytes.is_empty()) {
                (false, _) => Move::More,
                (true, true) => Move::Done(Finding::nonsense("closed without an answer")),
                (true, false) => nonsense(),
            };
        };
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        let expected = match (&self.version, self.switched) {
            (None, _) => 0,
            (Some(_), false) => 2,
            (Some(_), true) => 4,
        };
        if length == 0 || length > LONGEST || turn != expected {
            return nonsense();
        }
        let Some(packet) = rest.get(..length) else {
            return if heard.ended { nonsense() } else { Move::More };
        };
        let (kind, body) = (packet[0], &packet[1..]);
        if kind == ERROR {
            return Move::Done(error(body));
        }
        match (&self.version, self.user) {
            (None, user) => {
                let version = body.iter().position(|byte| *byte == 0).map(|end| said(&body[..end]));
                let (PROTOCOL, Some(version)) = (kind, version) else { return nonsense() };
                let Some(user) = user else { return Move::Done(Finding::passed(version)) };
                self.version = Some(version);
                Move::Say { read: length + 4, bytes: login(user) }
            }
            (Some(version), _) if kind == OK => Move::Done(Finding::passed(version.clone())),
            // No password is none in every kind of authentication.
            (Some(_), _) if kind == SWITCH && !self.switched => {
                self.switched = true;
                Move::Say { read: length + 4, bytes: vec![0, 0, 0, 3] }
            }
            _ => nonsense(),
        }
    }
}

fn nonsense() -> Move {
    Move::Done(Finding::nonsense("not an answer of MySQL"))
}

/// Code and text; of what comes in front of a greeting there is no state in between.
fn error(body: &[u8]) -> Finding {
    let Some((code, text)) = body.split_first_chunk::<2>() else {
        return Finding::nonsense("not an answer of MySQL");
    };
    let text = text.strip_prefix(b"#").and_then(|state| state.get(5..)).unwrap_or(text);
    Finding::refused(said(text)).with_code(u16::from_le_bytes(*code))
}

/// A login without a password.
fn login(user: &str) -> Vec<u8> {
    let mut body = CAPABILITIES.to_le_bytes().to_vec();
    body.extend_from_slice(&MOST_PACKET.to_le_bytes());
    body.push(CHARSET);
    body.extend_from_slice(&[0; 23]);
    body.extend_from_slice(user.as_bytes());
    // The end of the name, and a password of no bytes.
    body.extend_from_slice(&[0, 0]);
    let mut packet = (body.len() as u32).to_le_bytes();
    packet[3] = 1;
    [&packet[..], &body].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::talk::Talk;
    use super::super::talk::tests::{play, survives};
    use super::*;
    use crate::model::server::CheckStatus::{self, L7Ok, L7Response, L7Status};

    fn packet(turn: u8, body: &[u8]) -> Vec<u8> {
        let mut head = (body.len() as u32).to_le_bytes();
        head[3] = turn;
        [&head[..], body].concat()
    }

    /// `MariaDB` 10.11 of Debian 12.
    fn greeting() -> Vec<u8> {
        let mut body = b"\x0a5.5.5-10.11.6-MariaDB-0+deb12u1\0".to_vec();
        body.extend_from_slice(b"\x1e\0\0\0abcdefgh\0\xfe\xf7\x2d\x02\0\xff\x81\x15\0\0\0\0\0\0\x1d\0\0\0ijklmnopqrst\0mysql_native_password\0");
        packet(0, &body)
    }

    fn verdict(user: Option<&'static str>, bytes: &[u8]) -> (CheckStatus, Option<u16>, String, usize) {
        let [one, many] = [1, 1000].map(|size| {
            let (found, said) = play(&mut Talk::Mysql(Mysql::new(user)), bytes, size);
            let found = found.unwrap();
            (found.status, found.code, found.info, said.len())
        });
        assert_eq!(one, many);
        many
    }

    #[test]
    fn recorded_answers() {
        let version = "5.5.5-10.11.6-MariaDB-0+deb12u1".to_owned();
        assert_eq!(verdict(None, &greeting()), (L7Ok, None, version.clone(), 0));
        let blocked = packet(0, b"\xff\x69\x04Host '10.0.0.9' is blocked because of many connection errors");
        assert_eq!(
            verdict(None, &blocked),
            (L7Status, Some(1129), "Host '10.0.0.9' is blocked because of many connection errors".into(), 0)
        );
        let many = packet(0, b"\xff\x10\x04Too many connections");
        assert_eq!(verdict(None, &many).1, Some(1040));
        let ok = [greeting(), packet(2, b"\0\0\0\x02\0\0\0")].concat();
        assert_eq!(verdict(Some("proxyd"), &ok), (L7Ok, None, version.clone(), 1));
        let denied = [
            greeting(),
            packet(2, b"\xff\x15\x04#28000Access denied for user 'x'@'localhost' (using password: NO)"),
        ]
        .concat();
        assert_eq!(
            verdict(Some("x"), &denied),
            (L7Status, Some(1045), "Access denied for user 'x'@'localhost' (using password: NO)".into(), 1)
        );
        let switched =
            [greeting(), packet(2, b"\xfecaching_sha2_password\0salt\0"), packet(4, b"\0\0\0\x02\0\0\0")]
                .concat();
        assert_eq!(verdict(Some("x"), &switched), (L7Ok, None, version, 2));
        assert_eq!(verdict(None, b"SSH-2.0-OpenSSH_9.2\r\n").0, L7Response);
        assert_eq!(verdict(None, &packet(0, b"\x0a")).0, L7Response);
        assert_eq!(verdict(None, b"").2, "closed without an answer");
        assert_eq!(verdict(Some("x"), &greeting()).0, L7Response);
    }

    #[test]
    fn a_login_is_a_packet() {
        let login = login("ha");
        assert_eq!(&login[..12], b"\x24\0\0\x01\0\x82\0\0\0\0\0\x01");
        assert_eq!(&login[36..], b"ha\0\0");
        assert_eq!(login.len(), 0x24 + 4);
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60), size in 1_usize..20) {
            survives(|| Talk::Mysql(Mysql::new(None)), &bytes, size);
            survives(|| Talk::Mysql(Mysql::new(Some("x"))), &[greeting(), bytes.clone()].concat(), size);
            survives(|| Talk::Mysql(Mysql::new(Some("x"))), &[greeting(), packet(2, &bytes)].concat(), size);
        }
    }
}
