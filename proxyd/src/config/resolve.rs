//! From what was written to what holds: defaults applied, sections completed. Called where no error was found.

mod tables;

use std::sync::Arc;

use super::defaults as preset;
use super::log_format::LogFormat;
use super::syntax::Document;
use super::syntax::backend::Backend as WrittenBackend;
use super::syntax::check::Written as WrittenCheck;
use super::syntax::defaults::Defaults as WrittenDefaults;
use super::syntax::frontend::Frontend as WrittenFrontend;
use super::syntax::global::Global as WrittenGlobal;
use super::syntax::http::Http;
use super::syntax::http::Page as WrittenPage;
use super::syntax::log::{LogTarget as WrittenTarget, ProxyLog as WrittenLog};
use super::syntax::route::Route as WrittenRoute;
use super::syntax::server::{Server as WrittenServer, ServerDefaults, is_unix};
use super::syntax::traffic::{Retries as WrittenRetries, Timeouts};
use super::syntax::verdict::Verdict as WrittenVerdict;
use super::tls::ServerTls;
use super::words::LeaveOut;
use super::{
    AdminSocket, Backend, Check, ClientCertHeader, ClientTimeouts, Config, ErrorPage, ForwardHeaders,
    Frontend, Global, HttpOptions, Limits, LogTarget, Mode, Observe, ProxyLog, Retries, Route, Server,
    ServerHttp2, ServerTimeouts, Trusted, Uplink, Verdict,
};

use crate::log::target::{Framing, Place, Target};

/// What `defaults` says, for sections that say nothing of their own.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    mode: Option<Mode>,
    timeouts: Timeouts,
    retries: WrittenRetries,
    pub(super) forward: ForwardHeaders,
    pub(super) client_cert_headers: Arc<[ClientCertHeader]>,
    pub(super) http: HttpOptions,
    pub(super) pages: Vec<ErrorPage>,
    pub(super) abort_on_close: bool,
    pub(super) trusted: Trusted,
    /// As written: what it says of the format depends on the mode.
    pub(super) log: WrittenLog,
}

impl Shared {
    pub(super) fn of(written: Option<&WrittenDefaults>) -> Self {
        let none = Self {
            http: Http::default().over(HttpOptions::default()),
            abort_on_close: preset::ABORT_ON_CLOSE,
            ..Self::default()
        };
        let Some(written) = written else { return none };
        Self {
            mode: written.mode.as_ref().map(|mode| mode.value),
            timeouts: written.timeouts,
            retries: written.retries.clone(),
            forward: written.forward,
            client_cert_headers: Arc::clone(&written.client_cert_headers),
            http: written.http.over(none.http),
            pages: pages(written.pages.clone(), &[]),
            abort_on_close: written.abort_on_close.unwrap_or(none.abort_on_close),
            trusted: written.trusted.clone().unwrap_or_default(),
            log: written.log.clone().unwrap_or_default(),
        }
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode.unwrap_or(preset::MODE)
    }

    pub(super) fn client(&self, own: &Timeouts) -> ClientTimeouts {
        let shared = &self.timeouts;
        ClientTimeouts {
            client: own.client.or(shared.client).unwrap_or(preset::CLIENT),
            proxy_header: own.proxy_header.or(shared.proxy_header).unwrap_or(preset::PROXY_HEADER),
            http_request: own.http_request.or(shared.http_request).unwrap_or(preset::HTTP_REQUEST),
            http_keep_alive: own
                .http_keep_alive
                .or(shared.http_keep_alive)
                .unwrap_or(preset::HTTP_KEEP_ALIVE),
            tls_handshake: own.tls_handshake.or(shared.tls_handshake).unwrap_or(preset::TLS_HANDSHAKE),
            client_hello: own.client_hello.or(shared.client_hello).unwrap_or(preset::CLIENT_HELLO),
            client_fin: own.client_fin.or(shared.client_fin),
        }
    }

    pub(super) fn server(&self, own: &Timeouts) -> ServerTimeouts {
        let shared = &self.timeouts;
        let connect = own.connect.or(shared.connect).unwrap_or(preset::CONNECT);
        ServerTimeouts {
            connect,
            queue: own.queue.or(shared.queue).unwrap_or(connect),
            server: own.server.or(shared.server).unwrap_or(preset::SERVER),
            server_fin: own.server_fin.or(shared.server_fin),
            tunnel: own.tunnel.or(shared.tunnel).unwrap_or(preset::TUNNEL),
        }
    }

    pub(super) fn retries(&self, own: &WrittenRetries) -> Retries {
        let shared = &self.retries;
        let preset = Retries::default();
        Retries {
            max: own.max.or(shared.max).unwrap_or(preset.max),
            on: own.on.or(shared.on).unwrap_or(preset.on),
            redispatch: own.redispatch.or(shared.redispatch).unwrap_or(preset.redispatch),
            replay: own.replay.or(shared.replay).unwrap_or(preset.replay),
            non_idempotent: own.non_idempotent.or(shared.non_idempotent).unwrap_or(preset.non_idempotent),
            budget_percent: own.budget.or(shared.budget).unwrap_or(preset.budget_percent),
        }
    }
}

/// The configuration that checked files say.
pub(super) fn resolve(document: Document) -> Config {
    let shared = Shared::of(document.defaults.first());
    let (mut frontends, mut backends) = (Vec::new(), Vec::new());
    for (mut front, back) in document.listen {
        front.default_backend.clone_from(&front.name);
        frontends.push(frontend(front, &shared));
        backends.push(backend(back, &shared));
    }
    frontends.extend(document.frontends.into_iter().map(|written| frontend(written, &shared)));
    backends.extend(document.backends.into_iter().map(|written| backend(written, &shared)));
    let tables = tables::resolve(document.tables, &backends);
    Config { global: global(document.global.into_iter().next()), tables, frontends, backends }
}

fn global(written: Option<WrittenGlobal>) -> Global {
    let Some(written) = written else {
        return Global::default();
    };
    let sockets = written.sockets.into_iter().map(|socket| AdminSocket {
        path: socket.path.map(|path| path.value.into()).unwrap_or_default(),
        mode: socket.mode.unwrap_or(preset::SOCKET_MODE),
        level: socket.level.map_or(preset::SOCKET_LEVEL, |level| level.value),
    });
    Global {
        workers: written.workers,
        maxconn: written.maxconn.map(|maxconn| maxconn.value),
        memory: written.memory.unwrap_or(preset::MEMORY),
        accept: written.accept.map_or(preset::ACCEPT, |accept| accept.value),
        splice: written.splice.map_or(preset::SPLICE, |splice| splice.value),
        sockets: sockets.collect(),
        metrics: written.metrics.map(|bind| bind.value),
        log: written.log.into_iter().filter_map(log_target).collect(),
        tls_keylog: written.tls_keylog.is_some_and(|on| on.value),
    }
}

fn frontend(written: WrittenFrontend, shared: &Shared) -> Frontend {
    let mode = written.mode.map_or_else(|| shared.mode(), |mode| mode.value);
    Frontend {
        name: written.name.map(|name| name.value).unwrap_or_default(),
        mode,
        log: proxy_log(written.log, &shared.log, mode),
        binds: written.binds.into_iter().map(|bind| bind.value.conf).collect(),
        maxconn_per_source: written.maxconn_per_source,
        maxconn: written.maxconn.map(|maxconn| maxconn.value),
        routes: written.routes.into_iter().flat_map(|routes| routes.value).map(route).collect(),
        default_backend: written.default_backend.map(|name| name.value),
        timeouts: shared.client(&written.timeouts),
        forward: written.forward.unwrap_or(shared.forward),
        client_cert_headers: written
            .client_cert_headers
            .unwrap_or_else(|| Arc::clone(&shared.client_cert_headers)),
        http: written.http.over(shared.http),
        pages: pages(written.pages, &shared.pages),
        trusted: written.trusted.unwrap_or_else(|| shared.trusted.clone()),
        track: written.track.into_iter().filter_map(tables::track).collect(),
    }
}

fn route(written: WrittenRoute) -> Route {
    Route {
        names: written.names.into_iter().map(|name| name.value).collect(),
        to: written.to.map(|to| to.value).unwrap_or_default(),
    }
}

/// `None` for a target without a place, which is an error before it gets here.
fn log_target(written: WrittenTarget) -> Option<LogTarget> {
    let place = written.place?;
    let framing = match place {
        Place::Stdout | Place::Stderr | Place::File(_) => Framing::Raw,
        Place::Unix(_) | Place::Udp(_) | Place::Tcp(_) => Framing::Rfc3164,
    };
    let length = if matches!(place, Place::Udp(_)) { preset::LOG_LENGTH_UDP } else { preset::LOG_LENGTH };
    let target = Target {
        framing: written.framing.unwrap_or(framing),
        facility: written.facility.unwrap_or(preset::LOG_FACILITY),
        tag: written.tag.unwrap_or_else(|| preset::LOG_TAG.to_owned()),
        length: written.length.unwrap_or(length) as usize,
        sample: written.sample,
        place,
    };
    Some(LogTarget { target, format: written.format })
}

/// What a proxy of that mode writes; its own settings go before those of `defaults`.
pub(super) fn proxy_log(own: Option<WrittenLog>, shared: &WrittenLog, mode: Mode) -> ProxyLog {
    let own = own.unwrap_or_default();
    let off = own.off || shared.off && !own.says_something;
    let (own, shared) = if off { (WrittenLog::default(), &WrittenLog::default()) } else { (own, shared) };
    let left_out = own.leave_out.as_ref().or(shared.leave_out.as_ref());
    let without = |what| left_out.is_some_and(|words| words.contains(&what));
    let format = own.format.or_else(|| shared.format.clone()).map(|format| format.value);
    ProxyLog {
        off,
        format: match (format, mode) {
            (None, Mode::Http) => LogFormat::Httplog,
            (None | Some(LogFormat::Httplog | LogFormat::Httpslog), Mode::Tcp) => LogFormat::Tcplog,
            (Some(format), _) => format,
        },
        errors_separately: own.errors_separately.or(shared.errors_separately).unwrap_or(false),
        without_null: without(LeaveOut::NullConnections),
        without_normal: without(LeaveOut::Normal),
    }
}

fn backend(written: WrittenBackend, shared: &Shared) -> Backend {
    let defaults = written.server_defaults;
    let common = check(None, written.check.as_ref(), None).map(Arc::new);
    let checked = |server: &WrittenServer| match (&server.check, &server.check_tls) {
        _ if server.verdict.track.is_some() => None,
        (None, None) => common.clone(),
        (own, tls) => check(own.as_ref(), written.check.as_ref(), tls.clone()).map(Arc::new),
    };
    Backend {
        name: written.name.map(|name| name.value).unwrap_or_default(),
        mode: written.mode.map_or_else(|| shared.mode(), |mode| mode.value),
        balance: written.balance.map_or(preset::BALANCE, |balance| balance.value),
        backups: written.backups.map_or(preset::BACKUPS, |backups| backups.value),
        persistence: written.persistence.map(|written| written.cookie),
        persist: written.persist.map(|persist| persist.value).unwrap_or_default(),
        stick: written.stick.into_iter().filter_map(tables::stick).collect(),
        track: written.track.into_iter().filter_map(tables::track).collect(),
        servers: written
            .servers
            .into_iter()
            .flatten()
            .filter_map(|written| {
                let check = checked(&written);
                server(written, &defaults, check)
            })
            .collect(),
        fullconn: written.fullconn.map(|fullconn| fullconn.value),
        timeouts: shared.server(&written.timeouts),
        retries: shared.retries(&written.retries),
        pages: pages(written.pages, &[]),
        abort_on_close: written.abort_on_close.unwrap_or(shared.abort_on_close),
        panic: written.panic,
        eject: written.eject.map(|eject| eject.value),
    }
}

/// Those that are written, and those of `below` for other statuses.
fn pages(written: Vec<WrittenPage>, below: &[ErrorPage]) -> Vec<ErrorPage> {
    let mut pages: Vec<ErrorPage> = written.into_iter().filter_map(WrittenPage::resolved).collect();
    for page in below {
        if !pages.iter().any(|own| own.status == page.status) {
            pages.push(page.clone());
        }
    }
    pages
}

/// A server's own check, with what it leaves out of its timing as the backend's says; else the backend's.
fn check(
    own: Option<&WrittenCheck>,
    shared: Option<&WrittenCheck>,
    tls: Option<Arc<ServerTls>>,
) -> Option<Check> {
    let (WrittenCheck::Check(written), shared) = (own.or(shared)?, shared) else { return None };
    let timing = match shared {
        Some(WrittenCheck::Check(shared)) => written.timing.clone().over(&shared.timing),
        Some(WrittenCheck::Off) | None => written.timing.clone(),
    };
    let target = written.target.resolved(tls);
    Some(Check { kind: written.kind.clone(), timing: timing.resolved(), target })
}

/// What a server says, and what it leaves out as `server_defaults` say. Only a check ever ends its first state.
fn verdict(written: WrittenVerdict, defaults: &WrittenVerdict, is_checked: bool) -> Verdict {
    let on_error = written.on_error.or_else(|| defaults.on_error.clone());
    let error_limit = written.error_limit.or_else(|| defaults.error_limit.clone());
    let layer = written.observe.or_else(|| defaults.observe.clone());
    let init_state = written.init_state.or_else(|| defaults.init_state.clone()).filter(|_| is_checked);
    Verdict {
        init_state: init_state.map(|state| state.value).unwrap_or_default(),
        agent: written.agent.or_else(|| defaults.agent.clone()).map(|agent| agent.value),
        observe: layer.map(|layer| Observe {
            layer: layer.value,
            error_limit: error_limit.map_or(preset::ERROR_LIMIT, |limit| limit.value),
            on_error: on_error.map_or(preset::ON_ERROR, |on_error| on_error.value),
        }),
        track: written.track.map(|track| track.value),
        ends_sessions: written.on_marked_down.is_some() || defaults.on_marked_down.is_some(),
        ends_backup_sessions: written.on_marked_up.is_some() || defaults.on_marked_up.is_some(),
    }
}

/// `None` for a server without an address, which is an error before it gets here.
fn server(written: WrittenServer, defaults: &ServerDefaults, check: Option<Arc<Check>>) -> Option<Server> {
    let limits = written.limits.or(defaults.limits);
    let uplink = written.uplink.resolved(&defaults.uplink, is_unix(written.address.as_ref()));
    let http = written.http.as_ref().or(defaults.http.as_ref());
    let http2 = written.http2.over(defaults.http2.over(ServerHttp2::DEFAULT));
    Some(Server {
        name: written.name.map(|name| name.value).unwrap_or_default(),
        address: written.address?,
        weight: written.weight.as_ref().or(defaults.weight.as_ref()).map_or(preset::WEIGHT, |w| w.value),
        backup: written.backup.is_some_and(|backup| backup.value),
        limits: Limits {
            maxconn: limits.maxconn.unwrap_or(0),
            minconn: limits.minconn.unwrap_or(0),
            max_queue: limits.max_queue.unwrap_or(0),
            slow_start: limits.slow_start.unwrap_or_default(),
        },
        verdict: verdict(written.verdict, &defaults.verdict, check.is_some()),
        cookie: written.cookie.map(|cookie| cookie.value),
        uplink: Uplink { http: http.map_or(preset::SERVER_HTTP, |http| http.value), http2, ..uplink },
        check,
    })
}
