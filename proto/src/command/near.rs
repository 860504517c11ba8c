//! Which commands come near to what was typed.

use super::table::{Entry, find, listed};

/// Commands offered where no word in front matches exactly as typed.
const OFFERED: usize = 5;

/// Commands that begin with these words; where none does, up to five that come near. In the order of the table.
pub(super) fn matches(words: &[String]) -> Vec<&'static Entry> {
    // The three that are always shown need no company.
    if find(words).is_some_and(|entry| listed().iter().all(|listed| listed.id != entry.id)) {
        return Vec::new();
    }
    let longest = listed().iter().map(|entry| entry.matching(words)).max().unwrap_or(0);
    let candidates = || listed().iter().enumerate().filter(|(_, entry)| entry.matching(words) == longest);
    let named = || candidates().filter(|(_, entry)| entry.words.len() == longest);
    if longest > 0 && named().next().is_some() {
        return named().map(|(_, entry)| entry).collect();
    }
    let rest = &words[longest.min(words.len())..];
    if rest.is_empty() {
        return candidates().map(|(_, entry)| entry).collect();
    }
    let mut scored: Vec<(usize, usize, &Entry)> =
        candidates().map(|(place, entry)| (score(rest, &entry.words[longest..]), place, entry)).collect();
    scored.sort_by_key(|(score, place, _)| (*score, *place));
    scored.truncate(OFFERED);
    scored.sort_by_key(|(_, place, _)| *place);
    scored.into_iter().map(|(_, _, entry)| entry).collect()
}

/// How far what was typed is from the words of a command; a part of a word, or the right word at the wrong place, is
/// nearer than a word with other letters.
fn score(typed: &[String], words: &[&str]) -> usize {
    let in_place: usize = words
        .iter()
        .enumerate()
        .map(|(at, word)| typed.get(at).map_or_else(|| word.len().min(3), |typed| distance(typed, word)))
        .sum();
    let anywhere =
        words.iter().map(|word| typed.first().map_or(word.len(), |typed| distance(typed, word)) + 1).min();
    anywhere.map_or(in_place, |anywhere| anywhere.min(in_place))
}

/// Letters of a word that are compared.
const COMPARED: usize = 32;

/// Edit distance, in halves: an abbreviation costs less than a wrong letter.
fn distance(typed: &str, word: &str) -> usize {
    if word.starts_with(typed) {
        return usize::from(word != typed);
    }
    let word: Vec<char> = word.chars().collect();
    let mut row: Vec<usize> = (0..=word.len()).map(|n| 2 * n).collect();
    for (i, a) in typed.chars().take(COMPARED).enumerate() {
        let mut before = std::mem::replace(&mut row[0], 2 * (i + 1));
        for (j, b) in word.iter().enumerate() {
            let cost = before + if a == *b { 0 } else { 2 };
            before = row[j + 1];
            row[j + 1] = cost.min(before + 2).min(row[j] + 2);
        }
    }
    row[word.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(line: &str) -> Vec<String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        matches(&words).into_iter().map(|entry| entry.words.join(" ")).collect()
    }

    #[test]
    fn words_in_front_decide() {
        assert_eq!(offered("show cli"), ["show cli level", "show cli sockets"]);
        assert_eq!(offered("show servers"), ["show servers state"]);
        assert_eq!(
            offered("enable"),
            [
                "enable agent",
                "enable dynamic-cookie backend",
                "enable frontend",
                "enable health",
                "enable server"
            ],
            "all that begin with the word"
        );
        assert_eq!(offered("show stat"), ["show stat"]);
        assert_eq!(offered("help"), [""; 0]);
    }

    #[test]
    fn slips_are_understood() {
        for (typed, meant) in [
            ("shw info", "show info"),
            ("show inf", "show info"),
            ("show sats", "show stat"),
            ("disable sever a/b", "disable server"),
            ("set weigth", "set weight"),
            ("wacth", "watch"),
            ("stat", "show stat"),
        ] {
            let offered = offered(typed);
            assert!(offered.contains(&meant.to_owned()), "{typed}: {offered:?}");
            assert!(offered.len() <= OFFERED);
        }
        assert_eq!(offered("foo").len(), OFFERED);
    }

    #[test]
    fn distances() {
        assert_eq!(distance("stat", "stat"), 0);
        assert_eq!(distance("st", "stat"), 1);
        assert_eq!(distance("sats", "stat"), 4);
        assert_eq!(distance("", "stat"), 1);
        assert!(distance(&"é".repeat(5000), "stat") > 8);
    }
}
