//! `tests/ATTACKS.md`: what it names is there.

use std::fs;
use std::path::Path;

use harness::binaries::workspace;

/// The tests and cases a line's last column names, each `file::name` or `file [case]`.
fn named(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Where a name's file is.
fn text(file: &str) -> String {
    let root = workspace();
    let places = [format!("tests/{file}.rs"), format!("tests/corpus/{file}.txt"), format!("{file}.rs")];
    let found = places.iter().map(|it| root.join(it)).find(|it| it.exists());
    fs::read_to_string(found.unwrap_or_else(|| Path::new(file).to_owned())).unwrap_or_default()
}

fn exists(name: &str) -> bool {
    if let Some((file, case)) = name.split_once(" [") {
        let case = format!("[{case}");
        return text(file).lines().any(|line| line == case);
    }
    match name.rsplit_once("::") {
        Some((file, test)) => text(file).contains(&format!("fn {test}(")),
        // A whole topic.
        None => !text(name).is_empty(),
    }
}

#[test]
fn every_attack_has_a_test_or_a_reason() {
    let text = fs::read_to_string(workspace().join("tests/ATTACKS.md")).unwrap();
    let mut lines = 0;
    for line in text.lines().filter(|it| it.starts_with("| ") && !it.starts_with("| attack ")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{line}");
        let names = named(cells[2]);
        let reason = cells[2].strip_prefix("n/a: ").is_some_and(|it| it.len() > 10);
        assert!(reason || !names.is_empty(), "neither a test nor a reason: {line}");
        for name in names {
            assert!(exists(name), "{name:?} is not there: {line}");
        }
        lines += 1;
    }
    assert!(lines > 60, "{lines} attacks");
}
