//! A client's connection of HTTP/2: each of its requests is served by a task of its own, as one connection of HTTP/1
//! serves one request.
//!
//! The engine is the h2 crate; what it has no limit for is counted below it, by the headers of the frames that pass.

pub(super) mod frames;
mod guard;
mod link;
mod wire;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::{self, SendResponse};
use h2::{Ping, PingPong, Reason, RecvStream};

use self::guard::Guard;
use self::link::{Link, Live};
use self::wire::{Guarded, Wire};
use super::client::Addresses;
use super::handshake::Lines;
use super::http;
use super::linger;
use super::private::Private;
use super::view::FrontendView;
use super::worker::Place;
use crate::clock::{self, Instant};
use crate::http::ending::Ending;
use crate::log;
use crate::net::buffer::Buffer;
use crate::net::h2::H2;
use crate::net::io::{self, Io};
use crate::net::stream::Stream;
use crate::net::timer::Timer;
use crate::stats::cells::Count;

/// What a client begins with that knows of a server that it speaks HTTP/2 (RFC 9113 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// So much of it no request of HTTP/1 begins with.
const PREFACE_LINE: usize = 16;
/// Requests that one connection may begin before others get their turn.
const STARTS: u32 = 32;

/// `bytes` begin a connection of HTTP/2.
pub(super) fn is_preface(bytes: &[u8]) -> bool {
    let n = bytes.len().min(PREFACE.len());
    n >= PREFACE_LINE && bytes[..n] == PREFACE[..n]
}

/// Serves a client that speaks HTTP/2 until its connection ends; `read` was read of it before.
///
/// What an idle connection takes is what `Connection` holds; the room that its beginning needs is given back.
pub fn serve(
    from: (Rc<FrontendView>, u32),
    place: Rc<Place>,
    client: Stream,
    read: Vec<u8>,
    addresses: Addresses,
) -> impl Future<Output = ()> {
    let begun = Box::pin(begin(from, place, client, read, addresses));
    async move {
        let (link, connection) = begun.await;
        if let Some(mut connection) = connection {
            let ending = poll_fn(|cx| connection.poll(cx)).await;
            let seen = link.guard.borrow().verdict().or_else(|| link.guard.borrow().told());
            connection.tell(ending.or(seen));
        }
        if !link.ended.get() {
            Box::pin(take_rest(&link)).await;
        }
    }
}

/// Until both sides have said what they begin with.
async fn begin(
    (frontend, generation): (Rc<FrontendView>, u32),
    place: Rc<Place>,
    client: Stream,
    read: Vec<u8>,
    addresses: Addresses,
) -> (Rc<Link>, Option<Box<Connection>>) {
    let now = clock::now();
    // A stream has no address of its own.
    let addresses = addresses.come_to(client.local_addr());
    let guard = Guard::new(frontend.frontend.http.http2.glitches, PREFACE.len(), now);
    let link = Link::new(Rc::clone(&frontend), place, Io(client), guard, now);
    let mut timer = Timer::default();
    let limit = now + frontend.frontend.timeouts.http_request;
    let mut handshake =
        pin!(builder(&frontend).handshake::<_, Bytes>(io::Wire(Guarded::new(read, Rc::clone(&link)))));
    let begun = timer.within(limit, |cx| {
        link.begin_turn();
        match handshake.as_mut().poll(cx) {
            Poll::Ready(engine) => Poll::Ready(Some(engine)),
            // Who has not asked for anything yet is not waited for.
            Poll::Pending if link.place.worker.is_draining() => Poll::Ready(None),
            Poll::Pending => {
                link.place.wake_on_drain(cx.waker());
                Poll::Pending
            }
        }
    });
    match begun.await {
        Ok(Some(Ok(engine))) => {
            let from = (frontend, generation);
            from.0.cells().inc(Count::Http2Sessions);
            let connection = Connection::new(from, Rc::clone(&link), addresses, timer, engine, now);
            return (link, Some(Box::new(connection)));
        }
        Ok(Some(Err(_))) if !link.ended.get() => frontend.ended(Ending::Protocol),
        Ok(_) => {}
        Err(_elapsed) => frontend.ended(Ending::HeadTimeout),
    }
    (link, None)
}

fn builder(frontend: &FrontendView) -> server::Builder {
    let mut builder = server::Builder::new();
    let http = &frontend.frontend.http;
    let options = &http.http2;
    // What is too long is refused in words of ours, and only what is far too long by the engine.
    let longest = u32::try_from(http.max_header_bytes + 64 * http.max_headers).unwrap_or(u32::MAX);
    builder
        .max_header_list_size(longest)
        .max_concurrent_streams(options.max_concurrent_streams)
        .initial_window_size(options.initial_window)
        .initial_connection_window_size(options.connection_window)
        .max_frame_size(options.max_frame_size)
        .header_table_size(options.header_table)
        .max_send_buffer_size(options.send_buffer)
        .max_pending_accept_reset_streams(options.max_pending_accept_reset_streams)
        .max_local_error_reset_streams(Some(options.max_local_error_reset_streams))
        .enable_connect_protocol();
    builder
}

/// Takes what the client still sends for a moment.
async fn take_rest(link: &Link) {
    let (mut timer, mut buffer) = (Timer::default(), Buffer::small());
    linger::linger(&mut timer, |cx| linger::poll_take(&mut link.io.borrow_mut().0, cx, &mut buffer)).await;
}

/// A client's connection.
struct Connection {
    /// The frontend, and the graph it belongs to.
    from: (Rc<FrontendView>, u32),
    link: Rc<Link>,
    addresses: Addresses,
    private: Private,
    timer: Timer,
    engine: server::Connection<Wire, Bytes>,
    requests: u64,
    /// When the last of them began.
    begun: Instant,
    /// Since when a head has been open.
    head_since: Option<Instant>,
    alive: Alive,
    /// No new streams are taken, and the client has until then to hear of it.
    leaving: Option<Instant>,
    /// It was told that it ends for this.
    ending: Option<Ending>,
}

/// Whether a client that says nothing is still there.
#[derive(Default)]
struct Alive {
    pings: Option<Box<PingPong>>,
    /// When it is looked at next.
    at: Option<Instant>,
    /// What had been heard when it was looked at last.
    heard: u64,
    asked: bool,
}

/// What is to be done when a time has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Due {
    Idle,
    /// It has been told to leave.
    Left,
    Look,
    End(Ending),
}

impl Connection {
    fn new(
        from: (Rc<FrontendView>, u32),
        link: Rc<Link>,
        addresses: Addresses,
        timer: Timer,
        engine: server::Connection<Wire, Bytes>,
        now: Instant,
    ) -> Self {
        Self {
            from,
            link,
            addresses,
            private: Private::default(),
            timer,
            engine,
            requests: 0,
            begun: now,
            head_since: None,
            alive: Alive::default(),
            leaving: None,
            ending: None,
        }
    }

    /// Ready once the connection is at its end, with the reason if there is one.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Ending>> {
        let link = Rc::clone(&self.link);
        link.begin_turn();
        if link.place.worker.is_draining() {
            self.leave();
        } else {
            link.place.wake_on_drain(cx.waker());
        }
        loop {
            if self.poll_engine(cx).is_ready() {
                return Poll::Ready(self.ending);
            }
            let verdict = link.guard.borrow().verdict();
            if let (Some(verdict), None) = (verdict, self.ending) {
                self.end(verdict);
                continue;
            }
            if link.streams.get() > 0 {
                link.wake_on_end(cx.waker());
            }
            let Some((at, due)) = self.next_due() else { return Poll::Pending };
            if self.timer.poll_at(cx, at).is_pending() {
                return Poll::Pending;
            }
            match due {
                Due::Idle => self.leave(),
                Due::Look => self.look(cx, at),
                Due::End(ending) => self.end(ending),
                Due::Left if self.ending.is_some() => return Poll::Ready(self.ending),
                Due::Left => {
                    // It does not answer; it has had its time.
                    self.engine.abrupt_shutdown(Reason::NO_ERROR);
                    self.leaving = Some(at + linger::TIME);
                    if self.poll_engine(cx).is_ready() {
                        return Poll::Ready(None);
                    }
                    link.io.borrow().0.shutdown_write().ok();
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// Moves frames, and begins what they ask for; ready at the end of the connection.
    fn poll_engine(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let most = self.from.0.frontend.http.http2.max_concurrent_streams;
        let mut starts = 0;
        loop {
            // One that was taken back counts until its task has let go of its server.
            if self.link.streams.get() >= most {
                return self.engine.poll_closed(cx).map(drop);
            }
            if starts == STARTS {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.engine.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, answer)))) => {
                    self.start(request, answer);
                    // The engine has just read all there is, and no other head was in it.
                    if self.link.guard.borrow().heads() == self.requests {
                        return Poll::Pending;
                    }
                }
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
            starts += 1;
        }
    }

    /// What comes first of all that is waited for.
    fn next_due(&mut self) -> Option<(Instant, Due)> {
        let timeouts = &self.from.0.frontend.timeouts;
        let options = &self.from.0.frontend.http.http2;
        let link = &self.link;
        let busy = link.streams.get() > 0;
        if self.ending.is_some() {
            return self.leaving.map(|at| (at, Due::Left));
        }
        let mut first: Option<(Instant, Due)> = None;
        let mut offer = |at: Instant, due| {
            if first.is_none_or(|(first, _)| at < first) {
                first = Some((at, due));
            }
        };
        match self.leaving {
            Some(at) if !busy => offer(at, Due::Left),
            None if !busy => {
                let first = self.requests == 0;
                let limit = if first { timeouts.http_request } else { timeouts.http_keep_alive };
                offer(link.idle_since.get() + limit, Due::Idle);
            }
            _ => {}
        }
        if link.guard.borrow().is_head_open() {
            let since = *self.head_since.get_or_insert_with(clock::now);
            offer(since + timeouts.http_request, Due::End(Ending::HeadTimeout));
        } else {
            self.head_since = None;
        }
        if let Some(since) = link.stuck_since.get() {
            offer(since + timeouts.client, Due::End(Ending::WriteTimeout));
        }
        if busy {
            let alive = &mut self.alive;
            let at = *alive.at.get_or_insert(self.begun + options.ping_interval);
            offer(at, Due::Look);
        } else {
            self.alive.at = None;
            self.alive.asked = false;
        }
        first
    }

    /// Asks a client that has said nothing for a while whether it is there.
    fn look(&mut self, cx: &mut Context<'_>, at: Instant) {
        let options = self.from.0.frontend.http.http2;
        let heard = self.link.heard.get();
        let alive = &mut self.alive;
        let silent = alive.heard == heard;
        alive.heard = heard;
        if !silent {
            alive.asked = false;
        } else if alive.asked {
            return self.end(Ending::PingTimeout);
        } else if alive.pings.is_some() || self.engine_pings() {
            let alive = &mut self.alive;
            if let Some(pings) = &mut alive.pings {
                // One that is still on its way will do.
                let _answered = pings.poll_pong(cx);
                let _on_its_way = pings.send_ping(Ping::opaque());
            }
            alive.asked = true;
        }
        let wait = if self.alive.asked { options.ping_timeout } else { options.ping_interval };
        self.alive.at = Some(at + wait);
    }

    fn engine_pings(&mut self) -> bool {
        self.alive.pings = self.engine.ping_pong().map(Box::new);
        self.alive.pings.is_some()
    }

    /// Takes no new streams, and ends once those under way have.
    fn leave(&mut self) {
        if self.leaving.is_none() {
            self.engine.graceful_shutdown();
            self.leaving = Some(clock::now() + linger::TIME);
        }
    }

    /// Ends it for what the client did.
    fn end(&mut self, ending: Ending) {
        let reason = match ending {
            Ending::HeadTimeout | Ending::WriteTimeout | Ending::PingTimeout => Reason::NO_ERROR,
            _ => Reason::ENHANCE_YOUR_CALM,
        };
        self.engine.abrupt_shutdown(reason);
        self.ending = Some(ending);
        self.leaving = Some(clock::now() + linger::TIME);
    }

    /// Says why it ended, where there is something to say.
    fn tell(&self, ending: Option<Ending>) {
        let Some(ending) = ending else { return };
        self.from.0.ended(ending);
        let slow = [Ending::HeadTimeout, Ending::WriteTimeout, Ending::PingTimeout, Ending::Internal];
        if let Some(tracked) = self.link.place.tracked().filter(|_| !slow.contains(&ending)) {
            tracked.glitch();
        }
        let Some(left_out) = Lines::take() else { return };
        let (name, text) = (&self.from.0.frontend.name, ending.text());
        match self.addresses.client {
            Some(client) => {
                log::warning(format_args!("frontend {name}: {client} was ended: {text}{left_out}"));
            }
            None => log::warning(format_args!(
                "frontend {name}: a client on a Unix socket was ended: {text}{left_out}"
            )),
        }
    }

    fn start(&mut self, request: ::http::Request<RecvStream>, answer: SendResponse<Bytes>) {
        self.requests += 1;
        self.begun = clock::now();
        self.refresh();
        self.from.0.cells().inc(Count::Http2Requests);
        let stream = Box::new(H2::accepted(request, answer));
        let live = Live::new(&self.link, self.from.0.frontend.http.http2.max_concurrent_streams);
        let place = Rc::clone(&self.link.place);
        let from = (Rc::clone(&self.from.0), self.from.1);
        // In a box, or the runtime would move all that a request can hold when a stream begins and when it ends.
        let client = (self.addresses.clone(), self.private.share());
        let served = Box::pin(http::serve_stream(from, place, stream, client, self.begun));
        tokio::task::spawn_local(async move { live.end(served.await) });
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
