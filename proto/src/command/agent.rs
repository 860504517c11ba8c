//! What `set server` changes of a server's agent.

use std::fmt;
use std::net::IpAddr;

use super::words::escaped;
use super::{Health, Refusal, table};

/// What is changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AgentChange {
    /// `agent up|down`: what it would have said.
    Up,
    Down,
    /// `agent-addr`.
    Address {
        ip: IpAddr,
        port: Option<u16>,
    },
    /// `agent-port`.
    Port(u16),
    /// `agent-send`: what it is told.
    Send(String),
}

impl AgentChange {
    /// Reads `agent up`, `agent-addr 10.0.0.1`, …; `None` for other words.
    pub(super) fn read(what: &str, rest: &[&str]) -> Option<Result<Self, Refusal>> {
        let value = rest.first().copied().unwrap_or("");
        Some(match what {
            "agent" if value == Health::Up.as_str() => Ok(Self::Up),
            "agent" if value == Health::Down.as_str() => Ok(Self::Down),
            "agent" => Err(Refusal::error(table::AGENT)),
            "agent-addr" => address(rest),
            "agent-port" if value.is_empty() => Err(Refusal::error(table::AGENT_PORT)),
            "agent-port" => port(value).map(Self::Port),
            "agent-send" if value.is_empty() => Err(Refusal::error(table::AGENT_SEND)),
            "agent-send" => Ok(Self::Send(value.to_owned())),
            _ => return None,
        })
    }
}

/// `<ip> [port <port>]`.
fn address(rest: &[&str]) -> Result<AgentChange, Refusal> {
    let (ip, named) = match rest {
        [ip] => (ip, None),
        [ip, "port", port, ..] => (ip, Some(*port)),
        _ => return Err(Refusal::error(table::AGENT_ADDRESS)),
    };
    let Ok(parsed) = ip.parse() else { return Err(Refusal::error(format!("invalid addr '{ip}'"))) };
    Ok(AgentChange::Address { ip: parsed, port: named.map(port).transpose()? })
}

fn port(word: &str) -> Result<u16, Refusal> {
    match word.parse::<u16>() {
        Ok(port) if port > 0 && !word.starts_with('+') => Ok(port),
        _ => Err(Refusal::error(format!("Invalid port '{word}': from 1 to 65535."))),
    }
}

impl fmt::Display for AgentChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => f.write_str("agent up"),
            Self::Down => f.write_str("agent down"),
            Self::Address { ip, port: None } => write!(f, "agent-addr {ip}"),
            Self::Address { ip, port: Some(port) } => write!(f, "agent-addr {ip} port {port}"),
            Self::Port(port) => write!(f, "agent-port {port}"),
            Self::Send(text) => write!(f, "agent-send {}", escaped(text)),
        }
    }
}
