//! The control thread: signals, sockets for people and programs, and the way to the end.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use proto::addr::Address;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use super::inbox::{Message, Workers};
use super::{lineups, pressure};
use crate::config::{AdminSocket, Config, Memory};
use crate::model::shared::{Listener, Shared};
use crate::net::bind::{self, BindError, SocketFile};
use crate::telemetry::{http, sampler};
use crate::{admin, log};

/// How long requests may take to end once stopping has begun.
const GRACE: Duration = Duration::from_secs(30);

/// What the control thread serves.
#[derive(Debug)]
pub struct Control {
    shared: Arc<Shared>,
    metrics: Option<http::Endpoint>,
    sockets: Vec<admin::Socket>,
    memory: Memory,
    /// Removed at the end.
    files: Vec<SocketFile>,
}

impl Control {
    /// Binds all sockets that are not a frontend's.
    pub fn bind(shared: &Arc<Shared>, config: &Config) -> Result<Self, BindError> {
        let (mut sockets, mut files) = (Vec::new(), Vec::new());
        for (i, AdminSocket { path, mode, level }) in config.global.sockets.iter().enumerate() {
            let (listener, file) = bind::unix(path, Some(*mode))?;
            shared.add_listener(Listener {
                proxy: "GLOBAL".into(),
                name: format!("stats-{}", i + 1),
                address: Address::Unix(path.clone()),
            });
            sockets.push(admin::Socket { listener, path: path.clone(), level: *level });
            files.push(file);
        }
        let metrics =
            config.global.metrics.as_ref().map(|address| http::bind(address, shared)).transpose()?;
        Ok(Self { shared: Arc::clone(shared), metrics, sockets, memory: config.global.memory, files })
    }
}

/// Tells how a thread ended.
#[derive(Debug)]
pub struct Ended {
    pub name: String,
    /// `Err` if it failed or panicked.
    pub result: Result<(), String>,
}

/// What the control thread hears from the others and tells them.
#[derive(Debug)]
pub struct Threads {
    pub workers: Workers,
    /// A word from each worker once it accepts.
    pub accepting: UnboundedReceiver<()>,
    /// Threads as they end.
    pub ends: UnboundedReceiver<Ended>,
}

/// Serves until the process is told to stop and its workers have ended; true if it ended as it should.
pub async fn run(
    control: Control,
    threads: Threads,
    source: String,
    started: impl FnOnce(&Arc<Shared>) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let Control { shared, metrics, sockets, memory, files } = control;
    let Threads { workers, mut accepting, mut ends } = threads;
    tokio::task::spawn_local(admin::serve(Arc::clone(&shared), sockets, source));
    tokio::task::spawn_local(lineups::run(Arc::clone(&shared)));
    tokio::task::spawn_local(sampler::run(Arc::clone(&shared)));
    tokio::task::spawn_local(pressure::run(Arc::clone(&shared), workers.clone(), memory));
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    if let Some(endpoint) = metrics {
        tokio::task::spawn_local(http::serve(endpoint, Arc::clone(&shared)));
    }
    let mut left = shared.process.workers;
    let mut starting = left;
    let mut started = Some(started);
    let mut well = true;
    while left > 0 {
        tokio::select! {
            _ = terminate.recv() => stop(&shared, &workers),
            _ = interrupt.recv() => stop(&shared, &workers),
            _ = hangup.recv() => {
                log::warning(format_args!("SIGHUP ignored: this version cannot reload its configuration"));
            }
            Some(()) = accepting.recv() => {
                starting -= 1;
                if starting == 0 && let Some(started) = started.take() {
                    ready(&shared);
                    started(&shared)?;
                }
            }
            Some(ended) = ends.recv() => {
                left -= usize::from(ended.name.starts_with("worker"));
                if let Err(error) = ended.result {
                    log::alert(format_args!("thread {} failed: {error}; stopping", ended.name));
                    well = false;
                    stop(&shared, &workers);
                }
            }
        }
    }
    drop(files);
    match shared.process.killed.load(Relaxed) {
        0 => log::notice(format_args!("all connections have ended, exiting")),
        killed => log::warning(format_args!("{killed} requests and sessions were cut, exiting")),
    }
    Ok(well)
}

fn ready(shared: &Shared) {
    shared.process.boot_ms.store(shared.epoch.now_ms() as u32, Relaxed);
    log::notice(format_args!("proxyd {} is ready, pid {}", env!("CARGO_PKG_VERSION"), std::process::id()));
    notify(&[sd_notify::NotifyState::Ready]);
}

/// The first time gracefully, the second time at once.
fn stop(shared: &Shared, workers: &Workers) {
    if shared.process.stopping.swap(true, Relaxed) {
        log::warning(format_args!("told to stop again: ending at once"));
        workers.tell(|| Message::Kill);
        return;
    }
    let connections = shared.process.connections.load(Relaxed);
    log::notice(format_args!("stopping: {connections} connections have {} s to end", GRACE.as_secs()));
    notify(&[sd_notify::NotifyState::Stopping]);
    shared.stopping.notify_waiters();
    workers.tell(|| Message::Drain(GRACE));
}

fn notify(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log::warning(format_args!("cannot tell the service manager: {error}"));
    }
}
