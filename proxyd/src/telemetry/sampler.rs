//! Rates and true maxima, taken once a second so that the request path need not.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::clock::{self, Instant};
use crate::log::feed::Status;
use crate::model::server::Rates;
use crate::model::shared::Shared;
use crate::stats::cells::{Count, Sharded};
use crate::stick::Table;

const INTERVAL: Duration = Duration::from_secs(1);

/// How long one turn of the thread may take before others get theirs.
const SLICE: Duration = Duration::from_millis(1);

/// Samples for as long as it is polled.
pub async fn run(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut last = clock::now();
    let mut usage = Usage::now();
    // The first tick is at once and has nothing to compare with.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let now = clock::now();
        sample(&shared, now.duration_since(last)).await;
        last = now;
        usage.measure(&shared);
        if let Some(logs) = shared.logs.get() {
            logs.iter().for_each(Status::tell_losses);
        }
    }
}

/// Takes one sample, `elapsed` after the one before.
async fn sample(shared: &Shared, elapsed: Duration) {
    let ms = elapsed.as_millis() as u64;
    let epoch = shared.maxima();
    let snapshot = shared.snapshot();
    let (mut sessions, mut requests, mut bytes_out) = (0, 0, 0);
    let (mut handshakes, mut full, mut with_servers) = (0, 0, 0);
    let mut slice = clock::now();
    for frontend in &snapshot.frontends {
        let live = &frontend.live;
        object(&live.stats, &live.rates, epoch, ms);
        sessions += live.stats.raw(Count::Sessions);
        requests += live.stats.raw(Count::Requests);
        bytes_out += live.stats.raw(Count::BytesOut);
        handshakes += live.stats.raw(Count::Handshakes);
        full += full_handshakes(&live.stats);
    }
    for backend in &snapshot.backends {
        object(&backend.live.stats, &backend.live.rates, epoch, ms);
        for server in &backend.servers {
            object(&server.stats, &server.rates, epoch, ms);
            server.rates.served_max.raise(epoch, u64::from(server.served.load(Relaxed)));
            if server.tls.is_some() {
                with_servers += full_handshakes(&server.stats);
            }
            breathe(&mut slice).await;
        }
    }
    for table in &snapshot.tables {
        sweep(shared, table).await;
    }
    let process = &shared.process;
    process.connection_rate.sample(epoch, sessions, ms);
    process.request_rate.sample(epoch, requests, ms);
    process.bytes_out_rate.sample(epoch, bytes_out, ms);
    process.tls_rates.accepted.sample(epoch, handshakes, ms);
    process.tls_rates.full.sample(epoch, full, ms);
    process.tls_rates.full_with_servers.sample(epoch, with_servers, ms);
}

/// Takes what expired out of a table.
pub(crate) async fn sweep(shared: &Shared, table: &Table) {
    let mut slice = clock::now();
    for part in 0..table.parts() {
        table.sweep(part, shared.epoch.now_ms());
        breathe(&mut slice).await;
    }
}

/// Those that resumed nothing.
fn full_handshakes(stats: &Sharded) -> u64 {
    stats.raw(Count::Handshakes).saturating_sub(stats.raw(Count::Resumptions))
}

fn object(stats: &Sharded, rates: &Rates, epoch: u32, ms: u64) {
    let sessions = stats.raw(Count::Sessions);
    rates.sessions.sample(epoch, sessions, ms);
    rates.connections.sample(epoch, sessions, ms);
    rates.requests.sample(epoch, stats.raw(Count::Requests), ms);
    stats.sampled_max.raise(epoch, stats.current());
}

/// Lets others run once the slice is used up.
pub(crate) async fn breathe(slice: &mut Instant) {
    if slice.elapsed() >= SLICE {
        tokio::task::yield_now().await;
        *slice = clock::now();
    }
}

/// Processor time of the process at a moment.
struct Usage {
    at: Instant,
    used: Duration,
}

impl Usage {
    fn now() -> Self {
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Self { at: clock::now(), used: Duration::new(used.tv_sec as u64, used.tv_nsec as u32) }
    }

    /// Records the share of the time since the last call in which the workers had nothing to do.
    fn measure(&mut self, shared: &Shared) {
        let now = Self::now();
        let available =
            now.at.duration_since(self.at).as_micros() as u64 * shared.process.workers.max(1) as u64;
        let used = now.used.saturating_sub(self.used).as_micros() as u64;
        let idle = 100 - (used * 100).checked_div(available).unwrap_or(0).min(100);
        shared.process.idle_percent.store(idle as u32, Relaxed);
        *self = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing;

    #[tokio::test]
    async fn a_second_gives_rates_and_maxima() {
        let shared = testing::shared();
        let snapshot = shared.snapshot();
        let web = snapshot.frontend("web").unwrap();
        let cells = web.live.stats.worker(0);
        for _ in 0..50 {
            cells.inc(Count::Sessions);
            cells.enter(0);
        }
        sample(&shared, Duration::from_millis(500)).await;
        assert_eq!(web.live.rates.sessions.get(), 100);
        assert_eq!(shared.process.connection_rate.get(), 100);
        (0..50).for_each(|_| cells.leave());
        sample(&shared, INTERVAL).await;
        assert_eq!(web.live.rates.sessions.get(), 0);
        assert_eq!(web.live.rates.sessions.max(0), 100);
        assert_eq!(web.live.stats.totals(0).current_max, 50);
    }
}
