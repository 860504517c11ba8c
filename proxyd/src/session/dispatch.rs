//! From a backend to a connection to one of its servers: pick, reuse or connect, and try again.

use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use super::client::{Behalf, poll_greet};
use super::handshake;
use super::lend::borrow;
use super::meter::Timings;
use super::mux::{Seat, Wish};
use super::observe;
use super::permit::Permit;
use super::private::Private;
use super::queue::{Line, NoServer};
use super::record::Way;
use super::retry::{Attempt, Failure, Verdict};
use super::slot::{Found, Slot};
use super::view::{BackendView, ServerView};
use super::worker::Worker;
use crate::balance::{self, Ask, Picked};
use crate::clock::{self, Instant};
use crate::config::ServerHttp;
use crate::model::queue::{Hold, Indices, Wants};
use crate::model::shared::Shared;
use crate::net::connect::{Origin, connect, is_local_shortage, is_no_address};
use crate::net::stream::Stream;
use crate::net::timer::{Elapsed, Timer};
use crate::stats::cells::Count;

/// A connection to a server.
#[derive(Debug)]
pub struct Upstream {
    pub stream: Stream,
    /// How often the server had moved before.
    pub moves: u32,
    /// It carried a request before.
    pub reused: bool,
    /// Where it is one stream of many: its place among them, given back after it.
    pub seat: Option<Seat>,
}

/// What a new connection needs besides a server.
#[derive(Debug)]
pub struct Target {
    /// Written in front of all else.
    pub header: Option<Vec<u8>>,
    /// For whom it is.
    pub client: Option<IpAddr>,
    /// What is to be spoken.
    pub http: ServerHttp,
    pub deadline: Instant,
}

/// Whether idle connections are taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reuse {
    /// A request of HTTP that can be repeated.
    Yes,
    /// One that cannot: the connection is tested with the kernel first.
    Surely,
    /// TCP, or a second try after an idle connection turned out dead.
    No,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoConnection {
    pub failure: Failure,
    /// It was our resources that ran out.
    pub local: bool,
}

/// An idle connection, or a new one within `limit`.
pub async fn obtain(
    worker: &Worker,
    slot: &Slot,
    reuse: Reuse,
    timer: &mut Timer,
    limit: Duration,
    behalf: Behalf<'_>,
) -> Result<Upstream, NoConnection> {
    let view = &slot.view;
    let cells = view.cells();
    let moves = view.server.moves();
    let uplink = &view.server.uplink;
    let (is_private, shares) = (view.server.is_private, view.server.is_shared);
    // Where both are spoken it may have chosen HTTP/1.1 before.
    if reuse != Reuse::No && !(shares && uplink.http == ServerHttp::H2) {
        let surely = reuse == Reuse::Surely;
        let taken = if is_private {
            behalf.private.take(view, moves, surely)
        } else {
            match view.take_idle(moves, surely) {
                None if !shares => borrow(worker, view, moves).await,
                taken => taken,
            }
        };
        if let Some(stream) = taken {
            cells.inc(Count::Reuses);
            return Ok(Upstream { stream, moves, reused: true, seat: None });
        }
    }
    if shares {
        let connections = if is_private { behalf.private.mux(view) } else { Rc::clone(&view.mux) };
        let found = connections.obtain(Wish { worker, view, reuse, limit, behalf }, timer).await;
        let by_http1 = uplink.http == ServerHttp::Auto
            && matches!(found, Err(NoConnection { failure: Failure::NoUpgrade, .. }));
        if !by_http1 {
            if let Err(none) = &found {
                blame(slot, worker, *none, limit);
            }
            return found;
        }
    }
    let header = uplink.send_proxy.map(|how| behalf.header(how));
    let deadline = clock::now() + limit;
    let target = Target { header, client: behalf.ip(), http: ServerHttp::Http1, deadline };
    let opened = open(&worker.shared, view, timer, target).await;
    observe::connected(&view.server, &opened);
    match opened {
        Ok(stream) => Ok(Upstream { stream, moves, reused: false, seat: None }),
        Err(none) => {
            if none.local {
                worker.drop_idle();
            }
            blame(slot, worker, none, limit);
            Err(none)
        }
    }
}

/// Tells that there is no connection within `limit`, where picks go by how long servers take.
fn blame(slot: &Slot, worker: &Worker, none: NoConnection, limit: Duration) {
    let waited = match none.failure {
        _ if none.local => return,
        Failure::NoUpgrade | Failure::Refused | Failure::Unheard => return,
        Failure::ConnectTimeout => limit,
        _ => Duration::ZERO,
    };
    let now = clock::now();
    slot.failed(worker, now.checked_sub(waited).unwrap_or(now), now);
}

/// A new connection, with what is written in front of all else.
pub(super) async fn open(
    shared: &Shared,
    view: &ServerView,
    timer: &mut Timer,
    target: Target,
) -> Result<Stream, NoConnection> {
    let cells = view.cells();
    cells.inc(Count::Connects);
    let Target { header, client, http, deadline } = target;
    let address = view.server.address();
    let origin = Origin { client, turn: &view.server.source_turn };
    let mut connecting = pin!(connect(&address, &view.server.uplink, origin));
    let mut connected = timer.within(deadline, |cx| connecting.as_mut().poll(cx)).await;
    if let (Ok(Ok(stream)), Some(header)) = (&mut connected, header) {
        let mut rest = &header[..];
        match timer.within(deadline, |cx| poll_greet(cx, stream, &mut rest)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => connected = Ok(Err(error)),
            Err(Elapsed) => connected = Err(Elapsed),
        }
    }
    if let Some(originator) = &view.server.tls
        && let Ok(Ok(stream)) = connected
    {
        let handshake = Box::pin(handshake::connect(stream, originator, http, view, timer, deadline));
        connected = match handshake.await {
            Ok(Ok(stream)) => Ok(Ok(stream)),
            Ok(Err(failure)) => return Err(NoConnection { failure, local: false }),
            Err(Elapsed) => Err(Elapsed),
        };
    }
    match connected {
        Ok(Ok(stream)) if stream.socket().is_ok_and(|fd| shared.process.is_reserved(fd)) => {
            Err(NoConnection { failure: Failure::Connect, local: true })
        }
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => {
            if is_no_address(&error) {
                cells.inc(Count::NoAddress);
            }
            Err(NoConnection { failure: Failure::Connect, local: is_local_shortage(&error) })
        }
        Err(Elapsed) => Err(NoConnection { failure: Failure::ConnectTimeout, local: false }),
    }
}

/// Puts a connection back that can carry another request.
pub fn give_back(view: &Rc<ServerView>, upstream: Upstream, private: &Private, now: Instant) {
    if !view.server.keeps_connections() {
        return;
    }
    if view.server.is_private {
        private.put(view, upstream.stream, upstream.moves, now);
        return;
    }
    view.pool.borrow_mut().put(upstream.stream, upstream.moves, now);
    view.count_idle();
}

/// The tries of one request or session, over one server after the other.
#[derive(Debug)]
pub struct Tries {
    tried: Indices,
    /// Those of them that are not worth another try.
    hopeless: Indices,
    left: u32,
    first: bool,
    last: Option<u32>,
    preferred: Option<(u32, Hold)>,
    key: Option<u32>,
    reuse: Option<Reuse>,
    permit: Option<Permit>,
    /// For the access log.
    pub way: Way,
}

/// How long an answer nobody wants is held back for leave to ask elsewhere. It is an answer, after all: where every
/// server gives such a one, nobody is to wait long for it.
const HOLD_BACK: Duration = Duration::from_millis(250);

/// The pause before a server is tried again that just failed (HAProxy's turn-around).
const TURN_AROUND: Duration = Duration::from_secs(1);

impl Tries {
    /// `key` is the hash of what the backend balances by, if it does so and there is one.
    pub fn new(backend: &BackendView, key: Option<u32>) -> Self {
        let left = backend.backend.retries.max;
        Self {
            tried: Indices::new(),
            hopeless: Indices::new(),
            left,
            first: true,
            last: None,
            preferred: None,
            key,
            reuse: None,
            permit: None,
            way: Way::default(),
        }
    }

    /// Before all others this server is tried, by its index.
    pub fn prefer(&mut self, index: u32, hold: Hold) {
        self.preferred = Some((index, hold));
    }

    /// A server for the next try. One that failed is tried again only when there is no other, after a pause.
    pub async fn next(
        &mut self,
        worker: &Worker,
        backend: &Rc<BackendView>,
        line: Line<'_>,
        timings: &mut Timings,
    ) -> Result<Slot, NoServer> {
        let slot = self.place(worker, backend, line, timings).await?;
        self.way.queued = Some(timings.waited);
        if let Some(last) = self.last {
            let which = if slot.index == last { Count::Retries } else { Count::Redispatches };
            self.way.retries += 1;
            self.way.redispatched |= which == Count::Redispatches;
            backend.cells().inc(which);
            // At the server that failed, as HAProxy does.
            backend.servers[last as usize].cells().inc(which);
        }
        self.last = Some(slot.index);
        Ok(slot)
    }

    async fn place(
        &mut self,
        worker: &Worker,
        backend: &Rc<BackendView>,
        mut line: Line<'_>,
        timings: &mut Timings,
    ) -> Result<Slot, NoServer> {
        let model = &backend.backend;
        loop {
            let only = self.only(backend);
            if let Some((index, _)) = only
                && self.tried.contains(&index)
            {
                self.pause(backend).await;
            }
            let picked = match only {
                Some((index, hold)) if self.hopeless.contains(&index) || !model.keeps(index, hold) => {
                    return Err(NoServer::Nobody);
                }
                // Whoever comes while others wait stands behind them.
                // One with a key stands behind those alone who wait for the server it belongs to.
                _ if model.live.queue.is_waited_in() && !(only.is_none() && self.key.is_some()) => {
                    Picked::Full
                }
                Some((index, _)) if model.enter(index) => Picked::Server(index),
                Some(_) => Picked::Full,
                None => {
                    let mut ask = Ask { tried: &self.tried, now_ms: 0, key: self.key };
                    if model.balance.asks_for_time() {
                        ask.now_ms = worker.shared.epoch.ms(timings.start + timings.waited);
                    }
                    balance::pick(model, &ask, &mut worker.random.borrow_mut())
                }
            };
            let is_preferred = self.preferred.is_some() && only == self.preferred;
            let found = if is_preferred { Found::Preferred } else { Found::Balanced };
            match picked {
                Picked::Server(index) => return Ok(Slot::new(worker, backend, index, found)),
                Picked::Full | Picked::Busy(_) => {
                    let belongs = match picked {
                        Picked::Busy(index) => Some((index, Hold::New)),
                        _ => None,
                    };
                    let only = only.or(belongs);
                    let wants = match only {
                        Some((index, hold)) => Wants::Only(index, hold),
                        None => Wants::AnyBut(self.tried.clone()),
                    };
                    let before = clock::now();
                    let waited = line.wait(worker, backend, wants, before).await;
                    timings.waited += clock::now().saturating_duration_since(before);
                    self.way.queued = Some(timings.waited);
                    match waited {
                        Ok((index, ahead)) => {
                            // A request that waits anew has been through both lines.
                            match only {
                                Some(_) => self.way.server_queue += ahead,
                                None => self.way.backend_queue += ahead,
                            }
                            return Ok(Slot::new(worker, backend, index, found));
                        }
                        // It went down while it was waited for, or too many wait for it: there are others.
                        Err(NoServer::Nobody | NoServer::QueueFull)
                            if is_preferred && self.may_be_let_go() =>
                        {
                            self.preferred = None;
                            continue;
                        }
                        // The same of the one it belonged to.
                        Err(NoServer::Nobody) if belongs.is_some() => continue,
                        Err(NoServer::Nobody) => {}
                        Err(other) => return Err(other),
                    }
                }
                Picked::Nobody => {}
            }
            if self.tried.len() == self.hopeless.len() {
                return Err(NoServer::Nobody);
            }
            self.pause(backend).await;
        }
    }

    /// The one server that the next try goes to, if it is held to one.
    fn only(&self, backend: &BackendView) -> Option<(u32, Hold)> {
        match (self.preferred, self.last) {
            (Some((index, Hold::Forced)), _) => Some((index, Hold::Forced)),
            // As firmly as before.
            (preferred, Some(last)) if !backend.backend.retries.redispatch => {
                Some(preferred.filter(|(index, _)| *index == last).unwrap_or((last, Hold::Kept)))
            }
            (Some((index, hold)), _) => {
                let fit = !self.tried.contains(&index) && backend.backend.keeps(index, hold);
                fit.then_some((index, hold))
            }
            (None, _) => None,
        }
    }

    /// Another server than the preferred one may serve as well.
    fn may_be_let_go(&self) -> bool {
        !matches!(self.preferred, Some((_, Hold::Forced)))
    }

    /// Lets servers that just failed have a moment before they are tried again.
    async fn pause(&mut self, backend: &BackendView) {
        tokio::time::sleep(TURN_AROUND.min(backend.backend.timeouts.connect)).await;
        self.tried.clone_from(&self.hopeless);
    }

    /// Nothing was tried before.
    pub fn is_first(&self) -> bool {
        self.first
    }

    /// How the next connection is got: not from the idle ones once one of them was dead.
    pub fn reuse(&self, first: Reuse) -> Reuse {
        self.reuse.unwrap_or(first)
    }

    /// Whether an answer is one after which the request is tried again, and can be within a moment.
    pub async fn may_repeat(&mut self, backend: &BackendView, attempt: Attempt) -> bool {
        match (Attempt { left: self.left, ..attempt }).verdict(&backend.backend.retries) {
            Verdict::GiveUp => false,
            Verdict::Free | Verdict::Elsewhere => true,
            Verdict::Budgeted => {
                if self.permit.is_none() {
                    let limit = HOLD_BACK.min(backend.backend.timeouts.connect);
                    self.permit = Box::pin(Permit::wait(backend, limit)).await;
                }
                self.permit.is_some()
            }
        }
    }

    /// A try failed. Says whether another follows, once the budget has room for it.
    pub async fn again(
        &mut self,
        backend: &BackendView,
        slot: Slot,
        mut attempt: Attempt,
        reused: bool,
    ) -> bool {
        attempt.left = self.left;
        self.first = false;
        if reused {
            // An idle connection that was closed meanwhile says nothing against its server; but not twice.
            self.reuse = Some(Reuse::No);
        } else {
            self.tried.push(slot.index);
            observe::failed(&slot.view.server, attempt.failure);
        }
        let index = slot.index;
        drop(slot);
        self.left = self.left.saturating_sub(1);
        match attempt.verdict(&backend.backend.retries) {
            Verdict::GiveUp => false,
            Verdict::Free => true,
            Verdict::Elsewhere => {
                self.hopeless.push(index);
                true
            }
            Verdict::Budgeted => {
                if self.permit.is_none() {
                    let limit = backend.backend.timeouts.connect;
                    self.permit = Box::pin(Permit::wait(backend, limit)).await;
                }
                self.permit.is_some()
            }
        }
    }
}
