//! Heads of HTTP/2 from text and to it: whatever they were, what comes out is what a strict peer takes.

use harness::wire::Head;
use proxyd::net::h2::head::{self, Asked};

use super::head::read;

/// What HTTP/2 has no field for.
const HOP: [&str; 5] = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
/// What has no place behind a body.
const EARLY: [&str; 7] =
    ["authorization", "content-length", "content-type", "cookie", "host", "set-cookie", "te"];

/// The first byte says what the rest is: a request, an answer to one of four kinds of it, trailers.
pub fn h2_head(bytes: &[u8]) {
    let Some((choice, text)) = bytes.split_first() else { return };
    let (secure, ended) = (choice & 8 != 0, choice & 16 != 0);
    match choice % 8 {
        0 => request(text, secure, ended),
        1 => judged(text, secure, ended),
        2 => answer(text, &Asked::Plain, ended),
        3 => answer(text, &Asked::Head, ended),
        4 => answer(text, &Asked::Connect, ended),
        5 => answer(text, &Asked::Protocol(None), ended),
        _ => trailers(text),
    }
}

fn field(name: &str, value: &[u8]) {
    assert!(!HOP.contains(&name), "{name} is of one hop");
    assert!(!value.iter().any(|it| matches!(it, b'\r' | b'\n' | 0)), "a line end in {name}");
    assert!(name != "te" || value == b"trailers", "te is trailers or nothing");
}

/// Text of anybody's.
fn request(text: &[u8], secure: bool, ended: bool) {
    let Ok((request, _)) = head::read_request(text, secure) else { return };
    let (parts, ()) = request.into_parts();
    for (name, value) in &parts.headers {
        field(name.as_str(), value.as_bytes());
    }
    let mut out = Vec::new();
    head::write_request(&mut out, &parts, ended);
    let again = Head::parse(&out).expect("a strict parser takes it");
    assert!(again.count("host") <= 1, "two hosts");
    for name in HOP {
        let ours = matches!(
            (name, again.get(name)),
            (_, None)
                | ("connection", Some("upgrade"))
                | ("transfer-encoding", Some("chunked"))
                | ("upgrade", _)
        );
        assert!(ours && again.count(name) <= 1, "{name} in {:?}", again.fields);
    }
}

/// Text that was judged and written anew, as all that is sent to servers.
fn judged(text: &[u8], secure: bool, ended: bool) {
    let Some((facts, out)) = read(text) else { return };
    request(&out, secure, ended);
    let Ok((request, asked)) = head::read_request(&out, secure) else { return };
    assert_eq!(asked == Asked::Head, facts.is_head);
    assert_eq!(asked == Asked::Connect, facts.connect);
    assert!(facts.upgrade || !matches!(asked, Asked::Protocol(_)), "a switch nobody asked for");
    let forwarded = Head::parse(&out).expect("a strict server takes it");
    let mut out = Vec::new();
    head::write_request(&mut out, &request.into_parts().0, ended);
    let again = Head::parse(&out).expect("a strict parser takes it");
    assert_eq!((again.word(0), again.word(1)), (forwarded.word(0), forwarded.word(1)));
    // No host at all is what an empty one is there.
    assert_eq!(again.get("host"), forwarded.get("host").filter(|host| !host.is_empty()));
}

fn answer(text: &[u8], asked: &Asked, ended: bool) {
    let Ok(response) = head::read_answer(text, asked) else { return };
    let (parts, ()) = response.into_parts();
    assert_ne!(parts.status.as_u16(), 101, "HTTP/2 has none");
    for (name, value) in &parts.headers {
        field(name.as_str(), value.as_bytes());
    }
    let mut out = Vec::new();
    head::write_answer(&mut out, &parts, asked, ended);
    let again = Head::parse(&out).expect("a strict client takes it");
    let switched = again.word(1) == "101";
    assert!(switched || again.word(1) == parts.status.as_str(), "another status");
    assert!(!switched || matches!(asked, Asked::Protocol(_)), "a switch nobody asked for");
    for name in HOP {
        let ours = match name {
            "connection" | "upgrade" => switched,
            "transfer-encoding" => !switched && !ended && again.get(name) == Some("chunked"),
            _ => false,
        };
        assert!(ours && again.count(name) == 1 || again.get(name).is_none(), "{name} in {:?}", again.fields);
    }
}

fn trailers(text: &[u8]) {
    let Ok(fields) = head::read_fields(text) else { return };
    for (name, value) in &fields {
        field(name.as_str(), value.as_bytes());
    }
    let mut out = b"GET / HTTP/1.1\r\n".to_vec();
    if head::write_trailers(&mut out, &fields).is_err() {
        return;
    }
    out.extend_from_slice(b"\r\n");
    let again = Head::parse(&out).expect("a strict parser takes them");
    for name in HOP.iter().chain(&EARLY) {
        assert_eq!(again.get(name), None, "no place for it is behind a body");
    }
}
