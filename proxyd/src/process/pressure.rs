//! The memory ceiling: near it no connection is accepted, nearer still some are given up, before the kernel ends all.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::inbox::{Message, Workers};
use crate::clock;
use crate::config::Memory;
use crate::log;
use crate::memory::Ceiling;
use crate::model::process::Pressure;
use crate::model::shared::Shared;

/// How often memory is looked at, and how often near the ceiling, where a burst could pass it in between.
const INTERVAL: Duration = Duration::from_millis(100);
const NEAR: Duration = Duration::from_millis(10);

/// At which use of memory something is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Levels {
    /// Below it the pressure is over: a little under `full`, so that it does not come and go.
    over: u64,
    /// No new connections.
    full: u64,
    /// Connections are given up.
    shed: u64,
}

impl Levels {
    fn new(ceiling: u64, percent: u32) -> Self {
        let share = |percent: f64| (ceiling as f64 * percent / 100.0) as u64;
        let full = f64::from(percent);
        Self { over: share(full - 2.0), full: share(full), shed: share(f64::midpoint(full, 100.0)) }
    }

    fn judge(self, used: u64, now: Pressure) -> Pressure {
        if used >= self.shed {
            Pressure::Shed
        } else if used >= self.full || used >= self.over && now != Pressure::None {
            Pressure::Full
        } else {
            Pressure::None
        }
    }
}

/// What is taken for all the memory there is.
pub(super) fn ceiling(memory: Memory) -> Option<Ceiling> {
    match memory {
        Memory::Share(_) => Ceiling::of_system(),
        Memory::Size(bytes) => Some(Ceiling::of(bytes)),
    }
}

/// Watches for as long as it is polled.
pub(super) async fn run(shared: Arc<Shared>, workers: Workers, memory: Memory) {
    let percent = match memory {
        Memory::Share(percent) => percent,
        Memory::Size(_) => Memory::PERCENT,
    };
    let Some(ceiling) = ceiling(memory) else {
        log::warning(format_args!(
            "the memory of this machine is not known: nothing is done when it runs out"
        ));
        return;
    };
    let levels = Levels::new(ceiling.bytes, percent);
    let (mut pause, mut told) = (INTERVAL, clock::now());
    loop {
        tokio::time::sleep(pause).await;
        let Some(used) = ceiling.used() else { continue };
        pause = if used < levels.full / 4 * 3 { INTERVAL } else { NEAR };
        let before = shared.process.pressure();
        let now = levels.judge(used, before);
        if now != before {
            shared.process.set_pressure(now);
            say(&shared, now, used, ceiling.bytes);
            shared.room.notify_waiters();
            workers.tell(|| Message::Pressure(now));
            told = clock::now();
        } else if now != Pressure::None && told.elapsed() >= INTERVAL {
            // What connections held that ended since is free by now.
            told = clock::now();
            workers.tell(|| Message::Pressure(now));
        }
    }
}

fn say(shared: &Shared, now: Pressure, used: u64, ceiling: u64) {
    let percent = used * 100 / ceiling.max(1);
    match now {
        Pressure::None => {
            let shed = shared.process.shed.load(Relaxed);
            log::notice(format_args!(
                "memory is at {percent} % of {ceiling} bytes: connections are accepted again ({shed} were given up since the start)"
            ));
        }
        Pressure::Full => log::alert(format_args!(
            "memory is at {percent} % of {ceiling} bytes: no connection is accepted until some is free"
        )),
        Pressure::Shed => {
            log::alert(format_args!("memory is at {percent} % of {ceiling} bytes: connections are given up"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        use Pressure::{Full, None, Shed};
        let levels = Levels::new(1000, 90);
        assert_eq!(levels, Levels { over: 880, full: 900, shed: 950 });
        for (used, before, after) in [
            (0, None, None),
            (899, None, None),
            (900, None, Full),
            (889, Full, Full),
            (879, Full, None),
            (950, None, Shed),
            (949, Shed, Full),
            (885, Shed, Full),
            (0, Shed, None),
        ] {
            assert_eq!(levels.judge(used, before), after, "{used} after {before:?}");
        }
    }
}
