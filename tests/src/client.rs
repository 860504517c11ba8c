//! A client that sends exactly the bytes it is told to.

use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::stream::{Address, Stream};
use crate::wire::{Body, Head, Reader, show};
use crate::{crowd, fail};

/// Nothing in a test that works takes this long.
const LIMIT: Duration = Duration::from_secs(20);

/// One connection of a client.
#[derive(Debug)]
pub struct Client {
    reader: Reader<Stream>,
    /// Of the last final answer whose head came.
    status: Option<u16>,
}

/// A final answer, and the interim ones in front of it.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub head: Head,
    pub body: Body,
    pub interim: Vec<Head>,
}

impl Response {
    /// The first field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.get(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body.bytes).into_owned()
    }

    /// Which origin answered.
    pub fn origin(&self) -> &str {
        self.header("x-origin").unwrap_or_default()
    }
}

impl Client {
    /// Connects over TCP.
    pub fn tcp(to: SocketAddr) -> Self {
        Self::connect(&Address::Tcp(to))
    }

    /// Connects over TCP, with hardly any room for what it does not read: whoever sends to it soon holds the rest, and
    /// the kernel little of it.
    pub fn narrow(to: SocketAddr) -> Self {
        let stream = Stream::Tcp(crowd::connect(to, Ipv4Addr::LOCALHOST, Some(4096)));
        stream.limit(Some(LIMIT)).expect("a timeout is set");
        Self::over(stream)
    }

    /// Connects to a Unix socket.
    pub fn unix(path: &Path) -> Self {
        Self::connect(&Address::Unix(path.to_owned()))
    }

    /// Connects.
    pub fn connect(to: &Address) -> Self {
        Self::try_connect(to).unwrap_or_else(|error| fail(&format!("cannot connect to {to:?}: {error}")))
    }

    /// Connects, or says why not.
    pub fn try_connect(to: &Address) -> io::Result<Self> {
        Ok(Self::over(Stream::connect(to, LIMIT)?))
    }

    /// Over a connection that stands.
    pub fn over(stream: Stream) -> Self {
        Self { reader: Reader::new(stream), status: None }
    }

    /// Sends all of it.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the peer still reads");
    }

    /// Sends all of it, or says why not.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.reader.inner().write_all(bytes.as_ref())
    }

    /// Reads through the first occurrence of `end`.
    pub fn read_until(&mut self, end: impl AsRef<[u8]>) -> Vec<u8> {
        self.reader.until(end.as_ref()).expect("the delimiter arrives")
    }

    /// Reads exactly so much.
    pub fn read_exactly(&mut self, n: usize) -> Vec<u8> {
        self.reader.exactly(n).expect("the bytes arrive")
    }

    /// Reads what is left; a reset is an end as well.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        match self.reader.to_end() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.reader.pending().to_vec(),
            Err(error) => fail(&format!("no end: {error}, after {:?}", show(self.reader.pending()))),
        }
    }

    /// Reads the answer to a request of that method.
    pub fn response(&mut self, method: &str) -> Response {
        self.try_response(method).unwrap_or_else(|error| fail(&format!("no answer: {error}")))
    }

    /// Reads the answer to a request of that method, or says why there is none.
    pub fn try_response(&mut self, method: &str) -> io::Result<Response> {
        let mut interim = Vec::new();
        loop {
            let head =
                self.reader.head()?.ok_or_else(|| io::Error::new(ErrorKind::UnexpectedEof, "closed"))?;
            let status = head.word(1).parse().map_err(|error: std::num::ParseIntError| {
                io::Error::new(ErrorKind::InvalidData, format!("{error}: status line {:?}", head.first))
            })?;
            if (100..200).contains(&status) && status != 101 {
                interim.push(head);
                continue;
            }
            self.status = Some(status);
            let framing = head
                .response_framing(method)
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            let body = self.reader.body(framing)?;
            return Ok(Response { status, head, body, interim });
        }
    }

    /// The status of the last final answer whose head came, whatever became of its body.
    pub fn last_status(&self) -> Option<u16> {
        self.status
    }

    /// A GET over this connection, which stays open.
    pub fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        self.response("GET")
    }

    /// A POST with a body of known length.
    pub fn post(&mut self, path: &str, body: &[u8]) -> Response {
        self.send(format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len()));
        self.send(body);
        self.response("POST")
    }

    /// Sends no more, goes on reading.
    pub fn half_close(&mut self) {
        self.reader.inner().end().expect("the connection is open");
    }

    /// Goes away with a RST.
    pub fn reset(self) {
        let Self { mut reader, .. } = self;
        reader.inner().reset();
    }

    /// Whether the peer closes, and sends nothing more, within `limit`.
    pub fn closed_within(&mut self, limit: Duration) -> bool {
        self.reader.inner().limit(Some(limit)).expect("a timeout is set");
        let ended = match self.reader.fill() {
            Ok(n) => n == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        };
        self.reader.inner().limit(Some(LIMIT)).expect("a timeout is set");
        ended
    }

    /// The connection itself.
    pub fn stream(&mut self) -> &mut Stream {
        self.reader.inner()
    }
}

/// A GET over a connection of its own, as curl does it.
pub fn get(to: SocketAddr, path: &str) -> Response {
    Client::tcp(to).get(path)
}
