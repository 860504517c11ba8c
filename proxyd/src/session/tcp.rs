//! A connection in TCP mode: a server is picked once, then bytes go both ways.

use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;

use super::access_log::{Entry, Trace};
use super::client::{Addresses, Behalf};
use super::dispatch::{Reuse, Tries, Upstream, obtain};
use super::exchange::{Cut, Exchange, Side};
use super::facts::Seen;
use super::leash;
use super::meter::{Meter, Timings};
use super::private::Private;
use super::queue::{Leaves, Line};
use super::record::{Moments, Record, Way};
use super::retry::{Attempt, Failure};
use super::route;
use super::slot::Slot;
use super::stick::Stuck;
use super::termination::{Cause, Phase, Termination};
use super::track::Tally;
use super::transfer::Transfer;
use super::view::{BackendView, FrontendView, ServerView};
use super::worker::{Place, Worker};
use crate::balance::key;
use crate::clock;
use crate::config::Algorithm;
use crate::config::condition::Subject;
use crate::http::framing::Body;
use crate::net::buffer::Buffer;
use crate::net::stream::Stream;
use crate::net::timer::Timer;
use crate::persist::Letters;
use crate::sample::Facts;
use crate::stats::cells::Count;

/// Serves one client until both directions have ended.
pub async fn serve(place: &Place, frontend: Rc<FrontendView>, mut client: Stream, addresses: &Addresses) {
    let worker = &place.worker;
    let accepted = clock::now();
    let trace = Trace::new(&frontend, addresses, accepted);
    let mut buffer = Buffer::small();
    let (backend, start) = if frontend.frontend.routes.is_empty() {
        let Some(backend) = frontend.backend.clone() else { return };
        (backend, accepted)
    } else {
        let choosing = route::choose(&frontend, &mut client, addresses, &mut buffer, accepted);
        match Box::pin(choosing).await {
            Ok(backend) => (backend, clock::now()),
            Err(nowhere) => {
                let told = (trace, buffer.len());
                return refuse(worker, &frontend, (addresses, &client), told, nowhere);
            }
        }
    };
    let timings = Timings::new(start);
    let mut meter = Meter::new(Rc::clone(&frontend), Rc::clone(&backend), worker.shared.maxima());
    if Tally::is_wanted(&frontend, &backend) {
        let seen = Seen { addresses, stream: &client, worker };
        meter.count_in(Tally::begin(&frontend, &backend, place, &Facts::of_connection(&seen)));
    }
    meter.bytes_in(buffer.len() as u64);
    let mut session = Session {
        meter,
        trace,
        worker,
        frontend,
        backend,
        client,
        buffer,
        server: None,
        addresses,
        timings,
        way: Way::default(),
        over: false,
    };
    let backend = Rc::clone(&session.backend);
    let ended = {
        let run = pin!(session.run());
        leash::held(worker, &backend, run).await
    };
    match ended {
        Ok(termination) => session.finish(termination),
        Err(cause) => session.cut(cause),
    }
}

/// One client and its server. Its end is counted and logged once, whatever ends it.
struct Session<'a> {
    worker: &'a Rc<Worker>,
    frontend: Rc<FrontendView>,
    backend: Rc<BackendView>,
    client: Stream,
    /// What came of the client, and is to be sent on.
    buffer: Buffer,
    server: Option<(Slot, Upstream)>,
    addresses: &'a Addresses,
    meter: Meter,
    timings: Timings,
    way: Way,
    trace: Option<Box<Trace>>,
    over: bool,
}

impl Session<'_> {
    async fn run(&mut self) -> Termination {
        let mut timer = Timer::default();
        let private = Private::default();
        let behalf =
            Behalf { addresses: self.addresses, private: &private, stream: &self.client, upgrade: false };
        let course = (&mut self.timings, &mut self.way);
        let found = connect(self.worker, &self.backend, &mut self.meter, behalf, &mut timer, course).await;
        let server = match found {
            Ok(found) => self.server.insert(found),
            Err(termination) => return termination,
        };
        let connected = clock::now();
        self.timings.connected = Some(connected);
        // Of what is said afterwards nothing is known.
        server.0.took(self.worker, self.timings.start + self.timings.waited, connected);
        #[cfg(debug_assertions)]
        assert!(!(self.worker.faults && &*self.frontend.frontend.name == "faulty"), "a fault was asked for");
        if let (Some(trace), Some(log)) = (&mut self.trace, &self.frontend.frontend.log)
            && log.wants_source
        {
            trace.source = server.1.stream.local_addr();
        }
        let limits = (&self.frontend.frontend.timeouts, &self.backend.backend.timeouts);
        let mut down_buffer = Buffer::medium();
        let mut exchange = Exchange::new(
            Side::new(&mut self.client, &mut self.buffer, limits.0.client, limits.0.client_fin, connected),
            Side::new(
                &mut server.1.stream,
                &mut down_buffer,
                limits.1.server,
                limits.1.server_fin,
                connected,
            ),
            &mut timer,
            &self.meter,
        );
        let mut up = Transfer::new(Vec::new(), Body::UntilClose, Body::UntilClose);
        let mut down = Transfer::new(Vec::new(), Body::UntilClose, Body::UntilClose);
        let end = exchange.tunnel(&mut up, &mut down).await;
        if end.is_err() {
            self.reset();
        }
        self.server = None;
        cut(end)
    }

    /// Neither side may take what it got for the whole.
    fn reset(&self) {
        self.client.reset_on_close();
        if let Some((_, server)) = &self.server {
            server.stream.reset_on_close();
        }
    }

    /// It ends where it stands.
    fn cut(&mut self, cause: Cause) {
        self.reset();
        let phase = match self.meter.phase(&self.timings) {
            Phase::Headers => Phase::Data,
            phase => phase,
        };
        if phase == Phase::Queue {
            self.way.waits_until(&mut self.timings, clock::now());
        }
        self.finish(Termination::new(cause, phase));
    }

    fn finish(&mut self, termination: Termination) {
        // First of all: what goes wrong from here on is not told of in turn.
        self.over = true;
        let Self { meter, timings, client, addresses, .. } = self;
        let ended = clock::now();
        meter.finish(timings, ended, termination);
        let (bytes_in, bytes_out) = meter.bytes();
        let Some(trace) = &self.trace else { return };
        let moments = Moments {
            complete: Some(timings.start),
            connected: timings.connected,
            answered: timings.connected,
            ended,
            ..trace.moments
        };
        let way = self.way;
        let record = Record {
            moments,
            way,
            status: None,
            bytes_in,
            bytes_out,
            termination,
            cookies: Letters::default(),
            reason: None,
        };
        let server = (Some(&*self.backend), meter.server(), trace.source);
        write(self.worker, &self.frontend, server, (addresses, client), &record);
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.cut(self.worker.cut());
    }
}

/// Tells of a session that got no further than being read.
fn refuse(
    worker: &Worker,
    frontend: &FrontendView,
    client: (&Addresses, &Stream),
    (trace, read): (Option<Box<Trace>>, usize),
    (termination, reason): (Termination, Option<&'static str>),
) {
    let bytes_in = read as u64;
    frontend.cells().add(Count::BytesIn, bytes_in);
    if let Some(trace) = trace {
        let moments = Moments { ended: clock::now(), ..trace.moments };
        let way = Way::default();
        let record = Record {
            moments,
            way,
            status: None,
            bytes_in,
            bytes_out: 0,
            termination,
            cookies: Letters::default(),
            reason,
        };
        write(worker, frontend, (None, None, None), client, &record);
    }
}

/// A line of the access log.
fn write(
    worker: &Worker,
    frontend: &FrontendView,
    (backend, server, source): (Option<&BackendView>, Option<&ServerView>, Option<SocketAddr>),
    (addresses, client): (&Addresses, &Stream),
    record: &Record,
) {
    let Some(log) = worker.log.get() else { return };
    let entry = Entry {
        record,
        frontend,
        backend,
        server,
        addresses,
        local: &|| addresses.destination().or_else(|| client.local_addr()),
        source,
        request_line: None,
    };
    log.write(&worker.shared, &entry);
}

/// How a tunnel's end is called.
pub fn cut(end: Result<(), Cut>) -> Termination {
    match end {
        Ok(()) => Termination::default(),
        Err(Cut::Client) => Termination::new(Cause::Client, Phase::Data),
        Err(Cut::Server) => Termination::new(Cause::Server, Phase::Data),
        Err(Cut::ClientTimeout) => Termination::new(Cause::ClientTimeout, Phase::Data),
        Err(Cut::ServerTimeout) => Termination::new(Cause::ServerTimeout, Phase::Data),
    }
}

/// The hash of what the backend balances by.
fn key(worker: &Worker, backend: &BackendView, behalf: Behalf<'_>) -> Option<u32> {
    let Algorithm::Hash(hash) = &backend.backend.balance else { return None };
    let seen = Seen { addresses: behalf.addresses, stream: behalf.stream, worker };
    key::of(hash, &Facts::of_connection(&seen))
}

/// Tries servers until one accepts.
async fn connect(
    worker: &Rc<Worker>,
    backend: &Rc<BackendView>,
    meter: &mut Meter,
    behalf: Behalf<'_>,
    timer: &mut Timer,
    (timings, way): (&mut Timings, &mut Way),
) -> Result<(Slot, Upstream), Termination> {
    let mut tries = Tries::new(backend, key(worker, backend, behalf));
    let mut stuck = Stuck::none();
    if !backend.backend.stick.is_empty() {
        let seen = Seen { addresses: behalf.addresses, stream: behalf.stream, worker };
        let facts = Facts::of_connection(&seen);
        let exception = backend.backend.persist.exception(&Subject::of_connection(behalf.ip()));
        stuck = Stuck::read(&backend.backend, &facts, false, exception, worker.shared.epoch.now_ms());
        stuck.prefer(&mut tries);
    }
    let mut failed = Termination::new(Cause::Server, Phase::Connect);
    loop {
        // What a client sent before it ended its side is still to be forwarded.
        let line = Line { client: behalf.stream, timer, leaves: Leaves::WithNothingLeft };
        let next = tries.next(worker, backend, line, timings).await;
        *way = tries.way;
        let slot = match next {
            Ok(slot) => slot,
            Err(none) => {
                failed = none.termination().unwrap_or(failed);
                break;
            }
        };
        meter.assign(&slot, worker.shared.epoch.now_ms());
        match obtain(worker, &slot, Reuse::No, timer, backend.backend.timeouts.connect, behalf).await {
            Ok(upstream) => {
                if !stuck.is_none() {
                    let seen = Seen { addresses: behalf.addresses, stream: behalf.stream, worker };
                    let (facts, now) = (Facts::of_connection(&seen), worker.shared.epoch.now_ms());
                    stuck.answered(&backend.backend, &facts, slot.index, now);
                }
                return Ok((slot, upstream));
            }
            Err(none) => {
                failed = no_connection(none.failure, none.local);
                let attempt = Attempt {
                    failure: none.failure,
                    idempotent: false,
                    sent: 0,
                    body_begun: false,
                    answer_begun: false,
                    left: 0,
                };
                if !tries.again(backend, slot, attempt, false).await {
                    break;
                }
            }
        }
    }
    // What another try made good is no error.
    if failed != Termination::new(Cause::Client, Phase::Queue) {
        meter.count(Count::ConnectErrors);
    }
    Err(failed)
}

/// What a session that found no server is called.
pub fn no_connection(failure: Failure, local: bool) -> Termination {
    let cause = match failure {
        _ if local => Cause::Resource,
        Failure::ConnectTimeout => Cause::ServerTimeout,
        _ => Cause::Server,
    };
    Termination::new(cause, Phase::Connect)
}
