//! A configuration without a file: `run --listen ADDR --to ADDR,ADDR [--check /PATH]`.

use std::sync::Arc;

use proto::level::Level;

use super::check::{Expect, HttpCheck, Target};
use super::report::{Report, Span};
use super::resolve::{Shared, proxy_log};
use super::span::Spanned;
use super::syntax::check::Timing;
use super::syntax::traffic::{Retries, Timeouts};
use super::syntax::{address, check};
use super::{
    AdminSocket, Backend, Bind, Check, CheckKind, Config, Frontend, Global, Limits, Persist, Server, Uplink,
    Verdict, defaults,
};

/// One frontend `web` on `listen`, one backend `app` with the servers of `to`, checked over HTTP if `check` names
/// a path.
pub fn from_flags(listen: &str, to: &str, check: Option<&str>) -> Result<Config, Report> {
    let mut report = Report::default();
    let bind = part("--listen", listen, &mut report).pop();
    let bind = bind.and_then(|text| address::listener(&text, &mut report));
    let mut servers: Vec<Server> = part("--to", to, &mut report)
        .iter()
        .filter_map(|text| address::server(text, &mut report))
        .enumerate()
        .map(|(index, address)| Server {
            name: format!("app{}", index + 1),
            address,
            weight: defaults::WEIGHT,
            backup: false,
            limits: Limits::default(),
            cookie: None,
            uplink: Uplink::default(),
            verdict: Verdict::default(),
            check: None,
        })
        .collect();
    let check = check.and_then(|path| http_check(path, &mut report)).map(Arc::new);
    for server in &mut servers {
        server.check.clone_from(&check);
    }
    if report.has_errors() {
        return Err(report);
    }
    let shared = Shared::of(None);
    let name = "app".to_owned();
    let frontend = Frontend {
        track: Vec::new(),
        name: "web".to_owned(),
        mode: shared.mode(),
        binds: bind.map(|bind| Bind::plain(bind.value)).into_iter().collect(),
        maxconn_per_source: None,
        maxconn: None,
        routes: Vec::new(),
        default_backend: Some(name.clone()),
        timeouts: shared.client(&Timeouts::default()),
        forward: shared.forward,
        client_cert_headers: Arc::clone(&shared.client_cert_headers),
        http: shared.http,
        pages: Vec::new(),
        trusted: shared.trusted.clone(),
        log: proxy_log(None, &shared.log, shared.mode()),
    };
    let backend = Backend {
        stick: Vec::new(),
        track: Vec::new(),
        name,
        mode: shared.mode(),
        balance: defaults::BALANCE,
        backups: defaults::BACKUPS,
        servers,
        fullconn: None,
        timeouts: shared.server(&Timeouts::default()),
        retries: shared.retries(&Retries::default()),
        pages: Vec::new(),
        persistence: None,
        persist: Persist::default(),
        abort_on_close: shared.abort_on_close,
        panic: None,
        eject: None,
    };
    let socket =
        AdminSocket { path: "./proxyd.sock".into(), mode: defaults::SOCKET_MODE, level: Level::Admin };
    let global = Global { sockets: vec![socket], ..Global::default() };
    Ok(Config { global, tables: Vec::new(), frontends: vec![frontend], backends: vec![backend] })
}

/// The values of one option, which stands in the report under its own name. `--listen` has one.
fn part(option: &str, text: &str, report: &mut Report) -> Vec<Spanned<String>> {
    let file = report.add_file(option, text);
    let separator = if option == "--to" { ',' } else { '\n' };
    let mut parts = Vec::new();
    let mut start = 0;
    for piece in text.split(separator) {
        let blank = piece.len() - piece.trim_start().len();
        let value = piece.trim().to_owned();
        let span = Span { file, start: start + blank, end: start + blank + value.len() };
        parts.push(Spanned { value, span });
        start += piece.len() + 1;
    }
    parts
}

fn http_check(path: &str, report: &mut Report) -> Option<Check> {
    let path = part("--check", path, report).pop()?;
    Some(Check {
        kind: CheckKind::Http(Box::new(HttpCheck {
            method: defaults::CHECK_METHOD.to_owned(),
            path: check::request_path(path, report)?,
            host: None,
            version: None,
            headers: Vec::new(),
            body: String::new(),
            expect: vec![Expect::Status(vec![defaults::CHECK_EXPECT])],
            disable_on_404: false,
        })),
        target: Target::default(),
        timing: Timing::default().resolved(),
    })
}
