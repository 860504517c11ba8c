//! What a server begins as, and comes out of maintenance as: what `init_state` says of it until its checks have spoken.

use proto::state::Oper;

use crate::world::World;

/// What checks said of a server since it began, while nothing else happened to it and they all said the same.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Begun {
    passed: u32,
    failed: u32,
}

impl Begun {
    /// One more; `None` where they no longer agree.
    pub(crate) fn and(mut self, passed: bool) -> Option<Self> {
        *(if passed { &mut self.passed } else { &mut self.failed }) += 1;
        (self.passed == 0 || self.failed == 0).then_some(self)
    }
}

impl World {
    /// A server is new, or leaves maintenance. An answer that is still to come may count or not, and so may what traffic
    /// said at this very moment.
    pub(crate) fn begins(&self, path: &str) {
        let is_alone = self.observed(path).is_none();
        self.probe(path, |asked| asked.begun = (is_alone && asked.now.is_none()).then(Begun::default));
    }

    /// It is up or down as it is told to begin, until enough checks say otherwise.
    pub(crate) fn judge_beginnings(&self) {
        for path in self.paths() {
            let (Some((_, server)), Some(check)) = (self.find(&path), self.check_of(&path)) else { continue };
            let state = server.control().state;
            let Some(begun) = self.probe(&path, |asked| asked.begun) else { continue };
            if !state.checks_run() || state.agent.configured {
                continue;
            }
            let init = self.plan.borrow().server(&path).map_or("up", |it| it.init);
            let should_be_up = match init {
                "fully_up" => begun.failed < check.fall,
                "down" => begun.passed >= 1,
                "fully_down" => begun.passed >= check.rise,
                _ => begun.failed == 0,
            };
            if should_be_up == (state.oper == Oper::Stopped) {
                let word = state.status().word();
                self.fail(format!("{path} began {init}, has had {begun:?} of {check:?}, and is {word}"));
            }
        }
    }
}
