//! Attacks by the many: clients that drip, stall, flood and vanish, servers that do worse, and as many connections as
//! there is room for. Beside each a canary sings, and behind each everything is back where it was.
//!
//! `PROXYD_BIG=1` makes the crowds as large as the machine allows; without it they are large enough to show what is
//! not bounded. What one message alone can do is in `tests/corpus`; `tests/ATTACKS.md` says which test is for which
//! published attack.

#![cfg(test)]

mod clients;
mod crowds;
mod http2;
mod ledger;
mod servers;
mod tls;

use std::env;
use std::net::SocketAddr;

use harness::origin::http::Origin;
use harness::{Canary, Config, Daemon, Level};

/// A good server, a proxyd in front of it, and a canary; what else there is depends on the attack.
#[derive(Debug)]
struct Stage {
    origin: Origin,
    daemon: Daemon,
    web: SocketAddr,
    level: Level,
    canary: Canary,
}

impl Stage {
    /// `more` adds to a configuration with frontend `web`.
    fn set(more: impl FnOnce(Config) -> Config) -> Self {
        let origin = Origin::start("app1");
        let daemon = Daemon::start(&more(Config::http([("app1", origin.addr())])));
        let web = daemon.listener("web");
        // What the first requests leave behind for good is part of the level.
        for _ in 0..20 {
            assert_eq!(harness::client::get(web, "/warm").status, 200);
        }
        let level = Level::of(&daemon);
        let canary = Canary::start(web, &daemon);
        Self { origin, daemon, web, level, canary }
    }

    /// Nobody was harmed, and nothing is left.
    fn ends_unharmed(self) {
        let Self { origin, daemon, canary, level, .. } = self;
        canary.is_well();
        level.is_back(&daemon);
        assert_eq!(origin.record().violations, Vec::<String>::new(), "a strict server refuses these");
        let log = daemon.log();
        assert!(!log.contains("panic"), "{log}");
    }
}

/// So many every day, and so many where there is time.
fn scaled(daily: usize, big: usize) -> usize {
    if env::var_os("PROXYD_BIG").is_some() { big } else { daily }
}
