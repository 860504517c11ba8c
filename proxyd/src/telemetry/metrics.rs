//! The text of `/metrics`: the statistics with HAProxy's names, and what is said of this process alone.
//!
//! The former is summed up from the workers' counters when asked for; the request path knows nothing of it. Unlike
//! `show stat` it counts from the start of the process, so that `clear counters all` is no reset to a scraper.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use proto::level::Level;
use proto::prometheus::{Scopes, exposition};
use proto::stats::{Kind, Row};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Handle;

use super::rows::{Selection, Since, rows};
use super::{
    certificates, cookies, handshakes, http2, http2_servers, info, refusals, shortages, tables, verdicts,
};
use crate::log::feed::Status;
use crate::model::shared::Shared;
use crate::{clock, log, memory};

/// Makes the text.
#[derive(Debug)]
pub(super) struct Exporter {
    shared: Arc<Shared>,
    own: Own,
}

impl Exporter {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let own = Own::new(shared.process.workers);
        Self { shared, own }
    }

    /// What is said of the process alone belongs to the scope `global`. It may take long, so not on a thread that
    /// others wait for; needs a runtime around it.
    pub(super) fn text(&self, scopes: Scopes) -> Vec<u8> {
        let begun = clock::now();
        let shared = &self.shared;
        let snapshot = shared.snapshot();
        let selection = Selection { kinds: Some(kinds(scopes)), ..Selection::default() };
        let rows: Vec<Row> = rows(shared, &snapshot, selection, Since::Start, Level::Admin).collect();
        let mut text = Vec::new();
        exposition(&mut text, &info::values(shared, false), &rows, scopes);
        if scopes.has(Scopes::FRONTEND) {
            refusals::exposition(&mut text, &snapshot);
            handshakes::of_clients(&mut text, &snapshot);
            http2::exposition(&mut text, &snapshot);
        }
        if scopes.has(Scopes::BACKEND) {
            cookies::exposition(&mut text, &snapshot);
        }
        if scopes.has(Scopes::SERVER) {
            handshakes::with_servers(&mut text, &snapshot);
            shortages::of_servers(&mut text, &snapshot);
            verdicts::of_servers(&mut text, &snapshot);
            http2_servers::exposition(&mut text, &snapshot);
        }
        if scopes.has(Scopes::STICKTABLE) {
            tables::exposition(&mut text, &snapshot);
        }
        if scopes.has(Scopes::BACKEND) {
            verdicts::of_backends(&mut text, &snapshot);
        }
        if scopes.has(Scopes::GLOBAL) {
            self.own.refresh(shared);
            text.extend_from_slice(self.own.rendered.render().trim_end().as_bytes());
            text.push(b'\n');
            processor_time(&mut text);
            log_targets(&mut text, shared);
            certificates::exposition(&mut text, &snapshot);
        }
        self.own.scrapes.increment(1);
        self.own.scrape_duration.set((clock::now() - begun).as_secs_f64());
        text
    }

    /// To be called every few seconds, as the library asks.
    pub(super) fn upkeep(&self) {
        self.own.rendered.run_upkeep();
    }
}

/// The rows that have something to say; a backend also counts its servers.
fn kinds(scopes: Scopes) -> u32 {
    [
        (Scopes::FRONTEND, Kind::Frontend),
        (Scopes::LISTENER, Kind::Listener),
        (Scopes::BACKEND, Kind::Backend),
        (Scopes::BACKEND, Kind::Server),
        (Scopes::SERVER, Kind::Server),
    ]
    .iter()
    .filter(|(scope, _)| scopes.has(*scope))
    .fold(0, |bits, (_, kind)| bits | u32::from(kind.bit()))
}

/// What other programs say of themselves too, and what HAProxy has no name for.
#[derive(Debug)]
struct Own {
    rendered: PrometheusHandle,
    open_fds: Gauge,
    max_fds: Gauge,
    resident_memory: Gauge,
    virtual_memory: Gauge,
    start_time: Gauge,
    threads: Gauge,
    log_lines_dropped: Counter,
    accept_failures: Counter,
    events: Counter,
    config_warnings: Gauge,
    config_generation: Gauge,
    listeners: Gauge,
    control_tasks: Gauge,
    worker_connections: Vec<Gauge>,
    memory_pressure: Gauge,
    shed: Counter,
    scrapes: Counter,
    scrape_duration: Gauge,
}

impl Own {
    fn new(workers: usize) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let gauge = |name: &'static str, help: &'static str| {
            describe_gauge!(name, help);
            gauge!(name)
        };
        let counter = |name: &'static str, help: &'static str| {
            describe_counter!(name, help);
            counter!(name)
        };
        with_local_recorder(&recorder, || {
            describe_gauge!("proxyd_build_info", "The version of proxyd that runs; the value is always 1");
            gauge!("proxyd_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            describe_gauge!("proxyd_worker_connections", "Client connections that a worker serves");
            let of_worker = |i: usize| gauge!("proxyd_worker_connections", "worker" => i.to_string());
            Self {
                open_fds: gauge("process_open_fds", "Open file descriptors"),
                max_fds: gauge("process_max_fds", "Most file descriptors the process may open"),
                resident_memory: gauge("process_resident_memory_bytes", "Memory of the process in RAM"),
                virtual_memory: gauge("process_virtual_memory_bytes", "Address space of the process"),
                start_time: gauge("process_start_time_seconds", "When the process started, in Unix time"),
                threads: gauge("process_threads", "Threads of the process"),
                log_lines_dropped: counter(
                    "proxyd_log_lines_dropped_total",
                    "Lines of the log that were lost because nobody read standard error, or a target of the access \
                     log was slow or dead",
                ),
                accept_failures: counter(
                    "proxyd_accept_failures_total",
                    "Times a connection could not be accepted for want of descriptors or memory",
                ),
                events: counter("proxyd_events_total", "Changes of state that were recorded"),
                config_warnings: gauge("proxyd_config_warnings", "Warnings the configuration gave"),
                config_generation: gauge(
                    "proxyd_config_generation",
                    "How often the configuration was replaced since the start",
                ),
                listeners: gauge("proxyd_listeners", "Addresses that are listened on, sockets included"),
                control_tasks: gauge("proxyd_control_tasks", "Tasks of the control thread"),
                worker_connections: (0..workers).map(of_worker).collect(),
                memory_pressure: gauge(
                    "proxyd_memory_pressure",
                    "Whether memory runs out: 1 where no connection is accepted, 2 where some are given up",
                ),
                shed: counter(
                    "proxyd_connections_shed_total",
                    "Client connections that were given up for want of memory",
                ),
                scrapes: counter("proxyd_scrapes_total", "Texts of metrics that were made before this one"),
                scrape_duration: gauge(
                    "proxyd_last_scrape_duration_seconds",
                    "How long the text of metrics before this one took to make",
                ),
                rendered: recorder.handle(),
            }
        })
    }

    /// Brings up to date what is not counted where it happens.
    fn refresh(&self, shared: &Shared) {
        let process = &shared.process;
        self.max_fds.set(process.descriptors as f64);
        self.start_time.set(shared.epoch.start_wall_ms() as f64 / 1000.0);
        self.log_lines_dropped.absolute(log::dropped() + shared.dropped_lines());
        self.accept_failures.absolute(process.accept_failures.load(Relaxed));
        self.events.absolute(shared.journal.counts().0);
        self.config_warnings.set(f64::from(process.warnings.load(Relaxed)));
        self.config_generation.set(f64::from(shared.generation()));
        self.listeners.set(shared.listeners().len() as f64);
        self.control_tasks.set(Handle::current().metrics().num_alive_tasks() as f64);
        for (gauge, connections) in self.worker_connections.iter().zip(process.loads.all()) {
            gauge.set(f64::from(connections));
        }
        if let Some(open) = entries("/proc/self/fd") {
            // Reading the folder needs one.
            self.open_fds.set(open.saturating_sub(1) as f64);
        }
        if let Some(threads) = entries("/proc/self/task") {
            self.threads.set(threads as f64);
        }
        if let Some(usage) = memory::usage() {
            self.virtual_memory.set(usage.space as f64);
            self.resident_memory.set(usage.resident as f64);
        }
        self.memory_pressure.set(f64::from(process.pressure() as u8));
        self.shed.absolute(process.shed.load(Relaxed));
    }
}

fn entries(folder: &str) -> Option<usize> {
    Some(std::fs::read_dir(folder).ok()?.count())
}

/// A counter of fractions, which the library does not have.
fn processor_time(text: &mut Vec<u8>) {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    // Writing to a Vec cannot fail.
    let _infallible = write!(
        text,
        "\n# HELP process_cpu_seconds_total Processor time the process has used\n\
         # TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total {seconds:.6}\n"
    );
}

/// Lines of each target of the access log.
fn log_targets(text: &mut Vec<u8>, shared: &Shared) {
    let Some(logs) = shared.logs.get().filter(|logs| logs.iter().next().is_some()) else { return };
    let mut family = |name: &str, help: &str, value: fn(&Status) -> u64| {
        // Writing to a Vec cannot fail.
        let _infallible = write!(text, "\n# HELP {name} {help}\n# TYPE {name} counter\n");
        for target in logs.iter() {
            let label = target.name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _infallible = writeln!(text, "{name}{{target=\"{label}\"}} {}", value(target));
        }
    };
    family("proxyd_log_target_lines_total", "Lines of the access log a target took", Status::written);
    family("proxyd_log_target_lines_dropped_total", "Lines of the access log a target lost", Status::dropped);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing;
    use crate::stats::cells::Count;

    fn text(shared: &Arc<Shared>, scopes: Scopes) -> String {
        let exporter = Exporter::new(Arc::clone(shared));
        exporter.upkeep();
        String::from_utf8(exporter.text(scopes)).unwrap()
    }

    fn value(text: &str, sample: &str) -> Option<f64> {
        text.lines().find_map(|line| line.strip_prefix(sample)?.trim().parse().ok())
    }

    #[tokio::test]
    async fn clearing_counters_is_no_reset() {
        let shared = testing::shared();
        let web = Arc::clone(&shared.snapshot().frontends[0]);
        web.live.stats.worker(0).add(Count::BytesIn, 700);
        let sample = "haproxy_frontend_bytes_in_total{proxy=\"web\"}";
        assert_eq!(value(&text(&shared, Scopes::ALL), sample), Some(700.0));
        web.live.stats.clear();
        assert_eq!(web.live.stats.totals(0).get(Count::BytesIn), 0);
        assert_eq!(value(&text(&shared, Scopes::ALL), sample), Some(700.0));
    }

    #[tokio::test]
    async fn it_says_of_itself() {
        let shared = testing::shared();
        shared.process.accept_failures.store(3, Relaxed);
        let text = text(&shared, Scopes::ALL);
        let version = concat!("proxyd_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
        assert_eq!(value(&text, version), Some(1.0));
        assert_eq!(value(&text, "proxyd_accept_failures_total "), Some(3.0));
        for sample in [
            "process_cpu_seconds_total ",
            "process_open_fds ",
            "process_resident_memory_bytes ",
            "process_start_time_seconds ",
            "process_threads ",
        ] {
            assert!(value(&text, sample).is_some_and(|v| v > 0.0), "{sample}");
        }
        assert_eq!(text.matches("# TYPE process_").count(), 7, "each family once");
    }

    #[tokio::test]
    async fn scopes_choose() {
        let shared = testing::shared();
        let servers = text(&shared, Scopes::SERVER);
        assert!(servers.starts_with("# HELP haproxy_server_"), "{servers}");
        assert!(!servers.contains("process_") && !servers.contains("haproxy_backend_"));
        // Servers are counted in, though not listed.
        let backends = text(&shared, Scopes::BACKEND);
        let up = "haproxy_backend_agg_server_status{proxy=\"app\",state=\"UP\"}";
        assert_eq!(value(&backends, up), Some(3.0), "{backends}");
        assert!(!backends.contains("haproxy_server_"));
        assert_eq!(text(&shared, Scopes::NONE), "");
    }
}
