//! The commands that change something.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use proto::addr::Address;
use proto::command::{
    AdminState, AgentChange, CheckChange, Command, CookieChange, Health, Refusal, ServerChange, ServerName,
    Severity,
};

use super::reply::Reply;
use crate::config::Agent;
use crate::model::backend::{Backend, WEIGHT_REFUSED};
use crate::model::change::Cause;
use crate::model::frontend::Frontend;
use crate::model::server::Server;
use crate::model::shared::Shared;
use crate::model::snapshot::Snapshot;
use crate::model::state::Event;

/// Carries out a command.
pub(super) fn apply(shared: &Shared, command: &Command, cause: Cause<'_>) -> Result<Reply, Refusal> {
    let snapshot = shared.snapshot();
    match command {
        Command::SetServer(name, change) => {
            let (backend, server) = find_server(&snapshot, name)?;
            return set_server(shared, backend, server, change, cause);
        }
        Command::SwitchCheck { server, on } => {
            let (backend, server) = find_server(&snapshot, server)?;
            if *on && !server.control().state.check_configured {
                return Err(Refusal::error("Health check was not configured on this server, cannot enable."));
            }
            shared.server_event(
                backend,
                server,
                if *on { Event::EnableCheck } else { Event::DisableCheck },
                cause,
            );
        }
        Command::SwitchAgent { server, on } => {
            let (backend, server) = find_server(&snapshot, server)?;
            if *on && !server.control().state.agent.configured {
                return Err(Refusal::error("Agent was not configured on this server, cannot enable."));
            }
            let event = if *on { Event::EnableAgent } else { Event::DisableAgent };
            shared.server_event(backend, server, event, cause);
        }
        Command::SwitchFrontend { frontend, on } => {
            let frontend = find_frontend(&snapshot, frontend)?;
            if !shared.pause_frontend(frontend, !on, cause) {
                let word = if *on { "enabled" } else { "disabled" };
                return Err(Refusal::new(Severity::Notice, format!("All sockets are already {word}.")));
            }
        }
        Command::SetCookies { backend, change } => {
            set_cookies(shared, find_backend(&snapshot, backend)?, change, cause)?;
        }
        Command::SetMaxconnFrontend { frontend, maxconn } => {
            shared.set_frontend_maxconn(find_frontend(&snapshot, frontend)?, *maxconn, cause);
        }
        Command::SetMaxconnServer { server, maxconn } => {
            let (backend, server) = find_server(&snapshot, server)?;
            shared.set_maxconn(backend, server, *maxconn, cause);
        }
        Command::SetMaxconnGlobal(maxconn) if !shared.set_global_maxconn(*maxconn) => {
            return Err(Refusal::error("Value out of range."));
        }
        Command::ReopenLogs => {
            if let Some(logs) = shared.logs.get() {
                logs.reopen();
            }
        }
        Command::ClearCounters { all } => shared.clear_counters(*all, cause),
        // The rest is answered before it comes here.
        _ => {}
    }
    Ok(Reply::Silent)
}

fn set_cookies(
    shared: &Shared,
    backend: &Backend,
    change: &CookieChange,
    cause: Cause<'_>,
) -> Result<(), Refusal> {
    if backend.cookies.is_none() {
        return Err(Refusal::error("Not available."));
    }
    match change {
        CookieChange::Dynamic(on) => shared.switch_dynamic_cookies(backend, *on, cause),
        CookieChange::Key(key) if key.is_empty() => return Err(Refusal::error("String value expected.")),
        CookieChange::Key(key) => {
            // Whoever reads events is not to learn the key.
            let line = format!("set dynamic-cookie-key backend {} ***", backend.name);
            let cause = match cause {
                Cause::Command { by, .. } => Cause::Command { by, line: &line },
                other => other,
            };
            shared.set_cookie_key(backend, key, cause);
        }
    }
    Ok(())
}

pub(super) fn find_server<'a>(
    snapshot: &'a Snapshot,
    name: &ServerName,
) -> Result<(&'a Arc<Backend>, &'a Arc<Server>), Refusal> {
    let backend = find_backend(snapshot, &name.backend)?;
    let server = backend.server(&name.server).ok_or_else(|| Refusal::error("No such server."))?;
    Ok((backend, server))
}

/// A server whose checks are switched on.
pub(super) fn find_checked<'a>(
    snapshot: &'a Snapshot,
    name: &ServerName,
) -> Result<(&'a Arc<Backend>, &'a Arc<Server>), Refusal> {
    let found = find_server(snapshot, name)?;
    checked(found.1)?;
    Ok(found)
}

fn checked(server: &Server) -> Result<(), Refusal> {
    let state = server.control().state;
    if state.check_configured && state.check_enabled {
        return Ok(());
    }
    Err(Refusal::error("health checks are not enabled on this server"))
}

fn find_backend<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a Arc<Backend>, Refusal> {
    snapshot.backend(name).ok_or_else(|| Refusal::error("No such backend."))
}

pub(super) fn find_frontend<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a Arc<Frontend>, Refusal> {
    snapshot.frontend(name).ok_or_else(|| Refusal::error("No such frontend."))
}

fn set_server(
    shared: &Shared,
    backend: &Backend,
    server: &Server,
    change: &ServerChange,
    cause: Cause<'_>,
) -> Result<Reply, Refusal> {
    let event = match *change {
        ServerChange::Agent(ref change) => return set_agent(shared, backend, server, change, cause),
        ServerChange::Check(change) => {
            checked(server)?;
            let mut place = server.check_place();
            let port = match change {
                CheckChange::Address { ip, port } => {
                    place.address = Some(ip).filter(|ip| !ip.is_unspecified());
                    port
                }
                CheckChange::Port(port) => Some(port),
            };
            if let Some(port) = port {
                place.port = Some(port).filter(|port| *port > 0);
            }
            shared.set_check_place(server, place, cause);
            return Ok(Reply::Silent);
        }
        ServerChange::Health(_) if server.verdict.track.is_some() => {
            return Err(Refusal::error("cannot change health on a tracking server."));
        }
        ServerChange::Weight(weight) => {
            let weight = weight.of(server.initial_weight);
            if !backend.takes_weight(server, weight) {
                return Err(Refusal::error(WEIGHT_REFUSED));
            }
            shared.set_weight(backend, server, weight, cause);
            return Ok(Reply::Silent);
        }
        ServerChange::Address { ip, port } => {
            let (address, told) = moved(&server.address(), ip, port)?;
            if let Some(address) = address {
                shared.set_address(backend, server, address, cause);
            }
            return Ok(Reply::Message(Severity::Warning, told.into()));
        }
        ServerChange::State(AdminState::Ready) => Event::Ready,
        ServerChange::State(AdminState::Drain) => Event::Drain,
        ServerChange::State(AdminState::Maint) => Event::Maint,
        ServerChange::Health(Health::Up) => Event::HealthUp,
        ServerChange::Health(Health::Stopping) => Event::HealthStopping,
        ServerChange::Health(Health::Down) => Event::HealthDown,
    };
    shared.server_event(backend, server, event, cause);
    Ok(Reply::Silent)
}

/// What the agent of a server would have said, and where it is.
fn set_agent(
    shared: &Shared,
    backend: &Backend,
    server: &Server,
    change: &AgentChange,
    cause: Cause<'_>,
) -> Result<Reply, Refusal> {
    let state = server.control().state;
    let Some(mut agent) = server.agent().filter(|_| state.agent.enabled) else {
        return Err(Refusal::error("agent checks are not enabled on this server."));
    };
    match change {
        AgentChange::Up => shared.server_event(backend, server, Event::ForceAgentUp, cause),
        AgentChange::Down => shared.server_event(backend, server, Event::ForceAgentDown, cause),
        AgentChange::Address { ip, port } => {
            agent.address = Some(*ip);
            agent.port = port.unwrap_or(agent.port);
            shared.set_agent(server, agent, cause);
        }
        AgentChange::Port(port) => shared.set_agent(server, Agent { port: *port, ..agent }, cause),
        AgentChange::Send(text) => {
            shared.set_agent(server, Agent { send: text.clone(), ..agent }, cause);
        }
    }
    Ok(Reply::Silent)
}

/// The new address if it is another one, and what is said of it, in the words clients look for.
fn moved(before: &Address, ip: IpAddr, port: Option<u16>) -> Result<(Option<Address>, String), Refusal> {
    let (old_ip, old_port) = match before {
        Address::Ip(address) => (address.ip().to_string(), address.port()),
        Address::Unix(path) => (path.display().to_string(), 0),
    };
    let port_now = match (before, port) {
        (Address::Unix(_), None) => {
            return Err(Refusal::error(
                "This server has no port yet: give it one, as in 'addr <ip> port <port>'.",
            ));
        }
        _ => port.unwrap_or(old_port),
    };
    let now = Address::Ip(SocketAddr::new(ip, port_now));
    let ip_told = if old_ip == ip.to_string() {
        "no need to change the addr".to_owned()
    } else {
        format!("IP changed from '{old_ip}' to '{ip}'")
    };
    let port = match port {
        Some(port) if port == old_port => ", no need to change the port".to_owned(),
        Some(port) => format!(", port changed from '{old_port}' to '{port}'"),
        None => String::new(),
    };
    let told = format!("{ip_told}{port} by 'stats socket command'");
    Ok(((now != *before).then_some(now), told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_an_address() {
        let before: Address = "127.0.0.1:18001".parse().unwrap();
        for (ip, port, changed, told) in [
            ("127.0.0.1", None, None, "no need to change the addr by 'stats socket command'"),
            (
                "127.0.0.2",
                None,
                Some("127.0.0.2:18001"),
                "IP changed from '127.0.0.1' to '127.0.0.2' by 'stats socket command'",
            ),
            (
                "127.0.0.1",
                Some(18003),
                Some("127.0.0.1:18003"),
                "no need to change the addr, port changed from '18001' to '18003' by 'stats socket command'",
            ),
            (
                "::1",
                Some(18001),
                Some("[::1]:18001"),
                "IP changed from '127.0.0.1' to '::1', no need to change the port by 'stats socket command'",
            ),
            (
                "127.0.0.2",
                Some(1),
                Some("127.0.0.2:1"),
                "IP changed from '127.0.0.1' to '127.0.0.2', port changed from '18001' to '1' by 'stats socket command'",
            ),
            (
                "127.0.0.1",
                Some(18001),
                None,
                "no need to change the addr, no need to change the port by 'stats socket command'",
            ),
        ] {
            let (address, text) = moved(&before, ip.parse().unwrap(), port).unwrap();
            assert_eq!(address, changed.map(|a| a.parse().unwrap()));
            assert_eq!(text, told);
        }
        let unix: Address = "unix@/run/app.sock".parse().unwrap();
        assert!(moved(&unix, "::1".parse().unwrap(), None).is_err());
        assert!(moved(&unix, "::1".parse().unwrap(), Some(1)).unwrap().0.is_some());
    }
}
