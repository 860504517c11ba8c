//! Points in time as the model sees them; it never reads a clock itself.

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
        // Days to civil date, after Howard Hinnant's public algorithm: eras of 400 years from March 0000.
        let days = self.wall / 86_400_000 + 719_468;
        let era = days / 146_097;
        let of_era = days % 146_097;
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
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
