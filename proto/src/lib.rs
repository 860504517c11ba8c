//! The stats socket of proxyd, as data: addresses, levels, states, the catalogue of statistics, commands and
//! replies, the watch stream. No I/O and no clock.
#![forbid(unsafe_code)]

pub mod addr;
pub mod command;
pub mod info;
pub mod level;
pub mod name;
pub mod prometheus;
pub mod servers_state;
pub mod state;
pub mod stats;
pub mod timestamp;
pub mod units;
pub mod watch;
