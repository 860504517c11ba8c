//! Facts and limits of the process as a whole.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

use crate::stats::rate::Rate;

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
    pub workers: usize,
    /// Times a connection had to wait for room.
    pub maxconn_reached: AtomicU64,
    /// Times `accept` failed for want of descriptors or memory.
    pub accept_failures: AtomicU64,
    pub stopping: AtomicBool,
    pub connection_rate: Rate,
    pub request_rate: Rate,
    pub bytes_out_rate: Rate,
    /// Share of the workers' time without work, over the last second.
    pub idle_percent: AtomicU32,
    /// Warnings the configuration gave.
    pub warnings: AtomicU32,
    /// Milliseconds from the process's start to the last bind.
    pub boot_ms: AtomicU32,
    /// A random word that tells this run from others.
    pub boot: String,
}

impl Process {
    pub fn new(workers: usize, maxconn: u32, descriptors: u64, boot: String) -> Self {
        Self {
            connections: CachePadded::default(),
            maxconn: AtomicU32::new(maxconn),
            hard_maxconn: maxconn,
            descriptors,
            workers,
            maxconn_reached: AtomicU64::new(0),
            accept_failures: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            connection_rate: Rate::default(),
            request_rate: Rate::default(),
            bytes_out_rate: Rate::default(),
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
        self.connections.load(Relaxed) < self.maxconn()
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }
}
