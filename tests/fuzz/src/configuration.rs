//! The configuration: what is read is printed so that it is read again, and what is refused is reported.

use std::path::PathBuf;

use proxyd::config::report::Paint;
use proxyd::config::source::Memory;
use proxyd::config::{self, Loaded};

const FILE: &str = "proxyd.ron";

fn load(text: &[u8]) -> Result<Loaded, config::report::Report> {
    config::load(&Memory::default().with(FILE, text), &[PathBuf::from(FILE)])
}

/// A file.
pub fn configuration(bytes: &[u8]) {
    match load(bytes) {
        Ok(Loaded { config, .. }) => {
            let text = config::to_ron(&config);
            let again = load(text.as_bytes()).map(|it| it.config).map_err(|it| it.render(Paint::Plain));
            assert_eq!(again, Ok(config), "printed as\n{text}");
        }
        Err(report) => {
            assert!(report.has_errors(), "a refusal without a reason");
            assert!(!report.render(Paint::Plain).is_empty(), "a refusal without a word");
        }
    }
}
