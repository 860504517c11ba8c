//! What traffic, checks, operators and readers share: frontends, backends, servers, and the process around them.
//!
//! The graph ([`snapshot::Snapshot`]) is immutable and replaced whole; what changes at run time is in atoms and small
//! locks of its objects, which live on from one graph to the next. Workers read atoms only.

pub mod absence;
pub mod access_log;
pub mod backend;
pub mod census;
pub mod change;
pub mod cookies;
pub mod dismissal;
pub mod frontend;
pub mod history;
pub mod journal;
mod keeping;
pub mod latency;
pub mod lineup;
pub mod loads;
pub mod outcome;
pub mod panic;
pub mod placement;
pub mod process;
pub mod questions;
pub mod queue;
pub mod server;
pub mod shared;
pub mod slow_start;
pub mod snapshot;
pub mod sources;
pub mod state;
pub mod stick;
#[cfg(test)]
pub(crate) mod testing;
pub mod traffic;
