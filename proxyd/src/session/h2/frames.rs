//! The headers of frames in a run of bytes, seen as they pass.

/// A frame whose header has passed, and the code in it where it has one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::session) struct Frame {
    pub(in crate::session) kind: u8,
    pub(in crate::session) flags: u8,
    pub(in crate::session) length: u32,
    /// Of `RST_STREAM` and `GOAWAY`.
    pub(in crate::session) code: u32,
}

pub(in crate::session) const DATA: u8 = 0;
pub(in crate::session) const HEADERS: u8 = 1;
pub(in crate::session) const PRIORITY: u8 = 2;
pub(in crate::session) const RST_STREAM: u8 = 3;
pub(in crate::session) const SETTINGS: u8 = 4;
pub(in crate::session) const PING: u8 = 6;
pub(in crate::session) const GOAWAY: u8 = 7;
pub(in crate::session) const WINDOW_UPDATE: u8 = 8;
pub(in crate::session) const CONTINUATION: u8 = 9;

/// Of `SETTINGS` and `PING`; `END_STREAM` of the others.
pub(in crate::session) const ACK: u8 = 1;
pub(in crate::session) const END_STREAM: u8 = 1;
pub(in crate::session) const END_HEADERS: u8 = 4;

/// Where in a run of frames the last byte stood.
#[derive(Debug, Default)]
pub(in crate::session) struct Scanner {
    /// Bytes that are no frame, at the start.
    skip: u32,
    header: [u8; 9],
    have: usize,
    /// The last bytes of the payload's part that ends with the code.
    code: u32,
    code_have: usize,
    /// Bytes of the payload that are to come.
    left: u32,
}

impl Scanner {
    /// The first bytes are no frame.
    pub(in crate::session) fn behind(skip: usize) -> Self {
        Self { skip: u32::try_from(skip).unwrap_or(u32::MAX), ..Self::default() }
    }

    /// Some of this kind's payload is still to come.
    pub(in crate::session) fn is_within(&self, kind: u8) -> bool {
        self.have == self.header.len() && self.header[3] == kind
    }

    /// Tells of each frame in `bytes`; of those with a code once that has passed.
    pub(in crate::session) fn scan(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Frame)) {
        let skipped = bytes.len().min(self.skip as usize);
        self.skip -= u32::try_from(skipped).unwrap_or(self.skip);
        bytes = &bytes[skipped..];
        while !bytes.is_empty() {
            if self.have < self.header.len() {
                let n = bytes.len().min(self.header.len() - self.have);
                self.header[self.have..self.have + n].copy_from_slice(&bytes[..n]);
                self.have += n;
                bytes = &bytes[n..];
                if self.have < self.header.len() {
                    return;
                }
                let [a, b, c, kind, ..] = self.header;
                self.left = u32::from_be_bytes([0, a, b, c]);
                self.code_have = 0;
                if self.coded(kind) == 0 {
                    tell(self.frame(0));
                }
            }
            let n = bytes.len().min(self.left as usize);
            let coded = self.coded(self.header[3]);
            if self.code_have < coded {
                let taken = n.min(coded - self.code_have);
                self.code = bytes[..taken].iter().fold(self.code, |code, &byte| code << 8 | u32::from(byte));
                self.code_have += taken;
                if self.code_have == coded {
                    tell(self.frame(self.code));
                }
            }
            self.left -= u32::try_from(n).unwrap_or(self.left);
            bytes = &bytes[n..];
            if self.left == 0 {
                self.have = 0;
            }
        }
    }

    /// How many bytes of the payload end with a code.
    fn coded(&self, kind: u8) -> usize {
        let wanted = match kind {
            RST_STREAM => 4,
            GOAWAY => 8,
            _ => 0,
        };
        // What is too short for one is an error anyway.
        let [a, b, c, ..] = self.header;
        if (u32::from_be_bytes([0, a, b, c]) as usize) < wanted { 0 } else { wanted }
    }

    fn frame(&self, code: u32) -> Frame {
        let [a, b, c, kind, flags, ..] = self.header;
        Frame { kind, flags, length: u32::from_be_bytes([0, a, b, c]), code }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        bytes.extend_from_slice(payload);
        bytes
    }

    proptest! {
        #[test]
        fn whatever_the_pieces_the_frames_are_seen(
            frames in proptest::collection::vec((0_u8..12, any::<u8>(), 0_usize..40), 0..20),
            piece in 1_usize..50,
        ) {
            let mut bytes = b"preface".to_vec();
            let mut expected = Vec::new();
            for (kind, flags, length) in frames {
                let payload: Vec<u8> = (1..).take(length).collect();
                let code = match kind {
                    RST_STREAM if length >= 4 => 0x0102_0304,
                    GOAWAY if length >= 8 => 0x0506_0708,
                    _ => 0,
                };
                bytes.extend_from_slice(&frame(kind, flags, &payload));
                expected.push(Frame { kind, flags, length: u32::try_from(length).unwrap(), code });
            }
            let (mut scanner, mut seen) = (Scanner::behind(7), Vec::new());
            for piece in bytes.chunks(piece) {
                scanner.scan(piece, |frame| seen.push(frame));
            }
            prop_assert_eq!(seen, expected);
            prop_assert!(!scanner.is_within(HEADERS));
        }
    }

    #[test]
    fn a_frame_that_is_not_whole_is_known() {
        let mut scanner = Scanner::default();
        scanner.scan(&frame(HEADERS, 0, b"abc")[..10], |_| ());
        assert!(scanner.is_within(HEADERS));
        scanner.scan(b"bc", |_| ());
        assert!(!scanner.is_within(HEADERS));
    }
}
