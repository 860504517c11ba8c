//! A TLS handshake for each request: all of them full, or all but a client's first resumed.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustls::HandshakeKind;

use crate::{answer, say, tls};

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
struct Count {
    requests: u64,
    resumed: u64,
}

pub(crate) fn run(
    to: SocketAddr,
    certificates: &str,
    connections: usize,
    time: Duration,
    resumes: bool,
) -> io::Result<()> {
    let begun = Instant::now();
    let end = begun + time;
    let counts: Vec<io::Result<Count>> = std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..connections).map(|_| scope.spawn(move || client(to, certificates, end, resumes))).collect();
        clients
            .into_iter()
            .map(|it| it.join().unwrap_or_else(|_| Err(io::Error::other("a client panicked"))))
            .collect()
    });
    let mut all = Count::default();
    for count in counts {
        let count = count?;
        all.requests += count.requests;
        all.resumed += count.resumed;
    }
    say(&format!(
        "{{\"requests\": {}, \"rate\": {}, \"resumed\": {}}}",
        all.requests,
        all.requests as f64 / begun.elapsed().as_secs_f64(),
        all.resumed
    ))
}

/// One after another until the end; each client has tickets of its own.
fn client(to: SocketAddr, certificates: &str, end: Instant, resumes: bool) -> io::Result<Count> {
    let config = tls::config(certificates, resumes)?;
    let mut count = Count::default();
    while Instant::now() < end {
        let mut stream = tls::connect(to, &config)?;
        stream.sock.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(answer::LAST_GET)?;
        // Tickets come before the answer.
        answer::read_whole(&mut stream)?;
        count.requests += 1;
        count.resumed += u64::from(stream.conn.handshake_kind() == Some(HandshakeKind::Resumed));
        stream.conn.send_close_notify();
        let _gone = stream.flush();
    }
    Ok(count)
}
