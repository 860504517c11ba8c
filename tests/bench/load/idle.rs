//! Connections that make a request each and then stay open, idle; on demand they all ask at once.
//!
//! Says `idle` when all had their answer, `burst` after each line on standard input, and closes them all at its end.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::{answer, http2, say, tls};

const PATIENCE: Duration = Duration::from_secs(20);

/// What the connections speak.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Speech<'a> {
    Http,
    /// HTTP/1.1 over TLS, with the certificates that are believed.
    Tls(&'a str),
    Http2,
}

enum Client {
    Http(TcpStream),
    Tls(Box<tls::Stream>),
    Http2(http2::Client),
}

pub(crate) fn run(to: SocketAddr, connections: usize, speech: Speech<'_>) -> io::Result<()> {
    let config = match speech {
        Speech::Tls(certificates) => Some(tls::config(certificates, false)?),
        _ => None,
    };
    let mut clients = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut client = match (speech, &config) {
            (_, Some(config)) => {
                let stream = tls::connect(to, config)?;
                stream.sock.set_read_timeout(Some(PATIENCE))?;
                Client::Tls(Box::new(stream))
            }
            (Speech::Http2, _) => Client::Http2(http2::Client::connect(to, PATIENCE)?),
            _ => {
                let stream = TcpStream::connect(to)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Client::Http(stream)
            }
        };
        client.ask()?;
        client.answered()?;
        clients.push(client);
    }
    say("idle")?;
    let mut line = String::new();
    while io::stdin().read_line(&mut line)? > 0 {
        for client in &mut clients {
            client.ask()?;
        }
        for client in &mut clients {
            client.answered()?;
        }
        say("burst")?;
    }
    Ok(())
}

impl Client {
    fn ask(&mut self) -> io::Result<()> {
        match self {
            Self::Http(stream) => stream.write_all(answer::GET),
            Self::Tls(stream) => stream.write_all(answer::GET),
            Self::Http2(client) => client.ask(),
        }
    }

    fn answered(&mut self) -> io::Result<()> {
        match self {
            Self::Http(stream) => answer::read_whole(stream),
            Self::Tls(stream) => answer::read_whole(stream),
            Self::Http2(client) => client.answered(),
        }
    }
}
