//! Certificates of a running process: what is in use, and how it is replaced. All of it is or nothing; connections that
//! stand go on with what they began with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::Error;

use super::{Made, Originator, Terminator};
use crate::config::source::Source;
use crate::config::tls::certificate::{Certificate, Problem};
use crate::config::tls::reader::Reader;
use crate::config::tls::{BindTls, Ca, Tickets};

/// All that TLS is spoken with.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    pub terminators: Vec<Arc<Terminator>>,
    pub originators: Vec<Arc<Originator>>,
}

/// What was replaced, by the names of files.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    pub changed: Vec<PathBuf>,
    pub added: Vec<PathBuf>,
    pub removed: Vec<PathBuf>,
    /// Files that hold what they held.
    pub same: usize,
}

/// A certificate that waits to be put in its place.
#[derive(Debug, Default)]
pub struct Transaction {
    waiting: Mutex<Option<Arc<Certificate>>>,
}

/// A file's part in what is in use.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Certificate(Arc<Certificate>),
    /// Anything else, by what tells it from another of its kind.
    Other(String),
}

/// What every file holds.
type Parts = BTreeMap<PathBuf, Part>;

impl Ends {
    /// The certificates in use, by file.
    pub fn certificates(&self) -> BTreeMap<PathBuf, Arc<Certificate>> {
        let of_binds = self.terminators.iter().flat_map(|terminator| terminator.settings().certificates);
        let of_servers = self.originators.iter().filter_map(|originator| originator.settings().client_cert);
        of_binds.chain(of_servers).map(|certificate| (certificate.path.clone(), certificate)).collect()
    }

    /// Reads all files again and takes what they hold, if nothing is wrong with any of them.
    pub fn reload(&self, source: &dyn Source) -> Result<Changes, Vec<Problem>> {
        let mut reader = Reader::new(source);
        let mut problems = Vec::new();
        let (mut binds, mut servers) = (Vec::new(), Vec::new());
        let (mut before, mut after) = (Parts::new(), Parts::new());
        for terminator in &self.terminators {
            let old = terminator.settings();
            match old.read_again(&mut reader) {
                Ok(new) => {
                    parts_of(&old, &mut before);
                    parts_of(&new, &mut after);
                    if new != old {
                        match Made::bind(new, &terminator.common) {
                            Ok(made) => binds.push((terminator, made)),
                            Err(error) => problems.push(impossible(&old.paths, &error)),
                        }
                    }
                }
                Err(told) => problems.extend(told),
            }
        }
        for originator in &self.originators {
            let old = originator.settings();
            match old.read_again(&mut reader) {
                Ok(new) => {
                    for (tls, parts) in [(&old, &mut before), (&new, &mut after)] {
                        parts.extend(tls.client_cert.iter().map(certificate_part));
                        if let Some(trust) = &tls.verify
                            && let Ca::File(path) = &trust.ca
                        {
                            parts.insert(path.clone(), Part::Other(trust.authorities.fingerprint()));
                        }
                    }
                    if new != old {
                        match Made::server(new, &originator.alpn, &originator.common) {
                            Ok(made) => servers.push((originator, made)),
                            Err(error) => problems.push(impossible(&[], &error)),
                        }
                    }
                }
                Err(told) => problems.extend(told),
            }
        }
        if !problems.is_empty() {
            problems.sort_by(|a, b| a.path.cmp(&b.path));
            problems.dedup();
            return Err(problems);
        }
        for (terminator, made) in binds {
            terminator.made.store(Arc::new(made));
        }
        for (originator, made) in servers {
            originator.made.store(Arc::new(made));
        }
        Ok(Changes::between(&before, &after))
    }

    /// Puts a certificate in the place of the one that its file held.
    fn replace(&self, new: &Arc<Certificate>) -> Result<(), Error> {
        let (mut binds, mut servers) = (Vec::new(), Vec::new());
        for terminator in &self.terminators {
            let mut tls = terminator.settings();
            let mut found = false;
            for certificate in tls.certificates.iter_mut().filter(|known| known.path == new.path) {
                *certificate = Arc::clone(new);
                found = true;
            }
            if found {
                binds.push((terminator, Made::bind(tls, &terminator.common)?));
            }
        }
        for originator in &self.originators {
            let mut tls = originator.settings();
            if tls.client_cert.as_ref().is_some_and(|known| known.path == new.path) {
                tls.client_cert = Some(Arc::clone(new));
                servers.push((originator, Made::server(tls, &originator.alpn, &originator.common)?));
            }
        }
        for (terminator, made) in binds {
            terminator.made.store(Arc::new(made));
        }
        for (originator, made) in servers {
            originator.made.store(Arc::new(made));
        }
        Ok(())
    }
}

fn impossible(paths: &[PathBuf], error: &Error) -> Problem {
    Problem {
        path: paths.first().cloned().unwrap_or_default(),
        reason: format!("TLS is not possible with it: {error}"),
    }
}

fn certificate_part(certificate: &Arc<Certificate>) -> (PathBuf, Part) {
    (certificate.path.clone(), Part::Certificate(Arc::clone(certificate)))
}

fn parts_of(tls: &BindTls, parts: &mut Parts) {
    parts.extend(tls.certificates.iter().map(certificate_part));
    if let Some(client) = &tls.client_certs {
        let (ca, crl) = client.authorities.fingerprints();
        parts.insert(client.ca.clone(), Part::Other(ca));
        if let Some(path) = &client.crl {
            parts.insert(path.clone(), Part::Other(crl));
        }
    }
    if let Tickets::Keys { path, keys } = &tls.tickets {
        parts.insert(path.clone(), Part::Other(keys.fingerprint()));
    }
}

impl Changes {
    fn between(before: &Parts, after: &Parts) -> Self {
        let mut changes = Self::default();
        for (path, part) in after {
            match before.get(path) {
                None => changes.added.push(path.clone()),
                Some(old) if old == part => changes.same += 1,
                Some(_) => changes.changed.push(path.clone()),
            }
        }
        changes.removed = before.keys().filter(|path| !after.contains_key(*path)).cloned().collect();
        changes
    }

    /// Whether there is nothing new.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.added.is_empty() && self.removed.is_empty()
    }
}

/// Why a certificate cannot be replaced.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("no file of this name is in use")]
    Unknown,
    #[error("no transaction")]
    None,
    /// Another one waits.
    #[error("a transaction for {}", .0.display())]
    Other(PathBuf),
    #[error("{0}")]
    Bad(Problem),
    #[error(transparent)]
    Impossible(#[from] Error),
}

impl Transaction {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<Certificate>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The certificate that waits.
    pub fn waiting(&self) -> Option<Arc<Certificate>> {
        self.lock().clone()
    }

    /// Lets a certificate wait; true if it takes the place of another one. A key that is not given is the old one's.
    pub fn set(&self, ends: &Ends, path: &Path, pem: &[u8]) -> Result<bool, Refused> {
        let mut waiting = self.lock();
        if let Some(other) = waiting.as_ref().filter(|other| other.path != path) {
            return Err(Refused::Other(other.path.clone()));
        }
        let certificates = ends.certificates();
        let old = waiting.as_ref().or_else(|| certificates.get(path)).ok_or(Refused::Unknown)?;
        let new = old.succeeded_by(pem).map_err(Refused::Bad)?;
        Ok(waiting.replace(Arc::new(new)).is_some())
    }

    /// Puts what waits in its place.
    pub fn commit(&self, ends: &Ends, path: &Path) -> Result<(), Refused> {
        let mut waiting = self.lock();
        match waiting.as_ref() {
            None => Err(Refused::None),
            Some(new) if new.path != path => Err(Refused::Other(new.path.clone())),
            Some(new) => {
                ends.replace(new)?;
                *waiting = None;
                Ok(())
            }
        }
    }

    /// Forgets what waits.
    pub fn abort(&self, path: &Path) -> Result<(), Refused> {
        let mut waiting = self.lock();
        match waiting.as_ref() {
            None => Err(Refused::None),
            Some(new) if new.path != path => Err(Refused::Other(new.path.clone())),
            Some(_) => {
                *waiting = None;
                Ok(())
            }
        }
    }
}
