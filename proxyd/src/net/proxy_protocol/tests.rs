use proptest::prelude::*;

use super::*;

fn complete(bytes: &[u8]) -> (Header, usize) {
    match parse(bytes) {
        Ok(Parsed::Complete(header, length)) => (header, length),
        other => panic!("{other:?} of {bytes:?}"),
    }
}

fn addresses(source: &str, destination: &str) -> Addresses {
    Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
}

/// A header of version 2 by hand.
fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend([command, family]);
    bytes.extend((body.len() as u16).to_be_bytes());
    bytes.extend(body);
    bytes
}

const FOUR: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 4, 1, 0xbb];

fn with_tlvs(tlvs: &[u8]) -> Vec<u8> {
    v2(0x21, 0x11, &[&FOUR, tlvs].concat())
}

#[test]
fn lines_of_version_1() {
    for (line, expected) in [
        (
            "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
            Some(addresses("192.0.2.1:56324", "198.51.100.2:443")),
        ),
        ("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", Some(addresses("[2001:db8::1]:1", "[::1]:65535"))),
        ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", Some(addresses("192.0.2.1:1", "[::1]:2"))),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN ffff::1 whatever\r\n", None),
    ] {
        let (header, length) = complete(format!("{line}PROXY").as_bytes());
        assert_eq!((header.addresses, length), (expected, line.len()), "{line}");
    }
}

#[test]
fn lines_of_no_meaning() {
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(200));
    for (line, expected) in [
        ("GET / HTTP/1.1\r\n", Invalid::Signature),
        ("PUT / HTTP/1.1\r\n", Invalid::Signature),
        ("PROXYTCP4 1.2.3.4", Invalid::Signature),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n", Invalid::Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\r\n", Invalid::Line),
        ("PROXY TCP4 192.0.2.1  198.51.100.2 56324 443\r\n", Invalid::Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 \r\n", Invalid::Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 056324 443\r\n", Invalid::Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n", Invalid::Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n", Invalid::Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 443\r\n", Invalid::Line),
        ("PROXY TCP4 192.0.2.01 198.51.100.2 1 443\r\n", Invalid::Line),
        ("PROXY TCP4 ::1 ::1 1 443\r\n", Invalid::Line),
        ("PROXY TCP6 192.0.2.1 198.51.100.2 1 443\r\n", Invalid::Line),
        ("PROXY UDP4 192.0.2.1 198.51.100.2 1 443\r\n", Invalid::Line),
        ("PROXY tcp4 192.0.2.1 198.51.100.2 1 443\r\n", Invalid::Line),
        ("PROXY \r\n", Invalid::Line),
        (&long, Invalid::LongLine),
    ] {
        assert_eq!(parse(line.as_bytes()), Err(expected), "{line}");
    }
    // One byte short of the limit more may come; at the limit nothing that comes can help.
    let at_limit = |n: usize| parse(format!("PROXY UNKNOWN {}", "x".repeat(n - 14)).as_bytes());
    assert_eq!(at_limit(106), Ok(Parsed::Partial));
    assert_eq!(at_limit(107), Err(Invalid::LongLine));
}

#[test]
fn headers_of_version_2() {
    let six: Vec<u8> = [[1; 16], [2; 16]].concat().into_iter().chain([0, 80, 1, 187]).collect();
    for (bytes, expected) in [
        (v2(0x21, 0x11, &FOUR), Some(addresses("192.0.2.1:56324", "198.51.100.2:443"))),
        (
            v2(0x21, 0x21, &six),
            Some(addresses("[101:101:101:101:101:101:101:101]:80", "[202:202:202:202:202:202:202:202]:443")),
        ),
        // Datagrams and Unix sockets are not what this connection is.
        (v2(0x21, 0x12, &FOUR), None),
        (v2(0x21, 0x31, &[7; 216]), None),
        // Unspecified: nothing in it is looked at.
        (v2(0x21, 0x00, &[1, 255, 255]), None),
        // The sender's own connection: neither.
        (v2(0x20, 0x11, &FOUR), None),
        (v2(0x20, 0x77, b"whatever"), None),
        (v2(0x20, 0x00, b""), None),
    ] {
        let longer = [&bytes[..], b"GET"].concat();
        let (header, length) = complete(&longer);
        assert_eq!((header.addresses, length), (expected, bytes.len()), "{bytes:?}");
    }
}

#[test]
fn headers_of_no_meaning() {
    let twice = [&[1, 0, 1, b'a'][..], &[1, 0, 1, b'b']].concat();
    let mut too_long = v2(0x21, 0x11, &FOUR);
    too_long[14..16].copy_from_slice(&[0xff, 0xff]);
    for (bytes, expected) in [
        (b"\r\n\r\n\0\r\nQUIX\n".to_vec(), Invalid::Signature),
        (b"\r\nGET / HTTP/1.1".to_vec(), Invalid::Signature),
        (v2(0x11, 0x11, &FOUR), Invalid::Command),
        (v2(0x22, 0x11, &FOUR), Invalid::Command),
        (v2(0x21, 0x13, &FOUR), Invalid::Family),
        (v2(0x21, 0x41, &FOUR), Invalid::Family),
        (v2(0x21, 0x11, &FOUR[..11]), Invalid::Short),
        (v2(0x21, 0x21, &FOUR), Invalid::Short),
        (too_long, Invalid::Long),
        (with_tlvs(&[1]), Invalid::Overrun),
        (with_tlvs(&[1, 0]), Invalid::Overrun),
        (with_tlvs(&[1, 0, 3, b'h', b'2']), Invalid::Overrun),
        (with_tlvs(&[0xee, 0xff, 0xff]), Invalid::Overrun),
        (with_tlvs(&twice), Invalid::Twice),
        (with_tlvs(&[2, 0, 1, 0xff]), Invalid::Tlv),
        (with_tlvs(&[3, 0, 3, 0, 0, 0]), Invalid::Tlv),
        (with_tlvs(&[3, 0, 4, 0, 0, 0, 0]), Invalid::Checksum),
        (with_tlvs(&[&[5, 0, 129][..], &[0; 129]].concat()), Invalid::Tlv),
        (with_tlvs(&[&[2, 1, 0][..], &[b'a'; 256]].concat()), Invalid::Tlv),
    ] {
        // What follows must not be taken for a part of it.
        assert_eq!(parse(&[&bytes[..], &vec![b'x'; 70_000]].concat()), Err(expected), "{bytes:?}");
    }
}

#[test]
fn what_is_not_known_is_skipped() {
    let tlvs = [
        &[4, 0, 2, 0, 0][..],
        &[0x20, 0, 5, 1, 0, 0, 0, 0],
        &[0x30, 0, 2, b'n', b's'],
        &[0xe0, 0, 0],
        &[1, 0, 2, b'h', b'2'],
        &[2, 0, 3, b'a', b'.', b'b'],
        &[5, 0, 2, 0, 255],
    ];
    let (header, _) = complete(&with_tlvs(&tlvs.concat()));
    let expected = Tlvs {
        alpn: Some(b"h2"[..].into()),
        authority: Some("a.b".into()),
        unique_id: Some([0, 255][..].into()),
    };
    assert_eq!(header.tlvs, expected);
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| canonical(ip, port))
}

fn tlvs() -> impl Strategy<Value = Tlvs> {
    let bytes = |n| proptest::option::of(proptest::collection::vec(any::<u8>(), 0..n));
    (bytes(255), proptest::option::of("[a-zé.]{0,60}"), bytes(128)).prop_map(|(alpn, authority, id)| Tlvs {
        alpn: alpn.map(Into::into),
        authority: authority.map(Into::into),
        unique_id: id.map(Into::into),
    })
}

/// Bytes that are nearly a header.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let real = (proptest::option::of((address(), address())), tlvs(), any::<bool>(), any::<bool>());
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (real, changes).prop_map(|((ends, tlvs, one, sum), changes)| {
        let mut bytes = Vec::new();
        let ends = ends.map(|(source, destination)| Addresses { source, destination });
        let version = if one { Version::V1 } else { Version::V2 };
        write(&mut bytes, version, ends, &tlvs, if sum { Checksum::Present } else { Checksum::Absent });
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        ends in proptest::option::of((address(), address())),
        tlvs in tlvs(),
        sum in any::<bool>(),
        follows in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let ends = ends.map(|(source, destination)| Addresses { source, destination });
        let checksum = if sum { Checksum::Present } else { Checksum::Absent };
        for version in [Version::V1, Version::V2] {
            let mut bytes = Vec::new();
            write(&mut bytes, version, ends, &tlvs, checksum);
            let length = bytes.len();
            bytes.extend(&follows);
            // The sender's own connection says nothing, nor does version 1 beside the addresses.
            let silent = version == Version::V1 || ends.is_none();
            let tlvs = if silent { Tlvs::default() } else { tlvs.clone() };
            prop_assert_eq!(parse(&bytes), Ok(Parsed::Complete(Header { addresses: ends, tlvs }, length)));
        }
    }

    #[test]
    fn pieces_give_what_the_whole_gives(bytes in prop_oneof![nearly(), proptest::collection::vec(any::<u8>(), 0..300)]) {
        let whole = parse(&bytes);
        for end in 0..bytes.len() {
            match parse(&bytes[..end]) {
                Ok(Parsed::Partial) => {}
                Ok(Parsed::Complete(header, length)) => {
                    prop_assert!(length <= end);
                    prop_assert_eq!(&whole, &Ok(Parsed::Complete(header, length)));
                }
                Err(error) => prop_assert_eq!(&whole, &Err(error)),
            }
        }
    }

    #[test]
    fn a_changed_byte_does_not_pass_the_checksum(
        ends in (address(), address()),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let mut bytes = Vec::new();
        let ends = Addresses { source: ends.0, destination: ends.1 };
        write(&mut bytes, Version::V2, Some(ends), &Tlvs::default(), Checksum::Present);
        // The addresses; elsewhere the change may turn the checksum itself into something else.
        let at = 16 + at.index(if ends.source.is_ipv4() && ends.destination.is_ipv4() { 12 } else { 36 });
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(parse(&bytes), Err(Invalid::Checksum));
    }
}
