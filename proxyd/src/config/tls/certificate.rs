//! One certificate with its chain, its key and its staple, read from PEM files and looked over.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error, InconsistentKeys};

use super::super::source::Source;
use super::PROVIDER;
use super::facts::{Facts, day, hexadecimal};
use crate::clock;

/// No chain of certificates comes near this.
pub(super) const LONGEST: usize = 1 << 20;

/// A file that cannot be used, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    pub path: PathBuf,
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

/// A certificate that can be shown to a peer.
#[derive(Debug)]
pub struct Certificate {
    /// The file it was read from.
    pub path: PathBuf,
    /// The chain, the key, and the staple.
    pub key: Arc<CertifiedKey>,
    pub facts: Facts,
}

impl PartialEq for Certificate {
    /// The key fits the certificate, so it need not be looked at.
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.key.cert == other.key.cert && self.key.ocsp == other.key.ocsp
    }
}

impl Eq for Certificate {}

impl Certificate {
    /// Reads a certificate with its chain, the key from the same file or one beside it, and the staple beside it.
    pub fn read(source: &dyn Source, path: &Path) -> Result<Self, Problem> {
        let problem = |reason: String| Problem { path: path.to_owned(), reason };
        let bytes = bytes(source, path)?;
        certificates(&bytes).map_err(problem)?;
        let (key_path, key) = if has_key(&bytes) {
            (path.to_owned(), bytes.clone())
        } else {
            beside(source, path, "key")?.ok_or_else(|| problem(without_key(path)))?
        };
        let staple = beside(source, path, "ocsp")?;
        Self::assemble(path, &bytes, (&key_path, &key), staple)
    }

    /// Puts a certificate together from what was read; refuses what no client would take.
    fn assemble(
        path: &Path,
        chain: &[u8],
        (key_path, key): (&Path, &[u8]),
        staple: Option<(PathBuf, Vec<u8>)>,
    ) -> Result<Self, Problem> {
        let problem = |path: &Path, reason: String| Problem { path: path.to_owned(), reason };
        let (chain, facts) = usable(chain).map_err(|reason| problem(path, reason))?;
        let signing = signing_key(key).map_err(|reason| problem(key_path, reason))?;
        let mismatch = || {
            if key_path == path {
                "its key belongs to another certificate".to_owned()
            } else {
                format!("the key in {} belongs to another certificate", key_path.display())
            }
        };
        let mut certified =
            fitting(CertifiedKey::new(chain, signing), mismatch).map_err(|reason| problem(path, reason))?;
        if let Some((name, staple)) = staple {
            if !is_good_news(&staple) {
                return Err(problem(&name, "it is no answer of OCSP in DER that tells something".to_owned()));
            }
            certified.ocsp = Some(staple);
        }
        Ok(Self { path: path.to_owned(), key: Arc::new(certified), facts })
    }

    /// What takes this one's place: a chain in PEM and its key, which is this one's where none is given.
    pub fn succeeded_by(&self, pem: &[u8]) -> Result<Self, Problem> {
        let problem = |reason: String| Problem { path: self.path.clone(), reason };
        let (chain, facts) = usable(pem).map_err(problem)?;
        let signing =
            if has_key(pem) { signing_key(pem).map_err(problem)? } else { Arc::clone(&self.key.key) };
        let mismatch = || "the key belongs to another certificate".to_owned();
        let certified = fitting(CertifiedKey::new(chain, signing), mismatch).map_err(problem)?;
        Ok(Self { path: self.path.clone(), key: Arc::new(certified), facts })
    }
}

/// A chain, if its first certificate holds now.
fn usable(pem: &[u8]) -> Result<(Vec<CertificateDer<'static>>, Facts), String> {
    let chain = certificates(pem)?;
    let facts = Facts::of(&chain[0])?;
    let now = (clock::wall_ms() / 1000) as i64;
    if now > facts.not_after {
        return Err(format!("its certificate expired on {}", day(facts.not_after)));
    }
    if now < facts.not_before {
        return Err(format!("its certificate is not valid before {}", day(facts.not_before)));
    }
    Ok((chain, facts))
}

/// A sequence whose first member says that the responder answered (RFC 6960, 4.2.1).
fn is_good_news(staple: &[u8]) -> bool {
    let members = match staple {
        [0x30, length @ ..=0x7f, rest @ ..] if usize::from(*length) == rest.len() => rest,
        [0x30, 0x81, length, rest @ ..] if usize::from(*length) == rest.len() => rest,
        [0x30, 0x82, high, low, rest @ ..]
            if usize::from(u16::from_be_bytes([*high, *low])) == rest.len() =>
        {
            rest
        }
        _ => return false,
    };
    members.starts_with(&[0x0a, 0x01, 0x00])
}

fn signing_key(pem: &[u8]) -> Result<Arc<dyn SigningKey>, String> {
    let key = private_key(pem)?;
    let loaded = PROVIDER.key_provider.load_private_key(key);
    loaded.map_err(|error| format!("its key cannot be used: {}", told(&error)))
}

fn fitting(key: CertifiedKey, mismatch: impl FnOnce() -> String) -> Result<CertifiedKey, String> {
    match key.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(key),
        Err(Error::InconsistentKeys(_)) => Err(mismatch()),
        Err(error) => Err(format!("its certificate cannot be used: {}", told(&error))),
    }
}

/// What a library says, without the name of its error.
pub(super) fn told(error: &Error) -> String {
    match error {
        Error::General(text) => text.clone(),
        error => error.to_string(),
    }
}

pub(super) fn bytes(source: &dyn Source, path: &Path) -> Result<Vec<u8>, Problem> {
    let problem = |reason: String| Problem { path: path.to_owned(), reason };
    let bytes = source.read(path).map_err(|error| problem(format!("cannot read it: {error}")))?;
    if bytes.is_empty() {
        return Err(problem("it is empty".to_owned()));
    }
    if bytes.len() > LONGEST {
        return Err(problem("it is longer than 1 MiB".to_owned()));
    }
    Ok(bytes)
}

/// `a.pem.key`, then `a.key`.
fn names_beside(path: &Path, extension: &str) -> [PathBuf; 2] {
    let mut longer = path.as_os_str().to_owned();
    longer.push(".");
    longer.push(extension);
    [longer.into(), path.with_extension(extension)]
}

fn beside(source: &dyn Source, path: &Path, extension: &str) -> Result<Option<(PathBuf, Vec<u8>)>, Problem> {
    for name in names_beside(path, extension) {
        match source.read(&name) {
            Ok(bytes) => return Ok(Some((name, bytes))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(Problem { path: name, reason: format!("cannot read it: {error}") }),
        }
    }
    Ok(None)
}

fn without_key(path: &Path) -> String {
    let [longer, shorter] = names_beside(path, "key");
    format!("it has no key, and neither {} nor {} is there", longer.display(), shorter.display())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn has_key(bytes: &[u8]) -> bool {
    contains(bytes, b"PRIVATE KEY-----")
}

/// All certificates of a PEM file, at least one.
pub(super) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(bytes).collect::<Result<_, _>>().map_err(|error| bad_pem(&error))?;
    match chain.is_empty() {
        true if contains(bytes, b"-----BEGIN ") => Err("it has no certificate".to_owned()),
        true => Err("it is not a PEM file".to_owned()),
        false => Ok(chain),
    }
}

pub(super) fn bad_pem(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!("its PEM is cut off: {:?} is missing", String::from_utf8_lossy(end_marker))
        }
        error => format!("its PEM is broken: {error}"),
    }
}

fn private_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    if contains(bytes, b"ENCRYPTED PRIVATE KEY-----") || contains(bytes, b"Proc-Type: 4,ENCRYPTED") {
        return Err(
            "its key is encrypted: write it without a passphrase, readable by proxyd alone".to_owned()
        );
    }
    let mut keys = PrivateKeyDer::pem_slice_iter(bytes);
    let key = match keys.next() {
        None => return Err("it has no key".to_owned()),
        Some(key) => key.map_err(|error| bad_pem(&error))?,
    };
    match keys.next() {
        None => Ok(key),
        Some(_) => Err("it has more than one key".to_owned()),
    }
}

impl Certificate {
    /// Of the certificate itself, as `show ssl cert` has it.
    pub fn sha1(&self) -> String {
        let der = self.key.cert.first().map_or(&[][..], |der| der);
        hexadecimal(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der).as_ref())
    }
}

/// Tells a list of byte strings from another one.
pub(super) fn fingerprint<'a>(parts: impl Iterator<Item = &'a [u8]>) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hexadecimal(hash.finish().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Memory;
    use crate::config::tls::facts::moment;

    const GOOD: &[u8] = include_bytes!("../tests/pem/good.pem");
    const LONELY: &[u8] = include_bytes!("../tests/pem/no-key.pem");
    const OTHER: &[u8] = include_bytes!("../tests/pem/other.pem");

    /// An answer without anything in it.
    const STAPLE: &[u8] = &[0x30, 3, 0x0a, 1, 0];

    fn key() -> Vec<u8> {
        let at = GOOD.windows(18).position(|part| part == b"-----BEGIN PRIVATE").unwrap();
        GOOD[at..].to_vec()
    }

    #[test]
    fn a_key_and_a_staple_may_stand_beside() {
        for (key_name, staple_name) in [("a.pem.key", "a.pem.ocsp"), ("a.key", "a.ocsp")] {
            let source =
                Memory::default().with("a.pem", LONELY).with(key_name, key()).with(staple_name, STAPLE);
            let read = Certificate::read(&source, Path::new("a.pem")).unwrap();
            assert_eq!(read.key.ocsp.as_deref(), Some(STAPLE));
            assert_eq!(read.facts.names, ["good.example", "*.good.example"]);
        }
        for staple in [&b"no DER"[..], &[0x30, 3, 0x0a, 1, 1], &[0x30, 4, 0x0a, 1, 0], b""] {
            let source = Memory::default().with("a.pem", GOOD).with("a.ocsp", staple);
            let problem = Certificate::read(&source, Path::new("a.pem")).unwrap_err();
            assert!(problem.to_string().starts_with("a.ocsp: it is no answer of OCSP"), "{problem}");
        }
        let source = Memory::default().with("a.pem", LONELY).with("a.key", OTHER);
        let problem = Certificate::read(&source, Path::new("a.pem")).unwrap_err();
        assert_eq!(problem.to_string(), "a.pem: the key in a.key belongs to another certificate");
    }

    #[test]
    fn what_a_certificate_says() {
        let chain = certificates(GOOD).unwrap();
        let facts = Facts::of(&chain[0]).unwrap();
        assert_eq!(facts.alternative, ["DNS:good.example", "DNS:*.good.example"]);
        assert_eq!((facts.algorithm(), facts.subject.as_str()), ("EC256".into(), "/CN=good.example"));
        assert_eq!(moment(facts.not_before), "Jan  1 00:00:00 2020 GMT");
        assert_eq!(day(facts.not_after), "2120-01-01");
        assert_eq!(moment(951_782_400 + 3_661), "Feb 29 01:01:01 2000 GMT");
        assert_eq!(day(-1), "1969-12-31");
    }

    #[test]
    fn a_name_with_a_nul_is_refused() {
        let chain = certificates(GOOD).unwrap();
        let mut der = chain[0].to_vec();
        // The last one stands in the alternative names.
        let at = der.windows(12).rposition(|part| part == b"good.example").unwrap();
        der[at + 4] = 0;
        let told = Facts::of(&CertificateDer::from(der)).unwrap_err();
        assert!(told.contains("is no host name"), "{told}");
    }

    #[test]
    fn a_certificate_is_succeeded_with_its_key_or_another() {
        let source = Memory::default().with("a.pem", GOOD);
        let old = Certificate::read(&source, Path::new("a.pem")).unwrap();
        assert_eq!(old.succeeded_by(LONELY).unwrap(), old);
        assert_ne!(old.succeeded_by(OTHER).unwrap(), old);
        let lonely = &OTHER[..OTHER.windows(18).position(|part| part == b"-----BEGIN PRIVATE").unwrap()];
        let problem = old.succeeded_by(lonely).unwrap_err();
        assert_eq!(problem.to_string(), "a.pem: the key belongs to another certificate");
    }
}
