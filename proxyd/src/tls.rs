//! TLS as configured: what the connections of a bind, and those to a server, are made with.

mod resolver;
pub mod tickets;
mod trusting;

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, Error, ServerConfig, SupportedProtocolVersion};

use crate::config::tls::{BindTls, PROVIDER, Protocol, ServerTls, Version};
use resolver::Resolver;
use tickets::{Rotating, Ticketer};

/// Sessions of a server that are kept to be resumed.
const SESSIONS: usize = 32;

/// Of a bind.
#[derive(Debug)]
pub struct Terminator {
    config: ArcSwap<ServerConfig>,
}

impl Terminator {
    pub fn new(tls: &BindTls, tickets: &Arc<Rotating>) -> Result<Self, Error> {
        Ok(Self { config: ArcSwap::from(server_config(tls, tickets)?) })
    }

    /// What the next connection is made with.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }
}

/// Of a server.
#[derive(Debug)]
pub struct Originator {
    config: ArcSwap<ClientConfig>,
    /// Whom the server's certificate has to name.
    pub name: ServerName<'static>,
}

impl Originator {
    pub fn new(tls: &ServerTls) -> Result<Self, Error> {
        Ok(Self { config: ArcSwap::from(client_config(tls)?), name: tls.name.clone() })
    }

    /// What the next connection is made with.
    pub fn config(&self) -> Arc<ClientConfig> {
        self.config.load_full()
    }
}

fn server_config(tls: &BindTls, tickets: &Arc<Rotating>) -> Result<Arc<ServerConfig>, Error> {
    let builder = ServerConfig::builder_with_provider(provider(&tls.protocol))
        .with_protocol_versions(&versions(&tls.protocol))?;
    let builder = match &tls.client_certs {
        Some(client) => builder.with_client_cert_verifier(Arc::clone(&client.authorities.verifier)),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(Resolver::new(&tls.certificates, tls.strict_sni)));
    config.alpn_protocols = tls.alpn.iter().map(|protocol| protocol.clone().into_bytes()).collect();
    // Who writes an order means it.
    config.ignore_client_order = !tls.protocol.suites.is_empty();
    // Tickets need no memory and no lock.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    let ticketer: Arc<dyn ProducesTickets> = Arc::new(Ticketer::new(tls, tickets));
    config.ticketer = ticketer;
    Ok(Arc::new(config))
}

fn client_config(tls: &ServerTls) -> Result<Arc<ClientConfig>, Error> {
    let builder = ClientConfig::builder_with_provider(provider(&tls.protocol))
        .with_protocol_versions(&versions(&tls.protocol))?;
    let verifier: Arc<dyn ServerCertVerifier> = match &tls.verify {
        Some(trust) => Arc::clone(&trust.authorities.verifier) as _,
        None => Arc::new(trusting::Trusting),
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match &tls.client_cert {
        Some(certificate) => {
            let key = SingleCertAndKey::from((*certificate.key).clone());
            builder.with_client_cert_resolver(Arc::new(key))
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(Arc::new(config))
}

fn provider(protocol: &Protocol) -> Arc<CryptoProvider> {
    if protocol.suites.is_empty() && protocol.groups.is_empty() {
        return Arc::clone(&PROVIDER);
    }
    let mut provider = CryptoProvider::clone(&PROVIDER);
    if !protocol.suites.is_empty() {
        let find = |suite| aws_lc_rs::ALL_CIPHER_SUITES.iter().find(|known| known.suite() == suite).copied();
        provider.cipher_suites = protocol.suites.iter().filter_map(|suite| find(*suite)).collect();
    }
    if !protocol.groups.is_empty() {
        let find = |group| aws_lc_rs::ALL_KX_GROUPS.iter().find(|known| known.name() == group).copied();
        provider.kx_groups = protocol.groups.iter().filter_map(|group| find(*group)).collect();
    }
    Arc::new(provider)
}

fn versions(protocol: &Protocol) -> Vec<&'static SupportedProtocolVersion> {
    match (protocol.min, protocol.max) {
        (Version::Tls13, _) => vec![&TLS13],
        (Version::Tls12, Version::Tls12) => vec![&TLS12],
        (Version::Tls12, Version::Tls13) => vec![&TLS13, &TLS12],
    }
}
