//! Servers to stand behind proxyd: well-behaved, slow, broken, or plain TCP.
//!
//! Each listens on a port of the kernel's choice, serves every connection on a thread of its own, and can be taken
//! away and brought back at the same address.

pub mod faulty;
pub mod gate;
pub mod http;
pub mod http2;
pub mod process;
pub mod slow;
pub mod streams;
pub mod tcp;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::eventually;
use crate::stream::{Address, Stream};

/// A stuck peer must not keep a thread for ever.
const LIMIT: Duration = Duration::from_mins(1);

type Handler = dyn Fn(Stream, usize) + Send + Sync;

/// A listener and the connections it took.
pub struct Service {
    address: Address,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
    /// Keeps the port while stopped: bound and not listening, so connecting is refused and nobody else gets it.
    held: Option<Socket>,
}

struct Shared {
    handler: Box<Handler>,
    stop: AtomicBool,
    accepted: AtomicUsize,
    open: AtomicUsize,
    /// The thread that accepts, as the kernel knows it.
    thread: AtomicI32,
    /// By connection number, so that stopping can end them.
    live: Mutex<HashMap<usize, Stream>>,
}

impl Service {
    /// On 127.0.0.1.
    pub fn tcp(handler: impl Fn(Stream, usize) + Send + Sync + 'static) -> Self {
        Self::on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), handler)
    }

    /// On `[::1]`.
    pub fn tcp6(handler: impl Fn(Stream, usize) + Send + Sync + 'static) -> Self {
        Self::on(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)), handler)
    }

    /// On a Unix socket.
    pub fn unix(path: &Path, handler: impl Fn(Stream, usize) + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(path).expect("a free path");
        Self::spawn(Address::Unix(path.to_owned()), Socket::from(listener), handler)
    }

    fn on(addr: SocketAddr, handler: impl Fn(Stream, usize) + Send + Sync + 'static) -> Self {
        let socket = bound(addr).expect("a free port");
        let addr = socket.local_addr().ok().and_then(|it| it.as_socket()).expect("it is bound");
        socket.listen(1024).expect("it listens");
        Self::spawn(Address::Tcp(addr), socket, handler)
    }

    fn spawn(
        address: Address,
        socket: Socket,
        handler: impl Fn(Stream, usize) + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            stop: AtomicBool::new(false),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            thread: AtomicI32::new(0),
            live: Mutex::new(HashMap::new()),
        });
        let accepting = Some(accept(Arc::clone(&shared), socket));
        Self { address, shared, accepting, held: None }
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        self.address.clone()
    }

    /// Where the kernel tells of the thread that accepts.
    pub fn accepting(&self) -> PathBuf {
        let id = eventually("it runs", || {
            let id = self.shared.thread.load(Ordering::SeqCst);
            (id != 0).then_some(id)
        });
        PathBuf::from(format!("/proc/self/task/{id}"))
    }

    /// How many connections it took so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are being served.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Goes away as a killed process does: no listener, every connection closed.
    pub fn stop(&mut self) {
        self.end();
        if let Address::Tcp(addr) = self.address {
            // A process being forked at this moment has the old listener until it executes its program.
            self.held = Some(eventually("the port is free", || bound(addr).ok()));
        }
    }

    fn end(&mut self) {
        let Some(accepting) = self.accepting.take() else { return };
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees the flag.
        drop(Stream::connect(&self.address, LIMIT));
        accepting.join().ok();
        for stream in self.shared.live().values() {
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// Comes back at the same address.
    pub fn restart(&mut self) {
        assert!(self.accepting.is_none(), "it runs");
        self.shared.stop.store(false, Ordering::SeqCst);
        let socket = match (&self.address, self.held.take()) {
            (Address::Unix(path), _) => Socket::from(rebind(path)),
            (Address::Tcp(_), Some(socket)) => {
                socket.listen(1024).expect("it listens");
                socket
            }
            (Address::Tcp(_), None) => unreachable!("a stopped service holds its port"),
        };
        self.accepting = Some(accept(Arc::clone(&self.shared), socket));
    }
}

impl Shared {
    fn live(&self) -> MutexGuard<'_, HashMap<usize, Stream>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}

/// An address at which connecting is refused, for as long as this is held.
#[derive(Debug)]
pub struct Refusing {
    _held: Socket,
    address: Address,
}

impl Refusing {
    /// Takes a port and does not listen on it.
    pub fn new() -> Self {
        let held = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let addr = held.local_addr().ok().and_then(|it| it.as_socket()).expect("it is bound");
        Self { _held: held, address: Address::Tcp(addr) }
    }

    /// Where nobody answers.
    pub fn address(&self) -> Address {
        self.address.clone()
    }
}

impl Default for Refusing {
    fn default() -> Self {
        Self::new()
    }
}

fn bound(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

fn rebind(path: &PathBuf) -> UnixListener {
    std::fs::remove_file(path).ok();
    UnixListener::bind(path).expect("a free path")
}

fn accept(shared: Arc<Shared>, socket: Socket) -> JoinHandle<()> {
    thread::spawn(move || {
        shared.thread.store(rustix::thread::gettid().as_raw_nonzero().get(), Ordering::SeqCst);
        loop {
            let Ok((connection, _)) = socket.accept() else { break };
            if shared.stop.load(Ordering::SeqCst) {
                break;
            }
            let unix = connection.domain().is_ok_and(|it| it == Domain::UNIX);
            let stream = if unix { Stream::Unix(connection.into()) } else { Stream::Tcp(connection.into()) };
            stream.limit(Some(LIMIT)).ok();
            if let Stream::Tcp(tcp) = &stream {
                tcp.set_nodelay(true).ok();
            }
            let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
            shared.open.fetch_add(1, Ordering::SeqCst);
            if let Ok(again) = stream.again() {
                shared.live().insert(number, again);
            }
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                (shared.handler)(stream, number);
                shared.live().remove(&number);
                shared.open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    })
}
