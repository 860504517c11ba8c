//! Servers that break a promise of the protocol, at a chosen byte.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Service;
use crate::stream::{Address, Stream};
use crate::wire::Reader;

/// Where the connection ends.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// As soon as it is accepted.
    Accept,
    /// After so many bytes of the request were read.
    Request(usize),
    /// After the whole request, and so many bytes of the answer.
    Response(usize),
    /// The first request of a connection is answered in full; the second ends it, unanswered.
    SecondRequest,
}

/// How the connection ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// FIN, or RST where bytes were left unread.
    Close,
    /// RST.
    Reset,
}

/// An origin with one fault.
#[derive(Debug)]
pub struct Faulty {
    service: Service,
    heads: Arc<AtomicUsize>,
}

/// What it would answer if nothing were wrong with it.
pub const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nX-Origin: faulty\r\nContent-Length: 7\r\n\r\nfaulty\n";

impl Faulty {
    /// On 127.0.0.1.
    pub fn start(fault: Fault, end: End) -> Self {
        let heads = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&heads);
        let service = Service::tcp(move |stream, _| {
            if let (Some(stream), End::Reset) = (act(stream, fault, &seen), end) {
                stream.reset();
            }
        });
        Self { service, heads }
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        self.service.address()
    }

    /// How many connections it took.
    pub fn accepted(&self) -> usize {
        self.service.accepted()
    }

    /// How many complete requests reached it.
    pub fn requests(&self) -> usize {
        self.heads.load(Ordering::SeqCst)
    }
}

/// Serves up to the fault; the connection is handed back to be ended.
fn act(mut stream: Stream, fault: Fault, seen: &AtomicUsize) -> Option<Stream> {
    match fault {
        Fault::Accept => Some(stream),
        Fault::Request(n) => {
            let mut bytes = vec![0; n];
            stream.read_exact(&mut bytes).ok()?;
            Some(stream)
        }
        Fault::Response(n) => {
            let mut reader = Reader::new(stream);
            whole(&mut reader, seen)?;
            reader.inner().write_all(&ANSWER[..n]).ok()?;
            reader.inner().again().ok()
        }
        Fault::SecondRequest => {
            let mut reader = Reader::new(stream);
            whole(&mut reader, seen)?;
            reader.inner().write_all(ANSWER).ok()?;
            whole(&mut reader, seen)?;
            reader.inner().again().ok()
        }
    }
}

fn whole(reader: &mut Reader<Stream>, seen: &AtomicUsize) -> Option<()> {
    let head = reader.head().ok()??;
    reader.body(head.request_framing().ok()?).ok()?;
    seen.fetch_add(1, Ordering::SeqCst);
    Some(())
}
