//! What each fuzz target does with its bytes, and what must hold of the outcome.
//!
//! Nothing may panic; beyond that each target holds a property that a second, independent reading of the same bytes
//! decides. The targets in `fuzz_targets` call these functions, and so does `proxyd/tests/corpora.rs`, which replays
//! the committed corpora with every `cargo test`.

mod check;
mod chunked;
mod client_hello;
mod command;
mod configuration;
mod cookies;
mod expression;
mod h2_head;
mod head;
mod log_format;
mod proxy_protocol;
mod saved_table;

pub use check::check;
pub use chunked::chunked;
pub use client_hello::client_hello;
pub use command::command;
pub use configuration::configuration;
pub use cookies::cookies;
pub use expression::expression;
pub use h2_head::h2_head;
pub use head::{request_head, response_head, target};
pub use log_format::log_format;
pub use proxy_protocol::proxy_protocol;
pub use saved_table::saved_table;

/// A target: bytes in, a panic for what must not be.
pub type Entry = fn(&[u8]);

/// Every target by its name, which is that of its corpus as well.
pub const TARGETS: [(&str, Entry); 14] = [
    ("check", check),
    ("chunked", chunked),
    ("client_hello", client_hello),
    ("command", command),
    ("configuration", configuration),
    ("cookies", cookies),
    ("expression", expression),
    ("h2_head", h2_head),
    ("log_format", log_format),
    ("proxy_protocol", proxy_protocol),
    ("request_head", request_head),
    ("response_head", response_head),
    ("saved_table", saved_table),
    ("target", target),
];
