//! The part of a long transfer that passes within the kernel, as it is.

use std::task::{Context, Poll, ready};

use super::source::Source;
use super::{Broken, Transfer};
use crate::net::buffer::SMALL;
use crate::net::splice::{self, Pipe};
use crate::net::stream::Stream;

/// What came of an attempt to move bytes within the kernel.
pub(super) enum Spliced {
    Some(u64),
    End,
    /// It has to be copied.
    Not,
}

/// So many blocks of the longest kind make a transfer a long one, whose bytes need not come up here any more.
pub(super) const LONG: u32 = 2;

impl Transfer {
    /// The payload passes as it is.
    pub(super) fn is_spliceable(&self, from: &Stream, to: &Stream) -> bool {
        !self.chunks
            && self.kept.is_none()
            && !matches!(self.source, Source::Chunked(_))
            && from.is_plain()
            && to.is_plain()
    }

    /// Moves bytes into a pipe, where there is one to be had.
    pub(super) fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        from: &Stream,
    ) -> Poll<Result<Spliced, Broken>> {
        let Some(mut pipe) = Pipe::take() else {
            self.full = 0;
            return Poll::Ready(Ok(Spliced::Not));
        };
        let most = match self.source {
            Source::Length(left) => usize::try_from(left).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        match ready!(pipe.poll_fill(cx, from, most)) {
            Ok(0) => Poll::Ready(Ok(Spliced::End)),
            Ok(n) => {
                if n < SMALL {
                    // It is slow, or at its end: a copy is as cheap.
                    self.full = 0;
                }
                if let Source::Length(left) = &mut self.source {
                    *left -= n as u64;
                    self.ended = *left == 0;
                }
                self.pipe = Some(pipe);
                Poll::Ready(Ok(Spliced::Some(n as u64)))
            }
            Err(error) if splice::is_unsupported(&error) => {
                self.full = 0;
                Poll::Ready(Ok(Spliced::Not))
            }
            Err(error) => Poll::Ready(Err(Broken::Read(error))),
        }
    }
}
