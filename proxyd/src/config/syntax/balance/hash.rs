//! The algorithms that hash a key: what the key is, and what becomes of its hash.

use super::super::super::reference::{
    BALANCE_COOKIE, BALANCE_HASH, BALANCE_HEADER, BALANCE_SOURCE, BALANCE_URI, BALANCE_URL_PARAM, Section,
};
use super::super::super::report::{Diagnostic, Report};
use super::super::super::sample::Place;
use super::super::super::shape::{Fields, Value};
use super::super::super::span::{Kind, Node};
use super::super::super::words::{FUNCTIONS, HASH_KINDS, HashedWord, SERVER_KEYS};
use super::super::super::{Algorithm, Hash, HashKind, HashedKey, UriKey, defaults};
use super::super::sample;
use crate::hash::Function;

/// Reads an algorithm that hashes what `word` stands for.
pub(super) fn read(
    word: HashedWord,
    value: Value<'_, '_>,
    settings: Option<&Node<'_>>,
    report: &mut Report,
) -> Option<Algorithm> {
    let section = section(word);
    let (key, fields) = match (settings.map(|node| &node.kind), own(word)) {
        // `header("x-user")` is `header(name: "x-user")`.
        (Some(Kind::Tuple(values)), Some(name)) if let [node] = values.as_slice() => {
            (named(word, Value { name, node }, report)?, None)
        }
        (None, Some(name)) => {
            let section = section.what;
            report.push(
                Diagnostic::error("missing-setting", format!("{section} needs `{name}`"))
                    .at(value.node.span, "it hashes nothing like this")
                    .help(example(word)),
            );
            return None;
        }
        (_, own) => {
            let fields = match settings {
                Some(node) => Some(Fields::open(node, section, report)?),
                None => None,
            };
            if let Some(fields) = &fields {
                fields.complete(report);
            }
            let key = match (word, own) {
                (_, Some(name)) => named(word, fields.as_ref()?.get(name)?, report)?,
                (HashedWord::Uri, None) => HashedKey::Uri(uri(fields.as_ref(), report)),
                (_, None) => HashedKey::Source,
            };
            (key, fields)
        }
    };
    hash(key, fields.as_ref(), report).map(|hash| Algorithm::Hash(Box::new(hash)))
}

fn section(word: HashedWord) -> &'static Section {
    match word {
        HashedWord::Source => &BALANCE_SOURCE,
        HashedWord::Uri => &BALANCE_URI,
        HashedWord::UrlParam => &BALANCE_URL_PARAM,
        HashedWord::Header => &BALANCE_HEADER,
        HashedWord::Cookie => &BALANCE_COOKIE,
        HashedWord::Hash => &BALANCE_HASH,
    }
}

/// The setting that says what the key is.
const fn own(word: HashedWord) -> Option<&'static str> {
    match word {
        HashedWord::Source | HashedWord::Uri => None,
        HashedWord::UrlParam | HashedWord::Header | HashedWord::Cookie => Some("name"),
        HashedWord::Hash => Some("key"),
    }
}

const fn example(word: HashedWord) -> &'static str {
    match word {
        HashedWord::UrlParam => "write `url_param(\"id\")`",
        HashedWord::Header => "write `header(\"x-user\")`",
        HashedWord::Cookie => "write `cookie(\"session\")`",
        HashedWord::Source | HashedWord::Uri | HashedWord::Hash => "write `hash(key: \"req.hdr(x-user)\")`",
    }
}

/// What is behind the name of a key.
fn named(word: HashedWord, value: Value<'_, '_>, report: &mut Report) -> Option<HashedKey> {
    if word == HashedWord::Hash {
        return sample::read(value, Place::Request, report).map(|sample| HashedKey::Sample(sample.value));
    }
    let text = value.text(report)?;
    let name: Box<str> = text.value.as_str().into();
    let fits = match word {
        HashedWord::UrlParam => !name.is_empty() && !name.contains(['&', '=', '?', '#']),
        _ => {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&b))
        }
    };
    if !fits {
        let what = match word {
            HashedWord::UrlParam => "a parameter of a query",
            HashedWord::Cookie => "a cookie",
            _ => "a header",
        };
        report.push(
            Diagnostic::error("bad-name", format!("{:?} cannot be the name of {what}", text.value))
                .at(text.span, "expected a name")
                .help(example(word)),
        );
        return None;
    }
    Some(match word {
        HashedWord::UrlParam => HashedKey::UrlParam(name),
        HashedWord::Cookie => HashedKey::Cookie(name),
        _ => HashedKey::Header(name),
    })
}

fn uri(fields: Option<&Fields<'_, '_>>, report: &mut Report) -> UriKey {
    let Some(fields) = fields else { return UriKey::default() };
    let mut number = |name| fields.get(name).and_then(|value| value.number(1..=u32::MAX, report));
    let (length, depth) = (number("length"), number("depth"));
    let mut boolean = |name| fields.get(name).is_some_and(|v| v.boolean(report).is_some_and(|b| b.value));
    UriKey {
        length: length.map(|length| length.value),
        depth: depth.map(|depth| depth.value),
        whole: boolean("whole"),
        path_only: boolean("path_only"),
    }
}

/// What becomes of the hash.
fn hash(key: HashedKey, fields: Option<&Fields<'_, '_>>, report: &mut Report) -> Option<Hash> {
    let get = |name| fields.and_then(|fields| fields.get(name));
    let kind = match get("kind") {
        Some(value) => value.choice(&HASH_KINDS, report)?.value,
        None => defaults::HASH_KIND,
    };
    let has_function = key != HashedKey::Source;
    let function = has_function.then(|| get("function")).flatten();
    // As with HAProxy: who names a function says how it is spread.
    let spreads = kind == HashKind::Consistent && function.is_none();
    let function = match function {
        Some(value) => value.choice(&FUNCTIONS, report)?.value,
        None => Function::default(),
    };
    let avalanche = match get("avalanche") {
        Some(value) => value.boolean(report)?.value,
        None => spreads,
    };
    let balance_factor = match get("balance_factor") {
        Some(value) => Some(factor(kind, value, report)?),
        None => None,
    };
    let hash_key = match get("hash_key") {
        Some(value) => {
            let chosen = value.choice(&SERVER_KEYS, report)?;
            if kind == HashKind::MapBased {
                report.push(
                    Diagnostic::error("no-meaning", "`hash_key` has no meaning for the kind `map_based`")
                        .at(chosen.span, "a map is made of weights and the order of servers alone")
                        .help("write `kind: consistent`, or leave it out"),
                );
                return None;
            }
            chosen.value
        }
        None => kind.server_key(),
    };
    Some(Hash { key, kind, function, avalanche, balance_factor, hash_key })
}

/// Percent of what a server may carry by its weight.
fn factor(kind: HashKind, value: Value<'_, '_>, report: &mut Report) -> Option<u32> {
    let text = value.text(report)?;
    let number = text.value.strip_suffix('%').and_then(|number| number.parse::<u32>().ok());
    let Some(percent) = number.filter(|percent| (101..=10_000).contains(percent)) else {
        report.push(
            Diagnostic::error(
                "bad-share",
                format!("{:?} is not a factor that loads can be held to", text.value),
            )
            .at(text.span, "expected \"101%\" to \"10000%\"")
            .help("with \"150%\" no server carries more than half again of its share"),
        );
        return None;
    };
    if kind == HashKind::MapBased {
        report.push(
            Diagnostic::error("no-meaning", "`balance_factor` has no meaning for the kind `map_based`")
                .at(text.span, "where a server is full, a map has no next one")
                .help("write `kind: consistent`"),
        );
        return None;
    }
    Some(percent)
}
