use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::{Cookie, CookieMode, Key};

fn cookie(mode: CookieMode) -> Cookie {
    Cookie {
        name: "SRV".into(),
        mode,
        indirect: false,
        nocache: false,
        post_only: false,
        preserve: false,
        httponly: false,
        secure: false,
        samesite: None,
        domains: Vec::new(),
        path: "/".into(),
        attributes: Vec::new(),
        max_idle: None,
        max_life: None,
        dynamic: false,
        key: None,
    }
}

const NOW: u64 = 1_700_000_001;
/// `NOW`, and a day earlier.
const DATE: &str = "ZVPxB";
const YESTERDAY: &str = "ZVKfh";

/// `s0` and `s1` are up, `s2` is down and may be tried, `s3` is down.
fn named(value: &[u8]) -> Named {
    match value {
        b"s0" => Named::Up(0),
        b"s1" => Named::Up(1),
        b"s2" => Named::DownYet(2),
        b"s3" => Named::Down,
        _ => Named::Nobody,
    }
}

/// What is presented, and the `Cookie` lines that the server sees.
fn read(conf: &Cookie, cookies: &[&str]) -> (Presented, Vec<String>) {
    let lines: Vec<String> = cookies.iter().map(|line| format!("Cookie: {line}\r\n")).collect();
    let mut head = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", lines.concat()).into_bytes();
    let presented = Presented::read(&mut head, conf, false, || NOW, named);
    let text = String::from_utf8(head).unwrap();
    assert!(text.starts_with("GET / HTTP/1.1\r\nHost: a\r\n") && text.ends_with("\r\n\r\n"));
    let seen = text.lines().filter_map(|line| line.strip_prefix("Cookie: ").map(str::to_owned));
    (presented, seen.collect())
}

fn found(conf: &Cookie, cookies: &str) -> (Found, Option<u32>) {
    let (presented, _) = read(conf, &[cookies]);
    (presented.found, presented.server)
}

#[test]
fn a_value_names_a_server_or_none() {
    let conf = cookie(CookieMode::Insert);
    for (cookies, expected) in [
        ("a=s0", (Found::None, None)),
        ("SRV=s1", (Found::Valid, Some(1))),
        ("a=b; SRV=s1; c=d", (Found::Valid, Some(1))),
        ("SRV=s1x", (Found::Invalid, None)),
        ("SRV=", (Found::Invalid, None)),
        ("SRV=\"s1\"", (Found::Invalid, None)),
        ("SRV=s2", (Found::Down, Some(2))),
        ("SRV=s3", (Found::Down, None)),
        ("SRV=s3; SRV=s0", (Found::Valid, Some(0))),
        ("SRV=x; SRV=s0", (Found::Valid, Some(0))),
        ("SRV=s3; SRV=x", (Found::Down, None)),
        ("SRV=s0; SRV=s1", (Found::Valid, Some(0))),
        ("SRV=s2; SRV=s1", (Found::Down, Some(2))),
        ("srv=s0", (Found::None, None)),
        ("SRV", (Found::None, None)),
    ] {
        assert_eq!(found(&conf, cookies), expected, "{cookies}");
    }
    let (presented, seen) = read(&conf, &["a=b", "SRV=s1"]);
    assert_eq!((presented.server, seen.len()), (Some(1), 2));
}

#[test]
fn dates_end_a_cookie() {
    let idle = Cookie { max_idle: Some(Duration::from_hours(1)), ..cookie(CookieMode::Insert) };
    let life = Cookie { max_life: Some(Duration::from_hours(1)), ..cookie(CookieMode::Insert) };
    for (conf, cookies, expected) in [
        (&idle, format!("SRV=s1|{DATE}"), (Found::Valid, Some(1))),
        (&idle, format!("SRV=s1|{YESTERDAY}"), (Found::Expired, None)),
        (&idle, "SRV=s1".into(), (Found::Valid, Some(1))),
        (&idle, "SRV=s1|no-date".into(), (Found::Valid, Some(1))),
        (&idle, "SRV=s1|zzzzz".into(), (Found::Expired, None)),
        (&life, format!("SRV=s1|{DATE}|{DATE}"), (Found::Valid, Some(1))),
        (&life, format!("SRV=s1|{DATE}|{YESTERDAY}"), (Found::Old, None)),
        (&life, format!("SRV=s1|{YESTERDAY}|{DATE}"), (Found::Valid, Some(1))),
        (&life, format!("SRV=s1||{YESTERDAY}"), (Found::Old, None)),
        (&cookie(CookieMode::Insert), format!("SRV=s1|{YESTERDAY}"), (Found::Valid, Some(1))),
    ] {
        assert_eq!(found(conf, &cookies), expected, "{cookies}");
    }
}

#[test]
fn servers_see_what_the_mode_leaves() {
    let seen = |conf: &Cookie, cookies: &[&str]| read(conf, cookies).1;
    let insert = cookie(CookieMode::Insert);
    assert_eq!(seen(&insert, &["a=b; SRV=s1"]), ["a=b; SRV=s1"]);
    let indirect = Cookie { indirect: true, ..insert };
    assert_eq!(seen(&indirect, &["a=b; SRV=s1", "SRV=x", "c=d"]), ["a=b", "c=d"]);
    let rewrite = Cookie { indirect: true, ..cookie(CookieMode::Rewrite) };
    assert_eq!(seen(&rewrite, &["a=b; SRV=s1"]), ["a=b; SRV=s1"]);
    let prefix = cookie(CookieMode::Prefix);
    assert_eq!(seen(&prefix, &["a=b; SRV=s1~x~y; c=d~e"]), ["a=b; SRV=x~y; c=d~e"]);
    assert_eq!(
        seen(&prefix, &["SRV=s1~x; SRV=s0~y; SRV=z", "SRV=~; e=f"]),
        ["SRV=x; SRV=y; SRV=z", "SRV=; e=f"]
    );
    assert_eq!(found(&prefix, "SRV=s1~x"), (Found::Valid, Some(1)));
    assert_eq!(found(&prefix, "SRV=s1|x~x"), (Found::Invalid, None));
}

const OK: &str = "HTTP/1.1 200 OK\r\nETag: x\r\n\r\n";

/// The answer of server 1, and the letters.
fn answered(conf: &Cookie, cookies: &str, answer: &str) -> (String, String) {
    let method = if conf.post_only { "POST" } else { "GET" };
    let mut head = format!("{method} / HTTP/1.1\r\nCookie: {cookies}\r\n\r\n").into_bytes();
    let presented = Presented::read(&mut head, conf, false, || NOW, named);
    let mut head = answer.as_bytes().to_vec();
    let attributes = conf.written_attributes();
    let answered =
        Answered { index: 1, value: b"s1", status: 200, attributes: attributes.as_bytes(), is_safe: true };
    let given = presented.answer(&mut head, conf, &answered, || NOW);
    let letters = Letters::new(presented.found_on(1), given);
    let head = String::from_utf8(head).unwrap();
    let head = head.strip_prefix("HTTP/1.1 200 OK\r\n").unwrap().replace("ETag: x\r\n", "");
    (head.strip_suffix("\r\n").unwrap().to_owned(), String::from_utf8(letters.0.to_vec()).unwrap())
}

#[test]
fn a_cookie_is_given_to_who_needs_it() {
    let conf = cookie(CookieMode::Insert);
    for (cookies, given, letters) in [
        ("a=b", true, "NI"),
        ("SRV=s1", false, "VN"),
        ("SRV=s0", true, "DI"),
        ("SRV=x", true, "II"),
        ("SRV=s3", true, "DI"),
    ] {
        let line = if given { "Set-Cookie: SRV=s1; path=/\r\n" } else { "" };
        assert_eq!(answered(&conf, cookies, OK), (line.into(), letters.into()), "{cookies}");
    }
    let own = "HTTP/1.1 200 OK\r\nSet-Cookie: SRV=own; path=/x\r\nset-cookie: b=SRV=c\r\n\r\n";
    let kept = "set-cookie: b=SRV=c\r\n";
    assert_eq!(answered(&conf, "SRV=s1", own), (kept.into(), "VD".into()));
    let (head, letters) = answered(&conf, "", own);
    assert_eq!((head, letters.as_str()), (format!("{kept}Set-Cookie: SRV=s1; path=/\r\n"), "NI"));
    let preserve = Cookie { preserve: true, ..conf.clone() };
    let (head, letters) = answered(&preserve, "", own);
    assert_eq!(
        (head.as_str(), letters.as_str()),
        (own.split_once("OK\r\n").unwrap().1.strip_suffix("\r\n").unwrap(), "NP")
    );
    assert_eq!(answered(&preserve, "", OK).1, "NI");
    let post = Cookie { post_only: true, ..conf };
    assert_eq!(answered(&post, "", OK).1, "NI");
}

#[test]
fn attributes_stand_behind_the_value() {
    let conf = Cookie {
        httponly: true,
        secure: true,
        samesite: Some(crate::config::SameSite::None),
        domains: vec![".a.example".into(), "b".into()],
        path: "/app".into(),
        attributes: vec!["Priority=High".into(), "x y".into()],
        ..cookie(CookieMode::Insert)
    };
    assert_eq!(
        answered(&conf, "", OK).0,
        "Set-Cookie: SRV=s1; path=/app; domain=.a.example; domain=b; HttpOnly; Secure; SameSite=None; Priority=High; x y\r\n"
    );
}

#[test]
fn dates_are_refreshed() {
    let idle = Cookie { max_idle: Some(Duration::from_hours(48)), ..cookie(CookieMode::Insert) };
    let both = Cookie { max_life: Some(Duration::from_hours(48)), ..idle.clone() };
    let none = cookie(CookieMode::Insert);
    let line = |value: &str| format!("Set-Cookie: SRV=s1|{value}; path=/\r\n");
    for (conf, cookies, expected, letters) in [
        (&idle, String::new(), line(DATE), "NI"),
        (&idle, "SRV=s1".into(), line(DATE), "VU"),
        (&idle, format!("SRV=s1|{YESTERDAY}"), line(DATE), "VU"),
        // It is of this moment.
        (&idle, format!("SRV=s1|{DATE}"), String::new(), "VN"),
        (&both, format!("SRV=s1|{YESTERDAY}|{YESTERDAY}"), line(&format!("{DATE}|{YESTERDAY}")), "VU"),
        (&both, "SRV=s1".into(), line(&format!("{DATE}|{DATE}")), "VU"),
        // Another server's clients begin anew, but not their age.
        (&both, format!("SRV=s0|{YESTERDAY}|{YESTERDAY}"), line(&format!("{DATE}|{YESTERDAY}")), "DI"),
        // Dates nobody wants go away.
        (&none, format!("SRV=s1|{YESTERDAY}"), "Set-Cookie: SRV=s1; path=/\r\n".into(), "VU"),
        (&none, format!("SRV=s1|x|{YESTERDAY}"), "Set-Cookie: SRV=s1; path=/\r\n".into(), "VU"),
    ] {
        assert_eq!(answered(conf, &cookies, OK), (expected, letters.into()), "{cookies}");
    }
}

#[test]
fn servers_cookies_are_changed_in_place() {
    let own = "HTTP/1.1 200 OK\r\nA: b\r\nSet-Cookie: SRV = \"own;x\" ; Max-Age=5, SRV=y\r\nC: d\r\nSet-Cookie:SRV=\r\n\r\n";
    let with = |first: &str, second: &str| {
        format!("A: b\r\nSet-Cookie: SRV = {first} ; Max-Age=5, SRV=y\r\nC: d\r\nSet-Cookie:SRV={second}\r\n")
    };
    assert_eq!(answered(&cookie(CookieMode::Rewrite), "SRV=s1", own), (with("s1", "s1"), "VR".into()));
    assert_eq!(answered(&cookie(CookieMode::Prefix), "", own), (with("s1~\"own;x\"", "s1~"), "NR".into()));
    assert_eq!(answered(&cookie(CookieMode::Passive), "SRV=s0", own), (with("\"own;x\"", ""), "DP".into()));
    let indirect = Cookie { indirect: true, ..cookie(CookieMode::Rewrite) };
    assert_eq!(answered(&indirect, "SRV=s1", own), ("A: b\r\nC: d\r\n".into(), "VD".into()));
    assert_eq!(answered(&indirect, "SRV=s0", own), (with("s1", "s1"), "DR".into()));
    assert_eq!(
        answered(&indirect, "", "HTTP/1.1 200 OK\r\nSet-Cookie: =;\r\nSet-Cookie2: x\r\n\r\n").1,
        "NN"
    );
}

#[test]
fn what_caches_may_keep_becomes_private() {
    let conf = Cookie { nocache: true, ..cookie(CookieMode::Insert) };
    for (answer, private) in [
        ("ETag: x", true),
        ("Last-Modified: x", true),
        ("Expires: x", true),
        ("Cache-Control: max-age=5", true),
        ("Cache-Control: public, max-age=5", true),
        ("Cache-Control: max-age=0, s-maxage=5", true),
        ("Cache-Control: no-cache=\"set-cookie\"\r\nETag: x", true),
        ("A: b", false),
        ("Cache-Control: max-age=0\r\nETag: x", false),
        ("Cache-Control: private\r\nETag: x", false),
        ("Cache-Control: No-Store\r\nETag: x", false),
        ("Cache-Control: private=\"a\"\r\nETag: x", false),
        ("Pragma: no-cache\r\nETag: x", false),
    ] {
        let (head, _) = answered(&conf, "", &format!("HTTP/1.1 200 OK\r\n{answer}\r\n\r\n"));
        assert_eq!(
            head.contains("Cache-Control: private\r\n") && !answer.contains("private"),
            private,
            "{answer}"
        );
        let (head, _) = answered(&conf, "SRV=s1", &format!("HTTP/1.1 200 OK\r\n{answer}\r\n\r\n"));
        assert_eq!(head, format!("{answer}\r\n").replace("ETag: x\r\n", ""), "it is given nothing");
    }
}

#[test]
fn who_is_ignored_is_not_touched() {
    let conf = Cookie { indirect: true, ..cookie(CookieMode::Insert) };
    let mut head = b"GET / HTTP/1.1\r\nCookie: a=b; SRV=s1\r\n\r\n".to_vec();
    let presented = Presented::read(&mut head, &conf, true, || NOW, named);
    assert_eq!((presented.found, presented.server), (Found::Unused, None));
    // What is not for servers is not for them in any case.
    assert_eq!(head, b"GET / HTTP/1.1\r\nCookie: a=b\r\n\r\n");
    let own = b"HTTP/1.1 200 OK\r\nSet-Cookie: SRV=x\r\n\r\n";
    let mut head = own.to_vec();
    let answered = Answered { index: 1, value: b"s1", status: 200, attributes: b"", is_safe: true };
    assert_eq!(presented.answer(&mut head, &conf, &answered, || NOW), Given::None);
    assert_eq!(head, own);
}

#[test]
fn servers_are_called_by_keyed_hashes() {
    let address = "10.0.0.1:8080".parse().unwrap();
    let one = |conf: &Cookie, backend: &str, name: &str| {
        let server = value::Server { name, given: None, address: &address };
        let values = value::Values::new(&value::Naming::of(conf), backend, [server].into_iter());
        String::from_utf8(values.of(0).to_vec()).unwrap()
    };
    let keyed = |key: &str| {
        let key = Some(Key { file: None, bytes: key.into() });
        Cookie { key, ..cookie(CookieMode::Insert) }
    };
    let all = [
        one(&keyed("k"), "app", "s1"),
        one(&keyed("k"), "app", "s2"),
        one(&keyed("k"), "api", "s1"),
        one(&keyed("l"), "app", "s1"),
    ];
    for (i, value) in all.iter().enumerate() {
        assert!(value.len() == 16 && !value.contains("s1"), "{value}");
        assert!(!all[..i].contains(value), "{all:?}");
    }
    // All instances and all versions call them the same.
    assert_eq!(all[0], "abf9097fda789a5e");
    let dynamic = Cookie { dynamic: true, ..keyed("MyKey") };
    assert_eq!(one(&dynamic, "app", "s1"), "3387097ed8d55e7d");
}

proptest! {
    #[test]
    fn nothing_panics(
        request in proptest::collection::vec(any::<u8>(), 0..60),
        answer in "[SRVs0123=;~|\", a\\\\]{0,40}",
        mode in 0_usize..4,
        flags in any::<[bool; 4]>(),
    ) {
        let mode = [CookieMode::Insert, CookieMode::Rewrite, CookieMode::Prefix, CookieMode::Passive][mode];
        let [indirect, preserve, nocache, dated] = flags;
        let time = dated.then_some(Duration::from_secs(9));
        let conf = Cookie { indirect, preserve, nocache, max_idle: time, max_life: time, ..cookie(mode) };
        let mut head = b"GET / HTTP/1.1\r\nCookie: SRV=".to_vec();
        head.extend(request.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')));
        head.extend_from_slice(b"\r\n\r\n");
        let presented = Presented::read(&mut head, &conf, false, || NOW, named);
        prop_assert!(head.ends_with(b"\r\n\r\n") && head.windows(4).filter(|w| w == b"\r\n\r\n").count() == 1);
        let mut head = format!("HTTP/1.1 200 OK\r\nSet-Cookie: {answer}\r\nETag: x\r\n\r\n").into_bytes();
        let answered = Answered { index: 1, value: b"s1", status: 200, attributes: b"; path=/", is_safe: true };
        presented.answer(&mut head, &conf, &answered, || NOW);
        prop_assert!(head.ends_with(b"\r\n\r\n") && head.windows(4).filter(|w| w == b"\r\n\r\n").count() == 1);
    }
}
