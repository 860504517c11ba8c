//! How a body is framed where it comes from, and how that is taken off.

use super::Broken;
use crate::http::chunked::{self, Decoder, Step};
use crate::http::framing::Body;
use crate::net::buffer::Buffer;

/// What the bytes of a body come as.
#[derive(Debug)]
pub(super) enum Source {
    Length(u64),
    Chunked(Decoder),
    UntilClose,
}

impl From<Body> for Source {
    fn from(body: Body) -> Self {
        match body {
            Body::None => Self::Length(0),
            Body::Length(length) => Self::Length(length),
            Body::Chunked => Self::Chunked(Decoder::default()),
            Body::UntilClose => Self::UntilClose,
        }
    }
}

impl Source {
    /// What comes behind the body, as lines; `own` where it frames itself.
    pub(super) fn trailers<'a>(&'a self, own: &'a [u8]) -> &'a [u8] {
        if let Self::Chunked(decoder) = self { decoder.trailers() } else { own }
    }
}

/// Decodes all of the buffer; returns the payload's length at its front and the bytes that are done with.
pub(super) fn unchunk(decoder: &mut Decoder, buffer: &mut Buffer) -> Result<(usize, usize), Broken> {
    let (mut payload, mut taken) = (0, 0);
    loop {
        match decoder.step(&buffer.data()[taken..]).map_err(|chunked::Malformed| Broken::Malformed)? {
            Step::Payload(range) => {
                if payload == 0 {
                    // The first piece stays where it is.
                    buffer.consume(taken + range.start);
                    taken = range.len();
                } else {
                    buffer.data_mut().copy_within(taken + range.start..taken + range.end, payload);
                    taken += range.end;
                }
                payload += range.len();
            }
            Step::Framing(n) => taken += n,
            Step::Partial => break,
            Step::Done(n) => {
                taken += n;
                break;
            }
        }
    }
    Ok((payload, taken))
}
