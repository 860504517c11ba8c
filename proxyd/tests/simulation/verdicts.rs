//! What must always hold of servers' states: that they follow from what was seen of the servers.

use std::time::Duration;

use proto::state::{Admin, Oper};
use proxyd::clock;
use proxyd::model::state::State;

use crate::invariants::GRACE;
use crate::world::World;

fn is_down(state: &State) -> bool {
    state.admin.is_maint() || state.oper == Oper::Stopped
}

impl World {
    /// Checks come in time, and their verdict follows them.
    pub(crate) fn judge_checks(&self) {
        let now = clock::now();
        for path in self.paths() {
            let (Some((_, server)), Some(check)) = (self.find(&path), self.check_of(&path)) else { continue };
            let asked = self.probes.borrow().get(&path).cloned().unwrap_or_default();
            let state = server.control().state;
            let longest = check.interval * 2 + check.timeout + GRACE;
            if server.checks_run()
                && asked.now.is_none()
                && asked.undisturbed.max(asked.ended).is_some_and(|since| now > since + longest)
            {
                self.fail(format!("{path} was not asked for longer than {longest:?}"));
            }
            if server.checks.any() != asked.now.is_some() {
                self.fail(format!("{path} is checked: {:?}, and it is told otherwise", asked.now));
            }
            if !server.checks_run() {
                continue;
            }
            if asked.failed >= check.fall && state.is_up() {
                self.fail(format!("{path} failed {} checks, and is {}", asked.failed, state.status().word()));
            }
            // An agent has a say as well.
            let others_agree = !state.agent.enabled || self.agent(&path, |heard| heard.health) == Some(true);
            if asked.passed >= check.rise
                && others_agree
                && !matches!(state.oper, Oper::Running | Oper::Starting)
                && !(state.oper == Oper::Stopping && asked.stops == Some(true))
            {
                self.fail(format!("{path} passed {} checks, and is {}", asked.passed, state.status().word()));
            }
        }
    }

    /// Servers are warm in time.
    pub(crate) fn judge_warming(&self) {
        for path in self.paths() {
            let Some((_, server)) = self.find(&path) else { continue };
            let (control, slow_start) = (server.control(), self.slow_start_of(&path));
            // It is looked at every second, or more often.
            let longest = slow_start + Duration::from_millis(1050);
            let now_ms = self.shared.epoch.now_ms();
            if let Some(since) = control.warming
                && now_ms.saturating_sub(since) > longest.as_millis() as u64
            {
                self.fail(format!("{path} has been warming up for {} ms", now_ms - since));
            }
            let starts = control.state.oper == Oper::Starting;
            if starts != control.warming.is_some() {
                self.fail(format!(
                    "{path} is {:?}, and warming up since {:?}",
                    control.state, control.warming
                ));
            }
        }
    }

    /// No more are left out than may be, and none for longer than it is to be.
    pub(crate) fn judge_outliers(&self) {
        for path in self.paths() {
            let Some((backend, server)) = self.find(&path) else { continue };
            if !server.control().state.ejected {
                continue;
            }
            let late = server.absence().is_none_or(|absence| clock::now() > absence.until + GRACE);
            if late || backend.eject.is_none() {
                self.fail(format!("{path} is still left out: {:?}, {:?}", server.absence(), backend.eject));
            }
        }
        // A reload leaves who is left out, and may take the others.
        if self.shared.generation() > 0 {
            return;
        }
        for backend in &self.shared.snapshot().backends {
            let Some(eject) = backend.eject else { continue };
            let active: Vec<_> = backend.servers.iter().filter(|server| !server.backup).collect();
            let ejected = active.iter().filter(|server| server.control().state.ejected).count();
            if ejected > 1 && ejected * 100 > active.len() * eject.most as usize {
                self.fail(format!("{ejected} of {} servers of {} are left out", active.len(), backend.name));
            }
        }
    }

    /// Whoever tracks a server is as that one is.
    pub(crate) fn judge_tracking(&self) {
        for path in self.paths() {
            let Some(lead_path) = self.tracked_by(&path) else { continue };
            let (Some((_, server)), Some((_, lead))) = (self.find(&path), self.find(&lead_path)) else {
                continue;
            };
            let (state, lead) = (server.control().state, lead.control().state);
            let wanted = if lead.admin.is_maint() { Admin::IMAINT } else { 0 }
                | if lead.admin.is_drain() { Admin::IDRAIN } else { 0 };
            let is_told = state.admin.0 & (Admin::IMAINT | Admin::IDRAIN) == wanted;
            let agent_is_up = self.agent(&path, |heard| heard.health) == Some(true);
            let is_right = match (is_down(&lead), is_down(&state)) {
                (true, is_down) => is_down,
                // What it says of itself counts as well.
                (false, true) => state.admin.is_maint() || state.agent.configured && !agent_is_up,
                (false, false) => {
                    state.agent.configured || (state.oper == Oper::Stopping) == (lead.oper == Oper::Stopping)
                }
            };
            if !is_told || !is_right {
                self.fail(format!("{path} is {state:?} and tracks {lead_path}, which is {lead:?}"));
            }
        }
    }
}
