//! What holds for HTTP: which requests are taken, and the answers made here in other words than the built-in ones.

use std::time::Duration;

use super::defaults;

/// A name of a header field, and of most else in HTTP (RFC 9110 5.6.2).
pub(super) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

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
    pub http2: Http2Options,
}

/// How clients that speak HTTP/2 are served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Http2Options {
    /// In clear text a client may begin with it.
    pub prior_knowledge: bool,
    pub max_concurrent_streams: u32,
    /// Bytes a client may send on a stream ahead of its server, and on all of them.
    pub initial_window: u32,
    pub connection_window: u32,
    pub max_frame_size: u32,
    /// Of the compression of heads.
    pub header_table: u32,
    /// Bytes of a stream that wait to be sent.
    pub send_buffer: usize,
    /// Streams taken back before they were looked at.
    pub max_pending_accept_reset_streams: usize,
    /// Streams that had to be reset for what was sent on them.
    pub max_local_error_reset_streams: usize,
    /// Frames of no use in ten seconds.
    pub glitches: u32,
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
}

impl Http2Options {
    /// What holds where nothing is said.
    pub const DEFAULT: Self = Self {
        prior_knowledge: true,
        max_concurrent_streams: 100,
        initial_window: 64 << 10,
        connection_window: 1 << 20,
        max_frame_size: 16 << 10,
        header_table: 4 << 10,
        send_buffer: 64 << 10,
        max_pending_accept_reset_streams: 20,
        max_local_error_reset_streams: 1024,
        glitches: 1000,
        ping_interval: Duration::from_secs(30),
        ping_timeout: Duration::from_secs(10),
    };
}

/// How HTTP/2 is spoken with a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ServerHttp2 {
    /// Requests that one connection carries at once.
    pub max_concurrent_streams: usize,
    /// Bytes a server may send on a stream ahead of its client, and on all of them.
    pub initial_window: u32,
    pub connection_window: u32,
    pub max_frame_size: u32,
    /// Of the compression of heads.
    pub header_table: u32,
    /// Longest head of an answer, as HTTP/2 counts it.
    pub max_header_list: u32,
    /// Bytes of a stream that wait to be sent.
    pub send_buffer: usize,
    /// Streams that had to be reset for what was sent on them.
    pub max_local_error_reset_streams: usize,
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
}

impl ServerHttp2 {
    /// What holds where nothing is said.
    pub const DEFAULT: Self = Self {
        max_concurrent_streams: 100,
        initial_window: 256 << 10,
        connection_window: 1 << 20,
        max_frame_size: 16 << 10,
        header_table: 4 << 10,
        max_header_list: 32 << 10,
        send_buffer: 64 << 10,
        max_local_error_reset_streams: 1024,
        ping_interval: Duration::from_secs(5),
        ping_timeout: Duration::from_secs(2),
    };
}

impl Default for ServerHttp2 {
    fn default() -> Self {
        Self::DEFAULT
    }
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
            http2: Http2Options::DEFAULT,
        }
    }
}

/// A header that tells servers of the certificate a client showed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertHeader {
    pub name: String,
    pub field: CertField,
}

/// What a header says of a client's certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertField {
    Verify,
    Subject,
    SubjectCn,
    Issuer,
    IssuerCn,
    Serial,
    NotBefore,
    NotAfter,
    Sha1,
    Sha256,
    Names,
    Der,
    Rfc9440,
}

/// An answer made here, as a configuration has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ErrorPage {
    pub status: u16,
    pub content_type: String,
    pub body: String,
}

/// Statuses of the answers that are made here.
pub const ERROR_STATUSES: [u16; 11] = [400, 408, 413, 414, 417, 421, 431, 501, 502, 503, 504];
