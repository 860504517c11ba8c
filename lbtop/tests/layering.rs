//! Holds the modules to their layers: a module names only those below it, and crossterm is named in one place.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::path::{Path, PathBuf};

/// Each module with the ones it may name beside itself.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("command", &["model"]),
    ("app", &["model", "command"]),
    ("transport", &["model", "command", "app"]),
    ("view", &["model", "command", "app"]),
    ("term", &["app", "transport"]),
    ("oneshot", &["model", "transport"]),
    ("console", &["model", "app", "transport", "view", "term"]),
    ("cli", &["transport", "view", "term", "oneshot", "console"]),
];

#[test]
fn lower_layers_do_not_name_higher_ones() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let module = module_of(&path);
        let Some((_, allowed)) = MAY_NAME.iter().find(|(name, _)| *name == module) else {
            assert!(matches!(module.as_str(), "lib" | "main"), "{module} has no layer");
            continue;
        };
        for (at, _) in text.match_indices("crate::") {
            let named: String =
                text[at + 7..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if named != module && !allowed.contains(&named.as_str()) {
                wrong.push(format!("{} names crate::{named}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Some crates are somebody's own: nobody else may name them.
#[test]
fn crates_stay_where_they_belong() {
    for (name, owners) in [
        ("crossterm::", &["term"][..]),
        ("ratatui::", &["term", "view"]),
        ("tokio::", &["transport", "term", "console", "oneshot"]),
        ("Instant::now", &["transport", "term"]),
        ("SystemTime::now", &["transport"]),
        ("std::net", &[]),
    ] {
        for (path, text) in sources() {
            let module = module_of(&path);
            assert!(
                !text.contains(name) || owners.contains(&module.as_str()),
                "{} names {name}",
                path.display()
            );
        }
    }
}

/// Every source file with its text. Tests may look anywhere, so files of tests are left out.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 30, "the sources were not found");
    found
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs")
            && path.file_stem().is_some_and(|n| n != "tests")
        {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            found.push((path, code.to_owned()));
        }
    }
}

/// First folder or file below `src`.
fn module_of(path: &Path) -> String {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = below.iter().next().unwrap().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}
