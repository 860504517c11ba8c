//! TLS, from both sides: certificates good and bad, clients and servers that do exactly what they are told.

pub mod authority;
pub mod client;
pub mod forge;
pub mod hello;
pub mod server;
pub mod session;

pub use authority::{Authority, Identity, Kind};
pub use client::Dialer;
pub use forge::Forge;
pub use server::Serving;
pub use session::{Session, alert};

use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;

/// Versions a peer speaks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Versions {
    #[default]
    Both,
    Tls12,
    Tls13,
}

impl Versions {
    fn list(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Both => rustls::ALL_VERSIONS,
            Self::Tls12 => const { &[&rustls::version::TLS12] },
            Self::Tls13 => const { &[&rustls::version::TLS13] },
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests {
    use super::hello::{byte_by_byte, one_byte_records};
    use super::*;
    use crate::Client;
    use crate::origin::http::Origin;
    use crate::stream::Stream;

    #[test]
    fn both_sides_understand_each_other() {
        let root = Authority::new("root");
        let identity = root.below("between").issue(&["a.example", "*.b.example"], Kind::Server);
        let client = root.issue(&["someone"], Kind::Client);
        for versions in [Versions::Tls12, Versions::Tls13] {
            let serving = Serving::with(&identity, versions, Some(&root), &["http/1.1"]);
            let origin = Origin::tls("app1", &serving);
            let dialer =
                Dialer::with(&root, Versions::Both, Some(&client)).alpn(&["h2", "http/1.1"]).resuming();
            for (resumed, name) in [(false, "a.example"), (true, "a.example"), (false, "x.b.example")] {
                let mut session = dialer.connect_with(origin.addr(), name, byte_by_byte).unwrap();
                assert_eq!((session.resumed(), session.alpn().as_deref()), (resumed, Some("http/1.1")));
                if versions == Versions::Tls13 {
                    session.await_ticket();
                }
                let mut client = Client::over(Stream::Tls(Box::new(session)));
                assert_eq!(client.get("/").text(), "app1\n");
                client.half_close();
                assert_eq!(client.read_to_end(), b"");
            }
            let seen = serving.seen();
            assert_eq!(
                (seen.len(), seen[2].name.as_deref(), seen[2].certificates),
                (3, Some("x.b.example"), 1)
            );
            let anonymous = Dialer::trusting(&root).client(origin.addr(), "a.example");
            let answer = anonymous.and_then(|mut client| {
                client.try_send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
                client.try_response("GET")
            });
            assert!(answer.is_err());
            // The client may know of it before the server has written it down.
            crate::eventually("it is written down", || (serving.failed().len() == 1).then_some(()));
            assert_eq!(origin.hits(), 3);
        }
    }

    #[test]
    fn wrong_certificates_are_wrong() {
        let (root, other) = (Authority::new("root"), Authority::new("other"));
        for (identity, name) in [
            (root.issue(&["a.example"], Kind::Expired), "a.example"),
            (root.issue(&["a.example"], Kind::NotYet), "a.example"),
            (root.issue(&["a.example"], Kind::Rsa), "b.example"),
            (root.issue(&["a.example"], Kind::Client), "a.example"),
            (other.issue(&["a.example"], Kind::Server), "a.example"),
            (Identity::self_signed(&["a.example"]), "a.example"),
        ] {
            let origin = Origin::tls("app1", &Serving::new(&identity));
            assert!(Dialer::trusting(&root).connect(origin.addr(), name).is_err());
            assert!(Dialer::blind().connect(origin.addr(), name).is_ok());
        }
    }

    #[test]
    fn files_are_what_others_read() {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
        let root = Authority::new("root");
        let identity = root.below("between").issue(&["a.example"], Kind::Rsa);
        let text = identity.pem();
        let read: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes()).map(Result::unwrap).collect();
        assert_eq!(read, identity.chain());
        assert_eq!(PrivateKeyDer::from_pem_slice(text.as_bytes()).unwrap(), identity.key());
        let list = root.revocations(&[&identity]);
        assert!(CertificateRevocationListDer::from_pem_slice(list.as_bytes()).is_ok());
    }

    #[test]
    fn records_may_be_cut() {
        let root = Authority::new("root");
        let origin = Origin::tls("app1", &Serving::new(&root.issue(&["a.example"], Kind::Server)));
        let mut session =
            Dialer::trusting(&root).connect_with(origin.addr(), "a.example", one_byte_records).unwrap();
        assert!(!session.resumed() && session.tls().alpn_protocol().is_none());
        // A hello that was written by hand is one, too.
        let mut hello = rustls::server::Acceptor::default();
        hello.read_tls(&mut &hello::Hello::of("a.example").records()[..]).unwrap();
        let accepted = hello.accept().ok().flatten().unwrap();
        assert_eq!(accepted.client_hello().server_name(), Some("a.example"));
    }
}
