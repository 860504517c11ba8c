//! How the screen is divided at a given size, since the number of rows that fit is part of the state.

/// What is shown at which size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// One line of words.
    Tiny,
    /// One composed column beside name and state.
    Narrow,
    /// The table.
    Table,
}

/// Lines given to each part, from the top.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Division {
    pub class: Class,
    pub header: u16,
    pub summary: u16,
    pub heads: u16,
    pub rows: u16,
    pub detail: u16,
    pub status: u16,
    pub footer: u16,
}

/// Whether a question can be read on a screen of this size; where it cannot, none is put.
pub const fn can_ask(width: u16, height: u16) -> bool {
    width >= 32 && height >= 10
}

impl Division {
    /// Divides a screen of this size.
    pub fn of(width: u16, height: u16) -> Self {
        if width < 20 || height < 4 {
            return Self {
                class: Class::Tiny,
                header: 0,
                summary: 0,
                heads: 0,
                rows: height.saturating_sub(1),
                detail: 0,
                status: 0,
                footer: 0,
            };
        }
        let class = if width < 60 { Class::Narrow } else { Class::Table };
        let line = |wanted: bool| u16::from(wanted);
        let table = class == Class::Table;
        let mut division = Self {
            class,
            header: 1,
            summary: line(height >= 5),
            heads: line(table && height >= 8),
            rows: 0,
            detail: line(table && height >= 12),
            status: 1,
            footer: line(height >= 7),
        };
        division.rows = height
            - division.header
            - division.summary
            - division.heads
            - division.detail
            - division.status
            - division.footer;
        division
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_given_away_once() {
        for width in 0..200 {
            for height in 4..80 {
                let d = Division::of(width, height);
                if d.class != Class::Tiny {
                    assert_eq!(
                        d.header + d.summary + d.heads + d.rows + d.detail + d.status + d.footer,
                        height
                    );
                    assert!(d.rows > 0);
                }
            }
        }
        assert_eq!(Division::of(80, 24).rows, 18);
        assert_eq!(Division::of(40, 12).rows, 8);
    }
}
