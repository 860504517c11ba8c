//! One end of a TLS connection over a blocking socket.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::Shutdown;

use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription, Connection, ProtocolVersion};

use crate::stream::Stream;

/// A connection after its handshake; below it lies the socket, which can be used past TLS.
pub struct Session {
    tls: Connection,
    socket: Stream,
}

impl Session {
    pub(super) fn new(tls: impl Into<Connection>, socket: Stream) -> Self {
        Self { tls: tls.into(), socket }
    }

    /// Goes on until the handshake is done; what TLS says against it is told to the peer.
    pub(super) fn complete(&mut self) -> io::Result<()> {
        while self.tls.is_handshaking() {
            self.tls.complete_io(&mut self.socket)?;
        }
        // What is left, such as the client's Finished.
        self.flush()
    }

    /// What TLS knows of the connection.
    pub fn tls(&mut self) -> &mut Connection {
        &mut self.tls
    }

    /// The socket below.
    pub fn socket(&mut self) -> &mut Stream {
        &mut self.socket
    }

    /// Both apart, for whoever goes on by hand.
    pub fn into_parts(self) -> (Connection, Stream) {
        (self.tls, self.socket)
    }

    /// The protocol agreed on.
    pub fn alpn(&self) -> Option<String> {
        self.tls.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned())
    }

    /// The version agreed on.
    pub fn version(&self) -> Option<ProtocolVersion> {
        self.tls.protocol_version()
    }

    /// Whether a former handshake was resumed.
    pub fn resumed(&self) -> bool {
        self.tls.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    /// What the peer showed.
    pub fn peer(&self) -> &[CertificateDer<'static>] {
        self.tls.peer_certificates().unwrap_or_default()
    }

    /// Sends no more: `close_notify`, then a FIN.
    pub(crate) fn end(&mut self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Read {
            self.tls.send_close_notify();
            self.flush()?;
        }
        self.socket.shutdown(how)
    }

    /// Ends without a `close_notify`.
    pub fn truncate(&mut self) {
        self.socket.shutdown(Shutdown::Write).expect("the connection is open");
    }

    /// Waits for the tickets of TLS 1.3, which come behind the handshake.
    pub fn await_ticket(&mut self) {
        let Connection::Client(client) = &mut self.tls else { unreachable!("servers get no tickets") };
        while client.tls13_tickets_received() == 0 {
            client.read_tls(&mut self.socket).expect("a ticket arrives");
            client.process_new_packets().expect("a ticket is read");
        }
    }

    pub(crate) fn below(&self) -> &Stream {
        &self.socket
    }
}

impl Read for Session {
    /// The end of the socket without a `close_notify` is an error.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            // Answers to what came, such as keys that are to be renewed, go out first.
            self.flush()?;
            let ended = self.tls.read_tls(&mut self.socket)? == 0;
            let state = self.tls.process_new_packets();
            if let Err(error) = state {
                self.tls.write_tls(&mut self.socket).ok();
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            if ended {
                return self.tls.reader().read(buf);
            }
        }
    }
}

impl Write for Session {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.tls.writer().write(buf)?;
        self.flush()?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// What TLS said, where an error is TLS's.
pub fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// The alert the peer sent, where an error is one.
pub fn alert(error: &io::Error) -> Option<AlertDescription> {
    match tls_error(error)? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}
