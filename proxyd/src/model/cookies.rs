//! The cookie of a backend: what its servers are called now, and whom a value names.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};

use super::backend::Backend;
use super::queue::Hold;
use super::server::Server;
use crate::config::{self, Cookie};
use crate::persist::value::{self, Naming, Values};
use crate::persist::{Found, Given, Named};
use crate::stats::slots::Slots;

/// A backend's cookie.
#[derive(Debug)]
pub struct Cookies {
    pub conf: Cookie,
    /// What follows the value where it is given.
    pub attributes: Box<[u8]>,
    backend: String,
    /// Of each server, as written.
    given: Box<[Option<String>]>,
    /// As configured, or as an operator set it.
    naming: Mutex<Naming>,
    values: ArcSwap<Values>,
}

/// Requests by what was found of a cookie, and what was given.
#[derive(Debug)]
pub struct CookieCounts {
    pub found: Slots,
    pub given: Slots,
}

impl CookieCounts {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            found: Slots::new(workers, Found::WORDS.len()),
            given: Slots::new(workers, Given::WORDS.len()),
        }
    }
}

impl Cookies {
    /// `None` where none is configured.
    pub(super) fn new(conf: &config::Backend, servers: &[Arc<Server>]) -> Option<Self> {
        let cookie = conf.persistence.clone()?;
        let cookies = Self {
            attributes: cookie.written_attributes().into_bytes().into(),
            naming: Mutex::new(Naming::of(&cookie)),
            conf: cookie,
            backend: conf.name.clone(),
            given: conf.servers.iter().map(|server| server.cookie.clone()).collect(),
            values: ArcSwap::default(),
        };
        cookies.refresh(servers);
        Some(cookies)
    }

    /// Some values follow from addresses, which change.
    pub(super) fn refresh(&self, servers: &[Arc<Server>]) {
        let addresses: Vec<_> = servers.iter().map(|server| server.address()).collect();
        let servers = servers.iter().zip(&self.given).zip(&addresses);
        let servers = servers.map(|((server, given), address)| value::Server {
            name: &server.name,
            given: given.as_deref(),
            address,
        });
        let naming = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        self.values.store(Arc::new(Values::new(&naming, &self.backend, servers)));
    }

    /// Changes how servers are called that have no value of their own.
    pub(super) fn rename(&self, servers: &[Arc<Server>], change: impl FnOnce(&mut Naming)) {
        change(&mut self.naming.lock().unwrap_or_else(PoisonError::into_inner));
        self.refresh(servers);
    }

    /// What the servers are called.
    pub fn values(&self) -> Guard<Arc<Values>> {
        self.values.load()
    }

    /// The server that a value names: the first that is up of those which share it.
    pub fn named(&self, backend: &Backend, value: &[u8], hold: Hold) -> Named {
        let values = self.values();
        let mut named = Named::Nobody;
        for &index in values.named(value) {
            if backend.keeps(index, Hold::Kept) {
                return Named::Up(index);
            }
            if backend.keeps(index, hold) {
                return Named::DownYet(index);
            }
            named = Named::Down;
        }
        named
    }
}
