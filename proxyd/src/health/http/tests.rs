use proptest::prelude::*;

use super::*;
use crate::config::check::{Pattern, Regex, StatusRange};
use crate::health::talk::Talk;
use crate::health::talk::tests::{play, survives};
use crate::model::server::CheckStatus::{self, L7Ok, L7OkConditional, L7Response, L7Status};

fn check(expect: Vec<Expect>) -> HttpCheck {
    HttpCheck {
        method: "GET".into(),
        path: "/".into(),
        host: None,
        version: None,
        headers: Vec::new(),
        body: String::new(),
        expect,
        disable_on_404: false,
    }
}

fn status(first: u16, last: u16) -> Expect {
    Expect::Status(vec![StatusRange { first, last }])
}

fn text(text: &str) -> Pattern {
    Pattern::Text(text.into())
}

fn regex(text: &str) -> Pattern {
    Pattern::Regex(Regex(regex::bytes::RegexBuilder::new(text).unicode(false).build().unwrap()))
}

fn judged(check: &HttpCheck, bytes: &str) -> (CheckStatus, Option<u16>, String) {
    let [one, many] = [1, 10_000].map(|size| {
        let mut talk = Talk::Http(Http::new(check, Framing::Text, true));
        play(&mut talk, bytes.as_bytes(), size).0.unwrap()
    });
    assert_eq!(one, many);
    (one.status, one.code, one.info)
}

fn expecting(expect: Vec<Expect>, bytes: &str) -> (CheckStatus, Option<u16>, String) {
    judged(&check(expect), bytes)
}

#[test]
fn statuses() {
    let ok = || vec![status(200, 399)];
    assert_eq!(expecting(ok(), "HTTP/1.1 200 OK\r\n\r\n"), (L7Ok, Some(200), "OK".into()));
    let bad = "HTTP/1.0 503 Service Unavailable\r\nA: b\r\n\r\n";
    assert_eq!(expecting(ok(), bad), (L7Status, Some(503), "Service Unavailable".into()));
    assert_eq!(expecting(ok(), "HTTP/1.1 200 OK\r\nA:").0, L7Response);
    assert_eq!(expecting(ok(), "").2, "closed without an answer");
    assert_eq!(expecting(ok(), "SSH-2.0\r\n").2, "not an HTTP answer");
    let several =
        Expect::Status(vec![StatusRange { first: 200, last: 200 }, StatusRange { first: 404, last: 404 }]);
    for (code, passes) in [(200, true), (204, false), (404, true), (405, false)] {
        let (found, ..) = expecting(vec![several.clone()], &format!("HTTP/1.1 {code} X\r\n\r\n"));
        assert_eq!(found == L7Ok, passes, "{code}");
    }
    assert_eq!(expecting(vec![Expect::Not(Box::new(status(500, 599)))], "HTTP/1.1 404 X\r\n\r\n").0, L7Ok);
    // What comes in front of the answer is none.
    let early =
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 No\r\n\r\n";
    assert_eq!(expecting(ok(), early), (L7Status, Some(500), "No".into()));
}

#[test]
fn an_answer_that_no_client_would_be_given_is_none() {
    let ok = || vec![status(200, 399)];
    for (head, told) in [
        ("200 OK\r\nContent-Length: 2\r\nContent-Length: 3", "Content-Length is not one number"),
        ("200 OK\r\nContent-Length: 2, 3", "Content-Length is not one number"),
        (
            "200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked",
            "Content-Length and Transfer-Encoding together",
        ),
        ("200 OK\r\nTransfer-Encoding: gzip, chunked", "Transfer-Encoding is not exactly one chunked"),
        ("404 No\r\nTransfer-Encoding: gzip", "a transfer coding that is not known"),
        ("099 OK\r\nContent-Length: 2", "the status is not three digits"),
    ] {
        for expect in [ok(), vec![Expect::Body(text("ok"))], vec![Expect::Not(Box::new(status(500, 599)))]] {
            let (found, _, info) = expecting(expect, &format!("HTTP/1.1 {head}\r\n\r\nok"));
            assert_eq!((found, info), (L7Response, format!("invalid response: {told}")), "{head}");
        }
    }
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(expecting(ok(), old).2, "invalid response: Transfer-Encoding in an HTTP/1.0 answer");
}

#[test]
fn what_is_no_head_says_why() {
    let told = |bytes: &str| {
        let (found, _, info) = expecting(vec![status(200, 399)], bytes);
        assert_eq!(found, L7Response, "{bytes:?}");
        info
    };
    assert_eq!(told("HTTP/1.1 200 OK\r\nContent-"), "closed in the middle of the head");
    assert_eq!(told("HTTP/1.1 200 OK\r\nBad Header: x\r\n\r\n"), "a header of the answer is malformed");
    assert_eq!(told("HTTP/1.1 2000 OK\r\n\r\n"), "the status line of the answer is malformed");
    assert_eq!(told("\0junk"), "not an HTTP answer");
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(101));
    assert_eq!(told(&many), "the answer has more than 100 headers");
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(SMALL));
    assert_eq!(told(&long), "the head is too long");
}

#[test]
fn bodies() {
    let has = |pattern: Pattern| vec![Expect::Body(pattern)];
    let sized = "HTTP/1.1 500 X\r\nContent-Length: 8\r\n\r\nall wellextra";
    assert_eq!(expecting(has(text("well")), sized), (L7Ok, Some(500), "X".into()));
    assert_eq!(expecting(has(text("extra")), sized).2, "HTTP content check did not match");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nall w\r\n3\r\nell\r\n0\r\n\r\n";
    assert_eq!(expecting(has(text("all well")), chunked).0, L7Ok);
    assert_eq!(expecting(has(regex("^all +well$")), chunked).0, L7Ok);
    assert_eq!(expecting(has(regex("^well")), chunked).0, L7Response);
    let bad = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    assert_eq!(expecting(has(text("x")), bad).2, "the chunks of the body make no sense");
    let to_the_end = "HTTP/1.1 200 OK\r\n\r\nstate: up\n";
    assert_eq!(expecting(has(regex(r"state: (up|ready)\s")), to_the_end).0, L7Ok);
    let unwanted = |pattern| vec![Expect::Not(Box::new(Expect::Body(pattern)))];
    assert_eq!(expecting(unwanted(text("error")), to_the_end).0, L7Ok);
    assert_eq!(expecting(unwanted(text("up")), to_the_end).2, "HTTP check matched unwanted content");
    let empty = "HTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(expecting(has(text("x")), empty).2, "HTTP content check could not find a response body");
    assert_eq!(expecting(unwanted(text("x")), empty).0, L7Ok);
    // All have to hold, and the first that does not is told.
    let both = vec![status(200, 200), Expect::Body(text("up"))];
    assert_eq!(expecting(both.clone(), to_the_end).0, L7Ok);
    assert_eq!(expecting(both, "HTTP/1.1 503 No\r\n\r\nup").0, L7Status);
}

#[test]
fn headers() {
    let answer = "HTTP/1.1 200 OK\r\nX-State: ready \r\nx-state: other\r\n\r\n";
    let header = |name: &str, value| vec![Expect::Header { name: name.into(), value }];
    for (expect, passes) in [
        (header("x-STATE", None), true),
        (header("x-none", None), false),
        (header("X-State", Some(text("ready"))), true),
        (header("X-State", Some(text("other"))), true),
        (header("X-State", Some(text("read"))), false),
        (header("X-State", Some(regex("^re"))), true),
        (header("X-State", Some(regex("^dy"))), false),
    ] {
        let (found, code, _) = expecting(expect.clone(), answer);
        assert_eq!((found, code), (if passes { L7Ok } else { L7Status }, Some(200)), "{expect:?}");
    }
}

#[test]
fn not_found_may_mean_enough() {
    let answer = "HTTP/1.1 404 Not Found\r\n\r\n";
    let asked = HttpCheck { disable_on_404: true, ..check(vec![status(200, 299)]) };
    assert_eq!(judged(&asked, answer), (L7OkConditional, Some(404), "Not Found".into()));
    // A server that is down does not come up with it.
    let mut talk = Talk::Http(Http::new(&asked, Framing::Text, false));
    assert_eq!(play(&mut talk, answer.as_bytes(), 100).0.unwrap().status, L7Status);
}

#[test]
fn a_request_is_written_as_asked() {
    let mut asked = check(Vec::new());
    assert_eq!(
        request(&asked, "10.0.0.1:80"),
        "GET / HTTP/1.1\r\nHost: 10.0.0.1:80\r\nUser-Agent: proxyd-check\r\nConnection: close\r\n\r\n"
    );
    asked.method = "POST".into();
    asked.body = "ping".into();
    asked.version = Some(HttpVersion::Http10);
    asked.headers = vec![("User-Agent".into(), "me".into()), ("host".into(), "a".into())];
    assert_eq!(
        request(&asked, "10.0.0.1:80"),
        "POST / HTTP/1.0\r\nUser-Agent: me\r\nhost: a\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
    );
    let asked = HttpCheck { method: "OPTIONS".into(), path: "*".into(), ..check(Vec::new()) };
    let text = request(&asked, "10.0.0.1:80");
    assert!(text.starts_with("OPTIONS * HTTP/1.1\r\nHost: 10.0.0.1:80\r\n"), "{text}");
    // Over HTTP/2 it is the path (RFC 9113 8.3.1).
    let (sent, _) = crate::net::h2::head::read_request(text.as_bytes(), false).unwrap();
    assert_eq!(sent.uri().path_and_query().map(::http::uri::PathAndQuery::as_str), Some("*"));
}

proptest! {
    #[test]
    fn no_answer_panics(
        head in "(HTTP/1.1 [1-5][0-9]{2} OK\r\n(Transfer-Encoding: chunked\r\n)?(Content-Length: [0-9]{1,30}\r\n)?\r\n)?",
        bytes in proptest::collection::vec(any::<u8>(), 0..60),
        size in 1_usize..20,
    ) {
        let check: &'static HttpCheck = Box::leak(Box::new(check(vec![status(200, 299), Expect::Body(text("a"))])));
        survives(|| Talk::Http(Http::new(check, Framing::Text, true)), &[head.as_bytes(), &bytes].concat(), size);
    }

    #[test]
    fn no_chunks_panic(text in "([0-9a-f]{1,20}\r\n[a-z]{0,20}(\r\n)?){0,4}") {
        let _ = dechunk(text.as_bytes());
    }
}
