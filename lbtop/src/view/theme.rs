//! Styles. The colours are the terminal's own sixteen; each goes with a word.

use ratatui::style::{Color, Modifier, Style};

use super::Colors;
use crate::command::risk::Danger;
use crate::model::instance::Freshness;
use crate::model::status::Severity;

pub(super) fn plain() -> Style {
    Style::new()
}

pub(super) fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

pub(super) fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

pub(super) fn reversed() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

fn colored(colors: Colors, color: Color) -> Style {
    match colors {
        Colors::Terminal => Style::new().fg(color),
        Colors::None => Style::new(),
    }
}

pub(super) fn severity(colors: Colors, severity: Severity) -> Style {
    match severity {
        Severity::Down => colored(colors, Color::Red).add_modifier(Modifier::BOLD),
        Severity::OverLimit => colored(colors, Color::Magenta).add_modifier(Modifier::BOLD),
        Severity::GoingDown | Severity::Queueing => {
            colored(colors, Color::Yellow).add_modifier(Modifier::BOLD)
        }
        Severity::Drain => colored(colors, Color::Cyan),
        Severity::Maint => colored(colors, Color::Blue),
        Severity::Fine => plain(),
    }
}

pub(super) fn freshness(colors: Colors, freshness: Freshness) -> Style {
    match freshness {
        Freshness::Live => plain(),
        Freshness::Slow | Freshness::Connecting => colored(colors, Color::Yellow),
        Freshness::Stale | Freshness::Lost => {
            colored(colors, Color::Red).add_modifier(Modifier::BOLD | Modifier::REVERSED)
        }
    }
}

pub(super) fn danger(colors: Colors, danger: Danger) -> Style {
    match danger {
        Danger::Low => plain(),
        Danger::Medium => colored(colors, Color::Yellow).add_modifier(Modifier::BOLD),
        Danger::High => colored(colors, Color::Red).add_modifier(Modifier::BOLD),
    }
}

pub(super) fn bad(colors: Colors) -> Style {
    colored(colors, Color::Red).add_modifier(Modifier::BOLD)
}
