//! A small system to test with: frontend `web` with backend `app` (checked), `tcp` with backend `raw` (unchecked).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Epoch;
use crate::config::log_format::LogFormat;
use crate::config::{
    Algorithm, Backend, Backups, Bind, Check, CheckKind, ClientTimeouts, Config, ForwardHeaders, Frontend,
    Global, HttpOptions, Limits, Mode, Persist, ProxyLog, Retries, Server, ServerAddress, ServerTimeouts,
    Timing, Trusted, Uplink, Verdict,
};
use crate::model::process::Process;
use crate::model::shared::Shared;
use crate::model::snapshot::{Site, Snapshot};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn config() -> Config {
    Config {
        global: Global { maxconn: Some(1000), ..Global::default() },
        frontends: vec![
            frontend("web", Mode::Http, "app", Some(500)),
            frontend("tcp", Mode::Tcp, "raw", None),
        ],
        tables: Vec::new(),
        backends: vec![
            backend(
                "app",
                Mode::Http,
                true,
                &[("app1", 100, false), ("app2", 50, false), ("spare", 1, true)],
            ),
            backend("raw", Mode::Tcp, false, &[("r1", 1, false)]),
        ],
    }
}

fn frontend(name: &str, mode: Mode, backend: &str, maxconn: Option<u32>) -> Frontend {
    Frontend {
        name: name.to_owned(),
        mode,
        binds: vec![Bind::plain("127.0.0.1:0".parse().unwrap())],
        maxconn,
        routes: Vec::new(),
        default_backend: Some(backend.to_owned()),
        timeouts: ClientTimeouts {
            client: SECOND,
            proxy_header: SECOND,
            http_request: SECOND,
            http_keep_alive: SECOND,
            tls_handshake: SECOND,
            client_hello: SECOND,
            client_fin: None,
        },
        forward: ForwardHeaders::default(),
        client_cert_headers: Arc::default(),
        maxconn_per_source: None,
        trusted: Trusted::default(),
        track: Vec::new(),
        http: HttpOptions::default(),
        pages: Vec::new(),
        log: ProxyLog {
            off: false,
            format: LogFormat::Tcplog,
            errors_separately: false,
            without_null: false,
            without_normal: false,
        },
    }
}

pub(crate) fn backend(name: &str, mode: Mode, checked: bool, servers: &[(&str, u32, bool)]) -> Backend {
    Backend {
        name: name.to_owned(),
        mode,
        balance: Algorithm::RoundRobin,
        backups: Backups::First,
        servers: servers
            .iter()
            .enumerate()
            .map(|(i, (name, weight, backup))| Server {
                name: (*name).to_owned(),
                address: ServerAddress::Literal(format!("127.0.0.1:{}", 18001 + i).parse().unwrap()),
                weight: *weight,
                backup: *backup,
                limits: Limits::default(),
                cookie: None,
                uplink: Uplink::default(),
                verdict: Verdict::default(),
                check: checked.then(|| Arc::new(check())),
            })
            .collect(),
        fullconn: None,
        timeouts: ServerTimeouts {
            connect: SECOND,
            queue: SECOND,
            server: SECOND,
            server_fin: None,
            tunnel: SECOND,
        },
        retries: Retries { budget_percent: 20, ..Retries::default() },
        pages: Vec::new(),
        abort_on_close: false,
        stick: Vec::new(),
        track: Vec::new(),
        panic: None,
        eject: None,
        persistence: None,
        persist: Persist::default(),
    }
}

pub(crate) fn check() -> Check {
    let timing = Timing {
        interval: SECOND,
        fast_interval: SECOND,
        down_interval: SECOND,
        timeout: SECOND,
        spread: 0,
        rise: 2,
        fall: 3,
    };
    Check { kind: CheckKind::Tcp, timing, target: crate::config::check::Target::default() }
}

pub(crate) fn snapshot(config: &Config, previous: Option<&Snapshot>) -> Snapshot {
    let resolve =
        |_: &str, _: u16| -> std::io::Result<SocketAddr> { Err(std::io::ErrorKind::NotFound.into()) };
    Snapshot::build(config, previous, Site { workers: 2, maxconn: 1000, now_ms: 1, resolve: &resolve })
        .unwrap()
}

pub(crate) fn shared() -> Arc<Shared> {
    shared_of(&config())
}

pub(crate) fn shared_of(config: &Config) -> Arc<Shared> {
    let process = Process::new(2, 1000, 4096, "b00t".to_owned());
    Arc::new(Shared::new(snapshot(config, None), process, Epoch::new()))
}
