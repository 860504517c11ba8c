//! Health checks: whatever a server says, and however it says it, a check ends in its time with one of the known words.

use std::cell::RefCell;
use std::future;
use std::time::Duration;

use proxyd::clock::{self, Instant};
use proxyd::config::check::{Expect, HttpCheck, Pattern, Regex, StatusRange, Step};
use proxyd::health::agent::{self, words};
use proxyd::health::finding::{Answer, Finding, LONGEST_INFO};
use proxyd::health::grpc::Grpc;
use proxyd::health::http::{Framing, Http};
use proxyd::health::link::{Line, Time};
use proxyd::health::mysql::Mysql;
use proxyd::health::postgres::Postgres;
use proxyd::health::redis::Redis;
use proxyd::health::script::{Lines, parts};
use proxyd::health::smtp::Smtp;
use proxyd::health::talk::{MOST_PASSED_OVER, Talk, converse};
use proxyd::model::outcome::{CheckStatus, KEPT_ANSWER, Outcome};
use proxyd::net::buffer::SMALL;

const TIMEOUT: Duration = Duration::from_secs(2);

/// What becomes of a conversation.
const VERDICTS: [CheckStatus; 7] = [
    CheckStatus::L7Ok,
    CheckStatus::L7OkConditional,
    CheckStatus::L7Status,
    CheckStatus::L7Response,
    CheckStatus::L7Timeout,
    CheckStatus::L4Con,
    CheckStatus::L4Timeout,
];

thread_local! {
    /// Its clock stands still but where all wait for it.
    static RUNTIME: RefCell<tokio::runtime::Runtime> = RefCell::new(
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime"),
    );
    static WANTED: Wanted = Wanted::new();
}

/// What is expected of servers.
struct Wanted {
    status: HttpCheck,
    content: HttpCheck,
    stream: HttpCheck,
    script: Vec<Step>,
}

/// How a server goes on behind its last byte.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Behind {
    Close,
    Silence,
    /// It says the same again, for ever.
    Again,
    Reset,
}

/// A server that says what it is told to.
struct Server<'a> {
    bytes: &'a [u8],
    trailers: &'a [u8],
    behind: Behind,
    /// Bytes that it says at once.
    piece: usize,
    /// Time in front of each piece.
    gap: Duration,
    /// When it said the last one that was heard.
    said: Instant,
    at: usize,
    told: Vec<u8>,
    heard: usize,
    total: usize,
}

/// The first bytes say what is asked, how the server behaves, in pieces of how many bytes it speaks, and how many of the last
/// ones are trailers.
pub fn check(bytes: &[u8]) {
    let Some((&[kind, manner, piece, trailers], bytes)) = bytes.split_first_chunk::<4>() else { return };
    let (bytes, trailers) = bytes.split_at(bytes.len().saturating_sub(trailers.into()));
    let behind = [Behind::Close, Behind::Silence, Behind::Again, Behind::Reset][usize::from(manner % 4)];
    let gap = Duration::from_millis([0, 0, 1, 700][usize::from(manner / 4 % 4)]);
    if kind % KINDS == AGENT {
        return answer_of_agent(bytes);
    }
    WANTED.with(|wanted| {
        let server = |piece| {
            move || Server {
                bytes,
                trailers,
                behind,
                piece: usize::from(piece),
                gap,
                said: clock::now(),
                at: 0,
                told: Vec::new(),
                heard: 0,
                total: 0,
            }
        };
        let pieces = ask(wanted.talk(kind), server(piece));
        // A script forgets all it heard when it speaks: there it matters what came before.
        let timely = behind == Behind::Close && gap.is_zero() && bytes.len() < SMALL;
        if timely && kind % KINDS != SCRIPT {
            let whole = ask(wanted.talk(kind), server(0));
            let verdict = |outcome: &Outcome| (outcome.status, outcome.code);
            assert_eq!(verdict(&whole), verdict(&pieces), "it matters how it is cut");
        }
    });
}

const KINDS: u8 = 11;
const SCRIPT: u8 = 4;
const AGENT: u8 = 10;

impl Wanted {
    fn new() -> Self {
        let regex = |text: &str| {
            let regex = regex::bytes::RegexBuilder::new(text).unicode(false).build();
            Pattern::Regex(Regex(regex.expect("a regular expression")))
        };
        let text = |text: &str| Pattern::Text(text.to_owned());
        let check = |expect| HttpCheck {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: None,
            version: None,
            headers: Vec::new(),
            body: String::new(),
            expect,
            disable_on_404: true,
        };
        let good = || Expect::Status(vec![StatusRange { first: 200, last: 399 }]);
        let expect = |pattern| Step::Expect { pattern, unwanted: false };
        Self {
            status: check(vec![good()]),
            content: check(vec![
                good(),
                Expect::Header { name: "x-ready".to_owned(), value: Some(text("yes")) },
                Expect::Body(text("fine")),
                Expect::Not(Box::new(Expect::Body(regex("err(or)?$")))),
            ]),
            stream: check(vec![Expect::Body(regex("^ok"))]),
            script: vec![
                expect(text("220")),
                Step::Send(b"EHLO x\r\n".to_vec()),
                Step::Expect { pattern: text("ERR"), unwanted: true },
                expect(regex("25[0-9] ")),
                Step::Send(b"NOOP\r\n".to_vec()),
                expect(Pattern::Binary(vec![0, 1])),
                Step::Send(b"QUIT\r\n".to_vec()),
            ],
        }
    }

    /// The conversation, and how many words of ours there are in it at most.
    fn talk(&self, kind: u8) -> (Talk<'_>, usize) {
        match kind % KINDS {
            0 => (Talk::Http(Http::new(&self.status, Framing::Text, true)), 0),
            1 => (Talk::Http(Http::new(&self.content, Framing::Text, false)), 0),
            2 => (Talk::Http(Http::new(&self.stream, Framing::Stream, false)), 0),
            3 => (Talk::Grpc(Grpc), 0),
            SCRIPT => {
                let part = parts(&self.script).next().expect("it has a connection");
                (Talk::Script(Lines::new(part)), 3)
            }
            5 => (Talk::Postgres(Postgres), 0),
            6 => (Talk::Mysql(Mysql::new(None)), 0),
            7 => (Talk::Mysql(Mysql::new(Some("proxyd"))), 2),
            8 => (Talk::Redis(Redis), 0),
            _ => (Talk::Smtp(Smtp::new("localhost")), 1),
        }
    }
}

/// One check, and what must hold of it.
fn ask<'a>((mut talk, words): (Talk<'_>, usize), server: impl FnOnce() -> Server<'a>) -> Outcome {
    let (outcome, server, took) = RUNTIME.with_borrow(|runtime| {
        runtime.block_on(async {
            let (begun, mut server) = (clock::now(), server());
            let (mut answer, mut time) = (Answer::default(), Time::until(begun + TIMEOUT));
            let finding = converse(&mut server, &mut talk, &mut answer, &mut time).await;
            let took = clock::now() - begun;
            (finding.into_outcome(took, answer), server, took)
        })
    });
    assert!(took <= TIMEOUT + Duration::from_millis(1), "it took {took:?}");
    assert!(server.heard <= words, "{} words of ours", server.heard);
    let most = SMALL * (words + 1) + MOST_PASSED_OVER + SMALL;
    assert!(server.total <= most, "{} bytes were taken", server.total);
    assert!(VERDICTS.contains(&outcome.status), "{:?}", outcome.status);
    judged(&outcome);
    assert_eq!(*outcome.answer, server.told[..server.told.len().min(KEPT_ANSWER)], "not what was said");
    outcome
}

fn judged(outcome: &Outcome) {
    assert!(outcome.answer.len() <= KEPT_ANSWER, "{} bytes are kept", outcome.answer.len());
    assert!(outcome.info.len() <= LONGEST_INFO, "{} bytes are told", outcome.info.len());
    assert!(!outcome.info.chars().any(char::is_control), "{:?} is shown on terminals", outcome.info);
}

/// The first line counts, once it has an end, whatever comes behind it.
fn answer_of_agent(bytes: &[u8]) {
    let Some(line) = words::line(bytes) else { return };
    let end = (0..bytes.len()).find(|end| words::line(&bytes[..*end]).is_some()).unwrap_or(bytes.len());
    assert_eq!(words::line(&bytes[..end]), Some(line), "it matters how it is cut");
    let all = words::Words::read(line);
    let outcome = RUNTIME.with_borrow(|runtime| {
        let _clock = runtime.enter();
        agent::outcome(&all, None, bytes, clock::now())
    });
    let verdicts = [CheckStatus::Checked, CheckStatus::L7Ok, CheckStatus::L7Status];
    assert!(verdicts.contains(&outcome.status), "{:?}", outcome.status);
    judged(&outcome);
}

impl Line for Server<'_> {
    async fn receive(&mut self, room: &mut [u8], time: &mut Time) -> Result<usize, Finding> {
        let due = self.said + self.gap;
        if due > clock::now() && time.race(tokio::time::sleep_until(due)).await.is_err() {
            return Err(Finding::new(CheckStatus::L7Timeout, ""));
        }
        // Who listens later hears more at once.
        let late = clock::now() - due;
        let pieces = match late.as_nanos().checked_div(self.gap.as_nanos()) {
            Some(more) => 1 + more as usize,
            None if late.is_zero() => 1,
            None => usize::MAX,
        };
        self.said = clock::now();
        if self.at == self.bytes.len() {
            match self.behind {
                Behind::Again if !self.bytes.is_empty() => self.at = 0,
                Behind::Again | Behind::Close => return Ok(0),
                Behind::Silence => {
                    let waited = time.race(future::pending::<()>()).await;
                    assert!(waited.is_err(), "nothing comes of it");
                    return Err(Finding::new(CheckStatus::L7Timeout, ""));
                }
                Behind::Reset => {
                    return Err(Finding::new(CheckStatus::L7Response, "Connection reset by peer"));
                }
            }
        }
        assert!(!room.is_empty(), "it reads on where there is no room");
        let rest = &self.bytes[self.at..];
        let most = if self.piece == 0 { rest.len() } else { self.piece.saturating_mul(pieces) };
        let n = rest.len().min(most).min(room.len());
        room[..n].copy_from_slice(&rest[..n]);
        self.at += n;
        self.total += n;
        if self.told.len() < KEPT_ANSWER {
            self.told.extend_from_slice(&rest[..n]);
        }
        Ok(n)
    }

    async fn send(&mut self, bytes: &[u8], _: &mut Time) -> Result<(), Finding> {
        self.heard += usize::from(!bytes.is_empty());
        Ok(())
    }

    fn has_ended(&self) -> bool {
        self.behind == Behind::Close && !self.trailers.is_empty() && self.at == self.bytes.len()
    }

    fn trailers(&mut self) -> &[u8] {
        if self.at == self.bytes.len() { self.trailers } else { &[] }
    }
}
