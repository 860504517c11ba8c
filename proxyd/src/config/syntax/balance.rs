//! `balance`: a word, or a word with settings.

mod hash;

use super::super::reference::RANDOM;
use super::super::report::{Diagnostic, Report};
use super::super::shape::{Fields, Value, no_choice};
use super::super::span::{Kind, Node, Spanned};
use super::super::words::{ALGORITHMS, AlgorithmWord};
use super::super::{Algorithm, defaults};

/// What only algorithms that hash a key can be told.
const OF_HASHES: [&str; 6] = ["kind", "function", "avalanche", "balance_factor", "hash_key", "key"];

/// Draws of `random` at most: more is a search, which `least_conn` is better at.
const MOST_DRAWS: u32 = 64;

/// Reads `balance`.
pub(super) fn read(value: Value<'_, '_>, report: &mut Report) -> Option<Spanned<Algorithm>> {
    let settings = match &value.node.kind {
        Kind::Variant(_, settings) => Some(&**settings),
        _ => None,
    };
    let (Kind::Word(word) | Kind::Variant(word, _)) = &value.node.kind else {
        return value.choice(&ALGORITHMS, report).and(None);
    };
    let Some(algorithm) = ALGORITHMS.find(word) else {
        report.push(no_choice(word, value, &ALGORITHMS));
        return None;
    };
    let algorithm = match algorithm {
        AlgorithmWord::RoundRobin => plain(Algorithm::RoundRobin, word, settings, report),
        AlgorithmWord::StaticRr => plain(Algorithm::StaticRr, word, settings, report),
        AlgorithmWord::LeastConn => plain(Algorithm::LeastConn, word, settings, report),
        AlgorithmWord::First => plain(Algorithm::First, word, settings, report),
        AlgorithmWord::LeastLatency => plain(Algorithm::LeastLatency, word, settings, report),
        AlgorithmWord::Random => random(word, settings, report),
        AlgorithmWord::Hashed(key) => hash::read(key, value, settings, report),
    }?;
    Some(Spanned { value: algorithm, span: value.node.span })
}

/// An algorithm that is told nothing.
fn plain(
    algorithm: Algorithm,
    word: &str,
    settings: Option<&Node<'_>>,
    report: &mut Report,
) -> Option<Algorithm> {
    let Some(settings) = settings else { return Some(algorithm) };
    match &settings.kind {
        Kind::Struct(fields) if fields.is_empty() => return Some(algorithm),
        _ if hashes_nothing(word, settings, report) => {}
        _ => report.push(
            Diagnostic::error("wrong-type", format!("`{word}` has no settings"))
                .at(settings.span, "nothing is expected here"),
        ),
    }
    None
}

fn random(word: &str, settings: Option<&Node<'_>>, report: &mut Report) -> Option<Algorithm> {
    let mut draws = defaults::DRAWS;
    if let Some(settings) = settings {
        if hashes_nothing(word, settings, report) {
            return None;
        }
        let fields = Fields::open(settings, &RANDOM, report)?;
        if let Some(value) = fields.get("draws") {
            draws = value.number(1..=MOST_DRAWS, report)?.value;
        }
    }
    Some(Algorithm::Random { draws })
}

/// Reports settings that say how a key is hashed, where there is no key. Says whether there were some.
fn hashes_nothing(word: &str, settings: &Node<'_>, report: &mut Report) -> bool {
    let Kind::Struct(fields) = &settings.kind else { return false };
    let wrong = fields.iter().map(|(name, _)| name).filter(|name| OF_HASHES.contains(&name.value));
    let mut some = false;
    for name in wrong {
        some = true;
        report.push(
            Diagnostic::error("no-hash", format!("`{}` has no meaning for `{word}`", name.value))
                .at(name.span, "it says how a key of the request is hashed, or to what")
                .help(format!("`{word}` chooses without a key: leave it out")),
        );
    }
    some
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::source::Memory;
    use crate::config::{Backend, Backups, load, to_ron};

    fn backend(settings: &str) -> Backend {
        let read =
            |text: String| load(&Memory::default().with("f.ron", text), &["f.ron".into()]).unwrap().config;
        let config = read(format!(
            r#"(listen: [(
                name: "a", bind: [":1"], {settings},
                servers: [(name: "s", address: "[::1]:1"), (name: "t", address: "[::1]:2", slow_start: "90s")],
            )])"#
        ));
        assert_eq!(read(to_ron(&config)), config, "{settings}");
        config.backends[0].clone()
    }

    #[test]
    fn algorithms_have_a_word_and_some_have_settings() {
        for (said, meant) in [
            ("round_robin", Algorithm::RoundRobin),
            ("roundrobin()", Algorithm::RoundRobin),
            ("static_rr", Algorithm::StaticRr),
            ("staticrr", Algorithm::StaticRr),
            ("leastconn", Algorithm::LeastConn),
            ("first()", Algorithm::First),
            ("least_latency", Algorithm::LeastLatency),
            ("random", Algorithm::Random { draws: 2 }),
            ("random()", Algorithm::Random { draws: 2 }),
            ("random(draws: 64)", Algorithm::Random { draws: 64 }),
        ] {
            assert_eq!(backend(&format!("balance: {said}")).balance, meant, "{said}");
        }
    }

    #[test]
    fn what_a_backend_says_of_its_servers() {
        assert_eq!(backend("balance: first").backups, Backups::First);
        assert_eq!(backend("backups: all").backups, Backups::All);
        let slow = |settings: &str| -> Vec<Duration> {
            backend(settings).servers.iter().map(|server| server.limits.slow_start).collect()
        };
        let s = Duration::from_secs;
        assert_eq!(slow("backups: first"), [s(0), s(90)]);
        assert_eq!(slow(r#"server_defaults: (slow_start: "5s")"#), [s(5), s(90)]);
    }
}
