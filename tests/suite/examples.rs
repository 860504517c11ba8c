//! Every example is a configuration that works.

use std::fs;
use std::process::Command;

use harness::binaries;

#[test]
fn every_example_passes_check() {
    let folder = binaries::workspace().join("examples");
    let files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "ron"))
        .collect();
    assert!(!files.is_empty(), "examples/ has some");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("// "), "{}: its first line says what it shows", file.display());
        let output = Command::new(binaries::proxyd())
            .current_dir(binaries::workspace())
            .arg("check")
            .arg("-f")
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}:\n{}", file.display(), String::from_utf8_lossy(&output.stderr));
    }
}
