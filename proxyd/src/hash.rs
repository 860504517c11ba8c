//! Hashes of keys, HAProxy's to the bit: a key comes to the same number here as there.

use xxhash_rust::xxh3::xxh3_64;

/// What makes a number of a key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Function {
    #[default]
    Sdbm,
    Djb2,
    Wt6,
    Crc32,
    /// The lower half of XXH3's 64 bits; HAProxy does not balance by it.
    Xxh3,
    /// The key is a number already, written in decimal.
    None,
}

impl Function {
    pub fn hash(self, key: &[u8]) -> u32 {
        match self {
            Self::Sdbm => sdbm(key),
            Self::Djb2 => djb2(key),
            Self::Wt6 => wt6(key),
            Self::Crc32 => crc32(key),
            Self::Xxh3 => xxh3_64(key) as u32,
            Self::None => integer(key) as u32,
        }
    }
}

pub fn sdbm(key: &[u8]) -> u32 {
    key.iter().fold(0, |hash: u32, &b| {
        u32::from(b).wrapping_add(hash << 6).wrapping_add(hash << 16).wrapping_sub(hash)
    })
}

pub fn djb2(key: &[u8]) -> u32 {
    key.iter().fold(5381, |hash: u32, &b| (hash << 5).wrapping_add(hash).wrapping_add(u32::from(b)))
}

/// HAProxy's own.
pub fn wt6(key: &[u8]) -> u32 {
    let (mut high, mut low) = (0xa53c_965a_u32, 0x5ca6_953a_u32);
    let (mut left, mut right) = (6, 18);
    for &b in key {
        high = !(high ^ u32::from(b));
        low = !low.wrapping_add(u32::from(b));
        (high, low) = (low.rotate_left(left), high.rotate_left(right));
        let steps = ((high >> 16) ^ low) & 0xffff;
        (left, right) = (steps & 0x1f, steps >> 11);
    }
    high ^ low
}

/// Of Ethernet and gzip. A table of sixteen is as fast as a key needs.
pub fn crc32(key: &[u8]) -> u32 {
    !key.iter().fold(!0, |crc: u32, &b| {
        let crc = crc ^ u32::from(b);
        let crc = (crc >> 4) ^ NIBBLES[(crc & 15) as usize];
        (crc >> 4) ^ NIBBLES[(crc & 15) as usize]
    })
}

const NIBBLES: [u32; 16] = {
    let mut table = [0; 16];
    let mut at = 0;
    while at < 16 {
        let (mut crc, mut bit) = (at as u32, 0);
        while bit < 4 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

/// Spreads a number so that each bit of it changes about half the bits of the outcome (HAProxy's `full_hash`, Jenkins'
/// integer hash and a multiplication). No two numbers come to the same.
pub const fn avalanche(n: u32) -> u32 {
    let n = n.wrapping_add(0x7ed5_5d16).wrapping_add(n << 12);
    let n = (n ^ 0xc761_c23c) ^ (n >> 19);
    let n = n.wrapping_add(0x1656_67b1).wrapping_add(n << 5);
    let n = n.wrapping_add(0xd3a2_646c) ^ (n << 9);
    let n = n.wrapping_add(0xfd70_46c5).wrapping_add(n << 3);
    let n = (n ^ 0xb55a_4f09) ^ (n >> 16);
    n.wrapping_mul(3_221_225_473)
}

/// The number a text begins with, as HAProxy reads one: of too many digits the nearest that there is.
pub fn integer(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let mut value = 0_i64;
    for digit in digits.iter().take_while(|b| b.is_ascii_digit()).map(|b| i64::from(b - b'0')) {
        // Downwards there is one more.
        value = value.saturating_mul(10).saturating_sub(digit);
    }
    if negative { value } else { value.checked_neg().unwrap_or(i64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // The check values of the polynomials' and functions' own descriptions, and HAProxy 2.6's converters.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(djb2(b""), 5381);
        for (key, hashes) in [
            ("a", [97, 177_670, 1_900_802_597, 3_904_355_907, 1_830_748_055]),
            ("hello", [684_824_882, 261_238_937, 3_538_347_703, 907_060_870, 2_061_535_398]),
            (
                "The quick brown fox jumps",
                [4_191_806_248, 1_453_397_863, 2_858_881_318, 3_616_334_110, 2_185_120_565],
            ),
            ("user=0815", [516_443_582, 3_181_379_247, 2_072_446_401, 4_069_144_800, 555_403_968]),
        ] {
            let key = key.as_bytes();
            assert_eq!([sdbm(key), djb2(key), wt6(key), crc32(key), avalanche(sdbm(key))], hashes);
        }
        assert_eq!(Function::Xxh3.hash(b""), 0x38d3_94c2);
    }

    #[test]
    fn a_number_is_read_as_far_as_it_goes() {
        for (text, number) in [
            ("", 0),
            ("12x", 12),
            ("-7", -7),
            ("+7", 7),
            ("-", 0),
            ("9223372036854775807", i64::MAX),
            ("99999999999999999999", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("-99999999999999999999", i64::MIN),
        ] {
            assert_eq!(integer(text.as_bytes()), number, "{text}");
        }
        assert_eq!(Function::None.hash(b"4294967297"), 1);
    }

    #[test]
    fn spreading_loses_nothing() {
        let mut seen: Vec<u32> = (0..100_000).map(avalanche).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 100_000);
    }
}
