//! What comes from the balancer.

use super::Effects;
use crate::app::action::{Outcome, Phase};
use crate::app::effect::Effect;
use crate::app::state::{App, Mode};
use crate::command::observed::Observed;
use crate::command::plan::{NoPlan, Plan, Seen};
use crate::command::question::Question;
use crate::model::instance::{Instance, Learned, Link};
use crate::model::sample::Sample;
use crate::model::server::ServerId;

pub(super) fn sample(app: &mut App, sample: Sample) {
    let was_lost = matches!(app.instance.link, Link::Lost { .. });
    let learned = app.instance.take(sample, app.now);
    app.lock.set_lost(false);
    match learned {
        Learned::Restarted => {
            app.say(format!(
                "{} restarted: its counters and runtime changes began anew",
                app.instance.info.product()
            ));
            if matches!(app.mode, Mode::Ask(_) | Mode::Weight { .. }) {
                app.mode = Mode::Table;
                app.say("the balancer restarted; nothing was sent");
            }
        }
        Learned::Update if was_lost => app.say("connected again"),
        Learned::First | Learned::Update => {}
    }
    app.reorder();
    renew(app);
    app.dirty = true;
}

/// Asks again if the server in question is no longer as it was when the question was put.
fn renew(app: &mut App) {
    let freshness = app.freshness();
    let Mode::Ask(question) = &mut app.mode else { return };
    let plan = &question.plan;
    let id = plan.command.target.id().clone();
    let is_same = app.instance.server(&id).is_some_and(|server| Seen::of(server) == plan.seen);
    // The record is of a state that is gone, once the status says another.
    let observed = plan.observed.filter(|_| is_same);
    match Plan::new(&app.instance, &id, plan.command.change, observed, freshness) {
        Ok(new) if !is_same => {
            let why = format!("it changed: {id} is {}", now_is(&app.instance, &id));
            let undoes = plan.undoes;
            question.renew(Plan { undoes, ..new }, why);
        }
        Ok(new) if new.risk.danger > plan.risk.danger => {
            let kept = Plan { expected: plan.expected, undoes: plan.undoes, ..new };
            question.renew(kept, "the risk has grown".into());
        }
        Ok(_) => {}
        Err(error) => {
            app.mode = Mode::Table;
            app.say(format!("{error}; nothing was sent"));
        }
    }
}

/// A server's state in words: `MAINT with weight 50 now`.
pub(super) fn now_is(instance: &Instance, id: &ServerId) -> String {
    instance.server(id).map_or_else(
        || "gone".into(),
        |server| format!("{} with weight {} now", server.word(), server.weight()),
    )
}

/// What happened by itself or by others' hands; what was done here is told by its action.
pub(super) fn event(app: &mut App, text: String, command: Option<&str>) {
    let is_own = app.actions.iter().rev().take(8).any(|action| {
        let recent = app.now.mono.saturating_sub(action.sent_at) < 10_000;
        recent && command == Some(action.command.to_string().as_str())
    });
    // An answer that was just given is not talked over.
    let is_fresh = app.note.as_ref().is_some_and(|note| app.now.mono.saturating_sub(note.at) < 3000);
    if !is_own && !is_fresh {
        app.say(text);
    }
}

pub(super) fn lost(app: &mut App, error: String, attempt: u32, retry_in_ms: u64) {
    app.instance.link = Link::Lost { error, attempt, retry_at: app.now.mono + retry_in_ms };
    app.lock.set_lost(true);
    if matches!(app.mode, Mode::Ask(_) | Mode::Weight { .. }) {
        app.mode = Mode::Table;
        app.say("connection lost; nothing was sent");
    }
    app.dirty = true;
}

pub(super) fn outcome(app: &mut App, number: u64, outcome: Outcome) -> Effects {
    let now = app.now.mono;
    let Some(action) = app.actions.iter_mut().find(|action| action.number == number) else {
        return Effects::new();
    };
    action.phase = Phase::Settled { outcome, at: now };
    let (report, undoes) = (action.report(), action.undoes);
    let (id, change) = (action.target().clone(), action.command.change);
    let found = match &action.phase {
        Phase::Settled { outcome: Outcome::Changed(observed), .. } => Some(*observed),
        _ => None,
    };
    let done = matches!(action.phase, Phase::Settled { outcome: Outcome::Done { .. }, .. });
    app.say(report);
    if let Some(undone) = undoes.filter(|_| done).and_then(|n| app.actions.iter_mut().find(|a| a.number == n))
    {
        undone.undone = true;
    }
    match found {
        Some(observed) if matches!(app.mode, Mode::Table) => {
            let freshness = app.freshness();
            match Plan::new(&app.instance, &id, change, Some(observed), freshness) {
                Ok(plan) => {
                    let mut question = Question::new(Plan { undoes, ..plan }, ' ');
                    question.again = Some(format!("not sent: it changed meanwhile, now {observed}"));
                    app.mode = Mode::Ask(Box::new(question));
                }
                Err(error) => app.say(format!("{error}; nothing was sent")),
            }
        }
        _ => {}
    }
    Effects::from_iter([Effect::Refresh])
}

/// The record of the server that is asked about: now the way back is known for sure.
pub(super) fn observed(app: &mut App, id: &ServerId, seen: Observed) {
    let freshness = app.freshness();
    match &mut app.mode {
        Mode::Weight { id: target, observed, .. } if target == id => *observed = Some(seen),
        Mode::Ask(question) if question.plan.command.target.id() == id && question.plan.undoes.is_none() => {
            let plan = &question.plan;
            if !plan.expected.holds(seen) {
                // The table is a second behind; the next sample asks again.
                return;
            }
            match Plan::new(&app.instance, id, plan.command.change, Some(seen), freshness) {
                Ok(new) if new.risk.danger <= plan.risk.danger => {
                    let risk = plan.risk.clone();
                    question.plan = Plan { risk, ..new };
                }
                Ok(new) => question.renew(new, "the risk has grown".into()),
                Err(error @ NoPlan::Already(..)) => {
                    app.mode = Mode::Table;
                    app.say(error.to_string());
                }
                Err(_) => {}
            }
        }
        _ => {}
    }
    app.dirty = true;
}
