//! Sample expressions: what is wrong with one is shown at a place in it, and what is right can be evaluated.

use std::net::SocketAddr;

use proxyd::config::sample::{Place, Sample};
use proxyd::expr::Expr;
use proxyd::net::tls::Agreed;
use proxyd::sample::{Client, Facts, Request};
use proxyd::tls::shown::Shown;

struct Nobody;

impl Client for Nobody {
    fn source(&self) -> Option<SocketAddr> {
        Some(SocketAddr::from(([192, 0, 2, 1], 80)))
    }

    fn destination(&self) -> Option<SocketAddr> {
        None
    }

    fn tls(&self) -> Option<&Agreed> {
        None
    }

    fn certificate(&self) -> Option<(&Shown, &[u8])> {
        None
    }

    fn random(&self) -> u32 {
        7
    }
}

/// An expression, and behind a line end the head it is evaluated of.
pub fn expression(bytes: &[u8]) {
    let (text, head) = bytes.split_at(bytes.iter().position(|&b| b == b'\n').unwrap_or(bytes.len()));
    let Ok(text) = std::str::from_utf8(text) else { return };
    let place = |at: &std::ops::Range<usize>| text.get(at.clone()).is_some();
    match Expr::parse(text) {
        Ok(expr) => {
            for call in expr.converters.iter().chain([&expr.fetch]) {
                assert_eq!(text.get(call.at.clone()), Some(&*call.name), "a name is elsewhere in {text:?}");
                assert!(place(&call.whole) && call.args.iter().all(|arg| place(&arg.at)), "{call:?}");
            }
        }
        Err(wrong) => assert!(place(&wrong.at), "{:?} is no place in {text:?}", wrong.at),
    }
    for from in [Place::Connection, Place::Request, Place::Response] {
        let request = (from == Place::Request).then_some(Request { head, scheme: None });
        let response = (from == Place::Response).then_some(head);
        match Sample::read(text, from) {
            Ok(sample) => {
                if let Some(value) = sample.evaluate(&Facts { client: &Nobody, request, response }) {
                    assert_eq!(value.kind(), sample.kind(), "{text:?} is not of its kind");
                }
            }
            Err(wrong) => {
                assert!(place(&wrong.at), "{:?} is no place in {text:?}", wrong.at);
                assert!(!wrong.message.is_empty(), "a refusal without a word");
            }
        }
    }
}
