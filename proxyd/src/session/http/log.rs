//! What the access log is told of a connection in HTTP mode.

use super::Connection;
use crate::http::refusal::Reason;
use crate::net::stream::Stream;
use crate::persist::Letters;
use crate::session::access_log::Entry;
use crate::session::meter::{Meter, Timings};
use crate::session::record::{Moments, Record, Way};
use crate::session::termination::{Cause, Phase, Termination};

/// How a request ended, as far as its meter does not know it.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) timings: Timings,
    pub(super) way: Way,
    pub(super) termination: Termination,
    pub(super) bytes_in: u64,
    /// Of an answer of our own.
    pub(super) bytes_out: u64,
    pub(super) cookies: Letters,
    pub(super) reason: Option<&'static str>,
}

impl Connection {
    /// A request whose head was whole is over.
    pub(super) fn log_request(&self, meter: Option<&Meter>, status: Option<u16>, end: End) {
        let End { timings, way, termination, bytes_in, bytes_out, cookies, reason } = end;
        let record =
            |moments| Record { moments, way, status, bytes_in, bytes_out, termination, cookies, reason };
        self.log(meter, |moments| {
            record(Moments {
                complete: Some(timings.start),
                connected: timings.connected,
                answered: timings.answered,
                ended: self.now,
                ..moments
            })
        });
    }

    /// A head that was refused, or did not come in time.
    pub(super) fn log_refused(&self, reason: Reason) {
        let cause = match reason {
            Reason::HeadTimeout => Cause::ClientTimeout,
            Reason::EndsEarly => Cause::Client,
            _ => Cause::Proxy,
        };
        let bytes_out = self.down_head.len() as u64;
        self.log_headless(cause, Some(reason.reply().status()), bytes_out, Some(reason.text()));
    }

    /// The client went away before its head was whole; an idle connection that ends is nothing to tell.
    pub(super) fn log_gone(&self) {
        let is_null = self.requests == 0 && !self.place.worker.is_draining();
        if is_null || !self.buffer.is_empty() {
            self.log_headless(Cause::Client, None, 0, None);
        }
    }

    /// Given up before the head was whole.
    pub(super) fn log_cut(&self, cause: Cause) {
        self.log_headless(cause, None, 0, None);
    }

    fn log_headless(&self, cause: Cause, status: Option<u16>, bytes_out: u64, reason: Option<&'static str>) {
        let bytes_in = self.buffer.len() as u64;
        self.log(None, |moments| Record {
            moments: Moments {
                first_byte: moments.first_byte.filter(|_| bytes_in > 0),
                ended: crate::clock::now(),
                ..moments
            },
            way: Way::default(),
            status,
            bytes_in,
            bytes_out,
            termination: Termination::new(cause, Phase::Request),
            cookies: Letters::default(),
            reason,
        });
    }

    fn log(&self, meter: Option<&Meter>, record: impl FnOnce(Moments) -> Record) {
        let (Some(trace), Some(log)) = (&self.trace, self.place.worker.log.get()) else { return };
        let record = record(trace.moments);
        let is_head = record.moments.complete.is_some();
        let entry = Entry {
            record: &record,
            frontend: &self.frontend,
            backend: meter.map(|meter| &**meter.backend()),
            server: meter.and_then(Meter::server),
            addresses: &self.addresses,
            local: &|| self.addresses.destination().or_else(|| self.client.local_addr()),
            source: trace.source,
            request_line: is_head.then_some(&*trace.line),
        };
        log.write(&self.place.worker.shared, &entry);
    }

    /// Keeps where a server was connected from, where lines say it.
    pub(super) fn note_source(&mut self, upstream: &Stream) {
        if let (Some(trace), Some(log)) = (&mut self.trace, &self.frontend.frontend.log)
            && log.wants_source
        {
            trace.source = upstream.local_addr();
        }
    }
}
