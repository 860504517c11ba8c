//! Requests and answers made to be read differently by two parsers, each with what must come of it.
//!
//! For all of them: a server receives only what a strict parser accepts (the origin's is one), never more requests
//! than the client gets final answers to, no CR, LF, NUL or fragment in what is forwarded; afterwards other clients
//! are served, processor time is idle and descriptors are back.

use std::time::Duration;

use harness::origin::http::{Answer, Origin, Request};
use harness::{Client, Config, Daemon, eventually, pause};

#[derive(Clone, Copy, Debug)]
enum Verdict {
    /// An error status, the connection closed, nothing at the server.
    Refused,
    /// The head is fine and the body is not: no complete request at the server, no success for the client.
    Broken,
    /// Exactly these targets at the server.
    Served(&'static [&'static str]),
    /// Refused, or passed on in a canonical form; the parsers agree either way.
    Safe,
}
use Verdict::{Broken, Refused, Safe, Served};

/// A request line and Host in front of these lines.
fn with(lines: &str) -> Vec<u8> {
    format!("POST /a HTTP/1.1\r\nHost: test\r\n{lines}").into_bytes()
}

/// A chunked request with this body.
fn chunked(body: &str) -> Vec<u8> {
    with(&format!("Transfer-Encoding: chunked\r\n\r\n{body}"))
}

const NEXT: &str = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";

fn lengths() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    let length = |value: &str| with(&format!("Content-Length:{value}\r\n\r\nhello{NEXT}"));
    vec![
        ("two lengths", with(&format!("Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello{NEXT}")), Refused),
        ("two lengths in a list", length(" 5, 6"), Refused),
        ("one length twice", with("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), Safe),
        ("one length twice in a list", with("Content-Length: 5, 5\r\n\r\nhello"), Safe),
        ("empty length", length(""), Refused),
        ("blank length", length("   "), Refused),
        ("empty and full length", with("Content-Length:\r\nContent-Length: 5\r\n\r\nhello"), Refused),
        ("length with a plus", length(" +5"), Refused),
        ("negative length", length(" -5"), Refused),
        ("hexadecimal length", length(" 0x5"), Refused),
        ("length with words", length(" 5 5"), Refused),
        ("length with a parameter", length(" 5;a"), Refused),
        ("length of 2^64", length(" 18446744073709551616"), Refused),
        ("length beyond 2^64", length(" 99999999999999999999999999"), Refused),
        ("length with a decimal point", length(" 5.0"), Refused),
        ("space before the colon", with("Content-Length : 5\r\n\r\nhello"), Refused),
        (
            "a name of 270 bytes in front of a length",
            with(&format!("{}: x\r\nContent-Length: 5\r\n\r\nhello", "x".repeat(270))),
            Safe,
        ),
    ]
}

fn encodings() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    let coding = |line: &str| with(&format!("{line}\r\n\r\n0\r\n\r\n{NEXT}"));
    vec![
        ("length, then chunks", coding("Content-Length: 6\r\nTransfer-Encoding: chunked"), Safe),
        ("chunks, then length", coding("Transfer-Encoding: chunked\r\nContent-Length: 4"), Safe),
        ("vertical tab before the coding", coding("Transfer-Encoding: \x0bchunked"), Refused),
        ("vertical tab right after the colon", coding("Transfer-Encoding:\x0bchunked"), Refused),
        ("form feed after the coding", coding("Transfer-Encoding: chunked\x0c"), Refused),
        ("NUL after the coding", coding("Transfer-Encoding: chunked\0"), Refused),
        ("space in front of the colon", coding("Transfer-Encoding : chunked"), Refused),
        ("tab in front of the colon", coding("Transfer-Encoding\t: chunked"), Refused),
        ("NUL in the name", coding("Transfer\0-Encoding: chunked"), Refused),
        ("an unknown coding", coding("Transfer-Encoding: xchunked"), Refused),
        ("identity", coding("Transfer-Encoding: identity"), Refused),
        ("chunked not last", coding("Transfer-Encoding: chunked, identity"), Refused),
        ("chunked after another", coding("Transfer-Encoding: gzip, chunked"), Refused),
        ("chunked twice in a list", coding("Transfer-Encoding: chunked, chunked"), Refused),
        ("chunked on two lines", coding("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), Refused),
        (
            "identity and chunked on two lines",
            coding("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
            Refused,
        ),
        ("quoted coding", coding("Transfer-Encoding: \"chunked\""), Refused),
        ("empty coding", coding("Transfer-Encoding:"), Refused),
        ("a comma in front", coding("Transfer-Encoding: ,chunked"), Refused),
        ("a folded coding", coding("Transfer-Encoding:\r\n chunked"), Refused),
        (
            "chunks in HTTP/1.0",
            format!("POST /a HTTP/1.0\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{NEXT}")
                .into(),
            Refused,
        ),
    ]
}

fn chunks() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    vec![
        ("a chunk size that overflows", chunked("FFFFFFFFFFFFFFFF0\r\nx"), Broken),
        ("a chunk of 2^63", chunked("8000000000000000\r\nx"), Broken),
        ("17 digits", chunked("00000000000000005\r\nhello\r\n0\r\n\r\n"), Safe),
        ("chunk size with 0x", chunked("0x5\r\nhello\r\n0\r\n\r\n"), Broken),
        ("chunk size with a plus", chunked("+5\r\nhello\r\n0\r\n\r\n"), Broken),
        ("chunk size with a minus", chunked("-5\r\nhello\r\n0\r\n\r\n"), Broken),
        ("no chunk size", chunked("\r\nhello\r\n0\r\n\r\n"), Broken),
        ("a word for a chunk size", chunked("five\r\nhello\r\n0\r\n\r\n"), Broken),
        ("space in front of a chunk size", chunked(" 5\r\nhello\r\n0\r\n\r\n"), Safe),
        ("space behind a chunk size", chunked("5 \r\nhello\r\n0\r\n\r\n"), Safe),
        ("bare LF after a chunk size", chunked("5\nhello\r\n0\r\n\r\n"), Broken),
        ("bare CR after a chunk size", chunked("5\rXhello\r\n0\r\n\r\n"), Broken),
        ("no line end after a chunk", chunked("5\r\nhello0\r\n\r\n"), Broken),
        ("a longer chunk than said", chunked("5\r\nhello!\r\n0\r\n\r\n"), Broken),
        ("bare LF after a chunk", chunked("5\r\nhello\n0\r\n\r\n"), Broken),
        ("bare LF in an extension", chunked("5;a\nb\r\nhello\r\n0\r\n\r\n"), Broken),
        ("a request in an extension", chunked(&format!("5;\n{NEXT}\r\nhello\r\n0\r\n\r\n")), Broken),
        ("bare CR in an extension", chunked("5;a\rb\r\nhello\r\n0\r\n\r\n"), Safe),
        ("a long extension", chunked(&format!("5;{}\r\nhello\r\n0\r\n\r\n", "e".repeat(64 << 10))), Safe),
        ("an empty extension", chunked("5;\r\nhello\r\n0\r\n\r\n"), Safe),
        ("a body cut off", chunked("5\r\nhel"), Broken),
        ("no last chunk", chunked("5\r\nhello\r\n"), Broken),
        (
            "framing in a trailer",
            chunked("0\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Safe,
        ),
        ("Host in a trailer", chunked("0\r\nHost: other\r\n\r\n"), Safe),
        ("a malformed trailer", chunked("0\r\nno colon\r\n\r\n"), Safe),
    ]
}

fn heads() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    let get = |lines: &str| format!("GET /a HTTP/1.1\r\nHost: test\r\n{lines}\r\n").into_bytes();
    vec![
        ("a folded line", get("X-A: a\r\n b\r\n"), Safe),
        ("a first line that is folded", b"GET /a HTTP/1.1\r\n X: 1\r\nHost: test\r\n\r\n".into(), Refused),
        ("bare LF everywhere", b"GET /a HTTP/1.1\nHost: test\n\n".into(), Safe),
        ("bare LF once", get("X-A: a\nX-B: b\r\n"), Safe),
        ("a request behind a bare LF", get("X-A: a\n\nGET /b HTTP/1.1\r\nHost: test\r\n"), Safe),
        ("bare CR in a value", get("X-A: a\rX-B: b\r\n"), Refused),
        ("NUL in a value", get("X-A: a\0b\r\n"), Refused),
        ("DEL in a value", get("X-A: a\x7fb\r\n"), Refused),
        ("NUL in a name", get("X\0A: a\r\n"), Refused),
        ("an empty name", get(": a\r\n"), Refused),
        ("an empty name in front of a length", with(": a\r\nContent-Length: 5\r\n\r\nhello"), Refused),
        ("space in a name", get("X A: a\r\n"), Refused),
        ("a line without a colon", get("nothing\r\n"), Refused),
        ("an 8-bit name", get("X-\u{e9}: a\r\n"), Refused),
        ("10,000 fields", get(&"X: y\r\n".repeat(10_000)), Refused),
        ("a name of 100 kB", get(&format!("{}: a\r\n", "x".repeat(100_000))), Safe),
        ("an unknown expectation", get("Expect: 200-ok\r\n"), Safe),
        (
            "an upgrade nobody asked for",
            get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
            Served(&["/a"]),
        ),
        ("a body on GET", b"GET /a HTTP/1.1\r\nHost: test\r\nContent-Length: 38\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n".into(), Safe),
        (
            "a request behind one that closes",
            format!("GET /a HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n{NEXT}").into(),
            Served(&["/a"]),
        ),
        ("an empty line in front", b"\r\nGET /a HTTP/1.1\r\nHost: test\r\n\r\n".into(), Served(&["/a"])),
        ("two requests in one write", b"GET /a HTTP/1.1\r\nHost: test\r\n\r\nGET /b HTTP/1.1\r\nHost: test\r\n\r\n".into(), Served(&["/a", "/b"])),
    ]
}

fn targets() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    let target = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n").into_bytes();
    let host = |line: &str| format!("GET /a HTTP/1.1\r\n{line}\r\n").into_bytes();
    vec![
        ("no Host", host(""), Refused),
        ("two Hosts", host("Host: test\r\nHost: other\r\n"), Refused),
        ("one Host twice", host("Host: test\r\nHost: test\r\n"), Refused),
        ("a Host with a space", host("Host: te st\r\n"), Refused),
        ("a Host with a path", host("Host: test/a\r\n"), Refused),
        ("a Host with a user", host("Host: user@test\r\n"), Refused),
        ("a Host with a comma", host("Host: test,other\r\n"), Refused),
        ("a Host with a port", host("Host: test:8080\r\n"), Served(&["/a"])),
        ("an absolute target", target("http://test/a"), Safe),
        ("an absolute target that is not Host", target("http://other/a"), Refused),
        ("an absolute target with a user", target("http://user@test/a"), Refused),
        ("an authority for a target", target("admin"), Refused),
        ("a query for a target", target("?admin"), Refused),
        ("a fragment", target("/a#b"), Safe),
        ("a fragment alone", target("#"), Refused),
        ("CONNECT", b"CONNECT test:80 HTTP/1.1\r\nHost: test:80\r\n\r\n".into(), Refused),
        ("a star for GET", target("*"), Safe),
        ("a control byte", target("/a\x01"), Refused),
        ("DEL", target("/a\x7f"), Refused),
        ("NUL", target("/a\0b"), Refused),
        ("a space", target("/a b"), Refused),
        ("two spaces", b"GET  /a HTTP/1.1\r\nHost: test\r\n\r\n".into(), Refused),
        ("a tab", b"GET\t/a\tHTTP/1.1\r\nHost: test\r\n\r\n".into(), Refused),
        ("a bare CR", target("/a\rb"), Refused),
        ("100 kB", target(&format!("/{}", "a".repeat(100_000))), Refused),
        ("a method with a parenthesis", b"GE(T /a HTTP/1.1\r\nHost: test\r\n\r\n".into(), Refused),
        (
            "a method of 100 kB",
            format!("{} /a HTTP/1.1\r\nHost: test\r\n\r\n", "G".repeat(100_000)).into(),
            Refused,
        ),
        ("HTTP/0.9", b"GET /a\r\n\r\n".into(), Refused),
        ("HTTP/1.2", b"GET /a HTTP/1.2\r\nHost: test\r\n\r\n".into(), Refused),
        ("HTTP/2.0", b"GET /a HTTP/2.0\r\nHost: test\r\n\r\n".into(), Refused),
        ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), Refused),
        ("http in lower case", b"GET /a http/1.1\r\nHost: test\r\n\r\n".into(), Refused),
    ]
}

/// Final answers until the connection ends.
fn answers(client: &mut Client) -> Vec<u16> {
    let mut statuses = Vec::new();
    while let Ok(answer) = client.try_response("GET") {
        statuses.push(answer.status);
    }
    statuses
}

/// What is wrong with the outcome of one case, if anything.
fn judge(verdict: Verdict, statuses: &[u16], seen: &[Request]) -> Option<String> {
    let targets: Vec<&str> = seen.iter().map(Request::target).collect();
    if seen.len() > statuses.len() {
        return Some("more requests at the server than answers".into());
    }
    if targets.iter().any(|it| it.contains("smuggled")) {
        return Some("smuggled".into());
    }
    if targets.iter().any(|it| it.contains('#')) {
        return Some("a fragment was forwarded".into());
    }
    if let Some(head) =
        seen.iter().map(|it| &it.head).find(|it| it.get("expect").is_some() || it.get("upgrade").is_some())
    {
        return Some(format!("forwarded {:?}", head.fields));
    }
    let refused = targets.is_empty() && statuses.iter().all(|it| *it >= 400);
    let fine = match verdict {
        Refused => refused && statuses.len() == 1,
        Broken => refused && statuses.len() <= 1,
        Served(expected) => targets == expected,
        Safe => true,
    };
    (!fine).then(|| format!("expected {verdict:?}"))
}

fn run(cases: Vec<(&'static str, Vec<u8>, Verdict)>) {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let address = daemon.listener("web");
    let mut bystander = daemon.client();
    assert_eq!(bystander.get("/bystander").status, 200);
    let descriptors = daemon.descriptors();

    let mut wrong = Vec::new();
    for (name, bytes, verdict) in cases {
        let before = origin.record();
        let mut client = Client::tcp(address);
        // A refusal may come, and the connection end, before everything is sent.
        client.try_send(&bytes).and_then(|()| client.stream().shutdown(std::net::Shutdown::Write)).ok();
        let statuses = answers(&mut client);
        let record = origin.record();
        let seen = &record.requests[before.requests.len()..];
        let violations = &record.violations[before.violations.len()..];
        let mut found: Vec<String> = judge(verdict, &statuses, seen).into_iter().collect();
        if let Some(violation) = violations.first() {
            found.push(format!("the server refuses: {violation:?}"));
        }
        if bystander.get("/bystander").status != 200 {
            found.push("a bystander was hurt".into());
        }
        if !found.is_empty() {
            let targets: Vec<&str> = seen.iter().map(Request::target).collect();
            wrong.push(format!("{name}: {found:?}; answers {statuses:?}; at the server {targets:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));

    eventually("descriptors are back", || (daemon.descriptors() <= descriptors + 1).then_some(()));
    let busy = daemon.cpu();
    pause(Duration::from_millis(500));
    assert!(daemon.cpu().saturating_sub(busy) < Duration::from_millis(60), "it goes on computing");
}

#[test]
fn lengths_are_exact() {
    run(lengths());
}

#[test]
fn transfer_encoding_is_chunked_or_nothing() {
    run(encodings());
}

#[test]
fn chunks_are_exact() {
    run(chunks());
}

#[test]
fn heads_are_strict() {
    run(heads());
}

#[test]
fn targets_and_hosts_are_unambiguous() {
    run(targets());
}

/// An origin that answers every request with these bytes, and the answers of three requests in a row.
fn poisoned(bytes: &'static [u8], method: &str) -> Vec<Result<String, u16>> {
    let origin = Origin::scripted(move |request| {
        let marked = request.target() == "/poison";
        let bytes = if marked {
            bytes.to_vec()
        } else {
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood".to_vec()
        };
        Answer { bytes, close: false }
    });
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).global("workers: 1"));
    let mut first = daemon.client();
    first.send(format!("{method} /poison HTTP/1.1\r\nHost: test\r\n\r\n"));
    first.try_response(method).ok();
    drop(first);
    let later = (0..3).map(|_| {
        let answer = daemon.client().get("/");
        if answer.status == 200 { Ok(answer.text()) } else { Err(answer.status) }
    });
    later.collect()
}

#[test]
fn an_answer_nobody_asked_for_reaches_nobody() {
    for (bytes, method) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"[..], "GET"),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison", "GET"),
        (b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n6\r\npoison\r\n0\r\n\r\n", "GET"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", "HEAD"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", "GET"),
        (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\npoison", "GET"),
    ] {
        let later = poisoned(bytes, method);
        assert!(later.iter().all(|it| it.as_deref() == Ok("good")), "{}: {later:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_switch_nobody_asked_for_is_502() {
    let origin = Origin::scripted(|_| Answer {
        bytes: b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n".to_vec(),
        close: false,
    });
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    assert_eq!(daemon.client().get("/").status, 502);
}

#[test]
fn many_interim_answers_are_borne() {
    let mut bytes = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
    bytes.extend_from_slice(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let origin = Origin::scripted(move |_| Answer { bytes: bytes.clone(), close: false });
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let mut client = daemon.client();
    for _ in 0..3 {
        assert_eq!(client.get("/").text(), "ok");
    }
}
