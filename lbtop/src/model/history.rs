//! What was: rates from counters, and the requests of the last two minutes in buckets.

use std::collections::VecDeque;

use super::clock::Mono;

/// How long one bucket is.
const BUCKET_MS: u64 = 5000;
/// How many complete buckets are kept.
const BUCKETS: usize = 24;
/// Over how long errors are set against requests.
const WINDOW_MS: u64 = 10_000;

/// Counters at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    pub requests: u64,
    pub errors: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// The past of one row.
#[derive(Clone, Debug, Default)]
pub struct History {
    recent: VecDeque<(Mono, Counters)>,
    /// Requests a bucket; `None` where nothing was seen, which is no zero.
    buckets: VecDeque<Option<u64>>,
    /// Number of the bucket being filled, and what it has.
    open: Option<(u64, u64)>,
}

impl History {
    /// Takes new counters. Counters that went back mean a restart: rates begin anew, the past stays.
    pub fn push(&mut self, at: Mono, now: Counters) {
        let last = self.recent.back().copied();
        if last.is_some_and(|(_, old)| now.requests < old.requests || now.errors < old.errors) {
            self.recent.clear();
        }
        let gained = self.recent.back().map(|(_, old)| now.requests - old.requests);
        self.advance(at);
        if let (Some(gained), Some((_, sum))) = (gained, self.open.as_mut()) {
            *sum = sum.saturating_add(gained);
        }
        while self.recent.len() > 1
            && self.recent.front().is_some_and(|(then, _)| at.saturating_sub(*then) > WINDOW_MS)
        {
            self.recent.pop_front();
        }
        self.recent.push_back((at, now));
    }

    /// Forgets the counters, not the buckets: the next counters are the first of another life.
    pub fn restart(&mut self) {
        self.recent.clear();
    }

    fn advance(&mut self, at: Mono) {
        let number = at / BUCKET_MS;
        match self.open {
            None => self.open = Some((number, 0)),
            Some((open, sum)) if open < number => {
                self.buckets.push_back(Some(sum));
                let missed = usize::try_from(number - open - 1).unwrap_or(usize::MAX).min(BUCKETS);
                self.buckets.extend(std::iter::repeat_n(None, missed));
                while self.buckets.len() > BUCKETS {
                    self.buckets.pop_front();
                }
                self.open = Some((number, 0));
            }
            Some(_) => {}
        }
    }

    /// What was gained a second over the last interval.
    pub fn rates(&self) -> Option<Rates> {
        let mut newest = self.recent.iter().rev();
        let (at, now) = newest.next()?;
        let (then, old) = newest.next()?;
        let seconds = (at.saturating_sub(*then)) as f64 / 1000.0;
        (seconds > 0.0).then(|| Rates {
            requests: (now.requests - old.requests) as f64 / seconds,
            bytes_in: now.bytes_in.saturating_sub(old.bytes_in) as f64 / seconds,
            bytes_out: now.bytes_out.saturating_sub(old.bytes_out) as f64 / seconds,
        })
    }

    /// Requests and errors of the last ten seconds, which move less than those of one.
    pub fn window(&self) -> (u64, u64, u64) {
        match (self.recent.front(), self.recent.back()) {
            (Some((then, old)), Some((at, now))) => {
                (now.requests - old.requests, now.errors - old.errors, at.saturating_sub(*then))
            }
            _ => (0, 0, 0),
        }
    }

    /// The last `cells` steps of `per_cell` complete buckets, oldest first; `None` is a gap.
    pub fn bars(&self, cells: usize, per_cell: usize) -> Vec<Option<u64>> {
        let mut bars = vec![None; cells];
        let newest_first: Vec<_> = self.buckets.iter().rev().copied().collect();
        for (bar, chunk) in bars.iter_mut().rev().zip(newest_first.chunks(per_cell.max(1))) {
            *bar = chunk.iter().flatten().copied().reduce(u64::saturating_add);
        }
        bars
    }
}

/// What is gained a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    pub requests: f64,
    pub bytes_in: f64,
    pub bytes_out: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(requests: u64, errors: u64) -> Counters {
        Counters { requests, errors, ..Counters::default() }
    }

    #[test]
    fn rates_come_from_differences() {
        let mut history = History::default();
        history.push(1000, at(10, 0));
        assert_eq!(history.rates(), None);
        history.push(3000, at(30, 5));
        assert_eq!(history.rates().map(|r| r.requests), Some(10.0));
        assert_eq!(history.window(), (20, 5, 2000));
    }

    #[test]
    fn counters_that_go_back_are_a_restart() {
        let mut history = History::default();
        history.push(1000, at(100, 1));
        history.push(2000, at(110, 1));
        history.push(3000, at(4, 0));
        assert_eq!(history.rates(), None);
        history.push(4000, at(9, 0));
        assert_eq!(history.rates().map(|r| r.requests), Some(5.0));
    }

    #[test]
    fn buckets_show_gaps_as_gaps() {
        let mut history = History::default();
        for second in 0..10 {
            history.push(second * 1000, at(second * 2, 0));
        }
        history.push(25_000, at(50, 0));
        assert_eq!(history.bars(6, 1), [None, Some(8), Some(10), None, None, None]);
        assert_eq!(history.bars(3, 2), [Some(8), Some(10), None]);
        history.push(10_000_000, at(60, 0));
        assert_eq!(history.bars(2, 1), [None, None]);
    }
}
