//! The number that a request is known by, where its backend balances by one.

use std::net::IpAddr;

use crate::config::sample::Message;
use crate::config::{Hash, HashedKey, UriKey};
use crate::hash::{Function, avalanche};
use crate::sample::head::{self, Head};
use crate::sample::{Bytes, Facts, Request};

/// The hash of a request's key; `None` where it has none, and then it goes in turns.
pub fn of(hash: &Hash, facts: &Facts<'_>) -> Option<u32> {
    let by = |bytes: &[u8]| hash.function.hash(bytes);
    let request = facts.request;
    let fields = || request.map(|request| Head::new(request.head));
    let number = match &hash.key {
        HashedKey::Source => address(facts.client.source()?.ip()),
        HashedKey::Uri(which) => {
            let uri = uri(*which, request?)?;
            by(&uri[..end(*which, &uri)])
        }
        HashedKey::UrlParam(name) => by(param(request?.path()?, name.as_bytes())?),
        HashedKey::Header(name) => by(fields()?.values(name).next().filter(|value| !value.is_empty())?),
        HashedKey::Cookie(name) => by(fields()?.cookie(Message::Request, name.as_bytes())?),
        // What is hashed by no function is a number in words.
        HashedKey::Sample(sample) if hash.function == Function::None => {
            by(&sample.evaluate(facts)?.into_text())
        }
        HashedKey::Sample(sample) => by(&sample.evaluate(facts)?.into_binary()),
    };
    Some(if hash.avalanche { avalanche(number) } else { number })
}

/// HAProxy's `source`: the parts of four bytes, one upon the other.
fn address(ip: IpAddr) -> u32 {
    match ip {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => {
            let bits = u128::from(v6);
            (bits >> 96) as u32 ^ (bits >> 64) as u32 ^ (bits >> 32) as u32 ^ bits as u32
        }
    }
}

fn uri(which: UriKey, request: Request<'_>) -> Option<Bytes<'_>> {
    if which.path_only { Some(request.path().unwrap_or_default().into()) } else { request.url() }
}

/// Where the part of a URI ends that counts.
fn end(which: UriKey, uri: &[u8]) -> usize {
    let most = which.length.map_or(uri.len(), |length| uri.len().min(length as usize));
    let mut slashes = 0;
    let end = uri[..most].iter().position(|&b| {
        slashes += u32::from(b == b'/');
        let deep = b == b'/' && which.depth.is_some_and(|depth| slashes > depth);
        deep || b == b'?' && !which.whole
    });
    end.unwrap_or(most)
}

/// HAProxy's `url_param`, which knows no separator but `&`.
fn param<'a>(path: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut params = head::query(path, false)?.split(|&b| b == b'&');
    params.find_map(|param| param.strip_prefix(name)?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{Place, Sample};
    use crate::config::{HashKind, ServerKey};
    use crate::sample::testing::From;

    fn hash(key: HashedKey) -> Hash {
        Hash {
            key,
            kind: HashKind::MapBased,
            function: Function::Crc32,
            avalanche: false,
            balance_factor: None,
            hash_key: ServerKey::Id,
        }
    }

    const HEAD: &[u8] = b"GET /a/b/c?id=7&x;id=8#&id=9 HTTP/1.1\r\nHost: h\r\nX-List: a, b\r\nX-Empty:\r\nCookie: s=1\r\n\r\n";

    fn number(hash: &Hash, scheme: Option<&'static str>) -> Option<u32> {
        let request = Some(Request { head: HEAD, scheme });
        of(hash, &Facts { request, ..Facts::of_connection(&From("192.0.2.1:1".parse().ok())) })
    }

    #[test]
    fn keys_are_what_haproxy_hashes() {
        let sample = |text| HashedKey::Sample(Sample::read(text, Place::Request).unwrap());
        let uri = UriKey::default();
        for (key, expected) in [
            (HashedKey::Uri(uri), Some("/a/b/c")),
            (HashedKey::Uri(UriKey { whole: true, ..uri }), Some("/a/b/c?id=7&x;id=8#&id=9")),
            (HashedKey::Uri(UriKey { length: Some(3), ..uri }), Some("/a/")),
            (HashedKey::Uri(UriKey { depth: Some(1), ..uri }), Some("/a")),
            (HashedKey::Uri(UriKey { depth: Some(9), ..uri }), Some("/a/b/c")),
            (HashedKey::UrlParam("id".into()), Some("7")),
            (HashedKey::UrlParam("x;id".into()), Some("8#")),
            (HashedKey::UrlParam("i".into()), None),
            (HashedKey::Header("x-list".into()), Some("a")),
            (HashedKey::Header("x-empty".into()), None),
            (HashedKey::Header("none".into()), None),
            (HashedKey::Cookie("s".into()), Some("1")),
            (HashedKey::Cookie("t".into()), None),
            (sample("req.hdr(host),upper"), Some("H")),
            (sample("req.hdr(none)"), None),
        ] {
            let expected = expected.map(|key| crate::hash::crc32(key.as_bytes()));
            assert_eq!(number(&hash(key.clone()), None), expected, "{key:?}");
        }
        let crc = |text: &str| Some(crate::hash::crc32(text.as_bytes()));
        assert_eq!(number(&hash(HashedKey::Uri(uri)), Some("https")), crc("https://h/a/b/c"));
        // The slashes of the scheme count too.
        let deep = UriKey { depth: Some(3), ..uri };
        assert_eq!(number(&hash(HashedKey::Uri(deep)), Some("https")), crc("https://h/a"));
        let path = UriKey { path_only: true, ..uri };
        assert_eq!(number(&hash(HashedKey::Uri(path)), Some("https")), crc("/a/b/c"));
        // Numbers are hashed as eight bytes, and taken as they are by no function.
        assert_eq!(number(&hash(sample("int(7)")), None), Some(crate::hash::crc32(&7_u64.to_be_bytes())));
        let plain = Hash { function: Function::None, ..hash(sample("int(7)")) };
        assert_eq!(number(&plain, None), Some(7));
        assert_eq!(number(&Hash { avalanche: true, ..plain }, None), Some(avalanche(7)));
    }

    #[test]
    fn addresses() {
        for (from, expected) in [
            ("192.0.2.1:1", Some(0xc000_0201)),
            ("[2001:db8::1]:1", Some(0x2001_0db8 ^ 1)),
            ("[1:2:3:4:5:6:7:8]:1", Some(0x0001_0002 ^ 0x0003_0004 ^ 0x0005_0006 ^ 0x0007_0008)),
            ("a Unix socket", None),
        ] {
            assert_eq!(
                of(&hash(HashedKey::Source), &Facts::of_connection(&From(from.parse().ok()))),
                expected,
                "{from}"
            );
        }
    }
}
