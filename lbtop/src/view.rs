//! The screen as a function of the state: no clock, no locks, nothing kept between frames.

mod canvas;
mod columns;
mod dialog;
mod foot;
pub mod glyphs;
mod header;
mod help;
mod table;
#[cfg(test)]
mod tests;
mod theme;

use ratatui::Frame;
use ratatui::layout::Position;

use crate::app::screen::Class;
use crate::app::state::{App, Mode};
use crate::model::text::Keep;
use canvas::Canvas;
use glyphs::Glyphs;

/// How it is drawn, as the terminal allows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Look {
    pub glyphs: Glyphs,
    pub colors: Colors,
}

/// Whether colours may be used. Nothing is said by colour alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Colors {
    /// The sixteen of the terminal.
    Terminal,
    None,
}

/// Draws the state.
pub fn draw(app: &App, look: Look, frame: &mut Frame<'_>) {
    let area = frame.area();
    let mut canvas = Canvas::new(frame.buffer_mut(), area, look);
    let mut cursor = None;
    let division = app.division();
    if division.class == Class::Tiny {
        tiny(app, &mut canvas);
    } else {
        let mut y = 0;
        header::header(app, &mut canvas, y);
        y += division.header;
        if division.summary > 0 {
            header::summary(app, &mut canvas, y);
        }
        y += division.summary;
        cursor = table::table(app, &mut canvas, y, division);
        y += division.heads + division.rows;
        if division.detail > 0 {
            foot::detail(app, &mut canvas, y);
        }
        y += division.detail;
        if let Some(at) = foot::status(app, &mut canvas, y) {
            cursor = Some(at);
        }
        y += division.status;
        if division.footer > 0 {
            foot::footer(app, &mut canvas, y);
        }
        let below = division.header;
        match &app.mode {
            Mode::Ask(_) | Mode::Unlock(_) if !app.can_ask() || area.width < 32 || area.height < 10 => {
                canvas.blank(0, below, canvas.width());
                canvas.text(1, below, canvas.width(), "too small to ask; Esc", Keep::Head, theme::bold());
            }
            Mode::Ask(question) => cursor = Some(dialog::question(app, question, &mut canvas, below)),
            Mode::Unlock(_) => cursor = Some(dialog::unlock(app, &mut canvas, below)),
            Mode::Help { scroll } => {
                help::help(app, *scroll, &mut canvas, below);
                cursor = Some((0, below));
            }
            Mode::Table | Mode::Filter { .. } | Mode::Weight { .. } => {}
        }
    }
    if let Some((x, y)) = cursor
        && x < area.width
        && y < area.height
    {
        frame.set_cursor_position(Position { x, y });
    }
}

/// What is left on a screen of a few cells: how many are in trouble, and which.
fn tiny(app: &App, canvas: &mut Canvas<'_>) {
    if matches!(app.mode, Mode::Ask(_) | Mode::Unlock(_) | Mode::Weight { .. }) {
        canvas.text(0, 0, canvas.width(), "too small to ask; Esc", Keep::Head, theme::plain());
        return;
    }
    let mut line = match app.freshness() {
        fresh @ (crate::model::instance::Freshness::Lost
        | crate::model::instance::Freshness::Stale
        | crate::model::instance::Freshness::Connecting) => format!("{} ", fresh.word()),
        _ => String::new(),
    };
    let troubled: Vec<_> = app
        .instance
        .servers
        .iter()
        .filter(|server| server.severity().is_problem())
        .map(|server| server.id.to_string())
        .collect();
    if troubled.is_empty() {
        line += "ok";
    } else {
        line += &troubled.len().to_string();
        line += "! ";
        line += &troubled.join(" ");
    }
    canvas.text(0, 0, canvas.width(), &line, Keep::Head, theme::plain());
}
