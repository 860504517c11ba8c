//! A client that tests have.

use std::net::SocketAddr;

use super::Client;
use crate::net::tls::Agreed;
use crate::tls::shown::Shown;

/// A client at this address, without TLS, that came to no address in particular.
pub(crate) struct From(pub(crate) Option<SocketAddr>);

impl Client for From {
    fn source(&self) -> Option<SocketAddr> {
        self.0
    }

    fn destination(&self) -> Option<SocketAddr> {
        None
    }

    fn tls(&self) -> Option<&Agreed> {
        None
    }

    fn certificate(&self) -> Option<(&Shown, &[u8])> {
        None
    }

    fn random(&self) -> u32 {
        0
    }
}
