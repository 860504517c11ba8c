//! A connection in TCP mode: a server is picked once, then bytes go both ways.

use std::rc::Rc;

use super::access_log::{Entry, Trace};
use super::client::{Addresses, Behalf, Private};
use super::dispatch::{Reuse, Slot, Tries, Upstream, obtain};
use super::exchange::{Cut, Exchange, Side};
use super::meter::{Meter, Timings};
use super::queue::Line;
use super::record::{Moments, Record, Way};
use super::retry::{Attempt, Failure};
use super::termination::{Cause, Phase, Termination};
use super::transfer::Transfer;
use super::view::{BackendView, FrontendView};
use super::worker::Worker;
use crate::clock;
use crate::http::framing::Body;
use crate::net::buffer::Buffer;
use crate::net::stream::Stream;
use crate::net::timer::Timer;
use crate::stats::cells::Count;

/// Serves one client until both directions have ended.
pub async fn serve(
    worker: &Rc<Worker>,
    frontend: Rc<FrontendView>,
    mut client: Stream,
    addresses: &Addresses,
) {
    let Some(backend) = frontend.backend.clone() else { return };
    let mut timings = Timings::new(clock::now());
    let mut timer = Timer::default();
    let mut meter = Meter::new(Rc::clone(&frontend), Rc::clone(&backend), worker.shared.maxima());
    let mut trace = Trace::new(&frontend, timings.start);
    let mut way = Way::default();
    let behalf = Behalf { addresses, private: &Private::default(), stream: &client };
    let termination =
        match connect(worker, &backend, &mut meter, behalf, &mut timer, (&mut timings, &mut way)).await {
            Ok((_slot, mut server)) => {
                let connected = clock::now();
                timings.connected = Some(connected);
                if let (Some(trace), Some(log)) = (&mut trace, &frontend.frontend.log)
                    && log.wants_source
                {
                    trace.source = server.stream.local_addr();
                }
                let limits = (&frontend.frontend.timeouts, &backend.backend.timeouts);
                let (mut up_buffer, mut down_buffer) = (Buffer::small(), Buffer::medium());
                let mut exchange = Exchange::new(
                    Side::new(&mut client, &mut up_buffer, limits.0.client, limits.0.client_fin, connected),
                    Side::new(
                        &mut server.stream,
                        &mut down_buffer,
                        limits.1.server,
                        limits.1.server_fin,
                        connected,
                    ),
                    &mut timer,
                    &meter,
                );
                let mut up = Transfer::new(Vec::new(), Body::UntilClose, Body::UntilClose);
                let mut down = Transfer::new(Vec::new(), Body::UntilClose, Body::UntilClose);
                let end = exchange.tunnel(&mut up, &mut down).await;
                if end.is_err() {
                    // Neither side may take what it got for the whole.
                    client.reset_on_close();
                    server.stream.reset_on_close();
                }
                cut(end)
            }
            Err(termination) => termination,
        };
    let ended = clock::now();
    meter.finish(&timings, ended, termination);
    if let (Some(trace), Some(log)) = (trace, worker.log.get()) {
        let (bytes_in, bytes_out) = meter.bytes();
        let record = Record {
            moments: Moments {
                complete: Some(timings.start),
                connected: timings.connected,
                answered: timings.connected,
                ended,
                ..trace.moments
            },
            way,
            status: None,
            bytes_in,
            bytes_out,
            termination,
            reason: None,
        };
        let entry = Entry {
            record: &record,
            frontend: &frontend,
            backend: Some(&backend),
            server: meter.server(),
            addresses,
            local: &|| addresses.destination().or_else(|| client.local_addr()),
            source: trace.source,
            request_line: None,
        };
        log.write(&worker.shared, &entry);
    }
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

/// Tries servers until one accepts.
async fn connect(
    worker: &Rc<Worker>,
    backend: &Rc<BackendView>,
    meter: &mut Meter,
    behalf: Behalf<'_>,
    timer: &mut Timer,
    (timings, way): (&mut Timings, &mut Way),
) -> Result<(Slot, Upstream), Termination> {
    let mut tries = Tries::new(backend);
    let mut failed = Termination::new(Cause::Server, Phase::Connect);
    loop {
        // What a client sent before it ended its side is still to be forwarded.
        let line = Line { client: behalf.stream, timer, ended_is_gone: false };
        let next = tries.next(worker, backend, line, timings).await;
        *way = tries.way;
        let slot = match next {
            Ok(slot) => slot,
            Err(none) => {
                failed = none.termination().unwrap_or(failed);
                break;
            }
        };
        meter.assign(&slot.view, worker.shared.epoch.now_ms());
        match obtain(worker, &slot, Reuse::No, timer, backend.backend.timeouts.connect, behalf).await {
            Ok(upstream) => return Ok((slot, upstream)),
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
