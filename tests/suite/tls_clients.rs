//! TLS clients of every kind, good and bad: what each is told, what is counted, and that no server hears of those who
//! are refused.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;

use harness::origin::http::Origin;
use harness::tls::hello::{Hello, byte_by_byte, name_list, one_byte_records, record, records};
use harness::tls::{Authority, Dialer, Identity, Kind, Session, Versions, alert};
use harness::{Client, Config, Daemon, Start, eventually};
use rustls::{AlertDescription, CipherSuite};

/// A daemon with a frontend for each way to ask for TLS, and all who vouch for somebody.
struct World {
    daemon: Daemon,
    origin: Origin,
    root: Authority,
    /// Certificates of the frontends, by what a verdict calls them.
    shown: Vec<(&'static str, Identity)>,
    client: Identity,
    revoked: Identity,
    /// Requests with an answer of a server.
    answered: Cell<usize>,
}

impl World {
    fn new() -> Self {
        let (root, origin) = (Authority::new("root"), Origin::start("app1"));
        let shown = vec![
            ("default", root.issue(&["default.example"], Kind::Rsa)),
            ("a-ecdsa", root.issue(&["a.example", "b.example"], Kind::Server)),
            ("a-rsa", root.issue(&["a.example", "b.example"], Kind::Rsa)),
            ("wild", root.below("between").issue(&["*.w.example"], Kind::Server)),
        ];
        let (client, revoked) = (root.issue(&["someone"], Kind::Client), root.issue(&["gone"], Kind::Client));
        let bind = |settings: &str| {
            format!(
                r#"bind: [(address: "127.0.0.1:0", tls: (certificates: ["certs/"], {settings}))], default_backend: "app""#
            )
        };
        let config = Config::new()
            .global(r#"metrics: (bind: "127.0.0.1:0")"#)
            .frontend("web", &bind(""))
            .frontend("strict", &bind("strict_sni: true"))
            .frontend("required", &bind(r#"client_certs: (ca: "root.pem", crl: "crl.pem")"#))
            .frontend("optional", &bind(r#"client_certs: (ca: "root.pem", verify: optional)"#))
            .frontend("only12", &bind("max_version: tls12"))
            .frontend("only13", &bind("min_version: tls13"))
            .backend("app", "")
            .server("app1", origin.addr(), "");
        let start = Start::new(&config);
        fs::create_dir(start.dir().join("certs")).unwrap();
        for (number, (name, identity)) in shown.iter().enumerate() {
            identity.write(start.dir(), &format!("certs/{number}-{name}.pem"));
        }
        root.write(start.dir(), "root.pem");
        fs::write(start.dir().join("crl.pem"), root.revocations(&[&revoked])).unwrap();
        Self { daemon: start.run(), origin, root, shown, client, revoked, answered: Cell::default() }
    }

    fn at(&self, frontend: &str) -> SocketAddr {
        self.daemon.listener(frontend)
    }

    fn dial(&self) -> Dialer {
        Dialer::trusting(&self.root)
    }

    fn only(&self, versions: Versions) -> Dialer {
        Dialer::with(&self.root, versions, None)
    }

    /// Clients that show this.
    fn showing(&self, versions: Versions, identity: &Identity) -> Dialer {
        Dialer::with(&self.root, versions, Some(identity))
    }

    /// What became of a connection, once it asked for something of this host.
    fn told(&self, session: io::Result<Session>, host: &str) -> String {
        let mut session = match session {
            Ok(session) => session,
            Err(error) => return said(&error),
        };
        let version = session.version().map_or("", |version| match version {
            rustls::ProtocolVersion::TLSv1_2 => "1.2",
            _ => "1.3",
        });
        let kind = if session.resumed() { "resumed" } else { "full" };
        let shown = session.peer().first().and_then(|first| {
            self.shown.iter().find(|(_, identity)| identity.chain()[0] == *first).map(|(name, _)| *name)
        });
        let shown = shown.unwrap_or("?");
        let alpn = session.alpn().map(|alpn| format!(" {alpn}")).unwrap_or_default();
        match self.ask(&mut session, host) {
            Ok(status) => format!("{status} {version} {kind} {shown}{alpn}"),
            Err(error) => said(&error),
        }
    }

    /// One request and the status of its answer.
    fn ask(&self, session: &mut Session, host: &str) -> io::Result<u16> {
        session.write_all(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())?;
        let head = harness::wire::Reader::new(&mut *session).head()?;
        let head = head.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.answered.set(self.answered.get() + usize::from(head.get("x-origin").is_some()));
        head.word(1).parse().map_err(io::Error::other)
    }

    /// A connection that is made, and used for the host it was made for.
    fn connect(&self, dialer: &Dialer, frontend: &str, host: &str) -> String {
        self.told(dialer.connect(self.at(frontend), host), host)
    }

    /// The second of two of these, for hosts and frontends of their own.
    fn again(&self, dialer: &Dialer, (first, host): (&str, &str), (second, other): (&str, &str)) -> String {
        let mut session = dialer.connect(self.at(first), host).unwrap();
        assert_eq!(self.ask(&mut session, host).unwrap(), 200, "the first of two");
        self.connect(dialer, second, other)
    }

    /// What comes back for bytes.
    fn raw(&self, frontend: &str, bytes: &[u8]) -> String {
        let mut client = Client::tcp(self.at(frontend));
        // A server that has seen enough does not read the rest.
        client.try_send(bytes).ok();
        client.stream().end().ok();
        let answer = client.read_to_end();
        match answer.as_slice() {
            [] => "closed".into(),
            [21, _, _, _, _, 2, description, ..] => {
                format!("alert {:?}", AlertDescription::from(*description))
            }
            [22, ..] => "hello".into(),
            _ => String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or("?").into(),
        }
    }

    /// Handshakes of a frontend that failed, by their reasons.
    fn failures(&self, frontend: &str) -> BTreeMap<String, u64> {
        let text = harness::client::get(self.at("GLOBAL"), "/metrics").text();
        let head = format!("proxyd_tls_failures_total{{proxy=\"{frontend}\",reason=\"");
        let lines = text.lines().filter_map(|line| line.strip_prefix(&head)?.split_once("\"} "));
        lines.map(|(reason, count)| (reason.to_owned(), count.parse().unwrap())).collect()
    }
}

fn said(error: &io::Error) -> String {
    match (alert(error), harness::tls::session::tls_error(error)) {
        (Some(alert), _) => format!("alert {alert:?}"),
        (None, Some(_)) => "refused".into(),
        (None, None) => "closed".into(),
    }
}

/// Name, frontend, verdict, what is counted, and what is done.
type Case = (&'static str, &'static str, &'static str, Option<&'static str>, fn(&World) -> String);

const CASES: &[Case] = &[
    ("both versions", "web", "200 1.3 full a-ecdsa", None, |w| w.connect(&w.dial(), "web", "a.example")),
    ("TLS 1.2", "web", "200 1.2 full a-ecdsa", None, |w| {
        w.connect(&w.only(Versions::Tls12), "web", "a.example")
    }),
    ("TLS 1.3", "web", "200 1.3 full a-ecdsa", None, |w| {
        w.connect(&w.only(Versions::Tls13), "web", "a.example")
    }),
    ("only RSA is understood", "web", "200 1.2 full a-rsa", None, |w| {
        let rsa = |suite| suite == CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
        w.connect(&Dialer::with_suites(&w.root, Versions::Tls12, &rsa), "web", "a.example")
    }),
    ("the other name of a certificate", "web", "200 1.3 full a-ecdsa", None, |w| {
        w.connect(&w.dial(), "web", "b.example")
    }),
    ("a wildcard, behind a chain", "web", "200 1.3 full wild", None, |w| {
        w.connect(&w.dial(), "web", "x.w.example")
    }),
    ("two labels for a wildcard", "web", "200 1.3 full default", None, |w| {
        w.connect(&Dialer::blind(), "web", "y.x.w.example")
    }),
    ("no label for a wildcard", "web", "200 1.3 full default", None, |w| {
        w.connect(&Dialer::blind(), "web", "w.example")
    }),
    ("an unknown name", "web", "200 1.3 full default", None, |w| {
        w.connect(&Dialer::blind(), "web", "c.example")
    }),
    ("an unknown name, and a client that looks", "web", "refused", Some("alert"), |w| {
        w.connect(&w.dial(), "web", "c.example")
    }),
    ("no name", "web", "200 1.3 full default", None, |w| {
        w.connect(&Dialer::blind().without_sni(), "web", "a.example")
    }),
    ("strict: a known name", "strict", "200 1.3 full a-ecdsa", None, |w| {
        w.connect(&w.dial(), "strict", "a.example")
    }),
    ("strict: an unknown name", "strict", "alert AccessDenied", Some("name"), |w| {
        w.connect(&Dialer::blind(), "strict", "c.example")
    }),
    ("strict: no name", "strict", "alert AccessDenied", Some("name"), |w| {
        w.connect(&Dialer::blind().without_sni(), "strict", "a.example")
    }),
    ("no ALPN", "web", "200 1.3 full a-ecdsa", None, |w| w.connect(&w.dial(), "web", "a.example")),
    ("ALPN with one in common", "web", "200 1.3 full a-ecdsa http/1.1", None, |w| {
        w.connect(&w.dial().alpn(&["spdy/3", "http/1.1"]), "web", "a.example")
    }),
    ("ALPN with none in common", "web", "alert NoApplicationProtocol", Some("alpn"), |w| {
        w.connect(&w.dial().alpn(&["spdy/3"]), "web", "a.example")
    }),
    ("1.2 where 1.3 is wanted", "only13", "alert ProtocolVersion", Some("version"), |w| {
        w.connect(&w.only(Versions::Tls12), "only13", "a.example")
    }),
    ("1.3 where 1.2 is spoken", "only12", "alert ProtocolVersion", Some("version"), |w| {
        w.connect(&w.only(Versions::Tls13), "only12", "a.example")
    }),
    ("either where 1.2 is spoken", "only12", "200 1.2 full a-ecdsa", None, |w| {
        w.connect(&w.dial(), "only12", "a.example")
    }),
    ("a hello byte by byte", "web", "200 1.3 full a-ecdsa", None, |w| {
        w.told(w.dial().connect_with(w.at("web"), "a.example", byte_by_byte), "a.example")
    }),
    ("a hello in records of a byte", "web", "200 1.3 full a-ecdsa", None, |w| {
        w.told(w.dial().connect_with(w.at("web"), "a.example", one_byte_records), "a.example")
    }),
    ("small records all the way", "web", "200 1.2 full a-ecdsa", None, |w| {
        w.connect(&w.only(Versions::Tls12).fragments(40), "web", "a.example")
    }),
    ("a name with a NUL", "web", "alert IllegalParameter", Some("malformed"), |w| {
        w.raw("web", &Hello::of(b"a.example\0").records())
    }),
    ("a name of dots", "web", "alert IllegalParameter", Some("malformed"), |w| {
        w.raw("web", &Hello::of("..").records())
    }),
    ("a name of 255 bytes", "web", "alert IllegalParameter", Some("malformed"), |w| {
        w.raw("web", &Hello::of([b'a'; 255]).records())
    }),
    ("a name with a line end", "web", "alert IllegalParameter", Some("malformed"), |w| {
        w.raw("web", &Hello::of("a\r\nb").records())
    }),
    ("a name of 8-bit bytes", "web", "alert IllegalParameter", Some("malformed"), |w| {
        w.raw("web", &Hello::of(b"\xff.example").records())
    }),
    ("an empty name", "web", "alert DecodeError", Some("malformed"), |w| {
        w.raw("web", &Hello::of("").records())
    }),
    ("two names", "web", "alert DecodeError", Some("malformed"), |w| {
        w.raw(
            "web",
            &Hello { names: vec![name_list(&[b"a.example", b"b.example"])], ..Hello::nameless() }.records(),
        )
    }),
    ("two extensions with a name", "web", "alert IllegalParameter", Some("malformed"), |w| {
        let one = name_list(&[b"a.example"]);
        w.raw("web", &Hello { names: vec![one.clone(), one], ..Hello::nameless() }.records())
    }),
    ("a hello of 100 kB", "web", "closed", Some("malformed"), |w| {
        w.raw("web", &[record(22, &[1, 1, 0x86, 0xa0]), vec![0; 100]].concat())
    }),
    ("a record longer than there are", "web", "alert DecodeError", Some("malformed"), |w| {
        w.raw("web", b"\x16\x03\x01\xff\xff\x01")
    }),
    ("empty records without end", "web", "alert DecodeError", Some("malformed"), |w| {
        w.raw("web", &record(22, &[]).repeat(10_000))
    }),
    ("another message first", "web", "alert DecodeError", Some("malformed"), |w| {
        w.raw("web", &record(22, &[2, 0, 0, 0]))
    }),
    ("data first", "web", "alert UnexpectedMessage", Some("malformed"), |w| {
        w.raw("web", &record(23, b"GET / HTTP/1.1\r\n\r\n"))
    }),
    ("data in a hello", "web", "closed", Some("malformed"), |w| {
        let message = Hello::of("a.example").message();
        w.raw("web", &[records(&message[..40], 100), record(23, b"x"), records(&message[40..], 100)].concat())
    }),
    ("an unknown alert", "web", "closed", Some("alert"), |w| w.raw("web", &record(21, &[2, 200]))),
    ("an alert of the wrong length", "web", "alert DecodeError", Some("malformed"), |w| {
        w.raw("web", &record(21, &[2]))
    }),
    ("the end in a hello", "web", "closed", Some("closed"), |w| {
        w.raw("web", &Hello::of("a.example").records()[..40])
    }),
    ("HTTP in clear", "web", "400", Some("not_tls"), |w| {
        w.raw("web", b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
    }),
    ("SSL 2", "web", "alert DecodeError", Some("not_tls"), |w| {
        w.raw("web", b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10")
    }),
    ("TLS 1.0", "web", "alert HandshakeFailure", Some("parameters"), |w| {
        let mut message = vec![1, 0, 0, 43, 3, 1];
        message.extend([7; 32]);
        message.extend([0, 0, 4, 0, 0x2f, 0, 0x35, 1, 0]);
        w.raw("web", &records(&message, 100))
    }),
    ("required: none", "required", "alert CertificateRequired", Some("no_certificate"), |w| {
        w.connect(&w.dial(), "required", "a.example")
    }),
    ("required: none, in TLS 1.2", "required", "alert CertificateRequired", Some("no_certificate"), |w| {
        w.connect(&w.only(Versions::Tls12), "required", "a.example")
    }),
    ("required: a good one", "required", "200 1.3 full a-ecdsa", None, |w| {
        w.connect(&w.showing(Versions::Both, &w.client), "required", "a.example")
    }),
    ("required: a good one, in TLS 1.2", "required", "200 1.2 full a-ecdsa", None, |w| {
        w.connect(&w.showing(Versions::Tls12, &w.client), "required", "a.example")
    }),
    ("required: a revoked one", "required", "alert CertificateRevoked", Some("revoked"), |w| {
        w.connect(&w.showing(Versions::Both, &w.revoked), "required", "a.example")
    }),
    ("required: one that has expired", "required", "alert CertificateExpired", Some("expired"), |w| {
        w.connect(
            &w.showing(Versions::Both, &w.root.issue(&["someone"], Kind::ExpiredClient)),
            "required",
            "a.example",
        )
    }),
    ("required: one of somebody else", "required", "alert UnknownCA", Some("unknown_ca"), |w| {
        w.connect(
            &w.showing(Versions::Both, &Authority::new("other").issue(&["someone"], Kind::Client)),
            "required",
            "a.example",
        )
    }),
    ("required: one of nobody", "required", "alert UnknownCA", Some("unknown_ca"), |w| {
        w.connect(
            &w.showing(Versions::Both, &Identity::alone(&["someone"], Kind::Client)),
            "required",
            "a.example",
        )
    }),
    ("required: a server's", "required", "alert UnsupportedCertificate", Some("purpose"), |w| {
        w.connect(
            &w.showing(Versions::Both, &w.root.issue(&["someone"], Kind::Server)),
            "required",
            "a.example",
        )
    }),
    ("optional: none", "optional", "200 1.3 full a-ecdsa", None, |w| {
        w.connect(&w.dial(), "optional", "a.example")
    }),
    ("optional: a good one", "optional", "200 1.3 full a-ecdsa", None, |w| {
        w.connect(&w.showing(Versions::Both, &w.client), "optional", "a.example")
    }),
    ("optional: a bad one", "optional", "alert UnknownCA", Some("unknown_ca"), |w| {
        w.connect(
            &w.showing(Versions::Both, &Identity::alone(&["someone"], Kind::Client)),
            "optional",
            "a.example",
        )
    }),
    ("resumed", "web", "200 1.3 resumed a-ecdsa", None, |w| {
        w.again(&w.dial().resuming(), ("web", "a.example"), ("web", "a.example"))
    }),
    ("resumed in TLS 1.2", "web", "200 1.2 resumed a-ecdsa", None, |w| {
        w.again(&w.only(Versions::Tls12).resuming(), ("web", "a.example"), ("web", "a.example"))
    }),
    ("resumed with a certificate", "required", "200 1.3 resumed a-ecdsa", None, |w| {
        w.again(
            &w.showing(Versions::Both, &w.client).resuming(),
            ("required", "a.example"),
            ("required", "a.example"),
        )
    }),
    (
        "a ticket of where no certificate was asked for",
        "required",
        "alert CertificateRequired",
        Some("no_certificate"),
        |w| w.again(&w.dial().resuming(), ("web", "a.example"), ("required", "a.example")),
    ),
    ("the same in TLS 1.2", "required", "alert CertificateRequired", Some("no_certificate"), |w| {
        w.again(&w.only(Versions::Tls12).resuming(), ("web", "a.example"), ("required", "a.example"))
    }),
    (
        "a ticket of where it was optional",
        "required",
        "alert CertificateRequired",
        Some("no_certificate"),
        |w| w.again(&w.dial().resuming(), ("optional", "a.example"), ("required", "a.example")),
    ),
    ("a ticket of another host", "required", "200 1.3 full wild", None, |w| {
        w.again(
            &w.showing(Versions::Tls13, &w.client).resuming_anywhere(),
            ("required", "a.example"),
            ("required", "x.w.example"),
        )
    }),
    ("a ticket of another host, in TLS 1.2", "required", "200 1.2 full wild", None, |w| {
        w.again(
            &w.showing(Versions::Tls12, &w.client).resuming_anywhere(),
            ("required", "a.example"),
            ("required", "x.w.example"),
        )
    }),
    ("data in front of the handshake's end", "web", "200 1.3 resumed a-ecdsa", None, |w| {
        let dialer = w.dial().resuming().early();
        let told = w.again(&dialer, ("web", "a.example"), ("web", "a.example"));
        assert!(dialer.prepare("a.example").early_data().is_none(), "tickets allow no early data");
        told
    }),
    ("a request for another host, with a certificate", "required", "421 1.3 full a-ecdsa", None, |w| {
        w.told(w.showing(Versions::Both, &w.client).connect(w.at("required"), "a.example"), "b.example")
    }),
    ("the same on a session that is resumed", "required", "421 1.3 resumed a-ecdsa", None, |w| {
        let dialer = w.showing(Versions::Both, &w.client).resuming();
        w.again(&dialer, ("required", "a.example"), ("required", "a.example"));
        w.told(dialer.connect(w.at("required"), "a.example"), "b.example")
    }),
    ("a request for another host, without", "web", "200 1.3 full a-ecdsa", None, |w| {
        w.told(w.dial().connect(w.at("web"), "a.example"), "b.example")
    }),
];

#[test]
fn each_client_is_told_its_verdict() {
    let world = World::new();
    let mut wrong = Vec::new();
    for (name, frontend, verdict, reason, act) in CASES {
        let (hits, failures) = (world.origin.hits(), world.failures(frontend));
        let told = act(&world);
        if told != *verdict {
            wrong.push(format!("{name}: {told:?} rather than {verdict:?}"));
        }
        let mut expected = failures.clone();
        if let Some(reason) = reason {
            *expected.entry((*reason).to_owned()).or_default() += 1;
        }
        let mut counted = world.failures(frontend);
        for _ in 0..2000 {
            if counted == expected {
                break;
            }
            harness::pause(std::time::Duration::from_millis(10));
            counted = world.failures(frontend);
        }
        counted.retain(|reason, count| failures.get(reason) != Some(count));
        let counted: Vec<_> = counted.into_keys().collect();
        if counted != reason.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>() {
            wrong.push(format!("{name}: counted as {counted:?} rather than {reason:?}"));
        }
        let heard = world.origin.hits() - hits;
        if heard != world.answered.take() {
            wrong.push(format!("{name}: the server heard {heard} requests"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[test]
fn a_client_may_go_at_every_step() {
    let world = World::new();
    let (dialer, web) = (world.dial(), world.at("web"));
    let hello = dialer.hello("a.example");
    for cut in [1, 5, 6, 9, hello.len() / 2, hello.len() - 1, hello.len()] {
        let mut client = Client::tcp(web);
        client.send(&hello[..cut]);
        client.reset();
        let mut client = Client::tcp(web);
        client.send(&hello[..cut]);
        client.half_close();
        client.read_to_end();
    }
    // Behind the handshake: without a word, in a request, with a request whose answer nobody waits for.
    for sent in [&b""[..], b"GET / HTT", b"GET /slow/50 HTTP/1.1\r\nHost: a.example\r\n\r\n"] {
        let mut session = dialer.connect(web, "a.example").unwrap();
        session.write_all(sent).unwrap();
        session.truncate();
        let mut session = dialer.connect(web, "a.example").unwrap();
        session.write_all(sent).unwrap();
        session.socket().reset();
    }
    // A body that is cut without a word of TLS is not taken for the whole.
    let mut session = dialer.connect(web, "a.example").unwrap();
    let head = b"POST /echo HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    session.write_all(head).unwrap();
    session.truncate();
    drop(session);
    eventually("all have gone", || (world.daemon.count("web", "FRONTEND", "scur") == 0).then_some(()));
    assert_eq!(world.connect(&dialer, "web", "a.example"), "200 1.3 full a-ecdsa");
    assert!(
        world.origin.requests().iter().all(|request| request.method() == "GET"),
        "half a body reached the server as a whole one"
    );
}
