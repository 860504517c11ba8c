//! Connections of HTTP/2 to one server: each carries many requests at once.
//!
//! A request takes a seat on the first connection that has room, so that the others empty and go. Where there is none,
//! one is made by a task of its own: requests that come at once wait for the same one, and none of them takes it along
//! when its client goes.

mod link;
mod wire;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{spawn_local, yield_now};

use super::client::Behalf;
use super::dispatch::{NoConnection, Reuse, Target, Upstream, open};
use super::observe;
use super::retry::Failure;
use super::view::ServerView;
use super::worker::Worker;
use crate::clock::{self, Instant};
use crate::model::shared::Shared;
use crate::net::h2::H2;
use crate::net::stream::Stream;
use crate::net::timer::Timer;
use crate::stats::cells::Count;
use link::Link;

/// The connections of one worker, or of one client where they are not shared.
#[derive(Debug)]
pub struct Mux {
    links: RefCell<Vec<Rc<Link>>>,
    attempts: RefCell<Vec<Rc<Attempt>>>,
    /// Requests that the next connection is expected to carry: as many as the last one could.
    expected: Cell<usize>,
    /// A connection stands, or has room again, or could not be made. Who drives one holds this and nothing more: what
    /// nobody wants any more ends.
    changed: Rc<Notify>,
}

impl Default for Mux {
    fn default() -> Self {
        Self {
            links: RefCell::default(),
            attempts: RefCell::default(),
            expected: Cell::new(usize::MAX),
            changed: Rc::default(),
        }
    }
}

/// A connection that is being made.
struct Attempt {
    /// How often the server had moved when it was begun.
    moves: u32,
    /// Requests that wait for it.
    waiting: Cell<usize>,
    result: Cell<Option<Result<(), NoConnection>>>,
    /// The server chose HTTP/1.1: for one request.
    plain: Cell<Option<Stream>>,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

/// A request's place on a connection, given back when dropped.
#[derive(Debug)]
pub struct Seat {
    link: Rc<Link>,
    mux: Rc<Mux>,
    view: Rc<ServerView>,
}

/// What is wanted of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    pub worker: &'a Worker,
    pub view: &'a Rc<ServerView>,
    pub reuse: Reuse,
    pub limit: Duration,
    pub behalf: Behalf<'a>,
}

/// What looking for a seat brought.
enum Found {
    Seat(Seat),
    /// A connection has to be made.
    Nothing,
    /// The server takes no request for now.
    Shut,
    /// The server does not take what is asked for.
    Unfit,
}

impl Mux {
    /// A stream on one of the connections, or on a new one within the limit.
    pub async fn obtain(
        self: &Rc<Self>,
        wish: Wish<'_>,
        timer: &mut Timer,
    ) -> Result<Upstream, NoConnection> {
        let Wish { worker, view, reuse, limit, behalf } = wish;
        let moves = view.server.moves();
        let mut attempt: Option<Rc<Attempt>> = None;
        let mut deadline = None;
        loop {
            let shut = match self.find(view, moves, behalf.upgrade) {
                Found::Seat(seat) => {
                    // Its end may have come and not been looked at; what cannot be repeated is worth a look.
                    if reuse == Reuse::Surely && seat.link.streams.get() == 1 {
                        yield_now().await;
                        if !seat.link.is_open() {
                            continue;
                        }
                    }
                    return Ok(seat.upstream(moves, attempt.is_none() && reuse != Reuse::No));
                }
                Found::Unfit => return Err(NoConnection { failure: Failure::NoUpgrade, local: false }),
                Found::Shut => true,
                Found::Nothing => false,
            };
            match attempt.as_ref().and_then(|attempt| attempt.result.get()) {
                Some(Err(none)) => {
                    if none.local {
                        worker.drop_idle();
                    }
                    return Err(none);
                }
                Some(Ok(())) => {
                    if let Some(stream) = attempt.take().and_then(|attempt| attempt.plain.take()) {
                        return Ok(Upstream { stream, moves, reused: false, seat: None });
                    }
                    // Others took all the room it had.
                }
                None => {}
            }
            let deadline = *deadline.get_or_insert_with(|| clock::now() + limit);
            if attempt.is_none() && !shut {
                attempt = Some(self.join(worker, view, moves, deadline, behalf));
            }
            let mut changed = pin!(self.changed.notified());
            if timer.within(deadline, |cx| changed.as_mut().poll(cx)).await.is_err() {
                return Err(NoConnection { failure: Failure::ConnectTimeout, local: false });
            }
        }
    }

    fn find(self: &Rc<Self>, view: &Rc<ServerView>, moves: u32, upgrade: bool) -> Found {
        let mut links = self.links.borrow_mut();
        let mut none = Found::Nothing;
        let mut at = 0;
        while let Some(link) = links.get(at) {
            if link.moves != moves || !link.is_open() {
                links.remove(at);
                continue;
            }
            at += 1;
            if upgrade && !link.takes_upgrades() {
                none = Found::Unfit;
            } else if link.room() == 0 {
                none = Found::Shut;
            } else if link.streams.get() < link.room() && !link.is_silent() {
                let (link, mux) = (Rc::clone(link), Rc::clone(self));
                drop(links);
                link.streams.set(link.streams.get() + 1);
                let seat = Seat { link, mux, view: Rc::clone(view) };
                if seat.link.streams.get() == 1 {
                    view.count_idle();
                }
                return Found::Seat(seat);
            }
        }
        none
    }

    /// A connection that is being made, or is from now on.
    fn join(
        self: &Rc<Self>,
        worker: &Worker,
        view: &Rc<ServerView>,
        moves: u32,
        deadline: Instant,
        behalf: Behalf<'_>,
    ) -> Rc<Attempt> {
        let most = self.expected.get().min(view.server.uplink.http2.max_concurrent_streams);
        let has_room = |attempt: &&Rc<Attempt>| attempt.moves == moves && attempt.waiting.get() < most;
        if let Some(attempt) = self.attempts.borrow().iter().find(has_room) {
            attempt.waiting.set(attempt.waiting.get() + 1);
            return Rc::clone(attempt);
        }
        let attempt = Rc::new(Attempt {
            moves,
            waiting: Cell::new(1),
            result: Cell::new(None),
            plain: Cell::new(None),
        });
        self.attempts.borrow_mut().push(Rc::clone(&attempt));
        let header = view.server.uplink.send_proxy.map(|how| behalf.header(how));
        let http = view.server.uplink.http;
        let target = Target { header, client: behalf.ip(), http, deadline };
        let (mux, view, shared) = (Rc::clone(self), Rc::clone(view), Arc::clone(&worker.shared));
        spawn_local(mux.make(view, shared, Rc::clone(&attempt), target));
        attempt
    }

    /// Makes a connection, and drives it until it ends.
    async fn make(
        self: Rc<Self>,
        view: Rc<ServerView>,
        shared: Arc<Shared>,
        attempt: Rc<Attempt>,
        target: Target,
    ) {
        let deadline = target.deadline;
        let made = async {
            let opened = open(&shared, &view, &mut Timer::default(), target).await;
            observe::connected(&view.server, &opened);
            let stream = opened?;
            if view.server.tls.is_some() && !stream.agreed_on_h2() {
                // Each request needs one of its own from now on.
                self.expected.set(1);
                attempt.plain.set(Some(stream));
                return Ok(None);
            }
            link::open(stream, attempt.moves, &view, deadline).await.map(Some)
        };
        let made = made.await;
        self.attempts.borrow_mut().retain(|other| !Rc::ptr_eq(other, &attempt));
        attempt.result.set(Some(made.as_ref().map(|_| ()).map_err(|none| *none)));
        let Ok(Some((link, driver))) = made else {
            return self.changed.notify_waiters();
        };
        drop(attempt);
        self.expected.set(link.room().max(1));
        self.links.borrow_mut().push(link);
        view.count_idle();
        drop(view);
        self.changed.notify_waiters();
        let changed = Rc::clone(&self.changed);
        drop(self);
        driver.run(&changed).await;
    }

    /// Connections without a request.
    pub fn idle(&self) -> usize {
        self.links.borrow().iter().filter(|link| link.streams.get() == 0).count()
    }

    pub fn is_empty(&self) -> bool {
        self.links.borrow().is_empty()
    }

    /// Lets go what carries nothing.
    pub fn drop_idle(&self) {
        self.links.borrow_mut().retain(|link| link.streams.get() > 0);
    }

    /// Lets go what was idle too long, has ended, or leads to where the server no longer is, once its last request has
    /// ended; and sees whether the others still answer.
    pub fn prune(&self, now: Instant, moves: u32, keep: bool) {
        self.links.borrow_mut().retain(|link| {
            link.look_after(now);
            keep && link.moves == moves && link.is_open() && !link.is_stale(now)
        });
    }
}

impl Seat {
    fn upstream(self, moves: u32, reused: bool) -> Upstream {
        let cells = self.view.cells();
        if self.link.was_used.replace(true) {
            cells.inc(Count::Reuses);
        }
        let stream = H2::opened(self.link.connection(), self.view.server.tls.is_some());
        Upstream { stream: Stream::H2(Box::new(stream)), moves, reused, seat: Some(self) }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let left = self.link.streams.get() - 1;
        self.link.streams.set(left);
        if left == 0 {
            self.link.idle_since.set(clock::now());
            self.view.count_idle();
        }
        self.mux.changed.notify_waiters();
    }
}
