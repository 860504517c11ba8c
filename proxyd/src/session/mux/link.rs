//! One connection of HTTP/2 to a server: its handshake, what drives it, and what is known of it.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use tokio::sync::Notify;

use super::wire::{Counted, Tally, Wire};
use crate::clock::{self, Instant};
use crate::config::ServerHttp2;
use crate::net::io as net;
use crate::net::stream::Stream;
use crate::net::timer::{Elapsed, Timer};
use crate::session::dispatch::NoConnection;
use crate::session::pool::IDLE;
use crate::session::retry::Failure;
use crate::session::view::ServerView;

/// Stands for the server's limit of streams until it has said one, which it cannot be.
const UNTOLD: usize = usize::MAX - 1;
/// How long a connection of which nobody wants anything any more may take to say so.
const PARTING: Duration = Duration::from_secs(2);

/// A connection, as those see it who send requests.
#[derive(Debug)]
pub(super) struct Link {
    connection: SendRequest<Bytes>,
    state: Rc<State>,
    options: ServerHttp2,
    tally: Tally,
    /// How often the server had moved when it was made.
    pub(super) moves: u32,
    /// Requests on their way.
    pub(super) streams: Cell<usize>,
    /// It carried a request before.
    pub(super) was_used: Cell<bool>,
    pub(super) idle_since: Cell<Instant>,
    pulse: RefCell<Pulse>,
}

/// What the task tells that reads.
#[derive(Debug)]
struct State {
    /// Requests that the server takes at once.
    streams: Cell<usize>,
    over: Cell<bool>,
}

/// Questions whether it is still there.
#[derive(Debug)]
struct Pulse {
    pings: Option<PingPong>,
    asked: Instant,
    waits: bool,
    is_silent: bool,
}

/// What reads and writes for all streams of a connection.
pub(super) struct Driver {
    connection: Connection<Wire, Bytes>,
    state: Rc<State>,
}

/// Agrees on HTTP/2 with a server, up to what it says of itself: only then it is known to speak it, and what it takes.
pub(super) async fn open(
    stream: Stream,
    moves: u32,
    view: &ServerView,
    deadline: Instant,
) -> Result<(Rc<Link>, Driver), NoConnection> {
    let mut timer = Timer::default();
    let options = view.server.uplink.http2;
    let tally = Tally::of(view);
    let builder = settings(&options);
    let mut handshake = pin!(builder.handshake::<_, Bytes>(net::Wire(Counted::new(stream, tally.clone()))));
    let shaken = timer.within(deadline, |cx| handshake.as_mut().poll(cx)).await;
    let (connection, mut driven) = agreed(shaken)?;
    let told = timer.within(deadline, |cx| match Pin::new(&mut driven).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err(None)),
        Poll::Ready(Err(error)) => Poll::Ready(Err(Some(error))),
        Poll::Pending if driven.max_concurrent_send_streams() == UNTOLD => Poll::Pending,
        Poll::Pending => Poll::Ready(Ok(())),
    });
    agreed(told.await)?;
    let state =
        Rc::new(State { streams: Cell::new(driven.max_concurrent_send_streams()), over: Cell::new(false) });
    let now = clock::now();
    let link = Link {
        connection,
        state: Rc::clone(&state),
        options,
        tally,
        moves,
        streams: Cell::new(0),
        was_used: Cell::new(false),
        idle_since: Cell::new(now),
        pulse: RefCell::new(Pulse { pings: driven.ping_pong(), asked: now, waits: false, is_silent: false }),
    };
    Ok((Rc::new(link), Driver { connection: driven, state }))
}

fn settings(options: &ServerHttp2) -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(UNTOLD)
        .initial_window_size(options.initial_window)
        .initial_connection_window_size(options.connection_window)
        .max_frame_size(options.max_frame_size)
        .header_table_size(options.header_table)
        .max_header_list_size(options.max_header_list)
        .max_send_buffer_size(options.send_buffer)
        .max_local_error_reset_streams(Some(options.max_local_error_reset_streams));
    builder
}

fn agreed<T, E>(result: Result<Result<T, E>, Elapsed>) -> Result<T, NoConnection> {
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) => Err(NoConnection { failure: Failure::Connect, local: false }),
        Err(Elapsed) => Err(NoConnection { failure: Failure::ConnectTimeout, local: false }),
    }
}

impl Link {
    /// What the next request is sent with.
    pub(super) fn connection(&self) -> SendRequest<Bytes> {
        self.connection.clone()
    }

    /// It takes requests, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        !self.state.over.get() && matches!(self.connection.clone().poll_ready(&mut cx), Poll::Ready(Ok(())))
    }

    /// Requests that it carries at most.
    pub(super) fn room(&self) -> usize {
        self.state.streams.get().min(self.options.max_concurrent_streams)
    }

    /// An upgrade may be asked for (RFC 8441).
    pub(super) fn takes_upgrades(&self) -> bool {
        self.connection.is_extended_connect_protocol_enabled()
    }

    /// It did not answer when it was asked whether it is there.
    pub(super) fn is_silent(&self) -> bool {
        self.pulse.borrow().is_silent
    }

    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.streams.get() == 0
            && (self.is_silent() || now.saturating_duration_since(self.idle_since.get()) >= IDLE)
    }

    /// Once a second: asks, and sees what became of the last question.
    pub(super) fn look_after(&self, now: Instant) {
        let mut pulse = self.pulse.borrow_mut();
        let Pulse { pings: Some(pings), asked, waits, is_silent } = &mut *pulse else { return };
        let since = now.saturating_duration_since(*asked);
        if *waits {
            let mut cx = Context::from_waker(Waker::noop());
            *waits = pings.poll_pong(&mut cx).is_pending();
            let was_silent = std::mem::replace(is_silent, *waits && since >= self.options.ping_timeout);
            if *is_silent && !was_silent {
                self.tally.silence();
            }
        } else if self.streams.get() > 0 && since >= self.options.ping_interval {
            *asked = now;
            *waits = pings.send_ping(Ping::opaque()).is_ok();
        }
    }
}

impl Driver {
    /// Until the connection has ended, and those who wait for room on it know.
    pub(super) async fn run(self, changed: &Notify) {
        let Self { mut connection, state } = self;
        let mut timer = Timer::default();
        let mut parting = None;
        poll_fn(|cx| {
            if Pin::new(&mut connection).poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let streams = connection.max_concurrent_send_streams();
            if state.streams.replace(streams) < streams {
                changed.notify_waiters();
            }
            if Rc::strong_count(&state) > 1 {
                return Poll::Pending;
            }
            let deadline = *parting.get_or_insert_with(|| clock::now() + PARTING);
            timer.poll_at(cx, deadline)
        })
        .await;
        state.over.set(true);
        changed.notify_waiters();
    }
}
