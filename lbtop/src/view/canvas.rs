//! Where all text goes through on its way to the screen: cleaned, cut by the cells it takes, kept inside the area.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::Look;
use crate::model::text::{self, Keep};

/// A screen to write on.
#[derive(Debug)]
pub(super) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    pub(super) look: Look,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, area: Rect, look: Look) -> Self {
        Self { buffer, area, look }
    }

    pub(super) fn width(&self) -> u16 {
        self.area.width
    }

    pub(super) fn height(&self) -> u16 {
        self.area.height
    }

    /// Writes `text` into at most `cells` cells and says where it ended.
    pub(super) fn text(&mut self, x: u16, y: u16, cells: u16, text: &str, keep: Keep, style: Style) -> u16 {
        if x >= self.area.width || y >= self.area.height {
            return x;
        }
        let room = cells.min(self.area.width - x);
        let shown = text::fit(text, usize::from(room), keep, self.look.glyphs.ellipsis());
        let (end, _) =
            self.buffer.set_stringn(self.area.x + x, self.area.y + y, &shown, usize::from(room), style);
        end - self.area.x
    }

    /// Writes `text` against the right edge of `cells` cells.
    pub(super) fn right(&mut self, x: u16, y: u16, cells: u16, text: &str, style: Style) {
        let taken = u16::try_from(text::width(&text::clean(text))).unwrap_or(u16::MAX).min(cells);
        self.text(x + (cells - taken), y, taken, text, Keep::Head, style);
    }

    /// Empties `cells` cells.
    pub(super) fn blank(&mut self, x: u16, y: u16, cells: u16) {
        for x in x..x.saturating_add(cells).min(self.area.width) {
            if y < self.area.height {
                self.buffer[(self.area.x + x, self.area.y + y)].reset();
            }
        }
    }

    /// Changes the style of `cells` cells, leaving their text.
    pub(super) fn style(&mut self, x: u16, y: u16, cells: u16, style: Style) {
        if x < self.area.width && y < self.area.height {
            let cells = cells.min(self.area.width - x);
            self.buffer.set_style(Rect::new(self.area.x + x, self.area.y + y, cells, 1), style);
        }
    }

    /// Draws the frame of a box and empties what is inside.
    pub(super) fn frame(&mut self, x: u16, y: u16, width: u16, height: u16, title: &str, style: Style) {
        let [top_left, top_right, bottom_left, bottom_right, across, down] = self.look.glyphs.frame();
        let inner = usize::from(width.saturating_sub(2));
        for row in 0..height {
            self.blank(x, y + row, width);
            let (left, fill, right) = match row {
                0 => (top_left, across, top_right),
                row if row + 1 == height => (bottom_left, across, bottom_right),
                _ => (down, ' ', down),
            };
            let line: String =
                std::iter::once(left).chain(std::iter::repeat_n(fill, inner)).chain([right]).collect();
            self.text(x, y + row, width, &line, Keep::Head, style);
        }
        self.text(x + 2, y, width.saturating_sub(4), &format!(" {title} "), Keep::Head, super::theme::bold());
    }
}
