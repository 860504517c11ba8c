//! The graph of frontends and backends: built whole from a configuration, then never changed.
//!
//! Objects that keep their name keep their run-time state and counters from one graph to the next.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use proto::addr::Address;

use super::access_log::AccessLog;
use super::backend::{Backend, BackendLive};
use super::frontend::{Bind, Frontend, FrontendLive};
use super::server::{self, Server};
use super::state::Event;
use super::stick;
use crate::config::check::HttpVersion;
use crate::config::{self, CheckKind, Config, LogTarget, ServerAddress, Track};
use crate::http::reply::Pages;
use crate::stick::Table;
use crate::tls::live::Ends;
use crate::tls::{Common, Originator, Terminator};

/// Frontends and backends of one configuration.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub frontends: Vec<Arc<Frontend>>,
    pub backends: Vec<Arc<Backend>>,
    /// Their places.
    by_name: HashMap<Arc<str>, usize>,
    /// Stick tables, in the order of the configuration.
    pub tables: Vec<Arc<Table>>,
    /// `None` where there is no TLS.
    tls: Option<Arc<Common>>,
    /// Some servers track others.
    tracking: bool,
}

/// What a graph is built with, beside its configuration.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    pub workers: usize,
    /// The limit of the process, which a frontend without one of its own has.
    pub maxconn: u32,
    /// Milliseconds of the process's epoch.
    pub now_ms: u64,
    /// Looks up a host name.
    pub resolve: &'a dyn Fn(&str, u16) -> std::io::Result<SocketAddr>,
}

impl std::fmt::Debug for Site<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("workers", &self.workers).finish_non_exhaustive()
    }
}

/// A configuration that cannot be carried out. The texts have their cause in them, which is therefore no `source`: printed
/// with its causes, an error would say it twice.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A host name that leads nowhere.
    #[error("server {backend}/{server}: could not resolve {host:?}: {error}")]
    Resolve { backend: String, server: String, host: String, error: std::io::Error },
    #[error("{who}: TLS is not possible: {error}")]
    Tls { who: String, error: rustls::Error },
}

/// A frontend, a backend, or both under one name and id.
#[derive(Clone, Copy, Debug)]
pub struct Proxy<'a> {
    pub id: u32,
    pub name: &'a str,
    pub frontend: Option<&'a Arc<Frontend>>,
    pub backend: Option<&'a Arc<Backend>>,
}

/// HAProxy numbers its proxies from 2; 1 is its own.
const FIRST_ID: u32 = 2;

impl Snapshot {
    pub fn build(config: &Config, previous: Option<&Self>, site: Site<'_>) -> Result<Self, BuildError> {
        let mut ids: HashMap<&str, u32> = HashMap::new();
        let names = config.frontends.iter().map(|f| &f.name).chain(config.backends.iter().map(|b| &b.name));
        for name in names {
            let next = FIRST_ID + ids.len() as u32;
            ids.entry(name).or_insert(next);
        }
        let tables = config.tables.iter().map(|conf| {
            let before = previous.and_then(|p| p.table(&conf.name)).filter(|table| table.fits(conf));
            before.map_or_else(|| Arc::new(Table::new(conf)), Arc::clone)
        });
        let tables: Vec<_> = tables.collect();
        let before = previous.and_then(|p| p.tls.as_deref());
        let tls = Arc::new(Common::new(before, config.global.tls_keylog));
        let frontends = config.frontends.iter().map(|f| {
            let before = previous.and_then(|p| p.frontend(&f.name));
            let binds = binds(f, &tls)?;
            let made = frontend(f, ids[f.name.as_str()], before, binds, &config.global.log, site);
            Ok(Arc::new(Frontend { track: stick::Track::bind(&f.track, &tables), ..made }))
        });
        let backends = config.backends.iter().map(|b| {
            let before = previous.and_then(|p| p.backend(&b.name));
            let fullconn = b.fullconn.unwrap_or_else(|| fullconn(config, &b.name, site.maxconn));
            let made = backend(b, (ids[b.name.as_str()], fullconn), before, &tls, site);
            made.map(|backend| Arc::new(backend.with_tables(b, &tables)))
        });
        let frontends = frontends.collect::<Result<_, BuildError>>()?;
        let backends: Vec<Arc<Backend>> = backends.collect::<Result<_, _>>()?;
        let tracking = config.backends.iter().flat_map(|b| &b.servers).any(|s| s.verdict.track.is_some());
        let by_name =
            backends.iter().enumerate().map(|(i, backend)| (Arc::clone(&backend.name), i)).collect();
        let snapshot = Self { frontends, backends, by_name, tables, tls: Some(tls), tracking };
        snapshot.lead_new(previous);
        Ok(snapshot)
    }

    /// All that TLS is spoken with.
    pub fn tls_ends(&self) -> Ends {
        let binds = self.frontends.iter().flat_map(|frontend| &frontend.binds);
        let servers = self.backends.iter().flat_map(|backend| &backend.servers);
        Ends {
            terminators: binds.filter_map(|bind| bind.tls.clone()).collect(),
            originators: servers
                .flat_map(|server| {
                    let own = server
                        .check_tls
                        .as_ref()
                        .filter(|check| !server.tls.as_ref().is_some_and(|tls| Arc::ptr_eq(tls, check)));
                    server.tls.iter().chain(own).cloned()
                })
                .collect(),
        }
    }

    pub fn frontend(&self, name: &str) -> Option<&Arc<Frontend>> {
        self.frontends.iter().find(|f| *f.name == *name)
    }

    pub fn backend(&self, name: &str) -> Option<&Arc<Backend>> {
        self.by_name.get(name).map(|&i| &self.backends[i])
    }

    /// Has new servers that track others begin as those are. Those that live on are in use, and are told once this graph
    /// is.
    fn lead_new(&self, previous: Option<&Self>) {
        let lives_on = |server: &Server| {
            let before = previous.and_then(|graph| graph.backend(&server.backend)?.server(&server.name));
            before.is_some_and(|before| std::ptr::eq(&raw const **before, server))
        };
        self.each_follower(|lead, _, follower| {
            if !lives_on(follower) {
                follower.begin(Event::Follow(lead.control().state.as_lead()));
            }
        });
        for backend in &self.backends {
            if backend.servers.iter().any(|server| server.verdict.track.is_some()) {
                drop(backend.refresh());
            }
        }
    }

    /// Visits whoever tracks another, with that one and its own backend: from those that track nobody to those behind
    /// them, and so on.
    pub(super) fn each_follower(&self, mut visit: impl FnMut(&Server, &Backend, &Server)) {
        if !self.tracking {
            return;
        }
        let servers = self.backends.iter().flat_map(|backend| &backend.servers);
        let mut leads: Vec<&Server> =
            servers.map(|server| &**server).filter(|server| server.verdict.track.is_none()).collect();
        // There are no circles.
        while !leads.is_empty() {
            let mut next = Vec::new();
            for lead in leads {
                for (backend, follower) in self.followers(lead) {
                    visit(lead, backend, follower);
                    next.push(follower);
                }
            }
            leads = next;
        }
    }

    /// The servers that track this one, and their backends.
    pub fn followers<'a>(&'a self, lead: &'a Server) -> impl Iterator<Item = (&'a Backend, &'a Server)> {
        let of =
            |lead: &Server, track: &Track| *track.backend == *lead.backend && *track.server == *lead.name;
        let backends = self.backends.iter().filter(|_| self.tracking);
        backends.flat_map(move |backend| {
            let servers = backend.servers.iter();
            servers
                .filter(move |server| server.verdict.track.as_ref().is_some_and(|track| of(lead, track)))
                .map(|server| (&**backend, &**server))
        })
    }

    pub fn table(&self, name: &str) -> Option<&Arc<Table>> {
        self.tables.iter().find(|table| *table.name == *name)
    }

    /// In the order of their ids, which is that of the configuration.
    pub fn proxies(&self) -> Vec<Proxy<'_>> {
        let mut proxies: Vec<Proxy<'_>> = self
            .frontends
            .iter()
            .map(|f| Proxy { id: f.id, name: &f.name, frontend: Some(f), backend: None })
            .collect();
        let by_id: HashMap<u32, usize> = proxies.iter().enumerate().map(|(i, p)| (p.id, i)).collect();
        for backend in &self.backends {
            match by_id.get(&backend.id) {
                Some(&i) => proxies[i].backend = Some(backend),
                None => proxies.push(Proxy {
                    id: backend.id,
                    name: &backend.name,
                    frontend: None,
                    backend: Some(backend),
                }),
            }
        }
        proxies
    }
}

/// A second less than there is, for what is on its way; nothing where there is hardly more than that.
fn told_keep_alive(conf: &config::Frontend) -> Option<u32> {
    let seconds = u32::try_from(conf.timeouts.http_keep_alive.as_secs()).unwrap_or(u32::MAX);
    (conf.http.announce_keep_alive && seconds > 1).then(|| seconds - 1)
}

fn binds(conf: &config::Frontend, common: &Arc<Common>) -> Result<Vec<Arc<Bind>>, BuildError> {
    let bind = |bind: &config::Bind| {
        let tls = bind.tls.as_ref().map(|tls| Terminator::new(tls, common).map(Arc::new)).transpose();
        let tls = tls.map_err(|error| BuildError::Tls { who: format!("frontend {}", conf.name), error })?;
        Ok(Arc::new(Bind::new(bind.clone(), tls)))
    };
    conf.binds.iter().map(bind).collect()
}

fn frontend(
    conf: &config::Frontend,
    id: u32,
    before: Option<&Arc<Frontend>>,
    binds: Vec<Arc<Bind>>,
    targets: &[LogTarget],
    site: Site<'_>,
) -> Frontend {
    let live = match before {
        Some(before) => Arc::clone(&before.live),
        None => Arc::new(FrontendLive::new(site.workers, conf.maxconn)),
    };
    Frontend {
        name: conf.name.as_str().into(),
        id,
        mode: conf.mode,
        timeouts: conf.timeouts,
        forward: conf.forward,
        client_cert_headers: Arc::clone(&conf.client_cert_headers),
        http: conf.http,
        told_keep_alive: told_keep_alive(conf),
        pages: Pages::new(&conf.pages),
        maxconn_per_source: conf.maxconn_per_source,
        configured_maxconn: conf.maxconn,
        trusted: conf.trusted.clone(),
        track: Box::default(),
        routes: conf.routes.clone(),
        default_backend: conf.default_backend.as_deref().map(Into::into),
        binds,
        log: AccessLog::new(&conf.log, conf.mode, targets),
        live,
    }
}

/// A tenth of what the frontends take that lead to a backend, as HAProxy has it.
fn fullconn(config: &Config, backend: &str, maxconn: u32) -> u32 {
    let feeds = config.frontends.iter().filter(|f| {
        let routed = f.routes.iter().map(|route| route.to.as_str());
        f.default_backend.as_deref().into_iter().chain(routed).any(|to| to == backend)
    });
    let connections: u64 = feeds.map(|f| u64::from(f.maxconn.unwrap_or(maxconn))).sum();
    u32::try_from(connections.div_ceil(10)).unwrap_or(u32::MAX).max(1)
}

fn backend(
    conf: &config::Backend,
    (id, fullconn): (u32, u32),
    before: Option<&Arc<Backend>>,
    common: &Arc<Common>,
    site: Site<'_>,
) -> Result<Backend, BuildError> {
    let name: Arc<str> = conf.name.as_str().into();
    let mut servers = Vec::with_capacity(conf.servers.len());
    let old: HashMap<&str, &Arc<Server>> =
        before.iter().flat_map(|b| &b.servers).map(|s| (&*s.name, s)).collect();
    for (i, server) in conf.servers.iter().enumerate() {
        // What an operator changed outlives a reload, unless the configuration changed there.
        if let Some(&kept) = old.get(server.name.as_str())
            && kept.id == i as u32 + 1
            && kept.backup == server.backup
            && kept.initial_weight == server.weight
            && kept.configured_address == server.address
            && kept.uplink == server.uplink
            && kept.verdict == server.verdict
            && kept.check == server.check
        {
            servers.push(Arc::clone(kept));
            continue;
        }
        let address = match &server.address {
            ServerAddress::Literal(address) => address.clone(),
            ServerAddress::Host { name: host, port } => {
                Address::Ip((site.resolve)(host, *port).map_err(|error| BuildError::Resolve {
                    backend: conf.name.clone(),
                    server: server.name.clone(),
                    host: host.clone(),
                    error,
                })?)
            }
        };
        let failed = |error| BuildError::Tls { who: format!("server {}/{}", conf.name, server.name), error };
        let http = server.uplink.http;
        let made = server.uplink.tls.as_ref().map(|tls| Originator::new(tls, http, common).map(Arc::new));
        let tls = made.transpose().map_err(failed)?;
        let check_tls = check_tls(server, tls.as_ref(), common).map_err(failed)?;
        servers.push(Arc::new(Server::new(server::Parts {
            name: server.name.as_str().into(),
            backend: Arc::clone(&name),
            id: i as u32 + 1,
            backup: server.backup,
            weight: server.weight,
            maxconn: server.limits.maxconn,
            verdict: server.verdict.clone(),
            uplink: server.uplink.clone(),
            tls,
            check_tls,
            configured_address: server.address.clone(),
            address,
            check: server.check.clone(),
            workers: site.workers,
            now_ms: site.now_ms,
        })));
    }
    let live = match before {
        Some(before) => Arc::clone(&before.live),
        None => Arc::new(BackendLive::new(site.workers, site.now_ms)),
    };
    Ok(Backend::new(name, id, conf, fullconn, servers, live))
}

/// What encrypted connections of a server's check are made with.
fn check_tls(
    server: &config::Server,
    tls: Option<&Arc<Originator>>,
    common: &Arc<Common>,
) -> Result<Option<Arc<Originator>>, rustls::Error> {
    let Some(check) = &server.check else { return Ok(None) };
    let alpn = match (&check.target.alpn, &check.kind) {
        (Some(alpn), _) => Some(alpn.clone()),
        (None, CheckKind::Grpc { .. }) => Some(vec!["h2".to_owned()]),
        (None, CheckKind::Http(asked)) => match asked.version {
            Some(HttpVersion::Http2) => Some(vec!["h2".to_owned()]),
            Some(HttpVersion::Http10 | HttpVersion::Http11) => Some(Vec::new()),
            None => None,
        },
        _ => None,
    };
    if let (None, None) = (&check.target.tls, &alpn) {
        return Ok(tls.map(Arc::clone));
    }
    let Some(settings) = check.target.tls.as_ref().or(server.uplink.tls.as_ref()) else { return Ok(None) };
    let made = match alpn {
        Some(alpn) => {
            Originator::offering(settings, alpn.into_iter().map(String::into_bytes).collect(), common)
        }
        None => Originator::new(settings, server.uplink.http, common),
    };
    Ok(Some(Arc::new(made?)))
}
