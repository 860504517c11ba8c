//! Statistics of the traffic: cells that one worker writes plainly and anybody reads.
//!
//! Every object (frontend, backend, server, listener) has one padded block of cells per worker. A worker adds to its
//! own block without a lock prefix; a reader sums the blocks. Nothing is ever zeroed from outside: `clear counters`
//! records a baseline that readers subtract, and maxima carry the epoch they belong to.

pub mod cells;
pub mod counted;
pub mod counter;
pub mod rate;
pub mod slots;
