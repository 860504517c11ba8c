//! The values of `show info`.

use std::sync::atomic::Ordering::Relaxed;

use proto::info::{Info, InfoValues};
use proto::units::format_uptime;

use crate::log;
use crate::model::shared::Shared;
use crate::model::snapshot::Snapshot;
use crate::net::tls;
use crate::stats::cells::Count;

/// Clients read the version's numbers as HAProxy's and decide by them what they can ask for.
pub const VERSION: &str = concat!("3.2.0-proxyd-", env!("CARGO_PKG_VERSION"));

/// What this really is.
pub const BUILD: &str = concat!("proxyd ", env!("CARGO_PKG_VERSION"));

const RELEASED: &str = "2026/11/22";

/// What is 0 because it does not exist here.
const ABSENT: [Info; 33] = [
    Info::MemmaxMb,
    Info::PoolAllocMb,
    Info::PoolUsedMb,
    Info::PoolFailed,
    Info::MaxSslConns,
    Info::Maxpipes,
    Info::PipesUsed,
    Info::PipesFree,
    Info::ConnRateLimit,
    Info::SessRateLimit,
    Info::SslRateLimit,
    Info::SslCacheLookups,
    Info::SslCacheMisses,
    Info::CompressBpsIn,
    Info::CompressBpsOut,
    Info::CompressBpsRateLim,
    Info::ZlibMemUsage,
    Info::MaxZlibMemUsage,
    Info::Tasks,
    Info::RunQueue,
    Info::UnstoppableJobs,
    Info::ActivePeers,
    Info::ConnectedPeers,
    Info::BusyPolling,
    Info::FailedResolutions,
    Info::DebugCommandsIssued,
    Info::CumRecvLogs,
    Info::MemmaxBytes,
    Info::NicedTasks,
    Info::BlockedTrafficWarnings,
    Info::PoolAllocBytes,
    Info::PoolUsedBytes,
    Info::TotalSplicedBytesOut,
];

/// The values of now; `float` as the command's word says.
pub fn values(shared: &Shared, float: bool) -> InfoValues {
    let mut values = InfoValues::new();
    for field in ABSENT.into_iter().chain([Info::PatternsAdded, Info::PatternsFreed]) {
        count(&mut values, field, 0);
    }
    let process = &shared.process;
    for (field, text) in [
        (Info::Name, "HAProxy"),
        (Info::Version, VERSION),
        (Info::ReleaseDate, RELEASED),
        (Info::BuildInfo, BUILD),
    ] {
        values.set(field, text);
    }
    values.set(Info::Tainted, "0");
    values.set(Info::Node, node());

    let up_ms = shared.epoch.now_ms();
    values.set(Info::Uptime, format_uptime(up_ms / 1000));
    let start_ms = shared.epoch.start_wall_ms();
    if float {
        values.set(Info::UptimeSec, up_ms as f64 / 1000.0);
        values.set(Info::StartTimeSec, start_ms as f64 / 1000.0);
    } else {
        count(&mut values, Info::UptimeSec, up_ms / 1000);
        count(&mut values, Info::StartTimeSec, start_ms / 1000);
    }

    let snapshot = shared.snapshot();
    let sum = |which| -> u64 { snapshot.frontends.iter().map(|f| f.live.stats.raw(which)).sum() };
    let streams: u64 = snapshot.frontends.iter().map(|f| f.live.stats.current()).sum();
    // A connection in TCP mode is one request.
    let requests: u64 = snapshot
        .frontends
        .iter()
        .map(|f| {
            f.live.stats.raw(if f.mode == crate::config::Mode::Http {
                Count::Requests
            } else {
                Count::Sessions
            })
        })
        .sum();
    let maxima = shared.maxima();
    let (connections, listeners) =
        (u64::from(process.connections.load(Relaxed)), shared.listeners().len() as u64);
    for (field, number) in [
        (Info::Nbthread, process.workers as u64),
        (Info::Nbproc, 1),
        (Info::ProcessNum, 1),
        (Info::NbThreadGroups, 1),
        (Info::Pid, u64::from(std::process::id())),
        (Info::UlimitN, process.descriptors),
        (Info::Maxsock, process.descriptors),
        (Info::Maxconn, u64::from(process.maxconn())),
        (Info::HardMaxconn, u64::from(process.hard_maxconn)),
        (Info::CurrConns, connections),
        (Info::CumConns, sum(Count::Sessions)),
        (Info::CumReq, requests),
        (Info::ConnRate, process.connection_rate.get()),
        (Info::MaxConnRate, process.connection_rate.max(maxima)),
        (Info::SessRate, process.connection_rate.get()),
        (Info::MaxSessRate, process.connection_rate.max(maxima)),
        (Info::IdlePct, u64::from(process.idle_percent.load(Relaxed))),
        (Info::Stopping, u64::from(process.is_stopping())),
        (Info::Jobs, connections + listeners),
        (Info::Listeners, listeners),
        (Info::DroppedLogs, log::dropped() + shared.dropped_lines()),
        (Info::TotalBytesOut, sum(Count::BytesOut)),
        (Info::BytesOutRate, process.bytes_out_rate.get()),
        (Info::TotalWarnings, u64::from(process.warnings.load(Relaxed))),
        (Info::MaxconnReached, process.maxconn_reached.load(Relaxed)),
        (Info::BootTimeMs, u64::from(process.boot_ms.load(Relaxed))),
        (Info::CurrStreams, streams),
        (Info::CumStreams, requests),
    ] {
        count(&mut values, field, number);
    }
    of_tls(&mut values, shared, &snapshot, sum(Count::Handshakes));
    values
}

/// What is known of TLS.
fn of_tls(values: &mut InfoValues, shared: &Shared, snapshot: &Snapshot, with_clients: u64) {
    let servers = snapshot.backends.iter().flat_map(|backend| &backend.servers);
    let with_servers: u64 = servers.map(|server| server.stats.raw(Count::Handshakes)).sum();
    let (rates, maxima) = (&shared.process.tls_rates, shared.maxima());
    let (handshakes, keys) = (rates.accepted.get(), rates.full.get());
    for (field, number) in [
        (Info::CurrSslConns, tls::open_connections().into()),
        (Info::CumSslConns, with_clients + with_servers),
        (Info::SslRate, handshakes),
        (Info::MaxSslRate, rates.accepted.max(maxima)),
        (Info::SslFrontendKeyRate, keys),
        (Info::SslFrontendMaxKeyRate, rates.full.max(maxima)),
        (Info::SslFrontendSessionReusePct, handshakes.saturating_sub(keys) * 100 / handshakes.max(1)),
        (Info::SslBackendKeyRate, rates.full_with_servers.get()),
        (Info::SslBackendMaxKeyRate, rates.full_with_servers.max(maxima)),
    ] {
        count(values, field, number);
    }
}

/// Sets a number as the catalogue types it; what does not fit wraps, as HAProxy's 32-bit counters do.
fn count(values: &mut InfoValues, field: Info, number: u64) {
    match field.field().value {
        proto::stats::ValueType::U64 => values.set(field, number),
        _ => values.set(field, number as u32),
    }
}

/// Host name, as `node`; never empty.
fn node() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing;

    #[test]
    fn every_line_has_a_value_that_old_parsers_take() {
        let values = values(&testing::shared(), false);
        let mut text = Vec::new();
        proto::info::plain(&mut text, &values, false);
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("Name: HAProxy\nVersion: 3.2.0-proxyd-"), "{text}");
        // All of HAProxy's but the description, which is not configured.
        assert_eq!(text.lines().count(), Info::ALL.len() - 1);
        for line in text.lines() {
            assert_eq!(line.matches(": ").count(), 1, "{line}");
            assert!(line.split_once(": ").is_some_and(|(_, value)| !value.is_empty()), "{line}");
            assert!(line.is_ascii(), "{line}");
        }
        assert!(text.contains("\nMaxconn: 1000\n") && text.contains("\nBuild info: proxyd "), "{text}");
    }

    #[test]
    fn types_are_those_of_the_catalogue() {
        for (field, value) in values(&testing::shared(), false).iter() {
            assert_eq!(value.value_type(), field.field().value, "{}", field.name());
        }
    }
}
