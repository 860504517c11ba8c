//! Every setting, in one table: the reader takes the known names from it, `print-defaults` and the written
//! reference their text.

mod table;

use std::fmt::Write as _;

use super::words;
pub use table::check as checks;
pub use table::{
    AGENT, BACKEND, BALANCE_COOKIE, BALANCE_HASH, BALANCE_HEADER, BALANCE_SOURCE, BALANCE_URI,
    BALANCE_URL_PARAM, BIND_ENTRY, BIND_TLS, CLIENT_CERT_HEADER, CLIENT_CERTS, CLIENT_TIMEOUTS, COOKIE,
    DEFAULTS, EJECT, ERROR_PAGE, FILE, FRONTEND, GLOBAL, HTTP, HTTP2, KEEPALIVE, LISTEN, LOG_TARGET, METRICS,
    PANIC, PERSIST, PROXY_LOG, RANDOM, RETRIES, ROUTE, SECTIONS, SEND_PROXY, SERVER, SERVER_DEFAULTS,
    SERVER_HTTP2, SERVER_TIMEOUTS, SERVER_TLS, SOCKET, STICK, TABLE, TICKETS, TIMEOUTS, TRACK,
};

/// A section: a `( )` with settings of its own.
#[derive(Debug)]
pub struct Section {
    /// As messages name it: "a backend".
    pub what: &'static str,
    /// As the reference heads it.
    pub title: &'static str,
    pub about: &'static str,
    pub fields: &'static [Field],
    /// Settings that are part of the design and not built yet.
    pub later: &'static [&'static str],
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    /// What is written after the colon.
    pub shape: &'static str,
    pub preset: Preset,
    pub meaning: &'static str,
}

/// What holds where a setting is left out.
#[derive(Clone, Copy, Debug)]
pub enum Preset {
    /// It cannot be left out.
    Required,
    /// In words.
    Unset(&'static str),
    /// A value, as it would be written.
    Value(fn() -> String),
}

impl Section {
    /// Whether a setting is part of this section.
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }
}

const INTRODUCTION: &str = "\
# Configuration reference

Files are RON. Durations are strings with a unit (`\"250ms\"`, `\"5s\"`, `\"2m\"`, `\"1h\"`, `\"1d\"`), sizes too (`\"16KiB\"`, `\"1MB\"`), shares are strings
(`\"20%\"`), file modes are strings (`\"0600\"`), counts are plain numbers (`50_000`). Comments are `//` and `/* */`.
`proxyd check -f PATH` reads a file and reports everything that is wrong with it; `proxyd print-defaults` prints the
default values.
";

/// The reference of all settings, as Markdown.
pub fn markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    for section in SECTIONS {
        let _ = write!(text, "\n## {}\n\n{}\n\n", section.title, section.about);
        if !section.fields.is_empty() {
            text.push_str("| setting | value | default | meaning |\n|---|---|---|---|\n");
        }
        for field in section.fields {
            let preset = match field.preset {
                Preset::Required => "required".to_owned(),
                Preset::Unset(words) => words.to_owned(),
                Preset::Value(value) => format!("`{}`", value()),
            };
            let _ = writeln!(text, "| `{}` | {} | {preset} | {} |", field.name, field.shape, field.meaning);
        }
        if !section.later.is_empty() {
            let names = words::list(section.later.iter().copied(), "and");
            let _ = write!(text, "\nNot supported yet: {names}.\n");
        }
    }
    text.push_str(&super::sample::reference());
    text.push_str(&super::log_format::reference());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_REFERENCE=1 cargo test -p proxyd reference` writes the file anew.
    #[test]
    fn the_written_reference_is_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/REFERENCE.md");
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).unwrap_or_default() == markdown(),
            "examples/REFERENCE.md is out of date: UPDATE_REFERENCE=1 cargo test -p proxyd reference"
        );
    }

    #[test]
    fn no_setting_is_both_built_and_not() {
        for section in SECTIONS {
            for name in section.later {
                assert!(!section.has(name), "{name} in {}", section.title);
            }
        }
    }
}
