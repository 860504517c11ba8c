//! Lists of commands: what `help` answers, and what is answered to a word that is none.

use super::near;
use super::table::always;

/// What `help` answers, without the last line feed.
pub fn help(words: &[String]) -> String {
    list("The following commands are valid at this level:", words)
}

/// What is answered to an unknown command.
pub(super) fn unknown(words: &[String]) -> String {
    let word = words.first().map_or("", String::as_str);
    list(&format!("Unknown command: '{word}', but maybe one of the following ones is a better match:"), words)
}

fn list(title: &str, words: &[String]) -> String {
    let mut out = format!("{title}\n");
    for entry in near::matches(words).into_iter().chain(always()) {
        entry.line(&mut out);
    }
    out.pop();
    out
}
