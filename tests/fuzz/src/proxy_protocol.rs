//! The PROXY protocol: what is read does not depend on how it was cut, and is read again from what is written.

use proxyd::net::proxy_protocol::{Checksum, Header, Parsed, Version, parse, write};

/// A header and what comes behind it.
pub fn proxy_protocol(bytes: &[u8]) {
    let Ok(Parsed::Complete(header, length)) = parse(bytes) else { return };
    let own = &bytes[..length];
    assert_eq!(parse(own), Ok(Parsed::Complete(header.clone(), length)), "what follows it changes nothing");
    for cut in [length - 1, length / 2, 1] {
        assert_eq!(parse(&own[..cut]), Ok(Parsed::Partial), "{cut} of {length} bytes");
    }
    if header.addresses.is_none() {
        return;
    }
    let Header { addresses, tlvs } = &header;
    for checksum in [Checksum::Absent, Checksum::Present] {
        let mut out = Vec::new();
        write(&mut out, Version::V2, *addresses, tlvs, checksum);
        assert_eq!(parse(&out), Ok(Parsed::Complete(header.clone(), out.len())), "written as {out:?}");
    }
    let mut out = Vec::new();
    write(&mut out, Version::V1, *addresses, tlvs, Checksum::Absent);
    let Ok(Parsed::Complete(again, length)) = parse(&out) else { unreachable!("written as {out:?}") };
    assert_eq!((again.addresses, length), (*addresses, out.len()), "written as {out:?}");
}
