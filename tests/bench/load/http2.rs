//! As much of HTTP/2 as a client needs that asks for one thing at a time (RFC 9113).

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Of a frame: its length, kind, flags and stream.
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
/// On SETTINGS and PING; on DATA and HEADERS the same bit is the end of the stream.
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:method GET`, `:scheme http`, `:path /66`, `:authority 127.0.0.1`: nothing of it stays in the server's table.
const REQUEST: &[u8] = b"\x82\x86\x04\x03/66\x01\x09127.0.0.1";
/// `:status 200`.
const OK: u8 = 0x88;

/// One connection in clear text.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    id: u32,
    had: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(to: SocketAddr, patience: Duration) -> io::Result<Self> {
        let mut stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat())?;
        Ok(Self { stream, id: 1, had: Vec::new() })
    }

    pub(crate) fn ask(&mut self) -> io::Result<()> {
        self.stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, self.id, REQUEST))
    }

    /// Reads up to the end of the answer.
    pub(crate) fn answered(&mut self) -> io::Result<()> {
        loop {
            let (kind, flags, id, payload) = self.next()?;
            match kind {
                SETTINGS if flags & ACK == 0 => self.stream.write_all(&frame(SETTINGS, ACK, 0, &[]))?,
                PING if flags & ACK == 0 => self.stream.write_all(&frame(PING, ACK, 0, &payload))?,
                GOAWAY => return Err(io::Error::other("the server goes away")),
                // Before it a new size of the table may be announced.
                HEADERS if payload.iter().find(|it| **it & 0xe0 != 0x20) != Some(&OK) => {
                    return Err(io::Error::other("answered something else than 200"));
                }
                DATA | HEADERS if id == self.id && flags & END_STREAM != 0 => {
                    self.id += 2;
                    return Ok(());
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> io::Result<(u8, u8, u32, Vec<u8>)> {
        let mut part = [0; 4096];
        loop {
            if let Some((head, rest)) = self.had.split_first_chunk::<HEAD>() {
                let [a, b, c, kind, flags, id @ ..] = *head;
                let length = u32::from_be_bytes([0, a, b, c]) as usize;
                if let Some(payload) = rest.get(..length) {
                    let payload = payload.to_vec();
                    self.had.drain(..HEAD + length);
                    return Ok((kind, flags, u32::from_be_bytes(id), payload));
                }
            }
            match self.stream.read(&mut part)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => self.had.extend_from_slice(&part[..n]),
            }
        }
    }
}

fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    [&length[..], &[kind, flags], &id.to_be_bytes(), payload].concat()
}
