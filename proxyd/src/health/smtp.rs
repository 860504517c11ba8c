//! SMTP: a greeting, and an answer to `EHLO` (RFC 5321 4.2).

use super::finding::{Finding, said};
use super::turn::{Heard, Move};

pub const GOODBYE: &[u8] = b"QUIT\r\n";

#[derive(Debug)]
pub struct Smtp<'a> {
    helo: &'a str,
    greeted: bool,
}

impl<'a> Smtp<'a> {
    pub fn new(helo: &'a str) -> Self {
        Self { helo, greeted: false }
    }

    pub fn hear(&mut self, heard: Heard<'_>) -> Move {
        let Reply { code, line, length } = match reply(heard.bytes) {
            Ok(Some(reply)) => reply,
            Ok(None) if !heard.ended => return Move::More,
            Ok(None) if heard.bytes.is_empty() => {
                return Move::Done(Finding::nonsense("closed without an answer"));
            }
            _ => return Move::Done(Finding::nonsense(said(heard.bytes))),
        };
        if code / 100 != 2 {
            return Move::Done(Finding::refused(said(line)).with_code(code));
        }
        if self.greeted {
            return Move::Done(Finding::passed(said(line)).with_code(code));
        }
        self.greeted = true;
        Move::Say { read: length, bytes: format!("EHLO {}\r\n", self.helo).into_bytes() }
    }
}

/// Not an answer of SMTP.
struct Nonsense;

struct Reply<'a> {
    code: u16,
    /// Text of the first line.
    line: &'a [u8],
    length: usize,
}

/// Nothing while it is not whole.
fn reply(bytes: &[u8]) -> Result<Option<Reply<'_>>, Nonsense> {
    let (mut at, mut first) = (0, None);
    loop {
        let rest = &bytes[at..];
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = rest[..end.unwrap_or(rest.len())].trim_ascii_end();
        // Each line begins with the same three digits.
        let digits = line.iter().take(3).all(u8::is_ascii_digit);
        if !digits
            || (end.is_some() && line.len() < 3)
            || line.get(3).is_some_and(|byte| !b" -".contains(byte))
        {
            return Err(Nonsense);
        }
        let Some(end) = end else { return Ok(None) };
        let code = line[..3].iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        let text = line.get(4..).unwrap_or_default();
        let (known, shown) = *first.get_or_insert((code, text));
        if known != code {
            return Err(Nonsense);
        }
        at += end + 1;
        if line.get(3) != Some(&b'-') {
            return Ok(Some(Reply { code, line: shown, length: at }));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::talk::Talk;
    use super::super::talk::tests::{play, survives};
    use super::*;
    use crate::model::server::CheckStatus::{self, L7Ok, L7Response, L7Status};

    fn verdict(bytes: &[u8]) -> (CheckStatus, Option<u16>, String, usize) {
        let [one, many] = [1, 1000].map(|size| {
            let (found, said) = play(&mut Talk::Smtp(Smtp::new("localhost")), bytes, size);
            assert!(said.iter().all(|said| said == b"EHLO localhost\r\n"));
            let found = found.unwrap();
            (found.status, found.code, found.info, said.len())
        });
        assert_eq!((one.0, one.1, one.3), (many.0, many.1, many.3));
        many
    }

    #[test]
    fn recorded_answers() {
        // Postfix.
        let postfix =
            b"220 mail.example.com ESMTP Postfix (Debian/GNU)\r\n250-mail.example.com\r\n250-PIPELINING\r\n\
            250-SIZE 10240000\r\n250-ETRN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 DSN\r\n";
        assert_eq!(verdict(postfix), (L7Ok, Some(250), "mail.example.com".into(), 1));
        // Exim, with a greeting of two lines.
        let exim =
            b"220-mx ESMTP Exim 4.96\r\n220 no spam\r\n250-mx Hello localhost [127.0.0.1]\r\n250 HELP\r\n";
        assert_eq!(verdict(exim), (L7Ok, Some(250), "mx Hello localhost [127.0.0.1]".into(), 1));
        let busy = b"421 4.3.2 Service not available, closing transmission channel\r\n";
        assert_eq!(
            verdict(busy),
            (L7Status, Some(421), "4.3.2 Service not available, closing transmission channel".into(), 0)
        );
        let refused = b"220 x\r\n501 5.5.4 Invalid domain name\r\n";
        assert_eq!(verdict(refused), (L7Status, Some(501), "5.5.4 Invalid domain name".into(), 1));
        assert_eq!(verdict(b"220 x\r\n").0, L7Response);
        assert_eq!(verdict(b"SSH-2.0-OpenSSH_9.2\r\n"), (L7Response, None, "SSH-2.0-OpenSSH_9.2".into(), 0));
        assert_eq!(verdict(b"220-a\r\n250 b\r\n").0, L7Response);
        assert_eq!(verdict(b"").2, "closed without an answer");
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100), size in 1_usize..20) {
            survives(|| Talk::Smtp(Smtp::new("x")), &bytes, size);
        }

        #[test]
        fn nothing_like_an_answer_panics(text in "(2[0-9]{2}[- ][a-z]{0,5}\r?\n){0,4}[0-9]{0,3}", size in 1_usize..20) {
            survives(|| Talk::Smtp(Smtp::new("x")), text.as_bytes(), size);
        }
    }
}
