//! A request and the tables that know of it: stick rules, and what is counted.

use std::rc::Rc;

use super::Connection;
use super::persistence::Persisted;
use crate::config::condition::Subject;
use crate::http::request;
use crate::model::backend::Backend;
use crate::sample::Facts;
use crate::session::facts::Seen;
use crate::session::meter::Meter;
use crate::session::slot::Slot;
use crate::session::stick::Stuck;
use crate::session::track::{Tally, Tracked};
use crate::session::view::BackendView;

impl Connection {
    /// Looks its keys up, while the head that the server is sent is still here. What tracks it is counted by `meter`.
    pub(super) fn look_up(
        &self,
        head: &request::Facts,
        backend: &Rc<BackendView>,
        persisted: &Persisted,
        meter: &mut Meter,
    ) -> Stuck {
        let model = &backend.backend;
        let is_tracked = Tally::is_wanted(&self.frontend, backend);
        if model.stick.is_empty() && !is_tracked {
            return Stuck::none();
        }
        let worker = &self.place.worker;
        let seen = Seen { addresses: &self.addresses, stream: &self.client, worker };
        let request = Some(self.head(head));
        let facts = Facts { request, ..Facts::of_connection(&seen) };
        if is_tracked {
            let tally = Tally::begin(&self.frontend, backend, &self.place, &facts);
            // What its connection is counted in was told before.
            tally.own().for_each(Tracked::request);
            meter.count_in(tally);
        }
        if model.stick.is_empty() {
            return Stuck::none();
        }
        let source = self.addresses.client.map(|address| address.ip());
        let exception = model.persist.exception(&Subject::of(&self.up_head, source));
        let now = worker.shared.epoch.ms(self.now);
        Stuck::read(model, &facts, persisted.has_server(), exception, now)
    }

    /// A server answered: its client is told of a cookie, and tables know it from here on.
    pub(super) fn keep(
        &mut self,
        persisted: &mut Persisted,
        stuck: &mut Stuck,
        (backend, slot): (&Backend, &Slot),
        status: u16,
    ) {
        persisted.answer(&mut self.down_head, backend, slot, status);
        if stuck.is_none() {
            return;
        }
        let worker = &self.place.worker;
        let seen = Seen { addresses: &self.addresses, stream: &self.client, worker };
        let facts = Facts { response: Some(&self.down_head), ..Facts::of_connection(&seen) };
        stuck.answered(backend, &facts, slot.index, worker.shared.epoch.now_ms());
    }
}
