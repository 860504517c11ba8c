//! Whether bytes hold what they are to hold.

use crate::config::check::Pattern;

/// Stands anywhere in `bytes`.
pub fn is_in(pattern: &Pattern, bytes: &[u8]) -> bool {
    match pattern {
        Pattern::Text(text) => contains(bytes, text.as_bytes()),
        Pattern::Binary(binary) => contains(bytes, binary),
        Pattern::Regex(regex) => regex.0.is_match(bytes),
    }
}

/// Is a header's value, where it is a text; else stands in it.
pub fn is_value(pattern: &Pattern, value: &[u8]) -> bool {
    match pattern {
        Pattern::Text(text) => value.trim_ascii() == text.as_bytes(),
        Pattern::Binary(_) | Pattern::Regex(_) => is_in(pattern, value),
    }
}

/// An answer is one buffer at most, so that nothing faster is needed.
fn contains(bytes: &[u8], part: &[u8]) -> bool {
    let Some(first) = part.first() else { return true };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        rest = &rest[at..];
        if rest.starts_with(part) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// As HAProxy names it where it did not match.
pub fn described(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Text(text) => format!("'{}'", text.escape_default()),
        Pattern::Binary(_) => "(binary)".to_owned(),
        Pattern::Regex(_) => "(regex)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_part_is_found_wherever_it_stands(before in "[ab]{0,8}", part in "[ab]{1,4}", after in "[ab]{0,8}") {
            let whole = format!("{before}{part}{after}");
            prop_assert!(is_in(&Pattern::Text(part.clone()), whole.as_bytes()));
            prop_assert_eq!(contains(after.as_bytes(), part.as_bytes()), after.contains(&part));
        }
    }
}
