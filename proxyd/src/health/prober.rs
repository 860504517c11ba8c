//! Who asks a server: the network, or what stands in for it where time is simulated.

use std::pin::Pin;

use proto::addr::Address;

use super::probe;
use crate::config::Check;
use crate::model::backend::Backend;
use crate::model::server::{Outcome, Server};

/// One check under way.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// Asks servers once each.
pub trait Prober {
    fn ask<'a>(
        &'a self,
        address: &'a Address,
        backend: &'a Backend,
        server: &'a Server,
        check: &'a Check,
    ) -> Asking<'a>;
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
}
