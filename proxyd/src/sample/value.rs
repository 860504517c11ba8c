//! Values, and how one kind becomes another (HAProxy's casts, configuration manual 7.1 and 7.3).

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use smallvec::SmallVec;

use crate::config::sample::Kind;
use crate::hash;

/// What an expression came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value<'a> {
    Ip(IpAddr),
    Integer(i64),
    Text(Bytes<'a>),
    Binary(Bytes<'a>),
}

/// Bytes that stand somewhere, or were made.
#[derive(Clone, Debug)]
pub enum Bytes<'a> {
    There(&'a [u8]),
    Made(SmallVec<[u8; 64]>),
}

impl Bytes<'_> {
    /// A copy.
    pub fn made(bytes: &[u8]) -> Self {
        Self::Made(SmallVec::from_slice(bytes))
    }
}

impl<'a> From<&'a [u8]> for Bytes<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::There(bytes)
    }
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::There(bytes) => bytes,
            Self::Made(bytes) => bytes,
        }
    }
}

impl Eq for Bytes<'_> {}

impl PartialEq for Bytes<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<'a> Value<'a> {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Ip(_) => Kind::Address,
            Self::Integer(_) => Kind::Integer,
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// An address of either kind, as it is.
    pub fn into_ip(self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(ip),
            Self::Integer(n) => Some(Ipv4Addr::from(n as u32).into()),
            Self::Text(text) => parse(&text),
            Self::Binary(_) => None,
        }
    }

    /// An IPv4 address, also where it is wrapped in an IPv6 one.
    pub fn into_v4(self) -> Option<Ipv4Addr> {
        v4_of(self.into_ip()?)
    }

    /// An IPv6 address; an IPv4 one is wrapped.
    pub fn into_v6(self) -> Option<Ipv6Addr> {
        Some(match self.into_ip()? {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        })
    }

    pub fn into_integer(self) -> Option<i64> {
        match self {
            Self::Integer(n) => Some(n),
            Self::Ip(IpAddr::V4(v4)) => Some(u32::from(v4).into()),
            Self::Text(text) if !text.is_empty() => Some(hash::integer(&text)),
            Self::Ip(IpAddr::V6(_)) | Self::Text(_) | Self::Binary(_) => None,
        }
    }

    pub fn into_text(self) -> Bytes<'a> {
        let mut made = Made(SmallVec::new());
        // Writing to memory cannot fail.
        _ = match self {
            Self::Ip(ip) => write!(made, "{ip}"),
            Self::Integer(n) => made.write_str(itoa::Buffer::new().format(n)),
            Self::Text(text) => return text,
            // A text ends at a zero.
            Self::Binary(bytes) => return cut(bytes),
        };
        Bytes::Made(made.0)
    }

    pub fn into_binary(self) -> Bytes<'a> {
        match self {
            Self::Ip(IpAddr::V4(v4)) => Bytes::made(&v4.octets()),
            Self::Ip(IpAddr::V6(v6)) => Bytes::made(&v6.octets()),
            Self::Integer(n) => Bytes::made(&n.to_be_bytes()),
            Self::Text(bytes) | Self::Binary(bytes) => bytes,
        }
    }
}

/// The IPv4 address that an address is or holds: mapped (`::ffff:192.0.2.1`), compatible (`::192.0.2.1`, so that `::1` is
/// 0.0.0.1) or of 6to4 (`2002:c000:201::`), as HAProxy has it.
pub fn v4_of(address: IpAddr) -> Option<Ipv4Addr> {
    let six = match address {
        IpAddr::V4(four) => return Some(four),
        IpAddr::V6(six) => six,
    };
    match six.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x2002, high, low, ..] => {
            Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}

/// Text on its way.
struct Made(SmallVec<[u8; 64]>);

impl fmt::Write for Made {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

fn cut(bytes: Bytes<'_>) -> Bytes<'_> {
    match bytes.iter().position(|&b| b == 0) {
        Some(end) => part(bytes, 0, end),
        None => bytes,
    }
}

/// A part of what is there, or was made.
pub(super) fn part(bytes: Bytes<'_>, start: usize, end: usize) -> Bytes<'_> {
    match bytes {
        Bytes::There(bytes) => Bytes::There(&bytes[start..end]),
        Bytes::Made(mut made) => {
            made.truncate(end);
            made.drain(..start);
            Bytes::Made(made)
        }
    }
}

fn parse(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
