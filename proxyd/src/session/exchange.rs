//! A client's connection and a server's, side by side, while bytes go between them.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use super::meter::Meter;
use super::retry::Failure;
use super::transfer::{Broken, Moved, Transfer};
use super::watch::Watch;
use crate::clock::{self, Instant};
use crate::http::refusal::Reason;
use crate::http::{request, response};
use crate::net::buffer::Buffer;
use crate::net::h2::Fault;
use crate::net::stream::Stream;
use crate::net::timer::Timer;

/// One of the two connections.
#[derive(Debug)]
pub struct Side<'a> {
    pub stream: &'a mut Stream,
    pub buffer: &'a mut Buffer,
    /// Inactivity it is allowed.
    pub timeout: Duration,
    /// The same once it has said all it had to say.
    pub fin_timeout: Option<Duration>,
    /// Last time it took or gave a byte.
    active: Instant,
}

impl<'a> Side<'a> {
    /// `active` is a time at which nothing of it was overdue.
    pub fn new(
        stream: &'a mut Stream,
        buffer: &'a mut Buffer,
        timeout: Duration,
        fin_timeout: Option<Duration>,
        active: Instant,
    ) -> Self {
        Self { stream, buffer, timeout, fin_timeout, active }
    }

    fn deadline(&self, has_ended: bool) -> Instant {
        self.active + self.fin_timeout.filter(|_| has_ended).unwrap_or(self.timeout)
    }
}

/// Both connections.
#[derive(Debug)]
pub struct Exchange<'a> {
    pub client: Side<'a>,
    pub server: Side<'a>,
    timer: &'a mut Timer,
    meter: &'a Meter,
    /// Nothing was waited for since the sides' times were set.
    fresh: bool,
}

/// Why no answer came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unanswered {
    Server(Failure),
    Client(Gone),
}

/// What a client did while it owed a part of its request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Gone {
    Closed,
    Silent,
    /// It sent a body that cannot be taken.
    Nonsense(Reason),
}

/// What is asked of a server.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub request: &'a request::Facts,
    pub site: response::Site,
    /// The client holds the body back until the server asks for it.
    pub held: bool,
}

/// Which side ended a transfer before its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cut {
    Client,
    Server,
    ClientTimeout,
    ServerTimeout,
}

impl<'a> Exchange<'a> {
    pub fn new(client: Side<'a>, server: Side<'a>, timer: &'a mut Timer, meter: &'a Meter) -> Self {
        Self { client, server, timer, meter, fresh: true }
    }

    /// Sends the request and waits for the head of an answer; what the client is to get is put into `out`.
    ///
    /// An answer may come before the request is all sent, and is then taken all the same.
    pub async fn answer(
        &mut self,
        up: &mut Transfer,
        ask: Ask<'_>,
        watch: &mut Watch,
        out: &mut Vec<u8>,
    ) -> Result<response::Facts, Unanswered> {
        let mut up_failed = false;
        up.towards(self.server.stream);
        let mut up_is_done = up.is_done();
        poll_fn(|cx| {
            if !up_is_done && !up_failed {
                match self.poll_up(cx, up) {
                    Poll::Ready(Ok(())) => up_is_done = true,
                    Poll::Pending => {}
                    // It may have answered before it closed; reading tells, if not at once then soon.
                    Poll::Ready(Err(Broken::Write(_))) => up_failed = true,
                    Poll::Ready(Err(Broken::Malformed)) => {
                        return Poll::Ready(Err(Unanswered::Client(Gone::Nonsense(Reason::Chunks))));
                    }
                    Poll::Ready(Err(Broken::TooLarge)) => {
                        return Poll::Ready(Err(Unanswered::Client(Gone::Nonsense(Reason::BodyTooLarge))));
                    }
                    Poll::Ready(Err(Broken::Read(_) | Broken::Eof)) => {
                        return Poll::Ready(Err(Unanswered::Client(Gone::Closed)));
                    }
                }
            }
            // What is left of a request when its answer ends is not waited for.
            // What came before a switch was agreed on is no request of the protocol that stays.
            let early =
                ask.request.switches() && (!self.client.buffer.is_empty() || self.client.stream.has_input());
            let keep_client = ask.site.keep_client && up_is_done && !early;
            let site = response::Site { keep_client, ..ask.site };
            let parse = |bytes: &[u8], out: &mut Vec<u8>| response::parse(bytes, out, ask.request, site);
            if let Poll::Ready(head) = self.poll_head(cx, out, parse) {
                return Poll::Ready(head.map_err(Unanswered::Server));
            }
            if up_is_done && watch.poll(cx, self.client.stream, self.client.buffer).is_ready() {
                return Poll::Ready(Err(Unanswered::Client(Gone::Closed)));
            }
            let held = ask.held && !up.body_is_gone();
            let waits_for_client = !up_is_done && !up.has_output() && !up_failed && !held;
            let (deadline, error) = if waits_for_client {
                (self.client.deadline(false), Unanswered::Client(Gone::Silent))
            } else {
                (self.server.deadline(false), Unanswered::Server(Failure::Timeout))
            };
            self.fresh = false;
            self.timer.poll_at(cx, deadline).map(|()| Err(error))
        })
        .await
    }

    /// Reads until a head is whole.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
        mut parse: impl FnMut(&[u8], &mut Vec<u8>) -> Result<response::Parsed, response::Invalid>,
    ) -> Poll<Result<response::Facts, Failure>> {
        let Side { stream, buffer, .. } = &mut self.server;
        // A 1xx may have brought the answer's head with it.
        let mut fresh = !buffer.is_empty();
        loop {
            if fresh {
                match parse(buffer.data(), out) {
                    Ok(response::Parsed::Complete(facts)) => {
                        buffer.consume(facts.length);
                        return Poll::Ready(Ok(facts));
                    }
                    Ok(response::Parsed::Partial) if !buffer.is_full() => {}
                    _ => return Poll::Ready(Err(Failure::Invalid)),
                }
            }
            match stream.poll_read(cx, buffer.room()) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0) | Err(_)) => {
                    return Poll::Ready(Err(match stream.as_h2().and_then(|stream| stream.fault()) {
                        Some(Fault::Refused) => Failure::Refused,
                        Some(Fault::Unheard) => Failure::Unheard,
                        Some(Fault::Nonsense) => Failure::Invalid,
                        Some(Fault::Lost) | None if buffer.is_empty() => Failure::Empty,
                        Some(Fault::Lost) | None => Failure::Partial,
                    }));
                }
                Poll::Ready(Ok(n)) => {
                    buffer.filled(n);
                    fresh = true;
                }
            }
        }
    }

    /// Judges what came of a body with the head.
    pub fn look_ahead(&mut self, down: &mut Transfer) -> Result<(), Broken> {
        down.towards(self.client.stream);
        down.look_ahead(self.server.buffer)
    }

    /// Passes the answer on; the rest of the request, if there is one, goes on beside it.
    pub async fn relay(&mut self, up: &mut Transfer, down: &mut Transfer) -> Result<(), Cut> {
        let mut up_failed = false;
        // The end of what a client sends is no reason to keep the rest of an answer from it.
        let mut watch = Watch::new(false);
        let mut up_is_done = up.is_done();
        poll_fn(|cx| {
            if !up_is_done && !up_failed {
                match self.poll_up(cx, up) {
                    Poll::Ready(Ok(())) => up_is_done = true,
                    Poll::Pending => {}
                    // The server has answered; that it wants no more of the request is no failure.
                    Poll::Ready(Err(Broken::Write(_))) => up_failed = true,
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Cut::Client)),
                }
            }
            match self.poll_down(cx, down) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(Broken::Write(_))) => return Poll::Ready(Err(Cut::Client)),
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Cut::Server)),
                Poll::Pending => {}
            }
            if up_is_done && watch.poll(cx, self.client.stream, self.client.buffer).is_ready() {
                return Poll::Ready(Err(Cut::Client));
            }
            let (deadline, cut) = if down.has_output() {
                (self.client.deadline(false), Cut::ClientTimeout)
            } else {
                (self.server.deadline(false), Cut::ServerTimeout)
            };
            self.fresh = false;
            self.timer.poll_at(cx, deadline).map(|()| Err(cut))
        })
        .await
    }

    /// Both directions until both have ended; the end of one is passed on while the other goes on.
    pub async fn tunnel(&mut self, up: &mut Transfer, down: &mut Transfer) -> Result<(), Cut> {
        let (mut up_ended, mut down_ended) = (false, false);
        // The timer rings no later than a side is overdue; from then on that only moves away until a side ends.
        let mut armed = false;
        let begun = clock::now();
        self.client.active = begun;
        self.server.active = begun;
        poll_fn(|cx| {
            if !up_ended {
                match self.poll_up(cx, up) {
                    Poll::Ready(Ok(())) => {
                        (up_ended, armed) = (true, false);
                        // Its end is the last that is heard of it, and what its time runs from.
                        self.client.active = clock::now();
                        // A server that is gone shows on the other direction.
                        let _gone = self.server.stream.shutdown_write();
                    }
                    // A server that takes no more may have said something before; the other direction tells.
                    Poll::Ready(Err(Broken::Write(_))) => (up_ended, armed) = (true, false),
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Cut::Client)),
                    Poll::Pending => {}
                }
            }
            if !down_ended {
                match self.poll_down(cx, down) {
                    Poll::Ready(Ok(())) => {
                        (down_ended, armed) = (true, false);
                        self.server.active = clock::now();
                        let _gone = self.client.stream.shutdown_write();
                    }
                    Poll::Ready(Err(Broken::Write(_))) => return Poll::Ready(Err(Cut::Client)),
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Cut::Server)),
                    Poll::Pending => {}
                }
            }
            if up_ended && down_ended {
                return Poll::Ready(Ok(()));
            }
            if armed && self.timer.is_waiting(cx) {
                return Poll::Pending;
            }
            armed = true;
            let (client, server) = (self.client.deadline(up_ended), self.server.deadline(down_ended));
            let (deadline, cut) =
                if client <= server { (client, Cut::ClientTimeout) } else { (server, Cut::ServerTimeout) };
            self.fresh = false;
            self.timer.poll_at(cx, deadline).map(|()| Err(cut))
        })
        .await
    }

    fn poll_up(&mut self, cx: &mut Context<'_>, up: &mut Transfer) -> Poll<Result<(), Broken>> {
        let (result, moved) = poll_one(cx, up, &mut self.client, &mut self.server, &mut self.fresh);
        self.meter.bytes_in(moved.written);
        result
    }

    fn poll_down(&mut self, cx: &mut Context<'_>, down: &mut Transfer) -> Poll<Result<(), Broken>> {
        let (result, moved) = poll_one(cx, down, &mut self.server, &mut self.client, &mut self.fresh);
        self.meter.bytes_out(moved.written);
        result
    }
}

/// One direction. The clock is read only where something moved and more is to come.
fn poll_one(
    cx: &mut Context<'_>,
    transfer: &mut Transfer,
    from: &mut Side<'_>,
    to: &mut Side<'_>,
    fresh: &mut bool,
) -> (Poll<Result<(), Broken>>, Moved) {
    let mut moved = Moved::default();
    let result = transfer.poll(cx, from.stream, from.buffer, to.stream, &mut moved);
    if !(*fresh && result.is_ready()) {
        *fresh = false;
        if moved.read > 0 || moved.written > 0 {
            let now = clock::now();
            if moved.read > 0 {
                from.active = now;
            }
            if moved.written > 0 {
                to.active = now;
            }
        }
    }
    (result, moved)
}

/// Writes all of `bytes` within the side's timeout.
pub async fn write_all(
    stream: &mut Stream,
    timer: &mut Timer,
    limit: Duration,
    bytes: &[u8],
) -> io::Result<()> {
    let mut rest = bytes;
    let deadline = clock::now() + limit;
    let write = |cx: &mut Context<'_>| {
        while !rest.is_empty() {
            match stream.poll_write(cx, &[io::IoSlice::new(rest)]) {
                Poll::Ready(Ok(n)) => rest = &rest[n..],
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    };
    timer.within(deadline, write).await.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests;
