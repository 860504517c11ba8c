//! The lines of `show servers state`.

use proto::addr::Address;
use proto::servers_state::ServerState;
use proto::state::Oper;

use crate::model::backend::Backend;
use crate::model::server::Server;
use crate::model::shared::Shared;

/// The line of a server in `show servers state`.
pub fn of(shared: &Shared, backend: &Backend, server: &Server) -> ServerState {
    let control = server.control();
    let state = &control.state;
    let (srv_addr, srv_port) = server.with_address(|address| match address {
        Address::Ip(ip) => (ip.ip().to_string(), ip.port()),
        Address::Unix(path) => (path.display().to_string(), 0),
    });
    let outcome = control.check.outcome.as_ref();
    let mut check_state = 0;
    for (bit, set) in [
        (1, server.checks.any()),
        (2, state.check_configured),
        (4, state.check_configured && state.check_enabled),
        (8, state.check_configured && state.admin.is_maint()),
    ] {
        check_state |= if set { bit } else { 0 };
    }
    let mut agent_state = 0;
    for (bit, set) in [
        (1, server.consultations.any()),
        (2, state.agent.configured),
        (4, state.agent.enabled),
        (16, state.agent.configured),
    ] {
        agent_state |= if set { bit } else { 0 };
    }
    let agent = server.agent();
    let place = server.check_place();
    ServerState {
        be_id: backend.id,
        be_name: backend.name.to_string(),
        srv_id: server.id,
        srv_name: server.name.to_string(),
        srv_addr: Some(srv_addr),
        srv_op_state: if state.admin.is_maint() { Oper::Stopped } else { state.oper } as u8,
        srv_admin_state: state.admin.0,
        srv_uweight: server.weight(),
        srv_iweight: server.initial_weight,
        srv_time_since_last_change: shared.epoch.now_ms().saturating_sub(control.changed_at) / 1000,
        srv_check_status: outcome.map_or(1, |o| o.status.number() as u8),
        srv_check_result: outcome.map_or(0, |o| o.status.result()),
        srv_check_health: state.health,
        srv_check_state: check_state,
        srv_agent_state: agent_state,
        srv_agent_addr: agent.as_ref().and_then(|agent| agent.address).map(|address| address.to_string()),
        srv_agent_port: agent.map_or(0, |agent| agent.port),
        srv_port,
        srv_check_port: place.port.unwrap_or(0),
        srv_check_addr: place.address.map(|address| address.to_string()),
        ..ServerState::default()
    }
}
