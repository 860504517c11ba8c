//! A WebSocket server that sends every frame back. Says its port, and serves until it is ended.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use crate::echo::{ACCEPT, MASK, SMALL_FRAME};
use crate::poller::{Poller, read, write};
use crate::say;

/// What a request without an upgrade gets, so that whoever starts the proxies can ask whether they are ready.
const PLAIN: [&[u8]; 2] = [b"HTTP/1.1 200 OK\r\nContent-Length: 66\r\n\r\n", &[b'x'; 66]];

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// What is not a whole message yet.
    held: Vec<u8>,
    upgraded: bool,
}

pub(crate) fn run() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let mut poller = Poller::new()?;
    poller.add(&listener, 0)?;
    say(&listener.local_addr()?.port().to_string())?;
    let mut connections = HashMap::new();
    let mut next = 1;
    loop {
        let ready: Vec<u64> = poller.wait(None)?.collect();
        for key in ready {
            if key == 0 {
                if let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    poller.add(&stream, next)?;
                    connections.insert(next, Connection { stream, held: Vec::new(), upgraded: false });
                    next += 1;
                }
            } else if connections.get_mut(&key).is_some_and(|it: &mut Connection| it.serve().is_err()) {
                connections.remove(&key);
            }
        }
    }
}

impl Connection {
    /// An error is the end of the connection.
    fn serve(&mut self) -> io::Result<()> {
        let mut part = [0; 4096];
        while let Some(n) = read(&mut self.stream, &mut part)? {
            self.held.extend_from_slice(&part[..n]);
            let mut answer = Vec::new();
            while let Some(length) = self.message(&mut answer)? {
                self.held.drain(..length);
            }
            if !answer.is_empty() {
                write(&mut self.stream, &answer)?;
            }
            if n < part.len() {
                break;
            }
        }
        Ok(())
    }

    /// Answers the first whole message; its length, if there is one.
    fn message(&mut self, answer: &mut Vec<u8>) -> io::Result<Option<usize>> {
        if self.upgraded {
            return frame(&self.held, answer);
        }
        let Some(end) = self.held.windows(4).position(|it| it == b"\r\n\r\n") else {
            return Ok(None);
        };
        self.upgraded = self.held[..end].windows(9).any(|it| it.eq_ignore_ascii_case(b"\nupgrade:"));
        if self.upgraded {
            answer.extend_from_slice(
                format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
                )
                .as_bytes(),
            );
        } else {
            answer.extend_from_slice(&PLAIN.concat());
        }
        Ok(Some(end + 4))
    }
}

/// A client's frame of at most 125 bytes, sent back unmasked (RFC 6455 5.2).
fn frame(held: &[u8], answer: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let [kind, length, mask @ ..] = held else {
        return Ok(None);
    };
    let size = usize::from(length & 0x7f);
    if length & MASK == 0 || size > SMALL_FRAME {
        return Err(io::Error::other("not a small frame of a client"));
    }
    let Some((mask, rest)) = mask.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let Some(payload) = rest.get(..size) else {
        return Ok(None);
    };
    answer.extend_from_slice(&[*kind, size as u8]);
    answer.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    Ok(Some(2 + 4 + size))
}
