//! What is known of one balancer: its servers, their history, how fresh it all is. No I/O, no clock, no drawing.

pub mod clock;
pub mod history;
pub mod instance;
pub mod sample;
pub mod server;
pub mod status;
pub mod text;
