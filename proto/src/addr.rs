//! Where something listens or answers: an IP address with a port, or a Unix socket's path.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// An address a bind or a server can have.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Address {
    /// IPv4 or IPv6. As a bind, `[::]:80` takes both.
    Ip(SocketAddr),
    /// A Unix stream socket.
    Unix(PathBuf),
}

/// Why a text is no address.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AddressError {
    #[error("a port is missing, as in \"127.0.0.1:8080\"")]
    NoPort,
    #[error("{0:?} is not a port from 0 to 65535")]
    BadPort(String),
    #[error("{0:?} is not an IPv4 or IPv6 address")]
    BadIp(String),
    #[error("a path is missing after \"unix@\"")]
    NoPath,
    #[error("an IPv6 address with a port needs brackets, as in \"[::1]:8080\"")]
    Unbracketed,
}

impl FromStr for Address {
    type Err = AddressError;

    /// `ip:port`, `[ip6]:port`, `:port` and `*:port` (any, IPv6 and IPv4), `unix@/path` or an absolute path;
    /// `ipv4@` and `ipv6@` in front are allowed as HAProxy allows them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix@") {
            return if path.is_empty() { Err(AddressError::NoPath) } else { Ok(Self::Unix(path.into())) };
        }
        if text.starts_with('/') {
            return Ok(Self::Unix(text.into()));
        }
        let text = text.strip_prefix("ipv4@").or_else(|| text.strip_prefix("ipv6@")).unwrap_or(text);
        let (host, port) = text.rsplit_once(':').ok_or(AddressError::NoPort)?;
        let host = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            Some(inner) => inner,
            None if host.contains(':') => return Err(AddressError::Unbracketed),
            None => host,
        };
        if port.is_empty() {
            return Err(AddressError::NoPort);
        }
        let port = port.parse::<u16>().map_err(|_bad| AddressError::BadPort(port.into()))?;
        let ip = if host.is_empty() || host == "*" {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        } else {
            host.parse().map_err(|_bad| AddressError::BadIp(host.into()))?
        };
        Ok(Self::Ip(SocketAddr::new(ip, port)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Unix(path) => write!(f, "unix@{}", path.display()),
        }
    }
}

impl Address {
    /// Port of an IP address.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Ip(ip) => Some(ip.port()),
            Self::Unix(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, shown) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            (":80", "[::]:80"),
            ("*:80", "[::]:80"),
            ("ipv4@127.0.0.1:0", "127.0.0.1:0"),
            ("unix@/run/a.sock", "unix@/run/a.sock"),
            ("/run/a.sock", "unix@/run/a.sock"),
        ] {
            assert_eq!(text.parse::<Address>().map(|a| a.to_string()), Ok(shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn refusals() {
        for (text, error) in [
            ("127.0.0.1", AddressError::NoPort),
            ("127.0.0.1:", AddressError::NoPort),
            ("127.0.0.1:65536", AddressError::BadPort("65536".into())),
            ("1.2.3:80", AddressError::BadIp("1.2.3".into())),
            ("::1:80", AddressError::Unbracketed),
            ("unix@", AddressError::NoPath),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
    }
}
