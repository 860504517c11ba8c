//! Dates in cookies: Unix time in steps of four seconds, as five characters of base64 (HAProxy's `s30tob64`).

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Characters of a date.
pub(super) const LENGTH: usize = 5;

/// Appends a date, rounded up.
pub(super) fn write(out: &mut Vec<u8>, seconds: u64) {
    let steps = seconds.div_ceil(4);
    for at in (0..LENGTH).rev() {
        out.push(ALPHABET[(steps >> (6 * at)) as usize & 0x3f]);
    }
}

/// The seconds of a date that `text` begins with; `None` for what is none, and for the beginning of time.
pub(super) fn read(text: &[u8]) -> Option<u64> {
    let mut steps = 0;
    for byte in text.get(..LENGTH)? {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        steps = steps << 6 | u64::from(digit);
    }
    (steps > 0).then_some(steps << 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(seconds: u64) -> String {
        let mut out = Vec::new();
        write(&mut out, seconds);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_are_those_of_haproxy() {
        assert_eq!(written(0), "AAAAA");
        assert_eq!(written(1), "AAAAB");
        assert_eq!(written(1_700_000_000), "ZVPxA");
        assert_eq!(read(b"ZVPxA|x"), Some(1_700_000_000));
        for refused in ["", "ZVPE", "ZVP=A", "AAAAA"] {
            assert_eq!(read(refused.as_bytes()), None, "{refused}");
        }
        for seconds in [1, 3, 4, 5, 1_763_856_000, (1 << 32) - 4] {
            assert_eq!(read(written(seconds).as_bytes()), Some(seconds.div_ceil(4) * 4));
        }
    }
}
