//! What keys do.

use super::{Effects, news};
use crate::app::action::{Action, Outcome, Phase};
use crate::app::effect::Effect;
use crate::app::filter::Filter;
use crate::app::key::Key;
use crate::app::keymap::{self, Verb};
use crate::app::state::{App, Mode};
use crate::command::gate::{Checked, Reason};
use crate::command::order::{Admin, Change, Target, WeightInput};
use crate::command::plan::{Plan, Seen};
use crate::command::question::{Confirmed, DEAD_TIME_MS, Press, Question, Verdict};
use crate::model::server::ServerId;

/// The longest line that can be typed.
const MAX_INPUT: usize = 120;

pub(super) fn press(app: &mut App, key: Key) -> Effects {
    if key == Key::Other {
        return Effects::new();
    }
    app.dirty = true;
    // These two work wherever one is.
    match key {
        Key::Ctrl('c') => return quit(app),
        Key::Ctrl('z') => return Effects::from_iter([Effect::Suspend]),
        _ => {}
    }
    match std::mem::replace(&mut app.mode, Mode::Table) {
        Mode::Table => in_table(app, key),
        Mode::Filter { before, selected, input } => {
            in_filter(app, key, before, selected, input);
            Effects::new()
        }
        Mode::Weight { id, input, observed, error } => {
            app.mode = Mode::Weight { id, input, observed, error };
            in_weight(app, key)
        }
        Mode::Ask(question) => in_question(app, key, question),
        Mode::Unlock(painted) => {
            let ready = painted.is_some_and(|at| app.now.mono >= at + DEAD_TIME_MS);
            match key {
                Key::Char('y') if ready => {
                    app.lock.unlock();
                    app.say("unlocked: actions ask, then send");
                }
                Key::Esc | Key::Char('n') if ready => {}
                _ => app.mode = Mode::Unlock(painted),
            }
            Effects::new()
        }
        Mode::Help { scroll } => {
            match key {
                Key::Char('j') | Key::Down => {
                    app.mode = Mode::Help { scroll: scroll.saturating_add(1).min(200) }
                }
                Key::Char('k') | Key::Up => app.mode = Mode::Help { scroll: scroll.saturating_sub(1) },
                Key::Esc | Key::Char('q' | '?') | Key::Enter => {}
                _ => app.mode = Mode::Help { scroll },
            }
            Effects::new()
        }
    }
}

fn in_table(app: &mut App, key: Key) -> Effects {
    let Some(verb) = keymap::lookup(key) else { return Effects::new() };
    app.leaving &= verb == Verb::Quit;
    let page = usize::from(app.division().rows).max(1);
    match verb {
        Verb::RowDown => step(app, 1),
        Verb::RowUp => step(app, -1),
        Verb::HalfDown => step(app, page.div_ceil(2).cast_signed()),
        Verb::HalfUp => step(app, -page.div_ceil(2).cast_signed()),
        Verb::PageDown => step(app, page.cast_signed()),
        Verb::PageUp => step(app, -page.cast_signed()),
        Verb::Top => step(app, isize::MIN),
        Verb::Bottom => step(app, isize::MAX),
        Verb::NextProblem => next_problem(app),
        Verb::Filter => {
            app.mode = Mode::Filter {
                before: app.filter.clone(),
                selected: app.selected.clone(),
                input: app.filter.text().to_owned(),
            };
        }
        Verb::ClearFilter => {
            app.filter = Filter::default();
            app.acknowledge();
            app.reorder();
        }
        Verb::Sort => {
            app.sort = app.sort.next();
            app.reorder();
        }
        Verb::Drain => return ask_state(app, Admin::Drain, 'd'),
        Verb::Ready => return ask_state(app, Admin::Ready, 'r'),
        Verb::Maint => return ask_state(app, Admin::Maint, 'm'),
        Verb::Weight => return ask_weight(app),
        Verb::Undo => ask_undo(app),
        Verb::Lock => toggle_lock(app),
        Verb::Retry => return Effects::from_iter([Effect::Retry]),
        Verb::Help => app.mode = Mode::Help { scroll: 0 },
        Verb::Suspend => return Effects::from_iter([Effect::Suspend]),
        Verb::Quit => return quit(app),
    }
    Effects::new()
}

/// Leaves, but not over a command whose answer is still to come, unless asked twice.
fn quit(app: &mut App) -> Effects {
    if app.is_waiting() && !app.leaving {
        app.leaving = true;
        app.say("a command is still unanswered; again to leave all the same");
        return Effects::new();
    }
    Effects::from_iter([Effect::Quit])
}

fn step(app: &mut App, by: isize) {
    let last = app.order.len().saturating_sub(1);
    let row = app.cursor().unwrap_or(0).saturating_add_signed(by).min(last);
    app.select_row(row);
}

/// The next row below that is in trouble, from the top again after the last.
fn next_problem(app: &mut App) {
    let from = app.cursor().map_or(0, |row| row + 1);
    let rows = app.order.len();
    let problem = (from..rows)
        .chain(0..from.min(rows))
        .find(|&row| app.at(row).is_some_and(|server| server.severity().is_problem()));
    match problem {
        Some(row) => app.select_row(row),
        None => app.say("no problem among the rows shown"),
    }
}

fn in_filter(app: &mut App, key: Key, before: Filter, selected: Option<ServerId>, mut input: String) {
    match key {
        Key::Enter => return,
        Key::Esc => app.filter = before,
        _ => {
            edit(&mut input, key);
            app.filter = Filter::parse(&input);
            app.mode = Mode::Filter { before, selected: selected.clone(), input };
        }
    }
    app.selected = selected;
    app.reorder();
}

fn edit(input: &mut String, key: Key) {
    match key {
        Key::Char(c) if input.chars().count() < MAX_INPUT => input.push(c),
        Key::Backspace => {
            input.pop();
        }
        Key::Ctrl('u') => input.clear(),
        Key::Ctrl('w') => {
            let kept = input.trim_end().rfind(' ').map_or(0, |at| at + 1);
            input.truncate(kept);
        }
        _ => {}
    }
}

/// The selected server, if anything may be done to it.
fn target(app: &mut App) -> Option<ServerId> {
    if let Some(reason) = app.lock.reason() {
        app.say(reason.to_string());
        return None;
    }
    let id = app.cursor().and_then(|row| app.at(row)).map(|server| server.id.clone());
    if id.is_none() {
        app.say("no server is selected");
    }
    if let Some(id) = &id
        && app.actions.iter().any(|action| action.target() == id && action.phase == Phase::Pending)
    {
        app.say(format!("{id}: the last command is still unanswered"));
        return None;
    }
    id
}

fn ask_state(app: &mut App, admin: Admin, key: char) -> Effects {
    let Some(id) = target(app) else { return Effects::new() };
    ask(app, &id, Change::State(admin), key)
}

/// Opens the question, and reads the server's record meanwhile.
fn ask(app: &mut App, id: &ServerId, change: Change, key: char) -> Effects {
    match Plan::new(&app.instance, id, change, None, app.freshness()) {
        Ok(plan) => {
            let target = plan.command.target.clone();
            app.mode = Mode::Ask(Box::new(Question::new(plan, key)));
            Effects::from_iter([Effect::Observe(target)])
        }
        Err(error) => {
            app.say(error.to_string());
            Effects::new()
        }
    }
}

fn ask_weight(app: &mut App) -> Effects {
    let Some(id) = target(app) else { return Effects::new() };
    let Some(target) = Target::new(&id) else {
        app.say(format!("the name {id} cannot stand in a command"));
        return Effects::new();
    };
    app.mode = Mode::Weight { id, input: String::new(), observed: None, error: None };
    Effects::from_iter([Effect::Observe(target)])
}

fn in_weight(app: &mut App, key: Key) -> Effects {
    let freshness = app.freshness();
    let Mode::Weight { id, input, observed, error } = &mut app.mode else { return Effects::new() };
    match key {
        Key::Esc => {
            app.mode = Mode::Table;
            return Effects::new();
        }
        Key::Enter => {}
        _ => {
            *error = None;
            edit(input, key);
            return Effects::new();
        }
    }
    let weight_now = match (&*observed, app.instance.server(id)) {
        (Some(seen), _) => seen.weight,
        (None, Some(server)) => server.weight(),
        (None, None) => 0,
    };
    let plan = match WeightInput::parse(input) {
        Err(forms) => Err(forms.to_owned()),
        Ok(weight) => {
            let change = Change::Weight(weight.resolve(weight_now));
            Plan::new(&app.instance, id, change, *observed, freshness).map_err(|error| error.to_string())
        }
    };
    match plan {
        Ok(plan) => app.mode = Mode::Ask(Box::new(Question::new(plan, 'w'))),
        Err(why) => *error = Some(why),
    }
    Effects::new()
}

fn ask_undo(app: &mut App) {
    if let Some(reason) = app.lock.reason() {
        return app.say(reason.to_string());
    }
    let Some(action) = app.undoable() else { return app.say("nothing to undo") };
    if app.instance.boot.as_deref() != Some(&*action.boot) {
        return app.say("the balancer restarted since; there is nothing left to undo");
    }
    let (before, after, at) = match &action.phase {
        Phase::Settled {
            outcome: Outcome::Done { before, after } | Outcome::NotSeen { before, after },
            at,
        } => (*before, *after, *at),
        _ => return,
    };
    if app.instance.heard_at.is_none_or(|heard| heard < at) {
        return app.say("what was done is not on the screen yet; a moment");
    }
    let (id, number) = (action.target().clone(), action.number);
    let change = before.inverse(action.command.change);
    let Some(server) = app.instance.server(&id) else { return app.say(format!("{id} is gone")) };
    // What somebody did since is shown and asked about, not overwritten.
    let same = Seen::of(server).agrees_with(after);
    let again = (!same).then(|| format!("it changed since: {id} is {}", news::now_is(&app.instance, &id)));
    match Plan::new(&app.instance, &id, change, same.then_some(after), app.freshness()) {
        Ok(plan) => {
            let mut question = Question::new(Plan { undoes: Some(number), ..plan }, 'z');
            question.again = again;
            app.mode = Mode::Ask(Box::new(question));
        }
        Err(error) => {
            // Somebody brought it back already, so that what was done before it is next.
            if let Some(action) = app.actions.iter_mut().find(|action| action.number == number) {
                action.undone = true;
            }
            app.say(format!("{error}; nothing to undo there"));
        }
    }
}

fn toggle_lock(app: &mut App) {
    match app.lock.reason() {
        Some(Reason::Locked) => app.mode = Mode::Unlock(None),
        Some(reason @ (Reason::ReadOnly | Reason::Level(_))) => app.say(reason.to_string()),
        Some(Reason::Lost) | None => {
            app.lock.lock();
            app.say("locked: nothing is sent until L unlocks");
        }
    }
}

fn in_question(app: &mut App, key: Key, mut question: Box<Question>) -> Effects {
    let press = match key {
        Key::Char(c) => Press::Char(c),
        Key::Backspace => Press::Backspace,
        Key::Esc => Press::Cancel,
        _ => Press::Other,
    };
    let press = if app.can_ask() || press == Press::Cancel { press } else { Press::Other };
    match question.press(press, app.now.mono) {
        Verdict::Ignored | Verdict::Typed => {
            app.mode = Mode::Ask(question);
            Effects::new()
        }
        Verdict::Cancelled => {
            app.say("cancelled; nothing was sent");
            Effects::new()
        }
        Verdict::Yes(confirmed) => send(app, confirmed),
    }
}

/// The only place where a command is sent from.
fn send(app: &mut App, confirmed: Confirmed) -> Effects {
    let leave = match app.lock.open() {
        Ok(leave) => leave,
        Err(reason) => {
            app.say(reason.to_string());
            return Effects::new();
        }
    };
    let plan = confirmed.plan();
    if app.instance.boot.as_deref() != Some(&*plan.boot) {
        app.say("the balancer restarted; nothing was sent");
        return Effects::new();
    }
    let number = app.next_action;
    app.next_action += 1;
    let action = Action {
        number,
        command: plan.command.clone(),
        boot: plan.boot.clone(),
        sent_at: app.now.mono,
        phase: Phase::Pending,
        undoes: plan.undoes,
        undone: false,
        is_read: false,
    };
    let expected = plan.expected;
    app.say(action.report());
    app.remember(action);
    Effects::from_iter([Effect::Send { number, command: Checked::new(confirmed, leave), expected }])
}
