//! Whose signatures count: those who sign clients' certificates, and those who sign servers'.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::super::source::Source;
use super::certificate::{self, Problem, bad_pem, certificates, fingerprint};
use super::facts::day;
use super::self_signed::{ClientVerifier, ServerVerifier};
use super::{Ca, PROVIDER};
use crate::clock;

/// Who signs clients' certificates, and what was revoked.
#[derive(Debug)]
pub struct ClientAuthorities {
    pub verifier: Arc<dyn ClientCertVerifier>,
    pub certificates: Vec<CertificateDer<'static>>,
    pub revoked: Vec<CertificateRevocationListDer<'static>>,
}

impl PartialEq for ClientAuthorities {
    fn eq(&self, other: &Self) -> bool {
        self.certificates == other.certificates && self.revoked == other.revoked
    }
}

impl Eq for ClientAuthorities {}

impl ClientAuthorities {
    /// Reads both files.
    pub fn read(
        source: &dyn Source,
        ca: &Path,
        crl: Option<&Path>,
        required: bool,
    ) -> Result<Self, Vec<Problem>> {
        let authorities = authorities(source, ca);
        let revoked = crl.map_or(Ok(Vec::new()), |crl| revocations(source, crl));
        let (authorities, revoked) = match (authorities, revoked) {
            (Ok(authorities), Ok(revoked)) => (authorities, revoked),
            (authorities, revoked) => {
                return Err([authorities.err(), revoked.err()].into_iter().flatten().collect());
            }
        };
        let problem = |path: &Path, reason: String| vec![Problem { path: path.to_owned(), reason }];
        let roots = store(&authorities).map_err(|reason| problem(ca, reason))?;
        let mut builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&PROVIDER))
            .with_crls(revoked.iter().cloned())
            .enforce_revocation_expiration();
        if !required {
            builder = builder.allow_unauthenticated();
        }
        let webpki = builder.build().map_err(|error| match error {
            VerifierBuilderError::InvalidCrl(error) => {
                problem(crl.unwrap_or(ca), format!("it cannot be used: {error:?}"))
            }
            error => problem(ca, format!("it cannot be used: {error}")),
        })?;
        let has_lists = !revoked.is_empty();
        let verifier = ClientVerifier { webpki, authorities: authorities.clone(), has_lists };
        Ok(Self { verifier: Arc::new(verifier), certificates: authorities, revoked })
    }
}

/// Who signs servers' certificates.
#[derive(Debug)]
pub struct ServerAuthorities {
    pub verifier: Arc<dyn ServerCertVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

impl PartialEq for ServerAuthorities {
    fn eq(&self, other: &Self) -> bool {
        self.certificates == other.certificates
    }
}

impl Eq for ServerAuthorities {}

impl ServerAuthorities {
    /// Reads them from a file or from this machine's store.
    pub fn read(source: &dyn Source, ca: &Ca) -> Result<Self, Problem> {
        let (path, certificates) = match ca {
            Ca::File(path) => (path.as_path(), authorities(source, path)?),
            Ca::System => (Path::new("system"), system()?),
        };
        let problem = |reason: String| Problem { path: path.to_owned(), reason };
        let roots = store(&certificates).map_err(problem)?;
        let webpki = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&PROVIDER))
            .build()
            .map_err(|error| problem(format!("it cannot be used: {error}")))?;
        let verifier = ServerVerifier { webpki, authorities: certificates.clone() };
        Ok(Self { verifier: Arc::new(verifier), certificates })
    }
}

impl ServerAuthorities {
    /// Tells them from others.
    pub fn fingerprint(&self) -> String {
        fingerprint(self.certificates.iter().map(AsRef::as_ref))
    }
}

impl ClientAuthorities {
    /// Tells the authorities, and what was revoked, from others.
    pub fn fingerprints(&self) -> (String, String) {
        let certificates = fingerprint(self.certificates.iter().map(AsRef::as_ref));
        (certificates, fingerprint(self.revoked.iter().map(AsRef::as_ref)))
    }
}

/// This machine's own authorities, as OpenSSL finds them.
fn system() -> Result<Vec<CertificateDer<'static>>, Problem> {
    let found = rustls_native_certs::load_native_certs();
    // A store holds odd certificates beside good ones; none that is good is an error.
    let certs: Vec<_> =
        found.certs.into_iter().filter(|cert| store(std::slice::from_ref(cert)).is_ok()).collect();
    if !certs.is_empty() {
        return Ok(certs);
    }
    let reason = match found.errors.first() {
        Some(error) => format!("this machine's store of authorities cannot be read: {error}"),
        None => "this machine has no store of authorities (package ca-certificates)".to_owned(),
    };
    Err(Problem { path: "system".into(), reason })
}

fn authorities(source: &dyn Source, path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let bytes = certificate::bytes(source, path)?;
    certificates(&bytes).map_err(|reason| Problem { path: path.to_owned(), reason })
}

fn store(certificates: &[CertificateDer<'static>]) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots
            .add(certificate.clone())
            .map_err(|error| format!("one of its certificates cannot be an authority: {error}"))?;
    }
    Ok(Arc::new(roots))
}

/// Lists that still hold.
fn revocations(
    source: &dyn Source,
    path: &Path,
) -> Result<Vec<CertificateRevocationListDer<'static>>, Problem> {
    let problem = |reason: String| Problem { path: path.to_owned(), reason };
    let bytes = certificate::bytes(source, path)?;
    let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| problem(bad_pem(&error)))?;
    if lists.is_empty() {
        return Err(problem("it has no revocation list in PEM".to_owned()));
    }
    let now = (clock::wall_ms() / 1000) as i64;
    for list in &lists {
        let (_, list) = CertificateRevocationList::from_der(list)
            .map_err(|error| problem(format!("it cannot be read: {error}")))?;
        if let Some(next) = list.next_update().filter(|next| next.timestamp() < now) {
            return Err(problem(format!("its revocation list expired on {}", day(next.timestamp()))));
        }
    }
    Ok(lists)
}
