//! The configuration, fully resolved: every default applied, every reference checked.
//!
//! What a person writes is RON (`config/syntax`); it becomes a [`Config`] through `load`, or a report of every
//! problem at once. Nothing here opens a socket; the file system is touched only through [`source::Source`].

mod balance;
pub mod check;
pub mod condition;
mod cookie_key;
pub mod defaults;
mod flags;
mod grammar;
mod http;
pub mod log_format;
mod material;
mod pages;
pub mod persistence;
mod print;
pub mod reasons;
pub mod reference;
pub mod report;
mod resolve;
mod routes;
pub mod sample;
mod shape;
mod socket;
pub mod source;
mod span;
mod syntax;
pub mod table;
pub mod tls;
mod trusted;
mod validate;
mod verdict;
mod words;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::addr::Address;
use proto::level::Level;

pub use balance::{Algorithm, Backups, Hash, HashKind, HashedKey, ServerKey, UriKey};
pub use check::{Check, CheckKind, CheckPlace, Timing};
pub use flags::from_flags;
pub use http::{
    CertField, ClientCertHeader, ERROR_STATUSES, ErrorPage, Http2Options, HttpOptions, ServerHttp2,
};
use log_format::LogFormat;
pub use persistence::{Cookie, CookieMode, Key, Persist, SameSite};
pub use print::{print_defaults, to_ron};
use reasons::Reasons;
use report::{Diagnostic, Report};
pub use routes::{Route, ServerName, is_host_name};
pub use socket::{
    Bind, BindOptions, Keepalive, SendProxy, SendTlvs, ServerHttp, SourceAddress, Splice, TcpOptions, Uplink,
};
use source::Source;
use syntax::{Document, Partial};
pub use trusted::Trusted;
pub use verdict::{Agent, Eject, InitState, Layer, Observe, OnError, Panic, PanicMode, Track, Verdict};

use crate::log::target::Target;

/// A configuration that can be used, and what looks odd about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    pub warnings: Report,
}

/// Reads everything that `roots` stand for; the report of a refusal names every problem.
pub fn load(source: &dyn Source, roots: &[PathBuf]) -> Result<Loaded, Report> {
    let mut report = Report::default();
    let mut document = Document::default();
    for root in roots {
        if let Err(diagnostic) = read_root(source, root, &mut document, &mut report) {
            report.push(diagnostic);
            document.partial = Partial::Unreadable;
        }
    }
    pages::load(source, &mut document, &mut report);
    cookie_key::load(source, &mut document, &mut report);
    material::load(source, &mut document, &mut report);
    validate::check(&document, &mut report);
    report.sort();
    if report.has_errors() {
        return Err(report);
    }
    Ok(Loaded { config: resolve::resolve(document), warnings: report })
}

/// Adds all files of one `-f` to the document.
fn read_root(
    source: &dyn Source,
    root: &Path,
    document: &mut Document,
    report: &mut Report,
) -> Result<(), Diagnostic> {
    let unreadable = |path: &Path, error: std::io::Error| {
        Diagnostic::error("unreadable", format!("cannot read {}: {error}", path.display()))
    };
    let files = source.list(root).map_err(|error| unreadable(root, error))?;
    if files.is_empty() {
        return Err(Diagnostic::error("unreadable", format!("no *.ron file stands in {}", root.display())));
    }
    for path in files {
        let bytes = source.read(&path).map_err(|error| unreadable(&path, error))?;
        read(&path.display().to_string(), &bytes, document, report);
    }
    Ok(())
}

/// Adds one file to the document.
fn read(name: &str, bytes: &[u8], document: &mut Document, report: &mut Report) {
    let text = String::from_utf8_lossy(bytes);
    let file = report.add_file(name, &*text);
    if let Err(error) = std::str::from_utf8(bytes) {
        let at = error.valid_up_to();
        let span = report::Span { file, start: at, end: at + char::REPLACEMENT_CHARACTER.len_utf8() };
        report.push(
            Diagnostic::error("not-utf8", "the file is not UTF-8 text")
                .at(span, "this byte is not")
                .help("save the file as UTF-8"),
        );
        document.partial = Partial::Unreadable;
        return;
    }
    match span::read(file, &text, report) {
        Some(node) => document.add(&node, report),
        None => document.partial = Partial::Unreadable,
    }
}

/// Everything one run of proxyd is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub global: Global,
    /// Stick tables in file order.
    pub tables: Vec<table::Table>,
    /// Frontends in file order; a `listen` section stands here and in `backends` under one name.
    pub frontends: Vec<Frontend>,
    /// Backends in file order.
    pub backends: Vec<Backend>,
}

/// Settings of the process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Global {
    /// Worker threads; `None` is one a core, within the cgroup's quota.
    pub workers: Option<NonZeroUsize>,
    /// Most client connections at once; `None` is worked out from the descriptor limit.
    pub maxconn: Option<u32>,
    pub accept: Accept,
    pub memory: Memory,
    pub splice: Splice,
    /// Runtime API sockets.
    pub sockets: Vec<AdminSocket>,
    /// Where `/metrics`, `/live` and `/ready` are served.
    pub metrics: Option<Address>,
    /// Where the access log goes.
    pub log: Vec<LogTarget>,
    /// Keys of connections are written to the file that the environment names.
    pub tls_keylog: bool,
}

/// Which worker serves a connection that was accepted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Accept {
    /// The one that carries least.
    #[default]
    Balanced,
    /// The one the kernel gave it to.
    Local,
}

/// How much memory may be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Memory {
    /// Percent of what there is.
    Share(u32),
    /// As if there were so many bytes.
    Size(u64),
}

impl Memory {
    /// Of what there is, or is to be taken for it.
    pub const PERCENT: u32 = 90;
}

impl Default for Memory {
    fn default() -> Self {
        Self::Share(Self::PERCENT)
    }
}

/// One runtime API socket.
#[derive(Clone, Debug, PartialEq)]
pub struct AdminSocket {
    pub path: PathBuf,
    /// Permission bits, e.g. `0o600`.
    pub mode: u32,
    pub level: Level,
}

/// What a proxy understands of its traffic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    Tcp,
    Http,
}

/// Where clients arrive.
#[derive(Clone, Debug, PartialEq)]
pub struct Frontend {
    pub name: String,
    pub mode: Mode,
    pub binds: Vec<Bind>,
    /// Most connections at once; `None` is as many as the process takes.
    pub maxconn: Option<u32>,
    /// Most connections of one client's address at once.
    pub maxconn_per_source: Option<u32>,
    /// Which connections go elsewhere than to `default_backend`; the first that fits is taken.
    pub routes: Vec<Route>,
    pub default_backend: Option<String>,
    pub timeouts: ClientTimeouts,
    pub forward: ForwardHeaders,
    /// What servers are told of clients' certificates.
    pub client_cert_headers: Arc<[ClientCertHeader]>,
    pub http: HttpOptions,
    /// Answers made here, in other words.
    pub pages: Vec<ErrorPage>,
    /// Whose word about a client's address is taken.
    pub trusted: Trusted,
    /// Whose connections and requests are counted in tables.
    pub track: Vec<table::Track>,
    pub log: ProxyLog,
}

/// A target of the access log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogTarget {
    pub target: Target,
    /// What lines say here; `None` is what each proxy says.
    pub format: Option<LogFormat>,
}

/// What a frontend writes to the access log.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyLog {
    /// Nothing at all.
    pub off: bool,
    pub format: LogFormat,
    /// Lines of errors have a severity of their own.
    pub errors_separately: bool,
    /// No line for connections over which nothing came.
    pub without_null: bool,
    /// No line for what went well.
    pub without_normal: bool,
}

/// How long a client may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClientTimeouts {
    /// Inactivity of the client while it should send or receive.
    pub client: Duration,
    /// For a whole PROXY header, absolute.
    pub proxy_header: Duration,
    /// For a whole request head, absolute.
    pub http_request: Duration,
    /// For the first byte of the next request.
    pub http_keep_alive: Duration,
    /// For a whole TLS handshake, absolute.
    pub tls_handshake: Duration,
    /// For a whole `ClientHello`, where routes look at it, absolute.
    pub client_hello: Duration,
    /// Inactivity once one direction has ended; `None` is `client`.
    pub client_fin: Option<Duration>,
}

/// Headers added to what is sent to servers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ForwardHeaders {
    pub x_forwarded_for: bool,
    pub x_forwarded_proto: bool,
    pub x_forwarded_host: bool,
    pub x_forwarded_port: bool,
    /// RFC 7239.
    pub forwarded: bool,
    /// In requests and answers.
    pub via: bool,
}

/// A group of servers.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend {
    pub name: String,
    pub mode: Mode,
    pub balance: Algorithm,
    pub backups: Backups,
    pub persistence: Option<Cookie>,
    pub persist: Persist,
    pub servers: Vec<Server>,
    /// So many sessions of the backend are needed for its servers to take their `maxconn`; `None` is a tenth of what
    /// its frontends take.
    pub fullconn: Option<u32>,
    pub timeouts: ServerTimeouts,
    pub retries: Retries,
    /// Answers made here, in other words than the frontend's.
    pub pages: Vec<ErrorPage>,
    /// A client that closed its side is not waited for.
    pub abort_on_close: bool,
    /// By what tables know of them clients stay with their servers.
    pub stick: Vec<table::Stick>,
    /// Whose requests are counted in tables.
    pub track: Vec<table::Track>,
    /// When health is no longer believed.
    pub panic: Option<Panic>,
    /// When servers are left out that do worse than the others.
    pub eject: Option<Eject>,
}

/// How long a server may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServerTimeouts {
    pub connect: Duration,
    /// Waiting for room on a server.
    pub queue: Duration,
    /// Inactivity of the server while it should answer or receive.
    pub server: Duration,
    /// Inactivity once one direction has ended; `None` is `server`.
    pub server_fin: Option<Duration>,
    /// Inactivity of an upgraded connection in both directions.
    pub tunnel: Duration,
}

/// When and how often a request is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retries {
    /// Further tries after the first.
    pub max: u32,
    /// After what.
    pub on: Reasons,
    /// On another server, where there is one; else on the same one.
    pub redispatch: bool,
    /// Longest body that is kept to be sent again.
    pub replay: u32,
    /// Requests are sent again that a server may already have acted on, whatever their method.
    pub non_idempotent: bool,
    /// Share of the backend's active requests that may be retries, in percent.
    pub budget_percent: u32,
}

impl Default for Retries {
    /// What holds where nothing is written.
    fn default() -> Self {
        Self {
            max: defaults::RETRIES,
            on: defaults::RETRY_ON.into_iter().collect(),
            redispatch: true,
            replay: defaults::REPLAY,
            non_idempotent: false,
            budget_percent: defaults::RETRY_BUDGET_PERCENT,
        }
    }
}

/// One server of a backend.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    pub name: String,
    /// As written: a literal address, or `name:port` that is resolved at start.
    pub address: ServerAddress,
    /// 0 to 256.
    pub weight: u32,
    pub backup: bool,
    pub limits: Limits,
    /// What it is called in the cookie of its backend.
    pub cookie: Option<String>,
    pub uplink: Uplink,
    /// What decides on its state beside its check.
    pub verdict: Verdict,
    /// Its own, or the backend's.
    pub check: Option<Arc<Check>>,
}

/// How much a server takes at once, and how soon; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    /// Most requests or TCP connections at once.
    pub maxconn: u32,
    /// As many while its backend carries little; between the two in proportion. 0 is `maxconn` at all times.
    pub minconn: u32,
    /// Most that wait for room on it.
    pub max_queue: u32,
    /// How long it takes to get its whole share after it came up.
    pub slow_start: Duration,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerAddress {
    Literal(Address),
    /// Resolved once, at start.
    Host {
        name: String,
        port: u16,
    },
}

#[cfg(test)]
mod tests;
