//! What is said to a server and what of its answers counts, whatever they travel over: bytes in, the next move out.
//!
//! Each protocol has a file of its own; none of them knows a socket. An answer is looked at up to one buffer, and what
//! calls for no word of ours in front of it is as long at most.

use std::time::Duration;

use super::finding::{Answer, Finding};
use super::grpc::Grpc;
use super::http::Http;
use super::link::{Line, Time};
use super::mysql::Mysql;
use super::postgres::Postgres;
use super::redis::Redis;
use super::script::Lines;
use super::smtp::Smtp;
use super::turn::{Heard, Move};
use crate::model::outcome::CheckStatus;
use crate::net::buffer::{Buffer, SMALL};

/// Most bytes that are passed over: a server that only ever gives notice would keep a check busy to its timeout.
pub const MOST_PASSED_OVER: usize = SMALL;

/// Pieces of an answer that are looked at as they come. Of one that comes in more of them all is looked at anew each time,
/// and other checks wait for that.
const EAGER: u32 = 64;

/// How long more of it is then waited for.
const BREATH: Duration = Duration::from_millis(10);

/// A conversation of some protocol.
#[derive(Debug)]
pub enum Talk<'a> {
    Http(Http<'a>),
    Grpc(Grpc),
    Script(Lines<'a>),
    Postgres(Postgres),
    Mysql(Mysql<'a>),
    Redis(Redis),
    Smtp(Smtp<'a>),
}

impl Talk<'_> {
    pub fn hear(&mut self, heard: Heard<'_>) -> Move {
        match self {
            Self::Http(talk) => talk.hear(heard),
            Self::Grpc(talk) => talk.hear(heard),
            Self::Script(talk) => talk.hear(heard),
            Self::Postgres(talk) => talk.hear(heard),
            Self::Mysql(talk) => talk.hear(heard),
            Self::Redis(talk) => talk.hear(heard),
            Self::Smtp(talk) => talk.hear(heard),
        }
    }
}

const TOO_LONG: &str = "the answer is too long";

/// Listens and answers until it is known what to think of the server.
pub async fn converse(
    link: &mut impl Line,
    talk: &mut Talk<'_>,
    answer: &mut Answer,
    time: &mut Time,
) -> Finding {
    let mut buffer = Buffer::small();
    let (mut passed_over, mut in_vain) = (0, 0);
    loop {
        if in_vain > EAGER && time.race(tokio::time::sleep(BREATH)).await.is_err() {
            return Finding::new(CheckStatus::L7Timeout, "");
        }
        let n = match link.receive(buffer.room(), time).await {
            Ok(n) => n,
            Err(finding) => return finding,
        };
        buffer.filled(n);
        answer.keep(&buffer.data()[buffer.len() - n..]);
        loop {
            let ended = n == 0 || buffer.is_full() || link.has_ended();
            match talk.hear(Heard { bytes: buffer.data(), ended, trailers: link.trailers() }) {
                Move::More if ended => {
                    return Finding::nonsense(if buffer.is_full() {
                        TOO_LONG
                    } else {
                        "closed in the middle of an answer"
                    });
                }
                Move::More => {
                    in_vain += 1;
                    break;
                }
                Move::Done(finding) => return finding,
                Move::Leave { bytes, finding } => {
                    return link.send(&bytes, time).await.err().unwrap_or(finding);
                }
                Move::Say { read, bytes } => {
                    buffer.consume(read.min(buffer.len()));
                    if bytes.is_empty() {
                        passed_over += read;
                    } else {
                        in_vain = 0;
                    }
                    if passed_over > MOST_PASSED_OVER {
                        return Finding::nonsense(TOO_LONG);
                    }
                    if let Err(finding) = link.send(&bytes, time).await {
                        return finding;
                    }
                    if buffer.is_empty() && n > 0 {
                        break;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::outcome::KEPT_ANSWER;

    /// Gives `bytes` in pieces of `size`, and says what is done at the end, and what was said on the way.
    pub(in crate::health) fn play(
        talk: &mut Talk<'_>,
        bytes: &[u8],
        size: usize,
    ) -> (Option<Finding>, Vec<Vec<u8>>) {
        let (mut heard, mut said) = (Vec::new(), Vec::new());
        let mut pieces = bytes.chunks(size.max(1)).peekable();
        loop {
            let piece = pieces.next();
            heard.extend_from_slice(piece.unwrap_or_default());
            let ended = pieces.peek().is_none();
            loop {
                match talk.hear(Heard { bytes: &heard, ended: ended && piece.is_none(), trailers: b"" }) {
                    Move::More => break,
                    Move::Done(finding) => return (Some(finding), said),
                    Move::Leave { bytes, finding } => {
                        said.push(bytes);
                        return (Some(finding), said);
                    }
                    Move::Say { read, bytes } => {
                        heard.drain(..read);
                        said.push(bytes);
                        if heard.is_empty() {
                            break;
                        }
                    }
                }
            }
            if piece.is_none() {
                return (None, said);
            }
        }
    }

    /// Whatever comes, in whatever pieces, nothing panics, and all of it in one piece says the same.
    pub(in crate::health) fn survives(make: impl Fn() -> Talk<'static>, bytes: &[u8], size: usize) {
        let (whole, _) = play(&mut make(), bytes, bytes.len());
        let (pieces, _) = play(&mut make(), bytes, size);
        assert_eq!(whole.map(|f| f.status.passed()), pieces.map(|f| f.status.passed()));
    }

    proptest! {
        #[test]
        fn an_answer_keeps_its_first_bytes(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..5)) {
            let mut answer = Answer::default();
            for piece in &pieces {
                answer.keep(piece);
            }
            let all = pieces.concat();
            prop_assert_eq!(&*answer.into_bytes(), &all[..all.len().min(KEPT_ANSWER)]);
        }
    }
}
