//! Text from elsewhere made safe to show, and cut by the cells it takes.
//!
//! Names, check results and answers come from servers and may hold anything; what could move the cursor, change
//! the terminal or reorder the line is shown as its escape.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Which part of a text that is too long is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keep {
    Head,
    Tail,
    Ends,
}

/// Whether the character would act on the terminal, or on the order of what stands around it.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text with acting characters as escapes (`\x1b`, `\u{202e}`).
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if !acts(c) {
            shown.push(c);
        } else if u32::from(c) < 0x100 {
            let _ = write!(shown, "\\x{:02x}", u32::from(c));
        } else {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        }
    }
    Cow::Owned(shown)
}

/// Cells the text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text, cleaned, in at most `cells` cells; what is left out is marked by `mark` (one cell).
pub fn fit(text: &str, cells: usize, keep: Keep, mark: char) -> String {
    let text = clean(text);
    if width(&text) <= cells {
        return text.into_owned();
    }
    if cells == 0 {
        return String::new();
    }
    let room = cells - 1;
    let (head, tail) = match keep {
        Keep::Head => (room, 0),
        Keep::Tail => (0, room),
        Keep::Ends => (room - room / 2, room / 2),
    };
    let mut shown = take(text.chars(), head);
    shown.push(mark);
    let tail = take(text.chars().rev(), tail);
    shown.extend(tail.chars().rev());
    shown
}

/// Characters from the front of `chars` that fit into `cells`.
fn take(chars: impl Iterator<Item = char>, cells: usize) -> String {
    let mut used = 0;
    let mut taken = String::new();
    for c in chars {
        used += c.width().unwrap_or(0);
        if used > cells {
            break;
        }
        taken.push(c);
    }
    taken
}

/// A count in at most five cells: `402`, `8.21k`, `12.4k`, `310k`, `1.28M`.
pub fn count(value: u64) -> String {
    let mut scaled = value as f64;
    let mut unit = "";
    for next in ["k", "M", "G", "T", "P"] {
        if scaled < 999.5 {
            break;
        }
        scaled /= 1000.0;
        unit = next;
    }
    let digits = match scaled {
        _ if unit.is_empty() => return value.to_string(),
        s if s < 9.995 => format!("{s:.2}"),
        s if s < 99.95 => format!("{s:.1}"),
        s => format!("{s:.0}"),
    };
    // Round numbers are mostly limits somebody wrote down: `40k`, not `40.0k`.
    let round = digits.split_once('.').filter(|(_, rest)| rest.bytes().all(|b| b == b'0'));
    format!("{}{unit}", round.map_or(digits.as_str(), |(whole, _)| whole))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn acting_characters_are_escaped() {
        assert_eq!(clean("a\x1b[31mb\u{9b}c\u{202e}d\te"), "a\\x1b[31mb\\x9bc\\u{202e}d\\x09e");
        assert!(matches!(clean("plain ä 界"), Cow::Borrowed(_)));
    }

    #[test]
    fn cuts_keep_what_was_asked() {
        assert_eq!(fit("web-eu-central-017", 9, Keep::Ends, '…'), "web-…-017");
        assert_eq!(fit("web-eu", 4, Keep::Head, '~'), "web~");
        assert_eq!(fit("web-eu", 4, Keep::Tail, '~'), "~-eu");
        assert_eq!(fit("界界界", 4, Keep::Head, '…'), "界…");
        assert_eq!(fit("abc", 0, Keep::Head, '…'), "");
    }

    #[test]
    fn counts() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (8210, "8.21k"),
            (12_400, "12.4k"),
            (310_000, "310k"),
            (999_999, "1M"),
            (40_000, "40k"),
            (8_200, "8.20k"),
        ] {
            assert_eq!(count(value), text);
        }
    }

    proptest! {
        #[test]
        fn fits_whatever_comes(text in "\\PC*|[\\x00-\\xff]*", cells in 0_usize..40) {
            for keep in [Keep::Head, Keep::Tail, Keep::Ends] {
                let shown = fit(&text, cells, keep, '…');
                prop_assert!(width(&shown) <= cells);
                prop_assert!(!shown.chars().any(acts));
            }
        }
    }
}
