//! What is hashed, and to what.

use super::super::words::{Choices, FUNCTIONS, HASH_KINDS, SERVER_KEYS};
use super::super::{Hash, HashKind, HashedKey};
use super::quoted;

/// `uri(length: 20, kind: consistent)`.
pub(super) fn hash(hash: &Hash) -> String {
    let (word, mut settings) = match &hash.key {
        HashedKey::Source => ("source", Vec::new()),
        HashedKey::Uri(uri) => {
            let numbers = [("length", uri.length), ("depth", uri.depth)];
            let numbers = numbers.into_iter().filter_map(|(name, n)| Some(format!("{name}: {}", n?)));
            let whether = [("whole", uri.whole), ("path_only", uri.path_only)];
            let whether = whether.into_iter().filter(|(_, is)| *is).map(|(name, _)| format!("{name}: true"));
            ("uri", numbers.chain(whether).collect())
        }
        HashedKey::UrlParam(name) => ("url_param", vec![format!("name: {}", quoted(name))]),
        HashedKey::Header(name) => ("header", vec![format!("name: {}", quoted(name))]),
        HashedKey::Cookie(name) => ("cookie", vec![format!("name: {}", quoted(name))]),
        HashedKey::Sample(sample) => ("hash", vec![format!("key: {}", quoted(&sample.text))]),
    };
    settings.push(format!("kind: {}", word_of(&HASH_KINDS, &hash.kind)));
    let names_function = hash.key != HashedKey::Source;
    if names_function {
        settings.push(format!("function: {}", word_of(&FUNCTIONS, &hash.function)));
    }
    if hash.avalanche != (hash.kind == HashKind::Consistent && !names_function) {
        settings.push(format!("avalanche: {}", hash.avalanche));
    }
    if let Some(percent) = hash.balance_factor {
        settings.push(format!("balance_factor: \"{percent}%\""));
    }
    if hash.hash_key != hash.kind.server_key() {
        settings.push(format!("hash_key: {}", word_of(&SERVER_KEYS, &hash.hash_key)));
    }
    format!("{word}({})", settings.join(", "))
}

fn word_of<T: PartialEq>(choices: &Choices<T>, value: &T) -> &'static str {
    choices.known.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
}
