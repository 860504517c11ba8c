//! `balance`: a word, or a word with settings.

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
