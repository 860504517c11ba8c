//! What the model says, in the words of the statistics catalogue: rows of `show stat`, values of `show info`, and the
//! sampling that rates and maxima need. For scrapers it is served over HTTP.

mod certificates;
mod cookies;
mod handshakes;
pub mod http;
mod http2;
mod http2_servers;
pub mod info;
mod metrics;
mod refusals;
pub mod rows;
pub mod sampler;
pub mod servers_state;
mod shortages;
mod tables;
mod verdicts;
