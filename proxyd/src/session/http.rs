//! A connection in HTTP mode: one request after the other, each on a server's connection of its own choosing.

mod forward;
mod log;
mod persistence;

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::access_log::Trace;
use super::client::Addresses;
use super::exchange::write_all;
use super::h2;
use super::linger::{linger, poll_take};
use super::private::Private;
use super::view::{BackendView, FrontendView};
use super::worker::{Busy, Place};
use crate::clock::{self, Instant};
use crate::config::defaults::MAX_HEADER_BYTES;
use crate::http::forwarded::Peer;
use crate::http::grpc;
use crate::http::refusal::Reason;
use crate::http::reply::Reply;
use crate::http::request::{self, Parsed, Site, Told};
use crate::net::buffer::{self, Buffer};
use crate::net::h2::H2;
use crate::net::stream::Stream;
use crate::net::timer::{Elapsed, Timer};
use crate::stats::cells::Count;

/// Room for a head at first.
const HEAD: usize = 1024;
/// How long after an answer a connection is held ready for the next request.
const PARK_AFTER: Duration = Duration::from_secs(1);

const _: () = assert!(MAX_HEADER_BYTES == buffer::SMALL, "a head has to fit into its buffer");

/// One client's connection.
#[derive(Debug)]
struct Connection {
    frontend: Rc<FrontendView>,
    /// The graph `frontend` belongs to.
    generation: u32,
    place: Rc<Place>,
    client: Stream,
    buffer: Buffer,
    timer: Timer,
    addresses: Addresses,
    private: Private,
    /// Heads as written to the server and to the client; kept for their memory.
    up_head: Vec<u8>,
    down_head: Vec<u8>,
    requests: u64,
    stage: Stage,
    trace: Option<Box<Trace>>,
    /// The last reading of the clock.
    now: Instant,
}

/// What a connection that is given up would cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Idle,
    /// A head is being read, or refused.
    Head,
    /// A request is with us, or with a server.
    UnderWay,
}

/// Whether the connection goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    Request,
    Close,
    /// Close, but take what the client still sends first.
    Linger,
    /// It speaks HTTP/2.
    Http2,
}

/// What waiting for a request brought.
enum Waited {
    Request(request::Facts),
    Refused(Reason),
    /// Nothing but line ends came in time.
    Idle,
    /// The client closed, or was never heard of.
    Gone,
    /// The preface of HTTP/2 (RFC 9113 3.4), or its beginning.
    Http2,
}

/// Serves one client until its connection ends.
///
/// What an idle connection takes is what this future holds: its state lies in it once, and nothing else does.
pub fn serve(
    from: (Rc<FrontendView>, u32),
    place: Rc<Place>,
    client: Stream,
    addresses: Addresses,
) -> impl Future<Output = ()> {
    let mut connection = Connection::new(from, place, client, addresses, clock::now());
    async move {
        if connection.run().await == Ended::AsHttp2 {
            connection.go_on_as_http2().await;
        }
    }
}

/// Serves one request that came on a stream of HTTP/2; returns when it ended.
pub(super) async fn serve_stream(
    from: (Rc<FrontendView>, u32),
    place: Rc<Place>,
    stream: Box<H2>,
    (addresses, private): (Addresses, Private),
    begun: Instant,
) -> Instant {
    let mut connection = Connection::new(from, place, Stream::H2(stream), addresses, begun);
    connection.private = private;
    match connection.one_request().await {
        Next::Close => {}
        // Some clients take a stream that is reset behind its answer for one that failed: they may come to see by
        // themselves that it is over. What is still on its way after that is taken back when the stream goes.
        Next::Linger if !connection.client.has_ended() => Box::pin(connection.linger()).await,
        _ => _ = connection.client.shutdown_write(),
    }
    connection.now
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ended {
    Closed,
    AsHttp2,
}

/// Answers a request that came in clear to where TLS is spoken; what was read of it is gone.
pub fn refuse_clear(
    from: (Rc<FrontendView>, u32),
    place: Rc<Place>,
    client: Stream,
    addresses: Addresses,
) -> impl Future<Output = ()> {
    let mut connection = Connection::new(from, place, client, addresses, clock::now());
    async move {
        let _busy = Busy::new(&connection.place);
        if let Some(trace) = &mut connection.trace {
            trace.begin(connection.now, connection.now);
        }
        if connection.refuse(Reason::InClear).await == Next::Linger {
            connection.linger().await;
        }
    }
}

impl Connection {
    fn new(
        (frontend, generation): (Rc<FrontendView>, u32),
        place: Rc<Place>,
        client: Stream,
        addresses: Addresses,
        now: Instant,
    ) -> Self {
        Self {
            trace: Trace::new(&frontend, &addresses, now),
            frontend,
            generation,
            place,
            client,
            buffer: Buffer::small(),
            timer: Timer::default(),
            addresses,
            private: Private::default(),
            up_head: Vec::new(),
            down_head: Vec::new(),
            requests: 0,
            stage: Stage::Idle,
            now,
        }
    }

    /// What was read of the preface is read again by those who know it.
    fn go_on_as_http2(&mut self) -> Pin<Box<impl Future<Output = ()> + use<>>> {
        let client = std::mem::replace(&mut self.client, Stream::H2(Box::default()));
        let read = self.buffer.data().to_vec();
        self.buffer.consume(read.len());
        self.park();
        self.trace = None;
        let from = (Rc::clone(&self.frontend), self.generation);
        Box::pin(h2::serve(from, Rc::clone(&self.place), client, read, self.addresses.clone()))
    }
}

impl Connection {
    async fn run(&mut self) -> Ended {
        loop {
            let limit = self.idle_limit();
            let next = match self.first_byte(limit).await {
                // In a box of its own, so that an idle connection does not hold the room that a request takes.
                Ok(true) => Box::pin(self.requests()).await,
                // A client that never said a word is told that it was too slow, an idle one is just let go.
                Err(Elapsed) if self.requests == 0 => Box::pin(self.refuse(Reason::HeadTimeout)).await,
                // The kernel knows of a request before the driver does.
                Err(Elapsed) if self.client.has_input() => Box::pin(self.requests()).await,
                // One may be on its way: the end is told, and what crosses it does not reset the connection.
                Ok(false) => {
                    self.log_gone();
                    Next::Linger
                }
                Err(Elapsed) => Next::Linger,
            };
            match next {
                Next::Request => self.park(),
                Next::Http2 => return Ended::AsHttp2,
                Next::Close => return Ended::Closed,
                Next::Linger => {
                    Box::pin(self.linger()).await;
                    return Ended::Closed;
                }
            }
        }
    }
}

impl Connection {
    /// Serves requests for as long as one follows the other closely.
    async fn requests(&mut self) -> Next {
        let _busy = Busy::new(&self.place);
        // Of a size that nothing has that outlives them, so that their memory is free as a whole when it is.
        self.up_head.reserve(HEAD);
        self.down_head.reserve(HEAD);
        loop {
            let next = self.one_request().await;
            if next != Next::Request {
                return next;
            }
            if self.buffer.is_empty() {
                self.buffer.park();
                let limit = self.idle_limit().min(self.now + PARK_AFTER);
                match self.first_byte(limit).await {
                    Ok(true) => {}
                    Ok(false) => return Next::Linger,
                    Err(Elapsed) => return Next::Request,
                }
            }
        }
    }

    async fn one_request(&mut self) -> Next {
        let idle_since = self.now;
        self.now = clock::now();
        if let Some(trace) = &mut self.trace {
            trace.begin(idle_since, self.now);
        }
        let deadline = self.now + self.frontend.frontend.timeouts.http_request;
        self.stage = Stage::Head;
        let waited = self.read_head(deadline).await;
        self.refresh();
        let cells = self.frontend.cells();
        let next = match waited {
            Waited::Gone => {
                self.log_gone();
                Next::Close
            }
            Waited::Idle => Next::Linger,
            Waited::Http2 => Next::Http2,
            Waited::Refused(reason) => self.refuse(reason).await,
            Waited::Request(facts) => {
                cells.inc(Count::Requests);
                self.requests += 1;
                self.stage = Stage::UnderWay;
                self.forward(&facts).await
            }
        };
        self.stage = Stage::Idle;
        next
    }

    /// Gives back what an idle connection needs not hold.
    fn park(&mut self) {
        self.buffer.park();
        self.up_head = Vec::new();
        self.down_head = Vec::new();
        self.timer = Timer::default();
        if let Some(trace) = &mut self.trace {
            trace.line = Vec::new();
        }
    }

    /// A new graph is taken up between two requests.
    fn refresh(&mut self) {
        if !self.place.worker.is_current(self.generation)
            && let Some((frontend, generation)) = self.place.worker.frontend(&self.frontend.frontend.name)
        {
            self.frontend = frontend;
            self.generation = generation;
        }
    }

    /// Until when the first byte of a request is waited for.
    fn idle_limit(&self) -> Instant {
        let timeouts = &self.frontend.frontend.timeouts;
        let first = self.requests == 0;
        self.now + if first { timeouts.http_request } else { timeouts.http_keep_alive }
    }

    /// Waits for the client to say something, without a buffer; false if it closed, or draining began.
    fn first_byte(&mut self, limit: Instant) -> impl Future<Output = Result<bool, Elapsed>> {
        let (client, place) = (&mut self.client, &self.place);
        self.timer.within(limit, move |cx| {
            if place.worker.is_draining() {
                // A request that is there already is served; closing on it would reset the connection.
                return Poll::Ready(client.has_input());
            }
            place.wake_on_drain(cx.waker());
            client.poll_readable(cx).map(|ready| ready.is_ok())
        })
    }

    /// Reads a whole head; what the server is sent is then in `up_head`.
    ///
    /// The deadline is absolute: a drip of bytes does not move it.
    async fn read_head(&mut self, deadline: Instant) -> Waited {
        let longest = self.frontend.frontend.http.max_header_bytes;
        let mut look = !self.buffer.is_empty();
        let mut waited = false;
        loop {
            if look {
                self.skip_line_ends();
                match self.parse() {
                    Ok(Parsed::Complete(facts)) => {
                        if let Some(trace) = &mut self.trace {
                            match &self.client {
                                Stream::H2(stream) => {
                                    trace.take_line_of_stream(self.buffer.data(), stream.scheme());
                                }
                                _ => trace.take_line(self.buffer.data()),
                            }
                        }
                        self.buffer.consume(facts.length);
                        if waited {
                            self.now = clock::now();
                        }
                        return Waited::Request(facts);
                    }
                    Ok(Parsed::Partial) if self.buffer.len() >= longest => {
                        return Waited::Refused(request::too_long(self.buffer.data()));
                    }
                    Ok(Parsed::Partial) => waited = true,
                    Err(_) if self.speaks_http2() => return Waited::Http2,
                    Err(reason) => return Waited::Refused(reason),
                }
            }
            let (client, buffer) = (&mut self.client, &mut self.buffer);
            let read = self.timer.within(deadline, |cx| client.poll_read(cx, buffer.room())).await;
            let n = match read {
                Ok(Ok(n)) => n,
                Ok(Err(_reset)) => return Waited::Gone,
                Err(Elapsed) if self.buffer.is_empty() && self.requests > 0 => return Waited::Idle,
                Err(Elapsed) => return Waited::Refused(Reason::HeadTimeout),
            };
            if n == 0 {
                if self.buffer.is_empty() {
                    return Waited::Gone;
                }
                return Waited::Refused(Reason::EndsEarly);
            }
            // A head ends with a line end: until one comes there is nothing new to parse.
            look = self.buffer.is_empty() || self.buffer.room()[..n].contains(&b'\n');
            self.buffer.filled(n);
            look |= self.buffer.len() >= longest;
        }
    }

    /// Line ends in front of a request are skipped (RFC 9112 2.2).
    fn skip_line_ends(&mut self) {
        let n = self.buffer.data().iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        self.buffer.consume(n);
    }

    /// Only what a connection begins with may be a preface.
    fn speaks_http2(&self) -> bool {
        self.requests == 0
            && self.frontend.frontend.http.http2.prior_knowledge
            && !self.client.is_h2()
            && h2::is_preface(self.buffer.data())
    }

    fn parse(&mut self) -> Result<Parsed, Reason> {
        if self.buffer.is_empty() {
            return Ok(Parsed::Partial);
        }
        let frontend = &self.frontend.frontend;
        let client = self.addresses.client.map(|a| a.ip());
        let headers = &frontend.client_cert_headers;
        let lines = if headers.is_empty() { Cow::default() } else { self.addresses.told_lines(headers) };
        let site = Site {
            told: Told { headers, lines: &lines },
            forward: frontend.forward,
            options: &frontend.http,
            // A Unix socket has no address that could be named.
            peer: match client {
                _ if frontend.trusted.is_empty() => Peer::Unjudged,
                Some(client) if frontend.trusted.contains(client) => Peer::Trusted,
                _ => Peer::Foreign,
            },
            client,
            port: self.addresses.local_port,
            scheme: if self.addresses.tls.is_some() { "https" } else { "http" },
            only_host: self.addresses.tls.as_ref().and_then(|tls| tls.only_host()),
            local: &|| self.addresses.destination().or_else(|| self.client.local_addr()),
        };
        if let Stream::H2(stream) = &self.client
            && stream.fields() > frontend.http.max_headers
        {
            return Err(Reason::TooManyFields);
        }
        request::parse(self.buffer.data(), &mut self.up_head, &site)
    }

    /// Answers a request that was not understood, or did not come in time, and closes.
    async fn refuse(&mut self, reason: Reason) -> Next {
        let cells = self.frontend.cells();
        cells.inc(Count::BadRequests);
        cells.inc(Count::Intercepted);
        cells.status(reason.reply().status());
        self.frontend.refused(reason);
        self.write_reply(reason.reply(), None, true, false).await;
        self.log_refused(reason);
        Next::Linger
    }

    /// Answers a request in a server's place. `whole` says that nothing of it is left to read.
    async fn reply(
        &mut self,
        facts: &request::Facts,
        reply: Reply,
        backend: Option<&BackendView>,
        whole: bool,
    ) -> Next {
        // An old client would have to be told that the connection stays.
        let close = !whole || !facts.keep_alive || !facts.is_11 || self.place.worker.is_draining();
        if !self.write_reply(reply, backend, close, facts.is_head).await {
            Next::Close
        } else if close {
            Next::Linger
        } else {
            Next::Request
        }
    }

    async fn write_reply(
        &mut self,
        reply: Reply,
        backend: Option<&BackendView>,
        close: bool,
        to_head: bool,
    ) -> bool {
        self.down_head.clear();
        if let Stream::H2(stream) = &mut self.client
            && stream.is_call()
        {
            grpc::write(&mut self.down_head, reply);
            let sent = poll_fn(|cx| stream.poll_head(cx, &self.down_head, true)).await;
            self.frontend.cells().add(Count::BytesOut, self.down_head.len() as u64);
            return sent.is_ok();
        }
        let page = backend.and_then(|backend| backend.backend.pages.get(reply));
        let page =
            page.or_else(|| self.frontend.frontend.pages.get(reply)).unwrap_or_else(|| reply.built_in());
        page.write(&mut self.down_head, close, self.frontend.frontend.told_keep_alive, to_head);
        let limit = self.frontend.frontend.timeouts.client;
        let written = write_all(&mut self.client, &mut self.timer, limit, &self.down_head).await;
        self.frontend.cells().add(Count::BytesOut, self.down_head.len() as u64);
        written.is_ok()
    }

    /// Ends our side and takes what still comes for a moment.
    async fn linger(&mut self) {
        if self.client.shutdown_write().is_err() {
            return;
        }
        self.buffer.consume(self.buffer.len());
        let (client, buffer) = (&mut self.client, &mut self.buffer);
        linger(&mut self.timer, |cx| poll_take(client, cx, buffer)).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        match self.stage {
            // A client must not take a cut answer for a whole one.
            Stage::UnderWay => self.client.reset_on_close(),
            Stage::Head if !self.buffer.is_empty() => self.log_cut(self.place.worker.cut()),
            Stage::Head | Stage::Idle => {}
        }
    }
}

#[cfg(test)]
mod tests;
