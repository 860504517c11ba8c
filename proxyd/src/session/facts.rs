//! A client's connection as expressions ask for it.

use std::net::SocketAddr;

use super::client::Addresses;
use super::worker::Worker;
use crate::net::stream::Stream;
use crate::net::tls::Agreed;
use crate::sample::Client;
use crate::tls::shown::Shown;

/// A connection, looked at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub addresses: &'a Addresses,
    pub stream: &'a Stream,
    pub worker: &'a Worker,
}

impl Client for Seen<'_> {
    fn source(&self) -> Option<SocketAddr> {
        self.addresses.client
    }

    fn destination(&self) -> Option<SocketAddr> {
        self.addresses.destination().or_else(|| self.stream.local_addr())
    }

    fn tls(&self) -> Option<&Agreed> {
        self.addresses.tls.as_deref().map(|tls| &tls.agreed)
    }

    fn certificate(&self) -> Option<(&Shown, &[u8])> {
        self.addresses.tls.as_deref()?.shown()
    }

    fn random(&self) -> u32 {
        self.worker.random.borrow_mut().any()
    }
}
