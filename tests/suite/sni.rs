//! TLS that passes through, to the backend of the host its client asks for.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use harness::origin::Refusing;
use harness::origin::http::Origin;
use harness::origin::tcp::Tcp;
use harness::stream::{Address, Stream};
use harness::tls::hello::{Hello, byte_by_byte, name_list, one_byte_records, record, records};
use harness::tls::{Authority, Dialer, Identity, Kind, Serving, Versions, alert};
use harness::{Client, Config, Daemon, Start, eventually};
use rustls::AlertDescription;

const ROUTES: &str = r#"routes: [
    (when: sni("api.example.com"), to: "api"),
    (when: sni("*.example.com", "example.com"), to: "sites"),
]"#;

/// Frontend `web` with routes to `api` and `sites`, and these fields.
fn config(fields: &str, api: impl Into<Address>, sites: impl Into<Address>) -> Config {
    Config::new()
        .global("log: [(target: stderr)]")
        .defaults("mode: tcp")
        .frontend("web", &format!("{ROUTES}, {fields}"))
        .backend("api", "")
        .server("api1", api, "")
        .backend("sites", "")
        .server("site1", sites, "")
}

/// Behind `config`: the rest goes to a server that says its name, with which no TLS gets far.
fn with_rest(api: &Tcp, sites: &Tcp, rest: &Tcp) -> Daemon {
    with_rest_in(api, sites, rest, "30s")
}

/// The same, where a hello has so long.
fn with_rest_in(api: &Tcp, sites: &Tcp, rest: &Tcp, time: &str) -> Daemon {
    let fields = format!("default_backend: \"rest\", timeouts: (client_hello: {time:?})");
    let config = config(&fields, api.address(), sites.address());
    Daemon::start(&config.backend("rest", "").server("rest1", rest.address(), ""))
}

/// What comes back for these bytes.
fn answer(daemon: &Daemon, bytes: &[u8]) -> Vec<u8> {
    let mut client = daemon.client();
    client.send(bytes);
    client.half_close();
    client.read_to_end()
}

/// An alert, as it stands in its record.
fn fatal(alert: AlertDescription) -> Vec<u8> {
    vec![21, 3, 3, 0, 2, 2, u8::from(alert)]
}

#[test]
fn hosts_have_their_backends_and_tls_its_ends() {
    let root = Authority::new("root");
    let serve = |name| Serving::new(&root.issue(&[name], Kind::Server));
    let (api, sites) = (serve("api.example.com"), serve("*.example.com"));
    let (api1, site1) = (Origin::tls("api1", &api), Origin::tls("site1", &sites));
    let daemon = Daemon::start(&config("", api1.address(), site1.address()));
    let web = daemon.listener("web");
    for versions in [Versions::Tls12, Versions::Tls13] {
        let dialer = Dialer::with(&root, versions, None);
        for (host, origin) in
            [("api.example.com", "api1"), ("www.example.com", "site1"), ("API.EXAMPLE.COM", "api1")]
        {
            let mut client = dialer.client(web, host).unwrap();
            assert_eq!(client.get("/").origin(), origin, "{host}");
            assert_eq!(client.get("/bytes/300000").body.len, 300_000);
        }
    }
    assert_eq!(api.seen()[0].name.as_deref(), Some("api.example.com"));
    eventually("sessions end", || (daemon.count("web", "FRONTEND", "scur") == 0).then_some(()));
    assert_eq!(daemon.count("api", "BACKEND", "stot"), 4);
    assert_eq!(daemon.count("sites", "BACKEND", "stot"), 2);
    assert_eq!(daemon.count("sites", "site1", "bout"), daemon.count("sites", "BACKEND", "bout"));
    daemon.logged(" web api/api1 ");
    daemon.logged(" web sites/site1 ");
}

#[test]
fn a_hello_may_come_in_any_pieces_and_arrives_as_it_was() {
    let root = Authority::new("root");
    let (api, sites) =
        (Serving::new(&root.issue(&["api.example.com"], Kind::Server)), Origin::start("sites"));
    let api1 = Origin::tls("api1", &api);
    let daemon = Daemon::start(&config("", api1.address(), sites.address()));
    let dialer = Dialer::trusting(&root);
    let web = daemon.listener("web");
    for pieces in [byte_by_byte, one_byte_records] {
        assert!(dialer.connect_with(web, "api.example.com", pieces).is_ok());
    }
    assert!(dialer.fragments(40).connect(web, "api.example.com").is_ok());
    let echo = Tcp::echo();
    let daemon = Daemon::start(&config("", echo.address(), sites.address()));
    let hello = Hello { padding: 10_000, ..Hello::of("api.example.com") };
    for bytes in [hello.records(), [records(&hello.message(), 99), b"and more".to_vec()].concat()] {
        assert_eq!(answer(&daemon, &bytes), bytes);
    }
    let counted = daemon.count("web", "FRONTEND", "bin");
    assert_eq!(counted, daemon.count("api", "BACKEND", "bin"), "what was read early is counted, too");
}

#[test]
fn what_fits_no_route_goes_to_the_default_backend() {
    let (api, sites, rest) = (Tcp::named("api"), Tcp::named("sites"), Tcp::named("rest"));
    let daemon = with_rest(&api, &sites, &rest);
    for bytes in [
        b"GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n".to_vec(),
        b"S".to_vec(),
        Hello::nameless().records(),
        Hello::of("192.0.2.1").records(),
        Hello::of("a.b.example.com").records(),
        Hello::of("xapi.example.org").records(),
        Hello::of("com").records(),
    ] {
        assert_eq!(
            answer(&daemon, &bytes),
            [b"rest\n", &bytes[..]].concat(),
            "{:?}",
            bytes.escape_ascii().to_string()
        );
    }
    for (host, name) in [("api.example.com.", "api"), ("example.com", "sites"), ("WWW.example.com", "sites")]
    {
        let bytes = Hello::of(host).records();
        assert_eq!(answer(&daemon, &bytes), [name.as_bytes(), b"\n", &bytes].concat(), "{host}");
    }
    assert_eq!(daemon.count("web", "FRONTEND", "ereq"), 0);
}

#[test]
fn without_a_default_backend_the_rest_is_denied() {
    let (api, sites) = (Tcp::named("api"), Tcp::named("sites"));
    let daemon = Daemon::start(&config("", api.address(), sites.address()));
    let unknown = AlertDescription::UnrecognisedName;
    let refused = Dialer::blind().connect(daemon.listener("web"), "www.example.org").unwrap_err();
    assert_eq!(alert(&refused), Some(unknown));
    assert_eq!(answer(&daemon, &Hello::nameless().records()), fatal(unknown));
    assert_eq!(answer(&daemon, b"GET / HTTP/1.1\r\n\r\n"), b"");
    assert_eq!(daemon.count("web", "FRONTEND", "dcon"), 3);
    daemon.logged("no route takes it");
    daemon.logged(" web web/<NOSRV> ");
    assert_eq!(api.service().accepted() + sites.service().accepted(), 0);
}

#[test]
fn what_is_no_sound_hello_reaches_no_server() {
    let (api, sites, rest) = (Tcp::named("api"), Tcp::named("sites"), Tcp::named("rest"));
    let daemon = with_rest(&api, &sites, &rest);
    let two = vec![name_list(&[b"api.example.com"]), name_list(&[b"www.example.com"])];
    let label = "a".repeat(64) + ".example.com";
    let wrong = [
        Hello::of(b"api.example.com\0.evil.example").records(),
        Hello::of(b"api.example.com\0").records(),
        Hello::of("a..example.com").records(),
        Hello::of(".example.com").records(),
        Hello::of("api.example.com..").records(),
        Hello::of([b'a'; 255]).records(),
        Hello::of(label).records(),
        Hello::of(b"\xff.example.com").records(),
        Hello::of("api.example.com\r\nevil: 1").records(),
        Hello::of("").records(),
        Hello { names: two, ..Hello::nameless() }.records(),
        Hello { names: vec![name_list(&[b"api.example.com", b"www.example.com"])], ..Hello::nameless() }
            .records(),
        Hello { padding: 20_000, ..Hello::of("api.example.com") }.records(),
        [record(22, &Hello::of("api.example.com").message()[..30]), record(22, &[])].concat(),
        [record(22, &Hello::of("api.example.com").message()[..30]), record(23, b"early")].concat(),
        record(22, &[2, 0, 0, 0]),
        b"\x16\x03\x01\xff\xff\x01".to_vec(),
    ];
    for bytes in &wrong {
        let alert = fatal(AlertDescription::DecodeError);
        let mut client = daemon.client();
        client.send(bytes);
        assert_eq!(client.read_to_end(), alert, "{:?}", bytes.escape_ascii().to_string());
    }
    assert_eq!(daemon.count("web", "FRONTEND", "ereq"), wrong.len() as u64);
    assert_eq!([&api, &sites, &rest].map(|it| it.service().accepted()), [0; 3]);
    let log = daemon.logged("a server name that is no host name");
    assert!(!log.contains("evil"), "what a stranger wrote is not in the log: {log}");
}

#[test]
fn a_hello_has_its_time_however_it_drips() {
    let (api, sites, rest) = (Tcp::named("api"), Tcp::named("sites"), Tcp::named("rest"));
    let daemon = with_rest_in(&api, &sites, &rest, "3s");
    let start = Instant::now();
    let mut silent = daemon.client();
    let mut dripping = daemon.client();
    let hello = Hello { padding: 1000, ..Hello::of("api.example.com") }.records();
    let mut sent = 0;
    while dripping.try_send(&hello[sent..=sent]).is_ok() {
        sent += 1;
        harness::pause(Duration::from_millis(20));
        assert!(start.elapsed() < Duration::from_secs(15), "a drip goes on");
    }
    assert_eq!(silent.read_to_end(), b"");
    assert!(start.elapsed() >= Duration::from_secs(3));
    // Who leaves early is told of as well, but not who never spoke.
    let mut leaving = daemon.client();
    leaving.send(&hello[..50]);
    leaving.half_close();
    assert_eq!(leaving.read_to_end(), b"");
    let mut mute = daemon.client();
    mute.half_close();
    assert_eq!(mute.read_to_end(), b"");
    daemon.logged("did not come in time");
    daemon.logged("ends early");
    eventually("all are counted", || (daemon.count("web", "FRONTEND", "ereq") == 3).then_some(()));
    assert_eq!([&api, &sites, &rest].map(|it| it.service().accepted()), [0; 3]);
}

#[test]
fn another_server_gets_the_same_hello() {
    let (refusing, echo) = (Refusing::new(), Tcp::echo());
    let config = config("", refusing.address(), echo.address());
    let text = config.render().replace(
        &format!(r#"address: "{}", )"#, refusing.address()),
        &format!(r#"address: "{}"), (name: "api2", address: "{}")"#, refusing.address(), echo.address()),
    );
    let daemon = Start::text(&text).run();
    let bytes = Hello::of("api.example.com").records();
    for _ in 0..4 {
        assert_eq!(answer(&daemon, &bytes), bytes);
    }
    assert_eq!(daemon.count("api", "api2", "bin"), 4 * bytes.len() as u64);
}

#[test]
fn a_host_chooses_where_tls_ends_as_well() {
    let root = Authority::new("root");
    let (api, sites, rest) = (Tcp::named("api"), Tcp::named("sites"), Tcp::named("rest"));
    let bind = r#"bind: [(address: "127.0.0.1:0", tls: (certificates: ["site.pem"]))]"#;
    let both = config(bind, api.address(), sites.address())
        .frontend("else", &format!(r#"{ROUTES}, {bind}, default_backend: "rest""#))
        .backend("rest", "")
        .server("rest1", rest.address(), "");
    let start = Start::new(&both);
    let names = ["api.example.com", "*.example.com", "www.example.org"];
    root.issue(&names, Kind::Server).write(start.dir(), "site.pem");
    let daemon = start.run();
    let dialer = Dialer::trusting(&root);
    for (frontend, host, name) in [
        ("web", "api.example.com", "api\n"),
        ("web", "www.example.com", "sites\n"),
        ("else", "api.example.com", "api\n"),
        ("else", "www.example.org", "rest\n"),
    ] {
        let mut client = dialer.client(daemon.listener(frontend), host).unwrap();
        assert_eq!(client.read_until("\n"), name.as_bytes(), "{frontend} {host}");
        client.send("ping");
        assert_eq!(client.read_exactly(4), b"ping");
    }
    let mut nameless = dialer.without_sni().client(daemon.listener("else"), "www.example.com").unwrap();
    assert_eq!(nameless.read_until("\n"), b"rest\n");
    let mut lost = Dialer::trusting(&root).client(daemon.listener("web"), "www.example.org").unwrap();
    assert_eq!(lost.stream().read(&mut [0]).unwrap_or(0), 0, "nothing in clear is written into TLS");
    eventually("it is counted", || (daemon.count("web", "FRONTEND", "dcon") == 1).then_some(()));
}

#[test]
fn a_connection_goes_on_behind_its_hello() {
    let origin = Tcp::start(|mut stream, _| {
        let mut hello = vec![0; Hello::of("api.example.com").records().len()];
        stream.read_exact(&mut hello).ok();
        stream.write_all(b"hello yourself").ok();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).ok();
        stream.write_all(format!("got {}", all.len()).as_bytes()).ok();
    });
    let daemon = Daemon::start(&config("", origin.address(), origin.address()));
    let mut client = Client::tcp(daemon.listener("web"));
    client.send(Hello::of("api.example.com").records());
    assert_eq!(client.read_until("yourself"), b"hello yourself");
    client.send(vec![b'x'; 500_000]);
    client.half_close();
    assert_eq!(client.read_to_end(), b"got 500000");
}

#[test]
fn certificates_are_replaced_beside_routes() {
    let root = Authority::new("root");
    let names = ["api.example.com", "www.example.com"];
    let (old, new) = (root.issue(&names, Kind::Server), root.issue(&names, Kind::Server));
    let (api, sites) = (Tcp::named("api"), Tcp::named("sites"));
    let bind = r#"bind: [(address: "127.0.0.1:0", tls: (certificates: ["certs/"]))]"#;
    let config = config(bind, api.address(), sites.address()).frontend("past", ROUTES);
    let start = Start::new(&config);
    let certs = start.dir().join("certs");
    std::fs::create_dir(&certs).unwrap();
    old.write(&certs, "site.pem");
    let daemon = start.run();
    let dialer = Dialer::trusting(&root);
    let goes_right = |shown: &Identity| {
        for (host, name) in [("api.example.com", "api\n"), ("www.example.com", "sites\n")] {
            let session = dialer.connect(daemon.listener("web"), host).unwrap();
            assert_eq!(session.peer()[0], shown.chain()[0]);
            let mut client = Client::over(Stream::Tls(Box::new(session)));
            assert_eq!(client.read_until("\n"), name.as_bytes(), "{host}");
            let hello = Hello::of(host).records();
            let mut past = Client::tcp(daemon.listener("past"));
            past.send(&hello);
            past.half_close();
            assert_eq!(past.read_to_end(), [name.as_bytes(), &hello].concat(), "what passes through");
        }
        assert!(dialer.connect(daemon.listener("past"), "www.example.org").is_err(), "no route takes it");
    };
    goes_right(&old);
    let mut standing = dialer.client(daemon.listener("web"), "api.example.com").unwrap();
    assert_eq!(standing.read_until("\n"), b"api\n");

    std::fs::write(certs.join("other.pem"), "nonsense").unwrap();
    new.write(&certs, "site.pem");
    assert!(daemon.admin("reload ssl certs").starts_with("Nothing was changed:"));
    goes_right(&old);
    std::fs::remove_file(certs.join("other.pem")).unwrap();
    assert!(daemon.admin("reload ssl certs").starts_with("Reloaded: 1 changed, 0 added, 0 removed"));
    goes_right(&new);
    standing.send("ping");
    assert_eq!(standing.read_exactly(4), b"ping", "what stands goes on");
    assert_eq!(daemon.admin("show ssl cert").trim_end(), "# filename\ncerts/site.pem");
    let details = daemon.admin("show ssl cert certs/site.pem");
    assert!(
        details.contains("Subject Alternative Name: DNS:api.example.com, DNS:www.example.com\n"),
        "{details}"
    );
}
