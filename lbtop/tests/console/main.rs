//! The console against a balancer that is a thread of the test.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should panic")]
#![expect(clippy::format_push_string, reason = "answers of a few lines")]

mod balancer;
mod terminal;
mod wire;
