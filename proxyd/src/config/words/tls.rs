//! TLS.

use rustls::{CipherSuite, NamedGroup};

use super::Choices;
use crate::config::CertField;
use crate::config::tls::Version;

pub(crate) const CERT_FIELDS: Choices<CertField> = Choices {
    what: "a field of a certificate",
    known: &[
        ("verify", CertField::Verify),
        ("subject", CertField::Subject),
        ("subject_cn", CertField::SubjectCn),
        ("issuer", CertField::Issuer),
        ("issuer_cn", CertField::IssuerCn),
        ("serial", CertField::Serial),
        ("not_before", CertField::NotBefore),
        ("not_after", CertField::NotAfter),
        ("sha1", CertField::Sha1),
        ("sha256", CertField::Sha256),
        ("names", CertField::Names),
        ("der", CertField::Der),
        ("rfc9440", CertField::Rfc9440),
    ],
    also: &[],
    later: &[],
};

pub(crate) const TLS_VERSIONS: Choices<Version> = Choices {
    what: "a version of TLS",
    known: &[("tls12", Version::Tls12), ("tls13", Version::Tls13)],
    also: &[],
    later: &[],
};

pub(crate) const SUITES: Choices<CipherSuite> = Choices {
    what: "a cipher suite",
    known: &[
        ("TLS_AES_256_GCM_SHA384", CipherSuite::TLS13_AES_256_GCM_SHA384),
        ("TLS_AES_128_GCM_SHA256", CipherSuite::TLS13_AES_128_GCM_SHA256),
        ("TLS_CHACHA20_POLY1305_SHA256", CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
        (
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        ),
        ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
        (
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ),
    ],
    also: &[],
    later: &[],
};

pub(crate) const GROUPS: Choices<NamedGroup> = Choices {
    what: "a key exchange group",
    known: &[
        ("x25519_mlkem768", NamedGroup::X25519MLKEM768),
        ("x25519", NamedGroup::X25519),
        ("secp256r1", NamedGroup::secp256r1),
        ("secp384r1", NamedGroup::secp384r1),
        ("secp256r1_mlkem768", NamedGroup::secp256r1MLKEM768),
    ],
    also: &[
        ("X25519MLKEM768", NamedGroup::X25519MLKEM768),
        ("X25519", NamedGroup::X25519),
        ("prime256v1", NamedGroup::secp256r1),
        ("p256", NamedGroup::secp256r1),
        ("p384", NamedGroup::secp384r1),
    ],
    later: &[],
};

pub(crate) const TICKET_KEYS: Choices<bool> =
    Choices { what: "a kind of tickets", known: &[("own", true), ("off", false)], also: &[], later: &[] };

/// Whether a peer has to prove who it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verify {
    None,
    Optional,
    Required,
}

pub(crate) const CLIENT_VERIFY: Choices<Verify> = Choices {
    what: "what is asked of clients",
    known: &[("optional", Verify::Optional), ("required", Verify::Required)],
    also: &[],
    later: &[],
};

pub(crate) const SERVER_VERIFY: Choices<Verify> = Choices {
    what: "what is asked of a server",
    known: &[("required", Verify::Required), ("none", Verify::None)],
    also: &[],
    later: &[],
};

/// A protocol that ALPN names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Alpn {
    H2,
    Http1,
}

impl Alpn {
    /// As it is said on the wire.
    pub(crate) const fn wire(self) -> &'static str {
        match self {
            Self::H2 => "h2",
            Self::Http1 => "http/1.1",
        }
    }
}

pub(crate) const ALPNS: Choices<Alpn> = Choices {
    what: "a protocol for ALPN",
    known: &[("h2", Alpn::H2), ("http1", Alpn::Http1)],
    also: &[],
    later: &["h3"],
};
