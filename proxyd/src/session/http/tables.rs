//! A request and the tables that know of it: stick rules, and what is counted.

use std::rc::Rc;

use super::Connection;
use super::persistence::Persisted;
use crate::config::condition::Subject;
use crate::http::request;
use crate::model::backend::Backend;
use crate::sample::Facts;
use crate::session::dispatch::Slot;
use crate::session::facts::Seen;
use crate::session::stick::Stuck;
use crate::session::track::{OfRequest, Tracked};
use crate::session::view::BackendView;

/// What tables make of a request.
#[derive(Debug)]
pub(super) struct Known {
    /// Its keys, where the backend has stick rules.
    pub(super) stuck: Stuck,
    /// What it holds.
    pub(super) tracked: OfRequest,
}

impl Connection {
    /// Looks its keys up, while the head that the server is sent is still here.
    pub(super) fn look_up(
        &self,
        head: &request::Facts,
        backend: &Rc<BackendView>,
        persisted: &Persisted,
    ) -> Known {
        let model = &backend.backend;
        let is_tracked = OfRequest::is_wanted(&self.frontend, backend);
        if model.stick.is_empty() && !is_tracked {
            return Known { stuck: Stuck::none(), tracked: OfRequest::default() };
        }
        let worker = &self.place.worker;
        let seen = Seen { addresses: &self.addresses, stream: &self.client, worker };
        let request = Some(self.head(head));
        let facts = Facts { request, ..Facts::of_connection(&seen) };
        let tracked = if is_tracked {
            OfRequest::begin(&self.frontend, backend, worker, &facts)
        } else {
            OfRequest::default()
        };
        // Those of the connection were told before.
        tracked.all(None).for_each(Tracked::request);
        if model.stick.is_empty() {
            return Known { stuck: Stuck::none(), tracked };
        }
        let source = self.addresses.client.map(|address| address.ip());
        let exception = model.persist.exception(&Subject::of(&self.up_head, source));
        let now = worker.shared.epoch.ms(self.now);
        let stuck = Stuck::read(model, &facts, persisted.has_server(), exception, now);
        Known { stuck, tracked }
    }

    /// A server answered: its client is told of a cookie, and tables know it from here on.
    pub(super) fn keep(
        &mut self,
        persisted: &mut Persisted,
        known: &mut Known,
        (backend, slot): (&Backend, &Slot),
        status: u16,
    ) {
        persisted.answer(&mut self.down_head, backend, slot, status);
        if known.stuck.is_none() {
            return;
        }
        let worker = &self.place.worker;
        let seen = Seen { addresses: &self.addresses, stream: &self.client, worker };
        let facts = Facts { response: Some(&self.down_head), ..Facts::of_connection(&seen) };
        known.stuck.answered(backend, &facts, slot.index, worker.shared.epoch.now_ms());
    }
}
