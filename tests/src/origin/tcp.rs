//! Servers without a protocol.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::path::Path;

use super::Service;
use crate::stream::{Address, Stream};

/// A TCP or Unix server that does what it is told with each connection.
#[derive(Debug)]
pub struct Tcp {
    service: Service,
}

impl Tcp {
    /// On 127.0.0.1, doing `act` with each connection; the number is the connection's.
    pub fn start(act: impl Fn(Stream, usize) + Send + Sync + 'static) -> Self {
        Self { service: Service::tcp(act) }
    }

    /// Sends back what it receives, and ends when the peer has.
    pub fn echo() -> Self {
        Self::start(|stream, _| echo(stream))
    }

    /// The same on a Unix socket.
    pub fn unix_echo(path: &Path) -> Self {
        Self { service: Service::unix(path, |stream, _| echo(stream)) }
    }

    /// Says its name, then sends back what it receives.
    pub fn named(name: &'static str) -> Self {
        Self::start(move |mut stream, _| {
            if stream.write_all(name.as_bytes()).and_then(|()| stream.write_all(b"\n")).is_ok() {
                echo(stream);
            }
        })
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        self.service.address()
    }

    /// Where it listens, over TCP.
    pub fn addr(&self) -> SocketAddr {
        match self.service.address() {
            Address::Tcp(addr) => addr,
            Address::Unix(_) => unreachable!("a TCP server"),
        }
    }

    /// The listener and its connections.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Goes away as a killed process does.
    pub fn stop(&mut self) {
        self.service.stop();
    }

    /// Comes back at the same address.
    pub fn restart(&mut self) {
        self.service.restart();
    }
}

fn echo(mut stream: Stream) {
    let mut block = [0; 16 << 10];
    while let Ok(n @ 1..) = stream.read(&mut block) {
        if stream.write_all(&block[..n]).is_err() {
            return;
        }
    }
    stream.shutdown(Shutdown::Write).ok();
}
