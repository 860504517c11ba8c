//! From a configuration to a process that serves: limits, graph, binds, threads.
//!
//! Everything that can fail does so before the first connection is accepted.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::accept::{Listening, Socket};
use super::control::{self, Control, Ended, Threads};
use super::inbox::Workers;
use super::tables::Saver;
use super::worker::{self, Start};
use super::{pressure, tables};
use crate::clock::Epoch;
use crate::config::{Config, LogTarget};
use crate::log::writer;
use crate::memory;
use crate::model::process::Process;
use crate::model::shared::{Listener, Shared};
use crate::model::snapshot::{Site, Snapshot};
use crate::net::bind::{self, Bound, SocketFile};
use crate::net::{connect, limits};
use crate::stick::Table;
use crate::{health, log};

/// What is run.
#[derive(Debug)]
pub struct Launch {
    pub config: Config,
    /// Warnings the configuration gave.
    pub warnings: u32,
    /// What the configuration is called: its files.
    pub source: String,
}

/// Runs until a signal ends it; returns whether it ended well. `started` is called when all workers accept.
pub fn run(launch: Launch, started: impl FnOnce(&Arc<Shared>) -> anyhow::Result<()>) -> anyhow::Result<bool> {
    let Launch { config, warnings, source } = launch;
    let config = &config;
    memory::use_small_pages();
    let _log = log::start()?;
    log_panics();
    let epoch = Epoch::new();
    let workers = worker_count(config)?;
    let descriptors = limits::raise_descriptors()?;
    let maxconn = maxconn(config, workers, descriptors);
    if config.global.tls_keylog {
        tell_key_log();
    }
    let process = Process::new(workers, maxconn, descriptors, word());
    process.reserve(limits::for_control(config.backends.iter().map(|backend| backend.servers.len()).sum()));
    process.warnings.store(warnings, Relaxed);
    fit_tables(config)?;
    let site = Site { workers, maxconn, now_ms: epoch.now_ms(), resolve: &resolve };
    let snapshot = Snapshot::build(config, None, site)?;
    try_uplinks(&snapshot)?;
    let shared = Arc::new(Shared::new(snapshot, process, epoch));
    let writer::Started { targets, feeds, writers } =
        writer::start(config.global.log.iter().map(|log| &log.target), workers)?;
    shared.logs.get_or_init(|| targets);
    let mut feeds = feeds.into_iter();
    let log_targets: Arc<[LogTarget]> = config.global.log.as_slice().into();

    tables::restore(&shared);
    let (mut listening, files) = bind_frontends(&shared)?;
    let control = Control::bind(&shared, config)?;
    let (inboxes, mut receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| unbounded_channel()).unzip();
    let (ended, ends) = unbounded_channel();
    let (accepts, accepting) = unbounded_channel();
    for (index, inbox) in receivers.drain(..).enumerate() {
        let start = Start {
            index,
            shared: Arc::clone(&shared),
            listening: std::mem::take(&mut listening[index]),
            inbox,
            workers: inboxes.clone(),
            accept: config.global.accept,
            splice: config.global.splice,
            seed: random(),
            logs: (Arc::clone(&log_targets), feeds.next().unwrap_or_default()),
            accepts: accepts.clone(),
        };
        thread(format!("worker-{index}"), || worker::run(start), ended.clone())?;
    }
    let (checked, seed) = (Arc::clone(&shared), random());
    thread("checks".into(), move || on_local_runtime(health::run(checked, seed)), ended)?;

    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let threads = Threads { workers: Workers::new(inboxes), accepting, ends };
    let saver = Saver::start(&shared)?;
    let well = runtime.block_on(control::run(control, threads, source, started))?;
    drop(files);
    saver.finish();
    // The workers have ended: what they logged last is on its way.
    drop(writers);
    Ok(well)
}

/// One a core, within the cgroup's quota, unless said otherwise.
fn worker_count(config: &Config) -> io::Result<usize> {
    match config.global.workers {
        Some(workers) => Ok(workers.get()),
        None => Ok(std::thread::available_parallelism()?.get()),
    }
}

/// Fewer connections than anybody means to allow.
const FEW: u32 = 100;

fn maxconn(config: &Config, workers: usize, descriptors: u64) -> u32 {
    let listeners = config.frontends.iter().map(|f| f.binds.len()).sum();
    let servers = config.backends.iter().map(|b| b.servers.len()).sum();
    let most = limits::maxconn(descriptors, limits::reserved(descriptors, workers, listeners, servers));
    let wanted = config.global.maxconn.unwrap_or(most);
    if wanted > most {
        log::warning(format_args!(
            "global maxconn {wanted} needs more than the {descriptors} descriptors of this process; it is {most} now"
        ));
    }
    if most < FEW && wanted == most {
        log::warning(format_args!(
            "the {descriptors} descriptors of this process are enough for {most} connections only"
        ));
    }
    wanted.min(most)
}

/// The first address of a name, IPv4 before IPv6 where both are there.
fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.into_iter().next().ok_or_else(|| io::Error::other("the name has no address"))
}

/// Tables that could take more memory than there is would end the process one day: better now.
fn fit_tables(config: &Config) -> anyhow::Result<()> {
    let Some(ceiling) = pressure::ceiling(config.global.memory) else { return Ok(()) };
    let most: u64 = config.tables.iter().map(Table::most_bytes).sum();
    anyhow::ensure!(
        most < ceiling.bytes,
        "the tables may take {:.1} MB, of {:.1} MB of memory there are: give them fewer entries",
        most as f64 / 1e6,
        ceiling.bytes as f64 / 1e6
    );
    Ok(())
}

/// What cannot be done for a server is said now rather than at each connection.
fn try_uplinks(snapshot: &Snapshot) -> anyhow::Result<()> {
    for server in snapshot.backends.iter().flat_map(|backend| &backend.servers) {
        server.with_address(|address| {
            connect::try_options(address, &server.uplink).map_err(|(option, error)| {
                anyhow::anyhow!("server {}: `{option}` is not possible: {error}", server.path())
            })
        })?;
    }
    Ok(())
}

/// All binds or none; the sockets of each worker stand at its index.
fn bind_frontends(shared: &Arc<Shared>) -> Result<(Vec<Vec<Listening>>, Vec<SocketFile>), bind::BindError> {
    let workers = shared.process.workers;
    let mut listening: Vec<Vec<Listening>> = (0..workers).map(|_| Vec::new()).collect();
    let mut files = Vec::new();
    for frontend in &shared.snapshot().frontends {
        for (i, conf) in frontend.binds.iter().enumerate() {
            let bound = bind::bind(&conf.conf.address, &conf.conf.options, workers)?;
            shared.add_listener(Listener {
                proxy: Arc::clone(&frontend.name),
                name: format!("{}-{}", frontend.name, i + 1),
                address: bound.address(),
            });
            let port = bound.address().port();
            let on =
                |socket| Listening { socket, frontend: Arc::clone(frontend), bind: Arc::clone(conf), port };
            match bound {
                Bound::Tcp { shards, .. } => {
                    for (shard, worker) in shards.into_iter().zip(&mut listening) {
                        worker.push(on(Socket::Tcp(shard)));
                    }
                }
                Bound::Unix { listener, file } => {
                    listening[0].push(on(Socket::Unix(listener)));
                    files.push(file);
                }
            }
        }
    }
    Ok((listening, files))
}

fn thread(
    name: String,
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
    ended: UnboundedSender<Ended>,
) -> io::Result<()> {
    std::thread::Builder::new().name(name.clone()).spawn(move || {
        let result = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err("it panicked".to_owned()),
        };
        // The control thread may have ended first.
        let _gone = ended.send(Ended { name, result });
    })?;
    Ok(())
}

fn on_local_runtime(work: impl Future<Output = ()>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(work);
    Ok(())
}

fn tell_key_log() {
    match std::env::var_os("SSLKEYLOGFILE") {
        Some(file) => log::alert(format_args!(
            "tls_keylog: the keys of all TLS connections are written to {}; whoever has it reads everything",
            file.display()
        )),
        None => log::warning(format_args!("tls_keylog: SSLKEYLOGFILE is not set, so no keys are written")),
    }
}

fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed").to_owned();
        log::alert(format_args!("thread {name}: {info}"));
    }));
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A word that tells this run from others.
fn word() -> String {
    format!("{:016x}", random())
}
