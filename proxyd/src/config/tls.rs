//! TLS as it is configured, and the certificates, keys and authorities that the files hold.
//!
//! What connections are made with is put together from this in `tls`.

pub mod authorities;
pub mod certificate;
pub mod facts;
mod folder;
pub mod reader;
mod self_signed;
pub mod ticket_keys;

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::{CipherSuite, NamedGroup};

use authorities::{ClientAuthorities, ServerAuthorities};
use certificate::Certificate;
use ticket_keys::TicketKeys;

/// What all cryptography is done with.
pub static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// What mode http offers by ALPN, in the order of preference.
pub const HTTP_ALPN: &[&str] = &["h2", "http/1.1"];

/// A version of TLS.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Version {
    Tls12,
    Tls13,
}

/// How connections are encrypted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Protocol {
    pub min: Version,
    pub max: Version,
    /// In the order of preference; empty is all.
    pub suites: Vec<CipherSuite>,
    /// In the order of preference; empty is all.
    pub groups: Vec<NamedGroup>,
}

impl Default for Protocol {
    fn default() -> Self {
        Self { min: Version::Tls12, max: Version::Tls13, suites: Vec::new(), groups: Vec::new() }
    }
}

/// TLS of a bind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BindTls {
    /// Files and folders as they are written.
    pub paths: Vec<PathBuf>,
    /// What they hold; the first is for clients that name no known host.
    pub certificates: Vec<Arc<Certificate>>,
    /// The protocols that are offered, in the order of preference.
    pub alpn: Vec<String>,
    pub protocol: Protocol,
    /// Clients that name no known host are refused.
    pub strict_sni: bool,
    pub client_certs: Option<ClientCerts>,
    pub tickets: Tickets,
}

/// What seals the tickets that clients resume sessions with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Tickets {
    /// There are none.
    Off,
    /// Keys made here.
    Own,
    /// Keys of a file.
    Keys { path: PathBuf, keys: Arc<TicketKeys> },
}

/// What a bind asks of clients.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCerts {
    /// Without a certificate no handshake ends well.
    pub required: bool,
    pub ca: PathBuf,
    pub crl: Option<PathBuf>,
    pub authorities: Arc<ClientAuthorities>,
}

/// TLS to a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerTls {
    /// Who has to have signed its certificate; `None` is anybody.
    pub verify: Option<Trust>,
    /// The name it is asked for and has to have; `None` is that of its address.
    pub sni: Option<String>,
    /// Whom its certificate has to name.
    pub name: ServerName<'static>,
    /// What proxyd shows it.
    pub client_cert: Option<Arc<Certificate>>,
    pub protocol: Protocol,
}

/// Whose word counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trust {
    pub ca: Ca,
    pub authorities: Arc<ServerAuthorities>,
}

/// Where authorities stand.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Ca {
    /// Those of this machine.
    System,
    File(PathBuf),
}
