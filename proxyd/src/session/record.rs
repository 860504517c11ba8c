//! The facts of one request or TCP session, as the access log tells them: plain data, filled along the way.
//!
//! The timers are those of HAProxy's configuration manual, 8.4; what did not come about is `None` there and -1 in a
//! line.

use std::time::Duration;

use super::meter::Timings;
use super::termination::Termination;
use crate::clock::{Instant, ms_between as ms};
use crate::persist::Letters;

/// What dispatching did: filled by whoever chooses servers and waits for room on them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Way {
    /// Time in queues, all of them together; `None` where no server was ever given.
    pub queued: Option<Duration>,
    /// Requests in front of this one in the servers' own queues.
    pub server_queue: u32,
    /// The same in the backend's.
    pub backend_queue: u32,
    /// Further tries after the first.
    pub retries: u32,
    /// One of them went to another server.
    pub redispatched: bool,
}

impl Way {
    /// It was still waiting for room when it ended.
    pub fn waits_until(&mut self, timings: &mut Timings, end: Instant) {
        timings.waited = end.saturating_duration_since(timings.start);
        self.queued = Some(timings.waited);
    }
}

/// Readings of the clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moments {
    /// Handshakes in front of the first request.
    pub handshake: Duration,
    /// Since when the connection waited for this request: its accept, or the end of the answer before.
    pub idle_since: Instant,
    /// The request's first byte came; the time a line of HTTP bears.
    pub first_byte: Option<Instant>,
    /// Its head was whole and sound. In TCP mode that is the accept.
    pub complete: Option<Instant>,
    /// A connection to a server was had.
    pub connected: Option<Instant>,
    /// The answer's head was whole. In TCP mode that is the connection.
    pub answered: Option<Instant>,
    /// All was over.
    pub ended: Instant,
}

/// One request or session that is over.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub moments: Moments,
    pub way: Way,
    /// What the client was answered.
    pub status: Option<u16>,
    /// From the client.
    pub bytes_in: u64,
    /// To the client, heads and our own answers too.
    pub bytes_out: u64,
    pub termination: Termination,
    /// What was found and given of a cookie.
    pub cookies: Letters,
    /// Why it was refused.
    pub reason: Option<&'static str>,
}

/// Milliseconds; `None` is a timer that did not run out.
pub type Ms = Option<u64>;

impl Moments {
    /// Before anything came.
    pub fn waiting(since: Instant) -> Self {
        Self {
            handshake: Duration::ZERO,
            idle_since: since,
            first_byte: None,
            complete: None,
            connected: None,
            answered: None,
            ended: since,
        }
    }

    /// `%Ti`: until the first byte.
    pub fn idle(&self) -> Ms {
        Some(ms(self.idle_since, self.first_byte?))
    }

    /// `%TR`: from the first byte to the end of the head.
    pub fn request(&self) -> Ms {
        Some(ms(self.first_byte?, self.complete?))
    }

    /// `%Tq`: from the end of the answer before, or the accept, to the end of the head.
    pub fn whole_request(&self) -> Ms {
        Some(self.handshake.as_millis() as u64 + self.idle()? + self.request()?)
    }

    /// `%Tr`: from the connection to the end of the answer's head.
    pub fn response(&self) -> Ms {
        Some(ms(self.connected?, self.answered?))
    }

    /// `%Ta`: from the first byte to the end.
    pub fn active(&self) -> u64 {
        ms(self.first_byte.unwrap_or(self.idle_since), self.ended)
    }

    /// `%Tt`: from the end of the answer before, or the accept, to the end.
    pub fn total(&self) -> u64 {
        self.handshake.as_millis() as u64 + ms(self.idle_since, self.ended)
    }
}

impl Record {
    /// `%Tw`: in the queues.
    pub fn queue(&self) -> Ms {
        Some(self.way.queued?.as_millis() as u64)
    }

    /// `%Tc`: until a connection stood, all tries together.
    pub fn connect(&self) -> Ms {
        let Moments { complete, connected, .. } = self.moments;
        Some(ms(complete? + self.way.queued?, connected?))
    }

    /// `%Td`: passing the body on.
    pub fn data(&self) -> Ms {
        Some(ms(self.moments.answered?, self.moments.ended))
    }

    /// `%tsc`.
    pub const fn letters(&self) -> [u8; 4] {
        let ([cause, phase], [found, given]) = (self.termination.letters(), self.cookies.0);
        [cause, phase, found, given]
    }

    /// Whether it is worth an error line: aborted, timed out, tried again, or answered with 5xx.
    pub fn is_error(&self) -> bool {
        self.termination != Termination::default()
            || self.way.retries > 0
            || self.status.is_some_and(|status| status >= 500)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn timers() {
        let start = clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut record = Record {
            moments: Moments { ended: at(30), ..Moments::waiting(start) },
            way: Way::default(),
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            termination: Termination::default(),
            cookies: Letters::default(),
            reason: None,
        };
        let m = &record.moments;
        assert_eq!((m.idle(), m.request(), m.whole_request(), m.response()), (None, None, None, None));
        assert_eq!((m.active(), m.total()), (30, 30));
        assert_eq!((record.queue(), record.connect(), record.data()), (None, None, None));
        record.moments = Moments {
            first_byte: Some(at(3)),
            complete: Some(at(10)),
            connected: Some(at(35)),
            answered: Some(at(55)),
            ended: at(100),
            ..record.moments
        };
        record.way.queued = Some(Duration::from_millis(20));
        let m = &record.moments;
        assert_eq!(
            (m.idle(), m.request(), m.whole_request(), m.response()),
            (Some(3), Some(7), Some(10), Some(20))
        );
        assert_eq!((m.active(), m.total()), (97, 100));
        assert_eq!((record.queue(), record.connect(), record.data()), (Some(20), Some(5), Some(45)));
        record.moments.answered = None;
        assert_eq!(record.data(), None, "nothing was passed on before an answer");
        assert!(!record.is_error());
        record.status = Some(503);
        assert!(record.is_error());
    }
}
