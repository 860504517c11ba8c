//! What holds for HTTP: which requests are taken, and the answers made here in other words than the built-in ones.

use super::defaults;

/// Which requests a frontend takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HttpOptions {
    /// CONNECT is forwarded like other methods.
    pub connect: bool,
    /// Answers tell for how long the connection may be idle.
    pub announce_keep_alive: bool,
    /// Longest head.
    pub max_header_bytes: usize,
    /// Most fields of a head.
    pub max_headers: usize,
    /// Longest target.
    pub max_uri: usize,
    /// Longest body.
    pub max_body: u64,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect: false,
            announce_keep_alive: defaults::ANNOUNCE_KEEP_ALIVE,
            max_header_bytes: defaults::MAX_HEADER_BYTES,
            max_headers: defaults::MAX_HEADERS,
            max_uri: defaults::MAX_HEADER_BYTES,
            max_body: u64::MAX,
        }
    }
}

/// An answer made here, as a configuration has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ErrorPage {
    pub status: u16,
    pub content_type: String,
    pub body: String,
}

/// Statuses of the answers that are made here.
pub const ERROR_STATUSES: [u16; 10] = [400, 408, 413, 414, 417, 431, 501, 502, 503, 504];
