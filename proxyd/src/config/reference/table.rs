//! The sections and their settings, one file for each part of a configuration.

mod check;
mod http;
mod process;
mod proxy;
mod server;
mod traffic;

use super::{Field, Preset, Section};
pub use check::{HTTP_CHECK, TCP_CHECK};
pub use http::{ERROR_PAGE, HTTP};
pub use process::{FILE, GLOBAL, METRICS, SOCKET};
pub use proxy::{BACKEND, BIND_ENTRY, FRONTEND, LISTEN};
pub use server::SERVER;
pub use traffic::{DEFAULTS, RETRIES, TIMEOUTS};

const NAME: Field = Field {
    name: "name",
    shape: "string",
    preset: Preset::Required,
    meaning: "Letters, digits, `-`, `_`, `.` and `:`. Unique among its kind.",
};

/// All of them, as the reference lists them.
pub const SECTIONS: &[&Section] = &[
    &FILE,
    &GLOBAL,
    &SOCKET,
    &METRICS,
    &DEFAULTS,
    &TIMEOUTS,
    &RETRIES,
    &HTTP,
    &ERROR_PAGE,
    &LISTEN,
    &FRONTEND,
    &BIND_ENTRY,
    &BACKEND,
    &TCP_CHECK,
    &HTTP_CHECK,
    &SERVER,
];
