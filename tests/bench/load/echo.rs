//! WebSocket clients, each of which sends its next frame when the one before has come back.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::poller::{Poller, read, write};
use crate::{answer, say};

/// Longest payload of a frame whose length is one byte.
pub(crate) const SMALL_FRAME: usize = 125;
pub(crate) const MASK: u8 = 0x80;
/// RFC 6455 1.3 has this pair, so nobody need compute it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const PAYLOAD: usize = 64;
const BINARY: u8 = 0x82;
/// How long the last frames may take to come back.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn run(to: SocketAddr, connections: usize, time: Duration) -> io::Result<()> {
    let mut poller = Poller::new()?;
    let mut clients = Vec::new();
    for key in 0..connections {
        let stream = upgraded(to)?;
        poller.add(&stream, key as u64)?;
        clients.push((stream, 0_usize));
    }
    let mut frame = vec![BINARY, MASK | PAYLOAD as u8, 1, 2, 3, 4];
    frame.extend((0..PAYLOAD).map(|it| it as u8));
    let back = 2 + PAYLOAD;

    let begun = Instant::now();
    for (stream, _) in &mut clients {
        write(stream, &frame)?;
    }
    let (mut echoed, mut waiting) = (0_u64, connections);
    let mut part = [0; 4096];
    while waiting > 0 {
        let ready: Vec<u64> = poller.wait(Some(PATIENCE))?.collect();
        if ready.is_empty() {
            return Err(io::Error::other(format!("{waiting} frames did not come back")));
        }
        let goes_on = begun.elapsed() < time;
        for key in ready {
            let (stream, had) = &mut clients[key as usize];
            let Some(n) = read(stream, &mut part)? else { continue };
            if *had == 0 && (part[0] != BINARY || n > 1 && usize::from(part[1]) != PAYLOAD) {
                return Err(io::Error::other("what came back is not the frame that was sent"));
            }
            *had += n;
            if *had < back {
                continue;
            }
            *had = 0;
            echoed += 1;
            if goes_on {
                write(stream, &frame)?;
            } else {
                waiting -= 1;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    say(&format!("{{\"requests\": {echoed}, \"rate\": {}}}", echoed as f64 / seconds))
}

fn upgraded(to: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!(
        "GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    write(&mut stream, request.as_bytes())?;
    answer::read(&mut stream, |bytes| {
        if bytes.len() >= 12 && !bytes.starts_with(b"HTTP/1.1 101") {
            return Err(io::Error::other("the upgrade was refused"));
        }
        Ok(bytes.ends_with(b"\r\n\r\n"))
    })?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}
