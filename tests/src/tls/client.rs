//! TLS clients.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue, WebPkiServerVerifier,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, DigitallySignedStruct, Error, NamedGroup, RootCertStore,
    SignatureScheme,
};

use super::session::Session;
use super::{Authority, Identity, Versions, provider};
use crate::client::Client;
use crate::stream::{Address, Stream};

const LIMIT: Duration = Duration::from_secs(20);

/// How connections are made; a clone shares the sessions that can be resumed.
#[derive(Clone, Debug)]
pub struct Dialer {
    config: ClientConfig,
}

/// What is changed of the first flight on its way: pieces, each of which is written alone.
pub type Flight = fn(&[u8]) -> Vec<Vec<u8>>;

impl Dialer {
    /// Trusts this authority; both versions, no ALPN, no resumption.
    pub fn trusting(authority: &Authority) -> Self {
        Self::build(Some(authority.roots()), Versions::Both, None, &|_| true)
    }

    /// Takes any certificate, also none that fits.
    pub fn blind() -> Self {
        Self::build(None, Versions::Both, None, &|_| true)
    }

    /// All that has to be known at once.
    pub fn with(authority: &Authority, versions: Versions, identity: Option<&Identity>) -> Self {
        Self::build(Some(authority.roots()), versions, identity, &|_| true)
    }

    /// With only some suites.
    pub fn with_suites(
        authority: &Authority,
        versions: Versions,
        wanted: &dyn Fn(CipherSuite) -> bool,
    ) -> Self {
        Self::build(Some(authority.roots()), versions, None, wanted)
    }

    fn build(
        roots: Option<RootCertStore>,
        versions: Versions,
        identity: Option<&Identity>,
        wanted: &dyn Fn(CipherSuite) -> bool,
    ) -> Self {
        let mut provider = CryptoProvider::clone(&provider());
        provider.cipher_suites.retain(|suite| wanted(suite.suite()));
        let provider = Arc::new(provider);
        let verifier: Arc<dyn ServerCertVerifier> = match roots {
            None => Arc::new(Blind(Arc::clone(&provider))),
            Some(roots) => {
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                    .build()
                    .expect("a verifier")
            }
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions.list())
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                builder.with_client_auth_cert(identity.chain(), identity.key()).expect("a certificate")
            }
        };
        config.resumption = Resumption::disabled();
        Self { config }
    }

    /// Offers these protocols.
    #[must_use]
    pub fn alpn(mut self, names: &[&str]) -> Self {
        self.config.alpn_protocols = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    /// Resumes what it can.
    #[must_use]
    pub fn resuming(mut self) -> Self {
        self.config.resumption = Resumption::in_memory_sessions(16);
        self
    }

    /// Resumes with whatever it has, for whichever host it got that.
    #[must_use]
    pub fn resuming_anywhere(mut self) -> Self {
        self.config.resumption = Resumption::store(Arc::new(OneName(ClientSessionMemoryCache::new(16))));
        self
    }

    /// Names nobody in its hello.
    #[must_use]
    pub fn without_sni(mut self) -> Self {
        self.config.enable_sni = false;
        self
    }

    /// Records hold at most so much, their heads with them.
    #[must_use]
    pub fn fragments(mut self, most: usize) -> Self {
        self.config.max_fragment_size = Some(most);
        self
    }

    /// Sends data in front of the handshake's end, where the server lets it.
    #[must_use]
    pub fn early(mut self) -> Self {
        self.config.enable_early_data = true;
        self
    }

    /// The configuration, for what is not said here.
    pub fn config(&mut self) -> &mut ClientConfig {
        &mut self.config
    }

    /// Connects and shakes hands; over TLS 1.3 a refusal of the client may still come with the first read.
    pub fn connect(&self, to: SocketAddr, name: &str) -> io::Result<Session> {
        self.connect_with(to, name, |flight| vec![flight.to_vec()])
    }

    /// The same, with the hello in these pieces.
    pub fn connect_with(&self, to: SocketAddr, name: &str, pieces: Flight) -> io::Result<Session> {
        self.over(Stream::connect(&Address::Tcp(to), LIMIT)?, name, pieces)
    }

    /// The same over a connection that stands.
    pub fn over(&self, mut socket: Stream, name: &str, pieces: Flight) -> io::Result<Session> {
        let mut tls = self.prepare(name);
        let mut flight = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut flight)?;
        }
        for piece in pieces(&flight) {
            socket.write_all(&piece)?;
        }
        let mut session = Session::new(tls, socket);
        session.complete()?;
        Ok(session)
    }

    /// A connection that has sent nothing yet.
    pub fn prepare(&self, name: &str) -> ClientConnection {
        let name = ServerName::try_from(name.to_owned()).expect("a host name");
        ClientConnection::new(Arc::new(self.config.clone()), name).expect("a configuration")
    }

    /// Its first flight: a `ClientHello`, and what follows it at once.
    pub fn hello(&self, name: &str) -> Vec<u8> {
        let mut flight = Vec::new();
        self.prepare(name).write_tls(&mut flight).expect("a vector takes it");
        flight
    }

    /// A client of HTTP, or whatever else speaks, over a new connection.
    pub fn client(&self, to: SocketAddr, name: &str) -> io::Result<Client> {
        Ok(Client::over(Stream::Tls(Box::new(self.connect(to, name)?))))
    }
}

/// Sessions of all hosts as if they were one.
#[derive(Debug)]
struct OneName(ClientSessionMemoryCache);

fn nobody() -> ServerName<'static> {
    ServerName::try_from("nobody").expect("a host name")
}

impl ClientSessionStore for OneName {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(name, group);
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(name)
    }

    fn set_tls12_session(&self, _name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(nobody(), value);
    }

    fn tls12_session(&self, _name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(&nobody())
    }

    fn remove_tls12_session(&self, _name: &ServerName<'static>) {
        self.0.remove_tls12_session(&nobody());
    }

    fn insert_tls13_ticket(&self, _name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(nobody(), value);
    }

    fn take_tls13_ticket(&self, _name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&nobody())
    }
}

/// Believes everybody who can sign.
#[derive(Debug)]
struct Blind(Arc<CryptoProvider>);

impl ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
