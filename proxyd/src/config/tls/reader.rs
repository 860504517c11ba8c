//! Reads what TLS needs from files, each file once; and reads anew what a configuration that runs was made of.

use std::collections::HashMap;
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::source::Source;
use super::authorities::{ClientAuthorities, ServerAuthorities};
use super::certificate::{Certificate, Problem};
use super::ticket_keys::TicketKeys;
use super::{BindTls, Ca, ClientCerts, ServerTls, Tickets, Trust, folder};

/// What was read already, by where it stands.
type Store<K, V> = HashMap<K, Result<V, Vec<Problem>>>;

/// A file of authorities, one of revocations, and whether clients need a certificate.
type OfClients = (PathBuf, Option<PathBuf>, bool);

#[derive(Debug)]
pub struct Reader<'a> {
    source: &'a dyn Source,
    folders: Store<PathBuf, Vec<Arc<Certificate>>>,
    certificates: Store<PathBuf, Arc<Certificate>>,
    clients: Store<OfClients, Arc<ClientAuthorities>>,
    servers: Store<Ca, Arc<ServerAuthorities>>,
    tickets: Store<PathBuf, Arc<TicketKeys>>,
}

impl<'a> Reader<'a> {
    pub fn new(source: &'a dyn Source) -> Self {
        Self {
            source,
            folders: Store::default(),
            certificates: Store::default(),
            clients: Store::default(),
            servers: Store::default(),
            tickets: Store::default(),
        }
    }

    /// Of a file, or of a folder.
    pub fn folder(&mut self, path: &Path) -> Result<Vec<Arc<Certificate>>, Vec<Problem>> {
        once(&mut self.folders, path.to_owned(), |path| folder::read(self.source, path))
    }

    pub fn certificate(&mut self, path: &Path) -> Result<Arc<Certificate>, Vec<Problem>> {
        let read = |path: &PathBuf| {
            Certificate::read(self.source, path).map(Arc::new).map_err(|problem| vec![problem])
        };
        once(&mut self.certificates, path.to_owned(), read)
    }

    pub fn client_authorities(
        &mut self,
        ca: &Path,
        crl: Option<&Path>,
        required: bool,
    ) -> Result<Arc<ClientAuthorities>, Vec<Problem>> {
        let key = (ca.to_owned(), crl.map(Path::to_owned), required);
        once(&mut self.clients, key, |_| {
            ClientAuthorities::read(self.source, ca, crl, required).map(Arc::new)
        })
    }

    pub fn server_authorities(&mut self, ca: &Ca) -> Result<Arc<ServerAuthorities>, Vec<Problem>> {
        once(&mut self.servers, ca.clone(), |ca| {
            ServerAuthorities::read(self.source, ca).map(Arc::new).map_err(|problem| vec![problem])
        })
    }

    pub fn ticket_keys(&mut self, path: &Path) -> Result<Arc<TicketKeys>, Vec<Problem>> {
        let read = |path: &PathBuf| {
            TicketKeys::read(self.source, path).map(Arc::new).map_err(|problem| vec![problem])
        };
        once(&mut self.tickets, path.to_owned(), read)
    }
}

fn once<K: Clone + Eq + Hash, V: Clone>(
    store: &mut Store<K, V>,
    key: K,
    read: impl FnOnce(&K) -> Result<V, Vec<Problem>>,
) -> Result<V, Vec<Problem>> {
    store.entry(key).or_insert_with_key(read).clone()
}

/// Adds what is wrong to `problems`.
fn taken<T>(read: Result<T, Vec<Problem>>, problems: &mut Vec<Problem>) -> Option<T> {
    read.map_err(|told| problems.extend(told)).ok()
}

impl BindTls {
    /// The same settings, and what their files hold now.
    pub fn read_again(&self, reader: &mut Reader<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut certificates: Vec<Arc<Certificate>> = Vec::new();
        for path in &self.paths {
            for certificate in taken(reader.folder(path), &mut problems).unwrap_or_default() {
                if !certificates.iter().any(|known| known.path == certificate.path) {
                    certificates.push(certificate);
                }
            }
        }
        let client_certs = self.client_certs.as_ref().and_then(|client| {
            let read = reader.client_authorities(&client.ca, client.crl.as_deref(), client.required);
            Some(ClientCerts { authorities: taken(read, &mut problems)?, ..client.clone() })
        });
        let tickets = match &self.tickets {
            Tickets::Keys { path, .. } => taken(reader.ticket_keys(path), &mut problems)
                .map_or(Tickets::Off, |keys| Tickets::Keys { path: path.clone(), keys }),
            tickets => tickets.clone(),
        };
        if problems.is_empty() {
            Ok(Self { certificates, client_certs, tickets, ..self.clone() })
        } else {
            Err(problems)
        }
    }
}

impl ServerTls {
    /// The same settings, and what their files hold now.
    pub fn read_again(&self, reader: &mut Reader<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let verify = self.verify.as_ref().and_then(|trust| {
            let authorities = taken(reader.server_authorities(&trust.ca), &mut problems)?;
            Some(Trust { ca: trust.ca.clone(), authorities })
        });
        let client_cert = self.client_cert.as_ref();
        let client_cert = client_cert.and_then(|shown| taken(reader.certificate(&shown.path), &mut problems));
        if problems.is_empty() { Ok(Self { verify, client_cert, ..self.clone() }) } else { Err(problems) }
    }
}
