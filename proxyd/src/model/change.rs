//! The one way in which anything changes at run time: state, lineup, log line and journal together.
//!
//! Checks and commands both come through here, so that whoever watches sees one story. Whoever still has a
//! graph that was replaced changes its servers in that of now, as far as they are still there.

mod cause;
mod standing;
mod tables;
mod told;

use std::net::SocketAddr;
use std::path::PathBuf;

use proto::addr::Address;
use proto::state::Oper;
use serde_json::{Map, Value};

pub use self::cause::Cause;
use self::told::{announcement, log_change};
use super::absence::Absence;
use super::backend::Backend;
use super::dismissal::Dismissal;
use super::frontend::Frontend;
use super::history::{Order, Transition};
use super::server::{Control, Fault, Outcome, Server};
use super::shared::Shared;
use super::slow_start::slowly;
use super::snapshot::Snapshot;
use super::state::{Event, State};
use crate::clock;
use crate::config::{Agent, CheckPlace};
use crate::log;
use crate::tls::live::Changes;

impl Shared {
    /// Something happened to a server.
    pub fn server_event(&self, backend: &Backend, server: &Server, event: Event, cause: Cause<'_>) {
        self.server_in_graph(backend, server, |backend| self.happened(backend, server, event, cause));
    }

    /// The same in the graph of now, which is kept meanwhile.
    fn happened(&self, backend: &Backend, server: &Server, event: Event, cause: Cause<'_>) {
        let now_ms = self.epoch.now_ms();
        // Held to the end, so that a server's changes are told in the order they happened.
        let mut control = server.lock();
        let before = control.state;
        let mut after = before.after(event);
        if !backend.limits[server.index() as usize].slow_start.is_zero() {
            after = slowly(before, after);
        }
        if matches!(event, Event::CheckPassed | Event::CheckStopping)
            && let Some(traffic) = &server.traffic
        {
            traffic.forget();
        }
        cause.note(&mut control, after != before);
        if matches!(event, Event::CheckFailed | Event::SuddenDeath | Event::MarkDown)
            && after.health < before.health
        {
            server.check_failures.inc();
        }
        if after == before {
            return;
        }
        control.state = after;
        server.publish(&after);
        if before.ejected
            && !after.ejected
            && let Some(absence) = &mut control.absence
        {
            absence.end(clock::now());
        }
        if after.checks_run() && !before.checks_run() {
            // It was not looked at for as long as nobody wanted to know.
            server.check_soon();
        }
        if after.oper == Oper::Starting {
            // Who is drained before it is warm has got no traffic since: it begins anew, as in HAProxy.
            if before.oper != Oper::Starting || before.admin.is_drain() != after.admin.is_drain() {
                backend.begin_to_warm(server, &mut control, now_ms);
                // Whether or not it changes who can be picked.
                self.tending.notify_one();
            }
        } else if control.warming.is_some() {
            Backend::stop_warming(server, &mut control);
        }
        control.count_time((before.is_up(), after.is_up()), now_ms);
        if before.oper != Oper::Stopped && after.oper == Oper::Stopped {
            server.downs.inc();
        }
        let (was, is) = (server.status_word(&before), server.status_word(&after));
        // From one kind of being down to another is no change of that.
        if kind(&was) != kind(&is) && (before.is_up() || after.is_up()) {
            control.changed_at = now_ms;
        }

        let mut requeued = 0;
        if before.takes_new() != after.takes_new()
            || before.is_up() != after.is_up()
            || before.is_offered() != after.is_offered()
        {
            requeued = self.relineup(backend, server);
        }
        if uncounted(&was) != uncounted(&is) {
            server.remember(transition(self.epoch.wall(now_ms), [&was, &is], cause, &control));
        }
        self.dismiss(backend, server, (&before, &after));
        if was != is {
            let mut fields = from_to(&was, &is);
            cause.describe(&mut fields);
            let event = if uncounted(&was) == uncounted(&is) { "health" } else { "server_state" };
            self.journal_add(event, server_key(server), fields);
        }
        if let Some(text) = announcement(&before, &after, cause) {
            log_change(backend, server, &text, after.takes_new(), requeued);
        }
        // With the lock held, so that those who follow see the changes in their order. There are no circles.
        if before.as_lead() != after.as_lead() {
            self.lead(server, &after);
        }
    }

    /// Ends the sessions that are to end with such a change.
    fn dismiss(&self, backend: &Backend, server: &Server, (before, after): (&State, &State)) {
        let (fell, rose) = (after.oper == Oper::Stopped, before.oper == Oper::Stopped);
        if fell && !rose && server.verdict.ends_sessions {
            server.dismissals.add(Dismissal::Down);
            self.dismissed.notify_waiters();
        }
        let serves = !server.backup && after.takes_new() && server.weight() > 0;
        if rose && !fell && serves && server.verdict.ends_backup_sessions {
            for backup in backend.servers.iter().filter(|server| server.backup) {
                backup.dismissals.add(Dismissal::Up);
            }
            self.dismissed.notify_waiters();
        }
    }

    /// A server does so much worse than the others that it is left out for a while.
    pub fn eject(&self, backend: &Backend, server: &Server, absence: Absence, fault: Fault, reason: &str) {
        self.server_in_graph(backend, server, |backend| {
            server.ejections[fault as usize].inc();
            server.lock().absence = Some(absence);
            self.happened(backend, server, Event::Eject, Cause::Comparison(reason));
        });
    }

    /// It is left out no longer.
    pub fn readmit(&self, backend: &Backend, server: &Server, reason: &str) {
        self.server_event(backend, server, Event::Readmit, Cause::Comparison(reason));
    }

    /// Nobody compares them any more. The graph is kept meanwhile.
    pub(super) fn readmit_all(&self, backend: &Backend) {
        for server in backend.servers.iter().filter(|server| server.lock().state.ejected) {
            let cause = Cause::Comparison("its backend ejects no servers any more");
            self.happened(backend, server, Event::Readmit, cause);
        }
    }

    /// An agent said nothing of its server's health, or could not be asked.
    pub fn note_agent(&self, server: &Server, outcome: Outcome) {
        server.lock().agent.outcome = Some(outcome);
    }

    /// Whoever tracks this server does as it does.
    fn lead(&self, server: &Server, state: &State) {
        let snapshot = self.snapshot();
        for (backend, follower) in snapshot.followers(server) {
            self.happened(backend, follower, Event::Follow(state.as_lead()), Cause::Lead(&server.path()));
        }
    }

    /// The same of all servers of a graph that has just been put in the place of another: some may track others than
    /// before, or what they track may be new.
    pub(super) fn follow_all(&self, snapshot: &Snapshot) {
        snapshot.each_follower(|lead, backend, follower| {
            let event = Event::Follow(lead.control().state.as_lead());
            self.happened(backend, follower, event, Cause::Lead(&lead.path()));
        });
    }

    /// Its share of the traffic is another from the next lineup on.
    pub fn set_weight(&self, backend: &Backend, server: &Server, weight: u32, cause: Cause<'_>) {
        self.server_in_graph(backend, server, |backend| {
            // Held to the end, as behind a change of its state.
            let _in_order = server.lock();
            let before = server.weight();
            if before == weight {
                return;
            }
            server.set_weight(weight);
            self.relineup(backend, server);
            let mut fields = from_to(&before.to_string(), &weight.to_string());
            cause.describe(&mut fields);
            self.journal_add("weight", server_key(server), fields);
        });
    }

    /// 0 is no limit. Those under way stay, and those who wait for room that is there now have it.
    pub fn set_maxconn(&self, backend: &Backend, server: &Server, maxconn: u32, cause: Cause<'_>) {
        self.server_in_graph(backend, server, |backend| {
            let _in_order = server.lock();
            let before = server.maxconn();
            if before == maxconn {
                return;
            }
            server.set_maxconn(maxconn);
            backend.weigh(server.index());
            let mut fields = from_to(&before.to_string(), &maxconn.to_string());
            cause.describe(&mut fields);
            self.journal_add("server_maxconn", server_key(server), fields);
            backend.live.queue.settle(backend);
        });
    }

    /// New connections go to `address`; those that are open stay.
    pub fn set_address(&self, backend: &Backend, server: &Server, address: Address, cause: Cause<'_>) {
        self.server_in_graph(backend, server, |backend| {
            let before = server.address();
            let mut fields = from_to(&before.to_string(), &address.to_string());
            server.set_address(address);
            if let Some(cookies) = &backend.cookies {
                cookies.refresh(&backend.servers);
            }
            if backend.balance.goes_by_address() {
                self.relineup(backend, server);
            }
            cause.describe(&mut fields);
            self.journal_add("server_address", server_key(server), fields);
        });
    }

    /// Its agent is asked there, or told that, from the next time on.
    pub fn set_agent(&self, server: &Server, agent: Agent, cause: Cause<'_>) {
        let place = |agent: &Agent| match agent.address {
            Some(address) => SocketAddr::new(address, agent.port).to_string(),
            None => format!(":{}", agent.port),
        };
        let before = server.agent().as_ref().map(place).unwrap_or_default();
        let mut fields = from_to(&before, &place(&agent));
        server.set_agent(agent);
        cause.describe(&mut fields);
        self.journal_add("server_agent", server_key(server), fields);
    }

    /// Its checks go there from the next one on.
    pub fn set_check_place(&self, server: &Server, place: CheckPlace, cause: Cause<'_>) {
        let told = |place: CheckPlace| {
            let address = place.address.map_or_else(String::new, |address| address.to_string());
            match (place.address, place.port) {
                (Some(address), Some(port)) => SocketAddr::new(address, port).to_string(),
                (_, Some(port)) => format!(":{port}"),
                (_, None) => address,
            }
        };
        let mut fields = from_to(&told(server.check_place()), &told(place));
        server.set_check_place(place);
        cause.describe(&mut fields);
        self.journal_add("server_check", server_key(server), fields);
    }

    /// Returns whether anything changed.
    pub fn pause_frontend(&self, frontend: &Frontend, paused: bool, cause: Cause<'_>) -> bool {
        if frontend.live.set_paused(paused) == paused {
            return false;
        }
        let name = &frontend.name;
        log::warning(format_args!("{} frontend {name}.", if paused { "Paused" } else { "Resumed" }));
        let words = ["OPEN", "PAUSED"];
        let mut fields = from_to(words[usize::from(!paused)], words[usize::from(paused)]);
        cause.describe(&mut fields);
        self.journal_add("frontend_state", format!("f/{name}"), fields);
        self.room.notify_waiters();
        true
    }

    /// Servers are called after their addresses in cookies, or after their names.
    pub fn switch_dynamic_cookies(&self, backend: &Backend, on: bool, cause: Cause<'_>) {
        self.in_graph(backend, |backend| {
            let Some(cookies) = &backend.cookies else { return };
            cookies.rename(&backend.servers, |naming| naming.dynamic = on);
            let words = ["off", "on"];
            let mut fields = from_to(words[usize::from(!on)], words[usize::from(on)]);
            cause.describe(&mut fields);
            self.journal_add("backend_dynamic_cookies", format!("b/{}", backend.name), fields);
        });
    }

    /// Another key for servers that are called after their addresses; until they are, it changes nothing.
    pub fn set_cookie_key(&self, backend: &Backend, key: &str, cause: Cause<'_>) {
        self.in_graph(backend, |backend| {
            let Some(cookies) = &backend.cookies else { return };
            cookies.rename(&backend.servers, |naming| naming.dynamic_key = Some(key.as_bytes().to_vec()));
            let mut fields = Map::new();
            cause.describe(&mut fields);
            self.journal_add("backend_cookie_key", format!("b/{}", backend.name), fields);
        });
    }

    /// 0 is no limit of its own.
    pub fn set_frontend_maxconn(&self, frontend: &Frontend, maxconn: u32, cause: Cause<'_>) {
        let before = frontend.live.maxconn().unwrap_or(0);
        frontend.live.set_maxconn(if maxconn == 0 { u32::MAX } else { maxconn });
        if before != maxconn {
            let mut fields = from_to(&before.to_string(), &maxconn.to_string());
            cause.describe(&mut fields);
            self.journal_add("frontend_maxconn", format!("f/{}", frontend.name), fields);
        }
        self.room.notify_waiters();
    }

    /// 0 restores what the process started with, which is also the most.
    pub fn set_global_maxconn(&self, maxconn: u32) -> bool {
        let hard = self.process.hard_maxconn;
        if maxconn > hard {
            return false;
        }
        self.process.set_maxconn(if maxconn == 0 { hard } else { maxconn });
        self.room.notify_waiters();
        true
    }

    /// `clear counters`: maxima, and with `all` the totals too.
    pub fn clear_counters(&self, all: bool, cause: Cause<'_>) {
        self.next_maxima();
        if all {
            let snapshot = self.snapshot();
            snapshot.frontends.iter().for_each(|f| f.live.stats.clear());
            for backend in &snapshot.backends {
                backend.live.stats.clear();
                backend.live.downs.clear();
                for server in &backend.servers {
                    server.stats.clear();
                    server.check_failures.clear();
                    server.excesses.clear();
                    server.downs.clear();
                }
            }
        }
        let mut fields = Map::new();
        cause.describe(&mut fields);
        self.journal_add("counters_cleared", String::new(), fields);
    }

    /// Certificates were replaced.
    pub fn certificates_changed(&self, changes: &Changes, cause: Cause<'_>) {
        let names = |paths: &[PathBuf]| -> Value {
            paths.iter().map(|path| Value::from(path.to_string_lossy())).collect::<Vec<_>>().into()
        };
        let mut fields = Map::new();
        for (name, paths) in
            [("changed", &changes.changed), ("added", &changes.added), ("removed", &changes.removed)]
        {
            if !paths.is_empty() {
                fields.insert(name.into(), names(paths));
            }
        }
        cause.describe(&mut fields);
        self.journal_add("certificates", String::new(), fields);
        let (changed, added, removed) = (changes.changed.len(), changes.added.len(), changes.removed.len());
        log::notice(format_args!("files of TLS: {changed} changed, {added} added, {removed} removed"));
    }

    fn journal_add(&self, event: &'static str, id: String, fields: Map<String, Value>) {
        self.journal.add(self.epoch.wall(self.epoch.now_ms()), event, id, fields);
    }
}

/// `s/app/app1`.
pub fn server_key(server: &Server) -> String {
    format!("s/{}/{}", server.backend, server.name)
}

fn from_to(from: &str, to: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("from".into(), from.into());
    fields.insert("to".into(), to.into());
    fields
}

/// The first part of a status word.
fn kind(word: &str) -> &str {
    word.split(' ').next().unwrap_or(word)
}

/// A status word without its count of checks.
fn uncounted(word: &str) -> &str {
    match word.rsplit_once(' ') {
        Some((kind, count)) if count.starts_with(|c: char| c.is_ascii_digit()) => kind,
        _ => word,
    }
}

fn transition(wall_ms: u64, [from, to]: [&str; 2], cause: Cause<'_>, control: &Control) -> Transition {
    let by = match cause {
        Cause::Command { by, line } => Some(Order { who: by.into(), line: line.into() }),
        _ => None,
    };
    let last = match cause {
        Cause::Agent(outcome) => Some(outcome.clone()),
        _ => control.check.outcome.clone(),
    };
    let reason = cause.to_string().into();
    Transition { wall_ms, from: from.into(), to: to.into(), reason, by, check: last }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;
    use std::sync::{Arc, Barrier};

    use super::*;
    use crate::config::{Layer, Observe, OnError, Track};
    use crate::model::testing;
    use crate::model::traffic::Sight;

    #[test]
    fn whoever_tracks_is_told_of_another_lead_with_the_new_graph() {
        let track = Track { backend: "app".into(), server: "app1".into() };
        let mut config = testing::config();
        config.backends[1].servers[0].verdict.track = Some(track);
        let shared = testing::shared_of(&config);
        let before = shared.snapshot();
        let app = before.backend("app").unwrap();
        shared.server_event(app, &app.servers[0], Event::Maint, Cause::Command { by: "test", line: "" });
        let raw = |snapshot: &Snapshot| {
            let control = snapshot.backend("raw").unwrap().servers[0].control();
            (control.state.status().word().into_owned(), control.down_since.is_some())
        };
        let maint = raw(&before);
        assert!(maint.0.starts_with("MAINT") && maint.1, "{maint:?}");
        // Another weight makes it another server, which is in no maintenance.
        config.backends[0].servers[0].weight = 7;
        let next = testing::snapshot(&config, Some(&before));
        assert_eq!(raw(&before), maint, "nobody has it yet");
        shared.publish(next);
        let up = raw(&shared.snapshot());
        assert!(up.0.starts_with("UP") && !up.1, "{up:?}");
        let events = shared.journal.since(0).unwrap();
        let last = events.iter().rfind(|event| event.id == "s/raw/r1").unwrap();
        assert_eq!((last.event, last.fields["to"].as_str()), ("server_state", Some(up.0.as_str())));
        assert!(shared.snapshot().backend("raw").unwrap().is_up());
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_passes_makes_errors_of_traffic_begin_anew() {
        let mut config = testing::config();
        let observe = Observe { layer: Layer::Seven, error_limit: 2, on_error: OnError::FailCheck };
        config.backends[0].servers[0].verdict.observe = Some(observe);
        let shared = testing::shared_of(&config);
        let snapshot = shared.snapshot();
        let backend = snapshot.backend("app").unwrap();
        let traffic = backend.servers[0].traffic.as_ref().unwrap();
        for (event, too_many) in
            [(Event::CheckPassed, false), (Event::CheckStopping, false), (Event::CheckFailed, true)]
        {
            traffic.forget();
            traffic.see(Sight::WrongAnswer);
            shared.server_event(backend, &backend.servers[0], event, Cause::Comparison("it is a test"));
            traffic.see(Sight::WrongAnswer);
            let excess = tokio::time::timeout(testing::SECOND, traffic.excess()).await;
            assert_eq!(excess.is_ok(), too_many, "{event:?}");
        }
    }

    #[test]
    fn changes_at_one_time_are_told_in_order() {
        let config = testing::config();
        let shared = testing::shared_of(&config);
        let backend = Arc::clone(shared.snapshot().backend("app").unwrap());
        std::thread::scope(|scope| {
            for server in &backend.servers {
                let (shared, backend) = (&shared, &backend);
                scope.spawn(move || {
                    for event in [Event::Maint, Event::Ready].iter().cycle().take(101) {
                        let cause = Cause::Command { by: "test", line: "" };
                        shared.server_event(backend, server, *event, cause);
                    }
                });
            }
        });
        let told = |event: &str, id: &str| -> Vec<String> {
            let events = shared.journal.since(0).unwrap();
            let told = events.iter().filter(|e| e.event.starts_with(event) && e.id == id);
            told.map(|e| format!("{} {}", e.fields["from"], e.fields["to"])).collect()
        };
        let mut chains: Vec<Vec<String>> =
            backend.servers.iter().map(|s| told("server_state", &server_key(s))).collect();
        chains.push(told("backend_", "b/app"));
        for chain in chains {
            assert!(chain.iter().step_by(2).all(|c| *c == chain[0]), "{chain:?}");
            assert!(chain.iter().skip(1).step_by(2).all(|c| *c != chain[0]), "{chain:?}");
        }
        assert!(!backend.is_up(), "all its servers are in maintenance");
        assert_ne!(backend.live.down_since.load(Relaxed), 0);
    }

    #[test]
    fn numbers_that_two_set_at_a_time_are_told_in_order() {
        // They meet where it counts in one of three.
        (0..10).for_each(|_| two_set_numbers());
    }

    fn two_set_numbers() {
        let shared = testing::shared();
        let backend = Arc::clone(shared.snapshot().backend("app").unwrap());
        let server = &backend.servers[0];
        // Both at once, each time.
        let step = Barrier::new(2);
        std::thread::scope(|scope| {
            for own in [0, 100] {
                let (shared, backend, step) = (&shared, &backend, &step);
                scope.spawn(move || {
                    for n in 1..=100 {
                        step.wait();
                        let cause = Cause::Command { by: "test", line: "" };
                        shared.set_weight(backend, server, own + n, cause);
                        shared.set_maxconn(backend, server, own + n, cause);
                    }
                });
            }
        });
        let events = shared.journal.since(0).unwrap();
        for (event, mut last) in [("weight", "100".to_owned()), ("server_maxconn", "0".to_owned())] {
            for told in events.iter().filter(|told| told.event == event) {
                assert_eq!(told.fields["from"], *last);
                told.fields["to"].as_str().unwrap().clone_into(&mut last);
            }
            let now = if event == "weight" { server.weight() } else { server.maxconn() };
            assert_eq!(last, now.to_string());
        }
    }
}
