//! What servers and the access log are told of the certificates that clients show.

use std::fs;
use std::net::SocketAddr;

use harness::frames::hpack::encode;
use harness::frames::{self, Frame, Peer, bytes, request_fields};
use harness::origin::http::Origin;
use harness::stream::Stream;
use harness::tls::{Authority, Dialer, Identity, Kind, Versions};
use harness::{Client, Config, Daemon, Start, eventually};

const END_HEADERS_AND_STREAM: u8 = 1;

/// What clients send in the hope that it is believed.
const LIES: [(&str, &str); 4] =
    [("x-cn", "admin"), ("X-Verify", "SUCCESS"), ("client-cert", ":AAAA:"), ("X-SERIAL", "01")];

struct World {
    daemon: Daemon,
    origin: Origin,
    root: Authority,
    /// Of somebody who has a line end in the name.
    client: Identity,
}

impl World {
    fn new(log: &str) -> Self {
        let (root, origin) = (Authority::new("root"), Origin::start("app1"));
        let client = root.with(&["some/one\r\nX-CN: admin"], Kind::Client, |params| {
            params.subject_alt_names = vec![];
        });
        let bind = |tls: &str| {
            let plain = if tls.is_empty() {
                String::new()
            } else {
                format!(r#", tls: (certificates: ["site.pem"], {tls})"#)
            };
            format!(r#"bind: [(address: "127.0.0.1:0"{plain})], default_backend: "app""#)
        };
        let config = Config::new()
            .global(r#"workers: 1, log: [(target: file("access"))]"#)
            .defaults(&format!(
                r#"log: (format: {log}), client_cert_headers: [(name: "X-CN", field: subject_cn),
                    (name: "X-Verify", field: verify), (name: "Client-Cert", field: rfc9440),
                    (name: "X-Serial", field: serial), (name: "X-Issuer", field: issuer)]"#
            ))
            .frontend("required", &bind(r#"client_certs: (ca: "root.pem")"#))
            .frontend("optional", &bind(r#"client_certs: (ca: "root.pem", verify: optional)"#))
            .frontend("clear", &bind(""))
            .backend("app", "")
            .server("app1", origin.addr(), "");
        let start = Start::new(&config);
        root.issue(&["a.example"], Kind::Server).write(start.dir(), "site.pem");
        root.write(start.dir(), "root.pem");
        Self { daemon: start.run(), origin, root, client }
    }

    fn at(&self, frontend: &str) -> SocketAddr {
        self.daemon.listener(frontend)
    }

    fn showing(&self) -> Dialer {
        Dialer::with(&self.root, Versions::Both, Some(&self.client))
    }

    fn anonymous(&self) -> Dialer {
        Dialer::trusting(&self.root)
    }

    /// A request with lies over a connection.
    fn ask(client: &mut Client) {
        let lies = LIES.map(|(name, value)| format!("{name}: {value}\r\n")).concat();
        client.send(format!("GET /a HTTP/1.1\r\nHost: a.example\r\n{lies}\r\n"));
        assert_eq!(client.response("GET").status, 200);
    }

    /// The same over HTTP/2.
    fn ask_h2(&self, dialer: &Dialer, frontend: &str) {
        let session = dialer.connect(self.at(frontend), "a.example").unwrap();
        assert_eq!(session.alpn().as_deref(), Some("h2"));
        let mut peer = Peer::new(Stream::Tls(Box::new(session)));
        peer.send([frames::PREFACE, &Frame::settings(&[]).bytes()].concat());
        for stream in [1, 3] {
            let mut fields = secure_fields("a.example");
            fields.extend(LIES.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())));
            peer.send(bytes(&Frame::head(END_HEADERS_AND_STREAM, stream, &encode(&fields))));
            assert_eq!(peer.answer(stream).status(), Some(200));
        }
    }

    /// What the last request told the server, in the order of the headers.
    fn told(&self) -> Vec<(String, String)> {
        let requests = self.origin.requests();
        let ours = ["x-cn", "x-verify", "client-cert", "x-serial", "x-issuer"];
        let fields = &requests.last().unwrap().head.fields;
        let told = fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        told.filter(|(name, _)| ours.contains(&name.as_str())).collect()
    }

    fn log(&self, count: usize) -> Vec<String> {
        eventually("the access log", || {
            let text = fs::read_to_string(self.daemon.dir().join("access")).unwrap_or_default();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            (lines.len() >= count).then_some(lines)
        })
    }
}

/// The fields of a request over TLS to that host.
fn secure_fields(host: &str) -> Vec<(String, String)> {
    let mut fields = request_fields("GET", "/a");
    for (name, value) in &mut fields {
        match name.as_str() {
            ":authority" => *value = host.into(),
            ":scheme" => *value = "https".into(),
            _ => {}
        }
    }
    fields
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().concat()
}

const FORMAT: &str = "\"%f %[ssl_c_used] %[ssl_c_verify] %[ssl_c_s_dn(CN)] %[ssl_c_s_dn] %[ssl_c_i_dn(cn)] %[ssl_c_i_dn] \
                      %[ssl_c_serial,hex] %[ssl_c_notbefore] %[ssl_c_notafter]\"";

#[test]
fn servers_are_told_who_showed_a_certificate_and_believe_nobody_else() {
    let world = World::new(FORMAT);
    let none = vec![("x-verify".to_owned(), "NONE".to_owned())];
    let mut said = Vec::new();
    for frontend in ["required", "optional"] {
        let mut client = world.showing().client(world.at(frontend), "a.example").unwrap();
        for _ in 0..2 {
            World::ask(&mut client);
            said.push(world.told());
        }
        world.ask_h2(&world.showing().alpn(&["h2"]), frontend);
        said.push(world.told());
    }
    let first = &said[0];
    let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x-cn", "x-verify", "client-cert", "x-serial", "x-issuer"]);
    assert_eq!(first[0].1, "some/one\\0D\\0AX-CN: admin");
    assert_eq!(first[1].1, "SUCCESS");
    assert!(
        first[2].1.len() > 200 && first[2].1.starts_with(":MII") && first[2].1.ends_with(':'),
        "{first:?}"
    );
    assert!(first[4].1.ends_with("/CN=root"), "{first:?}");
    assert!(said.iter().all(|other| other == first), "{said:#?}");

    World::ask(&mut world.anonymous().client(world.at("optional"), "a.example").unwrap());
    assert_eq!(world.told(), none);
    world.ask_h2(&world.anonymous().alpn(&["h2"]), "optional");
    assert_eq!(world.told(), none);
    World::ask(&mut Client::tcp(world.at("clear")));
    assert_eq!(world.told(), none);
    // Nor does anybody say it behind a body.
    let mut client = Client::tcp(world.at("clear"));
    client.send("POST /a HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n");
    client.send("X-Cn: admin\r\nX-Sum: 7\r\n\r\n");
    assert_eq!(client.response("POST").status, 200);
    let mut peer = Peer::client(world.at("clear"));
    peer.send(frames::post(1, "/a"));
    peer.send(Frame::data(0, 1, "a").bytes());
    let trailers = [("x-cn", "admin"), ("x-sum", "7")].map(|(name, value)| (name.into(), value.into()));
    peer.send(bytes(&Frame::head(END_HEADERS_AND_STREAM, 1, &encode(&trailers))));
    assert_eq!(peer.answer(1).status(), Some(200));
    for request in world.origin.requests().iter().rev().take(2) {
        let names: Vec<_> = request.body.trailers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        assert_eq!(names, ["x-sum"]);
    }

    // Resumed sessions have the certificate of the first.
    let dialer = world.showing().resuming();
    for resumed in [false, true] {
        let session = dialer.connect(world.at("required"), "a.example").unwrap();
        assert_eq!(session.resumed(), resumed);
        World::ask(&mut Client::over(Stream::Tls(Box::new(session))));
        assert_eq!(world.told(), *first);
    }

    let lines = world.log(16);
    let serial = &first[3].1;
    let shown = format!(
        "required 1 0 some/one#0D#0AX-CN: admin /CN=some/one#0D#0AX-CN: admin root {} {serial} 750101000000Z \
         960101000000Z",
        first[4].1
    );
    assert_eq!(lines[0], shown);
    assert!(lines.contains(&"optional 0 0 - - - - - - -".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"clear - - - - - - - - -".to_owned()), "{lines:#?}");
}

#[test]
fn json_tells_of_a_certificate() {
    let world = World::new("json");
    World::ask(&mut world.showing().client(world.at("optional"), "a.example").unwrap());
    let told = world.told();
    let (serial, issuer) = (&told[3].1, &told[4].1);
    World::ask(&mut world.anonymous().client(world.at("optional"), "a.example").unwrap());
    let lines = world.log(2);
    let suite = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13().unwrap();
    let digest = hexadecimal(suite.common.hash_provider.hash(&world.client.chain()[0]).as_ref());
    let client = format!(
        r#""client":{{"subject":"/CN=some/one\u000D\u000AX-CN: admin","issuer":"{issuer}","serial":"{serial}","sha256":"{digest}"}}}},"#
    );
    assert!(lines[0].contains(&client), "{} {client}", lines[0]);
    assert!(lines[1].contains(r#""client":null},"#), "{}", lines[1]);
}

#[test]
fn a_stream_for_another_host_is_misdirected_and_harms_no_other() {
    let world = World::new(FORMAT);
    let over = |dialer: &Dialer, frontend: &str| {
        let session = dialer.connect(world.at(frontend), "a.example").unwrap();
        let mut peer = Peer::new(Stream::Tls(Box::new(session)));
        peer.send([frames::PREFACE, &Frame::settings(&[]).bytes()].concat());
        peer
    };
    let ask = |peer: &mut Peer, stream: u32, fields: Vec<(String, String)>| {
        peer.send(bytes(&Frame::head(END_HEADERS_AND_STREAM, stream, &encode(&fields))));
        peer.answer(stream).status()
    };
    for (at, frontend) in ["required", "optional"].into_iter().enumerate() {
        let mut peer = over(&world.showing().alpn(&["h2"]), frontend);
        assert_eq!(ask(&mut peer, 1, secure_fields("a.example")), Some(200));
        assert_eq!(ask(&mut peer, 3, secure_fields("b.example")), Some(421), "{frontend}");
        // A port and the letters' case make no other host.
        assert_eq!(ask(&mut peer, 5, secure_fields("A.EXAMPLE:443")), Some(200));
        let mut nameless = secure_fields("a.example");
        nameless.retain(|(name, _)| name != ":authority");
        nameless.push(("host".into(), "b.example".into()));
        assert_eq!(ask(&mut peer, 7, nameless), Some(421));
        assert!(peer.goaway.is_none() && peer.violations.is_empty(), "{:?}", peer.violations);
        assert_eq!(world.origin.hits(), 2 * (at + 1), "no server heard of them");
        assert_eq!(world.daemon.count(frontend, "FRONTEND", "ereq"), 2);
    }
    let mut peer = over(&world.anonymous().alpn(&["h2"]), "optional");
    assert_eq!(
        ask(&mut peer, 1, secure_fields("b.example")),
        Some(200),
        "nothing was shown, nothing to misuse"
    );
    assert!(world.log(9).iter().any(|line| line.starts_with("required 1 ")));
}
