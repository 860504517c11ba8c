//! How much of what is of no use to anybody a client may send: so many frames of a kind in a while, and no more.
//!
//! The clock is read only where a count has come to its limit, so that who stays below pays for an addition.

use std::time::Duration;

use super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
    Scanner, WINDOW_UPDATE,
};
use crate::clock::Instant;
use crate::http::ending::Ending;

/// The time for which a budget is meant.
const WHILE: Duration = Duration::from_secs(10);
/// Windows that may be opened for each frame of data that is sent.
const WINDOWS_A_FRAME: u32 = 10;

/// What passed within a while.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    pings: u32,
    settings: u32,
    priorities: u32,
    resets: u32,
    windows: u32,
    empty: u32,
    unknown: u32,
    stream_errors: u32,
    /// What makes some of the others reasonable.
    heads: u32,
    data: u32,
}

/// What both sides sent, as far as it matters.
#[derive(Debug)]
pub(super) struct Guard {
    budget: u32,
    counts: Counts,
    since: Instant,
    received: Scanner,
    sent: Scanner,
    /// Heads that have begun, in all.
    heads: u64,
    /// The last of them has not ended.
    head_open: bool,
    /// Why the connection is to end.
    verdict: Option<Ending>,
    /// With what code we ended it.
    goaway: u32,
}

impl Guard {
    /// The client begins with so many bytes that are no frame.
    pub(super) fn new(budget: u32, preface: usize, now: Instant) -> Self {
        Self {
            budget,
            counts: Counts::default(),
            since: now,
            received: Scanner::behind(preface),
            sent: Scanner::default(),
            heads: 0,
            head_open: false,
            verdict: None,
            goaway: 0,
        }
    }

    pub(super) fn verdict(&self) -> Option<Ending> {
        self.verdict
    }

    /// Why the engine ended the connection, if it did.
    pub(super) fn told(&self) -> Option<Ending> {
        Ending::of_code(self.goaway)
    }

    /// How many heads have begun, of requests and of trailers.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// A head has begun and not ended.
    pub(super) fn is_head_open(&self) -> bool {
        self.head_open || self.received.is_within(HEADERS) || self.received.is_within(CONTINUATION)
    }

    /// The client sent this.
    pub(super) fn received(&mut self, bytes: &[u8], now: impl Fn() -> Instant) {
        let mut scanner = std::mem::take(&mut self.received);
        scanner.scan(bytes, |frame| self.note(frame, &now));
        self.received = scanner;
    }

    /// We sent this; `reset` is told the code of each stream we reset.
    pub(super) fn sent(&mut self, bytes: &[u8], now: impl Fn() -> Instant, mut reset: impl FnMut(u32)) {
        let mut scanner = std::mem::take(&mut self.sent);
        scanner.scan(bytes, |frame| match frame.kind {
            DATA => self.counts.data = self.counts.data.saturating_add(1),
            RST_STREAM => {
                reset(frame.code);
                // Nobody is to blame for NO_ERROR, CANCEL and what servers did.
                if !matches!(frame.code, 0 | 2 | 8) {
                    self.counts.stream_errors += 1;
                    self.judge(&now);
                }
            }
            super::frames::GOAWAY => self.goaway = frame.code,
            _ => {}
        });
        self.sent = scanner;
    }

    fn note(&mut self, frame: Frame, now: &impl Fn() -> Instant) {
        let counts = &mut self.counts;
        match frame.kind {
            HEADERS => {
                counts.heads = counts.heads.saturating_add(1);
                self.heads += 1;
                self.head_open = frame.flags & END_HEADERS == 0;
                return;
            }
            CONTINUATION => {
                self.head_open = frame.flags & END_HEADERS == 0;
                if frame.length > 0 {
                    return;
                }
                counts.empty += 1;
            }
            DATA if frame.length > 0 || frame.flags & END_STREAM != 0 => return,
            DATA => counts.empty += 1,
            PRIORITY => counts.priorities += 1,
            RST_STREAM => counts.resets += 1,
            SETTINGS if frame.flags & ACK == 0 => counts.settings += 1,
            PING if frame.flags & ACK == 0 => counts.pings += 1,
            WINDOW_UPDATE => counts.windows += 1,
            _ => counts.unknown += 1,
        }
        self.judge(now);
    }

    fn excess(&self) -> Option<Ending> {
        let Counts {
            pings,
            settings,
            priorities,
            resets,
            windows,
            empty,
            unknown,
            stream_errors,
            heads,
            data,
        } = self.counts;
        let budget = self.budget;
        let few = (budget / 5).max(1);
        [
            (pings, budget, Ending::Pings),
            (settings, (budget / 10).max(1), Ending::Settings),
            (priorities, budget.saturating_add(heads), Ending::Priorities),
            // Who takes back more than half of what it asks for wants no answers.
            (resets, few.saturating_add(heads / 2), Ending::Resets),
            (windows, budget.saturating_add(data.saturating_mul(WINDOWS_A_FRAME)), Ending::Windows),
            (empty, few, Ending::Empty),
            (unknown, budget, Ending::Unknown),
            (stream_errors, few, Ending::StreamErrors),
        ]
        .into_iter()
        .find_map(|(count, most, ending)| (count > most).then_some(ending))
    }

    fn judge(&mut self, now: &impl Fn() -> Instant) {
        let Some(ending) = self.excess() else { return };
        let now = now();
        if now.saturating_duration_since(self.since) < WHILE {
            self.verdict.get_or_insert(ending);
        } else {
            self.since = now;
            self.counts = Counts::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn frames(kind: u8, flags: u8, count: usize) -> Vec<u8> {
        let one = [0, 0, 4, kind, flags, 0, 0, 0, 1, 0, 0, 0, 1];
        one.repeat(count)
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_and_no_more() {
        for (kind, most, ending) in [
            (PING, 100, Ending::Pings),
            (SETTINGS, 10, Ending::Settings),
            (PRIORITY, 100, Ending::Priorities),
            (RST_STREAM, 20, Ending::Resets),
            (WINDOW_UPDATE, 100, Ending::Windows),
            (77, 100, Ending::Unknown),
        ] {
            let start = clock::now();
            let mut guard = Guard::new(100, 0, start);
            guard.received(&frames(kind, 0, most), || start);
            assert_eq!(guard.verdict(), None, "{kind}");
            guard.received(&frames(kind, 0, 1), || start);
            assert_eq!(guard.verdict(), Some(ending));
            let mut guard = Guard::new(100, 0, start);
            guard.received(&frames(kind, 0, most), || start);
            guard.received(&frames(kind, 0, 1), || start + WHILE);
            assert_eq!(guard.verdict(), None, "{kind} over a longer time");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_of_use_earns_some() {
        let start = clock::now();
        let mut guard = Guard::new(100, 0, start);
        for _ in 0..500 {
            guard.received(&frames(HEADERS, END_HEADERS, 2), || start);
            guard.received(&frames(RST_STREAM, 0, 1), || start);
            guard.sent(&frames(DATA, 0, 1), || start, |_| ());
            guard.received(&frames(WINDOW_UPDATE, 0, 10), || start);
        }
        assert_eq!(guard.verdict(), None);
        guard.received(&frames(RST_STREAM, 0, 21), || start);
        assert_eq!(guard.verdict(), Some(Ending::Resets));
    }

    #[tokio::test(start_paused = true)]
    async fn what_we_had_to_reset_counts() {
        let start = clock::now();
        let mut guard = Guard::new(100, 0, start);
        let mut codes = Vec::new();
        guard.sent(&frames(RST_STREAM, 0, 20), || start, |code| codes.push(code));
        assert_eq!((guard.verdict(), codes), (None, vec![1; 20]));
        guard.sent(&frames(RST_STREAM, 0, 1), || start, |_| ());
        assert_eq!(guard.verdict(), Some(Ending::StreamErrors));
        guard.sent(&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9], || start, |_| ());
        assert_eq!(guard.told(), Some(Ending::Compression));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_is_open_until_its_end() {
        let start = clock::now();
        let mut guard = Guard::new(100, 0, start);
        guard.received(&frames(HEADERS, 0, 1), || start);
        assert!(guard.is_head_open());
        guard.received(&frames(CONTINUATION, END_HEADERS, 1)[..11], || start);
        assert!(guard.is_head_open());
        guard.received(&frames(CONTINUATION, END_HEADERS, 1)[11..], || start);
        assert!(!guard.is_head_open());
    }
}
