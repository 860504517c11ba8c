//! The only place where state changes: a message in, effects out.

mod keys;
mod news;
#[cfg(test)]
mod tests;

use smallvec::SmallVec;

use super::effect::Effect;
use super::msg::Msg;
use super::state::{App, Mode};
use crate::model::clock::Now;
use crate::model::instance::Freshness;

/// What one message asks for.
pub type Effects = SmallVec<[Effect; 2]>;

/// How long a note stays.
const NOTE_MS: u64 = 15_000;

/// Takes a message.
pub fn update(app: &mut App, msg: Msg) -> Effects {
    match msg {
        Msg::Tick(now) => tick(app, now),
        Msg::Key(key) => return keys::press(app, key),
        Msg::Resize { width, height } => {
            (app.width, app.height) = (width, height);
            app.scroll();
            app.dirty = true;
        }
        // What has no room to be read was not asked.
        Msg::Painted if !app.can_ask() => {}
        Msg::Painted => match &mut app.mode {
            Mode::Ask(question) => question.painted(app.now.mono),
            Mode::Unlock(painted) => {
                painted.get_or_insert(app.now.mono);
            }
            _ => {}
        },
        Msg::Sample(sample) => news::sample(app, *sample),
        Msg::Interval(ms) => app.instance.interval_ms = ms,
        Msg::Level(level) => {
            app.instance.level = level;
            app.lock.set_level(level);
            app.dirty = true;
        }
        Msg::Lost { error, attempt, retry_in_ms } => news::lost(app, error, attempt, retry_in_ms),
        Msg::Event { text, command } => news::event(app, text, command.as_deref()),
        Msg::Outcome(number, outcome) => return news::outcome(app, number, outcome),
        Msg::Observed(id, observed) => news::observed(app, &id, observed),
        Msg::Terminate | Msg::InputClosed => return Effects::from_iter([Effect::Quit]),
        Msg::Continue => return Effects::from_iter([Effect::Repaint]),
        Msg::Suspend => return Effects::from_iter([Effect::Suspend]),
    }
    Effects::new()
}

/// How old the last sample has to be for the clock to have its own frames.
const BEAT_MS: u64 = 1200;

/// Time went on: the screen changes with the second of its clock, or when something on it has run out. While samples
/// come they bring the clock along, so that a second has one frame and not two.
fn tick(app: &mut App, now: Now) {
    let before = app.now;
    app.now = now;
    let has_beat =
        app.instance.age_ms(now).is_some_and(|age| age < BEAT_MS) && app.freshness() == Freshness::Live;
    if before.wall / 1000 != now.wall / 1000 && !has_beat {
        app.dirty = true;
    }
    if app.note.as_ref().is_some_and(|note| now.mono.saturating_sub(note.at) >= NOTE_MS) {
        app.note = None;
        app.dirty = true;
    }
}
