//! Which server is next.
//!
//! A pick reads what the model prepared (`model/lineup`), so that it costs the same however many servers there are,
//! and takes no lock.

mod first;
mod hashed;
pub mod key;
mod least_conn;
mod least_latency;
mod random;
mod round_robin;

use crate::config::{Algorithm, Backups};
use crate::model::backend::Backend;
use crate::model::lineup::Group;

/// A small generator of random numbers for choices that need no secrecy (xorshift64*).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Any number.
    pub fn any(&mut self) -> u32 {
        self.below(1 << 32) as u32
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        ((high * n as u64) >> 32) as usize
    }
}

/// For what a server is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// Servers that are none of the choice, since they were tried.
    pub tried: &'a [u32],
    /// Milliseconds of the process's epoch, where the algorithm [asks for time](Algorithm::asks_for_time).
    pub now_ms: u64,
    /// The hash of its key, where the backend balances by one and it has it.
    pub key: Option<u32>,
}

/// What a pick came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Picked {
    /// The index of a server; room on it was taken.
    Server(u32),
    /// The index of the server it belongs to, which has no room.
    Busy(u32),
    /// There are servers, and none of them has room.
    Full,
    Nobody,
}

/// Room on the server for a new request: none that was tried, an active one before a backup.
pub fn pick(backend: &Backend, ask: &Ask<'_>, random: &mut Random) -> Picked {
    let lineup = backend.lineup();
    let active = among(backend, &lineup.active, ask, random);
    // Backups step in when no active server is left, not when the active ones were tried.
    if active != Picked::Nobody || is_any_left(backend, &lineup.active) {
        return active;
    }
    match backend.backups {
        Backups::All => among(backend, &lineup.backup, ask, random),
        Backups::First => {
            let first = lineup.backup.members.iter().copied().find(|&index| usable(backend, ask, index));
            match first {
                Some(index) if backend.enter(index) => Picked::Server(index),
                Some(_) => Picked::Full,
                None => Picked::Nobody,
            }
        }
    }
}

fn among(backend: &Backend, group: &Group, ask: &Ask<'_>, random: &mut Random) -> Picked {
    match &backend.balance {
        Algorithm::RoundRobin | Algorithm::StaticRr => round_robin::pick(backend, group, ask),
        Algorithm::LeastConn => least_conn::pick(backend, group, ask, random),
        Algorithm::First => first::pick(backend, group, ask),
        Algorithm::LeastLatency => least_latency::pick(backend, group, ask, random),
        Algorithm::Random { draws } => random::pick(backend, group, ask, *draws, random),
        Algorithm::Hash(_) => hashed::pick(backend, group, ask),
    }
}

/// The lineup may be a moment older than the state of its servers.
fn is_any_left(backend: &Backend, group: &Group) -> bool {
    group.members.iter().any(|&index| backend.servers[index as usize].is_eligible())
}

/// Whether a server may be chosen, room aside.
fn usable(backend: &Backend, ask: &Ask<'_>, index: u32) -> bool {
    backend.servers[index as usize].is_eligible() && ask.tried.iter().all(|&tried| tried != index)
}

/// The first of some that can be used and has room.
fn enter_first(backend: &Backend, ask: &Ask<'_>, indices: impl Iterator<Item = u32>) -> Picked {
    let mut picked = Picked::Nobody;
    for index in indices.filter(|&index| usable(backend, ask, index)) {
        if backend.enter(index) {
            return Picked::Server(index);
        }
        picked = Picked::Full;
    }
    picked
}

#[cfg(test)]
mod tests;
