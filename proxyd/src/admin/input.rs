//! What a connection sends, line by line.

use std::io;

use tokio::net::UnixStream;

/// What was read.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Input {
    /// Without its line feed.
    Line(String),
    /// More bytes than allowed without a line feed.
    TooLong,
    /// The client will send no more; an unfinished line is dropped.
    End,
}

/// Bytes that arrived and were not looked at yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    ended: bool,
}

/// Bytes read at once.
const PIECE: usize = 4096;

/// Most bytes that are read and thrown away at the end.
const DRAINED: usize = 4 * 1024 * 1024;

impl Lines {
    /// The next line, at most `limit` bytes with its line feed. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self, stream: &UnixStream, limit: usize) -> io::Result<Input> {
        loop {
            if let Some(input) = self.take(limit) {
                return Ok(input);
            }
            stream.readable().await?;
            self.ended = self.ended || self.fill(stream)? == Some(0);
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    fn take(&mut self, limit: usize) -> Option<Input> {
        match self.bytes.iter().take(limit).position(|byte| *byte == b'\n') {
            Some(end) => {
                let line = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
                self.bytes.drain(..=end);
                Some(Input::Line(line))
            }
            None if self.bytes.len() >= limit => Some(Input::TooLong),
            None => self.ended.then_some(Input::End),
        }
    }

    /// Reads what is there; `None` if nothing is.
    fn fill(&mut self, stream: &UnixStream) -> io::Result<Option<usize>> {
        let mut piece = [0; PIECE];
        match stream.try_read(&mut piece) {
            Ok(n) => {
                self.bytes.extend_from_slice(&piece[..n]);
                Ok(Some(n))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes what the client has sent already: closed with bytes unread, the connection would be reset and the answer
    /// be lost to some clients.
    pub(super) fn drain(stream: &UnixStream) {
        let mut piece = [0; PIECE];
        let mut drained = 0;
        while drained < DRAINED
            && let Ok(n @ 1..) = stream.try_read(&mut piece)
        {
            drained += n;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8], ended: bool) -> Lines {
        Lines { bytes: bytes.to_vec(), ended }
    }

    #[test]
    fn lines_are_cut_at_line_feeds() {
        let mut input = lines(b"a\r\n\nb", true);
        assert_eq!(input.take(10), Some(Input::Line("a\r".to_owned())));
        assert_eq!(input.take(10), Some(Input::Line(String::new())));
        assert_eq!(input.take(10), Some(Input::End));
        assert_eq!(lines(b"b", false).take(10), None);
    }

    #[test]
    fn a_line_has_a_limit() {
        assert_eq!(lines(b"abc\n", false).take(4), Some(Input::Line("abc".to_owned())));
        assert_eq!(lines(b"abcd\n", false).take(4), Some(Input::TooLong));
        assert_eq!(lines(b"abcd", true).take(4), Some(Input::TooLong));
    }
}
