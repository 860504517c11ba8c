//! The process: command line, start, threads, signals, end.

pub mod accept;
pub mod boot;
pub mod cli;
pub mod control;
pub mod demo;
pub mod inbox;
pub mod lineups;
mod output;
mod pressure;
mod tables;
pub mod worker;
