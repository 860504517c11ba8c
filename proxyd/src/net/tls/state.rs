//! What one end of a TLS connection knows: ciphertext in, plaintext out, and how it ends. No socket is touched.

use std::io::{self, BufRead, Read};

use rustls::Connection;

/// Plaintext beyond which rustls takes no more in.
const MOST_HELD: usize = 16 * 1024;

/// One end of a connection, without its socket.
#[derive(Debug)]
pub(super) struct State {
    pub(super) connection: Connection,
    /// Ciphertext that there was no room for yet, from `taken` on.
    ciphertext: Vec<u8>,
    taken: usize,
    /// Decrypted bytes that wait to be read.
    pub(super) held: usize,
    /// Bytes of a writer whose ciphertext has not all left.
    pub(super) promised: usize,
    /// Nothing was ever received.
    pub(super) silent: bool,
    /// The last read brought as much as it could.
    pub(super) more: bool,
    /// The peer said that nothing more comes.
    pub(super) closed: bool,
    /// The socket ended.
    pub(super) ended: bool,
    /// The first byte is none of TLS.
    pub(super) plain: bool,
    pub(super) fault: Option<rustls::Error>,
    /// The socket's own end is due behind what waits to be sent.
    pub(super) closing: bool,
    /// It is to look broken.
    pub(super) cut: bool,
}

impl State {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            ciphertext: Vec::new(),
            taken: 0,
            held: 0,
            promised: 0,
            silent: true,
            more: false,
            closed: false,
            ended: false,
            plain: false,
            fault: None,
            closing: false,
            cut: false,
        }
    }

    /// There is room for more of what the peer sent.
    fn takes(&self) -> bool {
        self.held <= MOST_HELD && self.fault.is_none() && !self.closed
    }

    /// How reading ends, if nothing more is to be read.
    pub(super) fn end(&self) -> Option<io::Result<()>> {
        if self.held > 0 {
            None
        } else if let Some(fault) = &self.fault {
            Some(Err(io::Error::new(io::ErrorKind::InvalidData, fault.clone())))
        } else if self.closed {
            Some(Ok(()))
        } else if self.ended && self.ciphertext.is_empty() {
            Some(Err(io::ErrorKind::UnexpectedEof.into()))
        } else {
            None
        }
    }

    /// Takes decrypted bytes out.
    fn take(&mut self, buf: &mut [u8]) -> usize {
        if self.held == 0 || buf.is_empty() {
            return 0;
        }
        // While something is held there is no error.
        let n = self.connection.reader().read(buf).unwrap_or(0);
        self.held -= n.min(self.held);
        if self.fault.is_some() {
            self.count_held();
        }
        n
    }

    /// Decrypts some of `input`.
    fn feed(&mut self, input: &mut &[u8]) {
        let fault = match self.connection.read_tls(input) {
            Ok(1..) => match self.connection.process_new_packets() {
                Ok(now) => {
                    self.held = now.plaintext_bytes_to_read();
                    self.closed = now.peer_has_closed();
                    return;
                }
                Err(error) => error,
            },
            _ => rustls::Error::General("a message of the handshake is too long".into()),
        };
        self.fault = Some(fault);
        self.count_held();
    }

    /// Behind a fault nobody tells how much came in front of it, but only what of it is in one piece.
    fn count_held(&mut self) {
        self.held = self.connection.reader().fill_buf().map_or(0, <[u8]>::len);
    }

    /// Decrypts what was kept and `input`, for as long as there is room, into `buf` first; the rest is kept.
    fn take_in(&mut self, mut input: &[u8], buf: &mut [u8]) -> usize {
        let mut filled = 0;
        while self.takes() && !input.is_empty() {
            self.feed(&mut input);
            filled += self.take(&mut buf[filled..]);
        }
        if !input.is_empty() && self.fault.is_none() && !self.closed {
            self.ciphertext.extend_from_slice(input);
        }
        filled
    }

    /// The same with what was kept.
    pub(super) fn take_kept(&mut self, buf: &mut [u8]) -> usize {
        let mut filled = self.take(buf);
        while self.takes() && self.taken < self.ciphertext.len() && (filled < buf.len() || self.held == 0) {
            let kept = std::mem::take(&mut self.ciphertext);
            let mut input = &kept[self.taken..];
            self.feed(&mut input);
            self.taken = kept.len() - input.len();
            self.ciphertext = kept;
            filled += self.take(&mut buf[filled..]);
        }
        if self.taken == self.ciphertext.len() && self.taken > 0 {
            self.ciphertext = Vec::new();
            self.taken = 0;
        }
        filled
    }

    /// Judges what a read of the socket brought.
    pub(super) fn received(&mut self, input: &[u8], asked: usize, buf: &mut [u8]) -> usize {
        self.more = input.len() == asked;
        let Some(first) = input.first() else {
            self.ended = true;
            return 0;
        };
        if self.silent {
            self.silent = false;
            // A client's word begins with a method, and TLS with the number of a record's type.
            self.plain = first.is_ascii_alphabetic();
        }
        self.take_in(input, buf)
    }
}
