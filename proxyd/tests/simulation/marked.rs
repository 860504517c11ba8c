//! Sessions that end with what becomes of servers: `on_marked_down` and `on_marked_up`.

use std::sync::Arc;

use proto::state::Oper;
use proxyd::clock::{self, Instant};
use proxyd::model::server::Server;
use proxyd::model::state::State;
use proxyd::session::termination::Cause;

use crate::dice::Dice;
use crate::invariants::GRACE;
use crate::load::{Stage, UnderWay};
use crate::world::World;

/// What ends with a server's change.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MarkPlan {
    /// All it carries, when it goes down.
    down: bool,
    /// What backups carry, when it comes up.
    up: bool,
}

impl MarkPlan {
    pub(crate) fn drawn(backup: bool, share: u64, dice: &mut Dice) -> Self {
        Self { down: dice.percent(share), up: dice.percent(share) && !backup }
    }

    pub(crate) fn text(self) -> String {
        let down = if self.down { ", on_marked_down: shutdown_sessions" } else { "" };
        let up = if self.up { ", on_marked_up: shutdown_backup_sessions" } else { "" };
        format!("{down}{up}")
    }
}

/// A server as it was when it was last looked at.
pub(crate) struct Mark {
    of: Arc<Server>,
    at: Instant,
    state: State,
    weight: u32,
}

impl World {
    fn marks_of(&self, path: &str) -> MarkPlan {
        self.plan.borrow().server(path).map(|it| it.marks).unwrap_or_default()
    }

    /// Who was on a server that went down, or on a backup when another came up, is there no longer.
    pub(crate) fn judge_marked(&self) {
        for path in self.paths() {
            let Some((backend, server)) = self.find(&path) else { continue };
            let (state, weight, at) = (server.control().state, server.weight(), clock::now());
            let mark = Mark { of: Arc::clone(&server), at, state, weight };
            let before = self.marks.borrow_mut().insert(path.clone(), mark);
            let Some(before) = before.filter(|before| Arc::ptr_eq(&before.of, &server)) else { continue };
            let (marks, was) = (self.marks_of(&path), before.state);
            if marks.down && was.oper != Oper::Stopped && state.oper == Oper::Stopped {
                self.nobody_since(before.at, &format!("{path} went down"), |_, on| Arc::ptr_eq(on, &server));
            }
            // Between two looks there is one command at most: who drained neither before nor behind it never did. An
            // agent, or the one it tracks, may have had it drained for a moment.
            let came = was.oper == Oper::Stopped
                && state.takes_new()
                && !was.admin.is_drain()
                && was.lead.is_none()
                && !was.agent.configured
                && before.weight.min(weight) > 0
                && backend.eject.is_none();
            if marks.up && came {
                let in_it = |it: &UnderWay| it.backend.name == backend.name;
                self.nobody_since(before.at, &format!("{path} came up"), |it, on| in_it(it) && on.backup);
            }
        }
    }

    /// Nobody of these is on a server for so long.
    fn nobody_since(&self, at: Instant, what: &str, is_meant: impl Fn(&UnderWay, &Arc<Server>) -> bool) {
        for (id, it) in self.load.under_way.borrow().iter() {
            if let Stage::With(server, since) = &it.stage
                && *since < at
                // What began before a reload goes by what was said then.
                && it.backend.dismisses
                && is_meant(it, server)
            {
                self.fail(format!("{what}, and request {id} is still on {}", server.path()));
            }
        }
    }

    /// A request was ended: its server went down, or it was on a backup and another came up.
    pub(crate) fn dismissed(&self, id: u64, cause: Cause) {
        self.say(&format!("request {id} ends: {cause:?}"));
        let under_way = self.load.under_way.borrow();
        let Some(it) = under_way.get(&id) else { return };
        let Stage::With(server, _) = &it.stage else { return };
        if !self.is_current(&it.backend) {
            return;
        }
        let is_new = |path: &str| self.last_touched(path).is_some_and(|at| clock::now() <= at + GRACE);
        let path = server.path();
        let is_right = match cause {
            Cause::ServerDown => {
                let is_down = server.control().state.oper == Oper::Stopped;
                self.marks_of(&path).down && (is_down || is_new(&path))
            }
            Cause::ServerUp => {
                let came = |other: &Arc<Server>| {
                    let path = other.path();
                    self.marks_of(&path).up && (other.takes_new() || is_new(&path))
                };
                server.backup && it.backend.servers.iter().any(came)
            }
            _ => false,
        };
        if !is_right {
            self.fail(format!("request {id} on {path} ends, and nothing says so: {cause:?}"));
        }
    }
}
