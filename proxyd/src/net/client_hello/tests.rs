use harness::tls::hello::{Hello, name_list, record, records};
use proptest::prelude::*;

use super::*;

fn read(bytes: &[u8]) -> Result<Seen, Invalid> {
    Reader::default().look(bytes)
}

#[expect(clippy::unnecessary_wraps, reason = "as a reader says it")]
fn named(name: &str) -> Result<Seen, Invalid> {
    Ok(Seen::Hello(Some(name.to_owned())))
}

#[test]
fn names_are_read_as_they_are_meant() {
    let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
    for (sent, read_as) in [
        ("api.example.com", "api.example.com"),
        ("API.Example.COM", "api.example.com"),
        ("api.example.com.", "api.example.com"),
        ("_sip.example", "_sip.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("localhost", "localhost"),
        (&long, &long),
    ] {
        assert_eq!(read(&Hello::of(sent).records()), named(read_as), "{sent}");
    }
    assert_eq!(read(&Hello::nameless().records()), Ok(Seen::Hello(None)));
    for address in ["192.0.2.1", "2001:db8::1"] {
        assert_eq!(read(&Hello::of(address).records()), Ok(Seen::Hello(None)), "{address}");
    }
}

#[test]
fn what_is_no_name_is_refused() {
    let (long, label) = ("a.".repeat(127) + "a", "a".repeat(64));
    for name in [
        &b""[..],
        b".",
        b"..",
        b".example.com",
        b"a..b",
        b"example.com..",
        b"a\0.example.com",
        b"a.example.com\0",
        b"a b",
        b"*.example.com",
        b"a\r\nb",
        b"\xc3\xbc.example",
        b"\xff.example",
        b"a/b",
        b"a:443",
        b"[2001:db8::1]",
        long.as_bytes(),
        label.as_bytes(),
        &[b'a'; 255],
    ] {
        assert_eq!(
            read(&Hello::of(name).records()),
            Err(Invalid::Name),
            "{:?}",
            name.escape_ascii().to_string()
        );
    }
}

#[test]
fn one_name_and_no_more() {
    let with = |names: Vec<Vec<u8>>| read(&Hello { names, ..Hello::nameless() }.records());
    let one = name_list(&[b"a.example"]);
    assert_eq!(with(vec![one.clone()]), named("a.example"));
    for wrong in [
        vec![name_list(&[b"a.example", b"b.example"])],
        vec![one.clone(), one.clone()],
        vec![one.clone(), name_list(&[b"b.example"])],
        vec![vec![]],
        vec![vec![0, 0]],
        vec![[&one[..], b"x"].concat()],
        vec![vec![0, 4, 1, 0, 1, b'a']],
        vec![vec![0, 9, 0, 0, 1, b'a']],
    ] {
        assert_eq!(with(wrong.clone()), Err(Invalid::Malformed), "{wrong:?}");
    }
}

#[test]
fn other_protocols_are_seen_by_their_first_bytes() {
    for other in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"S",
        b"\x16\x02",
        b"\x16a",
        b"\x80\x2e\x01",
        b"\x15\x03\x01\0\x02",
        b"\0",
    ] {
        assert_eq!(read(other), Ok(Seen::Other), "{other:?}");
    }
    for begun in
        [&b""[..], b"\x16", b"\x16\x03", b"\x16\x03\x01", b"\x16\x03\x01\0\x05", b"\x16\x03\x01\0\x05\x01"]
    {
        assert_eq!(read(begun), Ok(Seen::Partial), "{begun:?}");
    }
}

#[test]
fn records_and_messages_have_their_bounds() {
    assert_eq!(read(&record(22, &[])), Err(Invalid::Record));
    assert_eq!(read(b"\x16\x03\x01\x40\x01\x01"), Err(Invalid::Record));
    assert_eq!(read(&record(22, &[2, 0, 0, 1, 0])), Err(Invalid::Message));
    let message = Hello::of("a.example").message();
    let cut = message.split_at(20);
    for between in [record(20, &[1]), record(22, &[]), b"GET / HTTP/1.1".to_vec()] {
        let bytes = [record(22, cut.0), between, record(22, cut.1)].concat();
        assert_eq!(read(&bytes), Err(Invalid::Record));
    }
    assert_eq!(read(&record(22, &[1, 0xff, 0xff, 0xff])), Err(Invalid::TooLong));
    let most = Hello { padding: LONGEST - MESSAGE_HEAD - RECORD_HEAD - 200, ..Hello::of("a.example") };
    assert_eq!(read(&most.records()), named("a.example"));
    let more = Hello { padding: LONGEST, ..Hello::of("a.example") };
    assert_eq!(read(&more.records()), Err(Invalid::TooLong));
    // A hello of a few hundred bytes in records of one byte each is none too long.
    let many = records(&Hello { padding: 4 * 1024, ..Hello::of("a.example") }.message(), 1);
    assert_eq!(read(&many), Err(Invalid::TooLong));
    assert_eq!(read(&records(&message, 1)), named("a.example"));
}

#[test]
fn every_cut_of_a_body_is_malformed() {
    let message = Hello::of("a.example").message();
    let body = &message[MESSAGE_HEAD..];
    for length in 0..body.len() {
        let seen = name_of(&body[..length]);
        let whole_without_extensions = length == 2 + 32 + 1 + 2 + 4 + 2;
        let expected = if whole_without_extensions { Ok(None) } else { Err(Invalid::Malformed) };
        assert_eq!(seen, expected, "{length} of {}", body.len());
    }
    assert_eq!(name_of(&[body, b"x"].concat()), Err(Invalid::Malformed));
}

proptest! {
    /// However it is cut into records, and however those arrive.
    #[test]
    fn cuts_do_not_matter(
        name in "[a-z0-9_-]{1,20}(\\.[a-z0-9_-]{1,20}){0,4}",
        padding in 0_usize..600,
        record in 1_usize..700,
        piece in 1_usize..700,
    ) {
        prop_assume!(name.parse::<IpAddr>().is_err());
        let bytes = records(&Hello { padding, ..Hello::of(&name) }.message(), record);
        let mut reader = Reader::default();
        for end in (piece..bytes.len()).step_by(piece) {
            prop_assert_eq!(reader.look(&bytes[..end]), Ok(Seen::Partial));
        }
        prop_assert_eq!(reader.look(&bytes), named(&name));
    }

    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in any::<usize>(), piece in 1_usize..50) {
        let mut hello = records(&Hello::of("a.example").message(), 50);
        let at = at % hello.len();
        hello.splice(at.., bytes);
        let mut reader = Reader::default();
        let mut seen = Ok(Seen::Partial);
        for end in (0..hello.len()).step_by(piece).chain([hello.len()]) {
            if seen == Ok(Seen::Partial) {
                seen = reader.look(&hello[..end]);
            }
        }
        prop_assert_eq!(seen, read(&hello));
    }
}
