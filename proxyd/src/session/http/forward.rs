//! One request on its way: a server, its answer, and back; on another server where a try failed.

use std::rc::Rc;

use super::{Connection, Next};
use crate::clock;
use crate::config::{ClientTimeouts, ServerTimeouts};
use crate::http::framing::Body;
use crate::http::refusal::Reason;
use crate::http::reply::Reply;
use crate::http::{request, response};
use crate::net::buffer::Buffer;
use crate::session::client::Behalf;
use crate::session::dispatch::{Reuse, Slot, Tries, Upstream, give_back, obtain};
use crate::session::exchange::{Ask, Cut, Exchange, Side, Unanswered, write_all};
use crate::session::meter::{Meter, Timings};
use crate::session::queue::{Line, NoServer};
use crate::session::retry::{Attempt, Failure};
use crate::session::tcp::{cut, no_connection};
use crate::session::termination::{Cause, Phase, Termination};
use crate::session::transfer::Transfer;
use crate::session::view::BackendView;
use crate::session::watch::Watch;
use crate::stats::cells::Count;

/// Answers before the answer: each gives the server its time anew, so that they must end.
const MOST_INTERIM: u32 = 1000;

/// A request and what becomes of it.
struct Request<'a> {
    facts: &'a request::Facts,
    backend: Rc<BackendView>,
    meter: Meter,
    /// Its head as the server is sent it, and its body.
    up: Transfer,
    timings: Timings,
}

/// How a request ended.
enum Outcome {
    /// A server's answer went to the client, whole or cut.
    Answered { cut: Termination, next: Next },
    /// No server answered.
    Failed { termination: Termination, reply: Option<Reply> },
}

/// A try that failed before anything of it had reached the client.
struct Unsuccessful {
    failure: Failure,
    /// Bytes of an answer came.
    answer_begun: bool,
}

impl Connection {
    /// Forwards the request whose head was read, and answers it.
    pub(super) async fn forward(&mut self, facts: &request::Facts) -> Next {
        let Some(backend) = self.frontend.backend.clone() else {
            self.frontend.cells().add(Count::BytesIn, facts.length as u64);
            return self.reply(facts, Reply::Unavailable, None, facts.body == Body::None).await;
        };
        #[cfg(debug_assertions)]
        self.fault();
        let meter =
            Meter::new(Rc::clone(&self.frontend), Rc::clone(&backend), self.place.worker.shared.maxima());
        meter.request();
        let up = Transfer::new(std::mem::take(&mut self.up_head), facts.body, facts.body)
            .at_most(self.frontend.frontend.http.max_body);
        let mut request = Request { facts, backend, meter, up, timings: Timings::new(self.now) };
        let (termination, next) = match self.attempts(&mut request).await {
            Outcome::Answered { cut, next } => (cut, next),
            Outcome::Failed { termination, reply: None } => (termination, Next::Close),
            Outcome::Failed { termination, reply: Some(reply) } => {
                request.meter.reply(reply.status());
                let whole = facts.body == Body::None || request.up.is_done();
                (termination, self.reply(facts, reply, Some(&request.backend), whole).await)
            }
        };
        let Request { meter, up, timings, .. } = request;
        if up.written == 0 {
            // What goes to a server is counted as it goes; this went nowhere.
            self.frontend.cells().add(Count::BytesIn, facts.length as u64);
        }
        self.up_head = up.into_prefix();
        self.now = timings.ended.unwrap_or_else(clock::now);
        meter.finish(&timings, self.now, termination);
        next
    }

    /// Tries servers until one answers or there is no more to try.
    async fn attempts(&mut self, request: &mut Request<'_>) -> Outcome {
        let backend = Rc::clone(&request.backend);
        let facts = request.facts;
        let mut tries = Tries::new(&backend);
        let mut error = Count::ConnectErrors;
        let mut failed = Outcome::failed(Termination::new(Cause::Server, Phase::Connect), Reply::Unavailable);
        let first = if facts.idempotent && facts.body == Body::None { Reuse::Yes } else { Reuse::Surely };
        let mut watch = Watch::new(backend.backend.abort_on_close);
        let gone = Outcome::gone(Cause::Client, Phase::Connect);
        loop {
            // Who waits in line and ends its side has lost patience.
            let line = Line { client: &self.client, timer: &mut self.timer, ended_is_gone: true };
            let next = tries.next(&self.place.worker, &backend, line, &mut request.timings);
            let slot = match watch.unless_gone(&self.client, next).await {
                None => return gone,
                Some(Ok(slot)) => slot,
                Some(Err(NoServer::ClientGone)) => return Outcome::gone(Cause::Client, Phase::Queue),
                Some(Err(none)) => {
                    if let Some(termination) = none.termination() {
                        error = Count::ConnectErrors;
                        failed = Outcome::failed(termination, Reply::Unavailable);
                    }
                    break;
                }
            };
            request.meter.assign(&slot.view, self.place.worker.shared.epoch.ms(request.timings.start));
            let limit = backend.backend.timeouts.connect;
            let behalf = Behalf { addresses: &self.addresses, private: &self.private, stream: &self.client };
            let obtained =
                obtain(&self.place.worker, &slot, tries.reuse(first), &mut self.timer, limit, behalf);
            let Some(obtained) = watch.unless_gone(&self.client, obtained).await else { return gone };
            let (unsuccessful, reused) = match obtained {
                Ok(upstream) => {
                    let reused = upstream.reused;
                    let at_once = reused && tries.is_first();
                    let before = request.timings.start + request.timings.waited;
                    request.timings.connected = Some(if at_once { before } else { clock::now() });
                    match self.exchange(request, &slot, upstream).await {
                        Ok(outcome) => return outcome,
                        Err(unsuccessful) => {
                            error = Count::ResponseErrors;
                            failed = Outcome::no_answer(unsuccessful.failure);
                            (unsuccessful, reused)
                        }
                    }
                }
                Err(none) => {
                    error = Count::ConnectErrors;
                    failed = Outcome::failed(no_connection(none.failure, none.local), Reply::Unavailable);
                    (Unsuccessful { failure: none.failure, answer_begun: false }, false)
                }
            };
            let attempt = Attempt {
                failure: unsuccessful.failure,
                idempotent: facts.idempotent,
                sent: request.up.written,
                body_begun: request.up.body_is_gone(),
                answer_begun: unsuccessful.answer_begun,
                left: 0,
            };
            let again = tries.again(&backend, slot, attempt, reused);
            match watch.unless_gone(&self.client, again).await {
                None => return gone,
                Some(false) => break,
                Some(true) => {}
            }
            request.up.rewind();
        }
        // What another try made good is no error.
        request.meter.count(error);
        failed
    }

    /// One try on one connection.
    async fn exchange(
        &mut self,
        request: &mut Request<'_>,
        slot: &Slot,
        mut upstream: Upstream,
    ) -> Result<Outcome, Unsuccessful> {
        let Request { facts, backend, meter, up, timings } = request;
        let client_timeouts = self.frontend.frontend.timeouts;
        let server_timeout = backend.backend.timeouts.server;
        let mut begun = timings.connected.unwrap_or(timings.start);
        let mut server_buffer = Buffer::medium();
        let mut interim = 0;
        let mut watch = Watch::new(backend.backend.abort_on_close);
        let answer = loop {
            let mut exchange = Exchange::new(
                Side::new(&mut self.client, &mut self.buffer, client_timeouts.client, None, begun),
                Side::new(&mut upstream.stream, &mut server_buffer, server_timeout, None, begun),
                &mut self.timer,
                meter,
            );
            let site = response::Site {
                keep_client: !self.place.worker.is_draining(),
                via: self.frontend.frontend.forward.via,
            };
            let ask = Ask { request: facts, site, held: facts.expects && interim == 0 };
            match exchange.answer(up, ask, &mut watch, &mut self.down_head).await {
                Ok(answer) if answer.is_interim() => {
                    interim += 1;
                    if interim > MOST_INTERIM {
                        return Err(Unsuccessful { failure: Failure::Invalid, answer_begun: true });
                    }
                    begun = clock::now();
                    // HTTP/1.0 has no interim answers (RFC 9110 15.2).
                    if facts.is_11 && !self.pass_interim(meter).await {
                        return Ok(Outcome::gone(Cause::Client, Phase::Headers));
                    }
                }
                Ok(answer) => break answer,
                Err(Unanswered::Server(failure)) => {
                    let answer_begun = interim > 0 || !server_buffer.is_empty();
                    return Err(Unsuccessful { failure, answer_begun });
                }
                Err(Unanswered::ClientGone) => return Ok(Outcome::gone(Cause::Client, Phase::Headers)),
                Err(Unanswered::ClientTimeout) => {
                    self.frontend.refused(Reason::BodyTimeout);
                    let termination = Termination::new(Cause::ClientTimeout, Phase::Headers);
                    return Ok(Outcome::failed(termination, Reply::RequestTimeout));
                }
                Err(Unanswered::BadBody(reason)) => {
                    self.frontend.cells().inc(Count::BadRequests);
                    self.frontend.refused(reason);
                    let termination = Termination::new(Cause::Proxy, Phase::Request);
                    return Ok(Outcome::failed(termination, reason.reply()));
                }
            }
        };
        let answered = clock::now();
        timings.answered = Some(answered);
        let mut down = Transfer::new(std::mem::take(&mut self.down_head), answer.body, answer.sent);
        let mut exchange = Exchange::new(
            Side::new(&mut self.client, &mut self.buffer, client_timeouts.client, None, answered),
            Side::new(&mut upstream.stream, &mut server_buffer, server_timeout, None, answered),
            &mut self.timer,
            meter,
        );
        if exchange.look_ahead(&mut down).is_err() {
            // Nonsense came right behind the head: the client can still be told, as nothing of it has left.
            self.down_head = down.into_prefix();
            return Err(Unsuccessful { failure: Failure::Invalid, answer_begun: true });
        }
        // Before its client can ask how often it was answered.
        meter.answer(answer.status);
        let mut end = exchange.relay(up, &mut down).await;
        if answer.tunnel && end.is_ok() {
            end = tunnel(&mut exchange, &client_timeouts, &backend.backend.timeouts).await;
        }
        let up_is_done = up.is_done();
        if end.is_ok() && up_is_done && answer.server_keeps && server_buffer.is_empty() {
            let ended = clock::now();
            timings.ended = Some(ended);
            give_back(&slot.view, upstream, &self.private, ended);
        }
        self.down_head = down.into_prefix();
        Ok(self.answered(end, facts, &answer, up_is_done))
    }

    /// Sends an answer before the answer; false if the client is gone.
    async fn pass_interim(&mut self, meter: &Meter) -> bool {
        let limit = self.frontend.frontend.timeouts.client;
        meter.bytes_out(self.down_head.len() as u64);
        write_all(&mut self.client, &mut self.timer, limit, &self.down_head).await.is_ok()
    }

    fn answered(
        &self,
        end: Result<(), Cut>,
        request: &request::Facts,
        answer: &response::Facts,
        up_is_done: bool,
    ) -> Outcome {
        let next = match end {
            Ok(()) if !up_is_done => Next::Linger,
            Ok(()) if answer.client_keeps => Next::Request,
            // More came than will be read: closing on it would reset the connection and take the answer along.
            Ok(()) if !self.buffer.is_empty() || request.switches() && !answer.tunnel => Next::Linger,
            Ok(()) => Next::Close,
            Err(_) => {
                // A client must not take a cut answer for a whole one.
                self.client.reset_on_close();
                Next::Close
            }
        };
        Outcome::Answered { cut: cut(end), next }
    }

    /// `x-proxyd-fault: panic`, in debug builds that are told to obey it.
    #[cfg(debug_assertions)]
    fn fault(&self) {
        let asked = || self.up_head.windows(22).any(|w| w.eq_ignore_ascii_case(b"x-proxyd-fault: panic\r"));
        assert!(!(self.place.worker.faults && asked()), "a fault was asked for");
    }
}

/// After 101 bytes go both ways, whatever they are.
async fn tunnel(
    exchange: &mut Exchange<'_>,
    client: &ClientTimeouts,
    server: &ServerTimeouts,
) -> Result<(), Cut> {
    exchange.client.timeout = server.tunnel;
    exchange.client.fin_timeout = client.client_fin;
    exchange.server.timeout = server.tunnel;
    exchange.server.fin_timeout = server.server_fin;
    let mut up = Transfer::new(Vec::new(), Body::UntilClose, Body::UntilClose);
    let mut down = Transfer::new(Vec::new(), Body::UntilClose, Body::UntilClose);
    exchange.tunnel(&mut up, &mut down).await
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
