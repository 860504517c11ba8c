//! Log-format strings: what is wrong with one is shown at a place in it.

use proxyd::config::log_format::{Template, Wrong};

/// A string.
pub fn log_format(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Template::read(text) {
        Ok(template) => {
            assert_eq!(template.text, text);
            assert!(template.pieces.len() <= text.len(), "more pieces than letters");
        }
        Err(Wrong { at, message, .. }) => {
            assert!(text.get(at.clone()).is_some(), "{at:?} is no place in {text:?}");
            assert!(!message.is_empty(), "a refusal without a word");
        }
    }
}
