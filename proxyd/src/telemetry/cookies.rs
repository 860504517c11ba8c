//! Requests by what their persistence cookie said and what became of it, as `/metrics` tells it.

use std::io::Write as _;

use crate::model::cookies::CookieCounts;
use crate::model::snapshot::Snapshot;
use crate::persist::{Found, Given};
use crate::stats::slots::Slots;

/// The counters of one family.
type Of = fn(&CookieCounts) -> &Slots;

const FAMILIES: [(&str, &str, &str, &[&str], Of); 2] = [
    (
        "proxyd_cookies_found_total",
        "Requests by what their persistence cookie said",
        "found",
        &Found::WORDS,
        |counts| &counts.found,
    ),
    (
        "proxyd_cookies_given_total",
        "Requests by what their answer did with the cookie",
        "given",
        &Given::WORDS,
        |counts| &counts.given,
    ),
];

/// Adds the families. What never happened has a line too, so that its first time is a step and not a new series.
pub(super) fn exposition(text: &mut Vec<u8>, snapshot: &Snapshot) {
    let backends = || snapshot.backends.iter().filter(|backend| backend.cookies.is_some());
    if backends().next().is_none() {
        return;
    }
    // Writing to a Vec cannot fail, and names of proxies need no escapes.
    for (name, help, label, words, of) in FAMILIES {
        let _infallible = write!(text, "\n# HELP {name} {help}\n# TYPE {name} counter\n");
        for backend in backends() {
            for (place, word) in words.iter().enumerate() {
                let count = of(&backend.live.cookies).total(place);
                let proxy = &backend.name;
                let _infallible = writeln!(text, "{name}{{proxy=\"{proxy}\",{label}=\"{word}\"}} {count}");
            }
        }
    }
}
