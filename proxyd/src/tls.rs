//! TLS as configured: what the connections of a bind, and those to a server, are made with.

pub mod live;
mod resolver;
pub mod shown;
mod tickets;
mod trusting;

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, Error, KeyLog, KeyLogFile, NoKeyLog, ServerConfig, SupportedProtocolVersion};

use crate::config::ServerHttp;
use crate::config::tls::{BindTls, PROVIDER, Protocol, ServerTls, Version};
use resolver::Resolver;
use tickets::{Rotating, Ticketer};

/// Sessions of a server that are kept to be resumed.
const SESSIONS: usize = 32;

/// What all binds and servers have in common.
#[derive(Debug)]
pub struct Common {
    /// Made when a bind first gives tickets: secrets take a tenth of a second to begin with.
    tickets: OnceLock<Arc<Rotating>>,
    key_log: Arc<dyn KeyLog>,
}

impl Common {
    /// Keys of tickets outlive the configuration before.
    pub fn new(previous: Option<&Self>, key_log: bool) -> Self {
        let key_log: Arc<dyn KeyLog> = if key_log { Arc::new(KeyLogFile::new()) } else { Arc::new(NoKeyLog) };
        Self { tickets: previous.map(|common| common.tickets.clone()).unwrap_or_default(), key_log }
    }

    fn tickets(&self) -> &Arc<Rotating> {
        self.tickets.get_or_init(Arc::default)
    }
}

/// Of a bind.
#[derive(Debug)]
pub struct Terminator {
    common: Arc<Common>,
    made: ArcSwap<Made<BindTls, ServerConfig>>,
}

/// Of a server.
#[derive(Debug)]
pub struct Originator {
    common: Arc<Common>,
    made: ArcSwap<Made<ServerTls, ClientConfig>>,
    /// What is offered by ALPN.
    alpn: Vec<Vec<u8>>,
    /// Whom the server's certificate has to name.
    pub name: ServerName<'static>,
}

/// What connections are made with, and what it was made of.
#[derive(Debug)]
struct Made<T, C> {
    of: T,
    config: Arc<C>,
}

impl Terminator {
    pub fn new(tls: &BindTls, common: &Arc<Common>) -> Result<Self, Error> {
        let made = Made::bind(tls.clone(), common)?;
        Ok(Self { common: Arc::clone(common), made: ArcSwap::from_pointee(made) })
    }

    /// What the next connection is made with.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.made.load().config)
    }

    /// What holds now.
    pub fn settings(&self) -> BindTls {
        self.made.load().of.clone()
    }
}

impl Originator {
    pub fn new(tls: &ServerTls, http: ServerHttp, common: &Arc<Common>) -> Result<Self, Error> {
        Self::offering(tls, protocols(http), common)
    }

    /// With protocols of its own for ALPN.
    pub fn offering(tls: &ServerTls, alpn: Vec<Vec<u8>>, common: &Arc<Common>) -> Result<Self, Error> {
        let made = Made::server(tls.clone(), &alpn, common)?;
        let (common, made) = (Arc::clone(common), ArcSwap::from_pointee(made));
        Ok(Self { common, made, alpn, name: tls.name.clone() })
    }

    /// What the next connection is made with that is to be of HTTP/1.1.
    pub fn config_of_http1(&self) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.made.load().config);
        config.alpn_protocols = protocols(ServerHttp::Http1);
        Arc::new(config)
    }

    /// What the next connection is made with.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.made.load().config)
    }

    /// What holds now.
    pub fn settings(&self) -> ServerTls {
        self.made.load().of.clone()
    }
}

impl Made<BindTls, ServerConfig> {
    fn bind(of: BindTls, common: &Common) -> Result<Self, Error> {
        let config = server_config(&of, common)?;
        Ok(Self { of, config })
    }
}

impl Made<ServerTls, ClientConfig> {
    fn server(of: ServerTls, alpn: &[Vec<u8>], common: &Common) -> Result<Self, Error> {
        let config = client_config(&of, alpn, common)?;
        Ok(Self { of, config })
    }
}

fn server_config(tls: &BindTls, common: &Common) -> Result<Arc<ServerConfig>, Error> {
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
    match Ticketer::new(tls, common.tickets()) {
        Some(ticketer) => config.ticketer = Arc::new(ticketer),
        None => config.send_tls13_tickets = 0,
    }
    config.key_log = Arc::clone(&common.key_log);
    Ok(Arc::new(config))
}

/// What a server is offered by ALPN.
fn protocols(http: ServerHttp) -> Vec<Vec<u8>> {
    let names: &[&str] = match http {
        ServerHttp::Http1 => &[],
        ServerHttp::H2 => &["h2"],
        ServerHttp::Auto => &["h2", "http/1.1"],
    };
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}

fn client_config(tls: &ServerTls, alpn: &[Vec<u8>], common: &Common) -> Result<Arc<ClientConfig>, Error> {
    let builder = ClientConfig::builder_with_provider(provider(&tls.protocol))
        .with_protocol_versions(&versions(&tls.protocol))?;
    let verifier: Arc<dyn ServerCertVerifier> = match &tls.verify {
        Some(trust) => Arc::clone(&trust.authorities.verifier),
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
    config.alpn_protocols = alpn.to_vec();
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    config.key_log = Arc::clone(&common.key_log);
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

#[cfg(test)]
mod tests;
