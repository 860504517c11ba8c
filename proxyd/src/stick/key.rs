//! Keys: from the words of people, and back into text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smallvec::SmallVec;

use crate::config::table::KeyType;
use crate::sample::{Value, v4_of};

/// A key's bytes.
pub type Key = SmallVec<[u8; 32]>;

/// An address as the keys of a table; `None` where it is not of their family.
pub fn of_address(kind: KeyType, address: IpAddr) -> Option<Key> {
    match (kind, address) {
        (KeyType::Ip, address) => v4_of(address).map(|four| Key::from_slice(&four.octets())),
        (KeyType::Ipv6, IpAddr::V4(four)) => Some(Key::from_slice(&four.to_ipv6_mapped().octets())),
        (KeyType::Ipv6, IpAddr::V6(six)) => Some(Key::from_slice(&six.octets())),
        _ => None,
    }
}

/// What an expression came to.
pub fn of_value(kind: KeyType, value: Value<'_>) -> Option<Key> {
    match kind {
        KeyType::Ip => value.into_v4().map(|four| Key::from_slice(&four.octets())),
        KeyType::Ipv6 => value.into_v6().map(|six| Key::from_slice(&six.octets())),
        KeyType::Integer => value.into_integer().map(of_integer),
        KeyType::String(_) => Some(Key::from_slice(&value.into_text())),
        KeyType::Binary(_) => Some(Key::from_slice(&value.into_binary())),
    }
}

/// A number as the keys of a table, which have 32 bits of it.
pub fn of_integer(number: i64) -> Key {
    Key::from_slice(&(number as u32).to_be_bytes())
}

/// What was typed.
pub fn of_text(kind: KeyType, text: &str) -> Option<Key> {
    match kind {
        KeyType::Ip | KeyType::Ipv6 => of_address(kind, text.parse().ok()?),
        KeyType::Integer => Some(of_integer(text.parse::<u32>().ok()?.into())),
        KeyType::String(_) | KeyType::Binary(_) => Some(Key::from_slice(text.as_bytes())),
    }
}

/// Writes a key as HAProxy shows it.
pub fn show(kind: KeyType, key: &[u8], out: &mut Vec<u8>) {
    use std::io::Write as _;
    // Writing to a Vec cannot fail.
    let _infallible = match kind {
        KeyType::Ip => write!(out, "{}", Ipv4Addr::from(<[u8; 4]>::try_from(key).unwrap_or_default())),
        KeyType::Ipv6 => write!(out, "{}", Ipv6Addr::from(<[u8; 16]>::try_from(key).unwrap_or_default())),
        KeyType::Integer => write!(out, "{}", u32::from_be_bytes(key.try_into().unwrap_or_default())),
        KeyType::String(_) => key.iter().try_for_each(|byte| match byte {
            b' ' | b'\\' | b'=' => out.write_all(&[b'\\', *byte]),
            b'\t' => out.write_all(b"\\t"),
            b'\n' => out.write_all(b"\\n"),
            b'\r' => out.write_all(b"\\r"),
            0x1b => out.write_all(b"\\e"),
            byte if byte.is_ascii_graphic() => out.write_all(&[*byte]),
            byte => write!(out, "\\x{byte:02X}"),
        }),
        KeyType::Binary(_) => key.iter().try_for_each(|byte| write!(out, "{byte:02X}")),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_shown() {
        let shown = |kind, text| {
            let mut out = Vec::new();
            show(kind, &of_text(kind, text)?, &mut out);
            String::from_utf8(out).ok()
        };
        for (kind, typed, expected) in [
            (KeyType::Ip, "10.1.2.3", Some("10.1.2.3")),
            (KeyType::Ip, "::ffff:10.1.2.3", Some("10.1.2.3")),
            (KeyType::Ip, "2002:a01:203:9::1", Some("10.1.2.3")),
            (KeyType::Ip, "::1", Some("0.0.0.1")),
            (KeyType::Ip, "2001:db8::1", None),
            (KeyType::Ip, "host", None),
            (KeyType::Ipv6, "2001:DB8::1", Some("2001:db8::1")),
            (KeyType::Ipv6, "10.1.2.3", Some("::ffff:10.1.2.3")),
            (KeyType::Integer, "42", Some("42")),
            (KeyType::Integer, "4294967295", Some("4294967295")),
            (KeyType::Integer, "-1", None),
            (KeyType::Integer, "4x", None),
            (KeyType::String(9), "a b=\\\u{e4}", Some("a\\ b\\=\\\\\\xC3\\xA4")),
            (KeyType::Binary(9), "a\u{1}", Some("6101")),
        ] {
            assert_eq!(shown(kind, typed).as_deref(), expected, "{typed} as {kind:?}");
        }
    }
}
