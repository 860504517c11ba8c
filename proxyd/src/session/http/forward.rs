//! One request on its way: a server, its answer, and back; on another server where a try failed.

mod under_way;

use std::pin::pin;
use std::rc::Rc;

use self::under_way::UnderWay;
use super::log::End;
use super::persistence::Persisted;
use super::{Connection, Next};
use crate::clock;
use crate::config::ServerTimeouts;
use crate::http::framing::Body;
use crate::http::refusal::Reason;
use crate::http::reply::Reply;
use crate::http::{request, response};
use crate::net::buffer::Buffer;
use crate::net::stream::Stream;
use crate::persist::Letters;
use crate::session::client::Behalf;
use crate::session::dispatch::{NoConnection, Reuse, Tries, Upstream, give_back, obtain};
use crate::session::exchange::{Ask, Cut, Exchange, Gone, Side, Unanswered, write_all};
use crate::session::leash;
use crate::session::meter::{Meter, Timings};
use crate::session::queue::{Leaves, Line, NoServer};
use crate::session::record::Way;
use crate::session::retry::{self, Attempt, Failure};
use crate::session::slot::Slot;
use crate::session::stick::Stuck;
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
    /// The hash of its key, where the backend balances by one.
    key: Option<u32>,
    meter: Meter,
    /// Its head as the server is sent it, and its body.
    up: Transfer,
    timings: Timings,
    way: Way,
    /// Its cookie, where the backend has one.
    persisted: Persisted,
    /// Whom stick rules lead it to.
    stuck: Stuck,
    /// The server's connection, where it has become a tunnel.
    tunnel: Option<Upstream>,
    /// Why it was refused.
    reason: Option<Reason>,
}

impl Request<'_> {
    /// A cookie's server goes before one that tables know.
    fn tries(&self) -> Tries {
        let mut tries = self.persisted.tries(&self.backend, self.key);
        self.stuck.prefer(&mut tries);
        tries
    }

    /// From here on it is this server's.
    fn assigned(&mut self, slot: &Slot, now_ms: u64) {
        self.persisted.assigned(slot);
        self.meter.assign(slot, now_ms);
    }

    /// What it comes to if there is no other try: what is counted, and how it ends.
    fn not_connected(&mut self, none: NoConnection) -> (Count, Outcome) {
        if none.failure != Failure::NoUpgrade {
            let termination = no_connection(none.failure, none.local);
            return (Count::ConnectErrors, Outcome::failed(termination, Reply::Unavailable));
        }
        let reason = *self.reason.insert(Reason::NoUpgrade);
        let termination = Termination::new(Cause::Proxy, Phase::Headers);
        (Count::ResponseErrors, Outcome::failed(termination, reason.reply()))
    }
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
    /// Something of an answer went to the client.
    answer_begun: bool,
}

impl Connection {
    /// Forwards the request whose head was read, and answers it.
    pub(super) async fn forward(&mut self, facts: &request::Facts) -> Next {
        let Some(backend) = self.frontend.backend.clone() else {
            self.frontend.cells().add(Count::BytesIn, facts.length as u64);
            let timings = Timings::new(self.now);
            let next = self.reply(facts, Reply::Unavailable, None, facts.body == Body::None).await;
            self.now = clock::now();
            self.log_request(
                None,
                Some(Reply::Unavailable.status()),
                End {
                    timings,
                    way: Way::default(),
                    termination: Termination::new(Cause::Server, Phase::Connect),
                    bytes_in: facts.length as u64,
                    bytes_out: self.down_head.len() as u64,
                    cookies: Letters::default(),
                    reason: None,
                },
            );
            return next;
        };
        #[cfg(debug_assertions)]
        let fault = self.is_fault_asked_for();
        let mut request = self.take_in(facts, backend);
        let mut under_way = UnderWay::new(self, &mut request);
        #[cfg(debug_assertions)]
        assert!(!fault, "a fault was asked for");
        let UnderWay { connection, request, .. } = &mut under_way;
        let mut own_bytes = 0;
        let worker = Rc::clone(&connection.place.worker);
        let dispatched = {
            let backend = Rc::clone(&request.backend);
            let attempts = pin!(connection.attempts(request));
            leash::held(&worker, &backend, attempts).await
        };
        let outcome = dispatched.unwrap_or_else(|cause| connection.let_go(request, cause));
        let (termination, next) = match outcome {
            Outcome::Answered { cut, next } => (cut, next),
            Outcome::Failed { termination, reply: None } => (termination, Next::Close),
            Outcome::Failed { termination, reply: Some(reply) } => {
                request.meter.reply(reply.status());
                let whole = facts.body == Body::None || request.up.is_done();
                let next = connection.reply(facts, reply, Some(&request.backend), whole).await;
                own_bytes = connection.down_head.len() as u64;
                (termination, next)
            }
        };
        under_way.finish(termination, own_bytes);
        next
    }

    /// Makes a request of what was read.
    fn take_in<'f>(&mut self, facts: &'f request::Facts, backend: Rc<BackendView>) -> Request<'f> {
        let mut meter =
            Meter::new(Rc::clone(&self.frontend), Rc::clone(&backend), self.place.worker.shared.maxima());
        meter.request();
        let source = self.addresses.client.map(|address| address.ip());
        let persisted = Persisted::read(&backend.backend, &mut self.up_head, source);
        let key = self.key(facts, &backend);
        let stuck = self.look_up(facts, &backend, &persisted, &mut meter);
        let mut up =
            Transfer::new(std::mem::take(&mut self.up_head), as_read(&self.client, facts.body), facts.body);
        if facts.body != Body::None {
            up.limit(self.frontend.frontend.http.max_body);
            up.bar(&self.frontend.frontend.client_cert_headers);
            let (retries, may_refuse) = (&backend.backend.retries, backend.may_refuse);
            if let Some(most) = retry::kept(retries, facts.idempotent, may_refuse, facts.body) {
                up.keep(most);
            }
        }
        Request {
            stuck,
            facts,
            backend,
            key,
            meter,
            up,
            timings: Timings::new(self.now),
            way: Way::default(),
            persisted,
            tunnel: None,
            reason: None,
        }
    }

    /// It has to end with what became of its server. Who has heard nothing of an answer yet is told.
    fn let_go(&self, request: &Request<'_>, cause: Cause) -> Outcome {
        match request.meter.phase(&request.timings) {
            Phase::Data => {
                // A client must not take a cut answer for a whole one.
                self.client.reset_on_close();
                Outcome::Answered { cut: Termination::new(cause, Phase::Data), next: Next::Close }
            }
            phase => Outcome::failed(Termination::new(cause, phase), Reply::Unavailable),
        }
    }

    /// Tries servers until one answers or there is no more to try.
    async fn attempts(&mut self, request: &mut Request<'_>) -> Outcome {
        let backend = Rc::clone(&request.backend);
        let facts = request.facts;
        let mut tries = request.tries();
        let mut error = Count::ConnectErrors;
        let mut failed = Outcome::failed(Termination::new(Cause::Server, Phase::Connect), Reply::Unavailable);
        let first = if facts.idempotent && facts.body == Body::None { Reuse::Yes } else { Reuse::Surely };
        let mut watch = Watch::new(backend.backend.abort_on_close);
        let gone = Outcome::gone(Cause::Client, Phase::Connect);
        let leaves = if backend.backend.abort_on_close { Leaves::AtItsEnd } else { Leaves::ByReset };
        loop {
            let (worker, timings) = (&self.place.worker, &mut request.timings);
            let line = Line { client: &self.client, timer: &mut self.timer, leaves };
            let next =
                watch.unless_gone(&self.client, pin!(tries.next(worker, &backend, line, timings))).await;
            request.way = tries.way;
            let slot = match next {
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
            request.assigned(&slot, self.place.worker.shared.epoch.ms(request.timings.start));
            let limit = backend.backend.timeouts.connect;
            let behalf = Behalf {
                addresses: &self.addresses,
                private: &self.private,
                stream: &self.client,
                upgrade: facts.upgrade,
            };
            let (reuse, timer) = (tries.reuse(first), &mut self.timer);
            let worker = &self.place.worker;
            let obtained = watch
                .unless_gone(&self.client, pin!(obtain(worker, &slot, reuse, timer, limit, behalf)))
                .await;
            let Some(obtained) = obtained else { return gone };
            let (unsuccessful, reused) = match obtained {
                Ok(upstream) => {
                    let reused = upstream.reused;
                    self.note_source(&upstream.stream);
                    let at_once = reused && tries.is_first();
                    let before = request.timings.start + request.timings.waited;
                    request.timings.connected = Some(if at_once { before } else { clock::now() });
                    match self.exchange(request, &slot, &mut tries, upstream).await {
                        Ok(outcome) => return outcome,
                        Err(unsuccessful) => {
                            error = Count::ResponseErrors;
                            failed = Outcome::no_answer(unsuccessful.failure);
                            let idle = unsuccessful.failure.may_come_of_idleness();
                            (unsuccessful, reused && idle)
                        }
                    }
                }
                Err(none) => {
                    (error, failed) = request.not_connected(none);
                    (Unsuccessful { failure: none.failure, answer_begun: false }, false)
                }
            };
            let attempt = unsuccessful.attempt(facts, &request.up);
            let again =
                watch.unless_gone(&self.client, pin!(tries.again(&backend, slot, attempt, reused))).await;
            match again {
                None => return gone,
                Some(false) => break,
                Some(true) => {}
            }
            request.up.rewind();
            request.meter.tally().rewind();
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
        tries: &mut Tries,
        mut upstream: Upstream,
    ) -> Result<Outcome, Unsuccessful> {
        let Request { facts, backend, meter, up, timings, persisted, tunnel, reason: refused, .. } = request;
        let limits = (self.frontend.frontend.timeouts.client, backend.backend.timeouts.server);
        let mut begun = timings.connected.unwrap_or(timings.start);
        let mut server_buffer = Buffer::medium();
        let mut interim = 0;
        let mut watch = Watch::new(backend.backend.abort_on_close);
        let answer = loop {
            let mut exchange = Exchange::new(
                Side::new(&mut self.client, &mut self.buffer, limits.0, None, begun),
                Side::new(&mut upstream.stream, &mut server_buffer, limits.1, None, begun),
                &mut self.timer,
                meter,
            );
            let site = response::Site {
                keep_client: !self.place.worker.is_draining(),
                via: self.frontend.frontend.forward.via,
                keep_alive: self.frontend.frontend.told_keep_alive,
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
                    slot.took_none(&self.place.worker, (failure, upstream.reused), begun, limits.1);
                    return Err(Unsuccessful { failure, answer_begun: interim > 0 });
                }
                Err(Unanswered::Client(gone)) => return Ok(self.gave_up(gone, refused)),
            }
        };
        let answered = slot.answered(&self.place.worker, answer.status, begun);
        let unwanted = Unsuccessful { failure: Failure::Status(answer.status), answer_begun: interim > 0 };
        if tries.may_repeat(backend, unwanted.attempt(facts, up)).await {
            return Err(unwanted);
        }
        self.keep(persisted, &mut request.stuck, (&backend.backend, slot), answer.status);
        timings.answered = Some(answered);
        let mut down = Transfer::new(
            std::mem::take(&mut self.down_head),
            as_read(&upstream.stream, answer.body),
            answer.sent,
        );
        let mut exchange = Exchange::new(
            Side::new(&mut self.client, &mut self.buffer, limits.0, None, answered),
            Side::new(&mut upstream.stream, &mut server_buffer, limits.1, None, answered),
            &mut self.timer,
            meter,
        );
        if exchange.look_ahead(&mut down).is_err() {
            // Nonsense came right behind the head: the client can still be told, as nothing of it has left.
            self.down_head = down.take_prefix();
            return Err(Unsuccessful { failure: Failure::Invalid, answer_begun: interim > 0 });
        }
        // Before its client can ask how often it was answered.
        meter.answer(answer.status);
        let mut end = exchange.relay(up, &mut down).await;
        let up_is_done = up.is_done();
        if answer.tunnel && end.is_ok() {
            let server = tunnel.insert(upstream);
            end = Box::pin(self.tunnel(server, &mut server_buffer, meter, &backend.backend.timeouts)).await;
        } else if end.is_ok()
            && up_is_done
            && answer.server_keeps
            && server_buffer.is_empty()
            && !upstream.stream.is_h2()
        {
            let ended = clock::now();
            timings.ended = Some(ended);
            give_back(&slot.view, upstream, &self.private, ended);
        }
        self.down_head = down.take_prefix();
        Ok(self.answered(end, facts, &answer, up_is_done))
    }

    /// After a switch bytes go both ways, whatever they are. It takes room that few requests need.
    async fn tunnel(
        &mut self,
        server: &mut Upstream,
        buffer: &mut Buffer,
        meter: &Meter,
        timeouts: &ServerTimeouts,
    ) -> Result<(), Cut> {
        let (limit, client_fin) = (timeouts.tunnel, self.frontend.frontend.timeouts.client_fin);
        let now = clock::now();
        let mut exchange = Exchange::new(
            Side::new(&mut self.client, &mut self.buffer, limit, client_fin, now),
            Side::new(&mut server.stream, buffer, limit, timeouts.server_fin, now),
            &mut self.timer,
            meter,
        );
        let mut up = Transfer::new(Vec::new(), Body::UntilClose, Body::UntilClose);
        let mut down = Transfer::new(Vec::new(), Body::UntilClose, Body::UntilClose);
        exchange.tunnel(&mut up, &mut down).await
    }

    /// The client did not do its part.
    fn gave_up(&self, gone: Gone, refused: &mut Option<Reason>) -> Outcome {
        let (reason, cause, phase) = match gone {
            Gone::Closed => return Outcome::gone(Cause::Client, Phase::Headers),
            Gone::Silent => (Reason::BodyTimeout, Cause::ClientTimeout, Phase::Headers),
            Gone::Nonsense(reason) => {
                self.frontend.cells().inc(Count::BadRequests);
                (reason, Cause::Proxy, Phase::Request)
            }
        };
        self.frontend.refused(reason);
        *refused = Some(reason);
        Outcome::failed(Termination::new(cause, phase), reason.reply())
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
    fn is_fault_asked_for(&self) -> bool {
        let asked = || self.up_head.windows(22).any(|w| w.eq_ignore_ascii_case(b"x-proxyd-fault: panic\r"));
        self.place.worker.faults && asked()
    }
}

/// How a body is read: a stream that frames by itself ends it, whatever its head says of a length.
fn as_read(from: &Stream, body: Body) -> Body {
    if from.is_h2() && body != Body::None { Body::UntilClose } else { body }
}

impl Unsuccessful {
    /// How far it came.
    fn attempt(&self, facts: &request::Facts, up: &Transfer) -> Attempt {
        Attempt {
            failure: self.failure,
            idempotent: facts.idempotent,
            sent: up.written,
            body_begun: up.body_is_gone(),
            answer_begun: self.answer_begun,
            left: 0,
        }
    }
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
            Failure::Refused | Failure::Unheard => (Cause::Server, Reply::Unavailable),
            Failure::Timeout => (Cause::ServerTimeout, Reply::GatewayTimeout),
            Failure::Invalid => (Cause::Proxy, Reply::BadGateway),
            Failure::Empty
            | Failure::Partial
            | Failure::Connect
            | Failure::ConnectTimeout
            | Failure::NoTls
            | Failure::NoUpgrade
            | Failure::Status(_) => (Cause::Server, Reply::BadGateway),
        };
        Self::failed(Termination::new(cause, Phase::Headers), reply)
    }
}
