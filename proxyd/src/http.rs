//! HTTP/1.1 as bytes: heads are parsed, judged and rewritten here, chunks decoded. No sockets.
//!
//! What cannot be understood in one way only is refused (RFC 9112 11.2); what is forwarded is written anew, so a
//! server never sees bytes that a strict parser would read differently.

pub mod chunked;
pub mod ending;
pub mod field;
pub mod forwarded;
pub mod framing;
pub mod grpc;
pub mod parting;
pub mod refusal;
pub mod reply;
pub mod request;
pub mod response;
