//! A connection in HTTP mode: one request after the other, each on a server's connection of its own choosing.

mod forward;
mod head;
mod key;
mod log;
pub mod persistence;
mod reply;
mod tables;

use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::access_log::Trace;
use super::client::Addresses;
use super::h2;
use super::linger::{linger, poll_take};
use super::private::Private;
use super::view::FrontendView;
use super::worker::{Busy, Place};
use crate::clock::{self, Instant};
use crate::config::defaults::MAX_HEADER_BYTES;
use crate::http::refusal::Reason;
use crate::net::buffer::{self, Buffer};
use crate::net::h2::H2;
use crate::net::stream::Stream;
use crate::net::timer::{Elapsed, Timer};
use crate::stats::cells::Count;
use head::Waited;

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
    connection.reserve_heads();
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
        self.reserve_heads();
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
                if let Some(tracked) = self.place.tracked() {
                    tracked.request();
                }
                self.requests += 1;
                self.stage = Stage::UnderWay;
                self.forward(&facts).await
            }
        };
        self.stage = Stage::Idle;
        next
    }

    /// Of a size that nothing has that outlives them, so that their memory is free as a whole when it is.
    fn reserve_heads(&mut self) {
        self.up_head.reserve(HEAD);
        self.down_head.reserve(HEAD);
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
