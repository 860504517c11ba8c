//! The cookie of a request on its way: whom it leads to, and what its client is told.

use std::net::IpAddr;

use crate::clock;
use crate::config::condition::Subject;
use crate::config::persistence::Exception;
use crate::model::backend::Backend;
use crate::model::queue::Hold;
use crate::persist::{Answered, Found, Given, Letters, Presented};
use crate::session::dispatch::Tries;
use crate::session::slot::Slot;
use crate::session::view::BackendView;

/// What is known of a request's cookie; nothing where its backend has none.
#[derive(Debug)]
pub struct Persisted(Option<Cookie>);

#[derive(Debug)]
struct Cookie {
    presented: Presented,
    hold: Hold,
    found: Found,
    given: Given,
    /// Answers to its method may be kept by caches.
    is_safe: bool,
}

fn now() -> u64 {
    clock::wall_ms() / 1000
}

impl Persisted {
    /// Reads the head that goes to the server, and leaves in it what that is to see.
    pub fn read(backend: &Backend, head: &mut Vec<u8>, source: Option<IpAddr>) -> Self {
        let Some(cookies) = &backend.cookies else { return Self(None) };
        let exception = backend.persist.exception(&Subject::of(head, source));
        let hold = match exception {
            Some(Exception::Forced) => Hold::Forced,
            _ if backend.persist.try_down => Hold::Tried,
            _ => Hold::Kept,
        };
        let safe = [&b"GET "[..], b"HEAD ", b"OPTIONS ", b"TRACE "];
        let is_safe = safe.iter().any(|method| head.starts_with(method));
        let find = |value: &[u8]| cookies.named(backend, value, hold);
        let ignored = exception == Some(Exception::Ignored);
        let presented = Presented::read(head, &cookies.conf, ignored, now, find);
        Self(Some(Cookie { presented, hold, found: presented.found, given: Given::None, is_safe }))
    }

    /// The tries of this request; its server is the first.
    pub fn tries(&self, backend: &BackendView, key: Option<u32>) -> Tries {
        let mut tries = Tries::new(backend, key);
        if let Some(Cookie { presented: Presented { server: Some(index), .. }, hold, .. }) = self.0 {
            tries.prefer(index, hold);
        }
        tries
    }

    /// Its cookie leads to one.
    pub fn has_server(&self) -> bool {
        self.0.as_ref().is_some_and(|cookie| cookie.presented.server.is_some())
    }

    /// It goes to this server.
    pub fn assigned(&mut self, slot: &Slot) {
        if let Some(cookie) = &mut self.0 {
            cookie.found = cookie.presented.found_on(slot.index);
        }
    }

    /// Writes into the head of the answer what the client is told.
    pub fn answer(&mut self, head: &mut Vec<u8>, backend: &Backend, slot: &Slot, status: u16) {
        let (Some(cookie), Some(cookies)) = (&mut self.0, &backend.cookies) else { return };
        let values = cookies.values();
        let answered = Answered {
            index: slot.index,
            value: values.of(slot.index),
            status,
            attributes: &cookies.attributes,
            is_safe: cookie.is_safe,
        };
        cookie.given = cookie.presented.answer(head, &cookies.conf, &answered, now);
    }

    /// What a line of the access log says of it.
    pub fn letters(&self) -> Letters {
        self.0.as_ref().map(|cookie| Letters::new(cookie.found, cookie.given)).unwrap_or_default()
    }

    /// The request is over.
    pub fn count(&self, backend: &BackendView) {
        if let Some(cookie) = &self.0 {
            backend.count_cookie(cookie.found, cookie.given);
        }
    }
}
