//! The servers. Only the rows in the window are made.

use ratatui::style::Style;

use super::canvas::Canvas;
use super::columns::{Column, columns, load};
use super::theme;
use crate::app::screen::{Class, Division};
use crate::app::state::App;
use crate::model::clock::short_span;
use crate::model::instance::Freshness;
use crate::model::server::Server;
use crate::model::status::Severity;
use crate::model::text::{Keep, count};

/// Draws heads and rows, and says where the selected one begins.
pub(super) fn table(app: &App, canvas: &mut Canvas<'_>, y: u16, division: Division) -> Option<(u16, u16)> {
    if division.heads > 0 {
        heads(canvas, y);
    }
    let first = y + division.heads;
    if app.order.is_empty() {
        let text = match app.freshness() {
            Freshness::Connecting => "connecting",
            Freshness::Lost if app.instance.servers.is_empty() => "",
            _ if app.instance.servers.is_empty() => "this balancer has no servers",
            _ => "no server fits the filter; Esc clears it",
        };
        canvas.text(1, first, canvas.width().saturating_sub(1), text, Keep::Head, theme::dim());
        return None;
    }
    let is_old = matches!(app.freshness(), Freshness::Stale | Freshness::Lost);
    let mut cursor = None;
    for line in 0..division.rows {
        let Some(server) = app.at(app.top + usize::from(line)) else { break };
        let y = first + line;
        let is_selected = app.selected.as_ref() == Some(&server.id);
        if is_selected {
            cursor = Some((0, y));
        }
        let row = Row { app, server, is_selected, is_old };
        match division.class {
            Class::Narrow => row.narrow(canvas, y),
            _ => row.wide(canvas, y),
        }
        if is_old {
            canvas.style(0, y, canvas.width(), theme::dim());
        }
    }
    cursor
}

fn heads(canvas: &mut Canvas<'_>, y: u16) {
    let (name, columns) = columns(canvas.width());
    canvas.text(1, y, name, "BACKEND/SERVER", Keep::Head, theme::bold());
    let mut x = 1 + name;
    for &(column, cells) in columns {
        x += 1;
        let title = column.title(cells);
        if column.is_number() {
            canvas.right(x, y, cells, title, theme::bold());
        } else {
            canvas.text(x, y, cells, title, Keep::Head, theme::bold());
        }
        x += cells;
    }
}

struct Row<'a> {
    app: &'a App,
    server: &'a Server,
    is_selected: bool,
    is_old: bool,
}

impl Row<'_> {
    /// The mark and the name; returns where they end.
    fn name(&self, canvas: &mut Canvas<'_>, y: u16, cells: u16) -> u16 {
        let severity = self.server.severity();
        let mark = match (self.is_selected, severity.is_problem()) {
            (true, _) => ">",
            (false, true) => "!",
            (false, false) => " ",
        };
        canvas.text(0, y, 1, mark, Keep::Head, theme::severity(canvas.look.colors, severity));
        canvas.text(1, y, cells, &self.server.id.to_string(), Keep::Ends, theme::plain());
        if self.is_selected {
            canvas.style(0, y, cells + 1, theme::reversed());
        }
        cells + 1
    }

    fn wide(&self, canvas: &mut Canvas<'_>, y: u16) {
        let (name, columns) = columns(canvas.width());
        let mut x = self.name(canvas, y, name);
        let severity = theme::severity(canvas.look.colors, self.server.severity());
        let badge = self.badge(canvas);
        for &(column, cells) in columns {
            x += 1;
            if let (Column::Queue, Some((text, style))) = (column, &badge) {
                canvas.text(x, y, canvas.width().saturating_sub(x), text, Keep::Head, *style);
                return;
            }
            let mut text = column.cell(self.server, cells, self.app.now, canvas.look.glyphs);
            let mut style = theme::plain();
            match column {
                Column::State => {
                    style = severity;
                    if self.is_old {
                        text.push('?');
                    }
                }
                Column::Load if self.server.is_full() => style = severity,
                Column::Queue if self.server.row.qcur.unwrap_or(0) > 0 => {
                    style = theme::severity(canvas.look.colors, Severity::Queueing);
                }
                _ => {}
            }
            if column.is_number() {
                canvas.right(x, y, cells, &text, style);
            } else {
                canvas.text(x, y, cells, &text, Keep::Head, style);
            }
            x += cells;
        }
    }

    fn narrow(&self, canvas: &mut Canvas<'_>, y: u16) {
        let rest = 13;
        let x = self.name(canvas, y, canvas.width().saturating_sub(rest + 17));
        let severity = theme::severity(canvas.look.colors, self.server.severity());
        let old = if self.is_old { "?" } else { "" };
        canvas.text(x + 1, y, 8, &format!("{}{old}", self.server.word_in(8)), Keep::Head, severity);
        let since = self.server.since(self.app.now).map_or_else(|| "-".into(), short_span);
        canvas.right(x + 9, y, 5, &since, theme::plain());
        let (text, style) = self.badge(canvas).unwrap_or_else(|| (self.narrow_detail(), theme::plain()));
        canvas.text(x + 15, y, rest, &text, Keep::Head, style);
    }

    /// What matters most where only one more thing fits.
    fn narrow_detail(&self) -> String {
        let server = self.server;
        match server.severity() {
            Severity::Down => server.check(),
            Severity::Drain => format!("{} left", count(server.current())),
            Severity::Queueing | Severity::OverLimit => {
                format!("{} q{}", load(server), count(server.row.qcur.unwrap_or(0)))
            }
            Severity::GoingDown | Severity::Maint | Severity::Fine => load(server),
        }
    }

    /// What became of the last action on it.
    fn badge(&self, canvas: &Canvas<'_>) -> Option<(String, Style)> {
        let action = self.app.action_on(&self.server.id)?;
        let style = if action.is_bad() { theme::bad(canvas.look.colors) } else { theme::bold() };
        Some((action.badge(), style))
    }
}
