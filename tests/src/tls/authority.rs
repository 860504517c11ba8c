//! Those who sign certificates, and the certificates they sign: of any kind, also wrong ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_RSA_SHA256, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

static SERIAL: AtomicU64 = AtomicU64::new(1);

/// What is special about a certificate.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Kind {
    /// A server's, with an ECDSA key.
    #[default]
    Server,
    /// A server's, with an RSA key.
    Rsa,
    /// Ended in 2020.
    Expired,
    /// Begins in 3000.
    NotYet,
    /// For a client.
    Client,
    /// For a client, ended in 2020.
    ExpiredClient,
}

/// Signs certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
    /// Between this one and a root, itself first; empty for a root.
    above: Vec<CertificateDer<'static>>,
}

/// A certificate with those above it, and its key.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    serial: SerialNumber,
}

impl Authority {
    /// A root.
    pub fn new(name: &str) -> Self {
        let (params, key) = authority(name);
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { issuer: Issuer::new(params, key), certificate, above: Vec::new() }
    }

    /// One that this one vouches for.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        let (params, key) = authority(name);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let mut above = vec![certificate.der().clone()];
        above.extend(self.above.iter().cloned());
        Self { issuer: Issuer::new(params, key), certificate, above }
    }

    /// A certificate for these names, the first of which is the subject's; an IP address is one too.
    pub fn issue(&self, names: &[&str], kind: Kind) -> Identity {
        self.with(names, kind, |_| {})
    }

    /// The same with a change of one's own, such as `subject_alt_names`.
    pub fn with(&self, names: &[&str], kind: Kind, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let (params, key, serial) = leaf(names, kind, change);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let mut chain = vec![certificate.der().clone()];
        chain.extend(self.above.iter().cloned());
        Identity { chain, key, serial }
    }

    /// The list of those it takes back, in PEM.
    pub fn revocations(&self, revoked: &[&Identity]) -> String {
        let revoked = revoked.iter().map(|identity| RevokedCertParams {
            serial_number: identity.serial.clone(),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2999, 1, 1),
            crl_number: SerialNumber::from(SERIAL.fetch_add(1, Ordering::Relaxed)),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).and_then(|list| list.pem()).expect("a revocation list")
    }

    /// Its own certificate in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Writes its own certificate.
    pub fn write(&self, dir: &Path, name: &str) -> PathBuf {
        write(dir, name, &self.pem())
    }

    /// Trust in this one alone.
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).expect("a root");
        roots
    }
}

impl Identity {
    /// Nobody vouches for it.
    pub fn self_signed(names: &[&str]) -> Self {
        Self::alone(names, Kind::Server)
    }

    /// The same of any kind.
    pub fn alone(names: &[&str], kind: Kind) -> Self {
        let (params, key, serial) = leaf(names, kind, |_| {});
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { chain: vec![certificate.der().clone()], key, serial }
    }

    /// The certificate, those above it, and the key: what a `certificates` file holds.
    pub fn pem(&self) -> String {
        self.chain_pem() + &self.key_pem()
    }

    /// Without the key.
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(|der| armoured("CERTIFICATE", der)).collect()
    }

    /// The key alone.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Writes certificates and key into one file.
    pub fn write(&self, dir: &Path, name: &str) -> PathBuf {
        write(dir, name, &self.pem())
    }

    /// The certificate and those above it.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.clone()
    }

    /// The key.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key")
    }
}

/// A name with bytes no host name has, such as NUL.
pub fn odd_name(name: &str) -> SanType {
    SanType::DnsName(Ia5String::try_from(name).expect("ASCII"))
}

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).expect("the folder is writable");
    path
}

fn armoured(label: &str, der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in der.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
        if text.len() % 65 == 64 {
            text.push('\n');
        }
    }
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", text.trim_end())
}

fn authority(name: &str) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    (params, KeyPair::generate().expect("a key"))
}

fn leaf(
    names: &[&str],
    kind: Kind,
    change: impl FnOnce(&mut CertificateParams),
) -> (CertificateParams, KeyPair, SerialNumber) {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names.clone()).expect("names");
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, names.first().map_or("nobody", String::as_str));
    let serial = SerialNumber::from(SERIAL.fetch_add(1, Ordering::Relaxed));
    params.serial_number = Some(serial.clone());
    params.use_authority_key_identifier_extension = true;
    let client = matches!(kind, Kind::Client | Kind::ExpiredClient);
    let usage =
        if client { ExtendedKeyUsagePurpose::ClientAuth } else { ExtendedKeyUsagePurpose::ServerAuth };
    params.extended_key_usages = vec![usage];
    match kind {
        Kind::Expired | Kind::ExpiredClient => params.not_after = date_time_ymd(2020, 1, 1),
        Kind::NotYet => params.not_before = date_time_ymd(3000, 1, 1),
        Kind::Server | Kind::Rsa | Kind::Client => {}
    }
    change(&mut params);
    let algorithm = if kind == Kind::Rsa { &PKCS_RSA_SHA256 } else { &PKCS_ECDSA_P256_SHA256 };
    (params, KeyPair::generate_for(algorithm).expect("a key"), serial)
}
