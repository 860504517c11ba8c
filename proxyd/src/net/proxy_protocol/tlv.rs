//! What version 2 says beside the addresses.

use super::Invalid;

const ALPN: u8 = 0x01;
const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;
const UNIQUE_ID: u8 = 0x05;

/// Longest that the protocol allows.
const LONGEST_UNIQUE_ID: usize = 128;
const LONGEST_AUTHORITY: usize = 255;
/// Longest name that TLS itself can agree on.
const LONGEST_ALPN: usize = 255;

/// The TLVs that can be passed on; the others are skipped (NOOP, TLS, network name space, what we do not know).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tlvs {
    /// Protocol on top, as agreed on by TLS.
    pub alpn: Option<Box<[u8]>>,
    /// Host name the client asked for.
    pub authority: Option<Box<str>>,
    pub unique_id: Option<Box<[u8]>>,
}

impl Tlvs {
    pub fn is_empty(&self) -> bool {
        self.alpn.is_none() && self.authority.is_none() && self.unique_id.is_none()
    }
}

/// Reads `rest`, the end of `header`. A second one of a kind is refused: which holds would be a guess.
pub(super) fn parse(header: &[u8], rest: &[u8]) -> Result<Tlvs, Invalid> {
    let mut tlvs = Tlvs::default();
    let mut checksum = None;
    let mut left = rest;
    while !left.is_empty() {
        let (&[kind, high, low], after) = left.split_first_chunk().ok_or(Invalid::Overrun)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (value, next) = after.split_at_checked(length).ok_or(Invalid::Overrun)?;
        let twice = match kind {
            ALPN if length <= LONGEST_ALPN => tlvs.alpn.replace(value.into()).is_some(),
            AUTHORITY if length <= LONGEST_AUTHORITY => {
                let text = std::str::from_utf8(value).map_err(|_not_text| Invalid::Tlv)?;
                tlvs.authority.replace(text.into()).is_some()
            }
            UNIQUE_ID if length <= LONGEST_UNIQUE_ID => tlvs.unique_id.replace(value.into()).is_some(),
            CRC32C if length == 4 => checksum.replace((header.len() - after.len(), value)).is_some(),
            ALPN | AUTHORITY | UNIQUE_ID | CRC32C => return Err(Invalid::Tlv),
            _ => false,
        };
        if twice {
            return Err(Invalid::Twice);
        }
        left = next;
    }
    if let Some((at, said)) = checksum {
        // It is made with zeros in its own place.
        let sum = crc32c([&header[..at], &[0; 4], &header[at + 4..]]);
        if said != sum.to_be_bytes() {
            return Err(Invalid::Checksum);
        }
    }
    Ok(tlvs)
}

pub(super) fn write(out: &mut Vec<u8>, tlvs: &Tlvs) {
    let parts = [
        (ALPN, tlvs.alpn.as_deref()),
        (AUTHORITY, tlvs.authority.as_deref().map(str::as_bytes)),
        (UNIQUE_ID, tlvs.unique_id.as_deref()),
    ];
    for (kind, value) in parts {
        let Some(value) = value else { continue };
        out.push(kind);
        out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        out.extend_from_slice(value);
    }
}

/// Appends a checksum of zeros; returns where it stands.
pub(super) fn reserve_checksum(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[CRC32C, 0, 4, 0, 0, 0, 0]);
    out.len() - 4
}

/// Castagnoli's polynomial, bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// RFC 4960, appendix B.
pub(super) fn crc32c<const N: usize>(parts: [&[u8]; N]) -> u32 {
    let bytes = parts.into_iter().flatten();
    !bytes.fold(!0, |crc: u32, &byte| crc >> 8 ^ TABLE[(crc as u8 ^ byte) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(crc32c([b"123456789"]), 0xe306_9283);
        assert_eq!(crc32c([b"12345", b"6789"]), 0xe306_9283);
        assert_eq!(crc32c([&[0; 32]]), 0x8a91_36aa);
    }
}
