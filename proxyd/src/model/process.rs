//! Facts and limits of the process as a whole.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

use crate::stats::rate::Rate;

/// How near the memory ceiling is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Pressure {
    None,
    /// No new connections.
    Full,
    /// Connections are given up.
    Shed,
}

/// Counted once for all frontends.
#[derive(Debug)]
pub struct Process {
    /// Client connections now.
    pub connections: CachePadded<AtomicU32>,
    /// `set maxconn global`.
    maxconn: AtomicU32,
    /// What the process started with; the most `set maxconn global` takes.
    pub hard_maxconn: u32,
    /// Soft limit of descriptors after it was raised.
    pub descriptors: u64,
    /// Descriptors from this number on are the control side's: the kernel gives out the lowest that is free.
    first_reserved: AtomicU64,
    pub workers: usize,
    pub loads: Loads,
    /// Times a connection had to wait for room.
    pub maxconn_reached: AtomicU64,
    /// Times `accept` failed for want of descriptors or memory.
    pub accept_failures: AtomicU64,
    pressure: AtomicU8,
    /// Connections given up for want of memory.
    pub shed: AtomicU64,
    /// Requests and sessions that were cut when the process ended.
    pub killed: AtomicU64,
    pub stopping: AtomicBool,
    pub connection_rate: Rate,
    pub request_rate: Rate,
    pub bytes_out_rate: Rate,
    pub tls_rates: TlsRates,
    /// Share of the workers' time without work, over the last second.
    pub idle_percent: AtomicU32,
    /// Warnings the configuration gave.
    pub warnings: AtomicU32,
    /// Milliseconds from the process's start to the last bind.
    pub boot_ms: AtomicU32,
    /// A random word that tells this run from others.
    pub boot: String,
}

/// TLS handshakes of all frontends and servers.
#[derive(Debug, Default)]
pub struct TlsRates {
    /// With clients.
    pub accepted: Rate,
    /// Those of them that resumed nothing.
    pub full: Rate,
    /// With servers, that resumed nothing.
    pub full_with_servers: Rate,
}

/// Client connections of each worker, so that one that carries more than the others can hand the next one on.
#[derive(Debug)]
pub struct Loads(Box<[CachePadded<AtomicU32>]>);

impl Loads {
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| CachePadded::default()).collect())
    }

    pub fn enter(&self, worker: usize) {
        self.0[worker].fetch_add(1, Relaxed);
    }

    pub fn leave(&self, worker: usize) {
        self.0[worker].fetch_sub(1, Relaxed);
    }

    /// Of all workers, in their order.
    pub fn all(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|worker| worker.load(Relaxed))
    }

    /// The worker that carries least, or `own` where that carries no more than an eighth above it: handing on
    /// costs more than so small a difference.
    pub fn lighter_than(&self, own: usize) -> usize {
        let load = |worker: &CachePadded<AtomicU32>| worker.load(Relaxed);
        let carried = load(&self.0[own]);
        let worth = |least: u32| carried > least.saturating_add(least / 8);
        if carried == 0 {
            return own;
        }
        let least = self.0.iter().enumerate().map(|(i, worker)| (load(worker), i)).min();
        least.filter(|&(least, _)| worth(least)).map_or(own, |(_, lightest)| lightest)
    }
}

impl Process {
    pub fn new(workers: usize, maxconn: u32, descriptors: u64, boot: String) -> Self {
        Self {
            connections: CachePadded::default(),
            maxconn: AtomicU32::new(maxconn),
            hard_maxconn: maxconn,
            descriptors,
            first_reserved: AtomicU64::new(descriptors),
            workers,
            loads: Loads::new(workers),
            maxconn_reached: AtomicU64::new(0),
            accept_failures: AtomicU64::new(0),
            pressure: AtomicU8::new(Pressure::None as u8),
            shed: AtomicU64::new(0),
            killed: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            connection_rate: Rate::default(),
            request_rate: Rate::default(),
            bytes_out_rate: Rate::default(),
            tls_rates: TlsRates::default(),
            idle_percent: AtomicU32::new(100),
            warnings: AtomicU32::new(0),
            boot_ms: AtomicU32::new(0),
            boot,
        }
    }

    pub fn maxconn(&self) -> u32 {
        self.maxconn.load(Relaxed)
    }

    pub(super) fn set_maxconn(&self, maxconn: u32) {
        self.maxconn.store(maxconn, Relaxed);
    }

    pub fn has_room(&self) -> bool {
        self.connections.load(Relaxed) < self.maxconn() && self.pressure() == Pressure::None
    }

    /// Keeps so many descriptors for sockets, checks and metrics; but at most a quarter.
    pub fn reserve(&self, descriptors: u64) {
        self.first_reserved.store(self.descriptors - descriptors.min(self.descriptors / 4), Relaxed);
    }

    /// Whether traffic has come to what is kept for the control side.
    pub fn is_reserved(&self, descriptor: BorrowedFd<'_>) -> bool {
        descriptor.as_raw_fd() as u64 >= self.first_reserved.load(Relaxed)
    }

    pub fn pressure(&self) -> Pressure {
        match self.pressure.load(Relaxed) {
            0 => Pressure::None,
            1 => Pressure::Full,
            _ => Pressure::Shed,
        }
    }

    pub fn set_pressure(&self, pressure: Pressure) {
        self.pressure.store(pressure as u8, Relaxed);
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lightest_worker_gets_the_next_connection() {
        let loads = Loads::new(3);
        let next = |own| {
            let turn = loads.lighter_than(own);
            loads.enter(turn);
            turn
        };
        assert_eq!([next(1), next(1), next(1)], [1, 0, 2]);
        assert_eq!([next(1), next(1), next(1)], [1, 0, 2]);
        loads.leave(0);
        assert_eq!(next(1), 0);
    }

    #[test]
    fn a_small_difference_is_not_worth_a_way() {
        let loads = Loads::new(2);
        for _ in 0..100 {
            loads.enter(1);
        }
        for _ in 0..112 {
            loads.enter(0);
        }
        assert_eq!(loads.lighter_than(0), 0);
        loads.enter(0);
        assert_eq!(loads.lighter_than(0), 1);
    }
}
