//! What must hold behind an attack, whatever it was: nothing runs, nothing is left open, memory is back.

use std::time::Duration;

use harness::{Daemon, eventually, pause};

/// Kept connections to servers, buffers of them and the like.
const SLACK: usize = 8;
/// What allocators and caches of code keep of one burst.
const MEMORY: u64 = 24 << 20;
/// Over which processor time is measured.
const SPAN: Duration = Duration::from_millis(300);

/// What a daemon holds while nothing happens.
#[derive(Debug)]
pub(crate) struct Level {
    descriptors: usize,
    rss: u64,
}

impl Level {
    pub(crate) fn of(daemon: &Daemon) -> Self {
        Self { descriptors: daemon.descriptors(), rss: daemon.rss() }
    }

    /// Waits until it is so again.
    pub(crate) fn is_back(&self, daemon: &Daemon) {
        eventually("descriptors are back", || {
            (daemon.descriptors() <= self.descriptors + SLACK).then_some(())
        });
        eventually("processor time is idle", || {
            let busy = daemon.cpu();
            pause(SPAN);
            (daemon.cpu().saturating_sub(busy) <= SPAN / 10).then_some(())
        });
        let rss = daemon.rss();
        assert!(rss < self.rss + MEMORY, "{} bytes of memory, {} before", rss, self.rss);
    }
}
