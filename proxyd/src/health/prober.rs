//! Who asks a server: the network, or what stands in for it where time is simulated.

use std::pin::Pin;

use proto::addr::Address;

use super::{agent, probe};
use crate::clock::Instant;
use crate::config::{Agent, Check};
use crate::model::backend::Backend;
use crate::model::server::{Outcome, Server};

/// One check under way.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// One question to an agent under way: what it says and when it was asked, or what went wrong.
pub type Consulting<'a> = Pin<Box<dyn Future<Output = Result<(Vec<u8>, Instant), Outcome>> + 'a>>;

/// Asks servers and their agents once each.
pub trait Prober {
    fn ask<'a>(
        &'a self,
        address: &'a Address,
        backend: &'a Backend,
        server: &'a Server,
        check: &'a Check,
    ) -> Asking<'a>;

    fn consult<'a>(&'a self, server: &'a Server, agent: &'a Agent) -> Consulting<'a>;
}

/// Asks the servers themselves.
#[derive(Clone, Copy, Debug)]
pub struct Network;

impl Prober for Network {
    fn ask<'a>(
        &'a self,
        address: &'a Address,
        backend: &'a Backend,
        server: &'a Server,
        check: &'a Check,
    ) -> Asking<'a> {
        // On the heap while it lasts: of thousands of servers few are asked at once.
        Box::pin(probe::probe(address, backend, server, check))
    }

    fn consult<'a>(&'a self, server: &'a Server, agent: &'a Agent) -> Consulting<'a> {
        Box::pin(agent::ask(server, agent))
    }
}
