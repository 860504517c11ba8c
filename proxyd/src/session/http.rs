//! A connection in HTTP mode: one request after the other, each on a server's connection of its own choosing.

use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::dispatch::{Reuse, Slot, Tries, Upstream, give_back, obtain};
use super::exchange::{Cut, Exchange, Side, Unanswered, write_all};
use super::meter::{Meter, Timings};
use super::retry::{Attempt, Failure};
use super::tcp::{cut, no_connection};
use super::termination::{Cause, Phase, Termination};
use super::transfer::Transfer;
use super::view::{BackendView, FrontendView};
use super::worker::{Place, Worker};
use crate::clock::{self, Instant};
use crate::http::framing::Body;
use crate::http::reply::Reply;
use crate::http::request::{self, Parsed, Refusal, Site};
use crate::http::response;
use crate::net::buffer::Buffer;
use crate::net::stream::Stream;
use crate::net::timer::{Elapsed, Timer};
use crate::stats::cells::Count;

/// Bytes of an unread body that are taken after an early answer, so that the answer is not lost to a reset.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER: Duration = Duration::from_secs(1);
/// Answers before the answer: each gives the server its time anew, so that they must end.
const MOST_INTERIM: u32 = 1000;
/// Room for a head that is kept from one request to the next.
const KEPT_HEAD: usize = 2048;

/// Addresses of a client's connection.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// `None` for a Unix socket.
    pub client: Option<SocketAddr>,
    /// Port it came to.
    pub local_port: Option<u16>,
}

/// One client's connection.
#[derive(Debug)]
struct Connection<'a> {
    worker: &'a Rc<Worker>,
    frontend: Rc<FrontendView>,
    /// The graph `frontend` belongs to.
    generation: u32,
    place: &'a Place,
    client: Stream,
    buffer: Buffer,
    timer: Timer,
    addresses: Addresses,
    /// Heads as written to the server and to the client; kept for their memory.
    up_head: Vec<u8>,
    down_head: Vec<u8>,
    requests: u64,
    /// The last reading of the clock.
    now: Instant,
}

/// Whether the connection goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    Request,
    Close,
    /// Close, but take what the client still sends first.
    Linger,
}

/// What waiting for a request brought.
enum Waited {
    Request(request::Facts),
    Refused(Refusal),
    Timeout,
    /// The client closed, or was never heard of.
    Gone,
}

/// Serves one client until its connection ends.
pub async fn serve(
    worker: &Rc<Worker>,
    (frontend, generation): (Rc<FrontendView>, u32),
    place: &Place,
    client: Stream,
    addresses: Addresses,
) {
    let mut connection = Connection {
        worker,
        frontend,
        generation,
        place,
        client,
        buffer: Buffer::small(),
        timer: Timer::default(),
        addresses,
        up_head: Vec::new(),
        down_head: Vec::new(),
        requests: 0,
        now: clock::now(),
    };
    loop {
        match connection.one_request().await {
            Next::Request => connection.park(),
            Next::Close => break,
            Next::Linger => {
                connection.linger().await;
                break;
            }
        }
    }
}

impl Connection<'_> {
    async fn one_request(&mut self) -> Next {
        let waited = self.wait().await;
        self.refresh();
        let cells = self.frontend.cells();
        match waited {
            Waited::Gone => Next::Close,
            Waited::Refused(refusal) => {
                cells.inc(Count::BadRequests);
                self.refuse(refusal.reply).await
            }
            Waited::Timeout => {
                cells.inc(Count::BadRequests);
                self.refuse(Reply::RequestTimeout).await
            }
            Waited::Request(facts) => {
                cells.inc(Count::Requests);
                self.requests += 1;
                self.forward(&facts).await
            }
        }
    }

    /// Gives back what an idle connection needs not hold.
    fn park(&mut self) {
        self.buffer.park();
        for head in [&mut self.up_head, &mut self.down_head] {
            if head.capacity() > KEPT_HEAD {
                *head = Vec::new();
            }
        }
    }

    /// A new graph is taken up between two requests.
    fn refresh(&mut self) {
        if !self.worker.is_current(self.generation)
            && let Some((frontend, generation)) = self.worker.frontend(&self.frontend.frontend.name)
        {
            self.frontend = frontend;
            self.generation = generation;
        }
    }

    /// Waits for a whole head; what the server is sent is then in `up_head`.
    async fn wait(&mut self) -> Waited {
        let timeouts = self.frontend.frontend.timeouts;
        let begun = self.now;
        if self.buffer.is_empty() {
            let first = self.requests == 0;
            let limit = if first { timeouts.http_request } else { timeouts.http_keep_alive };
            let (client, worker, place) = (&mut self.client, self.worker, self.place);
            let readable = |cx: &mut Context<'_>| {
                if worker.is_draining() {
                    // A request that is there already is served; closing on it would reset the connection.
                    return Poll::Ready(client.has_input());
                }
                place.wake_on_drain(cx.waker());
                client.poll_readable(cx).map(|ready| ready.is_ok())
            };
            match self.timer.within(begun + limit, readable).await {
                Ok(true) => {}
                Ok(false) => return Waited::Gone,
                // A client that never said a word is told that it was too slow, an idle one is just let go.
                Err(Elapsed) => return if first { Waited::Timeout } else { Waited::Gone },
            }
        }
        self.now = clock::now();
        self.read_head(self.now + timeouts.http_request).await
    }

    /// The deadline is absolute: a drip of bytes does not move it.
    async fn read_head(&mut self, deadline: Instant) -> Waited {
        let mut look = !self.buffer.is_empty();
        let mut waited = false;
        loop {
            if look {
                self.skip_line_ends();
                match self.parse() {
                    Ok(Parsed::Complete(facts)) => {
                        self.buffer.consume(facts.length);
                        if waited {
                            self.now = clock::now();
                        }
                        return Waited::Request(facts);
                    }
                    Ok(Parsed::Partial) if self.buffer.is_full() => {
                        return Waited::Refused(request::too_long(self.buffer.data()));
                    }
                    Ok(Parsed::Partial) => waited = true,
                    Err(refusal) => return Waited::Refused(refusal),
                }
            }
            let (client, buffer) = (&mut self.client, &mut self.buffer);
            let read = self.timer.within(deadline, |cx| client.poll_read(cx, buffer.room())).await;
            let n = match read {
                Ok(Ok(n)) => n,
                Ok(Err(_reset)) => return Waited::Gone,
                Err(Elapsed) if self.buffer.is_empty() && self.requests > 0 => return Waited::Gone,
                Err(Elapsed) => return Waited::Timeout,
            };
            if n == 0 {
                if self.buffer.is_empty() {
                    return Waited::Gone;
                }
                return Waited::Refused(Refusal { reply: Reply::BadRequest, reason: "the head ends early" });
            }
            // A head ends with a line end: until one comes there is nothing new to parse.
            look = self.buffer.room()[..n].contains(&b'\n') || self.buffer.is_empty();
            self.buffer.filled(n);
            look |= self.buffer.is_full();
        }
    }

    /// Line ends in front of a request are skipped (RFC 9112 2.2).
    fn skip_line_ends(&mut self) {
        let n = self.buffer.data().iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        self.buffer.consume(n);
    }

    fn parse(&mut self) -> Result<Parsed, Refusal> {
        if self.buffer.is_empty() {
            return Ok(Parsed::Partial);
        }
        let site = Site {
            forward: self.frontend.frontend.forward,
            client: self.addresses.client.map(|a| a.ip()),
            port: self.addresses.local_port,
            local: &|| self.client.local_addr(),
        };
        request::parse(self.buffer.data(), &mut self.up_head, &site)
    }

    /// One request on its way: a server, its answer, and back.
    async fn forward(&mut self, facts: &request::Facts) -> Next {
        let mut timings = Timings::new(self.now);
        let Some(backend) = self.frontend.backend.clone() else {
            self.frontend.cells().add(Count::BytesIn, facts.length as u64);
            return self.reply(facts, Reply::Unavailable, facts.body == Body::None).await;
        };
        let mut meter =
            Meter::new(Rc::clone(&self.frontend), Rc::clone(&backend), self.worker.shared.maxima());
        meter.request();
        #[cfg(debug_assertions)]
        self.fault();
        let mut up = Transfer::new(std::mem::take(&mut self.up_head), facts.body, facts.body);
        let (termination, next) =
            match self.attempts(facts, &backend, &mut meter, &mut up, &mut timings).await {
                Outcome::Answered { cut, next } => (cut, next),
                Outcome::Failed { termination, reply } => {
                    let next = match reply {
                        Some(reply) => {
                            meter.reply(reply.status());
                            let whole = facts.body == Body::None || up.is_done();
                            self.reply(facts, reply, whole).await
                        }
                        None => Next::Close,
                    };
                    (termination, next)
                }
            };
        if up.written == 0 {
            // What goes to a server is counted as it goes; this went nowhere.
            self.frontend.cells().add(Count::BytesIn, facts.length as u64);
        }
        self.up_head = up.into_prefix();
        self.now = clock::now();
        meter.finish(&timings, self.now, termination);
        next
    }

    /// Tries servers until one answers or there is no more to try.
    async fn attempts(
        &mut self,
        facts: &request::Facts,
        backend: &Rc<BackendView>,
        meter: &mut Meter,
        up: &mut Transfer,
        timings: &mut Timings,
    ) -> Outcome {
        let mut tries = Tries::new(backend);
        let mut failed = Outcome::failed(Termination::new(Cause::Server, Phase::Connect), Reply::Unavailable);
        let first = if facts.idempotent && facts.body == Body::None { Reuse::Yes } else { Reuse::Surely };
        while let Some(slot) = tries.next(self.worker, backend).await {
            meter.assign(&slot.view, self.worker.shared.epoch.ms(timings.start));
            let limit = backend.backend.timeouts.connect;
            let mut attempt = Attempt {
                failure: Failure::Connect,
                idempotent: facts.idempotent,
                sent: 0,
                body_begun: false,
                answer_begun: false,
                left: 0,
            };
            let reused = match obtain(&slot, tries.reuse(first), &mut self.timer, limit).await {
                Ok(upstream) => {
                    let reused = upstream.reused;
                    let at_once = reused && tries.is_first();
                    timings.connected = Some(if at_once { timings.start } else { clock::now() });
                    match self.exchange(facts, backend, meter, &slot, upstream, up, timings).await {
                        Ok(outcome) => return outcome,
                        Err((failure, answer_begun)) => {
                            attempt.failure = failure;
                            attempt.answer_begun = answer_begun;
                            failed = Outcome::no_answer(failure);
                        }
                    }
                    meter.count(Count::ResponseErrors);
                    reused
                }
                Err(none) => {
                    meter.count(Count::ConnectErrors);
                    attempt.failure = none.failure;
                    failed = Outcome::failed(no_connection(none.failure, none.local), Reply::Unavailable);
                    false
                }
            };
            attempt.sent = up.written;
            attempt.body_begun = up.body_is_gone();
            if !tries.again(backend, slot, attempt, reused).await {
                break;
            }
            up.rewind();
        }
        failed
    }

    /// One try on one connection. An error is a failure that nothing of has reached the client.
    #[expect(clippy::too_many_arguments, reason = "the parts of one try, each borrowed from elsewhere")]
    async fn exchange(
        &mut self,
        facts: &request::Facts,
        backend: &BackendView,
        meter: &Meter,
        slot: &Slot,
        mut upstream: Upstream,
        up: &mut Transfer,
        timings: &mut Timings,
    ) -> Result<Outcome, (Failure, bool)> {
        let client_timeouts = self.frontend.frontend.timeouts;
        let server_timeouts = backend.backend.timeouts;
        let mut begun = timings.connected.unwrap_or(timings.start);
        let mut server_buffer = Buffer::medium();
        let mut interim = 0;
        let answer = loop {
            let mut exchange = Exchange::new(
                Side::new(&mut self.client, &mut self.buffer, client_timeouts.client, None, begun),
                Side::new(&mut upstream.stream, &mut server_buffer, server_timeouts.server, None, begun),
                &mut self.timer,
                meter,
            );
            let keep = !self.worker.is_draining();
            match exchange.answer(up, facts, keep, &mut self.down_head).await {
                Ok(answer) if answer.is_interim() => {
                    interim += 1;
                    if interim > MOST_INTERIM {
                        return Err((Failure::Invalid, true));
                    }
                    begun = clock::now();
                    // HTTP/1.0 has no interim answers (RFC 9110 15.2).
                    if facts.is_11 {
                        let limit = client_timeouts.client;
                        if write_all(&mut self.client, &mut self.timer, limit, &self.down_head).await.is_err()
                        {
                            return Ok(Outcome::gone(Cause::Client, Phase::Headers));
                        }
                        meter.bytes_out(self.down_head.len() as u64);
                    }
                }
                Ok(answer) => break answer,
                Err(Unanswered::Server(failure)) => {
                    return Err((failure, interim > 0 || !server_buffer.is_empty()));
                }
                Err(Unanswered::ClientGone) => return Ok(Outcome::gone(Cause::Client, Phase::Headers)),
                Err(Unanswered::ClientTimeout) => {
                    let termination = Termination::new(Cause::ClientTimeout, Phase::Headers);
                    return Ok(Outcome::failed(termination, Reply::RequestTimeout));
                }
                Err(Unanswered::BadBody) => {
                    self.frontend.cells().inc(Count::BadRequests);
                    let termination = Termination::new(Cause::Proxy, Phase::Request);
                    return Ok(Outcome::failed(termination, Reply::BadRequest));
                }
            }
        };
        let answered = clock::now();
        timings.answered = Some(answered);
        meter.answer(answer.status);
        let mut down = Transfer::new(std::mem::take(&mut self.down_head), answer.body, answer.sent);
        let mut exchange = Exchange::new(
            Side::new(&mut self.client, &mut self.buffer, client_timeouts.client, None, answered),
            Side::new(&mut upstream.stream, &mut server_buffer, server_timeouts.server, None, answered),
            &mut self.timer,
            meter,
        );
        let mut end = exchange.relay(up, &mut down).await;
        if answer.status == 101 && end.is_ok() {
            end = tunnel(&mut exchange, client_timeouts.tunnel).await;
        }
        let server_is_reusable =
            end.is_ok() && up.is_done() && answer.server_keeps && server_buffer.is_empty();
        if server_is_reusable {
            give_back(&slot.view, upstream);
        }
        self.down_head = down.into_prefix();
        Ok(self.answered(end, &answer, up.is_done()))
    }

    fn answered(&self, end: Result<(), Cut>, answer: &response::Facts, up_is_done: bool) -> Outcome {
        let next = match end {
            Ok(()) if !up_is_done => Next::Linger,
            Ok(()) if answer.client_keeps => Next::Request,
            // More came than will be read: closing on it would reset the connection and take the answer along.
            Ok(()) if !self.buffer.is_empty() => Next::Linger,
            Ok(()) => Next::Close,
            Err(_) => {
                // A client must not take a cut answer for a whole one.
                self.client.reset_on_close();
                Next::Close
            }
        };
        Outcome::Answered { cut: cut(end), next }
    }

    /// Answers a request that was not understood, and closes.
    async fn refuse(&mut self, reply: Reply) -> Next {
        self.frontend.cells().status(reply.status());
        self.frontend.cells().inc(Count::Intercepted);
        self.write_reply(reply, true, false).await;
        Next::Linger
    }

    /// Answers a request in a server's place. `whole` says that nothing of it is left to read.
    async fn reply(&mut self, facts: &request::Facts, reply: Reply, whole: bool) -> Next {
        let close = !whole || !facts.keep_alive || self.worker.is_draining();
        if !self.write_reply(reply, close, facts.is_head).await {
            Next::Close
        } else if close {
            Next::Linger
        } else {
            Next::Request
        }
    }

    async fn write_reply(&mut self, reply: Reply, close: bool, to_head: bool) -> bool {
        self.down_head.clear();
        reply.write(&mut self.down_head, close, to_head);
        let limit = self.frontend.frontend.timeouts.client;
        let written = write_all(&mut self.client, &mut self.timer, limit, &self.down_head).await;
        self.frontend.cells().add(Count::BytesOut, self.down_head.len() as u64);
        written.is_ok()
    }

    /// Ends our side and takes what still comes for a moment: closing at once would reset the connection, and the
    /// client would never see the answer.
    async fn linger(&mut self) {
        if self.client.shutdown_write().is_err() {
            return;
        }
        let deadline = clock::now() + LINGER;
        let mut taken = 0;
        while taken < LINGER_BYTES {
            self.buffer.consume(self.buffer.len());
            let (client, buffer) = (&mut self.client, &mut self.buffer);
            match self.timer.within(deadline, |cx| client.poll_read(cx, buffer.room())).await {
                Ok(Ok(n)) if n > 0 => taken += n,
                _ => return,
            }
        }
    }

    /// `x-proxyd-fault: panic`, in debug builds that are told to obey it.
    #[cfg(debug_assertions)]
    fn fault(&self) {
        let asked = || self.up_head.windows(22).any(|w| w.eq_ignore_ascii_case(b"x-proxyd-fault: panic\r"));
        assert!(!(self.worker.faults && asked()), "a fault was asked for");
    }
}

/// After 101 bytes go both ways, whatever they are.
async fn tunnel(exchange: &mut Exchange<'_>, limit: Duration) -> Result<(), Cut> {
    exchange.client.timeout = limit;
    exchange.server.timeout = limit;
    let mut up = Transfer::new(Vec::new(), Body::UntilClose, Body::UntilClose);
    let mut down = Transfer::new(Vec::new(), Body::UntilClose, Body::UntilClose);
    exchange.tunnel(&mut up, &mut down).await
}

/// How a request ended.
enum Outcome {
    /// A server's answer went to the client, whole or cut.
    Answered { cut: Termination, next: Next },
    /// No server answered.
    Failed { termination: Termination, reply: Option<Reply> },
}

impl Outcome {
    const fn failed(termination: Termination, reply: Reply) -> Self {
        Self::Failed { termination, reply: Some(reply) }
    }

    const fn gone(cause: Cause, phase: Phase) -> Self {
        Self::Failed { termination: Termination::new(cause, phase), reply: None }
    }

    fn no_answer(failure: Failure) -> Self {
        let (cause, reply) = match failure {
            Failure::Timeout => (Cause::ServerTimeout, Reply::GatewayTimeout),
            Failure::Invalid => (Cause::Proxy, Reply::BadGateway),
            Failure::Empty | Failure::Connect | Failure::ConnectTimeout => (Cause::Server, Reply::BadGateway),
        };
        Self::failed(Termination::new(cause, Phase::Headers), reply)
    }
}

#[cfg(test)]
mod tests;
