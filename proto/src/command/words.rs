//! Words of one command: separated by blanks, `\` takes the next character as it is, quotes mean nothing.

use std::fmt;

/// Words of one command that are looked at; what follows is ignored, as surplus arguments are.
pub const MAX_WORDS: usize = 64;

/// Splits one command.
pub fn split(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => {
                words.extend(word.take());
                if words.len() == MAX_WORDS {
                    return words;
                }
            }
            // A backslash that ends the command stands for nothing, and is no word of its own.
            '\\' => {
                if let Some(next) = chars.next() {
                    word.get_or_insert_default().push(next);
                }
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// A word as it has to be typed.
pub fn escaped(word: &str) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        word.chars().try_for_each(|c| match c {
            ' ' | '\t' | '\\' | ';' => write!(f, "\\{c}"),
            _ => write!(f, "{c}"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_escapes() {
        for (command, words) in [
            ("show  \tversion ", vec!["show", "version"]),
            (r"echo a\;b c\ d \\", vec!["echo", "a;b", "c d", r"\"]),
            (r#"echo "q x""#, vec!["echo", "\"q", "x\""]),
            (r"show version\", vec!["show", "version"]),
            (r"help \", vec!["help"]),
            (r"\ x", vec![" x"]),
            ("", vec![]),
            (" \t", vec![]),
        ] {
            assert_eq!(split(command), words, "{command}");
        }
    }

    #[test]
    fn sixty_four_words_are_looked_at() {
        assert_eq!(split(&"w ".repeat(70)).len(), MAX_WORDS);
        assert_eq!(split(&"w ".repeat(63)).len(), 63);
    }
}
