//! Which certificate a client gets: by the name it asks for and by the signatures it understands.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::tls::certificate::Certificate;
use crate::config::tls::facts::{Kind, canonical};

/// The certificates of a bind.
#[derive(Debug)]
pub(super) struct Resolver {
    exact: HashMap<String, Choice>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Choice>,
    /// For who asks for none of these.
    default: Choice,
    strict: bool,
}

/// One certificate of each kind of key, for one name.
#[derive(Debug, Default)]
struct Choice(Vec<(Kind, Arc<CertifiedKey>)>);

impl Choice {
    /// Of two of a kind the first stays.
    fn add(&mut self, certificate: &Certificate) {
        let kind = certificate.facts.kind;
        if !self.0.iter().any(|(known, _)| *known == kind) {
            self.0.push((kind, Arc::clone(&certificate.key)));
            self.0.sort_by_key(|(kind, _)| preference(*kind));
        }
    }

    /// The best one whose signatures are understood; where none is, the handshake fails with any.
    fn pick(&self, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let understood = self.0.iter().find(|(_, key)| key.key.choose_scheme(schemes).is_some());
        understood.or_else(|| self.0.first()).map(|(_, key)| Arc::clone(key))
    }
}

/// Signing with ECDSA costs a tenth of what RSA does.
const fn preference(kind: Kind) -> u8 {
    match kind {
        Kind::Ecdsa => 0,
        Kind::Ed25519 => 1,
        Kind::Rsa => 2,
    }
}

impl Resolver {
    pub(super) fn new(certificates: &[Arc<Certificate>], strict: bool) -> Self {
        let (mut exact, mut wildcard) = (HashMap::<_, Choice>::new(), HashMap::<_, Choice>::new());
        for certificate in certificates {
            for name in &certificate.facts.names {
                let choice = match name.strip_prefix("*.") {
                    Some(parent) => wildcard.entry(parent.to_owned()),
                    None => exact.entry(name.clone()),
                };
                choice.or_default().add(certificate);
            }
        }
        let mut default = Choice::default();
        if let Some(first) = certificates.first() {
            // The same host's certificates of other kinds are as good.
            let same = |other: &&Arc<Certificate>| other.facts.names == first.facts.names;
            certificates.iter().filter(same).for_each(|certificate| default.add(certificate));
        }
        Self { exact, wildcard, default, strict }
    }

    fn find(&self, name: Option<&str>) -> Option<&Choice> {
        let known = name.map(canonical).and_then(|name| {
            let exact = self.exact.get(&name);
            exact.or_else(|| name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent)))
        });
        known.or_else(|| (!self.strict).then_some(&self.default))
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name())?.pick(hello.signature_schemes())
    }
}
