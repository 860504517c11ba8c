//! The lines below the table: the selected server, the state of the table and the last news, the keys.

use super::canvas::Canvas;
use super::theme;
use crate::app::keymap::{self, BINDINGS, Binding};
use crate::app::state::{App, Mode};
use crate::model::instance::Link;
use crate::model::status::Condition;
use crate::model::text::{Keep, width};

/// ` web/s3  10.0.7.13:8080  backup  L7OK 200 "OK" in 2 ms  12 sessions left`
pub(super) fn detail(app: &App, canvas: &mut Canvas<'_>, y: u16) {
    let Some(server) = app.cursor().and_then(|row| app.at(row)) else { return };
    let row = &server.row;
    let mut parts = vec![server.id.to_string()];
    if !row.addr.is_empty() {
        parts.push(row.addr.clone());
    }
    if row.is_backup {
        parts.push("backup".into());
    }
    if let Some(percent) = row.throttle {
        parts.push(format!("slow start {percent}%"));
    }
    parts.push(server.check_told().unwrap_or_else(|| match server.condition {
        Condition::Maint => "checks off".into(),
        _ => "no checks".into(),
    }));
    let left = if matches!(server.condition, Condition::Drain | Condition::Maint | Condition::Nolb) {
        " left"
    } else {
        ""
    };
    parts.push(match server.current() {
        0 => "no sessions".into(),
        1 => format!("1 session{left}"),
        sessions => format!("{sessions} sessions{left}"),
    });
    if !row.tracked.is_empty() {
        parts.push(format!("tracks {}", row.tracked));
    }
    canvas.text(1, y, canvas.width().saturating_sub(2), &parts.join("  "), Keep::Head, theme::plain());
}

/// What is shown and what was heard last; or the line that is typed, and then where its cursor is.
pub(super) fn status(app: &App, canvas: &mut Canvas<'_>, y: u16) -> Option<(u16, u16)> {
    let room = canvas.width().saturating_sub(1);
    let typed = match &app.mode {
        Mode::Filter { input, .. } => Some((String::from("/"), input)),
        Mode::Weight { id, input, observed, .. } => {
            let now = observed
                .map_or_else(String::new, |seen| format!(" ({}, configured {})", seen.weight, seen.initial));
            Some((format!(" weight of {id}{now}: "), input))
        }
        _ => None,
    };
    if let Some((prompt, input)) = typed {
        let x = canvas.text(0, y, room * 3 / 4, &prompt, Keep::Ends, theme::bold());
        let x = canvas.text(x, y, room.saturating_sub(x), input, Keep::Tail, theme::plain());
        if matches!(app.mode, Mode::Filter { .. }) {
            let found = format!("{} of {}", app.order.len(), app.instance.servers.len());
            let at = room.saturating_sub(u16::try_from(found.len()).unwrap_or(room));
            if at > x + 1 {
                canvas.text(at, y, room, &found, Keep::Head, theme::dim());
            }
        }
        return Some((x, y));
    }
    let row = app.cursor().map_or(0, |row| row + 1);
    let filter = if app.filter.is_empty() { "-" } else { app.filter.text() };
    let mut left = format!("{row}/{} of {}", app.order.len(), app.instance.servers.len());
    if canvas.width() >= 60 || !app.filter.is_empty() {
        left.extend(["  sort:", app.sort.word(), "  filter:", filter]);
    }
    let (news, is_bad) = news(app);
    let style = if is_bad { theme::bad(canvas.look.colors) } else { theme::bold() };
    if news.is_empty() || width(&left) + width(&news) + 4 <= usize::from(room) {
        let x = canvas.text(1, y, room, &left, Keep::Head, theme::plain());
        canvas.text(x + 2, y, room.saturating_sub(x + 2), &news, Keep::Head, style);
    } else {
        canvas.text(1, y, room, &news, Keep::Head, style);
    }
    None
}

/// The latest thing to know, and whether it is bad.
fn news(app: &App) -> (String, bool) {
    let is_lost = matches!(app.instance.link, Link::Lost { .. });
    if let Some(note) = &app.note
        && (!is_lost || app.now.mono.saturating_sub(note.at) < 3000)
    {
        return (note.text.clone(), note.text.starts_with(['!', '?']));
    }
    if let Link::Lost { error, attempt, retry_at } = &app.instance.link {
        let wait = retry_at.saturating_sub(app.now.mono).div_ceil(1000);
        return (format!("! {}: {error} (attempt {attempt}, next in {wait} s)", app.instance.socket), true);
    }
    (String::new(), false)
}

/// The keys that work now.
pub(super) fn footer(app: &App, canvas: &mut Canvas<'_>, y: u16) {
    let room = canvas.width().saturating_sub(2);
    let line = match &app.mode {
        Mode::Filter { .. } => "Enter keep  Esc back  text  state:down  be:web  addr:10.  !not".into(),
        Mode::Weight { error: Some(error), .. } => {
            canvas.text(1, y, room, &format!("! {error}"), Keep::Head, theme::bad(canvas.look.colors));
            return;
        }
        Mode::Weight { .. } => "Enter preview  Esc no      120  50%  +10  -10  0".into(),
        Mode::Ask(_) | Mode::Unlock(_) => "Esc no".into(),
        Mode::Help { .. } => "j k scroll  Esc back".into(),
        Mode::Table => keys(usize::from(room), matches!(app.instance.link, Link::Lost { .. })),
    };
    canvas.text(1, y, room, &line, Keep::Head, theme::plain());
}

/// The footer out of the table of commands: with words, or without them where there is no room. What cannot be done
/// while the balancer is lost gives way to what can.
fn keys(room: usize, is_lost: bool) -> String {
    let shown: Vec<&Binding> = BINDINGS
        .iter()
        .filter(|binding| {
            if is_lost && (binding.verb.acts() || binding.verb == keymap::Verb::Retry) {
                return !binding.verb.acts();
            }
            !binding.short.is_empty()
        })
        .collect();
    let word = |binding: &&Binding| {
        let word = if binding.short.is_empty() { binding.doc } else { binding.short };
        format!("{} {word}", binding.keys[0])
    };
    let long = shown.iter().map(word).collect::<Vec<_>>().join("  ");
    if width(&long) <= room {
        return long;
    }
    let middle = shown.iter().filter(|binding| binding.verb != keymap::Verb::NextProblem);
    let middle = middle.map(word).collect::<Vec<_>>().join("  ");
    if width(&middle) <= room {
        return middle;
    }
    shown.iter().map(|binding| binding.keys[0].to_string()).collect::<Vec<_>>().join(" ")
}
