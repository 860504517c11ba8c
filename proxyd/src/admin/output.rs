//! Writing answers: as fast as they are taken, and no faster.

use std::io;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::clock::{self, Instant};
use crate::telemetry::sampler::breathe;

/// An answer is handed over in pieces of about this size.
const PIECE: usize = 16 * 1024;

/// An answer on its way.
pub(super) struct Output<'a> {
    stream: &'a UnixStream,
    /// How long the client may take no byte.
    patience: Duration,
    pub(super) bytes: Vec<u8>,
    slice: Instant,
}

impl<'a> Output<'a> {
    pub(super) fn new(stream: &'a UnixStream, patience: Duration) -> Self {
        Self { stream, patience, bytes: Vec::new(), slice: clock::now() }
    }

    /// To be called between the parts of a long answer: hands over what is enough for a piece, and lets others run.
    pub(super) async fn pause(&mut self) -> io::Result<()> {
        if self.bytes.len() >= PIECE {
            self.flush().await?;
        }
        breathe(&mut self.slice).await;
        Ok(())
    }

    /// Hands over everything.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        let mut rest = self.bytes.as_slice();
        while !rest.is_empty() {
            match self.stream.try_write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    timeout(self.patience, self.stream.writable()).await??;
                }
                Err(error) => return Err(error),
            }
        }
        self.bytes.clear();
        Ok(())
    }
}
