//! What a request is known by, where its backend balances by a key.

use super::Connection;
use crate::balance::key;
use crate::config::Algorithm;
use crate::http::request::{self, Form};
use crate::net::stream::Stream;
use crate::sample::{self, Request};
use crate::session::facts::Seen;
use crate::session::view::BackendView;

impl Connection {
    /// The hash of its key, while the head that the server is sent is still here.
    pub(super) fn key(&self, facts: &request::Facts, backend: &BackendView) -> Option<u32> {
        let Algorithm::Hash(hash) = &backend.backend.balance else { return None };
        let seen = Seen { addresses: &self.addresses, stream: &self.client, worker: &self.place.worker };
        let request = Some(self.head(facts));
        key::of(hash, &sample::Facts { request, ..sample::Facts::of_connection(&seen) })
    }

    /// Its head, as expressions look at it.
    pub(super) fn head(&self, facts: &request::Facts) -> Request<'_> {
        let scheme = match (&self.client, facts.form) {
            (Stream::H2(stream), _) => Some(stream.scheme()),
            (_, Form::Absolute(scheme)) => Some(scheme),
            (_, Form::Origin) => None,
        };
        Request { head: &self.up_head, scheme }
    }
}
