//! The one table of default values. `print-defaults`, the reference and the resolver all read it.

use std::time::Duration;

use proto::level::Level;

use super::check::StatusRange;
use super::reasons::Reason;
use super::{Accept, Algorithm, Backups, HashKind, Memory, Mode, OnError, ServerHttp, Splice};
use crate::log::target::Facility;

pub const ACCEPT: Accept = Accept::Balanced;
pub const MEMORY: Memory = Memory::Share(Memory::PERCENT);
pub const SPLICE: Splice = Splice::Auto;
pub const MODE: Mode = Mode::Http;
pub const BALANCE: Algorithm = Algorithm::RoundRobin;
pub const BACKUPS: Backups = Backups::First;
/// As HAProxy has it.
pub const DRAWS: u32 = 2;
/// The same.
pub const HASH_KIND: HashKind = HashKind::MapBased;

pub const CONNECT: Duration = Duration::from_secs(5);
pub const CLIENT: Duration = Duration::from_mins(1);
pub const SERVER: Duration = Duration::from_mins(1);
pub const PROXY_HEADER: Duration = Duration::from_secs(10);
pub const HTTP_REQUEST: Duration = Duration::from_secs(10);
pub const CLIENT_HELLO: Duration = Duration::from_secs(5);
pub const HTTP_KEEP_ALIVE: Duration = Duration::from_mins(1);
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(10);
pub const TUNNEL: Duration = Duration::from_hours(1);

pub const AGENT_INTERVAL: Duration = Duration::from_secs(2);
pub const ERROR_LIMIT: u32 = 10;
pub const ON_ERROR: OnError = OnError::FailCheck;
pub const SAVE_INTERVAL: Duration = Duration::from_mins(1);
pub const EJECT_WINDOW: Duration = Duration::from_secs(10);
pub const EJECT_BASE: Duration = Duration::from_secs(30);
pub const EJECT_MOST: u32 = 20;
pub const EJECT_MIN_REQUESTS: u32 = 20;

/// What a buffer for heads holds.
pub const ANNOUNCE_KEEP_ALIVE: bool = false;
pub const MAX_HEADER_BYTES: usize = 16 * 1024;
pub const MAX_HEADERS: usize = 100;

pub const ABORT_ON_CLOSE: bool = false;

pub const RETRIES: u32 = 3;
pub const RETRY_BUDGET_PERCENT: u32 = 20;
pub const RETRY_ON: [Reason; 2] = [Reason::ConnFailure, Reason::EmptyResponse];
pub const REPLAY: u32 = 16 * 1024;

pub const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Percent.
pub const CHECK_SPREAD: u32 = 0;
pub const CHECK_RISE: u32 = 2;
pub const CHECK_FALL: u32 = 3;
pub const CHECK_METHOD: &str = "GET";
pub const CHECK_HELO: &str = "localhost";
pub const CHECK_PATH: &str = "/";
pub const CHECK_EXPECT: StatusRange = StatusRange { first: 200, last: 399 };

/// Of 256, so that `weight: 50` and `set weight 50%` both mean half.
pub const WEIGHT: u32 = 100;

pub const SERVER_HTTP: ServerHttp = ServerHttp::Http1;

pub const SOCKET_MODE: u32 = 0o600;
pub const SOCKET_LEVEL: Level = Level::Operator;

pub const LOG_FACILITY: Facility = Facility::LOCAL0;
pub const LOG_TAG: &str = "proxyd";
/// Of a datagram, as in HAProxy.
pub const LOG_LENGTH_UDP: u32 = 1024;
pub const LOG_LENGTH: u32 = 65_535;
