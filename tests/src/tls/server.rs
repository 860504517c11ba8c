//! TLS servers to stand behind proxyd, well-behaved and not.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{Connection, HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection};

use super::session::Session;
use super::{Authority, Identity, Versions, provider};
use crate::origin::Service;
use crate::stream::{Address, Stream};

/// How connections are taken; a clone shares what was seen.
#[derive(Clone, Debug)]
pub struct Serving {
    config: Arc<ServerConfig>,
    seen: Arc<Mutex<Vec<Seen>>>,
    failed: Arc<Mutex<Vec<String>>>,
}

/// A handshake that a server completed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    pub name: Option<String>,
    pub alpn: Option<String>,
    pub version: Option<ProtocolVersion>,
    pub resumed: bool,
    /// Certificates the client showed.
    pub certificates: usize,
}

impl Serving {
    /// Shows this certificate to everybody.
    pub fn new(identity: &Identity) -> Self {
        Self::with(identity, Versions::Both, None, &[])
    }

    /// Speaks these versions and protocols, and asks for a certificate of this authority.
    pub fn with(
        identity: &Identity,
        versions: Versions,
        clients: Option<&Authority>,
        protocols: &[&str],
    ) -> Self {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions.list())
            .expect("versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(authority.roots()), provider());
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let mut config =
            builder.with_single_cert(identity.chain(), identity.key()).expect("certificate and key");
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self { config: Arc::new(config), seen: Arc::default(), failed: Arc::default() }
    }

    /// Never resumes.
    #[must_use]
    pub fn forgetful(mut self) -> Self {
        let mut config = ServerConfig::clone(&self.config);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        self.config = Arc::new(config);
        self
    }

    /// Takes a connection; a handshake that fails is written down.
    pub fn accept(&self, socket: Stream) -> io::Result<Session> {
        let tls = ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
        let mut session = Session::new(tls, socket);
        if let Err(error) = session.complete() {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).push(error.to_string());
            return Err(error);
        }
        let seen = Seen {
            name: match session.tls() {
                Connection::Server(server) => server.server_name().map(str::to_owned),
                Connection::Client(_) => None,
            },
            alpn: session.alpn(),
            version: session.version(),
            resumed: session.tls().handshake_kind() == Some(HandshakeKind::Resumed),
            certificates: session.peer().len(),
        };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        Ok(session)
    }

    /// Handshakes so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was wrong with those that failed.
    pub fn failed(&self) -> Vec<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a server does that promised TLS.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Closes as soon as it is accepted.
    Accept,
    /// Reads the hello, then closes.
    Hello,
    /// Sends its first flight without these last bytes, then closes.
    Flight(usize),
    /// Completes the handshake, then closes.
    Handshake,
    /// Writes this in front of the handshake, which it then makes, and serves.
    Before(Vec<u8>),
    /// Answers so, and ends without a `close_notify`.
    Truncate(Vec<u8>),
    /// Reads the hello and goes on reading; says nothing.
    Silent,
    /// Writes this once it has the hello, and closes.
    Instead(Vec<u8>),
    /// Writes this to the socket behind the handshake and an answer, past TLS.
    Behind(Vec<u8>),
}

/// A server that breaks a promise of TLS.
#[derive(Debug)]
pub struct FaultyTls {
    service: Service,
}

impl FaultyTls {
    /// On 127.0.0.1.
    pub fn start(serving: Serving, fault: Fault) -> Self {
        let service = Service::tcp(move |socket, _| {
            // That the peer goes is nothing special.
            act(&serving, socket, &fault).ok();
        });
        Self { service }
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        self.service.address()
    }

    /// How many connections it took.
    pub fn accepted(&self) -> usize {
        self.service.accepted()
    }
}

/// What it would answer if nothing were wrong with it.
pub const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nX-Origin: faulty\r\nContent-Length: 7\r\n\r\nfaulty\n";

fn act(serving: &Serving, mut socket: Stream, fault: &Fault) -> io::Result<()> {
    match fault {
        Fault::Accept => {}
        Fault::Hello => _ = hello(&mut socket)?,
        Fault::Silent => {
            hello(&mut socket)?;
            io::copy(&mut socket, &mut io::sink())?;
        }
        Fault::Instead(bytes) => {
            hello(&mut socket)?;
            socket.write_all(bytes)?;
            // Lets them be read before the unread rest resets the connection.
            socket.shutdown(Shutdown::Write)?;
            io::copy(&mut socket, &mut io::sink())?;
        }
        Fault::Flight(without) => {
            let mut tls = ServerConnection::new(Arc::clone(&serving.config)).map_err(io::Error::other)?;
            let mut flight = Vec::new();
            let hello = hello(&mut socket)?;
            tls.read_tls(&mut &hello[..])?;
            tls.process_new_packets().map_err(io::Error::other)?;
            while tls.wants_write() {
                tls.write_tls(&mut flight)?;
            }
            socket.write_all(&flight[..flight.len().saturating_sub(*without)])?;
            socket.shutdown(Shutdown::Write)?;
            io::copy(&mut socket, &mut io::sink())?;
        }
        Fault::Handshake => drop(serving.accept(socket)?),
        Fault::Before(bytes) => {
            socket.write_all(bytes)?;
            let mut session = serving.accept(socket)?;
            request(&mut session)?;
            session.write_all(ANSWER)?;
            session.end(Shutdown::Write)?;
        }
        Fault::Truncate(bytes) => {
            let mut session = serving.accept(socket)?;
            request(&mut session)?;
            session.write_all(bytes)?;
            session.truncate();
            io::copy(&mut session, &mut io::sink())?;
        }
        Fault::Behind(bytes) => {
            let mut session = serving.accept(socket)?;
            request(&mut session)?;
            session.write_all(ANSWER)?;
            session.socket().write_all(bytes)?;
            io::copy(session.socket(), &mut io::sink())?;
        }
    }
    Ok(())
}

/// The first record.
fn hello(socket: &mut Stream) -> io::Result<Vec<u8>> {
    let mut record = vec![0; 5];
    socket.read_exact(&mut record)?;
    let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
    record.resize(5 + length, 0);
    socket.read_exact(&mut record[5..])?;
    Ok(record)
}

/// The head of a request.
fn request(session: &mut Session) -> io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        session.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(())
}
