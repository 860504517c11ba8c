//! What clients and servers sent, so that a line stays one line and tells no lies to terminals (configuration manual
//! 8.6).

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Printable ASCII but `"` and `#`.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        plain[byte as usize] = byte != b'"' && byte != b'#';
        byte += 1;
    }
    plain
};

fn is_plain(byte: u8) -> bool {
    PLAIN[usize::from(byte)]
}

/// Anything else as `#` and two digits.
pub(super) fn text(out: &mut Vec<u8>, bytes: &[u8], backslash: bool) {
    if !backslash && bytes.iter().all(|&byte| is_plain(byte)) {
        out.extend_from_slice(bytes);
        return;
    }
    for &byte in bytes {
        if is_plain(byte) {
            if backslash && matches!(byte, b'\\' | b']') {
                out.push(b'\\');
            }
            out.push(byte);
        } else {
            out.push(b'#');
            hex(out, byte);
        }
    }
}

/// A string of JSON, in its quotes; what is no ASCII is shown byte by byte as `\xHH`.
pub(super) fn json(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            32..=126 => out.push(byte),
            0..32 => {
                out.extend_from_slice(b"\\u00");
                hex(out, byte);
            }
            127.. => {
                out.extend_from_slice(b"\\\\x");
                hex(out, byte);
            }
        }
    }
    out.push(b'"');
}

/// Two digits.
pub(super) fn hex(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(bytes: &[u8], backslash: bool) -> String {
        let mut out = Vec::new();
        text(&mut out, bytes, backslash);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn as_haproxy_does() {
        assert_eq!(escaped(b"GET /a?b=c{|} HTTP/1.1", false), "GET /a?b=c{|} HTTP/1.1");
        assert_eq!(escaped(b"a\r\n\x1b[31m\"#\\]\x7f\xc3\xa9", false), "a#0D#0A#1B[31m#22#23\\]#7F#C3#A9");
        assert_eq!(escaped(b"a\\b]c\"", true), "a\\\\b\\]c#22");
    }

    proptest! {
        #[test]
        fn a_line_is_one_line(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(escaped(&bytes, false).bytes().all(|b| (32..127).contains(&b)));
            let mut out = Vec::new();
            json(&mut out, &bytes);
            prop_assert!(out.iter().all(|b| (32..127).contains(b)));
            prop_assert!(serde_json::from_slice::<String>(&out).is_ok());
        }
    }
}
