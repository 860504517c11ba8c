//! Redis: `PING` is answered with `PONG`.

use super::finding::{Finding, said};
use super::turn::{Heard, Move};

pub const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
pub const GOODBYE: &[u8] = b"*1\r\n$4\r\nQUIT\r\n";

#[derive(Clone, Copy, Debug)]
pub struct Redis;

impl Redis {
    pub fn hear(self, heard: Heard<'_>) -> Move {
        let Some(end) = heard.bytes.windows(2).position(|pair| pair == b"\r\n") else {
            let line = &b"+PONG\r\n"[..heard.bytes.len().min(7)];
            // What begins otherwise, and is no error, is no Redis: nothing is waited for.
            if heard.ended || !(heard.bytes.starts_with(b"-") || heard.bytes == line) {
                return Move::Done(Finding::nonsense(match said(heard.bytes) {
                    text if text.is_empty() => "closed without an answer".to_owned(),
                    text => text,
                }));
            }
            return Move::More;
        };
        let line = &heard.bytes[..end];
        Move::Done(match line {
            b"+PONG" => Finding::passed("Redis server is ok"),
            [b'-', error @ ..] => Finding::refused(said(error)),
            other => Finding::nonsense(said(other)),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::talk::Talk;
    use super::super::talk::tests::{play, survives};
    use super::*;
    use crate::model::server::CheckStatus::{self, L7Ok, L7Response, L7Status};

    fn verdict(bytes: &[u8]) -> (CheckStatus, String) {
        let found: Vec<_> =
            [1, 3, 100].map(|size| play(&mut Talk::Redis(Redis), bytes, size).0.unwrap()).into();
        assert!(found.iter().all(|f| f.status == found[2].status), "{found:?}");
        (found[2].status, found[2].info.clone())
    }

    #[test]
    fn recorded_answers() {
        assert_eq!(verdict(b"+PONG\r\n"), (L7Ok, "Redis server is ok".into()));
        assert_eq!(
            verdict(b"-NOAUTH Authentication required.\r\n"),
            (L7Status, "NOAUTH Authentication required.".into())
        );
        assert_eq!(
            verdict(b"-LOADING Redis is loading the dataset in memory\r\n"),
            (L7Status, "LOADING Redis is loading the dataset in memory".into())
        );
        assert_eq!(verdict(b"HTTP/1.1 400 Bad Request\r\n\r\n").0, L7Response);
        assert_eq!(verdict(b"+PON").0, L7Response);
        assert_eq!(verdict(b""), (L7Response, "closed without an answer".into()));
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100), size in 1_usize..20) {
            survives(|| Talk::Redis(Redis), &bytes, size);
        }
    }
}
