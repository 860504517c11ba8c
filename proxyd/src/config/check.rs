//! How the health of a server is asked for.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::socket::SendProxy;
use super::tls::ServerTls;

/// A check of one server.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    pub kind: CheckKind,
    pub timing: Timing,
    pub target: Target,
}

/// When a server is asked, and how often before it is believed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// From one check to the next of a server that is up.
    pub interval: Duration,
    /// The same of one that is on its way up or down.
    pub fast_interval: Duration,
    /// The same of one that is down.
    pub down_interval: Duration,
    /// For all of a check.
    pub timeout: Duration,
    /// By how many percent an interval may be shorter or longer, at random.
    pub spread: u32,
    /// Passed checks until a server is up again.
    pub rise: u32,
    /// Failed checks until a server is down.
    pub fall: u32,
}

/// Where a check goes and how it is connected; by default all as the server's traffic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    pub address: Option<IpAddr>,
    pub port: Option<u16>,
    pub encrypt: Encrypt,
    /// What TLS is spoken with where it is not the server's.
    pub tls: Option<Arc<ServerTls>>,
    /// What is offered in the handshake.
    pub alpn: Option<Vec<String>>,
    pub greet: Greet,
}

impl Target {
    pub const fn place(&self) -> CheckPlace {
        CheckPlace { address: self.address, port: self.port }
    }

    /// It goes to another place than traffic, of which nothing is known.
    pub const fn is_elsewhere(&self) -> bool {
        self.address.is_some() || self.port.is_some()
    }
}

/// What of a server's address is another one for its checks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CheckPlace {
    pub address: Option<IpAddr>,
    pub port: Option<u16>,
}

/// Whether connections of checks begin with a handshake.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Encrypt {
    /// As those of traffic; not where a check goes to another place.
    #[default]
    AsServer,
    Never,
    Always,
}

/// Whether connections of checks begin with a PROXY header.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Greet {
    /// As those of traffic; not where a check goes to another place.
    #[default]
    AsServer,
    Never,
    Send(SendProxy),
}

/// What a check does.
#[derive(Clone, Debug, PartialEq)]
pub enum CheckKind {
    /// The connection is accepted.
    Tcp,
    Http(Box<HttpCheck>),
    /// `grpc.health.v1.Health/Check`.
    Grpc {
        service: String,
        authority: Option<String>,
    },
    Script(Vec<Step>),
    Postgres {
        user: String,
        database: Option<String>,
    },
    Mysql {
        user: Option<String>,
    },
    Redis,
    Smtp {
        helo: String,
    },
    External {
        command: PathBuf,
        /// `None` are those that HAProxy gives.
        arguments: Option<Vec<String>>,
    },
}

impl CheckKind {
    /// The word it is written with.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http(_) => "http",
            Self::Grpc { .. } => "grpc",
            Self::Script(_) => "script",
            Self::Postgres { .. } => "postgres",
            Self::Mysql { .. } => "mysql",
            Self::Redis => "redis",
            Self::Smtp { .. } => "smtp",
            Self::External { .. } => "external",
        }
    }
}

/// A request and what its answer has to be.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpCheck {
    pub method: String,
    pub path: String,
    /// `None` is the address of the server.
    pub host: Option<String>,
    /// `None` is what the server is spoken to with.
    pub version: Option<HttpVersion>,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// All of these hold.
    pub expect: Vec<Expect>,
    /// A server that is up and answers 404 gets nothing new.
    pub disable_on_404: bool,
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HttpVersion {
    Http10,
    Http11,
    Http2,
}

/// What is asked of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    Status(Vec<StatusRange>),
    /// Of the body.
    Body(Pattern),
    Header {
        name: String,
        /// `None`: it is there.
        value: Option<Pattern>,
    },
    Not(Box<Self>),
}

/// What bytes are compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// Stands anywhere in them; is all of a header's value.
    Text(String),
    Binary(Vec<u8>),
    Regex(Regex),
}

/// An expression that is matched in linear time.
#[derive(Clone, Debug)]
pub struct Regex(pub regex::bytes::Regex);

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// Statuses from `first` to `last`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StatusRange {
    pub first: u16,
    pub last: u16,
}

/// A step of a script.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Connect(Connect),
    Send(Vec<u8>),
    Expect {
        pattern: Pattern,
        /// It must not come.
        unwanted: bool,
    },
}

/// How a script connects; what is `None` is as the check says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connect {
    pub address: Option<IpAddr>,
    pub port: Option<u16>,
    pub encrypt: Encrypt,
    pub greet: Greet,
}
