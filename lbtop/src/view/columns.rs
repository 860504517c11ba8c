//! The columns of the table and how wide each is at a width of the screen.

use super::glyphs::Glyphs;
use super::header::rounded;
use crate::model::clock::{Now, short_span};
use crate::model::server::Server;
use crate::model::text::count;

/// A column beside the name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Column {
    State,
    Since,
    Check,
    Weight,
    Load,
    Queue,
    Rate,
    Errors,
    Response,
    Bytes,
    Spark,
}

impl Column {
    /// Numbers stand at the right.
    pub(super) const fn is_number(self) -> bool {
        !matches!(self, Self::State | Self::Check | Self::Spark)
    }

    pub(super) const fn title(self, cells: u16) -> &'static str {
        match self {
            Self::State => "STATE",
            Self::Since => "SINCE",
            Self::Check if cells > 12 => "LAST CHECK",
            Self::Check => "CHECK",
            Self::Weight => "W",
            Self::Load => "CUR/LIM",
            Self::Queue => "Q",
            Self::Rate => "REQ/S",
            Self::Errors => "5XX%",
            Self::Response => "RESP ms",
            Self::Bytes => "IN/OUT B/s",
            Self::Spark if cells > 12 => "2 min",
            Self::Spark => "60s",
        }
    }

    /// What stands in the column for a server.
    pub(super) fn cell(self, server: &Server, cells: u16, now: Now, glyphs: Glyphs) -> String {
        match self {
            Self::State => server.word_in(cells).to_owned(),
            Self::Since => server.since(now).map_or_else(|| "-".into(), short_span),
            Self::Check => match server.check_took() {
                Some(ms) if cells > 12 => format!("{} {ms}ms", server.check()),
                _ => server.check(),
            },
            Self::Weight => server.weight().to_string(),
            Self::Load => load(server),
            Self::Queue => count(server.row.qcur.unwrap_or(0)),
            Self::Rate => {
                server.history.rates().map_or_else(|| "-".into(), |rates| count(rounded(rates.requests)))
            }
            Self::Errors => {
                server.error_percent().map_or_else(|| "-".into(), |errors| format!("{errors:.1}"))
            }
            Self::Response => {
                let used = server.row.rtime.filter(|_| server.row.stot.unwrap_or(0) > 0);
                used.map_or_else(|| "-".into(), count)
            }
            Self::Bytes => {
                let rates = server.rates();
                format!("{}/{}", count(rounded(rates.bytes_in)), count(rounded(rates.bytes_out)))
            }
            // Buckets are of five seconds; six cells of two, or as many as there are of one.
            Self::Spark => {
                glyphs.spark(&server.history.bars(usize::from(cells), if cells <= 6 { 2 } else { 1 }))
            }
        }
    }
}

/// Sessions now and at most: `97/100`, `12/-`.
pub(super) fn load(server: &Server) -> String {
    let limit = server.limit().map_or_else(|| "-".into(), count);
    format!("{}/{limit}", count(server.current()))
}

/// The columns for a width, and what is left for the name.
pub(super) fn columns(width: u16) -> (u16, &'static [(Column, u16)]) {
    use Column::{Bytes, Check, Errors, Load, Queue, Rate, Response, Since, Spark, State, Weight};
    let columns: &[(Column, u16)] = match width {
        144.. => &[
            (State, 14),
            (Since, 6),
            (Check, 23),
            (Weight, 4),
            (Load, 11),
            (Queue, 5),
            (Rate, 6),
            (Errors, 5),
            (Response, 7),
            (Bytes, 13),
            (Spark, 24),
        ],
        120.. => &[
            (State, 13),
            (Since, 6),
            (Check, 18),
            (Weight, 4),
            (Load, 10),
            (Queue, 4),
            (Rate, 6),
            (Errors, 5),
            (Response, 7),
            (Spark, 12),
        ],
        78.. => &[
            (State, 8),
            (Since, 5),
            (Check, 10),
            (Weight, 3),
            (Load, 8),
            (Queue, 3),
            (Rate, 5),
            (Errors, 4),
            (Spark, 6),
        ],
        66.. => &[(State, 8), (Since, 5), (Check, 10), (Weight, 3), (Load, 8), (Queue, 3), (Rate, 5)],
        _ => &[(State, 8), (Since, 5), (Check, 10), (Load, 8), (Queue, 3)],
    };
    let taken: u16 = columns.iter().map(|(_, cells)| cells + 1).sum();
    (width.saturating_sub(taken + 1), columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fill_the_width() {
        for width in 60..250 {
            let (name, columns) = columns(width);
            assert!(name >= 14, "{width}: {name}");
            let taken: u16 = columns.iter().map(|(_, cells)| cells + 1).sum();
            assert_eq!(1 + name + taken, width);
        }
        assert_eq!(columns(80).0, 18);
    }
}
