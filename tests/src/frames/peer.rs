//! One end of a connection, and what came to it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use super::hpack::{self, Decoder, Fields};
use super::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, FRAME, Frame, GOAWAY, HEADERS, PING, PREFACE, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, bytes,
};
use crate::fail;
use crate::stream::{Address, Stream};

/// Nothing in a test that works takes this long.
const LIMIT: Duration = Duration::from_secs(20);

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
    pub fn on(&self, stream: u32) -> &Heard {
        static NOTHING: Heard =
            Heard { heads: Vec::new(), body: Vec::new(), trailers: None, ended: false, reset: None };
        self.streams.get(&stream).unwrap_or(&NOTHING)
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
        self.on(stream).clone()
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
        let is_last = heard.ended;
        if early || late {
            self.violation(frame, "where no body is");
        }
        if let (true, Ok(n @ 1..)) = (self.reads, u32::try_from(frame.payload.len())) {
            let room = [Frame::window(0, n), Frame::window(frame.stream, n)];
            self.try_send(bytes(&room[..if is_last { 1 } else { 2 }])).ok();
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
