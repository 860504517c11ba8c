//! One worker's own graph over the shared one: what a request touches, without a shared reference count.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::mux::Mux;
use super::pool::Pool;
use crate::config::Route;
use crate::http::ending::{CODES, Ending};
use crate::http::refusal::Reason;
use crate::model::backend::Backend;
use crate::model::frontend::Frontend;
use crate::model::server::Server;
use crate::model::snapshot::Snapshot;
use crate::net::stream::Stream;
use crate::net::tls::failure::Failure;
use crate::persist::{Found, Given};
use crate::stats::cells::Cells;

/// Frontends and backends as one worker sees them.
#[derive(Debug, Default)]
pub struct View {
    pub frontends: HashMap<Arc<str>, Rc<FrontendView>>,
    /// By the address of the model's object.
    servers: HashMap<*const Server, Rc<ServerView>>,
}

/// A frontend and the backends its requests go to.
#[derive(Debug)]
pub struct FrontendView {
    pub frontend: Arc<Frontend>,
    /// What no route takes goes here.
    pub backend: Option<Rc<BackendView>>,
    /// Of each route.
    routed: Box<[Option<Rc<BackendView>>]>,
    worker: usize,
}

/// A backend and its servers, in the order of the model's list.
#[derive(Debug)]
pub struct BackendView {
    pub backend: Arc<Backend>,
    pub servers: Vec<Rc<ServerView>>,
    /// Some of them may refuse a request before they look at it.
    pub may_refuse: bool,
    worker: usize,
}

/// A server and this worker's idle connections to it.
#[derive(Debug)]
pub struct ServerView {
    pub server: Arc<Server>,
    pub pool: RefCell<Pool>,
    /// Connections that many requests share.
    pub mux: Rc<Mux>,
    pub worker: usize,
}

impl FrontendView {
    pub fn cells(&self) -> &Cells {
        self.frontend.live.stats.worker(self.worker)
    }

    /// Where a connection goes whose client asks for that host by TLS.
    pub fn backend_for(&self, host: Option<&str>) -> Option<&Rc<BackendView>> {
        let fits = |route: &Route| host.is_some_and(|host| route.names.iter().any(|name| name.fits(host)));
        match self.frontend.routes.iter().position(fits) {
            Some(taken) => self.routed[taken].as_ref(),
            None => self.backend.as_ref(),
        }
    }

    /// Counts a request that was refused, by its reason.
    pub fn refused(&self, reason: Reason) {
        self.frontend.live.refusals.inc(self.worker, reason as usize);
    }

    /// The same for a handshake.
    pub fn handshake_failed(&self, failure: Failure) {
        self.frontend.live.tls_failures.inc(self.worker, failure as usize);
    }

    /// Counts a connection of HTTP/2 that was ended.
    pub fn ended(&self, ending: Ending) {
        self.frontend.live.http2.inc(self.worker, ending as usize);
    }

    /// Counts a stream that was reset with that code.
    pub fn reset(&self, code: u32) {
        let code = (code as usize).min(CODES.len() - 1);
        self.frontend.live.http2.inc(self.worker, Ending::COUNT + code);
    }
}

impl BackendView {
    pub fn cells(&self) -> &Cells {
        self.backend.live.stats.worker(self.worker)
    }

    /// Counts what was found and given of a cookie.
    pub fn count_cookie(&self, found: Found, given: Given) {
        let cookies = &self.backend.live.cookies;
        cookies.found.inc(self.worker, found as usize);
        cookies.given.inc(self.worker, given as usize);
    }
}

impl ServerView {
    /// An idle connection of this worker's own.
    pub fn take_idle(&self, moves: u32, surely: bool) -> Option<Stream> {
        let mut pool = self.pool.borrow_mut();
        pool.used(self.cells().current.get());
        if pool.is_empty() {
            return None;
        }
        let taken = pool.take(moves, surely);
        drop(pool);
        self.count_idle();
        taken
    }

    /// Shows other workers and readers how many idle connections there are.
    pub fn count_idle(&self) {
        let shared = if self.server.is_shared { self.mux.idle() } else { 0 };
        self.cells().idle.set((self.pool.borrow().len() + shared) as u64);
    }

    pub fn cells(&self) -> &Cells {
        self.server.stats.worker(self.worker)
    }
}

impl View {
    /// Servers that live on keep their idle connections.
    pub fn build(snapshot: &Snapshot, worker: usize, previous: &Self) -> Self {
        let mut servers = HashMap::new();
        let backends: HashMap<&str, Rc<BackendView>> = snapshot
            .backends
            .iter()
            .map(|backend| {
                let views =
                    backend.servers.iter().map(|server| match previous.servers.get(&Arc::as_ptr(server)) {
                        Some(view) => Rc::clone(view),
                        None => Rc::new(ServerView {
                            server: Arc::clone(server),
                            pool: RefCell::default(),
                            mux: Rc::default(),
                            worker,
                        }),
                    });
                let views: Vec<_> = views.collect();
                let may_refuse = views.iter().any(|view| view.server.is_shared);
                servers.extend(views.iter().map(|view| (Arc::as_ptr(&view.server), Rc::clone(view))));
                (
                    &*backend.name,
                    Rc::new(BackendView { backend: Arc::clone(backend), servers: views, may_refuse, worker }),
                )
            })
            .collect();
        let frontends = snapshot.frontends.iter().map(|frontend| {
            let backend = |name: &str| backends.get(name).cloned();
            let view = FrontendView {
                frontend: Arc::clone(frontend),
                backend: frontend.default_backend.as_deref().and_then(backend),
                routed: frontend.routes.iter().map(|route| backend(&route.to)).collect(),
                worker,
            };
            (Arc::clone(&frontend.name), Rc::new(view))
        });
        Self { frontends: frontends.collect(), servers }
    }

    /// All servers, for housekeeping.
    pub fn servers(&self) -> impl Iterator<Item = &Rc<ServerView>> {
        self.servers.values()
    }

    /// This worker's view of a server.
    pub fn server(&self, server: &Arc<Server>) -> Option<Rc<ServerView>> {
        self.servers.get(&Arc::as_ptr(server)).cloned()
    }
}
