//! The question before a command: what is sent, what comes of it, what brings it back, how to say yes.

use ratatui::style::Style;

use super::canvas::Canvas;
use super::theme;
use crate::app::state::App;
use crate::command::explain;
use crate::command::plan::Plan;
use crate::command::projection::Share;
use crate::command::question::Question;
use crate::command::risk::Danger;
use crate::model::text::{Keep, clean, fit, width};

/// One line of a box.
type Line = (String, Style);

/// Draws the question and says where the cursor is.
pub(super) fn question(app: &App, question: &Question, canvas: &mut Canvas<'_>, below: u16) -> (u16, u16) {
    let plan = &question.plan;
    let id = plan.command.target.id();
    let colors = canvas.look.colors;
    let node = &app.instance.info.node;
    let undo = if plan.undoes.is_some() { "Undo: " } else { "" };
    let title = format!("{undo}{} {id} on {node}", plan.command.change.verb());
    let mut head: Vec<Line> = Vec::new();
    if let Some(again) = &question.again {
        head.push((format!("! {again}"), theme::bad(colors)));
    }
    head.push((format!("sends  {}", plan.command), theme::bold()));
    head.push((explain::outcome(plan), theme::danger(colors, plan.risk.danger)));
    let shares = shares(plan, canvas);
    let notes = plan.notes.iter().map(|note| (note.clone(), theme::plain())).collect();
    let mut tail = vec![(format!("undo   {}", plan.undo_command()), theme::plain())];
    let reasons = plan.risk.reasons.join("; ");
    let separator = if reasons.is_empty() { "" } else { ": " };
    tail.push((
        format!("risk {}{separator}{reasons}", plan.risk.danger.word()),
        theme::danger(colors, plan.risk.danger),
    ));
    let ask = match question.name_to_type() {
        Some(name) => format!("type {name} to do it, Esc for no: {}", question.typed),
        None => "y do it   n or Esc no".into(),
    };
    let is_typed = plan.risk.danger == Danger::High;
    boxed(canvas, below, &title, Content { head, shares, notes, tail, ask, is_typed })
}

/// The load of each server before and after; nothing where no load moves.
fn shares(plan: &Plan, canvas: &Canvas<'_>) -> Vec<Line> {
    if !explain::moves(plan) {
        return Vec::new();
    }
    let shares = &plan.projection.shares;
    let widest = shares.iter().map(|share| width(&share.name)).max().unwrap_or(0).clamp(4, 24);
    let is_narrow = canvas.width() < 60;
    let line = |share: &Share| {
        let warning = explain::warning(share);
        let style = if warning == "OVER" { theme::bad(canvas.look.colors) } else { theme::plain() };
        let name = fit(&share.name, widest, Keep::Ends, canvas.look.glyphs.ellipsis());
        let pad = " ".repeat(widest - width(&name));
        let (share, sessions) = (explain::share(share), explain::sessions(share));
        let text = if is_narrow {
            format!(" {name}{pad} {share:>11}  {sessions} {warning}")
        } else {
            format!("  {name}{pad} {share:>12} of the load   sessions {sessions} {warning}")
        };
        (text, style)
    };
    shares.iter().map(line).collect()
}

/// Asks whether to unlock.
pub(super) fn unlock(app: &App, canvas: &mut Canvas<'_>, below: u16) -> (u16, u16) {
    let title = format!("Unlock {}", app.instance.info.node);
    let head = vec![
        ("Actions can be sent again; each still asks.".to_owned(), theme::plain()),
        (app.instance.socket.clone(), theme::plain()),
    ];
    let content = Content {
        head,
        shares: Vec::new(),
        notes: Vec::new(),
        tail: Vec::new(),
        ask: "y unlock   n or Esc no".into(),
        is_typed: false,
    };
    boxed(canvas, below, &title, content)
}

/// What stands in a box. Where it is too low, notes give way, then shares, then the tail's first lines; what is sent,
/// what comes of it and how to answer never do.
struct Content {
    head: Vec<Line>,
    shares: Vec<Line>,
    notes: Vec<Line>,
    tail: Vec<Line>,
    ask: String,
    /// Whether the answer is typed behind `ask`.
    is_typed: bool,
}

fn boxed(canvas: &mut Canvas<'_>, below: u16, title: &str, content: Content) -> (u16, u16) {
    let Content { head, mut shares, mut notes, mut tail, ask, is_typed } = content;
    let has_frame = canvas.width() >= 44;
    let around: u16 = if has_frame { 4 } else { 0 };
    let lines = head.iter().chain(&shares).chain(&notes).chain(&tail);
    let longest = lines.map(|(text, _)| width(text)).max().unwrap_or(0);
    let wanted = longest.max(width(&ask) + 16).max(width(title) + 4).clamp(40, 100);
    let inner = u16::try_from(wanted).unwrap_or(u16::MAX).min(canvas.width().saturating_sub(around * 2));
    let outer = inner + around;
    let wrapped = |lines: Vec<Line>| lines.into_iter().flat_map(|line| wrap(line, inner)).collect::<Vec<_>>();
    let head = wrapped(head);
    (notes, tail) = (wrapped(notes), wrapped(tail));
    let room = usize::from(canvas.height().saturating_sub(below + 3)).saturating_sub(head.len());
    tail.drain(..tail.len().saturating_sub(room));
    let room = room - tail.len();
    if shares.len() > room {
        let hidden = shares.len() - room.saturating_sub(1);
        shares.truncate(room.saturating_sub(1));
        if room > 0 {
            shares.push((format!("  and {hidden} more"), theme::plain()));
        }
    }
    notes.truncate(room - shares.len());
    let lines: Vec<Line> = head.into_iter().chain(shares).chain(notes).chain(tail).collect();
    let height =
        u16::try_from(lines.len() + 3).unwrap_or(u16::MAX).min(canvas.height().saturating_sub(below));
    let x = canvas.width().saturating_sub(outer) / 2;
    let y = below + canvas.height().saturating_sub(below + height) / 3;
    let inset = if has_frame { 2 } else { 0 };
    if has_frame {
        canvas.frame(x, y, outer, height, title, theme::plain());
    } else {
        for row in 0..height {
            canvas.blank(0, y + row, canvas.width());
        }
        canvas.text(x, y, outer, title, Keep::Head, theme::bold());
    }
    let last = height.saturating_sub(2);
    for (at, (text, style)) in (1..last.max(1)).zip(&lines) {
        canvas.text(x + inset, y + at, inner, text, Keep::Head, *style);
    }
    let end = canvas.text(x + inset, y + last, inner, &ask, Keep::Tail, theme::bold());
    let cursor = if is_typed { end } else { x + inset };
    (cursor, y + last)
}

/// Breaks a line at spaces, and words that are longer than a line where they must: a command is shown whole.
fn wrap(line: Line, cells: u16) -> Vec<Line> {
    let (text, style) = line;
    let cells = usize::from(cells).max(8);
    let text = clean(&text);
    let mut lines = Vec::new();
    let mut current = String::new();
    for (at, word) in text.split(' ').enumerate() {
        let has_room = width(&current) + 1 + width(word) <= cells;
        if at > 0 && has_room {
            current.push(' ');
        } else if at > 0 {
            lines.push(std::mem::replace(&mut current, "  ".into()));
        }
        for c in word.chars() {
            if width(&current) + width(c.encode_utf8(&mut [0; 4])) > cells {
                lines.push(std::mem::replace(&mut current, "  ".into()));
            }
            current.push(c);
        }
    }
    lines.push(current);
    lines.into_iter().map(|text| (text, style)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_by_wrapping() {
        for (text, lines) in [
            ("short", &["short"][..]),
            ("risk HIGH: it is", &["risk HIGH:", "  it is"]),
            ("set server/averylongname", &["set", "  server/a", "  verylong", "  name"]),
            ("", &[""]),
        ] {
            let wrapped: Vec<_> =
                wrap((text.into(), theme::plain()), 10).into_iter().map(|line| line.0).collect();
            assert_eq!(wrapped, lines);
        }
    }
}
