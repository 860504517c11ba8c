//! TLS as configured: what the connections of a bind, and those to a server, are made with.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};

/// Of a bind.
#[derive(Debug)]
pub struct Terminator {
    pub config: Arc<ServerConfig>,
}

/// Of a server.
#[derive(Debug)]
pub struct Originator {
    pub config: Arc<ClientConfig>,
    /// Whom the server's certificate has to name.
    pub name: ServerName<'static>,
}
