//! The sections and their settings, one file for each part of a configuration.

mod balance;
pub mod check;
mod http;
mod log;
mod persistence;
mod process;
mod proxy;
mod server;
mod socket;
mod tables;
mod tls;
mod traffic;
mod verdict;

use super::{Field, Preset, Section};
pub use balance::{
    BALANCE_COOKIE, BALANCE_HASH, BALANCE_HEADER, BALANCE_SOURCE, BALANCE_URI, BALANCE_URL_PARAM, RANDOM,
};
pub use http::{CLIENT_CERT_HEADER, ERROR_PAGE, HTTP, HTTP2};
pub use log::{LOG_TARGET, PROXY_LOG};
pub use persistence::{COOKIE, PERSIST};
pub use process::{FILE, GLOBAL, METRICS, SOCKET};
pub use proxy::{BACKEND, FRONTEND, LISTEN, ROUTE};
pub use server::{SERVER, SERVER_DEFAULTS, SERVER_HTTP2};
pub use socket::{BIND_ENTRY, KEEPALIVE, SEND_PROXY};
pub use tables::{STICK, TABLE, TRACK};
pub use tls::{BIND_TLS, CLIENT_CERTS, SERVER_TLS, TICKETS};
pub use traffic::{CLIENT_TIMEOUTS, DEFAULTS, RETRIES, SERVER_TIMEOUTS, TIMEOUTS};
pub use verdict::{AGENT, EJECT, PANIC};

const NAME: Field = Field {
    name: "name",
    shape: "string",
    preset: Preset::Required,
    meaning: "Letters, digits, `-`, `_`, `.` and `:`. Unique among its kind.",
};

const LOG: Field = Field {
    name: "log",
    shape: "section, or `off`",
    preset: Preset::Unset("each its default"),
    meaning: "What is written to the targets of `global.log`.",
};

/// All of them, as the reference lists them.
pub const SECTIONS: &[&Section] = &[
    &FILE,
    &GLOBAL,
    &SOCKET,
    &METRICS,
    &LOG_TARGET,
    &DEFAULTS,
    &TIMEOUTS,
    &RETRIES,
    &HTTP,
    &HTTP2,
    &CLIENT_CERT_HEADER,
    &ERROR_PAGE,
    &PROXY_LOG,
    &TABLE,
    &TRACK,
    &STICK,
    &LISTEN,
    &FRONTEND,
    &CLIENT_TIMEOUTS,
    &ROUTE,
    &BIND_ENTRY,
    &BIND_TLS,
    &CLIENT_CERTS,
    &TICKETS,
    &BACKEND,
    &RANDOM,
    &BALANCE_SOURCE,
    &BALANCE_URI,
    &BALANCE_URL_PARAM,
    &BALANCE_HEADER,
    &BALANCE_COOKIE,
    &BALANCE_HASH,
    &SERVER_TIMEOUTS,
    &PANIC,
    &EJECT,
    &check::CHECK,
    &check::TCP_REFERENCE,
    &check::HTTP_REFERENCE,
    &check::GRPC_REFERENCE,
    &check::SCRIPT_REFERENCE,
    &check::CONNECT,
    &check::POSTGRES_REFERENCE,
    &check::MYSQL_REFERENCE,
    &check::REDIS_REFERENCE,
    &check::SMTP_REFERENCE,
    &check::EXTERNAL_REFERENCE,
    &COOKIE,
    &PERSIST,
    &SERVER_DEFAULTS,
    &SERVER,
    &AGENT,
    &SERVER_TLS,
    &SERVER_HTTP2,
    &KEEPALIVE,
    &SEND_PROXY,
];
