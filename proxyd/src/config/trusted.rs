//! Networks whose word about somebody else's address is taken.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};

/// Peers that are believed; none by default.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Trusted(Option<Arc<[IpNet]>>);

impl Trusted {
    /// Nobody is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether one of the networks holds the address. An IPv4 address may come as `::ffff:a.b.c.d`.
    pub fn contains(&self, address: IpAddr) -> bool {
        let Some(networks) = &self.0 else { return false };
        let address = address.to_canonical();
        networks.iter().any(|network| network.contains(&address))
    }

    pub(super) fn networks(&self) -> &[IpNet] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl FromIterator<IpNet> for Trusted {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        let networks: Arc<[IpNet]> = networks.into_iter().collect();
        Self(Some(networks).filter(|networks| !networks.is_empty()))
    }
}

/// Why a text is no network.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum NotANetwork {
    Address,
    /// The longest there is.
    Prefix(u8),
    /// Bits beyond the prefix are set; the network that was probably meant.
    HostBits(IpNet),
}

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("expected an IP address or a network, as in \"10.0.0.0/8\""),
            Self::Prefix(longest) => write!(f, "the length behind the / is from 0 to {longest}"),
            Self::HostBits(network) => write!(f, "did you mean \"{network}\"?"),
        }
    }
}

/// `10.0.0.0/8`, `::1`, `fd00::/8`.
pub(super) fn parse(text: &str) -> Result<IpNet, NotANetwork> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_not_one| NotANetwork::Address)?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => longest,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|&length| length <= longest).ok_or(NotANetwork::Prefix(longest))?
        }
        Some(_) => return Err(NotANetwork::Prefix(longest)),
    };
    let network = IpNet::new(address, length).map_err(|_too_long| NotANetwork::Prefix(longest))?;
    if network.addr() != network.network() {
        return Err(NotANetwork::HostBits(network.trunc()));
    }
    Ok(canonical(network))
}

/// `::ffff:10.0.0.0/104` holds what `10.0.0.0/8` holds.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(v4), Some(length)) => Ipv4Net::new(v4, length).map_or(network, IpNet::V4),
        _ => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(networks: &[&str]) -> Trusted {
        networks.iter().map(|text| parse(text).unwrap()).collect()
    }

    #[test]
    fn networks_hold_their_addresses() {
        let trusted = trusted(&["10.0.0.0/8", "::1", "192.0.2.7", "fd00::/8", "::ffff:172.16.0.0/108"]);
        for (address, inside) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("::ffff:10.1.2.3", true),
            ("::ffff:11.1.2.3", false),
            ("::1", true),
            ("::2", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("fdff::1", true),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
        ] {
            assert_eq!(trusted.contains(address.parse().unwrap()), inside, "{address}");
        }
        assert!(!Trusted::default().contains("::1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_told() {
        for (text, expected) in [
            ("", NotANetwork::Address),
            ("localhost", NotANetwork::Address),
            ("10.0.0/8", NotANetwork::Address),
            ("10.0.0.0/", NotANetwork::Prefix(32)),
            ("10.0.0.0/33", NotANetwork::Prefix(32)),
            ("10.0.0.0/+8", NotANetwork::Prefix(32)),
            ("::/129", NotANetwork::Prefix(128)),
            ("::/999", NotANetwork::Prefix(128)),
            ("10.1.0.0/8", NotANetwork::HostBits("10.0.0.0/8".parse().unwrap())),
        ] {
            assert_eq!(parse(text).unwrap_err(), expected, "{text}");
        }
    }
}
