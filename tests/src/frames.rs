//! HTTP/2 on the wire, frame by frame: what is written is whatever a test says, what is read is judged as strictly as
//! RFC 9113 lets a recipient.

pub mod hpack;
pub mod peer;
pub mod script;

pub use peer::{Heard, Peer};

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
