//! What sockets are told: those that clients arrive on, and those that lead to servers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use proto::addr::Address;

use super::ServerHttp2;
use super::tls::{BindTls, ServerTls};

/// Whether long transfers stay within the kernel.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Splice {
    #[default]
    Auto,
    Off,
}

/// One place where clients arrive.
#[derive(Clone, Debug, PartialEq)]
pub struct Bind {
    pub address: Address,
    /// Each connection begins with a PROXY header.
    pub accept_proxy: bool,
    /// Most connections at once; `None` is as many as the frontend takes.
    pub maxconn: Option<u32>,
    pub options: BindOptions,
    pub tls: Option<Arc<BindTls>>,
}

impl Bind {
    /// An address and nothing else.
    pub fn plain(address: Address) -> Self {
        Self { address, accept_proxy: false, maxconn: None, options: BindOptions::default(), tls: None }
    }
}

/// Options of a listening socket.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BindOptions {
    /// Connections the kernel holds before they are accepted.
    pub backlog: Option<u32>,
    /// Connections wait in the kernel until the client has said something.
    pub defer_accept: bool,
    /// TCP fast open.
    pub fast_open: bool,
    /// Connections of this network interface only.
    pub interface: Option<String>,
    /// The address need not be one of this machine.
    pub transparent: bool,
    /// `[::]` is IPv6 alone.
    pub v6only: bool,
    /// Permission bits of a Unix socket.
    pub mode: Option<u32>,
    pub tcp: TcpOptions,
}

/// Options of a connection, on either side.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TcpOptions {
    pub keepalive: Option<Keepalive>,
    /// How long sent bytes may stay unacknowledged.
    pub user_timeout: Option<Duration>,
}

/// TCP keepalive; what is `None` is the kernel's default.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Keepalive {
    /// Silence before the first probe.
    pub idle: Option<Duration>,
    pub interval: Option<Duration>,
    /// Probes without an answer until the connection is given up.
    pub count: Option<u32>,
}

/// What HTTP is spoken with a server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ServerHttp {
    #[default]
    Http1,
    H2,
    /// What the server takes of the two, where it can be asked.
    Auto,
}

/// How a server is connected to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Uplink {
    pub http: ServerHttp,
    pub http2: ServerHttp2,
    pub send_proxy: Option<SendProxy>,
    pub source: Option<SourceAddress>,
    /// Through this network interface.
    pub interface: Option<String>,
    /// TCP fast open.
    pub fast_open: bool,
    pub tcp: TcpOptions,
    pub tls: Option<Arc<ServerTls>>,
}

impl Uplink {
    /// A connection belongs to one client, and no other may use it.
    pub fn is_private(&self) -> bool {
        self.send_proxy.is_some() || self.source == Some(SourceAddress::Client)
    }
}

/// Where connections to a server come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SourceAddress {
    /// From any port.
    Ip(IpAddr),
    /// From ports of a range, both ends included.
    Ports { ip: IpAddr, first: u16, last: u16 },
    /// From the client's own address.
    Client,
}

/// The PROXY header that a server gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SendProxy {
    V1,
    V2(SendTlvs),
}

/// TLVs of version 2: those of the client's own header passed on, and a checksum.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SendTlvs {
    pub alpn: bool,
    pub authority: bool,
    pub unique_id: bool,
    pub crc32c: bool,
}
