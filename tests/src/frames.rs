//! HTTP/2 on the wire, frame by frame: what is written is whatever a test says, what is read is judged as strictly as
//! RFC 9113 lets a recipient.

pub mod hpack;
pub mod script;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use crate::fail;
use crate::stream::{Address, Stream};
use hpack::{Decoder, Fields};

/// What a client says first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frames may be so long unless their recipient says more.
pub const FRAME: usize = 16 << 10;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Of DATA and HEADERS: nothing follows on this stream.
pub const END_STREAM: u8 = 1;
/// Of SETTINGS and PING.
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const PRIORITISED: u8 = 0x20;

/// The settings, by number.
pub const SETTING_NAMES: [(&str, u16); 7] = [
    ("HEADER_TABLE_SIZE", 1),
    ("ENABLE_PUSH", 2),
    ("MAX_CONCURRENT_STREAMS", 3),
    ("INITIAL_WINDOW_SIZE", 4),
    ("MAX_FRAME_SIZE", 5),
    ("MAX_HEADER_LIST_SIZE", 6),
    ("ENABLE_CONNECT_PROTOCOL", 8),
];

/// The error codes, by number.
const CODES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

/// Nothing in a test that works takes this long.
const LIMIT: Duration = Duration::from_secs(20);

/// An error code as the RFC calls it.
pub fn code_name(code: u32) -> String {
    CODES.get(code as usize).map_or_else(|| code.to_string(), |it| (*it).to_owned())
}

/// An error code by the RFC's name of it.
pub fn code(name: &str) -> Option<u32> {
    CODES.iter().position(|it| *it == name).and_then(|it| u32::try_from(it).ok())
}

/// One frame.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    /// A head, in as many frames as it takes.
    pub fn head(flags: u8, stream: u32, block: &[u8]) -> Vec<Self> {
        let mut parts = block.chunks(FRAME);
        let first = parts.next().unwrap_or_default();
        let mut frames = vec![Self::new(HEADERS, flags, stream, first)];
        frames.extend(parts.map(|part| Self::new(CONTINUATION, 0, stream, part)));
        let last = frames.last_mut().expect("at least one");
        last.flags |= END_HEADERS;
        frames
    }

    pub fn data(flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self::new(DATA, flags, stream, payload)
    }

    pub fn settings(values: &[(u16, u32)]) -> Self {
        let payload: Vec<u8> = values
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        Self::new(SETTINGS, 0, 0, payload)
    }

    pub fn reset(stream: u32, code: u32) -> Self {
        Self::new(RST_STREAM, 0, stream, code.to_be_bytes())
    }

    pub fn window(stream: u32, increment: u32) -> Self {
        Self::new(WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
    }

    pub fn ping(payload: [u8; 8]) -> Self {
        Self::new(PING, 0, 0, payload)
    }

    pub fn goaway(last: u32, code: u32) -> Self {
        Self::new(GOAWAY, 0, 0, [last.to_be_bytes(), code.to_be_bytes()].concat())
    }

    /// As it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        self.with_length(self.payload.len())
    }

    /// The same with a length of the test's choice.
    pub fn with_length(&self, length: usize) -> Vec<u8> {
        let length = u32::try_from(length).expect("a length of a frame").to_be_bytes();
        let head = [&length[1..], &[self.kind, self.flags], &self.stream.to_be_bytes()].concat();
        [head, self.payload.clone()].concat()
    }

    fn number(&self, at: usize) -> u32 {
        let bytes = self.payload.get(at..at + 4).and_then(|it| it.try_into().ok());
        bytes.map_or(0, u32::from_be_bytes)
    }

    /// The payload without padding and priority.
    fn inner(&self) -> Result<&[u8], String> {
        let mut from = 0;
        let mut to = self.payload.len();
        if self.flags & PADDED != 0 {
            let padding = usize::from(*self.payload.first().ok_or("no room for the padding's length")?);
            from = 1;
            to = to.checked_sub(padding).filter(|it| *it >= from).ok_or("more padding than frame")?;
        }
        if self.kind == HEADERS && self.flags & PRIORITISED != 0 {
            from += 5;
        }
        self.payload.get(from..to).ok_or_else(|| "no room for the priority".into())
    }
}

/// All frames as they go over the wire.
pub fn bytes(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::bytes).collect()
}

/// The fields of a request to `test`.
pub fn request_fields(method: &str, path: &str) -> Vec<(String, String)> {
    [(":method", method), (":scheme", "http"), (":path", path), (":authority", "test")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// A head that ends its stream.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    bytes(&Frame::head(END_STREAM, stream, &hpack::encode(&request_fields("GET", path))))
}

/// A head behind which a body comes.
pub fn post(stream: u32, path: &str) -> Vec<u8> {
    bytes(&Frame::head(0, stream, &hpack::encode(&request_fields("POST", path))))
}

/// What came on one stream.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Heads of interim answers and the one that counts.
    pub heads: Vec<Fields>,
    pub body: Vec<u8>,
    pub trailers: Option<Fields>,
    /// The peer said all.
    pub ended: bool,
    /// The peer gave the stream up, with this code.
    pub reset: Option<u32>,
}

impl Heard {
    /// Of the final answer.
    pub fn status(&self) -> Option<u16> {
        self.get(":status")?.parse().ok().filter(|it| *it >= 200)
    }

    /// The first field of that name in the last head.
    pub fn get(&self, name: &str) -> Option<&str> {
        hpack::get(self.heads.last()?, name)
    }

    /// Nothing more is to be expected.
    pub fn is_over(&self) -> bool {
        self.ended || self.reset.is_some()
    }
}

/// One end of a connection whose other end speaks HTTP/2.
#[derive(Debug)]
pub struct Peer {
    stream: Stream,
    unread: Vec<u8>,
    decoder: Decoder,
    /// A head whose frames are still coming: its stream, its flags and what there is of it.
    head: Option<(u32, u8, Vec<u8>)>,
    /// What is read is made room for at once; else the peer's windows run dry.
    pub reads: bool,
    /// SETTINGS are acknowledged.
    pub acknowledges: bool,
    /// PINGs are answered.
    pub answers_pings: bool,
    pub streams: BTreeMap<u32, Heard>,
    /// How many streams had a head.
    pub opened: usize,
    /// The peer's settings, in the order they came.
    pub settings: Vec<(u16, u32)>,
    /// How often ours were acknowledged.
    pub acknowledged: usize,
    /// PING answered.
    pub pongs: usize,
    /// The peer's last stream of ours, and its code.
    pub goaway: Option<(u32, u32)>,
    /// The peer closed the connection.
    pub closed: bool,
    /// What no endpoint may send.
    pub violations: Vec<String>,
}

impl Peer {
    /// A client with its preface and SETTINGS sent.
    pub fn client(to: SocketAddr) -> Self {
        let mut peer = Self::bare(to);
        peer.send([PREFACE, &Frame::settings(&[]).bytes()].concat());
        peer
    }

    /// A client that has said nothing yet.
    pub fn bare(to: SocketAddr) -> Self {
        let stream = Stream::connect(&Address::Tcp(to), LIMIT)
            .unwrap_or_else(|error| fail(&format!("cannot connect to {to}: {error}")));
        Self::new(stream)
    }

    /// Either side, on a connection that is there.
    pub fn new(stream: Stream) -> Self {
        Self {
            stream,
            unread: Vec::new(),
            decoder: Decoder::default(),
            head: None,
            reads: true,
            acknowledges: true,
            answers_pings: true,
            streams: BTreeMap::new(),
            opened: 0,
            settings: Vec::new(),
            acknowledged: 0,
            pongs: 0,
            goaway: None,
            closed: false,
            violations: Vec::new(),
        }
    }

    /// The connection itself.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Sends all of it.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the peer still reads");
    }

    /// Sends all of it, or says why not.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends no more, goes on reading.
    pub fn half_close(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// What came on that stream.
    pub fn on(&self, stream: u32) -> Heard {
        self.streams.get(&stream).cloned().unwrap_or_default()
    }

    /// Reads exactly so much, behind which frames go on.
    pub fn exactly(&mut self, n: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < n {
            if !self.fill()? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.unread.drain(..n).collect())
    }

    /// Reads on until it is so; false if the connection ended or the time did before.
    pub fn reads_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            while let Some(frame) = self.frame() {
                self.take(&frame);
            }
            if done(self) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if self.closed || left.is_zero() {
                return false;
            }
            // A timeout of zero would be none.
            self.stream.limit(Some(left.max(Duration::from_millis(1)))).expect("a timeout is set");
            match self.fill() {
                Ok(true) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return false;
                }
                Ok(false) | Err(_) => self.closed = true,
            }
            self.stream.limit(Some(LIMIT)).expect("a timeout is set");
        }
    }

    /// Waits for the end of an answer, or of the connection.
    pub fn answer(&mut self, stream: u32) -> Heard {
        self.reads_until(LIMIT, |it| it.on(stream).is_over());
        self.on(stream)
    }

    /// Waits until the connection ends; its GOAWAY's code.
    pub fn end(&mut self, limit: Duration) -> Option<u32> {
        self.reads_until(limit, |_| false);
        assert!(self.closed, "open for {limit:?}; {:?}", self.goaway);
        self.goaway.map(|(_, code)| code)
    }

    /// Whether a PING is answered in time.
    pub fn is_alive(&mut self, limit: Duration) -> bool {
        let before = self.pongs;
        self.try_send(Frame::ping(*b"are you?").bytes()).is_ok()
            && self.reads_until(limit, |it| it.pongs > before)
    }

    /// Receives once; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let mut block = [0; 16 << 10];
        let n = self.stream.read(&mut block)?;
        self.unread.extend_from_slice(&block[..n]);
        Ok(n > 0)
    }

    /// The next frame, if all of it is there.
    fn frame(&mut self) -> Option<Frame> {
        let head: [u8; 9] = self.unread.get(..9)?.try_into().ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = self.unread.get(9..9 + length)?.to_vec();
        self.unread.drain(..9 + length);
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    fn violation(&mut self, frame: &Frame, what: &str) {
        let Frame { kind, flags, stream, payload } = frame;
        let length = payload.len();
        self.violations
            .push(format!("{what}: frame of type {kind}, flags {flags:#x}, stream {stream}, {length} bytes"));
    }

    fn take(&mut self, frame: &Frame) {
        if frame.payload.len() > FRAME {
            self.violation(frame, "longer than anybody allowed");
        }
        if self.head.is_some() && frame.kind != CONTINUATION {
            self.violation(frame, "in the middle of a head");
        }
        let on_stream = matches!(frame.kind, DATA | HEADERS | PRIORITY | RST_STREAM | CONTINUATION);
        if on_stream != (frame.stream != 0) && frame.kind != WINDOW_UPDATE {
            self.violation(frame, "on a stream it does not belong to");
            return;
        }
        match frame.kind {
            DATA => self.take_data(frame),
            HEADERS => match frame.inner() {
                Ok(block) => self.take_block(frame, frame.flags, block),
                Err(what) => self.violation(frame, &what),
            },
            CONTINUATION => match self.head.take() {
                Some((stream, flags, mut block)) if stream == frame.stream => {
                    block.extend_from_slice(&frame.payload);
                    self.take_block(frame, flags | frame.flags & END_HEADERS, &block);
                }
                _ => self.violation(frame, "no head to continue"),
            },
            RST_STREAM if frame.payload.len() == 4 => {
                self.streams.entry(frame.stream).or_default().reset = Some(frame.number(0));
            }
            SETTINGS if frame.flags & ACK != 0 => self.acknowledged += 1,
            SETTINGS if frame.payload.len().is_multiple_of(6) => {
                for value in frame.payload.chunks(6) {
                    let number = u32::from_be_bytes([value[2], value[3], value[4], value[5]]);
                    self.settings.push((u16::from_be_bytes([value[0], value[1]]), number));
                }
                if self.acknowledges {
                    self.try_send(Frame::new(SETTINGS, ACK, 0, []).bytes()).ok();
                }
            }
            PING if frame.payload.len() == 8 => {
                if frame.flags & ACK != 0 {
                    self.pongs += 1;
                } else if self.answers_pings {
                    self.try_send(Frame::new(PING, ACK, 0, &frame.payload[..]).bytes()).ok();
                }
            }
            GOAWAY if frame.payload.len() >= 8 => self.goaway = Some((frame.number(0), frame.number(4))),
            WINDOW_UPDATE if frame.payload.len() == 4 && frame.number(0) != 0 => {}
            PRIORITY if frame.payload.len() == 5 => {}
            _ => self.violation(frame, "malformed or not to be sent"),
        }
    }

    fn take_data(&mut self, frame: &Frame) {
        let data = match frame.inner() {
            Ok(data) => data,
            Err(what) => return self.violation(frame, &what),
        };
        let heard = self.streams.entry(frame.stream).or_default();
        let early = heard.heads.is_empty();
        let late = heard.is_over();
        heard.body.extend_from_slice(data);
        heard.ended |= frame.flags & END_STREAM != 0;
        if early || late {
            self.violation(frame, "where no body is");
        }
        if let (true, Ok(n @ 1..)) = (self.reads, u32::try_from(frame.payload.len())) {
            let room = [Frame::window(0, n), Frame::window(frame.stream, n)];
            self.try_send(bytes(&room[..if self.on(frame.stream).ended { 1 } else { 2 }])).ok();
        }
    }

    fn take_block(&mut self, frame: &Frame, flags: u8, block: &[u8]) {
        if flags & END_HEADERS == 0 {
            self.head = Some((frame.stream, flags, block.to_vec()));
            return;
        }
        let fields = match self.decoder.decode(block) {
            Ok(fields) => fields,
            Err(what) => return self.violation(frame, &what),
        };
        if let Err(what) = hpack::judge(&fields) {
            self.violation(frame, &what);
        }
        let heard = self.streams.entry(frame.stream).or_default();
        let late = heard.is_over();
        self.opened += usize::from(heard.heads.is_empty());
        let has_pseudo = fields.first().is_some_and(|(name, _)| name.starts_with(':'));
        let is_final = heard.status().is_some() || heard.get(":method").is_some();
        heard.ended |= flags & END_STREAM != 0;
        if has_pseudo {
            heard.heads.push(fields);
        } else {
            heard.trailers = Some(fields);
        }
        if late || has_pseudo == is_final {
            self.violation(frame, "a head where none belongs");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_written_to_the_byte() {
        assert_eq!(Frame::reset(1, 8).bytes(), b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08");
        assert_eq!(Frame::settings(&[(4, 1)]).bytes(), b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\x01");
        let long = Frame::head(END_STREAM, 3, &vec![0; FRAME + 1]);
        assert_eq!((long[0].flags, long[1].flags, long[1].kind), (END_STREAM, END_HEADERS, CONTINUATION));
        assert_eq!((code("CANCEL"), code_name(8).as_str()), (Some(8), "CANCEL"));
        let padded = Frame::data(PADDED, 1, *b"\x02ab\0\0");
        assert_eq!(padded.inner(), Ok(&b"ab"[..]));
        assert!(Frame::data(PADDED, 1, *b"\x02a").inner().is_err());
    }
}
