//! Handshakes in memory: which certificate is shown, and which session goes on.

use std::path::PathBuf;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConnection, HandshakeKind, ServerConnection};

use super::live::{Ends, Refused, Transaction};
use super::*;
use crate::config::source::Memory;
use crate::config::{Config, load};

fn certificate(names: &[&str], rsa: bool) -> String {
    let key = KeyPair::generate_for(if rsa { &PKCS_RSA_SHA256 } else { &PKCS_ECDSA_P256_SHA256 }).unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    certificate.pem() + &key.serialize_pem()
}

/// A configuration with these binds.
fn config(source: &Memory, binds: &[&str]) -> Config {
    let binds: Vec<String> =
        binds.iter().enumerate().map(|(i, tls)| format!("(address: \":{}\", tls: ({tls}))", i + 1)).collect();
    let text = format!(
        r#"(listen: [(name: "a", bind: [{}], servers: [(name: "s", address: "127.0.0.1:1")])])"#,
        binds.join(",")
    );
    let source = source.clone().with("proxyd.ron", text);
    load(&source, &[PathBuf::from("proxyd.ron")]).unwrap_or_else(|report| panic!("{report}")).config
}

fn terminators(source: &Memory, binds: &[&str], common: &Arc<Common>) -> Vec<Arc<Terminator>> {
    let config = config(source, binds);
    let binds = config.frontends[0].binds.iter();
    binds.map(|bind| Arc::new(Terminator::new(bind.tls.as_ref().unwrap(), common).unwrap())).collect()
}

fn common() -> Arc<Common> {
    Arc::new(Common::new(None, false))
}

/// A client that takes any certificate, and shows one if it has one.
fn client(shows: Option<&str>, of: &Protocol) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider(of))
        .with_protocol_versions(&versions(of))
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(trusting::Trusting));
    Arc::new(match shows {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let chain = vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    })
}

/// What a client saw of a handshake.
#[derive(Debug)]
struct Seen {
    certificate: Vec<u8>,
    resumed: bool,
}

fn handshake(terminator: &Terminator, client: &Arc<ClientConfig>, name: &str) -> Result<Seen, Error> {
    let mut server = ServerConnection::new(terminator.config()).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut bytes = Vec::new();
    // Once more than it takes, for the tickets.
    for _ in 0..5 {
        bytes.clear();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut &*bytes).unwrap();
        server.process_new_packets()?;
        bytes.clear();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut &*bytes).unwrap();
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    assert_eq!(client.handshake_kind(), server.handshake_kind());
    Ok(Seen {
        certificate: client.peer_certificates().map(|chain| chain[0].to_vec()).unwrap_or_default(),
        resumed: client.handshake_kind() == Some(HandshakeKind::Resumed),
    })
}

fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

fn only(version: Version) -> Protocol {
    Protocol { min: version, max: version, ..Protocol::default() }
}

#[test]
fn the_certificate_is_chosen_by_name_and_signature() {
    let first = certificate(&["first.example"], false);
    let exact = certificate(&["WWW.b.example"], false);
    let wild = certificate(&["*.b.example"], false);
    let ecdsa = certificate(&["both.example"], false);
    let rsa = certificate(&["both.example"], true);
    let source = Memory::default()
        .with("c/1.pem", first.as_str())
        .with("c/2.pem", exact.as_str())
        .with("c/3.pem", wild.as_str())
        .with("c/4.pem", rsa.as_str())
        .with("c/5.pem", ecdsa.as_str());
    let binds = [
        r#"certificates: ["c/"]"#,
        r#"certificates: ["c/"], strict_sni: true"#,
        r#"certificates: ["c/4.pem", "c/5.pem"]"#,
    ];
    let [loose, strict, both] = terminators(&source, &binds, &common()).try_into().unwrap();
    let any = client(None, &Protocol::default());
    for (name, expected) in [
        ("first.example", &first),
        ("FIRST.example", &first),
        ("www.b.example", &exact),
        ("ftp.b.example", &wild),
        ("both.example", &ecdsa),
    ] {
        for terminator in [&loose, &strict] {
            assert_eq!(handshake(terminator, &any, name).unwrap().certificate, der(expected), "{name}");
        }
    }
    for name in ["b.example", "a.b.b.example", "example", "127.0.0.1"] {
        assert_eq!(handshake(&loose, &any, name).unwrap().certificate, der(&first), "{name}");
        assert!(handshake(&strict, &any, name).is_err(), "{name}");
    }
    let of_rsa = Protocol {
        suites: vec![rustls::CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256],
        ..only(Version::Tls12)
    };
    let old = client(None, &of_rsa);
    assert_eq!(handshake(&both, &old, "both.example").unwrap().certificate, der(&rsa));
    assert_eq!(handshake(&both, &old, "unknown.example").unwrap().certificate, der(&rsa));
    assert_eq!(handshake(&both, &any, "unknown.example").unwrap().certificate, der(&ecdsa));
}

#[test]
fn sessions_go_on_after_a_reload_and_not_for_another_host() {
    let pem = certificate(&["a.example", "b.example"], false);
    let source = Memory::default().with("a.pem", pem.as_str());
    let bind = [r#"certificates: ["a.pem"]"#];
    for version in [Version::Tls12, Version::Tls13] {
        let before = common();
        let [old] = terminators(&source, &bind, &before).try_into().unwrap();
        let after = Arc::new(Common::new(Some(&before), false));
        let [new] = terminators(&source, &bind, &after).try_into().unwrap();
        let client = client(None, &only(version));
        assert!(!handshake(&old, &client, "a.example").unwrap().resumed);
        assert!(handshake(&new, &client, "a.example").unwrap().resumed, "{version:?}");
        // A ticket for one host is no good for another one, however the client came to use it there.
        let mut other = ClientConfig::clone(&client);
        other.resumption =
            Resumption::store(Arc::new(OneName(Arc::new(rustls::client::ClientSessionMemoryCache::new(8)))));
        let other = Arc::new(other);
        assert!(!handshake(&new, &other, "a.example").unwrap().resumed);
        assert!(!handshake(&new, &other, "b.example").unwrap().resumed, "{version:?}");
        assert!(handshake(&new, &other, "b.example").unwrap().resumed, "{version:?}");
    }
}

/// Keeps all sessions under one name, as an attacker would.
#[derive(Debug)]
struct OneName(Arc<dyn rustls::client::ClientSessionStore>);

impl OneName {
    fn name() -> ServerName<'static> {
        ServerName::try_from("any.example").unwrap()
    }
}

impl rustls::client::ClientSessionStore for OneName {
    fn set_kx_hint(&self, _: ServerName<'static>, group: rustls::NamedGroup) {
        self.0.set_kx_hint(Self::name(), group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<rustls::NamedGroup> {
        self.0.kx_hint(&Self::name())
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: rustls::client::Tls12ClientSessionValue) {
        self.0.set_tls12_session(Self::name(), value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<rustls::client::Tls12ClientSessionValue> {
        self.0.tls12_session(&Self::name())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.remove_tls12_session(&Self::name());
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: rustls::client::Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(Self::name(), value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<rustls::client::Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&Self::name())
    }
}

#[test]
fn a_ticket_is_good_only_where_the_same_is_asked_of_clients() {
    let pem = certificate(&["a.example"], false);
    let keys = "A".repeat(64);
    let source = Memory::default().with("a.pem", pem.as_str()).with("keys", keys);
    let open = r#"certificates: ["a.pem"], tickets: (keys: "keys")"#;
    let closed =
        r#"certificates: ["a.pem"], tickets: (keys: "keys"), client_certs: (ca: "a.pem", verify: optional)"#;
    let off = r#"certificates: ["a.pem"], tickets: off"#;
    let [open, twin, closed, off] =
        terminators(&source, &[open, open, closed, off], &common()).try_into().unwrap();
    for version in [Version::Tls12, Version::Tls13] {
        let client = client(None, &only(version));
        let resumed = |terminator| handshake(terminator, &client, "a.example").unwrap().resumed;
        assert!(!resumed(&open));
        assert!(resumed(&twin), "the same file, the same question");
        assert!(!resumed(&closed), "{version:?}: nobody asked for a certificate");
        assert!(resumed(&closed));
        assert!(!resumed(&open), "{version:?}");
        assert!(!resumed(&off) && !resumed(&off), "{version:?}");
    }
}

#[test]
fn clients_are_asked_for_a_certificate() {
    let pem = certificate(&["a.example"], false);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::from_params(&params, &key);
    let own = KeyPair::generate().unwrap();
    let good = CertificateParams::new(vec!["client".to_owned()]).unwrap().signed_by(&own, &issuer).unwrap();
    let good = good.pem() + &own.serialize_pem();
    let source = Memory::default().with("a.pem", pem.as_str()).with("ca.pem", ca.pem());
    let required = r#"certificates: ["a.pem"], client_certs: (ca: "ca.pem")"#;
    let optional = r#"certificates: ["a.pem"], client_certs: (ca: "ca.pem", verify: optional)"#;
    let [required, optional] = terminators(&source, &[required, optional], &common()).try_into().unwrap();
    let all = Protocol::default();
    let shows = |shown: Option<&str>, terminator: &Terminator| {
        handshake(terminator, &client(shown, &all), "a.example").is_ok()
    };
    assert!(shows(Some(&good), &required) && shows(Some(&good), &optional));
    assert!(!shows(None, &required) && shows(None, &optional));
    assert!(!shows(Some(&pem), &required) && !shows(Some(&pem), &optional), "signed by somebody else");
}

#[test]
fn files_are_taken_again_all_or_none() {
    let (one, two, three) = (
        certificate(&["a.example"], false),
        certificate(&["a.example"], false),
        certificate(&["c.example"], false),
    );
    let source = Memory::default().with("c/a.pem", one.as_str()).with("c/b.pem", three.as_str());
    let terminators = terminators(&source, &[r#"certificates: ["c/"]"#], &common());
    let ends = Ends { terminators: terminators.clone(), originators: Vec::new() };
    let [terminator] = terminators.try_into().unwrap();
    let client = client(None, &Protocol::default());
    let shown = |terminator: &Terminator, name| handshake(terminator, &client, name).unwrap().certificate;
    let same = terminator.config();
    let changes = ends.reload(&source).unwrap();
    assert!(changes.is_empty() && changes.same == 2);
    assert!(Arc::ptr_eq(&same, &terminator.config()), "nothing new, nothing made");

    let bad = source.clone().with("c/a.pem", two.as_str()).with("c/b.pem", "").with("c/c.pem", "nonsense");
    let problems: Vec<String> = ends.reload(&bad).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(problems, ["c/b.pem: it is empty", "c/c.pem: it is not a PEM file"]);
    assert_eq!(shown(&terminator, "a.example"), der(&one));

    let next = Memory::default().with("c/a.pem", two.as_str()).with("c/d.pem", three.as_str());
    let changes = ends.reload(&next).unwrap();
    let names = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<String>();
    assert_eq!(
        (names(&changes.changed), names(&changes.added), names(&changes.removed)),
        ("c/a.pem".into(), "c/d.pem".into(), "c/b.pem".into())
    );
    assert!(!handshake(&terminator, &self::client(None, &Protocol::default()), "c.example").unwrap().resumed);
    assert_eq!(shown(&terminator, "c.example"), der(&three));
}

#[test]
fn a_certificate_waits_until_it_is_committed() {
    let (one, two) = (certificate(&["a.example"], false), certificate(&["b.example"], false));
    let source = Memory::default().with("a.pem", one.as_str()).with("b.pem", two.as_str());
    let terminators = terminators(&source, &[r#"certificates: ["a.pem", "b.pem"]"#], &common());
    let ends = Ends { terminators, originators: Vec::new() };
    let transaction = Transaction::default();
    let (a, b) = (std::path::Path::new("a.pem"), std::path::Path::new("b.pem"));
    assert!(matches!(transaction.commit(&ends, a), Err(Refused::None)));
    assert!(matches!(
        transaction.set(&ends, std::path::Path::new("c.pem"), one.as_bytes()),
        Err(Refused::Unknown)
    ));
    assert!(matches!(transaction.set(&ends, a, b"nonsense"), Err(Refused::Bad(_))));
    let new = certificate(&["new.example"], false);
    assert!(!transaction.set(&ends, a, new.as_bytes()).unwrap());
    assert!(transaction.set(&ends, a, new.as_bytes()).unwrap(), "it takes the place of the first");
    assert!(matches!(transaction.set(&ends, b, new.as_bytes()), Err(Refused::Other(_))));
    assert!(matches!(transaction.abort(b), Err(Refused::Other(_))));
    let client = client(None, &Protocol::default());
    let shown = || handshake(&ends.terminators[0], &client, "new.example").unwrap().certificate;
    assert_eq!(shown(), der(&one));
    transaction.commit(&ends, a).unwrap();
    assert_eq!(ends.certificates()[a].facts.names, ["new.example"]);
    let fresh = self::client(None, &Protocol::default());
    assert_eq!(handshake(&ends.terminators[0], &fresh, "new.example").unwrap().certificate, der(&new));
    assert!(matches!(transaction.abort(a), Err(Refused::None)));
}

#[test]
fn servers_have_to_have_the_name() {
    let pem = certificate(&["a.example"], false);
    let source = Memory::default().with("a.pem", pem.as_str());
    let server = |tls: &str| {
        let text = format!(
            r#"(listen: [(name: "a", bind: [":1"], servers: [(name: "s", address: "localhost:1", tls: ({tls}))])])"#
        );
        let source = source.clone().with("proxyd.ron", text);
        let config = load(&source, &[PathBuf::from("proxyd.ron")]).unwrap().config;
        let uplink = &config.backends[0].servers[0].uplink;
        Originator::new(uplink.tls.as_ref().unwrap(), uplink.http, &common()).unwrap()
    };
    let [terminator] = terminators(&source, &[r#"certificates: ["a.pem"]"#], &common()).try_into().unwrap();
    let reached = |originator: &Originator| {
        let ServerName::DnsName(name) = &originator.name else { panic!("{:?}", originator.name) };
        handshake(&terminator, &originator.config(), name.as_ref())
    };
    let named = server(r#"ca: "a.pem", sni: "a.example""#);
    assert!(!reached(&named).unwrap().resumed);
    assert!(reached(&named).unwrap().resumed, "sessions are kept");
    let error = reached(&server(r#"ca: "a.pem""#)).unwrap_err();
    assert!(matches!(error, Error::InvalidCertificate(_)), "localhost is another name: {error}");
    assert!(reached(&server("verify: none")).is_ok());
}

/// As `openssl req -x509` makes them: an authority that signed itself is what both sides show and what both know.
#[test]
fn both_sides_may_show_a_certificate_that_signed_itself() {
    let own = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&key).unwrap().pem() + &key.serialize_pem()
    };
    let (server, client, other) = (own("a.example"), own("client"), own("a.example"));
    let source = Memory::default()
        .with("server.pem", server.as_str())
        .with("client.pem", client.as_str())
        .with("other.pem", other.as_str());
    let binds = [r#"certificates: ["server.pem"], client_certs: (ca: "client.pem")"#];
    let reached = |shown: &str, ca: &str, version: &str| {
        let text = format!(
            r#"(listen: [(name: "a", bind: [":1"], servers: [(name: "s", address: "a.example:1",
                tls: (ca: "{ca}", client_cert: "{shown}", min_version: {version}, max_version: {version}))])])"#
        );
        let source = source.clone().with("proxyd.ron", text);
        let config = load(&source, &[PathBuf::from("proxyd.ron")]).unwrap().config;
        let uplink = &config.backends[0].servers[0].uplink;
        let originator = Originator::new(uplink.tls.as_ref().unwrap(), uplink.http, &common()).unwrap();
        let [terminator] = terminators(&source, &binds, &common()).try_into().unwrap();
        handshake(&terminator, &originator.config(), "a.example").map(|_| ())
    };
    let unknown = || Err(Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer));
    for version in ["tls12", "tls13"] {
        assert_eq!(reached("client.pem", "server.pem", version), Ok(()), "{version}");
        assert_eq!(reached("client.pem", "other.pem", version), unknown(), "{version}");
        assert_eq!(reached("other.pem", "server.pem", version), unknown(), "{version}");
    }
}
