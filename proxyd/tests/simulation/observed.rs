//! Traffic that is observed: what requests see of servers, and what has to follow from it.

use std::sync::Arc;

use proxyd::clock;
use proxyd::model::server::Server;
use proxyd::model::traffic::Sight;

use crate::dice::Dice;
use crate::invariants::GRACE;
use crate::world::World;

/// What a server's traffic may do to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ObservePlan {
    layer: u8,
    limit: u32,
    on_error: &'static str,
}

impl ObservePlan {
    pub(crate) fn drawn(dice: &mut Dice) -> Self {
        Self {
            layer: dice.of(&[4, 7]),
            limit: dice.between(1, 4) as u32,
            on_error: dice.of(&["fastinter", "fail_check", "sudden_death", "mark_down"]),
        }
    }

    pub(crate) fn text(self) -> String {
        let Self { layer, limit, on_error } = self;
        format!(", observe: layer{layer}, error_limit: {limit}, on_error: {on_error}")
    }
}

impl World {
    /// A request saw this of a server, and nobody else says so.
    pub(crate) fn see(&self, server: &Arc<Server>, sight: Sight) {
        if let Some(traffic) = &server.traffic {
            traffic.see(sight);
        }
        self.saw(server, sight);
    }

    /// Keeps count of what was seen.
    pub(crate) fn saw(&self, server: &Arc<Server>, sight: Sight) {
        let (path, now) = (server.path(), clock::now());
        let Some(ObservePlan { layer, limit, on_error }) = self.observed(&path) else { return };
        // Nobody cares about one that a reload has replaced.
        if !self.find(&path).is_some_and(|(_, now)| Arc::ptr_eq(&now, server)) {
            return;
        }
        let good = match (sight, layer) {
            (Sight::Connected, 4) | (Sight::Answered, 7) => true,
            (Sight::Connected, _) => return,
            (Sight::NotConnected, _) | (_, 7) => false,
            _ => return,
        };
        let check = self.check_of(&path).filter(|_| server.checks_run());
        let errors = self.errors(&path, |errors| {
            let now = if good { Some(0) } else { errors.map(|errors| errors + 1) };
            *errors = now.map(|now| if now < limit { now } else { 0 });
            now
        });
        if good || errors.is_some_and(|errors| errors < limit) {
            return;
        }
        self.stir(&path);
        let Some(check) = check else { return };
        self.probe(&path, |asked| {
            let is_first = asked.excess.replace(now) != Some(now);
            (asked.begun, asked.stops) = (None, None);
            // Of several at one time some may be taken together, and what came first is not known.
            if errors.is_none() || asked.ended == Some(now) {
                (asked.passed, asked.failed) = (0, 0);
            } else if is_first && on_error != "fastinter" {
                let least = match on_error {
                    "sudden_death" => check.fall - 1,
                    "mark_down" => check.fall,
                    _ => 0,
                };
                (asked.passed, asked.failed) = (0, (asked.failed + 1).max(least));
            }
            if errors.is_some() {
                asked.hurried = Some(now);
            }
        });
    }

    /// Whom traffic says too much of is asked sooner.
    pub(crate) fn judge_hurry(&self) {
        for path in self.paths() {
            let (Some((_, server)), Some(check)) = (self.find(&path), self.check_of(&path)) else { continue };
            let asked = self.probe(&path, |asked| asked.clone());
            let late = |since| clock::now() > since + check.fast + GRACE;
            if server.checks_run()
                && asked.now.is_none()
                && asked.hurried.is_some()
                && asked.hurried.max(asked.ended).is_some_and(late)
            {
                self.fail(format!("{path} has more errors than it may, and is not asked sooner"));
            }
        }
    }
}
