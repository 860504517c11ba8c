//! One worker's block of cells of one object, and the sum over all workers.

use std::mem::offset_of;
use std::sync::Mutex;

use crossbeam_utils::CachePadded;

use super::counter::{Average, Counter, Peak};

/// Which of the monotonic counters; the order is that of the block. Those that most requests change come first, and fill
/// a line of the cache.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(usize)]
pub enum Count {
    /// Sessions of a frontend, streams of a backend or server (`stot`).
    Sessions,
    /// Requests of HTTP (`req_tot`).
    Requests,
    /// Bytes received from clients (`bin`).
    BytesIn,
    /// Bytes sent to clients (`bout`).
    BytesOut,
    /// Times the algorithm chose it (`lbtot`).
    Chosen,
    /// Connections tried to servers (`connect`).
    Connects,
    /// Requests on a connection that was open already (`reuse`).
    Reuses,
    Status2xx,
    /// Requests refused for what they said (`ereq`).
    BadRequests,
    /// Connections to servers that failed (`econ`).
    ConnectErrors,
    /// Answers that broke off or made no sense (`eresp`).
    ResponseErrors,
    Retries,
    Redispatches,
    ClientAborts,
    ServerAborts,
    Status1xx,
    Status3xx,
    Status4xx,
    Status5xx,
    StatusOther,
    /// Connections closed for where they came from (`dcon`).
    DeniedConnections,
    /// Connections to servers for which no address or port of ours was free.
    NoAddress,
    /// Errors of our own (`eint`).
    Internal,
    /// Answers made here (`intercepted`).
    Intercepted,
    /// TLS handshakes with servers that failed.
    TlsFailures,
    /// TLS handshakes that came to their end: of a frontend with clients, of a server with it.
    Handshakes,
    /// Those of them that resumed a session.
    Resumptions,
    /// Connections that speak HTTP/2.
    Http2Sessions,
    /// Requests on them.
    Http2Requests,
    /// Answers of servers whose time was taken, where servers are compared by it.
    TimedAnswers,
    /// That time, in microseconds.
    AnswerTime,
    /// Requests and sessions that ended for what became of a server.
    EndedByVerdict,
}

/// Number of [`Count`]s.
pub const COUNTS: usize = Count::EndedByVerdict as usize + 1;

/// The times of a request, averaged and with their maxima.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(usize)]
pub enum Time {
    Queue,
    Connect,
    Response,
    Total,
}

/// One worker's block. What most requests change stands in front: where there are thousands of servers, nothing of theirs
/// is in the cache.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Cells {
    /// Sessions or streams now.
    pub current: Counter,
    current_max: Peak,
    /// Milliseconds of the process's epoch, 0 for never.
    pub last_session: Counter,
    /// Idle server connections of this worker.
    pub idle: Counter,
    times: [Average; 4],
    counts: [Counter; COUNTS],
}

const _: () =
    assert!(offset_of!(Cells, counts) == 128 && Count::Status2xx as usize == 7, "three lines of 64 bytes");

impl Cells {
    pub fn inc(&self, which: Count) {
        self.add(which, 1);
    }

    pub fn add(&self, which: Count, n: u64) {
        self.counts[which as usize].add(n);
    }

    /// One more now; returns how many on this worker.
    pub fn enter(&self, epoch: u32) {
        self.current.add(1);
        self.current_max.raise(epoch, self.current.get());
    }

    pub fn leave(&self) {
        self.current.sub(1);
    }

    pub fn time(&self, which: Time, epoch: u32, ms: u64) {
        self.times[which as usize].push(epoch, ms);
    }

    /// Counts an answer by its status class.
    pub fn status(&self, status: u16) {
        self.inc(match status / 100 {
            1 => Count::Status1xx,
            2 => Count::Status2xx,
            3 => Count::Status3xx,
            4 => Count::Status4xx,
            5 => Count::Status5xx,
            _ => Count::StatusOther,
        });
    }
}

/// All workers' blocks of one object.
#[derive(Debug)]
#[repr(C)]
pub struct Sharded {
    /// First, since it is all that requests look at.
    shards: Box<[CachePadded<Cells>]>,
    /// Maximum of the true totals, as sampled.
    pub sampled_max: Peak,
    baseline: Mutex<[u64; COUNTS]>,
}

/// What a reader gets: sums over all workers.
#[derive(Clone, Debug)]
pub struct Totals {
    counts: [u64; COUNTS],
    pub current: u64,
    pub current_max: u64,
    /// Average and maximum, milliseconds.
    pub times: [(u64, u64); 4],
    /// Milliseconds of the process's epoch, `None` for never.
    pub last_session: Option<u64>,
    pub idle: u64,
}

impl Totals {
    pub fn get(&self, which: Count) -> u64 {
        self.counts[which as usize]
    }

    pub fn average(&self, which: Time) -> u64 {
        self.times[which as usize].0
    }

    pub fn maximum(&self, which: Time) -> u64 {
        self.times[which as usize].1
    }
}

impl Sharded {
    pub fn new(workers: usize) -> Self {
        Self {
            shards: (0..workers).map(|_| CachePadded::default()).collect(),
            baseline: Mutex::new([0; COUNTS]),
            sampled_max: Peak::default(),
        }
    }

    /// The block of one worker; only that worker may write to it.
    pub fn worker(&self, index: usize) -> &Cells {
        &self.shards[index]
    }

    /// Another worker than `index` that has an idle connection.
    pub fn idle_elsewhere(&self, index: usize) -> Option<usize> {
        let workers = self.shards.len();
        (1..workers).map(|step| (index + step) % workers).find(|&other| self.shards[other].idle.get() > 0)
    }

    /// Since the process started; never goes back.
    pub fn raw(&self, which: Count) -> u64 {
        self.shards.iter().map(|cells| cells.counts[which as usize].get()).sum()
    }

    /// Sessions or streams now.
    pub fn current(&self) -> u64 {
        // A session may be seen to leave on one worker before another's entry is seen.
        self.shards.iter().map(|cells| cells.current.get() as i64).sum::<i64>().max(0) as u64
    }

    /// What `show stat` shows: since the last `clear counters all`.
    pub fn totals(&self, epoch: u32) -> Totals {
        // Held first: a baseline taken after the totals were read would be larger than they are.
        let baseline = self.baseline.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut totals = self.raw_totals(epoch);
        for (total, base) in totals.counts.iter_mut().zip(baseline.iter()) {
            *total -= base;
        }
        totals
    }

    /// What `/metrics` shows: since the process started.
    pub fn raw_totals(&self, epoch: u32) -> Totals {
        let mut counts = [0; COUNTS];
        let mut times = [(0, 0, 0); 4];
        let (mut last, mut idle, mut max) = (0, 0, self.sampled_max.get(epoch));
        for cells in &self.shards {
            for (total, cell) in counts.iter_mut().zip(&cells.counts) {
                *total += cell.get();
            }
            for ((sum, n, most), time) in times.iter_mut().zip(&cells.times) {
                let (s, count) = time.window();
                *sum += s;
                *n += count;
                *most = time.max(epoch).max(*most);
            }
            last = last.max(cells.last_session.get());
            idle += cells.idle.get();
            max = max.max(cells.current_max.get(epoch));
        }
        let current = self.current();
        Totals {
            counts,
            current,
            current_max: max.max(current),
            times: times.map(|(sum, n, most)| (sum.checked_div(n).unwrap_or(0), most)),
            last_session: (last != 0).then_some(last),
            idle,
        }
    }

    /// From here on `totals` counts from zero.
    pub fn clear(&self) {
        let mut baseline = self.baseline.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (i, base) in baseline.iter_mut().enumerate() {
            *base = self.shards.iter().map(|cells| cells.counts[i].get()).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clearing_records_a_baseline() {
        let stats = Sharded::new(2);
        stats.worker(0).add(Count::BytesIn, 5);
        stats.worker(1).add(Count::BytesIn, 7);
        assert_eq!(stats.totals(0).get(Count::BytesIn), 12);
        stats.clear();
        stats.worker(1).inc(Count::BytesIn);
        assert_eq!(stats.totals(0).get(Count::BytesIn), 1);
        assert_eq!(stats.raw(Count::BytesIn), 13);
    }

    #[test]
    fn maxima_belong_to_an_epoch() {
        let stats = Sharded::new(2);
        stats.worker(0).enter(0);
        stats.worker(1).enter(0);
        stats.worker(0).leave();
        stats.worker(1).leave();
        stats.sampled_max.raise(0, 2);
        assert_eq!(stats.totals(0).current_max, 2);
        assert_eq!(stats.totals(1).current_max, 0);
    }

    #[test]
    fn statuses_have_a_class() {
        let stats = Sharded::new(1);
        for status in [100, 204, 301, 404, 503, 700] {
            stats.worker(0).status(status);
        }
        let totals = stats.totals(0);
        for class in
            [Count::Status1xx, Count::Status2xx, Count::Status3xx, Count::Status4xx, Count::Status5xx]
        {
            assert_eq!(totals.get(class), 1);
        }
        assert_eq!(totals.get(Count::StatusOther), 1);
    }
}
