//! Who is left out: pure.

use std::collections::VecDeque;
use std::time::Duration;

use super::LOOKS;
use crate::clock::Instant;
use crate::config::Eject;
use crate::model::absence::Absence;
use crate::model::server::Fault;

/// What a server has done since the process started.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    pub requests: u64,
    pub failures: u64,
    /// Answers whose time was taken, and that time, in microseconds.
    pub answers: u64,
    pub answer_us: u64,
}

/// One server at one time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reading {
    pub tally: Tally,
    /// It is one of those that share the traffic: active, with a weight, neither in maintenance nor draining nor
    /// asking for no new sessions.
    pub counts: bool,
    /// It is up, and not left out.
    pub is_up: bool,
    pub is_ejected: bool,
    /// When it was left out last, or is now.
    pub last: Option<Absence>,
}

/// A server to be left out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outlier {
    pub index: usize,
    pub absence: Absence,
    pub fault: Fault,
    pub reason: String,
}

/// A median below this counts as this: what is fast enough is not compared.
const FAST_US: u64 = 10_000;

/// So many standard deviations and less are chance.
const SIGMAS: u64 = 3;

/// What is remembered of the servers of one backend.
#[derive(Debug)]
pub struct Judge {
    conf: Eject,
    seats: Vec<Seat>,
}

#[derive(Clone, Debug, Default)]
struct Seat {
    /// The last readings, as many as the window has looks and one more.
    past: VecDeque<Tally>,
}

impl Tally {
    fn since(self, before: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(before.requests),
            failures: self.failures.saturating_sub(before.failures),
            answers: self.answers.saturating_sub(before.answers),
            answer_us: self.answer_us.saturating_sub(before.answer_us),
        }
    }

    /// Requests that failed, in percent.
    fn failed(self) -> u64 {
        (self.failures * 100).checked_div(self.requests).unwrap_or(0).min(100)
    }

    /// Whether so many percent of failures are so much more than what all have, and more than chance makes of that.
    fn stands_out(self, median: u64, limit: u64) -> bool {
        let above = self.failed().saturating_sub(median);
        // Of the distance of two shares, each over so many requests: squared and in percent, each of them has a
        // deviation of median * (100 - median) / requests.
        let chance = SIGMAS * SIGMAS * 2 * median * (100 - median);
        above > 0 && above >= limit && (above * above).saturating_mul(self.requests) > chance
    }

    /// Mean time to an answer, in microseconds.
    fn latency(self) -> Option<u64> {
        self.answer_us.checked_div(self.answers)
    }
}

impl Seat {
    fn window(&self) -> Tally {
        match (self.past.front(), self.past.back()) {
            (Some(first), Some(last)) => last.since(*first),
            _ => Tally::default(),
        }
    }

    /// The window in two; the older half is empty where it has not been looked at for so long.
    fn halves(&self) -> [Tally; 2] {
        let middle = self.past.len().saturating_sub(1 + LOOKS as usize / 2);
        match (self.past.front(), self.past.get(middle), self.past.back()) {
            (Some(first), Some(middle), Some(last)) => [middle.since(*first), last.since(*middle)],
            _ => Default::default(),
        }
    }

    fn look(&mut self, tally: Tally) {
        if self.past.len() > LOOKS as usize {
            self.past.pop_front();
        }
        self.past.push_back(tally);
    }
}

impl Judge {
    pub fn new(conf: Eject, servers: usize) -> Self {
        Self { conf, seats: vec![Seat::default(); servers] }
    }

    /// Takes in one reading of each server, and says who is to be left out from now on.
    pub fn judge(&mut self, now: Instant, readings: &[Reading]) -> Vec<Outlier> {
        for (seat, reading) in self.seats.iter_mut().zip(readings) {
            if reading.is_ejected {
                // What it did before says nothing any more.
                seat.past.clear();
            } else {
                seat.look(reading.tally);
            }
        }
        let counted = |reading: &&Reading| reading.counts;
        let mut up = readings.iter().filter(counted).filter(|reading| reading.is_up).count();
        let out = readings.iter().filter(|reading| reading.is_ejected).count();
        let share = readings.iter().filter(counted).count() * self.conf.most as usize / 100;
        let mut room = share.max(1).saturating_sub(out);
        let mut outliers = Vec::new();
        for (index, fault, reason) in self.worst_first(readings) {
            // The last one is better than none.
            if room == 0 || up <= 1 {
                break;
            }
            (room, up) = (room - 1, up - 1);
            let absence = Absence::after(readings[index].last, now, self.conf.base);
            let reason = format!("{reason}; for {}", in_words(absence.length));
            // It may be back before the next look.
            self.seats[index].past.clear();
            outliers.push(Outlier { index, absence, fault, reason });
        }
        outliers
    }

    /// Those that do worse than they may.
    fn worst_first(&self, readings: &[Reading]) -> Vec<(usize, Fault, String)> {
        let least = u64::from(self.conf.min_requests);
        let judged: Vec<(usize, Tally)> = self
            .seats
            .iter()
            .zip(readings)
            .enumerate()
            .filter(|(_, (_, reading))| reading.counts && reading.is_up)
            .map(|(index, (seat, _))| (index, seat.window()))
            .filter(|(_, window)| window.requests >= least)
            .collect();
        let window = in_words(self.conf.window);
        let mut found = Vec::new();
        if let Some(limit) = self.conf.errors {
            let median = median(judged.iter().map(|(_, window)| window.failed()));
            for (index, tally) in &judged {
                if tally.stands_out(median, u64::from(limit)) {
                    let (failed, requests) = (tally.failed(), tally.requests);
                    let reason = format!(
                        "{failed}% of its {requests} requests within {window} failed, {} points above the median of {median}%",
                        failed - median
                    );
                    found.push((failed, (*index, Fault::Errors, reason)));
                }
            }
        }
        if let Some(factor) = self.conf.latency {
            let median = median(judged.iter().filter_map(|(_, window)| window.latency()));
            let halves: Vec<[Tally; 2]> =
                judged.iter().map(|(index, _)| self.seats[*index].halves()).collect();
            // A slow answer or two, or all that become slow and are not seen to at once, are slow in one half only.
            let slow = [slow(&halves, 0, factor), slow(&halves, 1, factor)];
            for (at, (index, tally)) in judged.iter().enumerate() {
                let Some(latency) = tally.latency().filter(|latency| is_slow(*latency, median, factor))
                else {
                    continue;
                };
                if slow.iter().all(|half| half[at]) && !found.iter().any(|(_, (other, ..))| other == index) {
                    let (latency, median) = (latency / 1000, median / 1000);
                    let reason =
                        format!("it took {latency}ms to answer within {window}, the median is {median}ms");
                    // Behind those that fail.
                    found.push((0, (*index, Fault::Latency, reason)));
                }
            }
        }
        found.sort_by_key(|(failed, _)| std::cmp::Reverse(*failed));
        found.into_iter().map(|(_, worse)| worse).collect()
    }
}

/// Which servers were slow in one of the halves.
fn slow(halves: &[[Tally; 2]], half: usize, factor: u32) -> Vec<bool> {
    let latencies = || halves.iter().map(|halves| halves[half].latency());
    let median = median(latencies().flatten());
    latencies().map(|latency| latency.is_some_and(|latency| is_slow(latency, median, factor))).collect()
}

fn is_slow(latency: u64, median: u64, factor: u32) -> bool {
    latency > median.max(FAST_US) * u64::from(factor) / 100
}

/// The lower one of two in the middle.
fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

fn in_words(time: Duration) -> String {
    proto::units::format_duration(time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock;

    const BASE: Duration = Duration::from_secs(30);
    const TICK: Duration = Duration::from_secs(1);

    fn conf() -> Eject {
        Eject {
            errors: Some(50),
            latency: Some(300),
            window: TICK * LOOKS,
            base: BASE,
            most: 20,
            min_requests: 10,
        }
    }

    /// Servers of a backend, each with what it does in a second: requests, failures, milliseconds an answer takes.
    struct Play {
        judge: Judge,
        now: Instant,
        readings: Vec<Reading>,
    }

    impl Play {
        fn new(conf: Eject, servers: usize) -> Self {
            let reading = Reading { counts: true, is_up: true, ..Reading::default() };
            Self { judge: Judge::new(conf, servers), now: clock::now(), readings: vec![reading; servers] }
        }

        fn readmit(&mut self, index: usize) {
            let reading = &mut self.readings[index];
            (reading.is_ejected, reading.is_up) = (false, true);
            if let Some(last) = &mut reading.last {
                last.end(self.now);
            }
        }

        /// A second passes; what was done in it. Who is due back is.
        fn second(&mut self, doing: &[(u64, u64, u64)]) -> Vec<Outlier> {
            for (reading, (requests, failures, ms)) in self.readings.iter_mut().zip(doing) {
                if reading.is_up {
                    reading.tally.requests += requests;
                    reading.tally.failures += failures;
                    reading.tally.answers += requests;
                    reading.tally.answer_us += requests * ms * 1000;
                }
            }
            self.now += TICK;
            for index in 0..self.readings.len() {
                let Reading { is_ejected, last, .. } = self.readings[index];
                if is_ejected && last.is_some_and(|last| last.until <= self.now) {
                    self.readmit(index);
                }
            }
            let outliers = self.judge.judge(self.now, &self.readings);
            for outlier in &outliers {
                let reading = &mut self.readings[outlier.index];
                (reading.is_ejected, reading.is_up) = (true, false);
                reading.last = Some(outlier.absence);
            }
            outliers
        }

        /// Who is left out, in which second, and for how many.
        fn seconds(&mut self, seconds: u32, doing: &[(u64, u64, u64)]) -> Vec<(u32, usize, u64)> {
            (1..=seconds)
                .flat_map(|at| {
                    let outliers = self.second(doing);
                    outliers.into_iter().map(move |out| (at, out.index, out.absence.length.as_secs()))
                })
                .collect()
        }
    }

    #[test]
    fn one_that_fails_is_left_out_again_and_longer() {
        let mut play = Play::new(conf(), 5);
        let well = (20, 0, 5);
        assert_eq!(play.seconds(20, &[well; 5]), []);
        let ill = [well, (20, 20, 5), well, well, well];
        // Half of what is in the window has to have failed; the second time begins as soon as enough is known again.
        assert_eq!(play.seconds(60, &ill), [(5, 1, 30), (36, 1, 60)]);
        assert_eq!(play.seconds(60, &[well; 5]), []);
        assert!(!play.readings[1].is_ejected);
        // It is forgiven little by little.
        play.seconds(60, &[well; 5]);
        assert_eq!(play.seconds(20, &ill).first().map(|out| out.2), Some(30));
    }

    #[test]
    fn the_reason_says_it_in_numbers() {
        let mut play = Play::new(conf(), 3);
        let mut acts = play.second(&[(20, 0, 5); 3]);
        while acts.is_empty() {
            acts = play.second(&[(20, 15, 5), (20, 1, 5), (20, 0, 5)]);
        }
        assert_eq!((acts.len(), acts[0].index, acts[0].fault), (1, 0, Fault::Errors));
        assert_eq!(
            acts[0].reason,
            "75% of its 20 requests within 10s failed, 70 points above the median of 5%; for 30s"
        );
    }

    #[test]
    fn one_that_is_slow_is_left_out() {
        let mut play = Play::new(conf(), 5);
        assert_eq!(play.seconds(20, &[(20, 0, 20); 5]), []);
        let acts = play.seconds(12, &[(20, 0, 20), (20, 0, 20), (20, 0, 400), (20, 0, 25), (20, 0, 20)]);
        assert_eq!(acts.len(), 1);
        assert_eq!(acts[0].1, 2);
        // Three times nothing is nothing.
        let mut play = Play::new(conf(), 3);
        assert_eq!(play.seconds(30, &[(20, 0, 1), (20, 0, 1), (20, 0, 29)]), []);
    }

    #[test]
    fn what_is_slow_for_a_moment_or_for_all_is_no_outlier() {
        let fast = (20, 0, 20);
        let mut play = Play::new(conf(), 3);
        assert_eq!(play.seconds(20, &[fast; 3]), []);
        // One answer in five hundred that takes a minute.
        assert_eq!(play.seconds(1, &[(20, 0, 3000), fast, fast]), []);
        assert_eq!(play.seconds(20, &[fast; 3]), []);
        // All of them from some time on, which is seen of one of them first, and the same backwards.
        for (before, after) in [(20, 1000), (1000, 20)] {
            assert_eq!(play.seconds(20, &[(20, 0, before); 3]), []);
            assert_eq!(play.seconds(1, &[(20, 0, after), (20, 0, before), (20, 0, before)]), []);
            assert_eq!(play.seconds(20, &[(20, 0, after); 3]), []);
        }
    }

    #[test]
    fn where_all_fail_nobody_is_an_outlier() {
        let mut play = Play::new(conf(), 3);
        assert_eq!(play.seconds(30, &[(20, 20, 5); 3]), []);
        assert_eq!(play.seconds(30, &[(20, 20, 5), (20, 19, 5), (20, 20, 5)]), []);
    }

    #[test]
    fn what_chance_makes_is_no_outlier() {
        let stands_out = |failures, requests, median, limit| {
            Tally { requests, failures, ..Tally::default() }.stands_out(median, limit)
        };
        assert!(!stands_out(5, 16, 23, 30), "31% of its 16 requests failed, the median is 23%");
        assert!(!stands_out(120, 120, 98, 30), "100%, the median is 98%");
        // Far enough, but of too few; and the same of more.
        assert!(!stands_out(5, 5, 50, 50));
        assert!(stands_out(50, 50, 50, 50));
        assert!(!stands_out(49, 50, 49, 50), "not far enough, however many they are");
        // Where the others do well nothing but its own share counts.
        assert!(stands_out(5, 10, 0, 50) && !stands_out(4, 10, 0, 50));
        assert!(!stands_out(0, 0, 0, 1) && !stands_out(10, 10, 100, 1));
    }

    #[test]
    fn a_failure_of_all_that_comes_and_goes_leaves_nobody_out() {
        let conf = Eject { errors: Some(30), latency: None, most: 60, min_requests: 5, ..conf() };
        let mut play = Play::new(conf, 5);
        let mut seed = 1_u64;
        let mut dice = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % 100
        };
        // How long, and how likely each request fails; a second in between belongs to both.
        for (seconds, chance) in [(20, 0), (1, 50), (20, 100), (1, 50), (20, 0), (20, 25), (300, 50), (20, 0)]
        {
            for _ in 0..seconds {
                let doing = [(); 5].map(|()| {
                    let requests = 1 + dice() % 3;
                    (requests, (0..requests).filter(|_| dice() < chance).count() as u64, 5)
                });
                assert_eq!(play.second(&doing), [], "{chance}%");
            }
        }
        // One that fails on its own while all do somewhat is found.
        let others = (20, 2, 5);
        assert_eq!(
            play.seconds(20, &[others, others, (20, 20, 5), others, others]).first().map(|out| out.1),
            Some(2)
        );
    }

    #[test]
    fn few_requests_say_nothing() {
        let mut play = Play::new(conf(), 3);
        // Nine in a window of ten seconds.
        for second in 0..40 {
            let requests = u64::from(second % 10 != 0);
            assert_eq!(play.second(&[(20, 0, 5), (20, 0, 5), (requests, requests, 5)]), []);
        }
    }

    #[test]
    fn no_more_than_may_be_are_left_out() {
        let doing = [(20, 20, 5), (20, 19, 5), (20, 18, 5), (20, 0, 5), (20, 0, 5), (20, 0, 5), (20, 0, 5)];
        let mut play = Play::new(Eject { most: 30, ..conf() }, 7);
        let acts = play.seconds(20, &doing);
        assert_eq!(acts, [(2, 0, 30), (2, 1, 30)], "the worst, and two of seven");
        // At least one, whatever the share, but never the last that is up.
        let mut play = Play::new(Eject { most: 1, ..conf() }, 2);
        assert_eq!(play.seconds(20, &doing[2..4]), [(2, 0, 30)]);
        let mut play = Play::new(conf(), 2);
        play.readings[1].is_up = false;
        assert_eq!(play.seconds(20, &doing[2..4]), []);
    }

    #[test]
    fn who_is_taken_in_early_is_judged_anew() {
        let mut play = Play::new(conf(), 3);
        let ill = [(20, 20, 5), (20, 0, 5), (20, 0, 5)];
        assert_eq!(play.seconds(5, &ill), [(2, 0, 30)]);
        play.readmit(0);
        assert_eq!(play.seconds(3, &[(20, 0, 5); 3]), []);
        // Half of the three that were well and of what follows.
        assert_eq!(play.seconds(5, &ill), [(2, 0, 60)]);
        // The same between two looks.
        play.readmit(0);
        assert_eq!(play.seconds(3, &[(20, 0, 5); 3]), []);
    }

    proptest! {
        #[test]
        fn the_bounds_hold(
            servers in 1_usize..8,
            most in 1_u32..=100,
            seconds in proptest::collection::vec(proptest::collection::vec((0_u64..40, 0_u64..40, 0_u64..300), 8), 1..80),
        ) {
            let mut play = Play::new(Eject { most, ..conf() }, servers);
            for doing in seconds {
                let doing: Vec<_> = doing.into_iter().map(|(n, bad, ms)| (n, bad.min(n), ms)).collect();
                play.second(&doing);
                let out = play.readings.iter().filter(|reading| reading.is_ejected).count();
                prop_assert!(out <= (servers * most as usize / 100).max(1));
                prop_assert!(out < servers, "somebody is left");
            }
            // Given time without traffic everybody is back.
            for _ in 0..=(BASE * 10).as_secs() {
                play.second(&[(0, 0, 0); 8]);
            }
            prop_assert!(play.readings.iter().all(|reading| reading.is_up));
        }
    }
}
