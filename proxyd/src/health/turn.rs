//! A turn of a conversation: what a protocol has heard, and what it does next.

use super::finding::Finding;

/// What has been heard of a server and not been read yet.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    pub bytes: &'a [u8],
    /// Nothing will be added to it: the peer has ended, or there is no more room.
    pub ended: bool,
    /// What came behind a body of HTTP/2.
    pub trailers: &'a [u8],
}

/// What is done next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Move {
    /// Wait for more.
    More,
    /// Forget the first bytes, and say something.
    Say {
        read: usize,
        bytes: Vec<u8>,
    },
    Done(Finding),
    /// The same, with a last word.
    Leave {
        bytes: Vec<u8>,
        finding: Finding,
    },
}
