//! Writes RON: a configuration as a file that says the same, and the table of defaults.

mod balance;
pub(super) mod check;
mod http;
mod persistence;
pub(super) mod socket;
mod table;
mod tls;
mod verdict;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use proto::units;

use super::log_format::LogFormat;
use super::reference::{Field, GLOBAL, HTTP, Preset, RETRIES, SERVER, SOCKET, Section, TIMEOUTS};
use super::resolve::{self, Shared};
use super::syntax::log::ProxyLog as WrittenLog;
use super::syntax::traffic::{Retries as WrittenRetries, Timeouts};
use super::{
    Accept, Algorithm, Backend, Backups, Check, ClientTimeouts, Config, ForwardHeaders, Frontend, Global,
    Limits, LogTarget, Memory, Mode, Persist, ProxyLog, Retries, Route, Server, ServerAddress,
    ServerTimeouts,
};
use crate::log::target::{Framing, Place, Sample};

pub(super) fn quoted(text: &str) -> String {
    format!("{text:?}")
}

pub(super) fn duration(value: Duration) -> String {
    quoted(&units::format_duration(value))
}

/// In the largest unit that holds it whole.
pub(super) fn size(bytes: u64) -> String {
    let unit = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let whole = unit.into_iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    let (unit, of) = whole.unwrap_or(("B", 1));
    format!("\"{}{unit}\"", bytes / of)
}

pub(super) fn percent(value: u32) -> String {
    format!("\"{value}%\"")
}

pub(super) fn file_mode(mode: u32) -> String {
    format!("\"{mode:04o}\"")
}

pub(super) const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Tcp => "tcp",
        Mode::Http => "http",
    }
}

pub(super) fn algorithm(algorithm: &Algorithm) -> String {
    match algorithm {
        Algorithm::RoundRobin => "round_robin".to_owned(),
        Algorithm::StaticRr => "static_rr".to_owned(),
        Algorithm::LeastConn => "least_conn".to_owned(),
        Algorithm::First => "first".to_owned(),
        Algorithm::LeastLatency => "least_latency".to_owned(),
        Algorithm::Random { draws } => format!("random(draws: {draws})"),
        Algorithm::Hash(hash) => balance::hash(hash),
    }
}

pub(super) const fn backups(backups: Backups) -> &'static str {
    match backups {
        Backups::First => "first",
        Backups::All => "all",
    }
}

pub(super) const fn accept(accept: Accept) -> &'static str {
    match accept {
        Accept::Balanced => "balanced",
        Accept::Local => "local",
    }
}

pub(super) fn memory(memory: Memory) -> String {
    match memory {
        Memory::Share(share) => percent(share),
        Memory::Size(bytes) => size(bytes),
    }
}

/// The file that says what a configuration holds; reading it gives the same configuration.
pub fn to_ron(config: &Config) -> String {
    let shared = Common::of(config);
    let mut text = String::from("(\n");
    text.push_str(&global(&config.global));
    text.push_str(&defaults(&shared));
    text.push_str(&table::tables(&config.tables));
    text.push_str("    frontends: [\n");
    for entry in &config.frontends {
        let _ = writeln!(text, "        {},", frontend(entry, &shared));
    }
    text.push_str("    ],\n    backends: [\n");
    for entry in &config.backends {
        text.push_str(&backend(entry, &shared));
    }
    text.push_str("    ],\n)\n");
    text
}

fn global(global: &Global) -> String {
    let mut text = String::from("    global: (\n");
    let workers = global.workers.map_or_else(|| "auto".to_owned(), |workers| workers.to_string());
    let _ = writeln!(text, "        workers: {workers},");
    if let Some(maxconn) = global.maxconn {
        let _ = writeln!(text, "        maxconn: {maxconn},");
    }
    let _ = writeln!(text, "        accept: {},", accept(global.accept));
    let _ = writeln!(text, "        memory: {},", memory(global.memory));
    let _ = writeln!(text, "        splice: {},", socket::splice(global.splice));
    if !global.sockets.is_empty() {
        text.push_str("        sockets: [\n");
        for socket in &global.sockets {
            let path = quoted(&socket.path.to_string_lossy());
            let mode = file_mode(socket.mode);
            let _ = writeln!(text, "            (path: {path}, mode: {mode}, level: {}),", socket.level);
        }
        text.push_str("        ],\n");
    }
    if let Some(metrics) = &global.metrics {
        let _ = writeln!(text, "        metrics: (bind: {}),", quoted(&metrics.to_string()));
    }
    if global.tls_keylog {
        text.push_str("        tls_keylog: true,\n");
    }
    if !global.log.is_empty() {
        text.push_str("        log: [\n");
        for target in &global.log {
            let _ = writeln!(text, "            {},", log_target(target));
        }
        text.push_str("        ],\n");
    }
    text.push_str("    ),\n");
    text
}

fn log_target(LogTarget { target, format }: &LogTarget) -> String {
    let place = match &target.place {
        Place::Stdout => "stdout".to_owned(),
        Place::Stderr => "stderr".to_owned(),
        Place::File(path) => format!("file({})", quoted(&path.to_string_lossy())),
        Place::Unix(path) => format!("syslog({})", quoted(&format!("unix@{}", path.display()))),
        Place::Udp(address) => format!("syslog({})", quoted(address)),
        Place::Tcp(address) => format!("syslog({})", quoted(&format!("tcp@{address}"))),
    };
    let framing = match target.framing {
        Framing::Raw => "raw",
        Framing::Rfc3164 => "rfc3164",
        Framing::Rfc5424 => "rfc5424",
    };
    let mut text = format!("(target: {place}");
    if let Some(format) = format {
        let _ = write!(text, ", format: {}", log_format(format));
    }
    let (facility, tag) = (target.facility.name(), quoted(&target.tag));
    let _ = write!(text, ", framing: {framing}, facility: {facility}, tag: {tag}, length: {}", target.length);
    if let Some(Sample { keep, of }) = target.sample {
        let _ = write!(text, ", sample: \"{keep}/{of}\"");
    }
    text.push(')');
    text
}

fn log_format(format: &LogFormat) -> String {
    match format {
        LogFormat::Httplog => "httplog".to_owned(),
        LogFormat::Tcplog => "tcplog".to_owned(),
        LogFormat::Httpslog => "httpslog".to_owned(),
        LogFormat::Json => "json".to_owned(),
        LogFormat::Custom(template) => quoted(&template.text),
    }
}

fn proxy_log(log: &ProxyLog) -> String {
    if log.off {
        return "off".to_owned();
    }
    let left_out = chosen(&[("null_connections", log.without_null), ("normal", log.without_normal)]);
    let format = log_format(&log.format);
    format!("(format: {format}, errors_separately: {}, leave_out: [{left_out}])", log.errors_separately)
}

/// What stands in `defaults`: what all sections agree on, else the presets.
struct Common {
    mode: Mode,
    client: ClientTimeouts,
    server: ServerTimeouts,
    retries: Retries,
    forward: ForwardHeaders,
}

impl Common {
    fn of(config: &Config) -> Self {
        let none = Shared::of(None);
        let (fronts, backs) = (&config.frontends, &config.backends);
        let client = agreed(fronts.iter().map(|frontend| frontend.timeouts));
        let server = agreed(backs.iter().map(|backend| backend.timeouts));
        let retries = agreed(backs.iter().map(|backend| backend.retries));
        Self {
            mode: fronts.first().map_or_else(|| none.mode(), |frontend| frontend.mode),
            client: client.unwrap_or_else(|| none.client(&Timeouts::default())),
            server: server.unwrap_or_else(|| none.server(&Timeouts::default())),
            retries: retries.unwrap_or_else(|| none.retries(&WrittenRetries::default())),
            forward: fronts.first().map_or(none.forward, |frontend| frontend.forward),
        }
    }
}

/// What all have, if they have the same.
fn agreed<T: PartialEq>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

fn client_timeouts(client: &ClientTimeouts) -> [(&'static str, Option<Duration>); 7] {
    [
        ("client", Some(client.client)),
        ("client_fin", client.client_fin),
        ("client_hello", Some(client.client_hello)),
        ("proxy_header", Some(client.proxy_header)),
        ("http_request", Some(client.http_request)),
        ("http_keep_alive", Some(client.http_keep_alive)),
        ("tls_handshake", Some(client.tls_handshake)),
    ]
}

fn server_timeouts(server: &ServerTimeouts) -> [(&'static str, Option<Duration>); 5] {
    [
        ("connect", Some(server.connect)),
        ("queue", Some(server.queue)),
        ("server", Some(server.server)),
        ("server_fin", server.server_fin),
        ("tunnel", Some(server.tunnel)),
    ]
}

/// `timeouts: (..)` on one line.
fn timeouts(values: &[(&str, Option<Duration>)]) -> String {
    let set: Vec<String> =
        values.iter().filter_map(|(name, value)| Some(format!("{name}: {}", duration((*value)?)))).collect();
    format!("timeouts: ({})", set.join(", "))
}

fn defaults(shared: &Common) -> String {
    let timeouts = server_timeouts(&shared.server).into_iter().chain(client_timeouts(&shared.client));
    let mut text = String::from("    defaults: (\n");
    let _ = writeln!(text, "        mode: {},", mode(shared.mode));
    text.push_str("        timeouts: (\n");
    for (name, value) in timeouts {
        if let Some(value) = value {
            let _ = writeln!(text, "            {name}: {},", duration(value));
        }
    }
    text.push_str("        ),\n");
    let _ = writeln!(text, "        retries: {},", retries(shared.retries));
    let _ = writeln!(text, "        forward_headers: [{}],", http::forward(shared.forward));
    text.push_str("    ),\n");
    text
}

fn retries(retries: Retries) -> String {
    let on = retries.on.words().join(", ");
    let mut text = format!("(max: {}, on: [{on}], budget: {}", retries.max, percent(retries.budget_percent));
    let _ = write!(text, ", replay: {}", size(retries.replay.into()));
    if !retries.redispatch {
        text.push_str(", redispatch: false");
    }
    if retries.non_idempotent {
        text.push_str(", non_idempotent: true");
    }
    text.push(')');
    text
}

fn chosen(words: &[(&str, bool)]) -> String {
    let words: Vec<&str> = words.iter().filter(|(_, on)| *on).map(|(word, _)| *word).collect();
    words.join(", ")
}

fn frontend(frontend: &Frontend, shared: &Common) -> String {
    let binds: Vec<String> = frontend.binds.iter().map(socket::bind).collect();
    let mut text = format!("(name: {}, mode: {}", quoted(&frontend.name), mode(frontend.mode));
    let _ = write!(text, ", bind: [{}]", binds.join(", "));
    if let Some(maxconn) = frontend.maxconn {
        let _ = write!(text, ", maxconn: {maxconn}");
    }
    if let Some(maxconn) = frontend.maxconn_per_source {
        let _ = write!(text, ", maxconn_per_source: {maxconn}");
    }
    if !frontend.trusted.is_empty() {
        let networks: Vec<String> =
            frontend.trusted.networks().iter().map(|network| quoted(&network.to_string())).collect();
        let _ = write!(text, ", trusted: [{}]", networks.join(", "));
    }
    if !frontend.track.is_empty() {
        let _ = write!(text, ", {}", table::track(&frontend.track));
    }
    http::frontend(&mut text, frontend, shared.forward);
    if frontend.timeouts != shared.client {
        let _ = write!(text, ", {}", timeouts(&client_timeouts(&frontend.timeouts)));
    }
    if !frontend.routes.is_empty() {
        let routes: Vec<String> = frontend.routes.iter().map(route).collect();
        let _ = write!(text, ", routes: [{}]", routes.join(", "));
    }
    if let Some(backend) = &frontend.default_backend {
        let _ = write!(text, ", default_backend: {}", quoted(backend));
    }
    if frontend.log != resolve::proxy_log(None, &WrittenLog::default(), frontend.mode) {
        let _ = write!(text, ", log: {}", proxy_log(&frontend.log));
    }
    text.push(')');
    text
}

fn route(route: &Route) -> String {
    let names: Vec<String> = route.names.iter().map(|name| quoted(&name.to_string())).collect();
    format!("(when: sni({}), to: {})", names.join(", "), quoted(&route.to))
}

fn backend(backend: &Backend, shared: &Common) -> String {
    let mut text = String::from("        (\n");
    let _ = writeln!(text, "            name: {},", quoted(&backend.name));
    let _ = writeln!(text, "            mode: {},", mode(backend.mode));
    let _ = writeln!(text, "            balance: {},", algorithm(&backend.balance));
    if backend.backups != Backups::default() {
        let _ = writeln!(text, "            backups: {},", backups(backend.backups));
    }
    let common = common_check(&backend.servers);
    if let Some(common) = common {
        let _ = writeln!(text, "            check: {},", check::check(common));
    }
    if let Some(cookie) = &backend.persistence {
        let _ = writeln!(text, "            persistence: {},", persistence::cookie(cookie));
    }
    if backend.persist != Persist::default() {
        let _ = writeln!(text, "            persist: {},", persistence::persist(&backend.persist));
    }
    if backend.abort_on_close {
        text.push_str("            abort_on_close: true,\n");
    }
    if !backend.pages.is_empty() {
        let _ = writeln!(text, "            http_errors: [{}],", http::pages(&backend.pages));
    }
    if backend.timeouts != shared.server {
        let _ = writeln!(text, "            {},", timeouts(&server_timeouts(&backend.timeouts)));
    }
    if backend.retries != shared.retries {
        let _ = writeln!(text, "            retries: {},", retries(backend.retries));
    }
    if let Some(fullconn) = backend.fullconn {
        let _ = writeln!(text, "            fullconn: {fullconn},");
    }
    if let Some(panic) = backend.panic {
        let _ = writeln!(text, "            panic: {},", verdict::panic(panic));
    }
    if let Some(eject) = &backend.eject {
        let _ = writeln!(text, "            eject: {},", verdict::eject(eject));
    }
    if !backend.stick.is_empty() {
        let _ = writeln!(text, "            {},", table::stick(&backend.stick));
    }
    if !backend.track.is_empty() {
        let _ = writeln!(text, "            {},", table::track(&backend.track));
    }
    text.push_str("            servers: [\n");
    for entry in &backend.servers {
        let _ = writeln!(text, "                {},", server(entry, common));
    }
    text.push_str("            ],\n        ),\n");
    text
}

/// What stands at the backend: the check of the first server that has one.
fn common_check(servers: &[Server]) -> Option<&Arc<Check>> {
    servers.iter().find_map(|server| server.check.as_ref())
}

fn server(server: &Server, common: Option<&Arc<Check>>) -> String {
    let address = match &server.address {
        ServerAddress::Literal(address) => address.to_string(),
        ServerAddress::Host { name, port } => format!("{name}:{port}"),
    };
    let mut text = format!("(name: {}, address: {}", quoted(&server.name), quoted(&address));
    let _ = write!(text, ", weight: {}", server.weight);
    let Limits { maxconn, minconn, max_queue, slow_start } = server.limits;
    for (name, limit) in [("maxconn", maxconn), ("minconn", minconn), ("max_queue", max_queue)] {
        if limit > 0 {
            let _ = write!(text, ", {name}: {limit}");
        }
    }
    if let Some(cookie) = &server.cookie {
        let _ = write!(text, ", cookie: {}", quoted(cookie));
    }
    if !slow_start.is_zero() {
        let _ = write!(text, ", slow_start: {}", duration(slow_start));
    }
    if server.backup {
        text.push_str(", backup: true");
    }
    verdict::verdict(&mut text, &server.verdict);
    socket::uplink(&mut text, &server.uplink);
    match &server.check {
        own if own.as_ref() == common => {}
        Some(own) => _ = write!(text, ", check: {}", check::check(own)),
        None => text.push_str(", check: none"),
    }
    text.push(')');
    text
}

/// All default values as an annotated file. It changes nothing where it is read beside others.
pub fn print_defaults() -> String {
    let mut text = String::from(
        "// Every default value. What is commented out has its place elsewhere or is not set.\n(\n",
    );
    comment(&mut text, "    // global: (", &GLOBAL, "    //     ");
    comment(&mut text, "    //     sockets: [(", &SOCKET, "    //         ");
    text.push_str("    //     )],\n    // ),\n    defaults: (\n");
    for field in super::reference::DEFAULTS.fields {
        let inner = match field.name {
            "timeouts" => &TIMEOUTS,
            "retries" => &RETRIES,
            "http" => &HTTP,
            _ => {
                line(&mut text, "        ", field);
                continue;
            }
        };
        let _ = writeln!(text, "        {}: (", field.name);
        for field in inner.fields {
            line(&mut text, "            ", field);
        }
        text.push_str("        ),\n");
    }
    text.push_str("    ),\n");
    for (head, section) in [
        ("    // a backend: (", &super::reference::BACKEND),
        ("    // a check: http(", &super::reference::checks::HTTP),
        ("    // a server: (", &SERVER),
    ] {
        comment(&mut text, head, section, "    //     ");
        text.push_str("    // ),\n");
    }
    text.push_str(")\n");
    text
}

/// The settings of a section that have a default, as a comment.
fn comment(text: &mut String, head: &str, section: &Section, indent: &str) {
    let _ = writeln!(text, "{head}");
    for field in section.fields {
        if !matches!(field.preset, Preset::Required) && field.name != "sockets" {
            line(text, indent, field);
        }
    }
}

fn line(text: &mut String, indent: &str, field: &Field) {
    let (name, meaning) = (field.name, field.meaning);
    let _ = match field.preset {
        Preset::Value(value) => writeln!(text, "{indent}{name}: {}, // {meaning}", value()),
        Preset::Unset(words) => writeln!(text, "{indent}// {name}: {words}. {meaning}"),
        Preset::Required => Ok(()),
    };
}
