//! Checks, as they are written.

use std::fmt::Write as _;

use super::super::check::{
    Check, CheckKind, Connect, Encrypt, Expect, Greet, HttpCheck, Pattern, StatusRange, Step, Target, Timing,
};
use super::super::words::{ALPNS, HTTP_VERSIONS};
use super::{duration, quoted, socket};

pub(super) fn check(check: &Check) -> String {
    let mut text = format!("{}(", check.kind.word());
    kind(&mut text, &check.kind);
    target(&mut text, &check.target);
    timing(&mut text, &check.timing);
    text.push(')');
    text
}

fn kind(text: &mut String, kind: &CheckKind) {
    let mut setting = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            let _ = write!(text, "{name}: {}, ", quoted(value));
        }
    };
    match kind {
        CheckKind::Tcp | CheckKind::Redis => {}
        CheckKind::Http(asked) => http(text, asked),
        CheckKind::Grpc { service, authority } => {
            setting("service", Some(service));
            setting("authority", authority.as_deref());
        }
        CheckKind::Script(steps) => {
            let steps: Vec<String> = steps.iter().map(step).collect();
            let _ = write!(text, "steps: [{}], ", steps.join(", "));
        }
        CheckKind::Postgres { user, database } => {
            setting("user", Some(user));
            setting("database", database.as_deref());
        }
        CheckKind::Mysql { user } => setting("user", user.as_deref()),
        CheckKind::Smtp { helo } => setting("helo", Some(helo)),
        CheckKind::External { command, arguments } => {
            setting("command", Some(&command.to_string_lossy()));
            if let Some(arguments) = arguments {
                let arguments: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
                let _ = write!(text, "arguments: [{}], ", arguments.join(", "));
            }
        }
    }
}

fn http(text: &mut String, asked: &HttpCheck) {
    let _ = write!(text, "method: {}, path: {}, ", quoted(&asked.method), quoted(&asked.path));
    if let Some(host) = &asked.host {
        let _ = write!(text, "host: {}, ", quoted(host));
    }
    if let Some((name, _)) = HTTP_VERSIONS.iter().find(|(_, version)| Some(*version) == asked.version) {
        let _ = write!(text, "version: {}, ", quoted(name));
    }
    if !asked.headers.is_empty() {
        let headers = asked.headers.iter();
        let headers: Vec<String> =
            headers.map(|(name, value)| format!("({}, {})", quoted(name), quoted(value))).collect();
        let _ = write!(text, "headers: [{}], ", headers.join(", "));
    }
    if !asked.body.is_empty() {
        let _ = write!(text, "body: {}, ", quoted(&asked.body));
    }
    let list: Vec<String> = asked.expect.iter().map(expect).collect();
    let _ = match list.as_slice() {
        [one] => write!(text, "expect: {one}, "),
        list => write!(text, "expect: [{}], ", list.join(", ")),
    };
    if asked.disable_on_404 {
        text.push_str("disable_on_404: true, ");
    }
}

fn expect(expect: &Expect) -> String {
    match expect {
        Expect::Status(ranges) => status(ranges),
        Expect::Body(pattern) => self::pattern(pattern),
        Expect::Header { name, value: None } => format!("header({})", quoted(name)),
        Expect::Header { name, value: Some(value) } => {
            format!("header({}, {})", quoted(name), pattern(value))
        }
        Expect::Not(inner) => format!("not({})", self::expect(inner)),
    }
}

fn pattern(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Text(text) => format!("string({})", quoted(text)),
        Pattern::Binary(bytes) => format!("binary({})", hex(bytes)),
        Pattern::Regex(regex) => format!("regex({})", quoted(regex.0.as_str())),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    quoted(&digits.join(" "))
}

fn step(step: &Step) -> String {
    match step {
        Step::Connect(how) if *how == Connect::default() => "connect".to_owned(),
        Step::Connect(how) => {
            let mut text = String::new();
            place(&mut text, how.address.map(|address| address.to_string()), how.port);
            if how.encrypt != Encrypt::AsServer {
                let _ = write!(text, "tls: {}, ", how.encrypt == Encrypt::Always);
            }
            greet(&mut text, how.greet);
            format!("connect({})", text.trim_end_matches(", "))
        }
        Step::Send(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => format!("send({})", quoted(text)),
            Err(_) => format!("send_binary({})", hex(bytes)),
        },
        Step::Expect { pattern, unwanted: false } => format!("expect({})", self::pattern(pattern)),
        Step::Expect { pattern, unwanted: true } => format!("expect(not({}))", self::pattern(pattern)),
    }
}

fn place(text: &mut String, address: Option<String>, port: Option<u16>) {
    if let Some(address) = address {
        let _ = write!(text, "address: {}, ", quoted(&address));
    }
    if let Some(port) = port {
        let _ = write!(text, "port: {port}, ");
    }
}

fn greet(text: &mut String, greet: Greet) {
    match greet {
        Greet::AsServer => {}
        Greet::Never => text.push_str("send_proxy: off, "),
        Greet::Send(how) => _ = write!(text, "send_proxy: {}, ", socket::send_proxy(how)),
    }
}

fn target(text: &mut String, target: &Target) {
    place(text, target.address.map(|address| address.to_string()), target.port);
    match (target.encrypt, &target.tls) {
        (Encrypt::AsServer, _) => {}
        (Encrypt::Never, _) => text.push_str("tls: false, "),
        (Encrypt::Always, None) => text.push_str("tls: true, "),
        (Encrypt::Always, Some(tls)) => _ = write!(text, "tls: {}, ", super::tls::server(tls)),
    }
    if let Some(alpn) = &target.alpn {
        let known = |name: &String| ALPNS.known.iter().find(|(_, known)| known.wire() == name);
        let words: Vec<String> = alpn
            .iter()
            .map(|name| known(name).map_or_else(|| quoted(name), |(word, _)| (*word).to_owned()))
            .collect();
        let _ = write!(text, "alpn: [{}], ", words.join(", "));
    }
    greet(text, target.greet);
}

fn timing(text: &mut String, timing: &Timing) {
    let durations = [
        ("interval", timing.interval),
        ("fast_interval", timing.fast_interval),
        ("down_interval", timing.down_interval),
        ("timeout", timing.timeout),
    ];
    for (name, value) in durations {
        let _ = write!(text, "{name}: {}, ", duration(value));
    }
    let Timing { spread, rise, fall, .. } = timing;
    let _ = write!(text, "spread: \"{spread}%\", rise: {rise}, fall: {fall}");
}

pub(in crate::config) fn status(ranges: &[StatusRange]) -> String {
    let one = |range: &StatusRange| {
        if range.first == range.last {
            range.first.to_string()
        } else {
            format!("{}-{}", range.first, range.last)
        }
    };
    let ranges: Vec<String> = ranges.iter().map(one).collect();
    format!("status(\"{}\")", ranges.join(","))
}
