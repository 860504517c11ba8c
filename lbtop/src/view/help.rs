//! The help, made from the table of commands.

use super::canvas::Canvas;
use super::theme;
use crate::app::keymap::{self, BINDINGS, Group};
use crate::app::state::App;
use crate::model::text::Keep;

/// Cells of one column of keys.
const COLUMN: u16 = 38;

/// Draws the help over the table, from line `scroll` on.
pub(super) fn help(app: &App, scroll: u16, canvas: &mut Canvas<'_>, below: u16) {
    let bottom = canvas.height().saturating_sub(1);
    for y in below..bottom {
        canvas.blank(0, y, canvas.width());
    }
    let columns = if canvas.width() >= 2 * COLUMN + 2 { 2 } else { 1 };
    let mut lines: Vec<String> = Vec::new();
    let groups: Vec<Vec<String>> = Group::ALL.into_iter().map(group).collect();
    if columns == 2 {
        for pair in groups.chunks(2) {
            let rows = pair.iter().map(Vec::len).max().unwrap_or(0);
            for at in 0..rows {
                let cell = |column: usize| {
                    pair.get(column).and_then(|lines| lines.get(at)).map_or("", String::as_str)
                };
                lines.push(format!("{:width$}{}", cell(0), cell(1), width = usize::from(COLUMN)));
            }
            lines.push(String::new());
        }
    } else {
        lines.extend(groups.into_iter().flatten());
        lines.push(String::new());
    }
    lines.extend(
        [
            "FILTER  text  state:down,drain  be:web  addr:10.0.7.  !not   all must hold",
            "STATE   UP 1/3 failing  DOWN 1/2 coming back  DRAIN  MAINT  NOLB  NOCHK",
            "MARK    > selected   ! trouble   ? old value",
            "SORT    trouble: down, failing, full, queueing, drain, maint, then load",
        ]
        .map(str::to_owned),
    );
    if let Some(reason) = app.lock.reason() {
        lines.push(format!("ACTIONS are off: {reason}"));
    }
    let room = usize::from(bottom.saturating_sub(below));
    let first = usize::from(scroll).min(lines.len().saturating_sub(room));
    for (y, line) in (below..bottom).zip(&lines[first..]) {
        let style =
            if line.trim_end().chars().all(|c| !c.is_lowercase()) { theme::bold() } else { theme::plain() };
        canvas.text(1, y, canvas.width().saturating_sub(2), line, Keep::Head, style);
    }
}

fn group(group: Group) -> Vec<String> {
    let bindings = BINDINGS.iter().filter(|binding| binding.group == group);
    std::iter::once(group.title().to_owned())
        .chain(bindings.map(|binding| format!("{:8} {}", keymap::keys(binding), binding.doc)))
        .collect()
}
