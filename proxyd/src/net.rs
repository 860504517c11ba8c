//! Sockets: streams, binds, connections, buffers, deadlines. Nothing here knows what the bytes mean.

pub mod bind;
pub mod buffer;
pub mod client_hello;
pub mod connect;
pub mod h2;
pub mod io;
pub mod limits;
mod option;
pub mod proxy_protocol;
pub mod splice;
pub mod stream;
pub mod timer;
pub mod tls;
