//! Who asks: clients that are known by an address, a header and a cookie, and what they ask for.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use proxyd::balance::key;
use proxyd::config::{Algorithm, Hash};
use proxyd::model::backend::Backend;
use proxyd::net::tls::Agreed;
use proxyd::sample::{Client, Facts, Request};
use proxyd::tls::shown::Shown;

use crate::dice::Dice;

/// So many of them, numbered. The first one is known by nothing but its cookie.
pub(crate) const CLIENTS: u64 = 12;

/// One of them with something to ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Person {
    pub(crate) number: u64,
    pub(crate) wish: Wish,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wish {
    Usual,
    /// What any server has, where a backend says so.
    Anywhere,
    /// To try out a server that may be down, where a backend lets them.
    Trial,
}

impl Person {
    pub(crate) fn drawn(dice: &mut Dice) -> Self {
        const WISHES: [Wish; 8] = [
            Wish::Usual,
            Wish::Usual,
            Wish::Usual,
            Wish::Usual,
            Wish::Usual,
            Wish::Usual,
            Wish::Anywhere,
            Wish::Trial,
        ];
        Self { number: dice.below(CLIENTS), wish: dice.of(&WISHES) }
    }

    /// All of them, with what is asked for usually.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..CLIENTS).map(|number| Self { number, wish: Wish::Usual })
    }

    pub(crate) fn address(self) -> Option<IpAddr> {
        (self.number > 0).then(|| IpAddr::from([198, 51, 100, self.number as u8]))
    }

    /// The head of its request.
    pub(crate) fn head(self, cookie: Option<&str>) -> Vec<u8> {
        let place = match self.wish {
            Wish::Usual => "usual",
            Wish::Anywhere => "anywhere",
            Wish::Trial => "trial",
        };
        let number = self.number;
        let mut head = format!("GET /{place}/{number} HTTP/1.1\r\nhost: sim\r\n");
        if number > 0 {
            write!(head, "x-user: user-{number}\r\n").unwrap();
        }
        if let Some(cookie) = cookie {
            write!(head, "cookie: SRV={cookie}\r\n").unwrap();
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// What expressions find out about its request.
    pub(crate) fn facts<'a>(&'a self, head: &'a [u8]) -> Facts<'a> {
        Facts { request: Some(Request { head, scheme: None }), ..Facts::of_connection(self) }
    }

    /// The hash of the key of its request, where there is one.
    pub(crate) fn key(&self, backend: &Backend, head: &[u8]) -> Option<u32> {
        key::of(hash_of(backend)?, &self.facts(head))
    }
}

/// By what a backend balances, if that is a key.
pub(crate) fn hash_of(backend: &Backend) -> Option<&Hash> {
    match &backend.balance {
        Algorithm::Hash(hash) => Some(hash),
        _ => None,
    }
}

impl Client for Person {
    fn source(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.address()?, 1024))
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
