//! TLS as every case has it, so that all servers do the same work: 1.3, X25519, the certificate of the stand.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, version};

/// A connection with TLS on top.
pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A client that believes the certificates in this file, and resumes sessions or never does.
pub(crate) fn config(certificates: &str, resumes: bool) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for one in CertificateDer::pem_file_iter(certificates).map_err(io::Error::other)? {
        roots.add(one.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = if resumes { Resumption::in_memory_sessions(4) } else { Resumption::disabled() };
    Ok(Arc::new(config))
}

/// The handshake comes with the first bytes that are written or read.
pub(crate) fn connect(to: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Stream> {
    let stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    let name = ServerName::IpAddress(to.ip().into());
    let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}
