//! The benchmark's own clients and its WebSocket origin: what wrk cannot do.
//!
//! `bench-load origin` · `echo ADDRESS CONNECTIONS SECONDS` · `idle ADDRESS CONNECTIONS` · `idle-tls ADDRESS CONNECTIONS
//! CERTIFICATES` · `idle-h2 ADDRESS CONNECTIONS` · `handshake ADDRESS CONNECTIONS SECONDS CERTIFICATES` · `resume` (the
//! same) · `rate ADDRESS CONNECTIONS SECONDS REQUESTS_PER_SECOND`. Results are one line of JSON on standard output.

mod answer;
mod echo;
mod handshake;
mod http2;
mod idle;
mod origin;
mod poller;
mod rate;
mod tls;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use idle::Speech;

const USAGE: &str = "bench-load origin
bench-load echo ADDRESS CONNECTIONS SECONDS
bench-load idle ADDRESS CONNECTIONS
bench-load idle-tls ADDRESS CONNECTIONS CERTIFICATES
bench-load idle-h2 ADDRESS CONNECTIONS
bench-load handshake ADDRESS CONNECTIONS SECONDS CERTIFICATES
bench-load resume ADDRESS CONNECTIONS SECONDS CERTIFICATES
bench-load rate ADDRESS CONNECTIONS SECONDS REQUESTS_PER_SECOND";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _nobody_reads = writeln!(io::stderr(), "bench-load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> io::Result<()> {
    match words {
        ["origin"] => origin::run(),
        ["echo", to, connections, seconds] => echo::run(address(to)?, number(connections)?, time(seconds)?),
        ["idle", to, connections] => idle::run(address(to)?, number(connections)?, Speech::Http),
        ["idle-tls", to, connections, certificates] => {
            idle::run(address(to)?, number(connections)?, Speech::Tls(certificates))
        }
        ["idle-h2", to, connections] => idle::run(address(to)?, number(connections)?, Speech::Http2),
        [word @ ("handshake" | "resume"), to, connections, seconds, certificates] => {
            let resumes = *word == "resume";
            handshake::run(address(to)?, certificates, number(connections)?, time(seconds)?, resumes)
        }
        ["rate", to, connections, seconds, rate] => {
            rate::run(address(to)?, number(connections)?, time(seconds)?, number(rate)?)
        }
        _ => Err(invalid(USAGE)),
    }
}

fn address(word: &str) -> io::Result<SocketAddr> {
    number(word)
}

fn time(word: &str) -> io::Result<Duration> {
    Duration::try_from_secs_f64(number(word)?).map_err(io::Error::other)
}

fn number<T: FromStr>(word: &str) -> io::Result<T> {
    word.parse().ok().ok_or_else(|| invalid(&format!("{word:?} is not understood\n{USAGE}")))
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// One line on standard output, at once.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
