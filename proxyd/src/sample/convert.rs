//! The converters (HAProxy's configuration manual 7.3.1).

use std::net::IpAddr;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;
use xxhash_rust::xxh32::xxh32;
use xxhash_rust::xxh64::xxh64;

use super::value::{Bytes, Value, part};
use crate::config::sample::{Converter, HashWord, Part, Spread};
use crate::hash;

/// What a value becomes; `None` where it is of no use to the converter.
pub(super) fn apply<'a>(value: Value<'a>, converter: &Converter) -> Option<Value<'a>> {
    Some(match converter {
        Converter::Lower => Value::Text(each(value.into_text(), u8::to_ascii_lowercase)),
        Converter::Upper => Value::Text(each(value.into_text(), u8::to_ascii_uppercase)),
        Converter::Word(wanted) => {
            let text = value.into_text();
            let (start, end) = word(&text, wanted)?;
            Value::Text(part(text, start, end))
        }
        Converter::Field(wanted) => {
            let text = value.into_text();
            let (start, end) = field(&text, wanted)?;
            Value::Text(part(text, start, end))
        }
        Converter::Length => Value::Integer(value.into_text().len() as i64),
        Converter::Bytes { start, length } => {
            let bytes = value.into_binary();
            let start = bytes.len().min(*start);
            let end = length.map_or(bytes.len(), |length| bytes.len().min(start.saturating_add(length)));
            Value::Binary(part(bytes, start, end))
        }
        Converter::IpMask { v4, v6 } => Value::Ip(match value.into_ip()?.to_canonical() {
            IpAddr::V4(ip) => (ip & *v4).into(),
            IpAddr::V6(ip) => (ip & (*v6)?).into(),
        }),
        Converter::UrlDecode { form } => Value::Text(url_decode(&value.into_text(), *form)?),
        Converter::Hex => Value::Text(Bytes::Made(hexadecimal(&value.into_binary()))),
        Converter::Base64 => {
            Value::Text(Bytes::made(BASE64_STANDARD.encode(&*value.into_binary()).as_bytes()))
        }
        Converter::Hash(word, spread) => {
            let bytes = value.into_binary();
            let hash = match word {
                HashWord::Sdbm => hash::sdbm(&bytes),
                HashWord::Djb2 => hash::djb2(&bytes),
                HashWord::Wt6 => hash::wt6(&bytes),
                HashWord::Crc32 => hash::crc32(&bytes),
            };
            Value::Integer(i64::from(match spread {
                Spread::AsItIs => hash,
                Spread::Avalanche => hash::avalanche(hash),
            }))
        }
        Converter::Xxh32 { seed } => Value::Integer(xxh32(&value.into_binary(), *seed).into()),
        Converter::Xxh64 { seed } => Value::Integer(xxh64(&value.into_binary(), *seed) as i64),
        Converter::Xxh3 { seed } => Value::Integer(xxh3_64_with_seed(&value.into_binary(), *seed) as i64),
    })
}

/// What is right already stays where it is.
fn each(bytes: Bytes<'_>, change: impl Fn(&u8) -> u8) -> Bytes<'_> {
    if bytes.iter().all(|b| change(b) == *b) {
        return bytes;
    }
    Bytes::Made(bytes.iter().map(change).collect())
}

/// HAProxy's `word`: delimiters in a row are one, and those at the ends are none.
fn word(text: &[u8], wanted: &Part) -> Option<(usize, usize)> {
    let is_delimiter = |b: &u8| wanted.delimiters.contains(b);
    let backwards = wanted.index < 0;
    let at = |i: usize| if backwards { text.len() - 1 - i } else { i };
    let (mut seen, mut inside, mut left) = (0_u64, false, wanted.count);
    let mut start = 0;
    let mut end = text.len();
    for i in 0..text.len() {
        let delimiter = is_delimiter(&text[at(i)]);
        if !inside && !delimiter {
            if seen != wanted.index.unsigned_abs() {
                seen += 1;
                start = i;
            }
            inside = true;
        } else if inside && delimiter {
            if seen == wanted.index.unsigned_abs() {
                if left == 1 {
                    end = i;
                    break;
                }
                left = (left - 1).max(0);
            }
            inside = false;
        }
    }
    (seen == wanted.index.unsigned_abs()).then(|| turned(text, start, end, backwards))
}

/// HAProxy's `field`: between two delimiters there may be nothing.
fn field(text: &[u8], wanted: &Part) -> Option<(usize, usize)> {
    let is_delimiter = |b: &u8| wanted.delimiters.contains(b);
    let backwards = wanted.index < 0;
    let at = |i: usize| if backwards { text.len() - 1 - i } else { i };
    let (mut seen, mut left) = (1_u64, wanted.count);
    let mut start = 0;
    let mut end = text.len();
    for i in 0..text.len() {
        if !is_delimiter(&text[at(i)]) {
            continue;
        }
        if seen != wanted.index.unsigned_abs() {
            start = i + 1;
            seen += 1;
        } else if left == 1 {
            end = i;
            break;
        } else {
            left = (left - 1).max(0);
        }
    }
    (seen == wanted.index.unsigned_abs()).then(|| turned(text, start, end, backwards))
}

/// A part that was measured from the end.
fn turned(text: &[u8], start: usize, end: usize, backwards: bool) -> (usize, usize) {
    if backwards { (text.len() - end, text.len() - start) } else { (start, end) }
}

/// HAProxy's `url_decode`; `None` for what is no escape.
fn url_decode(text: &[u8], mut form: bool) -> Option<Bytes<'static>> {
    let mut made = SmallVec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&b) = text.get(at) {
        at += 1;
        made.push(match b {
            // A text ends at a zero.
            0 => break,
            b'+' if form => b' ',
            b'%' => {
                let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
                let byte = (digit(at)? << 4) + digit(at + 1)?;
                at += 2;
                byte as u8
            }
            b'?' => {
                form = true;
                b
            }
            b => b,
        });
    }
    Some(Bytes::Made(made))
}

fn hexadecimal(bytes: &[u8]) -> SmallVec<[u8; 64]> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).collect()
}

/// The bytes that hexadecimal digits stand for.
pub(super) fn of_hexadecimal(text: &str) -> Bytes<'static> {
    let digit = |b: u8| char::from(b).to_digit(16).unwrap_or(0) as u8;
    Bytes::Made(
        text.as_bytes().chunks(2).map(|pair| pair.iter().fold(0, |n, &b| n << 4 | digit(b))).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(
        how: impl Fn(&[u8], &Part) -> Option<(usize, usize)>,
        text: &str,
        (index, delimiters, count): (i64, &str, i64),
    ) -> Option<String> {
        let part = Part { index, delimiters: delimiters.as_bytes().into(), count };
        how(text.as_bytes(), &part).map(|(start, end)| text[start..end].to_owned())
    }

    #[test]
    fn words_as_haproxys_manual_has_them() {
        let text = "f1_f2_f3__f5";
        for (part, expected) in [
            ((4, "_", 1), Some("f5")),
            ((5, "_", 1), None),
            ((3, "_", 1), Some("f3")),
            ((2, "_", 0), Some("f2_f3__f5")),
            ((3, "_", 2), Some("f3__f5")),
            ((-2, "_", 3), Some("f1_f2_f3")),
            ((-3, "_", 0), Some("f1_f2")),
        ] {
            assert_eq!(cut(word, text, part).as_deref(), expected, "{part:?}");
        }
        assert_eq!(cut(word, "/f1/f2/f3/f4", (1, "/", 1)).as_deref(), Some("f1"));
        assert_eq!(cut(word, "", (1, "/", 1)), None);
        assert_eq!(cut(word, "///", (-1, "/", 1)), None);
    }

    #[test]
    fn fields_as_haproxys_manual_has_them() {
        let text = "f1_f2_f3__f5";
        for (part, expected) in [
            ((4, "_", 1), Some("")),
            ((5, "_", 1), Some("f5")),
            ((2, "_", 0), Some("f2_f3__f5")),
            ((2, "_", 2), Some("f2_f3")),
            ((-2, "_", 3), Some("f2_f3_")),
            ((-3, "_", 0), Some("f1_f2_f3")),
            ((6, "_", 1), None),
            ((-6, "_", 1), None),
        ] {
            assert_eq!(cut(field, text, part).as_deref(), expected, "{part:?}");
        }
        assert_eq!(cut(field, "", (1, "/", 1)).as_deref(), Some(""));
        assert_eq!(cut(field, "a;b,c", (2, ",;", 1)).as_deref(), Some("b"));
    }

    #[test]
    fn urls_are_decoded() {
        let decoded = |text: &str, form| url_decode(text.as_bytes(), form).map(|text| text.to_vec());
        assert_eq!(decoded("a+b%20c?d+e%2f", false).unwrap(), b"a+b c?d e/");
        assert_eq!(decoded("a+b", true).unwrap(), b"a b");
        for broken in ["%", "%4", "%4g", "a%"] {
            assert_eq!(decoded(broken, false), None, "{broken}");
        }
    }

    #[test]
    fn hexadecimal_there_and_back() {
        assert_eq!(&*hexadecimal(&[0, 0xab, 0x1f]), b"00AB1F");
        assert_eq!(*of_hexadecimal("00AB1F"), [0, 0xab, 0x1f]);
    }
}
