//! What is said about files: the exact text of each mistake in `tests/bad`, the examples, and texts of no meaning.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::check::{Expect, StatusRange, Target};
use super::report::{Paint, Severity};
use super::source::{FileSystem, Memory};
use super::table::{Data, KeyType};
use super::*;
use crate::hash::Function;

/// The certificate of the examples.
const CERTIFICATE: &str = include_str!("../../../examples/certs/localhost.pem");

fn load_text(text: &str) -> Result<Loaded, Report> {
    let mut source = Memory::default()
        .with("proxyd.ron", text)
        .with("examples/certs/localhost.pem", CERTIFICATE)
        .with("/etc/proxyd/certs/site.pem", CERTIFICATE)
        .with("hidden/.site.pem", CERTIFICATE)
        .with("hidden/site.key", CERTIFICATE);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/tests/pem");
    for path in FileSystem.folder(&folder).unwrap().unwrap() {
        let name = Path::new("pem").join(path.file_name().unwrap());
        source = source.with(name, std::fs::read(path).unwrap());
    }
    load(&source, &["proxyd.ron".into()])
}

fn load_whole(text: &str) -> Config {
    let loaded = load_text(text).unwrap_or_else(|report| panic!("{report}\n{text}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    loaded.config
}

fn report_of(text: &str) -> Report {
    load_text(text).map_or_else(|report| report, |loaded| loaded.warnings)
}

/// Paths of `*.ron` in a folder, and their texts.
fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let listed = FileSystem.list(&folder).unwrap();
    assert!(!listed.is_empty());
    listed.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// `INSTA_UPDATE=always cargo test -p proxyd config` accepts new texts; read each one first.
fn assert_said(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("tests/said");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn every_mistake_has_its_words() {
    let mistakes = files("src/config/tests/bad");
    assert!(mistakes.len() >= 40);
    for (path, text) in mistakes {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let report = report_of(&text);
        assert!(!report.is_empty(), "{name} is no mistake");
        assert_said(name, &report.to_string());
    }
}

#[test]
fn twelve_mistakes_of_one_file_are_told_at_once() {
    let report = report_of(include_str!("tests/bad/twelve.ron"));
    let places: Vec<_> =
        report.diagnostics().iter().map(|diagnostic| report.position(diagnostic.labels[0].span)).collect();
    assert_eq!(
        places,
        [
            (3, 9),
            (4, 49),
            (4, 61),
            (5, 25),
            (8, 29),
            (8, 40),
            (11, 29),
            (11, 64),
            (16, 22),
            (17, 31),
            (17, 48),
            (19, 41)
        ]
    );
}

#[test]
fn what_is_designed_and_not_built_is_told_by_name_and_place() {
    let report = report_of(include_str!("tests/direction.ron"));
    let told: Vec<String> = report
        .diagnostics()
        .iter()
        .map(|diagnostic| {
            assert_eq!(diagnostic.code, "not-supported-yet", "{report}");
            let (line, column) = report.position(diagnostic.labels[0].span);
            format!("{line}:{column} {}", diagnostic.message.trim_end_matches(" is not supported yet"))
        })
        .collect();
    assert_said("direction", &told.join("\n"));
}

#[test]
fn the_first_example_means_what_it_says() {
    let config = load_whole(include_str!("../../../examples/http.ron"));
    let [frontend] = config.frontends.as_slice() else { panic!("{config:?}") };
    assert_eq!((frontend.name.as_str(), frontend.mode), ("web", Mode::Http));
    assert_eq!(frontend.default_backend.as_deref(), Some("app"));
    assert_eq!(frontend.timeouts.client, Duration::from_secs(30));
    assert_eq!(config.backends[0].timeouts.tunnel, defaults::TUNNEL);
    let [backend] = config.backends.as_slice() else { panic!("{config:?}") };
    let check = backend.servers[0].check.as_ref().unwrap();
    assert_eq!(
        (check.timing.interval, check.timing.timeout),
        (Duration::from_secs(2), Duration::from_secs(2))
    );
    let CheckKind::Http(asked) = &check.kind else { panic!("{check:?}") };
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("GET", "/healthz"));
    assert_eq!(asked.expect, [Expect::Status(vec![StatusRange { first: 200, last: 399 }])]);
    let weights: Vec<_> = backend.servers.iter().map(|server| (server.weight, server.backup)).collect();
    assert_eq!(weights, [(100, false), (50, false), (100, true)]);
    assert_eq!(backend.retries.max, 3);
    assert_eq!(backend.retries.on, defaults::RETRY_ON.into_iter().collect());
    let [socket] = config.global.sockets.as_slice() else { panic!("{config:?}") };
    assert_eq!((socket.mode, socket.level), (0o600, Level::Admin));
    assert_eq!(config.global.metrics.as_ref().map(ToString::to_string).as_deref(), Some("127.0.0.1:8405"));
}

#[test]
fn every_example_is_fine_and_prints_as_what_it_is() {
    for (path, text) in files("../examples") {
        assert!(text.starts_with("// "), "{} does not say what it shows", path.display());
        let config = load_whole(&text);
        assert_eq!(load_whole(&to_ron(&config)), config, "{}", path.display());
    }
}

#[test]
fn tls_is_what_was_written() {
    let config = load_whole(
        r#"(
            frontends: [(name: "f", default_backend: "b",
                client_cert_headers: [(name: "X-CN", field: subject_cn), (name: "Client-Cert", field: rfc9440)],
                bind: [(
                address: ":1",
                tls: (
                    certificates: ["pem/good.pem", "examples/certs/"], min_version: tls12, max_version: tls12,
                    suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256], groups: [p384, x25519], strict_sni: true,
                    client_certs: (ca: "pem/good.pem", verify: optional), tickets: off,
                ),
            )])],
            backends: [(
                name: "b", server_defaults: (tls: (ca: "pem/good.pem", sni: "all.example", min_version: tls13)),
                servers: [
                    (name: "s", address: "[::1]:1"),
                    (name: "t", address: "[::1]:2", tls: (sni: "t.example", client_cert: "pem/other.pem")),
                    (name: "u", address: "[::1]:3", tls: false),
                ],
            )],
        )"#,
    );
    assert_eq!(config.frontends[0].client_cert_headers[1].field, CertField::Rfc9440);
    let tls = config.frontends[0].binds[0].tls.as_ref().unwrap();
    let files: Vec<_> =
        tls.certificates.iter().map(|certificate| certificate.path.to_str().unwrap()).collect();
    assert_eq!(files, ["pem/good.pem", "examples/certs/localhost.pem"]);
    assert_eq!(tls.certificates[0].facts.names, ["good.example", "*.good.example"]);
    assert_eq!(tls.alpn, tls::HTTP_ALPN);
    assert!(tls.strict_sni && !tls.client_certs.as_ref().unwrap().required);
    let [s, t, u] = config.backends[0].servers.as_slice() else { panic!() };
    let (s, t) = (s.uplink.tls.as_ref().unwrap(), t.uplink.tls.as_ref().unwrap());
    assert_eq!((s.sni.as_deref(), t.sni.as_deref()), (Some("all.example"), Some("t.example")));
    assert!(s.verify == t.verify && s.protocol == t.protocol && s.client_cert.is_none());
    assert_eq!(t.client_cert.as_ref().unwrap().facts.names, ["good.example"]);
    assert_eq!(u.uplink.tls, None);
    assert_eq!(load_whole(&to_ron(&config)), config, "{}", to_ron(&config));
}

#[test]
fn tables_are_what_was_written() {
    let config = load_whole(
        r#"(
            tables: [
                (name: "a", key: ipv4, entries: 7, expire: "10m", store: [conn_cur, http_req_rate("10s"), server_id]),
                (name: "b", key: string, entries: 1_000_000, no_purge: true, store: [gpc_rate(3, "1m"), gpt(100)]),
                (name: "c", key: binary(20), entries: 1, save: "/var/c", save_interval: "1s"), (name: "d", key: integer, entries: 1),
            ],
            frontends: [(name: "f", bind: [":1"], default_backend: "b", track: [(key: "src", table: "a")])],
            backends: [(
                name: "b", servers: [(name: "s", address: "[::1]:1")], track: [(key: "req.hdr(x),lower", table: "a")],
                stick: [
                    on(key: "src", table: "b"), match(key: "path", table: "b"),
                    store_request(key: "url", table: "c"), store_response(key: "res.cook(S)", table: "b"),
                ],
            )],
        )"#,
    );
    let keys: Vec<_> = config.tables.iter().map(|table| table.key).collect();
    assert_eq!(keys, [KeyType::Ip, KeyType::String(32), KeyType::Binary(20), KeyType::Integer]);
    let stored =
        |at: usize| config.tables[at].store.iter().map(|one| (one.data, one.count, one.period.as_secs()));
    // In HAProxy's order, which is that of `show table`.
    assert!(stored(0).eq([(Data::ServerId, 1, 0), (Data::ConnCur, 1, 0), (Data::HttpReqRate, 1, 10)]));
    // What rules look up is stored.
    let server = [(Data::ServerId, 1, 0), (Data::ServerKey, 1, 0)];
    assert!(stored(1).eq([server[0], server[1], (Data::Gpt, 100, 0), (Data::GpcRate, 3, 60)]));
    assert!(stored(2).eq(server) && config.tables[3].store.is_empty());
    assert_eq!((config.tables[1].no_purge, config.tables[1].expire), (true, None));
    let save = config.tables[2].save.as_ref().unwrap();
    assert_eq!((save.path.to_str(), save.interval.as_secs()), (Some("/var/c"), 1));
    assert_eq!(load_whole(&to_ron(&config)), config, "{}", to_ron(&config));
}

#[test]
fn listen_stands_first_and_sends_to_itself() {
    let config = load_whole(
        r#"(
            backends: [(name: "b", servers: [(name: "s", address: "127.0.0.1:1")])],
            frontends: [(name: "f", bind: [":1"], default_backend: "l")],
            listen: [(name: "l", bind: [":2"], servers: [(name: "s", address: "localhost:3")])],
        )"#,
    );
    let frontends: Vec<_> = config.frontends.iter().map(|frontend| frontend.name.as_str()).collect();
    let backends: Vec<_> = config.backends.iter().map(|backend| backend.name.as_str()).collect();
    assert_eq!((frontends, backends), (vec!["l", "f"], vec!["l", "b"]));
    assert_eq!(config.frontends[0].default_backend.as_deref(), Some("l"));
    assert_eq!(
        config.backends[0].servers[0].address,
        ServerAddress::Host { name: "localhost".into(), port: 3 }
    );
}

#[test]
fn one_thing_may_be_written_in_several_ways() {
    let backend = |settings: &str| {
        load_whole(&format!(
            r#"#![enable(implicit_some)]
            (
                listen: [(
                    name: "a", bind: [":0", (address: ":0")], {settings},
                    servers: [(name: "s", address: "[::1]:80", weight: Some(100))],
                )],
            )"#
        ))
        .backends
        .remove(0)
    };
    let check = |settings: &str| backend(settings).servers[0].check.as_deref().cloned();
    for settings in ["check: tcp", "check: tcp()", "check: /* why */ tcp( )"] {
        assert_eq!(check(settings).map(|check| check.kind), Some(CheckKind::Tcp), "{settings}");
    }
    assert_eq!(check("check: http"), check(r#"check: http(path: "/",)"#));
    assert_eq!(check("check: None"), None);
    assert_eq!(check("check: none"), None);
    for settings in ["balance: leastconn", "balance: least_conn", "balance: least_conn()"] {
        assert_eq!(backend(settings).balance, Algorithm::LeastConn, "{settings}");
    }
    for (expect, first, last) in [("status(204)", 204, 204), (r#"status("204")"#, 204, 204)] {
        let check = check(&format!("check: http(expect: {expect})")).unwrap();
        let CheckKind::Http(asked) = check.kind else { panic!() };
        assert_eq!(asked.expect, [Expect::Status(vec![StatusRange { first, last }])]);
    }
}

#[test]
fn what_hashes_a_key_is_read_and_written() {
    let balance = |written: &str| {
        let config = load_whole(&format!(
            r#"(
                frontends: [(name: "f", bind: [":1"], default_backend: "b")],
                backends: [(name: "b", balance: {written}, servers: [(name: "s", address: "[::1]:1")])],
            )"#
        ));
        assert_eq!(load_whole(&to_ron(&config)), config, "{}", to_ron(&config));
        let Algorithm::Hash(hash) = &config.backends[0].balance else { panic!("{written}") };
        hash.clone()
    };
    let plain = balance("source");
    assert_eq!((plain.kind, plain.function), (HashKind::MapBased, Function::Sdbm));
    assert_eq!((plain.avalanche, plain.balance_factor, plain.hash_key), (false, None, ServerKey::Id));
    assert_eq!(balance("source()"), plain);
    let uri = UriKey { length: Some(20), depth: Some(3), whole: true, path_only: true };
    let written = "uri(length: 20, depth: 3, whole: true, path_only: true, kind: consistent, function: wt6)";
    assert_eq!((balance(written).key, balance(written).function), (HashedKey::Uri(uri), Function::Wt6));
    assert_eq!(balance("uri").key, HashedKey::Uri(UriKey::default()));
    for word in ["header", "cookie", "url_param", "hdr"] {
        assert_eq!(balance(&format!("{word}(\"x\")")), balance(&format!("{word}(name: \"x\")")), "{word}");
    }
    assert_eq!(balance("hdr(\"x\")").key, HashedKey::Header("x".into()));
    let all = balance(
        r#"hash(key: "req.hdr(a,1),field(1,',')", kind: maglev, function: none, avalanche: true,
                balance_factor: "125%", hash_key: addr_port)"#,
    );
    assert_eq!((all.kind, all.balance_factor), (HashKind::Maglev, Some(125)));
    assert_eq!((all.avalanche, all.hash_key), (true, ServerKey::AddressAndPort));
    assert!(matches!(&all.key, HashedKey::Sample(sample) if &*sample.text == "req.hdr(a,1),field(1,',')"));
    assert_eq!(balance("source(kind: maglev)").hash_key, ServerKey::Name);
    // A bare `hash-type consistent` spreads, as with HAProxy.
    for (written, spreads) in [
        ("uri(kind: consistent)", true),
        ("source(kind: consistent)", true),
        ("uri(kind: consistent, avalanche: false)", false),
        ("source(kind: consistent, avalanche: false)", false),
        ("uri(kind: consistent, function: sdbm)", false),
        ("uri(kind: consistent, function: sdbm, avalanche: true)", true),
        ("uri(kind: maglev)", false),
        ("source(avalanche: true)", true),
    ] {
        assert_eq!(balance(written).avalanche, spreads, "{written}");
    }
}

#[test]
fn a_section_may_have_its_own_timeouts_retries_and_limits() {
    let config = load_whole(
        r#"(
            defaults: (timeouts: (connect: "2s", client: "3s", server_fin: "4s"), retries: (max: 5, budget: "50%")),
            listen: [(name: "l", bind: [":1"], timeouts: (client: "7s", queue: "8s"), servers: [(name: "s", address: "[::1]:1")])],
            frontends: [(name: "f", bind: [":2"], timeouts: (http_request: "9s"), default_backend: "b")],
            backends: [(
                name: "b", timeouts: (connect: "1s", tunnel: "6s"), fullconn: 50,
                retries: (max: 0, on: [junk_response, status(503)], redispatch: false, replay: "1KiB", non_idempotent: true),
                server_defaults: (
                    maxconn: 20, weight: 7, http: auto,
                    send_proxy: v2, source: "10.0.0.1", interface: "eth0", fast_open: true,
                    keepalive: (count: 3), user_timeout: "5s",
                ),
                servers: [
                    (name: "s", address: "[::1]:1"),
                    (name: "t", address: "[::1]:2", maxconn: 30, minconn: 5, max_queue: 9, weight: 8),
                    (
                        name: "u", address: "[::1]:3", maxconn: 0, http: h2,
                        send_proxy: off, source: client, interface: "eth1", fast_open: false,
                        keepalive: (), user_timeout: "6s",
                    ),
                    (name: "v", address: "unix@/v"),
                ],
            )],
        )"#,
    );
    let s = Duration::from_secs;
    let [l, f] = config.frontends.as_slice() else { panic!() };
    assert_eq!((l.timeouts.client, f.timeouts.client, f.timeouts.http_request), (s(7), s(3), s(9)));
    let [l, b] = config.backends.as_slice() else { panic!() };
    assert_eq!((l.timeouts.connect, l.timeouts.queue, l.timeouts.server_fin), (s(2), s(8), Some(s(4))));
    assert_eq!((b.timeouts.connect, b.timeouts.queue, b.timeouts.tunnel), (s(1), s(1), s(6)));
    assert_eq!((l.retries.max, b.retries.max, b.retries.budget_percent), (5, 0, 50));
    let on = [reasons::Reason::JunkResponse, reasons::Reason::Status(503)].into_iter().collect();
    assert_eq!((b.retries.on, b.retries.replay), (on, 1024));
    assert!(
        l.retries.redispatch
            && !b.retries.redispatch
            && !l.retries.non_idempotent
            && b.retries.non_idempotent
    );
    assert_eq!((l.fullconn, b.fullconn), (None, Some(50)));
    let limits: Vec<_> =
        b.servers.iter().map(|s| (s.limits.maxconn, s.limits.minconn, s.limits.max_queue)).collect();
    assert_eq!(limits, [(20, 0, 0), (30, 5, 9), (0, 0, 0), (20, 0, 0)]);
    assert_eq!(b.servers.iter().map(|s| s.weight).collect::<Vec<_>>(), [7, 8, 7, 7]);
    let tcp = |count, seconds| TcpOptions {
        keepalive: Some(Keepalive { count, ..Keepalive::default() }),
        user_timeout: Some(s(seconds)),
    };
    let shared = Uplink {
        http: ServerHttp::Auto,
        http2: ServerHttp2::DEFAULT,
        send_proxy: Some(SendProxy::V2(SendTlvs::default())),
        source: Some(SourceAddress::Ip("10.0.0.1".parse().unwrap())),
        interface: Some("eth0".into()),
        fast_open: true,
        tcp: tcp(Some(3), 5),
        tls: None,
    };
    let own = Uplink {
        http: ServerHttp::H2,
        http2: ServerHttp2::DEFAULT,
        send_proxy: None,
        source: Some(SourceAddress::Client),
        interface: Some("eth1".into()),
        fast_open: false,
        tcp: tcp(None, 6),
        tls: None,
    };
    let through_unix = Uplink { http: shared.http, send_proxy: shared.send_proxy, ..Uplink::default() };
    let uplinks: Vec<_> = b.servers.iter().map(|s| &s.uplink).collect();
    assert_eq!(uplinks, [&shared, &shared, &own, &through_unix]);
    assert_eq!(load_whole(&to_ron(&config)), config);
}

#[test]
fn servers_may_have_their_own_limits_of_http2() {
    let config = load_whole(
        r#"(listen: [(
            name: "b", bind: [":1"],
            server_defaults: (http: h2, http2: (max_concurrent_streams: 7, initial_window: "64KiB")),
            servers: [
                (name: "s", address: "[::1]:1"),
                (name: "t", address: "unix@/t", http2: (
                    max_concurrent_streams: 8, connection_window: "128KiB", max_frame_size: "32KiB",
                    header_table: "0B", max_header_list: "1KiB", send_buffer: "16KiB",
                    max_local_error_reset_streams: 0, ping_interval: "1s", ping_timeout: "3s",
                )),
            ],
        )])"#,
    );
    let shared = ServerHttp2 { max_concurrent_streams: 7, initial_window: 64 << 10, ..ServerHttp2::DEFAULT };
    let own = ServerHttp2 {
        max_concurrent_streams: 8,
        initial_window: 64 << 10,
        connection_window: 128 << 10,
        max_frame_size: 32 << 10,
        header_table: 0,
        max_header_list: 1 << 10,
        send_buffer: 16 << 10,
        max_local_error_reset_streams: 0,
        ping_interval: Duration::from_secs(1),
        ping_timeout: Duration::from_secs(3),
    };
    let limits: Vec<_> = config.backends[0].servers.iter().map(|server| server.uplink.http2).collect();
    assert_eq!(limits, [shared, own]);
    assert_eq!(load_whole(&to_ron(&config)), config);
}

#[test]
fn files_of_a_folder_add_up() {
    let source = Memory::default()
        .with("conf.d/10-web.ron", r#"(frontends: [(name: "web", bind: [":0"], default_backend: "app")])"#)
        .with(
            "conf.d/20-app.ron",
            r#"(backends: [(name: "app", servers: [(name: "a", address: "[::1]:1")])])"#,
        )
        .with("conf.d/notes.txt", "not RON")
        .with("defaults.ron", print_defaults());
    let loaded = load(&source, &["conf.d".into(), "defaults.ron".into()]).unwrap();
    assert!(loaded.warnings.is_empty());
    assert_eq!((loaded.config.frontends.len(), loaded.config.backends.len()), (1, 1));
    let alone = load(&source, &["conf.d".into()]).unwrap();
    assert_eq!(loaded.config, alone.config, "the printed defaults are the defaults");
}

#[test]
fn one_broken_file_hides_no_mistake_of_another() {
    let source = Memory::default()
        .with("conf.d/1.ron", "(global: (maxconn: 1), defaults: (mode: htp))")
        .with("conf.d/2.ron", "(global: (maxconn: 2), frontends: [(name: \"web\")])")
        .with("conf.d/3.ron", "(backends: [")
        .with("conf.d/4.ron", b"(\n\xff)".as_slice());
    let roots = ["conf.d".into(), "absent.ron".into()];
    assert_said("several-files", &load(&source, &roots).unwrap_err().to_string());
}

#[test]
fn a_folder_without_files_is_said() {
    let source = Memory::default().with("conf.d/notes.txt", "");
    assert_said("empty-folder", &load(&source, &["conf.d".into()]).unwrap_err().to_string());
}

#[test]
fn colour_is_only_added() {
    let report = report_of("(global: (maxcon: 1))");
    assert!(report.render(Paint::Colour).contains("\u{1b}["));
    assert!(!report.render(Paint::Plain).contains('\u{1b}'));
    assert_eq!(report.count(Severity::Error), 1);
}

#[test]
fn a_servers_check_goes_before_that_of_its_backend() {
    let config = load_whole(
        r#"(
            frontends: [(name: "web", bind: [":0"], default_backend: "app")],
            backends: [(
                name: "app",
                check: http(interval: "1s", fast_interval: "200ms", timeout: "500ms", rise: 4, spread: "5%"),
                servers: [
                    (name: "a", address: "[::1]:80"),
                    (name: "b", address: "[::1]:80", check: tcp(interval: "3s", fall: 1)),
                    (name: "c", address: "[::1]:80", check: none),
                ],
            )],
        )"#,
    );
    let [a, b, c] = config.backends[0].servers.as_slice() else { panic!("{config:?}") };
    let ms = Duration::from_millis;
    let common = Timing {
        interval: ms(1000),
        fast_interval: ms(200),
        down_interval: ms(1000),
        timeout: ms(500),
        spread: 5,
        rise: 4,
        fall: 3,
    };
    assert_eq!(a.check.as_ref().unwrap().timing, common);
    let own = Timing { interval: ms(3000), down_interval: ms(3000), fall: 1, ..common };
    assert_eq!(
        **b.check.as_ref().unwrap(),
        Check { kind: CheckKind::Tcp, timing: own, target: Target::default() }
    );
    assert_eq!(c.check, None);
    assert_eq!(load_whole(&to_ron(&config)), config);
}

#[test]
fn servers_without_a_check_have_no_state_to_begin_with() {
    let config = load_whole(
        r#"(
            frontends: [(name: "web", bind: [":0"], default_backend: "app")],
            backends: [(
                name: "app", check: tcp, server_defaults: (init_state: down),
                servers: [
                    (name: "a", address: "[::1]:80"),
                    (name: "b", address: "[::1]:80", check: none),
                    (name: "c", address: "[::1]:80", track: "app/a"),
                ],
            )],
        )"#,
    );
    let states: Vec<_> = config.backends[0].servers.iter().map(|server| server.verdict.init_state).collect();
    assert_eq!(states, [InitState::Down, InitState::Up, InitState::Up]);
    assert_eq!(load_whole(&to_ron(&config)), config);
}

#[test]
fn control_bytes_of_a_file_reach_no_terminal() {
    let report = report_of(
        "(frontends: [(name: \"\\u{1b}[2J\", bind: [\"\u{1b}]0;x\u{7}\"], default_backend: \"b\")])",
    );
    assert!(!report.to_string().contains(['\u{1b}', '\u{7}']), "{report:?}");
}

#[test]
fn flags_make_a_configuration() {
    let config = from_flags("127.0.0.1:8080", "127.0.0.1:9001, 127.0.0.1:9002", Some("/healthz")).unwrap();
    assert_said("flags", &to_ron(&config));
    assert_eq!(load_whole(&to_ron(&config)), config);
    let unchecked = from_flags(":0", "unix@/run/app.sock", None).unwrap();
    assert_eq!(unchecked.backends[0].servers[0].check, None);
    assert_eq!(load_whole(&to_ron(&unchecked)), unchecked);
}

#[test]
fn flags_that_say_nothing_are_refused_together() {
    let report = from_flags("localhost:80", "127.0.0.1:9001,,127.0.0.1", Some("healthz")).unwrap_err();
    assert_said("flags-refused", &report.to_string());
}

#[test]
fn the_defaults_print_as_they_are_read() {
    assert_said("defaults", &print_defaults());
}

/// An example with some of its bytes changed.
fn mutated() -> impl Strategy<Value = String> {
    let texts: Vec<String> = files("../examples").into_iter().map(|(_, text)| text).collect();
    let change = (any::<prop::sample::Index>(), 0..6usize, "[(){}\\[\\],:\"'#/*\\\\ra-c0-9 \\n-]{0,3}");
    (prop::sample::select(texts), prop::collection::vec(change, 1..6)).prop_map(|(text, changes)| {
        let mut characters: Vec<char> = text.chars().collect();
        for (at, length, with) in changes {
            let at = at.index(characters.len().max(1)).min(characters.len());
            let end = (at + length).min(characters.len());
            characters.splice(at..end, with.chars());
        }
        characters.into_iter().collect()
    })
}

/// Text of RON's own pieces in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ":",
        ",",
        " ",
        "\n",
        "\"",
        "'",
        "\\",
        "r#",
        "//",
        "/*",
        "*/",
        "#",
        "b\"",
        "5s",
        "1",
        "-",
        ".",
        "x",
        "é",
        "\u{feff}",
        "global",
        "defaults",
        "listen",
        "frontends",
        "backends",
        "name",
        "bind",
        "servers",
        "check",
        "http",
        "tcp",
        "status",
        "Some",
        "None",
        "#![enable(implicit_some)]",
        "..",
        "()",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text_is_answered(text in prop_oneof![any::<String>(), pieces(), mutated()]) {
        match load_text(&text) {
            Ok(loaded) => prop_assert_eq!(load_whole_or_warned(&to_ron(&loaded.config)), loaded.config),
            Err(report) => {
                prop_assert!(report.has_errors());
                prop_assert!(!report.to_string().is_empty());
            }
        }
    }
}

fn load_whole_or_warned(text: &str) -> Config {
    load_text(text).unwrap_or_else(|report| panic!("{report}\n{text}")).config
}
