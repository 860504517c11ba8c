//! What runs on a worker: connections of clients, and what they need of servers.
//!
//! One task owns a client's connection and, while a request is under way, the server's too. Nothing of it is shared
//! with another thread but counters and the model.

pub mod access_log;
pub mod client;
pub mod dispatch;
pub mod exchange;
pub mod facts;
pub mod h2;
pub mod handshake;
pub mod http;
pub mod leash;
pub mod lend;
pub mod linger;
pub mod meter;
pub mod mux;
mod observe;
pub mod permit;
pub mod pool;
pub mod private;
pub mod queue;
pub mod record;
pub mod retry;
pub mod route;
pub mod slot;
pub mod stick;
pub mod tcp;
pub mod termination;
pub mod track;
pub mod transfer;
pub mod view;
pub mod watch;
pub mod worker;
