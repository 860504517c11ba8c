//! proxyd: a TCP and HTTP load balancer that is operated from a terminal. ARCHITECTURE.md shows the house.

pub mod clock;
pub mod config;
pub mod log;
pub mod model;
pub mod stats;
