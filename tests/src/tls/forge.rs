//! Records that no library would write, under the keys of a connection that was made in good order.

use std::fmt;
use std::io::{self, Write};

use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::{Connection, ConnectionTrafficSecrets, ContentType, ProtocolVersion, SupportedCipherSuite};

use super::client::Dialer;
use super::session::Session;
use crate::stream::Stream;

/// The writing half of a client's connection.
pub struct Forge {
    encrypter: Box<dyn MessageEncrypter>,
    sequence: u64,
    socket: Stream,
}

impl Dialer {
    /// Makes connections that can be taken apart.
    #[must_use]
    pub fn forging(mut self) -> Self {
        self.config().enable_secret_extraction = true;
        self
    }
}

impl Forge {
    /// Goes on by hand; the session came of a dialer that was told so.
    pub fn of(session: Session) -> Self {
        let (tls, socket) = session.into_parts();
        let suite = tls.negotiated_cipher_suite().expect("a handshake");
        let secrets = match tls {
            Connection::Client(client) => client.dangerous_extract_secrets(),
            Connection::Server(_) => unreachable!("a client's end"),
        };
        let (sequence, secrets) = secrets.expect("secrets that may be known").tx;
        let (key, iv, fixed) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv }
            | ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (key, iv, 4),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (key, iv, 12),
            _ => unreachable!("no other suite is offered"),
        };
        let encrypter = match suite {
            SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
            SupportedCipherSuite::Tls12(suite) => {
                let (fixed, explicit) = iv.as_ref().split_at(fixed);
                suite.aead_alg.encrypter(key, fixed, explicit)
            }
        };
        let mut forge = Self { encrypter, sequence: 0, socket };
        // The library seals in order from the first record on; these were sent before.
        while forge.sequence < sequence {
            forge.record(ContentType::ApplicationData, b"");
        }
        forge
    }

    /// A record of that kind, as the peer will believe it.
    pub fn record(&mut self, kind: ContentType, body: &[u8]) -> Vec<u8> {
        let payload = OutboundChunks::Single(body);
        let plain = OutboundPlainMessage { typ: kind, version: ProtocolVersion::TLSv1_2, payload };
        let record = self.encrypter.encrypt(plain, self.sequence).expect("it can be sealed");
        self.sequence += 1;
        record.encode()
    }

    /// Writes one; the peer may have gone.
    pub fn send(&mut self, kind: ContentType, body: &[u8]) -> io::Result<()> {
        let record = self.record(kind, body);
        self.socket.write_all(&record)
    }

    /// The connection below.
    pub fn socket(&mut self) -> &mut Stream {
        &mut self.socket
    }
}

impl fmt::Debug for Forge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forge").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}
