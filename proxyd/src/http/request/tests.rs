use proptest::prelude::*;

use super::super::reply::Reply;
use super::*;
use crate::config::Http2Options;

const SITE: Site<'_> = Site {
    only_host: None,
    told: Told { headers: &[], lines: &[] },
    forward: ForwardHeaders {
        x_forwarded_for: false,
        x_forwarded_proto: false,
        x_forwarded_host: false,
        x_forwarded_port: false,
        forwarded: false,
        via: false,
    },
    options: &HttpOptions {
        announce_keep_alive: false,
        connect: false,
        max_header_bytes: 16 * 1024,
        max_headers: 100,
        max_uri: 16 * 1024,
        max_body: u64::MAX,
        http2: Http2Options::DEFAULT,
    },
    peer: Peer::Unjudged,
    client: Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7))),
    scheme: "http",
    port: Some(8080),
    local: &|| "127.0.0.1:8080".parse().ok(),
};

fn sent(request: &str) -> Result<(Facts, String), Reason> {
    let mut out = b"left over".to_vec();
    match parse(request.as_bytes(), &mut out, &SITE)? {
        Parsed::Complete(facts) => Ok((facts, String::from_utf8(out).unwrap())),
        Parsed::Partial => panic!("partial: {request:?}"),
    }
}

fn head(request: &str) -> String {
    sent(request).map_or_else(
        |refusal: Reason| format!("{} {}", refusal.reply().status(), refusal.text()),
        |(_, head)| head,
    )
}

#[test]
fn a_plain_request_is_forwarded_with_the_case_of_its_names() {
    let (facts, head) =
        sent("GET /a?b=c HTTP/1.1\r\nHost: x\r\nUser-AGENT: y\r\nAccept:  */*  \r\n\r\nrest").unwrap();
    assert_eq!(head, "GET /a?b=c HTTP/1.1\r\nHost: x\r\nUser-AGENT: y\r\nAccept: */*\r\n\r\n");
    assert!(facts.keep_alive && facts.idempotent && facts.is_11 && !facts.is_head);
    assert_eq!((facts.body, facts.length), (Body::None, 63));
}

#[test]
fn fields_of_one_hop_stay_here() {
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close, X-A ,, Host\r\nconnection: x-b, cookie\r\n\
                   X-A: 1\r\nx-B: 2\r\nCookie: c\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: gzip, trailers\r\n\
                   Upgrade: h2c\r\nProxy-Authorization: p\r\nX-C: 3\r\n\r\n";
    assert_eq!(
        head(request),
        "GET / HTTP/1.1\r\nHost: x\r\nCookie: c\r\nTE: trailers\r\nConnection: TE\r\nX-C: 3\r\n\r\n"
    );
    assert!(!sent(request).unwrap().0.keep_alive);
}

#[test]
fn bodies_are_framed_anew() {
    let (facts, head) = sent("POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: CHUNKED\r\n\r\n").unwrap();
    assert_eq!(facts.body, Body::Chunked);
    assert_eq!(head, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    let (facts, head) =
        sent("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n").unwrap();
    assert_eq!(facts.body, Body::Length(5));
    assert!(head.contains("Content-Length: 5\r\nExpect: 100-Continue\r\n"));
    assert!(!sent("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n").unwrap().0.idempotent);
}

#[test]
fn old_clients() {
    let (facts, head) = sent("GET / HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(head, "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n");
    assert!(!facts.keep_alive && !facts.is_11);
    assert!(sent("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap().0.keep_alive);
}

#[test]
fn targets() {
    assert_eq!(
        head("GET http://a.b:1/x?y HTTP/1.1\r\nHost: A.b:1\r\n\r\n"),
        "GET /x?y HTTP/1.1\r\nHost: a.b:1\r\n\r\n"
    );
    assert_eq!(head("GET http://a?y HTTP/1.1\r\nHost: a\r\n\r\n"), "GET /?y HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(head("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n"), "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(head("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
}

#[test]
fn upgrades() {
    let request =
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let (facts, head) = sent(request).unwrap();
    assert!(facts.upgrade);
    assert_eq!(head, "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    let (facts, head) = sent("GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n").unwrap();
    assert!(!facts.upgrade && !head.contains("pgrade"));
    for offered in ["h2c", "H2C, websocket", "websocket,h2c", "h2c\r\nUpgrade: websocket"] {
        let request =
            format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: {offered}\r\n\r\n");
        assert_eq!(self::head(&request), "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "{offered:?}");
    }
}

#[test]
fn forward_headers() {
    let forward = ForwardHeaders {
        x_forwarded_for: true,
        x_forwarded_proto: true,
        x_forwarded_host: true,
        x_forwarded_port: true,
        ..SITE.forward
    };
    let mut out = Vec::new();
    let request =
        b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n\r\n";
    parse(request, &mut out, &Site { forward, ..SITE }).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 192.0.2.7\r\n\
         X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\nX-Forwarded-Port: 8080\r\n\r\n"
    );
}

#[test]
fn refusals() {
    for (request, verdict) in [
        ("GET / HTTP/1.1\r\n\r\n", "400 no Host"),
        ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", "400 more than one Host"),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400 Host is not a host"),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400 Host is not a host"),
        ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400 the target's authority is not a host"),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "400 Host differs from the target's authority"),
        ("GET admin HTTP/1.1\r\nHost: a\r\n\r\n", "400 the target is neither a path nor a URI"),
        ("GET ?x HTTP/1.1\r\nHost: a\r\n\r\n", "400 the target is neither a path nor a URI"),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400 the target is neither a path nor a URI"),
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "400 the target holds a byte that no URI has"),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "400 the version is not HTTP/1.0 or HTTP/1.1"),
        ("GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n", "400 a header name is malformed"),
        ("GET / HTTP/1.1\r\nHost: a\r\nName : x\r\n\r\n", "400 a header name is malformed"),
        ("GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", "400 a header name is malformed"),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", "400 a header name is malformed"),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: \0\r\n\r\n", "400 a header value is malformed"),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: x\ry\r\n\r\n", "400 a header value is malformed"),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "501 CONNECT is not allowed here"),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", "417 an expectation other than 100-continue"),
        (
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "400 Transfer-Encoding in an HTTP/1.0 request",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            "501 a transfer coding that is not known",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
            "400 Content-Length and Transfer-Encoding together",
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\n", "400 Content-Length is not one number"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n",
            "400 a header value is malformed",
        ),
    ] {
        assert_eq!(head(request), verdict, "{request:?}");
    }
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(100));
    assert_eq!(head(&many), "431 too many header fields");
}

#[test]
fn bounds() {
    let with = |options: HttpOptions, request: &str| {
        let site = Site { options: &options, ..SITE };
        parse(request.as_bytes(), &mut Vec::new(), &site).map(drop)
    };
    let request = "POST /abc HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n";
    let fits = HttpOptions {
        announce_keep_alive: false,
        max_uri: 4,
        max_headers: 2,
        max_header_bytes: request.len(),
        max_body: 5,
        http2: Http2Options::DEFAULT,
        connect: false,
    };
    assert_eq!(with(fits, request), Ok(()));
    for (options, reason) in [
        (HttpOptions { max_uri: 3, ..fits }, Reason::LineTooLong),
        (HttpOptions { max_headers: 1, ..fits }, Reason::TooManyFields),
        (HttpOptions { max_header_bytes: request.len() - 1, ..fits }, Reason::HeadTooLong),
        (HttpOptions { max_body: 4, ..fits }, Reason::BodyTooLarge),
    ] {
        assert_eq!(with(options, request), Err(reason));
    }
}

#[test]
fn connect_names_a_host_and_a_port() {
    let options = HttpOptions { connect: true, ..*SITE.options };
    let parse = |target: &str, host: &str| {
        let mut out = Vec::new();
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let parsed = parse(request.as_bytes(), &mut out, &Site { options: &options, ..SITE })?;
        assert!(
            matches!(parsed, Parsed::Complete(facts) if facts.connect && !facts.idempotent && !facts.upgrade)
        );
        Ok(String::from_utf8(out).unwrap())
    };
    for target in ["a:1", "[::1]:443", "192.0.2.1:65535"] {
        assert_eq!(parse(target, target), Ok(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")));
    }
    for target in
        ["a", "a:", ":1", "a:0", "a:65536", "a:+1", "a:1:2", "::1:2", "/", "*", "u@a:1", "http://a:1"]
    {
        assert_eq!(parse(target, target).map_err(Reason::reply), Err(Reply::BadRequest), "{target}");
    }
    assert_eq!(parse("a:1", "a"), Err(Reason::HostDiffers));
}

#[test]
fn half_a_head_is_partial_at_each_byte() {
    let request = b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
    for end in 0..request.len() {
        assert_eq!(parse(&request[..end], &mut Vec::new(), &SITE), Ok(Parsed::Partial), "{end}");
    }
}

proptest! {
    #[test]
    fn claims_are_believed_or_gone(
        claims in proptest::collection::vec(
            (0..6_usize, "[a-z0-9.:\"=;, -]{0,20}", any::<bool>()),
            0..8,
        ),
        trusted in any::<bool>(),
        ours in any::<[bool; 6]>(),
    ) {
        const NAMES: [&str; 6] = [
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-host",
            "x-forwarded-port",
            "forwarded",
            "x-forwarded-other",
        ];
        let [x_forwarded_for, x_forwarded_proto, x_forwarded_host, x_forwarded_port, forwarded, via] = ours;
        let forward = ForwardHeaders {
            x_forwarded_for, x_forwarded_proto, x_forwarded_host, x_forwarded_port, forwarded, via,
        };
        let mut request = "GET / HTTP/1.1\r\nHost: h:1\r\n".to_owned();
        for (name, value, upper) in &claims {
            let name = if *upper { NAMES[*name].to_uppercase() } else { NAMES[*name].to_owned() };
            request.extend([&name, ": ", value.as_str(), "\r\n"]);
        }
        request.push_str("\r\n");
        let peer = if trusted { Peer::Trusted } else { Peer::Foreign };
        let mut out = Vec::new();
        parse(request.as_bytes(), &mut out, &Site { forward, peer, ..SITE }).unwrap();
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut sent = httparse::Request::new(&mut fields);
        prop_assert_eq!(sent.parse(&out), Ok(httparse::Status::Complete(out.len())));
        for (i, name) in NAMES.iter().enumerate() {
            let claimed = claims.iter().filter(|(of, ..)| *of == i).count();
            let kept = if trusted { claimed } else { 0 };
            let grows = matches!(*name, "x-forwarded-for" | "forwarded");
            let added = i < 5 && ours[i] && (grows || kept == 0);
            let all: Vec<_> = sent.headers.iter().filter(|f| f.name.eq_ignore_ascii_case(name)).collect();
            prop_assert_eq!(all.len(), kept + usize::from(added), "{}", name);
            if added && *name == "x-forwarded-for" {
                prop_assert_eq!(all.last().map(|f| f.value), Some(&b"192.0.2.7"[..]));
            }
        }
    }

    #[test]
    fn nothing_panics_and_what_is_sent_parses(
        method in "[A-Z]{1,7}",
        target in "[ -~]{1,20}",
        names in proptest::collection::vec(("[!-~]{1,20}", "[\\x00-\\xff]{0,20}"), 0..6),
    ) {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\n").into_bytes();
        for (name, value) in names {
            request.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        request.extend_from_slice(b"\r\n");
        let mut out = Vec::new();
        if let Ok(Parsed::Complete(facts)) = parse(&request, &mut out, &SITE) {
            prop_assert!(facts.length <= request.len());
            let mut fields = [httparse::EMPTY_HEADER; 128];
            let mut again = httparse::Request::new(&mut fields);
            prop_assert_eq!(again.parse(&out), Ok(httparse::Status::Complete(out.len())));
            prop_assert_eq!(again.headers.iter().filter(|f| f.name.eq_ignore_ascii_case("host")).count(), 1);
        }
    }
}

#[test]
fn a_connection_may_be_for_one_host() {
    let judged = |host: &str, only| {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        parse(request.as_bytes(), &mut Vec::new(), &Site { only_host: only, ..SITE }).map(|_| ())
    };
    for host in ["a.example", "A.Example", "a.example:443", "a.example.", "a.example.:8443"] {
        assert_eq!(judged(host, Some("a.example")), Ok(()), "{host}");
    }
    for host in ["b.example", "a.example.b", "xa.example", "", "[::1]", "192.0.2.1:443", "a.example:443:443"]
    {
        assert!(judged(host, Some("a.example")).is_err(), "{host}");
    }
    assert_eq!(judged("b.example", Some("a.example")), Err(Reason::Misdirected));
    assert_eq!(judged("b.example", None), Ok(()));
    let absolute = b"GET http://b.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n";
    let site = Site { only_host: Some("a.example"), ..SITE };
    assert_eq!(parse(absolute, &mut Vec::new(), &site), Err(Reason::Misdirected));
}

#[test]
fn nobody_else_tells_of_a_certificate() {
    use crate::config::CertField;
    let headers =
        ["X-CN", "X-Verify"].map(|name| ClientCertHeader { name: name.into(), field: CertField::Verify });
    let request = "GET / HTTP/1.1\r\nHost: h\r\nx-cn: me\r\nX-CN-2: b\r\nX-VERIFY: SUCCESS\r\n\
                   Connection: X-CN, close\r\nX-Cn: again\r\n\r\n";
    for lines in ["", "X-CN: someone\r\nX-Verify: SUCCESS\r\n"] {
        let told = Told { headers: &headers, lines: lines.as_bytes() };
        let mut out = Vec::new();
        parse(request.as_bytes(), &mut out, &Site { told, ..SITE }).unwrap();
        let expected = format!("GET / HTTP/1.1\r\nHost: h\r\nX-CN-2: b\r\n{lines}\r\n");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
