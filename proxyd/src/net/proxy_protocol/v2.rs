//! Version 2: a signature, a length, addresses in binary, TLVs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Addresses, Checksum, Header, Invalid, LONGEST, Parsed, Tlvs, canonical, of_one_family, tlv};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
pub(super) const FIXED: usize = 16;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Invalid> {
    let seen = bytes.len().min(SIGNATURE.len());
    if bytes[..seen] != SIGNATURE[..seen] {
        return Err(Invalid::Signature);
    }
    // Each byte is judged as soon as it is there, so that a stranger is not waited for.
    let command = bytes.get(12).copied();
    if command.is_some_and(|command| command != LOCAL && command != PROXY) {
        return Err(Invalid::Command);
    }
    let family = bytes.get(13).copied();
    if command == Some(PROXY) && family.is_some_and(|family| block(family).is_none()) {
        return Err(Invalid::Family);
    }
    let (Some(command), Some(family), Some(&[high, low])) =
        (command, family, bytes.get(14..FIXED).map(as_pair))
    else {
        return Ok(Parsed::Partial);
    };
    let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if length > LONGEST {
        return Err(Invalid::Long);
    }
    let Some(header) = bytes.get(..length) else { return Ok(Parsed::Partial) };
    if command == LOCAL {
        // Whatever stands in it is to be ignored.
        return Ok(Parsed::Complete(Header::default(), length));
    }
    let body = &header[FIXED..];
    let rest = body.get(block(family).unwrap_or(0)..).ok_or(Invalid::Short)?;
    let tlvs = if family == 0 { Tlvs::default() } else { tlv::parse(header, rest)? };
    Ok(Parsed::Complete(Header { addresses: addresses(family, body), tlvs }, length))
}

fn as_pair(bytes: &[u8]) -> &[u8; 2] {
    bytes.first_chunk().unwrap_or(&[0, 0])
}

/// Bytes of the addresses of a family; `None` for one that does not exist.
fn block(family: u8) -> Option<usize> {
    Some(match family {
        // Unspecified: what follows cannot be read.
        0x00 => 0,
        // IPv4, IPv6, Unix, each with streams or datagrams.
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        _ => return None,
    })
}

/// Those of TCP; others cannot be what this connection is.
fn addresses(family: u8, body: &[u8]) -> Option<Addresses> {
    let (source, destination, ports): (IpAddr, IpAddr, _) = match family {
        TCP4 => {
            let (source, rest) = body.split_first_chunk::<4>()?;
            let (destination, ports) = rest.split_first_chunk::<4>()?;
            (Ipv4Addr::from(*source).into(), Ipv4Addr::from(*destination).into(), ports)
        }
        TCP6 => {
            let (source, rest) = body.split_first_chunk::<16>()?;
            let (destination, ports) = rest.split_first_chunk::<16>()?;
            (Ipv6Addr::from(*source).into(), Ipv6Addr::from(*destination).into(), ports)
        }
        _ => return None,
    };
    let [a, b, c, d] = *ports.first_chunk()?;
    Some(Addresses {
        source: canonical(source, u16::from_be_bytes([a, b])),
        destination: canonical(destination, u16::from_be_bytes([c, d])),
    })
}

pub(super) fn write(out: &mut Vec<u8>, addresses: Option<Addresses>, tlvs: &Tlvs, checksum: Checksum) {
    let start = out.len();
    out.extend_from_slice(&SIGNATURE);
    match addresses.map(of_one_family) {
        None => out.extend_from_slice(&[LOCAL, 0, 0, 0]),
        Some(Addresses { source, destination }) => {
            out.extend_from_slice(&[PROXY, if source.is_ipv4() { TCP4 } else { TCP6 }, 0, 0]);
            for ip in [source.ip(), destination.ip()] {
                match ip {
                    IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
                    IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
                }
            }
            for port in [source.port(), destination.port()] {
                out.extend_from_slice(&port.to_be_bytes());
            }
        }
    }
    tlv::write(out, tlvs);
    let sum = (checksum == Checksum::Present).then(|| tlv::reserve_checksum(out));
    let length = out.len() - start - FIXED;
    // Addresses and TLVs as read are far below the 64 KiB that fit.
    out[start + 14..start + FIXED].copy_from_slice(&(length as u16).to_be_bytes());
    if let Some(at) = sum {
        let crc = tlv::crc32c([&out[start..]]);
        out[at..at + 4].copy_from_slice(&crc.to_be_bytes());
    }
}
