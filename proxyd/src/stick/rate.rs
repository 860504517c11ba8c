//! HAProxy's sliding rate: events of this period and of the one before, which fades as this one passes.

/// Words of one rate.
pub(super) const WORDS: usize = 3;

const TICK: usize = 0;
const CURRENT: usize = 1;
const PREVIOUS: usize = 2;

/// A time that no rate which was never counted can be taken to have begun at.
fn time(now_ms: u64) -> u32 {
    (now_ms as u32).wrapping_add(1 << 31)
}

/// When a period begins: HAProxy keeps a lock in the last bit.
fn tick(now_ms: u64) -> u32 {
    time(now_ms) & !1
}

/// How far a thread's reading of the clock may be behind that of another one, which was first to take the lock.
const BEHIND: u32 = 60_000;

/// Time since the period began.
fn elapsed(words: &[u32], now: u32) -> u32 {
    let elapsed = now.wrapping_sub(words[TICK]);
    let counted = words[CURRENT] != 0 || words[PREVIOUS] != 0;
    if counted && elapsed > u32::MAX - BEHIND { 0 } else { elapsed }
}

/// Counts `n` events. A rate stays at its end rather than begin anew.
pub(super) fn add(words: &mut [u32], now_ms: u64, period: u32, n: u32) {
    let now = time(now_ms);
    if elapsed(words, now) < period {
        words[CURRENT] = words[CURRENT].saturating_add(n);
        return;
    }
    words[PREVIOUS] = words[CURRENT];
    words[CURRENT] = n;
    words[TICK] = words[TICK].wrapping_add(period);
    if now.wrapping_sub(words[TICK]) >= period {
        words[PREVIOUS] = 0;
        words[TICK] = now;
    }
    words[TICK] &= !1;
}

/// Makes it what it would be after so many events just now.
pub(super) fn set(words: &mut [u32], now_ms: u64, n: u32) {
    words[TICK] = tick(now_ms);
    words[CURRENT] = n;
    words[PREVIOUS] = 0;
}

/// How long ago its period began, and its events: what another process can make a rate of.
pub(super) fn aged(words: &[u32], now_ms: u64) -> [u32; WORDS] {
    [elapsed(words, time(now_ms)), words[CURRENT], words[PREVIOUS]]
}

/// The same rate, `elapsed` milliseconds later and by another clock.
pub(super) fn set_aged(words: &mut [u32], now_ms: u64, [age, current, previous]: [u32; WORDS], elapsed: u64) {
    let age = u64::from(age).saturating_add(elapsed);
    if let Ok(age) = u32::try_from(age) {
        words[TICK] = time(now_ms).wrapping_sub(age) & !1;
        words[CURRENT] = current;
        words[PREVIOUS] = previous;
    }
}

/// Events within the last period, taking those of the one before for evenly spread.
pub(super) fn read(words: &[u32], now_ms: u64, period: u32) -> u32 {
    let (mut previous, mut current) = (u64::from(words[PREVIOUS]), u64::from(words[CURRENT]));
    let elapsed = elapsed(words, time(now_ms));
    let mut remain = i64::from(period) - i64::from(elapsed);
    if remain < 0 {
        remain += i64::from(period);
        previous = if remain >= 0 { current } else { 0 };
        current = 0;
    }
    // One event long ago and none since: it does not flicker between 0 and 1.
    if current == 0 && previous <= 1 {
        return previous as u32;
    }
    let total = previous * remain.max(0) as u64 + current * u64::from(period);
    u32::try_from(total / u64::from(period.max(1))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_fade_with_the_period_after_theirs() {
        let mut rate = [0; WORDS];
        for _ in 0..100 {
            add(&mut rate, 1000, 10_000, 1);
        }
        assert_eq!(read(&rate, 1000, 10_000), 100);
        assert_eq!(read(&rate, 11_000, 10_000), 100);
        assert_eq!(read(&rate, 13_500, 10_000), 75);
        assert_eq!(read(&rate, 20_990, 10_000), 0);
        assert_eq!(read(&rate, 22_000, 10_000), 0);
    }

    #[test]
    fn what_goes_on_evenly_stays_what_it_is() {
        let mut rate = [0; WORDS];
        for ms in 0..50_000_u64 {
            add(&mut rate, ms, 1000, 1);
            if ms > 2000 {
                let now = read(&rate, ms, 1000);
                assert!((998..=1002).contains(&now), "{now} at {ms}");
            }
        }
    }

    #[test]
    fn a_rate_that_was_set_stays_for_a_period() {
        let mut rate = [0; WORDS];
        set(&mut rate, 5000, 40);
        assert_eq!(read(&rate, 5000, 1000), 40);
        assert_eq!(read(&rate, 6000, 1000), 40);
        assert_eq!(read(&rate, 6500, 1000), 20);
    }

    #[test]
    fn one_lone_event_does_not_flicker() {
        let mut rate = [0; WORDS];
        add(&mut rate, 1000, 1000, 1);
        assert!((1000..2990).all(|ms| read(&rate, ms, 1000) == 1));
        assert_eq!(read(&rate, 3010, 1000), 0);
    }

    #[test]
    fn who_read_the_clock_earlier_and_comes_later_takes_nothing_away() {
        let mut rate = [0; WORDS];
        add(&mut rate, 1000, 1000, 100);
        // A period begins, and another thread still has the time of before.
        add(&mut rate, 2000, 1000, 1);
        add(&mut rate, 1996, 1000, 1);
        assert_eq!(read(&rate, 2000, 1000), 102);
        assert_eq!(read(&rate, 1998, 1000), 102);
        assert_eq!(aged(&rate, 1998), [0, 2, 100]);
        // One that was never counted is not of a time to come, whenever that is.
        let mut rate = [0; WORDS];
        let late = (1 << 32) - (1 << 31) - 500;
        add(&mut rate, late, 1000, 1);
        assert_eq!(rate, [tick(late), 1, 0]);
    }

    #[test]
    fn a_rate_of_very_many_stays_at_its_end() {
        let mut rate = [0; WORDS];
        add(&mut rate, 1000, 1000, u32::MAX);
        add(&mut rate, 1000, 1000, 7);
        assert_eq!(read(&rate, 1000, 1000), u32::MAX);
        add(&mut rate, 2000, 1000, u32::MAX);
        assert_eq!(read(&rate, 2100, 1000), u32::MAX);
    }

    #[test]
    fn ticks_wrap_around() {
        let before = (1 << 32) + (1 << 31) - 500;
        let mut rate = [0; WORDS];
        add(&mut rate, before, 1000, 10);
        assert_eq!(read(&rate, before + 600, 1000), 10);
        add(&mut rate, before + 1500, 1000, 10);
        assert_eq!(read(&rate, before + 1500, 1000), 15);
    }
}
