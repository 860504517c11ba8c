//! Points in time as the model sees them; it never reads a clock itself.

use proto::timestamp::civil;

/// Milliseconds on a clock that only goes forward.
pub type Mono = u64;

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Now {
    pub mono: Mono,
    /// Milliseconds since the Unix epoch.
    pub wall: u64,
}

impl Now {
    /// `14:06:12`, in UTC.
    pub fn time_of_day(self) -> String {
        let seconds = self.wall / 1000 % 86_400;
        format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }

    /// `2026-11-22T14:06:12Z`.
    pub fn iso(self) -> String {
        let (year, month, day) = civil(self.wall / 86_400_000);
        format!("{year:04}-{month:02}-{day:02}T{}Z", self.time_of_day())
    }
}

/// A span for a narrow column: `48s`, `4m12`, `2h04`, `1d02`, `41d`.
pub fn short_span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}", seconds / 3600, seconds / 60 % 60),
        86_400..864_000 => format!("{}d{:02}", seconds / 86_400, seconds / 3600 % 24),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (wall, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_795_356_372_003, "2026-11-22T14:06:12Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59Z"),
        ] {
            assert_eq!(Now { mono: 0, wall }.iso(), text);
        }
    }

    #[test]
    fn spans() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (252, "4m12"), (7440, "2h04"), (93_600, "1d02"), (3_542_400, "41d")]
        {
            assert_eq!(short_span(seconds), text);
        }
    }
}
