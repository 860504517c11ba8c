//! Persistence cookies: whatever they hold, heads stay heads, and nothing but the cookie of that name changes.

use std::time::Duration;

use harness::wire::Head;
use proxyd::config::{Cookie, CookieMode};
use proxyd::persist::{Answered, Named, Presented};

use super::head::read;

const NOW: u64 = 1_700_000_001;
const NAME: &str = "SRV";

/// A head of a request, a byte of 1, and a `Set-Cookie` line; the first byte chooses the mode and its options.
pub fn cookies(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let at = bytes.iter().position(|it| *it == 1).unwrap_or(bytes.len());
    let conf = cookie(*choice);
    if let Some((_, sent)) = read(&bytes[..at]) {
        request(&conf, sent, *choice);
    }
    let line = bytes.get(at + 1..).unwrap_or_default();
    if !line.iter().any(u8::is_ascii_control) {
        answer(&conf, line);
    }
}

fn cookie(choice: u8) -> Cookie {
    let is = |bit: u8| choice & bit != 0;
    let time = is(32).then_some(Duration::from_hours(1));
    Cookie {
        name: NAME.to_owned(),
        mode: [CookieMode::Insert, CookieMode::Rewrite, CookieMode::Prefix, CookieMode::Passive]
            [usize::from(choice % 4)],
        indirect: is(4),
        nocache: is(8),
        post_only: false,
        preserve: is(16),
        httponly: true,
        secure: false,
        samesite: None,
        domains: Vec::new(),
        path: "/".to_owned(),
        attributes: Vec::new(),
        max_idle: time,
        max_life: time,
        dynamic: false,
        key: None,
    }
}

fn named(value: &[u8]) -> Named {
    match value {
        b"s1" => Named::Up(1),
        b"s2" => Named::Down,
        _ => Named::Nobody,
    }
}

fn request(conf: &Cookie, mut head: Vec<u8>, choice: u8) {
    let before = Head::parse(&head).expect("it was judged");
    Presented::read(&mut head, conf, choice & 64 != 0, || NOW, named);
    let after = Head::parse(&head).expect("a strict server takes it");
    assert_eq!(after.first, before.first);
    assert_eq!(others(&after), others(&before), "a field that is no cookie");
    if cookie_lines(&before).any(|line| line.contains(['"', '$'])) {
        // Values in quotes may hold a `;`, and attributes go with their cookie: the tests beside the code know.
        return;
    }
    let (before, after) = (pairs(&before), pairs(&after));
    assert_eq!(foreign(&after), foreign(&before), "another cookie");
    if conf.mode == CookieMode::Insert && conf.indirect {
        assert_eq!(foreign(&after), after, "the server sees none of ours");
    } else {
        assert_eq!(after.len(), before.len());
    }
}

fn answer(conf: &Cookie, line: &[u8]) {
    let mut head = [&b"HTTP/1.1 200 OK\r\nSet-Cookie: "[..], line, b"\r\nETag: x\r\n\r\n"].concat();
    let Ok(before) = Head::parse(&head) else { return };
    let answered =
        Answered { index: 1, value: b"s1", status: 200, attributes: b"; path=/; HttpOnly", is_safe: true };
    Presented::default().answer(&mut head, conf, &answered, || NOW);
    let after = Head::parse(&head).expect("a strict client takes it");
    assert_eq!(after.first, before.first);
    assert_eq!(after.get("etag"), Some("x"));
    assert!(after.fields.len() <= before.fields.len() + 2, "{:?}", after.fields);
}

fn others(head: &Head) -> Vec<&(String, String)> {
    head.fields.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("cookie")).collect()
}

fn cookie_lines(head: &Head) -> impl Iterator<Item = &str> {
    let lines = head.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("cookie"));
    lines.map(|(_, value)| value.as_str())
}

/// All that stands between the `;` of the lines and has a `=`, without blanks around it.
fn pairs(head: &Head) -> Vec<String> {
    let parts =
        cookie_lines(head).flat_map(|line| line.split(';')).map(|part| part.trim_matches([' ', '\t']));
    parts.filter(|part| part.contains('=')).map(str::to_owned).collect()
}

fn foreign(pairs: &[String]) -> Vec<String> {
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().trim_matches([' ', '\t']).to_owned();
    pairs.iter().filter(|pair| name(pair) != NAME).cloned().collect()
}
