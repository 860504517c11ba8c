//! Holds the modules to their layers: a module names those of lower layers, and beside itself only where an arrow is.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up.
const LAYERS: [&[&str]; 8] = [
    // Leaves: time, counting, the allocator, the process's own log, hashes, the syntax of expressions.
    &["clock", "expr", "hash", "log", "memory", "stats"],
    // What was written, what the kernel offers, the bytes of HTTP; none of them knows a server.
    &["config", "http", "net", "tls"],
    // What expressions come to.
    &["sample"],
    // Frontends, backends, servers and their states; what cookies say of them; what is known of clients.
    &["model", "persist", "stick"],
    // The next server; pure.
    &["balance"],
    // A connection's way, on the workers.
    &["session"],
    // The control side.
    &["admin", "health", "telemetry"],
    // What puts it all together.
    &["process"],
];

/// Who may name a neighbour of the same layer.
const ARROWS: [(&str, &str); 7] = [
    // A line has its time.
    ("log", "clock"),
    // Which headers are added is said by the configuration's own type.
    ("http", "config"),
    // So is what a socket is told.
    ("net", "config"),
    // And what TLS is made of.
    ("tls", "config"),
    // A backend knows what its servers are called in cookies.
    ("model", "persist"),
    // The graph holds what is known of clients.
    ("model", "stick"),
    // The socket shows the rows that scrapers get too.
    ("admin", "telemetry"),
];

#[test]
fn lower_layers_do_not_name_higher_ones() {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (path, text) in sources() {
        let from = module_of(&path);
        for to in named(&text, depth_of(&path)) {
            let arrow = ARROWS.iter().find(|arrow| **arrow == (&from, &to));
            if arrow.is_none() && from != to && layer(&from) <= layer(&to) {
                wrong.push(format!("{} names {to}", path.display()));
            }
            used.extend(arrow);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(used, ARROWS.iter().collect(), "an arrow nobody goes along has to go");
}

#[test]
fn the_scan_sees_every_form() {
    let text = "use crate::net::bind;\nuse crate::{log, model::{a, b}, stats};\n// crate::admin\nlet x = crate::clock::now();\n\
                use super::super::session::pool;\nuse super::sibling;\n#[cfg(test)]\nmod tests {\n use crate::process;\n}\n";
    let all: Vec<String> = named(text, 2).into_iter().collect();
    assert_eq!(all, ["clock", "log", "model", "net", "session", "stats"]);
    assert_eq!(named("use super::http;", 1).into_iter().collect::<Vec<_>>(), ["http"]);
}

fn layer(module: &str) -> usize {
    let found = LAYERS.iter().position(|modules| modules.contains(&module));
    found.unwrap_or_else(|| panic!("the module {module} has no layer"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All modules; what only tests see may name what it likes, and `lib.rs` and `main.rs` name everything.
fn sources() -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            if matches!(name, "tests" | "testing" | "lib" | "main") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    assert!(sources.len() > 50, "only {} files were found", sources.len());
    sources
}

fn module_of(path: &Path) -> String {
    path.with_extension("").components().next().unwrap().as_os_str().to_str().unwrap().to_owned()
}

/// How many `super` lead out to the crate.
fn depth_of(path: &Path) -> usize {
    path.components().count()
}

/// Modules of the crate that `text`, so deep below it, names outside its tests.
fn named(text: &str, depth: usize) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: String = code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let outward = "super::".repeat(depth);
    let mut modules = BTreeSet::new();
    for prefix in ["crate::", &outward] {
        for (at, _) in code.match_indices(prefix) {
            let rest = &code[at + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(group) => modules.extend(heads(group)),
                None => modules.extend(Some(word(rest))),
            }
        }
    }
    modules.remove("");
    modules
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

/// First words of a group's members: `a, b::{c, d}}` has `a` and `b`.
fn heads(group: &str) -> Vec<String> {
    let mut heads = vec![word(group)];
    let mut open = 1;
    for (at, c) in group.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            ',' if open == 1 => heads.push(word(&group[at + 1..])),
            _ => {}
        }
        if open == 0 {
            break;
        }
    }
    heads
}
