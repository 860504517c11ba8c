//! From what was written to what holds: defaults applied, sections completed. Called where no error was found.

use super::defaults as preset;
use super::syntax::Document;
use super::syntax::backend::Backend as WrittenBackend;
use super::syntax::check::{Check as WrittenCheck, CheckKind as WrittenKind};
use super::syntax::defaults::Defaults as WrittenDefaults;
use super::syntax::frontend::Frontend as WrittenFrontend;
use super::syntax::global::Global as WrittenGlobal;
use super::syntax::http::Page as WrittenPage;
use super::syntax::server::Server as WrittenServer;
use super::words::RetryOn;
use super::{
    AdminSocket, Backend, Check, CheckKind, ClientTimeouts, Config, ErrorPage, ForwardHeaders, Frontend,
    Global, HttpOptions, Mode, Retries, Server, ServerTimeouts, Trusted,
};

/// What `defaults` comes to.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) mode: Mode,
    pub(super) client: ClientTimeouts,
    pub(super) server: ServerTimeouts,
    pub(super) retries: Retries,
    pub(super) forward: ForwardHeaders,
    pub(super) http: HttpOptions,
    pub(super) pages: Vec<ErrorPage>,
    pub(super) abort_on_close: bool,
    pub(super) trusted: Trusted,
}

impl Shared {
    /// The values of `defaults`, each its preset where it was not written.
    pub(super) fn of(written: Option<&WrittenDefaults>) -> Self {
        let timeouts = written.map(|written| &written.timeouts);
        let get = |pick: fn(&super::syntax::defaults::Timeouts) -> Option<std::time::Duration>| {
            timeouts.and_then(pick)
        };
        let retries = written.map(|written| &written.retries);
        let on = retries.and_then(|retries| retries.on.as_deref());
        let after = |reason: RetryOn| on.is_none_or(|on| on.contains(&reason));
        Self {
            mode: written.and_then(|written| written.mode.as_ref()).map_or(preset::MODE, |mode| mode.value),
            client: ClientTimeouts {
                client: get(|t| t.client).unwrap_or(preset::CLIENT),
                http_request: get(|t| t.http_request).unwrap_or(preset::HTTP_REQUEST),
                http_keep_alive: get(|t| t.http_keep_alive).unwrap_or(preset::HTTP_KEEP_ALIVE),
                client_fin: get(|t| t.client_fin),
                tunnel: get(|t| t.tunnel).unwrap_or(preset::TUNNEL),
            },
            server: ServerTimeouts {
                connect: get(|t| t.connect).unwrap_or(preset::CONNECT),
                server: get(|t| t.server).unwrap_or(preset::SERVER),
                server_fin: get(|t| t.server_fin),
            },
            retries: Retries {
                max: retries.and_then(|retries| retries.max).unwrap_or(preset::RETRIES),
                conn_failure: after(RetryOn::ConnFailure),
                empty_response: after(RetryOn::EmptyResponse),
                budget_percent: retries
                    .and_then(|retries| retries.budget)
                    .unwrap_or(preset::RETRY_BUDGET_PERCENT),
            },
            forward: written.map(|written| written.forward).unwrap_or_default(),
            http: written.map(|written| written.http).unwrap_or_default().over(HttpOptions::default()),
            pages: written.map(|written| pages(written.pages.clone(), &[])).unwrap_or_default(),
            abort_on_close: written
                .and_then(|written| written.abort_on_close)
                .unwrap_or(preset::ABORT_ON_CLOSE),
            trusted: written.and_then(|written| written.trusted.clone()).unwrap_or_default(),
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
    Config { global: global(document.global.into_iter().next()), frontends, backends }
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
        sockets: sockets.collect(),
        metrics: written.metrics.map(|bind| bind.value),
    }
}

fn frontend(written: WrittenFrontend, shared: &Shared) -> Frontend {
    Frontend {
        name: written.name.map(|name| name.value).unwrap_or_default(),
        mode: written.mode.map_or(shared.mode, |mode| mode.value),
        binds: written.binds.into_iter().map(|bind| bind.value).collect(),
        maxconn: written.maxconn.map(|maxconn| maxconn.value),
        default_backend: written.default_backend.map(|name| name.value),
        timeouts: shared.client,
        forward: written.forward.unwrap_or(shared.forward),
        http: written.http.over(shared.http),
        pages: pages(written.pages, &shared.pages),
        trusted: written.trusted.unwrap_or_else(|| shared.trusted.clone()),
    }
}

fn backend(written: WrittenBackend, shared: &Shared) -> Backend {
    Backend {
        name: written.name.map(|name| name.value).unwrap_or_default(),
        mode: written.mode.map_or(shared.mode, |mode| mode.value),
        balance: written.balance.map_or(preset::BALANCE, |balance| balance.value),
        check: written.check.map(check),
        servers: written.servers.into_iter().flatten().filter_map(server).collect(),
        timeouts: shared.server,
        retries: shared.retries,
        pages: pages(written.pages, &[]),
        abort_on_close: written.abort_on_close.unwrap_or(shared.abort_on_close),
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

fn check(written: WrittenCheck) -> Check {
    let interval = written.interval.unwrap_or(preset::CHECK_INTERVAL);
    Check {
        kind: match written.kind {
            WrittenKind::Tcp => CheckKind::Tcp,
            WrittenKind::Http { method, path, host, expect } => CheckKind::Http {
                method: method.unwrap_or_else(|| preset::CHECK_METHOD.to_owned()),
                path: path.unwrap_or_else(|| preset::CHECK_PATH.to_owned()),
                host,
                expect: expect.unwrap_or(preset::CHECK_EXPECT),
            },
        },
        interval,
        timeout: written.timeout.unwrap_or(interval),
        rise: written.rise.unwrap_or(preset::CHECK_RISE),
        fall: written.fall.unwrap_or(preset::CHECK_FALL),
    }
}

/// `None` for a server without an address, which is an error before it gets here.
fn server(written: WrittenServer) -> Option<Server> {
    Some(Server {
        name: written.name.map(|name| name.value).unwrap_or_default(),
        address: written.address?,
        weight: written.weight.map_or(preset::WEIGHT, |weight| weight.value),
        backup: written.backup.is_some_and(|backup| backup.value),
    })
}
