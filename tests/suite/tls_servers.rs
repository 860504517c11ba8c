//! TLS servers of every kind, good and bad: what the client is told, and what each server saw.

use std::time::{Duration, Instant};

use harness::origin::http::Origin;
use harness::stream::Address;
use harness::tls::authority::odd_name;
use harness::tls::server::{ANSWER, Fault, FaultyTls};
use harness::tls::{Authority, Identity, Kind, Serving, Versions};
use harness::{Config, Daemon, Start, eventually};
use rustls::ProtocolVersion;

const ASKS: &str = r#"tls: (ca: "root.pem", sni: "a.example")"#;

/// More than a busy machine needs.
const LONG: &str = "15s";

/// A daemon with one server that has so long, and the authority it believes.
fn start(root: &Authority, to: impl Into<Address>, tls: &str, time: &str) -> Daemon {
    let config = Config::new()
        .defaults(&format!("retries: (max: 0), timeouts: (connect: {time:?}, server: {time:?})"))
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "")
        .server("app1", to, tls);
    let start = Start::new(&config);
    root.write(start.dir(), "root.pem");
    root.issue(&["proxyd"], Kind::Client).write(start.dir(), "client.pem");
    start.run()
}

/// Name, how the server is asked, the status of the answer, and what the server is.
type Case = (&'static str, &'static str, u16, fn(&Authority) -> Serving);

const CASES: &[Case] = &[
    ("a good one", ASKS, 200, |root| Serving::new(&root.issue(&["a.example"], Kind::Server))),
    ("RSA", ASKS, 200, |root| Serving::new(&root.issue(&["a.example"], Kind::Rsa))),
    ("a chain", ASKS, 200, |root| Serving::new(&root.below("between").issue(&["a.example"], Kind::Server))),
    ("a wildcard", r#"tls: (ca: "root.pem", sni: "x.w.example")"#, 200, |root| {
        Serving::new(&root.issue(&["*.w.example"], Kind::Server))
    }),
    ("two labels for a wildcard", r#"tls: (ca: "root.pem", sni: "y.x.w.example")"#, 503, |root| {
        Serving::new(&root.issue(&["*.w.example"], Kind::Server))
    }),
    ("by its address", r#"tls: (ca: "root.pem")"#, 200, |root| {
        Serving::new(&root.issue(&["127.0.0.1"], Kind::Server))
    }),
    ("another address", r#"tls: (ca: "root.pem")"#, 503, |root| {
        Serving::new(&root.issue(&["127.0.0.2"], Kind::Server))
    }),
    ("TLS 1.2", ASKS, 200, |root| {
        Serving::with(&root.issue(&["a.example"], Kind::Server), Versions::Tls12, None, &[])
    }),
    (
        "TLS 1.2 where 1.3 is wanted",
        r#"tls: (ca: "root.pem", sni: "a.example", min_version: tls13)"#,
        503,
        |root| Serving::with(&root.issue(&["a.example"], Kind::Server), Versions::Tls12, None, &[]),
    ),
    ("expired", ASKS, 503, |root| Serving::new(&root.issue(&["a.example"], Kind::Expired))),
    ("not yet valid", ASKS, 503, |root| Serving::new(&root.issue(&["a.example"], Kind::NotYet))),
    ("another name", ASKS, 503, |root| Serving::new(&root.issue(&["b.example"], Kind::Server))),
    ("of somebody else", ASKS, 503, |_| {
        Serving::new(&Authority::new("other").issue(&["a.example"], Kind::Server))
    }),
    ("of nobody", ASKS, 503, |_| Serving::new(&Identity::self_signed(&["a.example"]))),
    ("a client's", ASKS, 503, |root| Serving::new(&root.issue(&["a.example"], Kind::Client))),
    ("a NUL behind the name", ASKS, 503, |root| {
        let odd = |params: &mut rcgen::CertificateParams| {
            params.subject_alt_names = vec![odd_name("a.example\0.evil.example")];
        };
        Serving::new(&root.with(&["a.example"], Kind::Server, odd))
    }),
    ("the name as common name alone", ASKS, 503, |root| {
        Serving::new(&root.with(&["a.example"], Kind::Server, |params| params.subject_alt_names = Vec::new()))
    }),
    ("the name as a URI", ASKS, 503, |root| {
        let uri = |params: &mut rcgen::CertificateParams| {
            params.subject_alt_names = vec![rcgen::SanType::URI("https://a.example".try_into().unwrap())];
        };
        Serving::new(&root.with(&["a.example"], Kind::Server, uri))
    }),
    ("anybody, unlooked at", r#"tls: (verify: none, sni: "a.example")"#, 200, |_| {
        Serving::new(&Identity::self_signed(&["b.example"]))
    }),
    ("one that wants a certificate and gets none", ASKS, 503, |root| {
        Serving::with(&root.issue(&["a.example"], Kind::Server), Versions::Tls12, Some(root), &[])
    }),
    (
        "one that wants a certificate",
        r#"tls: (ca: "root.pem", sni: "a.example", client_cert: "client.pem")"#,
        200,
        |root| Serving::with(&root.issue(&["a.example"], Kind::Server), Versions::Both, Some(root), &[]),
    ),
];

#[test]
fn each_server_is_believed_or_not() {
    let root = Authority::new("root");
    for (name, tls, status, serving) in CASES {
        let serving = serving(&root);
        let origin = Origin::tls("app1", &serving);
        let daemon = start(&root, origin.address(), tls, LONG);
        assert_eq!(daemon.client().get("/").status, *status, "{name}");
        let served = usize::from(*status == 200);
        assert_eq!(origin.hits(), served, "{name}");
        if served == 1 {
            let seen = &serving.seen()[0];
            let named = tls.contains("sni");
            assert_eq!(seen.name.is_some(), named, "{name}: an address is no name to be asked for");
            assert_eq!(seen.certificates, usize::from(tls.contains("client_cert")), "{name}");
            let expected =
                if *name == "TLS 1.2" { ProtocolVersion::TLSv1_2 } else { ProtocolVersion::TLSv1_3 };
            assert_eq!(seen.version, Some(expected), "{name}");
        }
    }
}

/// Name, status of the answer (0 is none that is whole), and what goes wrong.
type Break = (&'static str, u16, fn() -> Fault);

const BREAKS: &[Break] = &[
    ("closes at once", 503, || Fault::Accept),
    ("closes behind the hello", 503, || Fault::Hello),
    ("closes in its flight", 503, || Fault::Flight(1)),
    ("closes early in its flight", 503, || Fault::Flight(100_000)),
    ("closes behind the handshake", 502, || Fault::Handshake),
    ("is silent", 503, || Fault::Silent),
    ("answers in clear in front of the handshake", 503, || Fault::Before(ANSWER.to_vec())),
    ("answers in clear instead of the handshake", 503, || Fault::Instead(ANSWER.to_vec())),
    ("refuses", 503, || Fault::Instead(vec![21, 3, 3, 0, 2, 2, 40])),
    ("refuses with an alert nobody knows", 503, || Fault::Instead(vec![21, 3, 3, 0, 2, 2, 200])),
    ("sends a record longer than there are", 503, || Fault::Instead(vec![22, 3, 3, 0xff, 0xff])),
    ("sends empty records", 503, || Fault::Instead([22, 3, 3, 0, 0].repeat(10_000))),
    ("sends data first", 503, || Fault::Instead(vec![23, 3, 3, 0, 1, 0])),
    ("ends without a word behind a whole answer", 200, || Fault::Truncate(ANSWER.to_vec())),
    ("ends without a word in an answer", 0, || Fault::Truncate(ANSWER[..ANSWER.len() - 2].to_vec())),
    ("ends without a word in a head", 502, || Fault::Truncate(ANSWER[..30].to_vec())),
    ("writes in clear behind the answer", 200, || Fault::Behind(ANSWER.to_vec())),
];

#[test]
fn a_server_may_break_off_at_every_step() {
    let root = Authority::new("root");
    let identity = root.issue(&["a.example"], Kind::Server);
    for versions in [Versions::Tls12, Versions::Tls13] {
        for (name, status, fault) in BREAKS {
            let serving = Serving::with(&identity, versions, None, &[]);
            let server = FaultyTls::start(serving, fault());
            let is_silent = matches!(fault(), Fault::Silent);
            let daemon = start(&root, server.address(), ASKS, if is_silent { "1s" } else { LONG });
            let begun = Instant::now();
            let mut client = daemon.client();
            client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
            let answer = client.try_response("GET");
            let told = answer.map_or(0, |answer| {
                let ours = answer.header("x-origin").is_none();
                assert_eq!(ours, answer.status != 200, "{name}, {versions:?}: {answer:?}");
                answer.status
            });
            assert_eq!(told, *status, "{name}, {versions:?}: {}", daemon.log());
            assert!(begun.elapsed() < Duration::from_secs(10), "{name}, {versions:?}");
            if *status == 200 {
                // Whatever came behind the answer is nobody's. Its end may come a moment after the next request.
                eventually("another connection", || {
                    let again = daemon.client().get("/");
                    assert!(matches!(again.status, 200 | 502), "{name}, {versions:?}: {again:?}");
                    (server.accepted() >= 2).then_some(())
                });
            }
            eventually("nothing is left", || (daemon.count("app", "app1", "scur") == 0).then_some(()));
        }
    }
}
