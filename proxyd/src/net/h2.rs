//! One stream of an HTTP/2 connection in the shape of a connection of its own: heads are HTTP/1.1 text, and a body is
//! bytes until the stream ends. So a session need not know what it runs over.

mod call;
pub mod head;

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};

use super::stream::Sign;
use head::Asked;

/// A frame of ours carries at most so much: what every peer takes without being asked.
const FRAME: usize = 16 * 1024;

/// One request and its answer, from either end; by default one of which nothing is left.
#[derive(Debug, Default)]
pub struct H2 {
    asked: Asked,
    /// A head that is to be read, and how much of it was.
    head: Vec<u8>,
    head_read: usize,
    /// The answer that a request of ours waits for.
    answer: Option<ResponseFuture>,
    /// What the peer sends; gone once it has ended.
    body: Option<RecvStream>,
    /// The rest of a frame.
    data: Bytes,
    trailers: Vec<u8>,
    /// Fields of the head of a request.
    fields: usize,
    /// The client calls by gRPC.
    is_call: bool,
    /// A client said https, or a server is spoken to over TLS.
    secure: bool,
    fault: Option<Fault>,
    /// In a cell, since a session that only looks whether its peer is there does not own it.
    sending: RefCell<Sending>,
}

/// Why there is no more to read, though the stream has not ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The peer refused the stream before it acted on it.
    Refused,
    /// The peer goes away, and did not take the stream any more.
    Unheard,
    /// What the peer sent makes no sense.
    Nonsense,
    /// The stream was reset, or the connection has ended.
    Lost,
}

impl Fault {
    fn of(error: &h2::Error) -> Self {
        match error.reason() {
            Some(Reason::REFUSED_STREAM) if error.is_remote() && error.is_reset() => Self::Refused,
            Some(_) if error.is_remote() && error.is_go_away() => Self::Unheard,
            Some(_) if error.is_library() => Self::Nonsense,
            _ => Self::Lost,
        }
    }
}

/// What keeps a stream from being read.
enum Trouble {
    Stream(h2::Error),
    Fields(io::Error),
}

impl From<h2::Error> for Trouble {
    fn from(error: h2::Error) -> Self {
        Self::Stream(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Fields(error)
    }
}

/// How far our side has come.
#[derive(Default)]
enum Sending {
    /// The head of a request comes first.
    Request(SendRequest<Bytes>),
    /// The head of an answer comes first.
    Answer(SendResponse<Bytes>),
    Body(SendStream<Bytes>),
    /// All is said; the peer may still take it back.
    Ended(SendStream<Bytes>),
    #[default]
    Over,
}

impl std::fmt::Debug for Sending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Request(_) => "Request",
            Self::Answer(_) => "Answer",
            Self::Body(_) => "Body",
            Self::Ended(_) => "Ended",
            Self::Over => "Over",
        })
    }
}

impl H2 {
    /// A request that a client sent.
    pub fn accepted(request: http::Request<RecvStream>, answer: SendResponse<Bytes>) -> Self {
        let (parts, body) = request.into_parts();
        let ended = body.is_end_stream();
        let mut head = Vec::with_capacity(1024);
        let asked = head::write_request(&mut head, &parts, ended);
        Self {
            asked,
            fields: parts.headers.len(),
            is_call: parts
                .headers
                .get(http::header::CONTENT_TYPE)
                .is_some_and(|kind| call::is_call(kind.as_bytes())),
            secure: parts.uri.scheme() == Some(&http::uri::Scheme::HTTPS),
            head,
            head_read: 0,
            answer: None,
            body: (!ended).then_some(body),
            data: Bytes::new(),
            trailers: Vec::new(),
            fault: None,
            sending: RefCell::new(Sending::Answer(answer)),
        }
    }

    /// A request that is to be sent, by a connection that has room for it; `secure` is one over TLS.
    pub fn opened(connection: SendRequest<Bytes>, secure: bool) -> Self {
        Self {
            asked: Asked::Plain,
            fields: 0,
            is_call: false,
            secure,
            head: Vec::new(),
            head_read: 0,
            answer: None,
            body: None,
            data: Bytes::new(),
            trailers: Vec::new(),
            fault: None,
            sending: RefCell::new(Sending::Request(connection)),
        }
    }

    /// Why it failed, if it did.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Waits until there is something to read; false at the end of the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let filled = ready!(self.poll_frames(cx));
        Poll::Ready(filled.map_err(|error| match error {
            Trouble::Stream(error) => {
                self.fault = Some(Fault::of(&error));
                broken(error)
            }
            Trouble::Fields(error) => {
                self.fault = Some(Fault::Nonsense);
                error
            }
        }))
    }

    fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Trouble>> {
        loop {
            if self.has_input() {
                return Poll::Ready(Ok(true));
            }
            if let Some(answer) = &mut self.answer {
                if let Poll::Ready(Some(interim)) = answer.poll_informational(cx) {
                    self.read_head(&interim?.into_parts().0, false);
                    continue;
                }
                let (parts, body) = ready!(Pin::new(answer).poll(cx))?.into_parts();
                self.answer = None;
                let ended = body.is_end_stream();
                self.read_head(&parts, ended);
                self.body = (!ended).then_some(body);
                continue;
            }
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(false)) };
            if let Some(data) = ready!(body.poll_data(cx)) {
                self.data = data?;
                continue;
            }
            if let Some(trailers) = ready!(body.poll_trailers(cx))? {
                head::write_trailers(&mut self.trailers, &trailers)?;
            }
            self.body = None;
        }
    }

    fn read_head(&mut self, parts: &http::response::Parts, ended: bool) {
        self.head.clear();
        self.head_read = 0;
        head::write_answer(&mut self.head, parts, &self.asked, ended);
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if !ready!(self.poll_fill(cx))? {
            return Poll::Ready(Ok(0));
        }
        let head = &self.head[self.head_read..];
        if !head.is_empty() {
            let n = head.len().min(buf.len());
            buf[..n].copy_from_slice(&head[..n]);
            self.head_read += n;
            return Poll::Ready(Ok(n));
        }
        let n = self.data.len().min(buf.len());
        buf[..n].copy_from_slice(&self.data[..n]);
        self.data.advance(n);
        if let Some(body) = &mut self.body {
            // A stream that was reset meanwhile shows at the next read.
            let _reset = body.flow_control().release_capacity(n);
        }
        Poll::Ready(Ok(n))
    }

    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_fill(cx).map_ok(drop)
    }

    pub(super) fn has_input(&self) -> bool {
        self.head_read < self.head.len() || !self.data.is_empty()
    }

    /// The peer has said all, and all of it was read.
    pub fn has_ended(&self) -> bool {
        self.answer.is_none() && !self.has_input() && self.body.as_ref().is_none_or(RecvStream::is_end_stream)
    }

    /// Fields of the request that came, crumbs of cookies and all.
    pub fn fields(&self) -> usize {
        self.fields
    }

    /// The request is a call of gRPC.
    pub fn is_call(&self) -> bool {
        self.is_call
    }

    /// The scheme that the client says it speaks.
    pub fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// What the peer sent behind its body, as lines.
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Sends a head, given as text; `ends` says that nothing follows it.
    pub fn poll_head(&mut self, cx: &mut Context<'_>, text: &[u8], ends: bool) -> Poll<io::Result<()>> {
        let sending = self.sending.get_mut();
        let body = match sending {
            Sending::Request(connection) => {
                let failed = |error: h2::Error, fault: &mut Option<Fault>| {
                    *fault = Some(Fault::of(&error));
                    broken(error)
                };
                ready!(connection.poll_ready(cx)).map_err(|error| failed(error, &mut self.fault))?;
                let (request, asked) = match head::read_request(text, self.secure) {
                    Ok(read) => read,
                    Err(error) => {
                        self.fault = Some(Fault::Nonsense);
                        return Poll::Ready(Err(error));
                    }
                };
                // A tunnel stays open behind its head.
                let ends = ends && asked.takes_end();
                self.asked = asked;
                let (answer, body) =
                    connection.send_request(request, ends).map_err(|error| failed(error, &mut self.fault))?;
                self.answer = Some(answer);
                *sending = if ends { Sending::Ended(body) } else { Sending::Body(body) };
                return Poll::Ready(Ok(()));
            }
            Sending::Answer(answer) => {
                let response = head::read_answer(text, &self.asked)?;
                if response.status().is_informational() {
                    return Poll::Ready(answer.send_informational(response).map_err(broken));
                }
                let ends = ends && !self.asked.is_tunnel(response.status());
                let body = answer.send_response(response, ends).map_err(broken)?;
                if ends { Sending::Ended(body) } else { Sending::Body(body) }
            }
            Sending::Body(_) | Sending::Ended(_) | Sending::Over => {
                return Poll::Ready(Err(io::Error::other("a stream has one head")));
            }
        };
        *sending = body;
        Poll::Ready(Ok(()))
    }

    /// Writes what there is room for; a head that was not sent yet stands in front of all.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if matches!(self.sending.get_mut(), Sending::Request(_) | Sending::Answer(_)) {
            let text = bufs.first().map_or(&[][..], |slice| slice);
            let Some(length) = head::length(text) else {
                return Poll::Ready(Err(io::Error::other("a head comes first")));
            };
            return self.poll_head(cx, &text[..length], false).map_ok(|()| length);
        }
        self.poll_data(cx, bufs, false)
    }

    /// The same behind the head; with `ends` our side ends if there is room for all of it.
    pub fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        ends: bool,
    ) -> Poll<io::Result<usize>> {
        let sending = self.sending.get_mut();
        let Sending::Body(stream) = sending else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let all = bufs.iter().map(|slice| slice.len()).sum::<usize>();
        let wanted = all.min(FRAME);
        stream.reserve_capacity(wanted);
        while stream.capacity() == 0 {
            match ready!(stream.poll_capacity(cx)) {
                Some(room) => _ = room.map_err(broken)?,
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let mut room = stream.capacity().min(wanted);
        let mut data = BytesMut::with_capacity(room);
        for slice in bufs {
            let n = slice.len().min(room);
            data.extend_from_slice(&slice[..n]);
            room -= n;
        }
        let n = data.len();
        let ends = ends && n == all;
        stream.send_data(data.freeze(), ends).map_err(broken)?;
        if ends && let Sending::Body(stream) = std::mem::take(sending) {
            *sending = Sending::Ended(stream);
        }
        Poll::Ready(Ok(n))
    }

    /// Ends our side; `trailers` are lines.
    pub fn finish(&self, trailers: &[u8]) -> io::Result<()> {
        let mut sending = self.sending.borrow_mut();
        match std::mem::replace(&mut *sending, Sending::Over) {
            Sending::Body(mut stream) => {
                let trailers = head::read_fields(trailers)?;
                let sent = if trailers.is_empty() {
                    stream.send_data(Bytes::new(), true)
                } else {
                    stream.send_trailers(trailers)
                };
                *sending = Sending::Ended(stream);
                sent.map_err(broken)
            }
            other => {
                *sending = other;
                Ok(())
            }
        }
    }

    /// The peer must not take what it got for the whole.
    pub(super) fn reset(&self) {
        match &mut *self.sending.borrow_mut() {
            Sending::Answer(answer) => answer.send_reset(Reason::INTERNAL_ERROR),
            Sending::Body(stream) | Sending::Ended(stream) => stream.send_reset(Reason::INTERNAL_ERROR),
            Sending::Request(_) | Sending::Over => {}
        }
    }

    pub(super) fn poll_sign(&self, cx: &mut Context<'_>) -> Poll<Sign> {
        let reset = match &mut *self.sending.borrow_mut() {
            Sending::Answer(answer) => answer.poll_reset(cx),
            Sending::Body(stream) | Sending::Ended(stream) => stream.poll_reset(cx),
            Sending::Request(_) | Sending::Over => Poll::Pending,
        };
        reset.map(|_reason| Sign::Reset)
    }
}

fn broken(error: h2::Error) -> io::Error {
    match error.into_io() {
        Some(error) => error,
        None => io::ErrorKind::ConnectionReset.into(),
    }
}
