//! One direction of bytes, from a socket to another: framing taken off, counted, framed anew.
//!
//! Memory is one buffer whatever the length: nothing is read while something waits to be written, so that the slower
//! side sets the pace.

mod kept;
mod source;
mod splice;

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use smallvec::SmallVec;

use crate::config::ClientCertHeader;
use crate::http::chunked;
use crate::http::framing::Body;
use crate::net::buffer::{Buffer, LARGE};
use crate::net::h2::H2;
use crate::net::splice::Pipe;
use crate::net::stream::Stream;
use kept::Kept;
use source::{Source, unchunk};
use splice::{LONG, Spliced};

/// A transfer under way. Progress is kept here, so that a poll can be abandoned at any point.
#[derive(Debug)]
pub struct Transfer {
    /// Written before anything else: the head.
    prefix: Vec<u8>,
    prefix_sent: usize,
    source: Source,
    /// The other side gets chunks.
    chunks: bool,
    /// Payload at the front of the buffer that waits to be written.
    payload: usize,
    /// Framing behind it, to be skipped once the payload is written.
    gap: usize,
    /// A chunk's size line, and what follows its payload.
    size_line: ([u8; 18], usize),
    size_line_sent: usize,
    tail: SmallVec<[u8; 8]>,
    tail_sent: usize,
    ended: bool,
    /// Bytes pass as they are, with nothing in front of them.
    plain: bool,
    last_filled: bool,
    /// Longest blocks that were filled in a row.
    full: u32,
    /// Bytes on their way within the kernel.
    pipe: Option<Pipe>,
    /// Bytes written so far.
    pub written: u64,
    /// Something of the body was found in the buffer.
    body_begun: bool,
    /// The payload that was written, where it may have to be written again.
    kept: Option<Kept>,
    /// While it is: what of it has been, and the payload in the buffer that comes behind it.
    again: Option<(usize, usize)>,
    /// It begins anew, and may go to a side that frames otherwise.
    rewound: bool,
    /// Payload that may still come without a length.
    most: u64,
    /// The other side frames by itself: heads and ends are more than bytes to it.
    framed: bool,
    /// It is to be told that the body has ended.
    end_due: bool,
    /// What came behind a body that framed itself.
    trailers: Vec<u8>,
    /// Names that no trailer may have.
    barred: Option<Arc<[ClientCertHeader]>>,
}

/// Which side made a transfer fail.
#[derive(Debug)]
pub enum Broken {
    /// The source failed.
    Read(io::Error),
    /// The source ended before the body did.
    Eof,
    /// The source's framing makes no sense.
    Malformed,
    /// The body is longer than it may be.
    TooLarge,
    /// The other side failed.
    Write(io::Error),
}

/// What a poll moved.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Moved {
    pub read: u64,
    pub written: u64,
}

impl Transfer {
    /// `prefix` is written first, then the body of `from` framed as `to` says.
    pub fn new(prefix: Vec<u8>, from: Body, to: Body) -> Self {
        let source = Source::from(from);
        Self {
            plain: prefix.is_empty() && from == Body::UntilClose && to == Body::UntilClose,
            prefix,
            prefix_sent: 0,
            ended: matches!(source, Source::Length(0)),
            source,
            chunks: to == Body::Chunked,
            payload: 0,
            gap: 0,
            size_line: ([0; 18], 0),
            size_line_sent: 0,
            tail: SmallVec::new(),
            tail_sent: 0,
            last_filled: false,
            full: 0,
            pipe: None,
            written: 0,
            body_begun: false,
            kept: None,
            again: None,
            rewound: false,
            most: u64::MAX,
            framed: false,
            end_due: false,
            trailers: Vec::new(),
            barred: None,
        }
    }

    /// Drops trailers of these names.
    pub fn bar(&mut self, headers: &Arc<[ClientCertHeader]>) {
        if !headers.is_empty() {
            if let Source::Chunked(decoder) = &mut self.source {
                decoder.bar(Arc::clone(headers));
            }
            self.barred = Some(Arc::clone(headers));
        }
    }

    /// Takes over trailers, each with its line end.
    fn take_trailers(&mut self, lines: &[u8]) {
        let Some(barred) = &self.barred else { return self.trailers.extend_from_slice(lines) };
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
            if !std::str::from_utf8(name).is_ok_and(|name| chunked::is_barred(name, barred)) {
                self.trailers.extend_from_slice(line);
            }
        }
    }

    /// Where it goes; before all else.
    pub fn towards(&mut self, to: &Stream) {
        self.framed = to.is_h2();
        if std::mem::take(&mut self.rewound) {
            self.frame();
        }
    }

    /// A body without a length may be so long and no longer.
    pub fn limit(&mut self, bytes: u64) {
        self.most = bytes;
    }

    /// All is written.
    pub fn is_done(&self) -> bool {
        self.ended && !self.has_output()
    }

    /// The head's memory, to be used again; it goes no further.
    pub fn take_prefix(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.prefix)
    }

    /// Takes the framing off what was read, once all before it is written.
    pub fn look_ahead(&mut self, buffer: &mut Buffer) -> Result<(), Broken> {
        if !self.ended && self.again.is_none() && self.is_frame_sent() && !buffer.is_empty() {
            self.decode(buffer)?;
        }
        Ok(())
    }

    /// Ready when the body has been written whole. `moved` adds up what happened on the way.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        buffer: &mut Buffer,
        to: &mut Stream,
        moved: &mut Moved,
    ) -> Poll<Result<(), Broken>> {
        if self.plain {
            ready!(self.poll_plain(cx, from, buffer, to, moved))?;
        }
        loop {
            // Before the head is written, so that what is there of the body goes with it.
            self.look_ahead(buffer)?;
            if let Some(pipe) = &mut self.pipe {
                while pipe.held() > 0 {
                    let n = ready!(pipe.poll_drain(cx, to)).map_err(Broken::Write)? as u64;
                    moved.written += n;
                    self.written += n;
                }
                self.pipe = None;
            }
            if self.has_output() {
                let n = ready!(self.poll_write(cx, buffer, to)).map_err(Broken::Write)?;
                moved.written += n as u64;
                continue;
            }
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            if self.last_filled {
                buffer.grow();
                self.last_filled = false;
            }
            if self.full >= LONG && self.is_spliceable(from, to) && buffer.is_empty() {
                match ready!(self.poll_splice(cx, from))? {
                    Spliced::Some(n) => {
                        moved.read += n;
                        // What it was read into before is not needed.
                        buffer.park();
                        continue;
                    }
                    Spliced::End => {
                        self.source_ended()?;
                        continue;
                    }
                    Spliced::Not => {}
                }
            }
            let room = buffer.room();
            let size = room.len();
            let n = ready!(from.poll_read(cx, room)).map_err(Broken::Read)?;
            moved.read += n as u64;
            if n == 0 {
                if let Some(from) = from.as_h2() {
                    self.take_trailers(from.trailers());
                }
                self.source_ended()?;
                continue;
            }
            self.last_filled = n == size;
            self.full = if n == LARGE { self.full.saturating_add(1) } else { 0 };
            buffer.filled(n);
        }
    }

    /// The same where there is no framing to look at, which is most of the work that a short message makes. Ready when
    /// there is more to it.
    fn poll_plain(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        buffer: &mut Buffer,
        to: &mut Stream,
        moved: &mut Moved,
    ) -> Poll<Result<(), Broken>> {
        if self.ended || self.full >= LONG || self.pipe.is_some() {
            return Poll::Ready(Ok(()));
        }
        loop {
            while !buffer.is_empty() {
                self.payload = buffer.len();
                let n = ready!(to.poll_write(cx, &[IoSlice::new(buffer.data())])).map_err(Broken::Write)?;
                buffer.consume(n);
                moved.written += n as u64;
                self.written += n as u64;
            }
            self.payload = 0;
            if self.last_filled {
                return Poll::Ready(Ok(()));
            }
            let room = buffer.room();
            let size = room.len();
            let n = ready!(from.poll_read(cx, room)).map_err(Broken::Read)?;
            if n == 0 {
                self.ended = true;
                return Poll::Ready(Ok(()));
            }
            moved.read += n as u64;
            self.last_filled = n == size;
            self.full = if n == LARGE { self.full.saturating_add(1) } else { 0 };
            buffer.filled(n);
        }
    }

    /// Something waits for the other side to take it.
    pub fn has_output(&self) -> bool {
        if self.pipe.as_ref().is_some_and(|pipe| pipe.held() > 0) {
            return true;
        }
        self.prefix_sent < self.prefix.len()
            || self.end_due
            || self.size_line_sent < self.size_line.1
            || self.payload > 0
            || self.tail_sent < self.tail.len()
    }

    fn is_frame_sent(&self) -> bool {
        self.payload == 0 && self.size_line_sent == self.size_line.1 && self.tail_sent == self.tail.len()
    }

    fn source_ended(&mut self) -> Result<(), Broken> {
        if !matches!(self.source, Source::UntilClose) {
            return Err(Broken::Eof);
        }
        self.ended = true;
        self.frame();
        Ok(())
    }

    fn set_tail(&mut self, tail: &[u8]) {
        self.tail.clear();
        self.tail.extend_from_slice(tail);
        self.tail_sent = 0;
    }

    /// Finds the payload in what was read; framing is closed up, so that it is one piece.
    #[inline(never)]
    fn decode(&mut self, buffer: &mut Buffer) -> Result<(), Broken> {
        match &mut self.source {
            Source::Length(left) => {
                self.payload = buffer.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= self.payload as u64;
                self.ended = *left == 0;
            }
            Source::UntilClose => {
                self.payload = buffer.len();
                self.most = self.most.checked_sub(self.payload as u64).ok_or(Broken::TooLarge)?;
            }
            Source::Chunked(decoder) => {
                let (payload, taken) = unchunk(decoder, buffer)?;
                self.most = self.most.checked_sub(payload as u64).ok_or(Broken::TooLarge)?;
                self.payload = payload;
                self.gap = taken - payload;
                self.ended = decoder.is_done();
            }
        }
        if self.payload == 0 {
            buffer.consume(std::mem::take(&mut self.gap));
        } else {
            self.body_begun = true;
        }
        self.frame();
        Ok(())
    }

    /// Frames what is to be written next.
    fn frame(&mut self) {
        let ends = self.ended && self.again.is_none();
        if self.chunks {
            self.size_line = ([0; 18], 0);
            self.size_line_sent = 0;
            self.set_tail(b"");
        }
        if self.framed {
            self.end_due = ends;
            return;
        }
        if !self.chunks {
            return;
        }
        if self.payload > 0 {
            self.size_line = chunked::size_line(self.payload);
            self.set_tail(b"\r\n");
        }
        if ends {
            self.tail.extend_from_slice(b"0\r\n");
            self.tail.extend_from_slice(self.source.trailers(&self.trailers));
            self.tail.extend_from_slice(b"\r\n");
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
        to: &mut Stream,
    ) -> Poll<io::Result<usize>> {
        if let Stream::H2(to) = to {
            return self.poll_write_framed(cx, buffer, to);
        }
        let (prefix, payload) = (&self.prefix[self.prefix_sent..], self.payload(buffer));
        let written = if self.chunks {
            let size_line = &self.size_line.0[self.size_line_sent..self.size_line.1];
            let parts = [prefix, size_line, payload, &self.tail[self.tail_sent..]];
            let mut slices = [IoSlice::new(&[]); 4];
            let mut count = 0;
            for part in parts.into_iter().filter(|p| !p.is_empty()) {
                slices[count] = IoSlice::new(part);
                count += 1;
            }
            to.poll_write(cx, &slices[..count])
        } else {
            match (prefix, payload) {
                (one, []) | ([], one) => to.poll_write(cx, &[IoSlice::new(one)]),
                (one, other) => to.poll_write(cx, &[IoSlice::new(one), IoSlice::new(other)]),
            }
        };
        let n = ready!(written)?;
        self.advance(n, buffer);
        Poll::Ready(Ok(n))
    }

    /// The same for a side that frames by itself.
    fn poll_write_framed(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
        to: &mut H2,
    ) -> Poll<io::Result<usize>> {
        let trailers = self.source.trailers(&self.trailers);
        let n = if self.prefix_sent < self.prefix.len() {
            let ends = self.ended && self.payload == 0 && trailers.is_empty();
            ready!(to.poll_head(cx, &self.prefix, ends))?;
            self.end_due &= !ends;
            self.prefix.len()
        } else if self.payload > 0 {
            let ends = self.end_due && trailers.is_empty();
            let n = ready!(to.poll_data(cx, &[IoSlice::new(self.payload(buffer))], ends))?;
            self.end_due &= !(ends && n == self.payload);
            n
        } else {
            to.finish(trailers)?;
            self.end_due = false;
            0
        };
        self.advance(n, buffer);
        Poll::Ready(Ok(n))
    }

    fn advance(&mut self, n: usize, buffer: &mut Buffer) {
        self.written += n as u64;
        let mut left = n;
        let mut take = |available: usize| {
            let taken = available.min(left);
            left -= taken;
            taken
        };
        self.prefix_sent += take(self.prefix.len() - self.prefix_sent);
        self.size_line_sent += take(self.size_line.1 - self.size_line_sent);
        let payload = take(self.payload);
        self.tail_sent += take(self.tail.len() - self.tail_sent);
        self.payload -= payload;
        if let Some((written, behind)) = &mut self.again {
            *written += payload;
            if self.payload == 0 && self.tail_sent == self.tail.len() {
                self.payload = *behind;
                self.again = None;
                self.frame();
            }
            return;
        }
        if let Some(kept) = &mut self.kept
            && !kept.add(&buffer.data()[..payload])
        {
            self.kept = None;
        }
        buffer.consume(payload);
        if self.payload == 0 {
            buffer.consume(std::mem::take(&mut self.gap));
        }
    }

    /// What waits to be written.
    fn payload<'a>(&'a self, buffer: &'a Buffer) -> &'a [u8] {
        match (&self.kept, self.again) {
            (Some(kept), Some((written, _))) => &kept.bytes[written..],
            _ => &buffer.data()[..self.payload],
        }
    }
}

#[cfg(test)]
mod tests;
