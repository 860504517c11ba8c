//! proxyd: a TCP and HTTP load balancer that is operated from a terminal. ARCHITECTURE.md shows the house.

pub mod admin;
pub mod balance;
pub mod clock;
pub mod config;
pub mod expr;
pub mod hash;
pub mod health;
pub mod http;
pub mod log;
pub mod memory;
pub mod model;
pub mod net;
pub mod persist;
pub mod process;
pub mod sample;
pub mod session;
pub mod stats;
pub mod stick;
pub mod telemetry;
pub mod tls;
