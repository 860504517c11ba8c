//! What proxyd does, seen from outside: every test starts the real binary and talks to it over real sockets.

#[cfg(test)]
mod aborts;
#[cfg(test)]
mod addresses;
#[cfg(test)]
mod admin;
#[cfg(test)]
mod balance;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod checks;
#[cfg(test)]
mod client_certs;
#[cfg(test)]
mod connect;
#[cfg(test)]
mod cookies;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod corpus_http2;
#[cfg(test)]
mod cut;
#[cfg(test)]
mod dismissals;
#[cfg(test)]
mod encrypted;
#[cfg(test)]
mod error_pages;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod failover;
// The switch is there in debug builds only, and the binary is of the same profile.
#[cfg(all(test, debug_assertions))]
mod faults;
#[cfg(test)]
mod forwarding;
#[cfg(test)]
mod hashing;
mod health;
#[cfg(test)]
mod http;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod http2_servers;
#[cfg(test)]
mod http2_tunnels;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod limits_http;
#[cfg(test)]
mod log_targets;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod private;
#[cfg(test)]
mod process;
#[cfg(test)]
mod proxy_protocol;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod retries;
mod saved_tables;
#[cfg(test)]
mod sni;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod splice;
#[cfg(test)]
mod stick_tables;
#[cfg(test)]
mod tcp;
#[cfg(test)]
mod timeouts;
#[cfg(test)]
mod tls_clients;
#[cfg(test)]
mod tls_servers;
#[cfg(test)]
mod upgrade;
#[cfg(test)]
mod verdicts;
#[cfg(test)]
mod workers;
