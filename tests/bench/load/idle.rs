//! Connections that make a request each and then stay open, idle; on demand they all ask at once.
//!
//! Says `idle` when all had their answer, `burst` after each line on standard input, and closes them all at its end.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::{answer, say};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run(to: SocketAddr, connections: usize) -> io::Result<()> {
    let mut clients = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(answer::GET)?;
        whole(&mut stream)?;
        clients.push(stream);
    }
    say("idle")?;
    let mut line = String::new();
    while io::stdin().read_line(&mut line)? > 0 {
        for stream in &mut clients {
            stream.write_all(answer::GET)?;
        }
        for stream in &mut clients {
            whole(stream)?;
        }
        say("burst")?;
    }
    Ok(())
}

fn whole(stream: &mut TcpStream) -> io::Result<()> {
    answer::read(stream, |bytes| Ok(answer::length(bytes)?.is_some_and(|length| bytes.len() >= length)))
}
