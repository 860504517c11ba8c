//! lbtop: the console of proxyd, and of any HAProxy from 2.6 on.
//!
//! Layers, lower ones never name higher ones (`tests/layering.rs` holds them to it): `model` (what is known of
//! the balancer), `command` (what may be done to it, and what that would mean), `app` (the one place where state
//! changes), `transport` and `view` (the socket, the screen), `term` (the terminal), `oneshot`, `console` and `cli`.
//!
//! The display never waits for the network and the network never waits for the display: the socket is worked on a
//! thread of its own, keys are read on another, and both only send messages to the thread that draws.
#![forbid(unsafe_code)]

pub mod app;
pub mod cli;
pub mod command;
pub mod console;
pub mod model;
pub mod oneshot;
pub mod term;
pub mod transport;
pub mod view;
