//! Servers that take their time, or all of it.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Service;
use super::gate::Gate;
use crate::stream::{Address, Stream};
use crate::wire::Reader;

/// An origin that reads requests and never answers.
#[derive(Debug)]
pub struct Silent {
    service: Service,
    heads: Arc<AtomicUsize>,
}

impl Silent {
    /// On 127.0.0.1.
    pub fn start() -> Self {
        let heads = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&heads);
        let service = Service::tcp(move |stream, _| {
            let mut reader = Reader::new(stream);
            while let Ok(Some(_)) = reader.head() {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { service, heads }
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        self.service.address()
    }

    /// How many request heads reached it.
    pub fn requests(&self) -> usize {
        self.heads.load(Ordering::SeqCst)
    }

    /// The listener and its connections.
    pub fn service(&self) -> &Service {
        &self.service
    }
}

/// An origin that accepts and reads nothing until it is let go.
#[derive(Debug)]
pub struct Stuck {
    service: Service,
    gate: Arc<Gate>,
    read: Arc<AtomicUsize>,
}

impl Stuck {
    /// On 127.0.0.1.
    pub fn start() -> Self {
        let gate = Arc::<Gate>::default();
        let read = Arc::new(AtomicUsize::new(0));
        let (held, count) = (Arc::clone(&gate), Arc::clone(&read));
        let service = Service::tcp(move |mut stream: Stream, _| {
            held.pass();
            let mut block = vec![0; 64 << 10];
            while let Ok(n @ 1..) = stream.read(&mut block) {
                count.fetch_add(n, Ordering::SeqCst);
            }
        });
        Self { service, gate, read }
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        self.service.address()
    }

    /// Begins to read.
    pub fn release(&self) {
        self.gate.open();
    }

    /// How many bytes it has read.
    pub fn read(&self) -> usize {
        self.read.load(Ordering::SeqCst)
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        self.release();
    }
}
