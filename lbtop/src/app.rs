//! The program between keys, news and effects. [`update::update`] is the only place where state changes.

pub mod action;
pub mod effect;
pub mod filter;
pub mod key;
pub mod keymap;
pub mod msg;
pub mod screen;
pub mod sort;
pub mod state;
pub mod update;
