//! What a script says and expects on one of its connections. Words are those of HAProxy's tcp-check.

use super::finding::Finding;
use super::pattern::{described, is_in};
use super::turn::{Heard, Move};
use crate::config::check::{Connect, Pattern, Step};

/// A part of a script with a connection of its own.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// `None` where the script does not begin with a step to connect.
    pub connect: Option<&'a Connect>,
    pub steps: &'a [Step],
    /// Steps in front of `steps`.
    pub before: usize,
}

/// The parts of a script, one for each connection.
pub fn parts(steps: &[Step]) -> impl Iterator<Item = Part<'_>> {
    let mut rest = Some(0);
    std::iter::from_fn(move || {
        let start = rest?;
        let (connect, first) = match steps.get(start) {
            Some(Step::Connect(connect)) => (Some(connect), start + 1),
            _ => (None, start),
        };
        let next = steps[first..].iter().position(|step| matches!(step, Step::Connect(_)));
        rest = next.map(|next| first + next);
        Some(Part { connect, steps: &steps[first..rest.unwrap_or(steps.len())], before: first })
    })
}

/// The steps of one connection.
#[derive(Debug)]
pub struct Lines<'a> {
    steps: &'a [Step],
    at: usize,
    before: usize,
}

impl<'a> Lines<'a> {
    pub fn new(part: Part<'a>) -> Self {
        Self { steps: part.steps, at: 0, before: part.before }
    }

    /// What is said before anything is expected.
    pub fn opening(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(Step::Send(more)) = self.steps.get(self.at) {
            bytes.extend_from_slice(more);
            self.at += 1;
        }
        bytes
    }

    /// All steps were done.
    pub fn is_done(&self) -> bool {
        self.at >= self.steps.len()
    }

    /// Where it stands, as HAProxy says it.
    pub fn place(&self) -> String {
        let step = self.before + self.at + 1;
        match self.steps.get(self.at) {
            Some(Step::Expect { pattern: pattern @ Pattern::Text(_), .. }) => {
                format!("at step {step} of tcp-check (expect string {})", described(pattern))
            }
            Some(Step::Expect { pattern: Pattern::Binary(_), .. }) => {
                format!("at step {step} of tcp-check (expect binary)")
            }
            Some(Step::Expect { .. }) => format!("at step {step} of tcp-check (expect regex)"),
            Some(Step::Send(_)) => format!("at step {step} of tcp-check (send)"),
            Some(Step::Connect(_)) | None => format!("at step {step} of tcp-check"),
        }
    }

    pub fn hear(&mut self, heard: Heard<'_>) -> Move {
        while let Some(Step::Expect { pattern, unwanted }) = self.steps.get(self.at) {
            // Who says nothing at all has not left out what is unwanted: it is not there.
            if heard.bytes.is_empty() && heard.ended {
                return self.failed("TCPCHK got an empty response");
            }
            if *unwanted {
                let scope = scope(pattern, heard.bytes);
                if scope.is_none() && !heard.ended {
                    return Move::More;
                }
                if is_in(pattern, scope.unwrap_or(heard.bytes)) {
                    return self.failed(&format!("TCPCHK matched unwanted content {}", described(pattern)));
                }
            } else if !is_in(pattern, heard.bytes) {
                if !heard.ended {
                    return Move::More;
                }
                return self.failed(&format!("TCPCHK did not match content {}", described(pattern)));
            }
            self.at += 1;
        }
        if self.is_done() {
            return Move::Done(Finding::passed("(tcp-check)"));
        }
        let bytes = self.opening();
        if self.is_done() {
            return Move::Leave { bytes, finding: Finding::passed("(tcp-check)") };
        }
        Move::Say { read: heard.bytes.len(), bytes }
    }

    fn failed(&self, what: &str) -> Move {
        let step = self.before + self.at + 1;
        Move::Done(Finding::nonsense(format!("{what} at step {step}")))
    }
}

/// Where something unwanted is looked for, once it is there: the first line, or as many bytes.
fn scope<'a>(pattern: &Pattern, bytes: &'a [u8]) -> Option<&'a [u8]> {
    match pattern {
        Pattern::Binary(binary) => bytes.get(..binary.len()),
        Pattern::Text(_) | Pattern::Regex(_) => {
            let end = bytes.iter().position(|byte| *byte == b'\n')?;
            Some(&bytes[..=end])
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::talk::Talk;
    use super::super::talk::tests::play;
    use super::*;
    use crate::config::check::Regex;
    use crate::model::server::CheckStatus;

    fn send(text: &str) -> Step {
        Step::Send(text.into())
    }

    fn expect(text: &str) -> Step {
        Step::Expect { pattern: Pattern::Text(text.into()), unwanted: false }
    }

    fn refuse(text: &str) -> Step {
        Step::Expect { pattern: Pattern::Text(text.into()), unwanted: true }
    }

    fn connect() -> Step {
        Step::Connect(Connect::default())
    }

    fn found(steps: &[Step], bytes: &str) -> (CheckStatus, String, Vec<String>) {
        let [one, many] = [1, 1000].map(|size| {
            let part = parts(steps).next().unwrap();
            let mut lines = Lines::new(part);
            let opening = lines.opening();
            let (finding, said) = play(&mut Talk::Script(lines), bytes.as_bytes(), size);
            let finding = finding.unwrap();
            let said = std::iter::once(opening).chain(said).map(|said| String::from_utf8(said).unwrap());
            (finding.status, finding.info, said.filter(|said| !said.is_empty()).collect::<Vec<_>>())
        });
        assert_eq!(one.0, many.0);
        many
    }

    #[test]
    fn a_script_falls_into_its_connections() {
        let steps = [send("a"), connect(), send("b"), expect("c"), connect()];
        let shape: Vec<_> =
            parts(&steps).map(|part| (part.connect.is_some(), part.steps.len(), part.before)).collect();
        assert_eq!(shape, [(false, 1, 0), (true, 2, 2), (true, 0, 5)]);
        let shape: Vec<_> = parts(&steps[1..]).map(|part| (part.connect.is_some(), part.before)).collect();
        assert_eq!(shape, [(true, 1), (true, 4)]);
    }

    #[test]
    fn steps_follow_each_other() {
        let steps = [
            send("EHLO x\r\n"),
            send("NOOP\r\n"),
            expect("250 ok"),
            refuse("500"),
            send("QUIT\r\n"),
            expect("221"),
        ];
        assert_eq!(
            found(&steps, "250-a\r\n250 ok\r\n"),
            (
                CheckStatus::L7Response,
                "TCPCHK got an empty response at step 6".into(),
                vec!["EHLO x\r\nNOOP\r\n".into(), "QUIT\r\n".into()]
            )
        );
        let unwanted = [refuse("ERR")];
        assert_eq!(found(&unwanted, "-ERR no\r\n").1, "TCPCHK matched unwanted content 'ERR' at step 1");
        assert_eq!(found(&unwanted, "+OK\r\n"), (CheckStatus::L7Ok, "(tcp-check)".into(), vec![]));
        let regex = regex::bytes::Regex::new("^(?:220|250)").unwrap();
        let steps = [Step::Expect { pattern: Pattern::Regex(Regex(regex)), unwanted: false }];
        assert_eq!(found(&steps, "220 x\r\n").0, CheckStatus::L7Ok);
        assert_eq!(found(&steps, "421 x\r\n").1, "TCPCHK did not match content (regex) at step 1");
        let binary = [Step::Expect { pattern: Pattern::Binary(vec![0, 1]), unwanted: true }];
        assert_eq!(found(&binary, "\x00\x01\x00").1, "TCPCHK matched unwanted content (binary) at step 1");
    }

    #[test]
    fn an_answer_that_ends_early_is_looked_at_as_far_as_it_goes() {
        let empty = |step: usize| format!("TCPCHK got an empty response at step {step}");
        let steps = [connect(), send("INFO\r\n"), refuse("loading:1")];
        assert_eq!(found(&steps, "").0, CheckStatus::L7Response);
        assert_eq!(found(&steps, "").1, empty(3));
        assert_eq!(found(&[expect("PONG")], "").1, empty(1));
        // What came in front of a question is no answer to it.
        let steps = [expect("hi\r\n"), send("INFO\r\n"), refuse("loading:1")];
        assert_eq!(found(&steps, "220 hi\r\n").1, empty(3));
        // No line's end comes any more, and all there is is the line.
        let steps = [refuse("loading:1")];
        assert_eq!(
            found(&steps, "async_loading:1").1,
            "TCPCHK matched unwanted content 'loading:1' at step 1"
        );
        assert_eq!(found(&steps, "loading:").0, CheckStatus::L7Ok);
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60), size in 1_usize..20) {
            let steps = [send("x"), expect("a"), send("y"), refuse("b")];
            let mut lines = Lines::new(parts(&steps).next().unwrap());
            lines.opening();
            let _ = play(&mut Talk::Script(lines), &bytes, size);
        }
    }
}
