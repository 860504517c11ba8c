//! The PROXY protocol: what stands in front of a connection's own bytes and says whose it is.
//!
//! Bytes in, a header out, and back; nothing here reads a socket. The rules are those of HAProxy's
//! `doc/proxy-protocol.txt`; where it leaves a choice, what could be read in two ways is refused.

use std::net::{IpAddr, SocketAddr};

mod tlv;
mod v1;
mod v2;

pub use tlv::Tlvs;

/// Longest header that is taken, of either version.
pub const LONGEST: usize = 16 * 1024;

/// What a header says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Header {
    /// `None` where the connection's own addresses hold: the sender's own connection, or one without IP addresses.
    pub addresses: Option<Addresses>,
    pub tlvs: Tlvs,
}

/// Both ends of the connection that a header speaks of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Addresses {
    pub source: SocketAddr,
    pub destination: SocketAddr,
}

/// A header, or the wish for more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Parsed {
    /// All of what was given belongs to the header, and it goes on.
    Partial,
    /// The header and its length.
    Complete(Header, usize),
}

/// Why something is no header.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Invalid {
    #[error("it does not begin with a PROXY header")]
    Signature,
    #[error("the PROXY line has no end within 107 bytes")]
    LongLine,
    #[error("the PROXY line makes no sense")]
    Line,
    #[error("the PROXY header has an unknown version or command")]
    Command,
    #[error("the PROXY header has an unknown address family")]
    Family,
    #[error("the PROXY header is too long")]
    Long,
    #[error("the PROXY header is shorter than its addresses")]
    Short,
    #[error("a TLV runs over the end of the PROXY header")]
    Overrun,
    #[error("a TLV of the PROXY header makes no sense")]
    Tlv,
    #[error("a TLV of the PROXY header stands there twice")]
    Twice,
    #[error("the checksum of the PROXY header is wrong")]
    Checksum,
}

/// Which form is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    V1,
    V2,
}

/// Reads a header at the front of `bytes`.
///
/// What comes behind it is never looked at, so that the same bytes in any pieces give the same result.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Invalid> {
    match bytes.first() {
        None => Ok(Parsed::Partial),
        Some(b'P') => v1::parse(bytes),
        Some(_) => v2::parse(bytes),
    }
}

/// Appends a header. `None` says that the connection is the sender's own.
pub fn write(
    out: &mut Vec<u8>,
    version: Version,
    addresses: Option<Addresses>,
    tlvs: &Tlvs,
    checksum: Checksum,
) {
    match version {
        Version::V1 => v1::write(out, addresses),
        Version::V2 => v2::write(out, addresses, tlvs, checksum),
    }
}

/// Whether a header of version 2 carries a CRC32C.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Checksum {
    #[default]
    Absent,
    Present,
}

/// Both of one family: where they differ, IPv4 is written the IPv6 way.
fn of_one_family(addresses: Addresses) -> Addresses {
    let Addresses { source, destination } = addresses;
    if source.is_ipv4() == destination.is_ipv4() {
        return addresses;
    }
    let six = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    };
    Addresses { source: six(source), destination: six(destination) }
}

/// `::ffff:a.b.c.d` is the IPv4 address it stands for.
fn canonical(ip: impl Into<IpAddr>, port: u16) -> SocketAddr {
    SocketAddr::new(ip.into().to_canonical(), port)
}

#[cfg(test)]
mod tests;
