//! The corpora of the fuzz targets, replayed: what once was found stays found.

use std::fs;
use std::path::Path;

#[expect(unreachable_pub, reason = "the fuzz targets are programs of their own")]
#[path = "../../tests/fuzz/src/lib.rs"]
mod entry;

#[test]
fn every_input_of_every_corpus_passes() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz");
    for (name, entry) in entry::TARGETS {
        assert!(fuzz.join("fuzz_targets").join(name).with_extension("rs").exists(), "{name} is a target");
        let mut inputs = 0;
        for file in fs::read_dir(fuzz.join("corpus").join(name)).expect("a corpus") {
            let path = file.expect("a file of the corpus").path();
            eprintln!("{}", path.display());
            entry(&fs::read(path).expect("it can be read"));
            inputs += 1;
        }
        assert!(inputs > 0, "the corpus of {name} is empty");
    }
    let targets = fs::read_dir(fuzz.join("fuzz_targets")).expect("the targets").count();
    assert_eq!(targets, entry::TARGETS.len(), "every target is replayed");
}
