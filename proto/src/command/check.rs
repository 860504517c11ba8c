//! Where `set server` has a server's checks go.

use std::fmt;
use std::net::IpAddr;

use super::{Refusal, table};

/// What is changed. The unspecified address and port 0 are those of traffic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CheckChange {
    /// `check-addr`.
    Address { ip: IpAddr, port: Option<u16> },
    /// `check-port`.
    Port(u16),
}

impl CheckChange {
    /// Reads `check-addr 10.0.0.1`, `check-port 80`, …; `None` for other words.
    pub(super) fn read(what: &str, rest: &[&str]) -> Option<Result<Self, Refusal>> {
        let value = rest.first().copied().unwrap_or("");
        Some(match what {
            "check-addr" if value.is_empty() => Err(Refusal::error(table::CHECK_ADDRESS)),
            "check-addr" => address(value, &rest[1..]),
            "check-port" if value.is_empty() => Err(Refusal::error(table::CHECK_PORT)),
            "check-port" => port(value).map(Self::Port),
            _ => return None,
        })
    }
}

/// `<ip> [port <port>]`; other words behind the address count for nothing.
fn address(ip: &str, rest: &[&str]) -> Result<CheckChange, Refusal> {
    let Ok(parsed) = ip.parse() else { return Err(Refusal::error(format!("invalid addr '{ip}'"))) };
    let named = rest.first().filter(|word| **word == "port");
    let port = named.map(|_| port(rest.get(1).copied().unwrap_or(""))).transpose()?;
    Ok(CheckChange::Address { ip: parsed, port })
}

fn port(word: &str) -> Result<u16, Refusal> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::error(table::NO_INTEGER));
    }
    word.parse().map_err(|_out_of_range| Refusal::error(table::INVALID_PORT))
}

impl fmt::Display for CheckChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { ip, port: None } => write!(f, "check-addr {ip}"),
            Self::Address { ip, port: Some(port) } => write!(f, "check-addr {ip} port {port}"),
            Self::Port(port) => write!(f, "check-port {port}"),
        }
    }
}
