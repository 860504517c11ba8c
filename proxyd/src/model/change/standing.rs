//! What a change comes to for the backend as a whole: its lineup, whether it is up, and whether it is in panic.

use std::sync::atomic::Ordering::Relaxed;

use super::from_to;
use crate::log;
use crate::model::backend::Backend;
use crate::model::keeping::Standing;
use crate::model::panic::{Belief, Muster};
use crate::model::server::Server;
use crate::model::shared::Shared;

impl Shared {
    /// Has the backend's lineup prepared anew and tells when the backend itself went up or down, or into panic. Returns
    /// how many of those who waited could be served.
    pub(super) fn relineup(&self, backend: &Backend, server: &Server) -> u32 {
        // Held to the end: of two changes at a time the one that tells last has seen both.
        let standing = backend.note(server.index());
        self.tending.notify_one();
        let requeued = backend.live.queue.settle(backend);
        self.tell_standing(backend, &standing);
        requeued
    }

    /// The first graph: servers may begin as down, and with them their backend, or it begins in panic.
    pub(in crate::model) fn begun(self) -> Self {
        for backend in self.snapshot().backends.iter().filter(|it| it.panic.is_some() || !it.is_up()) {
            self.relineup_all(backend);
        }
        self
    }

    /// The same for a backend of a graph that has just been put in the place of another.
    pub(in crate::model) fn relineup_all(&self, backend: &Backend) {
        let standing = backend.refresh();
        backend.live.queue.settle(backend);
        self.tell_standing(backend, &standing);
    }

    fn tell_standing(&self, backend: &Backend, standing: &Standing) {
        let now_ms = self.epoch.now_ms();
        let live = &backend.live;
        let muster = standing.muster();
        self.tell_panic(backend, muster);
        let was_down = live.down_since.load(Relaxed) != 0;
        let is_down = !standing.is_up();
        if was_down == is_down {
            return;
        }
        live.changed_at.store(now_ms, Relaxed);
        let name = &backend.name;
        if is_down {
            live.down_since.store(now_ms, Relaxed);
            live.downs.inc();
            log::alert(format_args!("backend '{name}' has no server available!"));
            self.journal_add("backend_down", format!("b/{name}"), from_to("UP", "DOWN"));
        } else {
            let since = live.down_since.swap(0, Relaxed);
            live.down_ms.fetch_add(now_ms.saturating_sub(since), Relaxed);
            self.journal_add("backend_up", format!("b/{name}"), from_to("DOWN", "UP"));
        }
    }

    /// Tells of a backend that has just gone into panic, or come out of it.
    fn tell_panic(&self, backend: &Backend, muster: Muster) {
        let (before, after) = (backend.live.panic.told(), backend.live.panic.belief());
        if before == after {
            return;
        }
        backend.live.panic.tell(after);
        let (name, manned, offered) = (&backend.name, muster.manned(), muster.offered);
        let reason = format!("{manned} of {offered} servers are up");
        let words = |belief| match belief {
            Belief::Health => "health",
            Belief::All => "all",
            Belief::Nobody => "none",
        };
        match after {
            Belief::Health => log::notice(format_args!("backend '{name}' is no longer in panic: {reason}.")),
            Belief::All => log::alert(format_args!(
                "backend '{name}' is in panic: {reason}. Health is no longer believed, all of them are used."
            )),
            Belief::Nobody => {
                log::alert(format_args!("backend '{name}' is in panic: {reason}. None of them is used."));
            }
        }
        let event = if after == Belief::Health { "panic_over" } else { "panic" };
        let mut fields = from_to(words(before), words(after));
        fields.insert("reason".into(), reason.into());
        self.journal_add(event, format!("b/{name}"), fields);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{InitState, Panic, PanicMode};
    use crate::model::change::Cause;
    use crate::model::panic::Belief;
    use crate::model::state::Event;
    use crate::model::testing;

    #[test]
    fn a_backend_whose_servers_begin_as_down_begins_as_down() {
        let mut config = testing::config();
        config.backends[0].servers.iter_mut().for_each(|it| it.verdict.init_state = InitState::Down);
        let shared = testing::shared_of(&config);
        let app = shared.snapshot().backend("app").unwrap().clone();
        shared.server_event(
            &app,
            &app.servers[0],
            Event::CheckPassed,
            Cause::Command { by: "test", line: "" },
        );
        let told: Vec<_> = shared.journal.since(0).unwrap().iter().map(|event| event.event).collect();
        assert_eq!(told, ["backend_down", "backend_up", "server_state"]);
    }

    #[test]
    fn a_backend_whose_servers_begin_as_down_begins_in_panic() {
        let mut config = testing::config();
        config.backends[0].panic = Some(Panic { below: 50, then: PanicMode::All });
        config.backends[0].servers.iter_mut().for_each(|it| it.verdict.init_state = InitState::Down);
        let shared = testing::shared_of(&config);
        let app = shared.snapshot().backend("app").unwrap().clone();
        let eligible = app.servers.iter().map(|server| server.is_eligible());
        assert_eq!(eligible.collect::<Vec<_>>(), [true; 3]);
        assert_eq!(shared.journal.since(0).unwrap()[0].event, "panic");
    }

    #[test]
    fn who_asks_for_no_new_sessions_is_no_reason_to_panic() {
        for then in [PanicMode::All, PanicMode::None] {
            let mut config = testing::config();
            config.backends[0].servers[2].backup = false;
            config.backends[0].panic = Some(Panic { below: 50, then });
            let shared = testing::shared_of(&config);
            let app = shared.snapshot().backend("app").unwrap().clone();
            let after = |index: usize, event| {
                let cause = Cause::Command { by: "test", line: "" };
                shared.server_event(&app, &app.servers[index], event, cause);
                app.servers.iter().map(|server| server.is_eligible()).collect::<Vec<_>>()
            };
            assert_eq!(after(0, Event::HealthStopping), [false, true, true]);
            assert_eq!(after(1, Event::CheckStopping), [false, false, true], "one of one is up");
            // Panic for another reason leaves them out as well.
            assert_eq!(after(2, Event::CheckFailed), [false, false, then == PanicMode::All]);
            assert_ne!(app.live.panic.belief(), Belief::Health);
            assert_eq!(after(1, Event::CheckPassed), [false, true, false]);
        }
    }
}
