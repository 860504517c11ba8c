//! The terminal: the only place that knows crossterm. It is taken over on start and given back on every way out.

pub mod guard;
pub mod input;
pub mod screen;
pub mod signals;
