//! A client's connection of HTTP/2: each of its requests is served by a task of its own, as one connection of HTTP/1
//! serves one request.

mod wire;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream};

use self::wire::Wire;
use super::client::Addresses;
use super::http;
use super::view::FrontendView;
use super::worker::{Busy, Place};
use crate::clock::{self, Instant};
use crate::net::h2::H2;
use crate::net::stream::Stream;
use crate::net::timer::Timer;

/// What a client begins with that knows of a server that it speaks HTTP/2 (RFC 9113 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// So much of it no request of HTTP/1 begins with.
const PREFACE_LINE: usize = 16;

/// How long a client is given to hear that a connection ends.
const LEAVING: Duration = Duration::from_secs(1);

/// `bytes` begin a connection of HTTP/2.
pub(super) fn is_preface(bytes: &[u8]) -> bool {
    let n = bytes.len().min(PREFACE.len());
    n >= PREFACE_LINE && bytes[..n] == PREFACE[..n]
}

/// What a connection and its streams share.
#[derive(Debug)]
struct Link {
    place: Rc<Place>,
    /// Streams whose tasks live.
    streams: Cell<u32>,
    /// Held while there are any.
    busy: RefCell<Option<Busy>>,
    /// When the last of them ended.
    idle_since: Cell<Instant>,
    /// Of the connection's task, while it waits for a stream to end.
    waker: RefCell<Option<Waker>>,
}

/// A stream that lives, counted.
struct Live(Rc<Link>);

impl Live {
    fn new(link: &Rc<Link>) -> Self {
        let streams = link.streams.get();
        if streams == 0 {
            *link.busy.borrow_mut() = Some(Busy::new(&link.place));
        }
        link.streams.set(streams + 1);
        Self(Rc::clone(link))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let link = &self.0;
        link.streams.set(link.streams.get() - 1);
        if link.streams.get() == 0 {
            link.busy.borrow_mut().take();
        }
        let waiting = link.waker.borrow_mut().take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

/// Serves a client that speaks HTTP/2 until its connection ends; `read` was read of it before.
pub async fn serve(
    from: (Rc<FrontendView>, u32),
    place: Rc<Place>,
    client: Stream,
    read: Vec<u8>,
    addresses: Addresses,
) {
    let now = clock::now();
    // A stream has no address of its own.
    let addresses = addresses.come_to(client.local_addr());
    let link = Rc::new(Link {
        place,
        streams: Cell::new(0),
        busy: RefCell::default(),
        idle_since: Cell::new(now),
        waker: RefCell::default(),
    });
    let stream = Rc::new(RefCell::new(client));
    let wire = Wire::new(read, Rc::clone(&stream));
    let mut timer = Timer::default();
    let limit = now + from.0.frontend.timeouts.http_request;
    let mut handshake = Box::pin(builder(&from.0).handshake::<_, Bytes>(wire));
    let Ok(Ok(engine)) = timer.within(limit, |cx| handshake.as_mut().poll(cx)).await else { return };
    drop(handshake);
    let mut connection = Connection { from, link, addresses, timer, engine, requests: 0, leaving: None };
    poll_fn(|cx| connection.poll(cx)).await;
}

fn builder(frontend: &FrontendView) -> server::Builder {
    let mut builder = server::Builder::new();
    let http = &frontend.frontend.http;
    // What is too long is refused in words of ours, and only what is far too long by the engine.
    let fields = u32::try_from(http.max_header_bytes + 64 * http.max_headers).unwrap_or(u32::MAX);
    builder
        .max_header_list_size(fields)
        .max_concurrent_streams(100)
        .initial_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buffer_size(64 * 1024)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(Some(1024))
        .enable_connect_protocol();
    builder
}

/// A client's connection.
struct Connection {
    /// The frontend, and the graph it belongs to.
    from: (Rc<FrontendView>, u32),
    link: Rc<Link>,
    addresses: Addresses,
    timer: Timer,
    engine: server::Connection<Wire, Bytes>,
    requests: u64,
    /// No new streams are taken; what is under way may go on until then.
    leaving: Option<Instant>,
}

impl Connection {
    /// Ready once the connection is at its end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let link = Rc::clone(&self.link);
        if link.place.worker.is_draining() {
            self.leave();
        } else {
            link.place.wake_on_drain(cx.waker());
        }
        loop {
            loop {
                match self.engine.poll_accept(cx) {
                    Poll::Ready(Some(Ok((request, answer)))) => self.start(request, answer),
                    Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                    Poll::Pending => break,
                }
            }
            if link.streams.get() > 0 {
                *link.waker.borrow_mut() = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let timeouts = &self.from.0.frontend.timeouts;
            let limit = if self.requests == 0 { timeouts.http_request } else { timeouts.http_keep_alive };
            let limit = self.leaving.unwrap_or_else(|| link.idle_since.get() + limit);
            match self.timer.poll_at(cx, limit) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if self.leaving.is_some() => {
                    self.engine.abrupt_shutdown(Reason::NO_ERROR);
                    self.leaving = Some(limit + LEAVING);
                }
                Poll::Ready(()) => self.leave(),
            }
        }
    }

    /// Takes no new streams, and ends once those under way have.
    fn leave(&mut self) {
        if self.leaving.is_none() {
            self.engine.graceful_shutdown();
            self.leaving = Some(clock::now() + LEAVING);
        }
    }

    fn start(&mut self, request: ::http::Request<RecvStream>, answer: SendResponse<Bytes>) {
        self.requests += 1;
        self.refresh();
        let stream = Box::new(H2::accepted(request, answer));
        let live = Live::new(&self.link);
        let place = Rc::clone(&self.link.place);
        let from = (Rc::clone(&self.from.0), self.from.1);
        let served = http::serve_stream(from, place, stream, self.addresses.clone(), clock::now());
        tokio::task::spawn_local(async move {
            let ended = served.await;
            live.0.idle_since.set(ended);
        });
    }

    /// A new graph is taken up between two requests.
    fn refresh(&mut self) {
        let worker = &self.link.place.worker;
        if !worker.is_current(self.from.1)
            && let Some(from) = worker.frontend(&self.from.0.frontend.name)
        {
            self.from = from;
        }
    }
}
