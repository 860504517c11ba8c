//! What a request under way owes: its end is counted and logged once, whatever ends it.

use super::Request;
use crate::clock;
use crate::http::refusal::Reason;
use crate::session::http::Connection;
use crate::session::http::log::End;
use crate::session::termination::{Phase, Termination};
use crate::stats::cells::Count;

/// A request and the connection it came on, until its end.
pub(super) struct UnderWay<'a, 'r> {
    pub(super) connection: &'a mut Connection,
    pub(super) request: &'a mut Request<'r>,
    over: bool,
}

impl<'a, 'r> UnderWay<'a, 'r> {
    pub(super) fn new(connection: &'a mut Connection, request: &'a mut Request<'r>) -> Self {
        Self { connection, request, over: false }
    }

    /// Counts and logs it; `own_bytes` are those of an answer of our own.
    pub(super) fn finish(&mut self, termination: Termination, own_bytes: u64) {
        // First of all: what goes wrong from here on is not told of in turn.
        self.over = true;
        let Self { connection, request, .. } = self;
        let Request { facts, meter, up, timings, way, persisted, tunnel, reason, .. } = request;
        if let Some(server) = tunnel.take()
            && termination != Termination::default()
        {
            // It was cut: the server must not take what it got for the whole, no more than the client.
            server.stream.reset_on_close();
        }
        persisted.count(meter.backend());
        let nothing_sent = up.written == 0;
        if nothing_sent {
            // What goes to a server is counted as it goes; this went nowhere.
            connection.frontend.cells().add(Count::BytesIn, facts.length as u64);
            meter.tally().rewind();
            meter.tally().received(facts.length as u64);
        }
        connection.up_head = up.take_prefix();
        connection.now = timings.ended.unwrap_or_else(clock::now);
        meter.finish(timings, connection.now, termination);
        let (flowed, sent) = meter.bytes();
        let received = if nothing_sent { facts.length as u64 } else { flowed };
        meter.tally().sent(own_bytes);
        for tracked in meter.tally().all() {
            tracked.answered(meter.status().unwrap_or(0));
        }
        if connection.trace.is_some() {
            let end = End {
                timings: *timings,
                way: *way,
                termination,
                bytes_in: received,
                bytes_out: sent + own_bytes,
                cookies: persisted.letters(),
                reason: reason.map(Reason::text),
            };
            connection.log_request(Some(meter), meter.status(), end);
        }
    }
}

impl Drop for UnderWay<'_, '_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let Self { connection, request: Request { meter, timings, way, .. }, .. } = self;
        let phase = meter.phase(timings);
        if phase == Phase::Queue {
            way.waits_until(timings, clock::now());
        }
        let termination = Termination::new(connection.place.worker.cut(), phase);
        self.finish(termination, 0);
    }
}
