//! Drives the real binaries over real sockets: starts proxyd on ports it chose itself, stands in for its servers
//! and its clients, byte by byte where that matters.
//!
//! Threads and blocking sockets with timeouts, no runtime: a test reads from top to bottom. Nothing here waits for
//! luck; what takes time is polled against a deadline ([`eventually()`]).
#![expect(clippy::missing_panics_doc, reason = "a harness that cannot go on fails the test it serves")]

pub mod binaries;
pub mod client;
pub mod config;
pub mod corpus;
pub mod crowd;
pub mod daemon;
pub mod eventually;
pub mod frames;
pub mod load;
pub mod origin;
pub mod stream;
pub mod tls;
pub mod unharmed;
pub mod wire;

pub use binaries::is_optimized;
pub use client::{Client, Response};
pub use config::Config;
pub use crowd::Crowd;
pub use daemon::{Daemon, Start};
pub use eventually::{eventually, holds_for, pause, within};
pub use frames::Peer;
pub use load::Load;
pub use unharmed::{Beside, Canary, Level, Witness};

/// Ends the test with a message.
#[expect(clippy::panic, reason = "a harness that cannot go on fails the test it serves")]
fn fail(message: &str) -> ! {
    panic!("{message}")
}
