//! Accepting: room first, then the connection. What there is no room for waits in the kernel's backlog.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Notify;

use super::inbox::{Handed, Spread};
use crate::config::Mode;
use crate::log;
use crate::model::frontend::{Bind, Frontend};
use crate::net::bind;
use crate::net::connect::is_local_shortage;
use crate::net::stream::{Detached, Stream};
use crate::session::client::{self, Addresses, Opening};
use crate::session::handshake::{self, Accepted};
use crate::session::track::When;
use crate::session::view::FrontendView;
use crate::session::worker::{Busy, Place, Reservation, Worker};
use crate::session::{h2, http, tcp};

/// Connections accepted in one go before others get their turn.
const BUDGET: usize = 64;
/// Pause after a failed accept, doubled up to the longest.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// One worker's socket for one address.
#[derive(Debug)]
pub enum Socket {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// The same, known to the worker's driver.
#[derive(Debug)]
enum Registered {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Socket {
    fn register(self) -> io::Result<Registered> {
        Ok(match self {
            Self::Tcp(socket) => Registered::Tcp(TcpListener::from_std(socket)?),
            Self::Unix(socket) => Registered::Unix(UnixListener::from_std(socket)?),
        })
    }

    /// The next connection the kernel holds, or an error.
    fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, client) = socket.accept()?;
                stream.set_nonblocking(true)?;
                Ok((Detached::Tcp(stream).attach()?, Some(client)))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.accept()?;
                stream.set_nonblocking(true)?;
                Ok((Detached::Unix(stream).attach()?, None))
            }
        }
    }
}

impl Registered {
    fn deregister(self) -> io::Result<Socket> {
        Ok(match self {
            Self::Tcp(socket) => Socket::Tcp(socket.into_std()?),
            Self::Unix(socket) => Socket::Unix(socket.into_std()?),
        })
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Option<SocketAddr>)>> {
        match self {
            Self::Tcp(socket) => socket.poll_accept(cx).map_ok(|(s, client)| (Stream::Tcp(s), Some(client))),
            Self::Unix(socket) => socket.poll_accept(cx).map_ok(|(s, _)| (Stream::Unix(s), None)),
        }
    }
}

/// An address a worker accepts on.
#[derive(Debug)]
pub struct Listening {
    pub socket: Socket,
    pub frontend: Arc<Frontend>,
    pub bind: Arc<Bind>,
    /// Real port of an IP address.
    pub port: Option<u16>,
}

/// Accepts until `stop` is told, then takes what the kernel still holds and ends.
pub async fn run(worker: Rc<Worker>, listening: Listening, spread: Spread, stop: Rc<Notify>) {
    let Listening { mut socket, frontend, bind, port } = listening;
    let view = RefCell::default();
    let acceptor = Acceptor { worker, frontend, view, bind, port, spread, stop };
    loop {
        socket = match acceptor.until_paused(socket).await {
            Ok(Some(paused)) => paused,
            Ok(None) => return,
            Err(error) => {
                log::alert(format_args!("frontend {}: cannot accept: {error}", acceptor.frontend.name));
                return;
            }
        };
        if !acceptor.pause(&socket).await {
            return;
        }
    }
}

struct Acceptor {
    worker: Rc<Worker>,
    frontend: Arc<Frontend>,
    /// The worker's view of it when it was last looked for.
    view: RefCell<(Weak<FrontendView>, u32)>,
    bind: Arc<Bind>,
    port: Option<u16>,
    spread: Spread,
    stop: Rc<Notify>,
}

/// Why a round of accepting ended.
enum Round {
    /// The budget is used up.
    Busy,
    /// No room for another, or paused.
    Full,
    /// Accepted at the same moment as another worker took the last room.
    Held(Stream, Option<SocketAddr>),
    /// Descriptors or memory ran out.
    Short(io::Error),
}

impl Acceptor {
    /// Accepts; gives the socket back when the frontend is paused, nothing when told to stop.
    ///
    /// The socket is registered anew after a pause: the driver takes a paused socket for closed for good.
    async fn until_paused(&self, socket: Socket) -> io::Result<Option<Socket>> {
        let socket = socket.register()?;
        let mut pause = PAUSE;
        let mut stopped = pin!(self.stop.notified());
        stopped.as_mut().enable();
        loop {
            let round = tokio::select! {
                biased;
                () = &mut stopped => {
                    self.take_queued(&socket.deregister()?);
                    return Ok(None);
                }
                round = self.round(&socket) => round,
            };
            match round {
                Round::Busy => tokio::task::yield_now().await,
                Round::Full if self.frontend.live.is_paused() => return Ok(Some(socket.deregister()?)),
                Round::Full => {}
                Round::Held(stream, client) => {
                    let reservation = tokio::select! {
                        reservation = self.room() => reservation,
                        () = &mut stopped => return Ok(None),
                    };
                    self.start(stream, client, reservation);
                }
                Round::Short(error) => {
                    self.worker.shared.process.accept_failures.fetch_add(1, Relaxed);
                    let name = &self.frontend.name;
                    log::alert(format_args!(
                        "frontend {name}: accept failed: {error}; pausing for {pause:?}"
                    ));
                    tokio::select! {
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                        () = &mut stopped => return Ok(None),
                    }
                    continue;
                }
            }
            pause = PAUSE;
        }
    }

    /// Accepts what comes, up to the budget; waits for room, and for somebody to come.
    async fn round(&self, socket: &Registered) -> Round {
        let mut told = pin!(self.worker.shared.room.notified());
        told.as_mut().enable();
        let live = &self.frontend.live;
        let process = &self.worker.shared.process;
        let bind = &self.bind;
        if !(live.is_paused() || live.has_room() && process.has_room() && bind.has_room()) {
            process.maxconn_reached.fetch_add(1, Relaxed);
            told.await;
            return Round::Full;
        }
        let mut accepted = 0;
        poll_fn(|cx| {
            loop {
                if !(live.has_room() && process.has_room() && bind.has_room()) {
                    return Poll::Ready(Round::Full);
                }
                match socket.poll_accept(cx) {
                    Poll::Ready(Ok((stream, client))) => {
                        match Reservation::take(&self.worker.shared, live, bind) {
                            Some(reservation) => self.start(stream, client, reservation),
                            None => return Poll::Ready(Round::Held(stream, client)),
                        }
                    }
                    Poll::Ready(Err(error)) if is_local_shortage(&error) => {
                        return Poll::Ready(Round::Short(error));
                    }
                    // A client that left while it waited, and the like.
                    Poll::Ready(Err(_)) => {}
                    Poll::Pending => {
                        // A change of limits or a pause ends the wait.
                        return told.as_mut().poll(cx).map(|()| Round::Full);
                    }
                }
                accepted += 1;
                if accepted == BUDGET {
                    return Poll::Ready(Round::Busy);
                }
            }
        })
        .await
    }

    /// Waits for room for one.
    async fn room(&self) -> Reservation {
        loop {
            let mut told = pin!(self.worker.shared.room.notified());
            told.as_mut().enable();
            if let Some(reservation) = Reservation::take(&self.worker.shared, &self.frontend.live, &self.bind)
            {
                return reservation;
            }
            told.await;
        }
    }

    /// Closing a socket of several resets what is queued on it, so that is accepted first. The kernel is asked: the
    /// driver knows what was there at its last turn, and lets a task do only so much at once.
    fn take_queued(&self, socket: &Socket) {
        while let Some(reservation) = Reservation::take(&self.worker.shared, &self.frontend.live, &self.bind)
        {
            match socket.accept() {
                Ok((stream, client)) => self.start(stream, client, reservation),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock || is_local_shortage(&error) => break,
                // A client that left while it waited, and the like.
                Err(_) => {}
            }
        }
    }

    /// Refuses connections until the frontend is resumed; false when told to stop.
    async fn pause(&self, socket: &Socket) -> bool {
        let name = &self.frontend.name;
        // A Unix listener cannot be resumed; its clients wait instead of being refused.
        let refusing = if let Socket::Tcp(socket) = socket { Some(SockRef::from(socket)) } else { None };
        if let Some(Err(error)) = refusing.as_ref().map(bind::pause) {
            log::warning(format_args!("frontend {name}: cannot pause: {error}"));
        }
        loop {
            let mut told = pin!(self.worker.shared.room.notified());
            told.as_mut().enable();
            if !self.frontend.live.is_paused() {
                break;
            }
            tokio::select! {
                () = told => {}
                () = self.stop.notified() => return false,
            }
        }
        if let Some(Err(error)) =
            refusing.as_ref().map(|socket| bind::resume(socket, &self.bind.conf.options))
        {
            log::alert(format_args!("frontend {name}: cannot resume: {error}"));
        }
        true
    }

    /// The worker's view of the frontend, with its generation.
    fn view(&self) -> Option<(Rc<FrontendView>, u32)> {
        let mut seen = self.view.borrow_mut();
        if self.worker.is_current(seen.1)
            && let Some(view) = seen.0.upgrade()
        {
            return Some((view, seen.1));
        }
        let (view, generation) = self.worker.frontend(&self.frontend.name)?;
        *seen = (Rc::downgrade(&view), generation);
        Some((view, generation))
    }

    fn start(&self, stream: Stream, client: Option<SocketAddr>, mut reservation: Reservation) {
        let addresses = Addresses::of_connection(client, self.port);
        let opening = Opening { header: self.bind.conf.accept_proxy, tls: self.bind.tls.clone() };
        let own = self.worker.index;
        let process = &self.worker.shared.process;
        let turn = match &self.spread {
            // Another worker may have nothing left to wait for and end.
            _ if process.is_stopping() => own,
            Spread::Here => own,
            Spread::Even(_) => process.loads.lighter_than(own),
            Spread::Over(workers) => workers.turn(),
        };
        reservation.place_on(turn);
        match &self.spread {
            Spread::Even(workers) | Spread::Over(workers) if turn != own => match stream.detach() {
                Ok(stream) => {
                    let frontend = Arc::clone(&self.frontend.name);
                    workers.hand(turn, Handed { stream, frontend, addresses, opening, reservation });
                }
                Err(error) => log::warning(format_args!("a connection could not be handed on: {error}")),
            },
            _ => {
                if let Some(found) = self.view() {
                    serve(&self.worker, found, stream, (addresses, opening), reservation);
                }
            }
        }
    }
}

/// Serves a connection on this worker, in a task of its own: a panic in it ends it alone.
pub fn serve(
    worker: &Rc<Worker>,
    found: (Rc<FrontendView>, u32),
    stream: Stream,
    (addresses, opening): (Addresses, Opening),
    reservation: Reservation,
) {
    // From here on, so that a worker that is told to stop waits for it.
    let mut place = Place::new(worker, reservation);
    let key = place.key();
    let Opening { header, tls } = opening;
    if !header && !place.count_source(&found.0.frontend, addresses.client.map(|client| client.ip())) {
        // Who asks for too much is not worth a connection that waits for its end.
        stream.reset_on_close();
        return;
    }
    let plain = !header && tls.is_none();
    if !header {
        let when = |when| when == When::Accepted || plain && when == When::Secured;
        place.track(&found.0, (&stream, &addresses), when, plain);
    }
    let task = match found.0.frontend.mode {
        Mode::Http if plain => {
            tokio::task::spawn_local(http::serve(found, Rc::new(place), stream, addresses))
        }
        Mode::Tcp if plain => tokio::task::spawn_local(tunnel(found.0, place, stream, addresses)),
        _ => tokio::task::spawn_local(async move {
            let (mut stream, mut addresses) = (stream, addresses);
            if header {
                let received = Box::pin(client::receive(&found.0, &place, &stream, addresses)).await;
                let Some(received) = received else { return };
                addresses = received;
                if !place.count_source(&found.0.frontend, addresses.client.map(|client| client.ip())) {
                    stream.reset_on_close();
                    return;
                }
                place.track(&found.0, (&stream, &addresses), |when| when == When::Accepted, false);
            }
            // Each in a box of its own, so that what waits holds no more than it needs.
            if let Some(tls) = tls {
                let accepted = Box::pin(handshake::accept(&found.0, &place, stream, &tls, addresses)).await;
                match accepted {
                    Accepted::Secured(secured, agreed) => (stream, addresses) = (secured, agreed),
                    Accepted::InClear(stream, addresses) if found.0.frontend.mode == Mode::Http => {
                        return Box::pin(http::refuse_clear(found, Rc::new(place), stream, addresses)).await;
                    }
                    Accepted::InClear(..) | Accepted::Over => return,
                }
            }
            place.track(&found.0, (&stream, &addresses), |when| when == When::Secured, true);
            let is_h2 = addresses.tls.as_ref().is_some_and(|tls| tls.agreed.is_h2());
            match found.0.frontend.mode {
                // What ALPN agreed on is spoken from the first byte.
                Mode::Http if is_h2 => {
                    Box::pin(h2::serve(found, Rc::new(place), stream, Vec::new(), addresses)).await;
                }
                Mode::Http => Box::pin(http::serve(found, Rc::new(place), stream, addresses)).await,
                Mode::Tcp => Box::pin(tunnel(found.0, place, stream, addresses)).await,
            }
        }),
    };
    worker.served_by(key, task.abort_handle());
}

async fn tunnel(frontend: Rc<FrontendView>, place: Place, stream: Stream, addresses: Addresses) {
    let _busy = Busy::new(&place);
    tcp::serve(&place, frontend, stream, &addresses).await;
}
