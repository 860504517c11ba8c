//! What may be done to a balancer: the commands, what each would mean, how it is asked for and who may send it.
//!
//! One way for all changes: plan, question, confirmation, send, read-back. Pure; the socket is somebody else's.

pub mod explain;
pub mod gate;
pub mod observed;
pub mod order;
pub mod plan;
pub mod projection;
pub mod question;
pub mod risk;
