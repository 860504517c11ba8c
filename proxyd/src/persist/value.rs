//! What servers are called in cookies: as it was written, else a keyed hash, so that a client learns nothing from it.

use std::collections::HashMap;

use aws_lc_rs::hmac;
use proto::addr::Address;
use smallvec::SmallVec;
use xxhash_rust::xxh64::xxh64;

use crate::config::Cookie;

/// The servers of a backend by what they are called.
#[derive(Debug, Default)]
pub struct Values {
    /// In the order of the servers.
    of: Vec<Box<[u8]>>,
    /// Several may share a value: a server and its backups.
    by: HashMap<Box<[u8]>, SmallVec<[u32; 2]>>,
}

/// How servers are called that have no value of their own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Naming {
    /// After their addresses.
    pub dynamic: bool,
    /// What addresses are hashed with.
    pub dynamic_key: Option<Vec<u8>>,
    /// What names are. There is one wherever a server has no value of its own: a configuration without is refused.
    pub key: Option<Vec<u8>>,
}

impl Naming {
    pub fn of(cookie: &Cookie) -> Self {
        let key = cookie.key.as_ref().map(|key| key.bytes.clone());
        Self { dynamic: cookie.dynamic, dynamic_key: key.clone(), key }
    }
}

/// A server that is to be called something.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    pub name: &'a str,
    /// As written.
    pub given: Option<&'a str>,
    pub address: &'a Address,
}

impl Values {
    pub fn new<'a>(naming: &Naming, backend: &str, servers: impl Iterator<Item = Server<'a>>) -> Self {
        let mut values = Self::default();
        for (index, server) in (0..).zip(servers) {
            let value: Box<[u8]> = value(naming, backend, server).into_bytes().into();
            values.by.entry(value.clone()).or_default().push(index);
            values.of.push(value);
        }
        values
    }

    /// Of the server with that index.
    pub fn of(&self, index: u32) -> &[u8] {
        self.of.get(index as usize).map_or(&[], |value| value)
    }

    /// The indices of the servers that are called so, in their order.
    pub fn named(&self, value: &[u8]) -> &[u32] {
        self.by.get(value).map_or(&[], |indices| indices)
    }
}

fn value(naming: &Naming, backend: &str, server: Server<'_>) -> String {
    let (key, dynamic_key) = (naming.key.as_deref(), naming.dynamic_key.as_deref());
    match (server.given, server.address) {
        (Some(given), _) => given.to_owned(),
        (None, Address::Ip(address)) if naming.dynamic => {
            // HAProxy's `srv_set_dyncookie`.
            let mut text = dynamic_key.unwrap_or_default().to_vec();
            match address.ip() {
                std::net::IpAddr::V4(ip) => text.extend(ip.octets()),
                std::net::IpAddr::V6(ip) => text.extend(ip.octets()),
            }
            text.extend(u32::from(address.port()).to_be_bytes());
            format!("{:016x}", xxh64(&text, 0))
        }
        (None, _) => {
            let name = [backend.as_bytes(), b"\0", server.name.as_bytes()].concat();
            let key = hmac::Key::new(hmac::HMAC_SHA256, key.unwrap_or_default());
            let hash = hmac::sign(&key, &name);
            // Eight bytes of it: no two servers share them by chance.
            format!(
                "{:016x}",
                hash.as_ref().iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte))
            )
        }
    }
}
