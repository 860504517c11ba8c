//! Persistence as it would be written.

use std::fmt::Write as _;

use super::super::persistence::{Cookie, CookieMode, Persist, SameSite};
use super::{duration, quoted};

pub(super) fn cookie(cookie: &Cookie) -> String {
    let mode = match cookie.mode {
        CookieMode::Insert => "insert",
        CookieMode::Rewrite => "rewrite",
        CookieMode::Prefix => "prefix",
        CookieMode::Passive => "passive",
    };
    let mut text = format!("cookie(name: {}, mode: {mode}", quoted(&cookie.name));
    for (name, on) in [
        ("indirect", cookie.indirect),
        ("nocache", cookie.nocache),
        ("post_only", cookie.post_only),
        ("preserve", cookie.preserve),
        ("httponly", cookie.httponly),
        ("secure", cookie.secure),
        ("dynamic", cookie.dynamic),
    ] {
        if on {
            let _ = write!(text, ", {name}: true");
        }
    }
    match cookie.samesite {
        Some(SameSite::Strict) => text.push_str(", samesite: strict"),
        Some(SameSite::Lax) => text.push_str(", samesite: lax"),
        Some(SameSite::None) => text.push_str(", samesite: none"),
        None => {}
    }
    for (name, values) in [("domain", &cookie.domains), ("attr", &cookie.attributes)] {
        if !values.is_empty() {
            let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
            let _ = write!(text, ", {name}: [{}]", values.join(", "));
        }
    }
    if cookie.path != "/" {
        let _ = write!(text, ", path: {}", quoted(&cookie.path));
    }
    for (name, time) in [("max_idle", cookie.max_idle), ("max_life", cookie.max_life)] {
        if let Some(time) = time {
            let _ = write!(text, ", {name}: {}", duration(time));
        }
    }
    if let Some(key) = &cookie.key {
        let _ = match &key.file {
            Some(path) => write!(text, ", key: file({})", quoted(&path.to_string_lossy())),
            None => write!(text, ", key: {}", quoted(&String::from_utf8_lossy(&key.bytes))),
        };
    }
    text.push(')');
    text
}

pub(super) fn persist(persist: &Persist) -> String {
    let mut parts = Vec::new();
    for (name, conditions) in [("ignore", &persist.ignore), ("force", &persist.force)] {
        if !conditions.is_empty() {
            let conditions: Vec<String> = conditions.iter().map(ToString::to_string).collect();
            parts.push(format!("{name}: [{}]", conditions.join(", ")));
        }
    }
    if persist.try_down {
        parts.push("try_down: true".to_owned());
    }
    format!("({})", parts.join(", "))
}
