//! Quantities as people write them: durations and sizes with a unit, and HAProxy's way to tell an uptime.

use std::time::Duration;

/// Why a text is no quantity.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnitError {
    #[error("{text:?} does not start with a whole number; write it like {example:?}")]
    NoNumber { text: String, example: &'static str },
    #[error("{text:?} has no unit; write it like {text}{example} (units: {units})")]
    NoUnit { text: String, example: &'static str, units: &'static str },
    #[error("{unit:?} is no unit; there are {units}")]
    BadUnit { unit: String, units: &'static str },
    #[error("{text:?} is too large")]
    TooLarge { text: String },
}

const DURATION_UNITS: &str = "us, ms, s, m, h, d";
const SIZE_UNITS: &str = "B, KiB, MiB, GiB, TiB, kB, MB, GB, TB";

const SECOND_US: u64 = 1_000_000;
const MINUTE_US: u64 = 60 * SECOND_US;
const HOUR_US: u64 = 60 * MINUTE_US;
const DAY_US: u64 = 24 * HOUR_US;

/// Reads `"250ms"`, `"5s"`, `"2m"`, `"1h"`, `"1d"`, `"10us"`. The unit is required.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let micros = parse(text, "5s", "s", DURATION_UNITS, |unit| {
        Some(match unit {
            "us" => 1,
            "ms" => 1_000,
            "s" => SECOND_US,
            "m" => MINUTE_US,
            "h" => HOUR_US,
            "d" => DAY_US,
            _ => return None,
        })
    })?;
    Ok(Duration::from_micros(micros))
}

/// Reads `"16KiB"`, `"1MB"`, `"512B"` as bytes. The unit is required; `KB` is `kB`.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    parse(text, "16KiB", "B", SIZE_UNITS, |unit| {
        Some(match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            _ => return None,
        })
    })
}

fn parse(
    text: &str,
    example: &'static str,
    unit_example: &'static str,
    units: &'static str,
    factor: impl Fn(&str) -> Option<u64>,
) -> Result<u64, UnitError> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    if !number.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(UnitError::NoNumber { text: text.to_owned(), example });
    }
    if unit.is_empty() {
        return Err(UnitError::NoUnit { text: text.to_owned(), example: unit_example, units });
    }
    let factor = factor(unit).ok_or_else(|| UnitError::BadUnit { unit: unit.to_owned(), units })?;
    let number = number.replace('_', "").parse::<u64>().ok();
    number.and_then(|n| n.checked_mul(factor)).ok_or_else(|| UnitError::TooLarge { text: text.to_owned() })
}

/// Writes a duration so that [`parse_duration`] reads it again, in the largest unit that needs no fraction. What is
/// shorter than a microsecond is cut off.
pub fn format_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    for (unit, name) in [(DAY_US, "d"), (HOUR_US, "h"), (MINUTE_US, "m"), (SECOND_US, "s"), (1_000, "ms")] {
        let unit = u128::from(unit);
        if micros > 0 && micros.is_multiple_of(unit) {
            return format!("{}{name}", micros / unit);
        }
    }
    if micros == 0 { "0s".to_owned() } else { format!("{micros}us") }
}

/// An uptime as `show info` tells it: `0d 0h00m23s`.
pub fn format_uptime(seconds: u64) -> String {
    let (minutes, second) = (seconds / 60, seconds % 60);
    let (hours, minute) = (minutes / 60, minutes % 60);
    format!("{}d {}h{minute:02}m{second:02}s", hours / 24, hours % 24)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        for (text, micros) in [
            ("10us", 10),
            ("250ms", 250_000),
            ("5s", 5_000_000),
            ("2m", 120_000_000),
            ("1h", 3_600_000_000),
            ("1d", 86_400_000_000),
            ("1_000ms", 1_000_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("16KiB", 16_384), ("1MB", 1_000_000), ("512B", 512), ("2 GiB", 2 << 30), ("1KB", 1_000)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn refusals_say_what_to_write() {
        for (text, message) in [
            ("5", "\"5\" has no unit; write it like 5s (units: us, ms, s, m, h, d)"),
            ("", "\"\" does not start with a whole number; write it like \"5s\""),
            ("-1s", "\"-1s\" does not start with a whole number; write it like \"5s\""),
            ("_1s", "\"_1s\" does not start with a whole number; write it like \"5s\""),
            ("1.5s", "\".5s\" is no unit; there are us, ms, s, m, h, d"),
            ("5sec", "\"sec\" is no unit; there are us, ms, s, m, h, d"),
            ("99999999999999d", "\"99999999999999d\" is too large"),
            ("99999999999999999999s", "\"99999999999999999999s\" is too large"),
        ] {
            let refused = parse_duration(text).map_err(|error| error.to_string());
            assert_eq!(refused, Err(message.to_owned()), "{text}");
        }
        assert!(matches!(parse_size("16"), Err(UnitError::NoUnit { .. })));
        assert!(matches!(parse_size("16K"), Err(UnitError::BadUnit { .. })));
    }

    #[test]
    fn the_largest_whole_unit() {
        for (micros, text) in
            [(0, "0s"), (1, "1us"), (1_500, "1500us"), (90_000_000, "90s"), (120_000_000, "2m")]
        {
            assert_eq!(format_duration(Duration::from_micros(micros)), text);
        }
    }

    #[test]
    fn uptimes() {
        for (seconds, text) in
            [(0, "0d 0h00m00s"), (23, "0d 0h00m23s"), (3_661, "0d 1h01m01s"), (90_061, "1d 1h01m01s")]
        {
            assert_eq!(format_uptime(seconds), text);
        }
    }

    proptest! {
        #[test]
        fn written_durations_read_the_same(micros in 0..u64::MAX / 2) {
            let duration = Duration::from_micros(micros);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn any_text_is_answered(text in "\\PC{0,20}") {
            if let Err(error) = parse_duration(&text) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
