//! How the next server is chosen: what `balance` says.

use super::sample::{Place, Sample};
use crate::hash::Function;

/// How the next server is chosen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// In turns, each as often as its weight says.
    RoundRobin,
    /// The same with weights that stay as configured.
    StaticRr,
    /// The fewest requests for its weight.
    LeastConn,
    /// The first with room.
    First,
    /// The quicker of two that are drawn by weight.
    LeastLatency,
    /// The least loaded of some that are drawn by weight.
    Random { draws: u32 },
    /// The one that a key of the request belongs to.
    Hash(Box<Hash>),
}

impl Algorithm {
    /// Whether it goes by how long servers take.
    pub const fn asks_for_time(&self) -> bool {
        matches!(self, Self::LeastLatency)
    }

    /// Whether weights can be changed at run time.
    pub fn is_dynamic(&self) -> bool {
        match self {
            Self::StaticRr => false,
            Self::Hash(hash) => hash.kind != HashKind::MapBased,
            _ => true,
        }
    }

    /// Whether a server's keys follow from its address.
    pub fn goes_by_address(&self) -> bool {
        matches!(
            self,
            Self::Hash(hash) if matches!(hash.hash_key, ServerKey::Address | ServerKey::AddressAndPort)
        )
    }

    /// Whether no server may carry much more than its share.
    pub fn bounds_loads(&self) -> bool {
        matches!(self, Self::Hash(hash) if hash.balance_factor.is_some())
    }
}

/// Which backups step in when no other server is left.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Backups {
    /// The first of them that is up.
    #[default]
    First,
    /// All of them, balanced as the others were.
    All,
}

/// By a key of the request: the same key goes to the same server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hash {
    pub key: HashedKey,
    pub kind: HashKind,
    pub function: Function,
    /// The hash is spread once more.
    pub avalanche: bool,
    /// How much a server may carry of what its weight says, in percent.
    pub balance_factor: Option<u32>,
    /// What a server's places follow from.
    pub hash_key: ServerKey,
}

/// What a request is known by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HashedKey {
    /// The client's address.
    Source,
    Uri(UriKey),
    /// A parameter of the query.
    UrlParam(Box<str>),
    /// A header's first value.
    Header(Box<str>),
    Cookie(Box<str>),
    Sample(Sample),
}

/// Which part of the URI.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct UriKey {
    /// At most so many bytes.
    pub length: Option<u32>,
    /// At most so many directories.
    pub depth: Option<u32>,
    /// With the query.
    pub whole: bool,
    /// Without scheme and host, where a client names them.
    pub path_only: bool,
}

/// How a hash becomes a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HashKind {
    /// HAProxy's `map-based`.
    MapBased,
    /// HAProxy's `consistent`.
    Consistent,
    Maglev,
}

/// What a server's places follow from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServerKey {
    /// Where it stands in the list, from 1 on.
    Id,
    Name,
    Address,
    AddressAndPort,
}

impl HashKind {
    /// Where nothing else is said.
    pub const fn server_key(self) -> ServerKey {
        match self {
            Self::MapBased | Self::Consistent => ServerKey::Id,
            Self::Maglev => ServerKey::Name,
        }
    }
}

impl HashedKey {
    /// What has to be there for it.
    pub fn needs(&self) -> Place {
        match self {
            Self::Source => Place::Connection,
            Self::Sample(sample) => sample.needs(),
            Self::Uri(_) | Self::UrlParam(_) | Self::Header(_) | Self::Cookie(_) => Place::Request,
        }
    }
}
