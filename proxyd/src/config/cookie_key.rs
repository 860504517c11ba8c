//! Reads the keys that `persistence` names.

use std::path::{Path, PathBuf};

use super::persistence::Key;
use super::report::{Diagnostic, Report};
use super::source::Source;
use super::syntax::Document;
use super::syntax::persistence::{WrittenCookie, WrittenKey};

/// More than this is a mistake.
const LONGEST: usize = 64 * 1024;

pub(super) fn load(source: &dyn Source, document: &mut Document, report: &mut Report) {
    let listen = document.listen.iter_mut().map(|(_, backend)| backend);
    for backend in listen.chain(&mut document.backends) {
        if let Some(written) = &mut backend.persistence {
            read(source, written, report);
        }
    }
}

fn read(source: &dyn Source, written: &mut WrittenCookie, report: &mut Report) {
    written.cookie.key = match &written.key {
        None => None,
        Some(WrittenKey::Text(text)) => Some(Key { file: None, bytes: text.value.clone().into_bytes() }),
        Some(WrittenKey::File(path)) => {
            let refused = match source.read(Path::new(&path.value)) {
                Err(error) => format!("cannot read it: {error}"),
                Ok(bytes) => {
                    let ends = bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
                    match ends {
                        None => "it is empty".to_owned(),
                        Some(_) if bytes.len() > LONGEST => "it is longer than 64 KiB".to_owned(),
                        Some(last) => {
                            let file = Some(PathBuf::from(&path.value));
                            written.cookie.key = Some(Key { file, bytes: bytes[..=last].to_vec() });
                            return;
                        }
                    }
                }
            };
            report.push(
                Diagnostic::error("cookie-key", format!("{:?} cannot be a key", path.value))
                    .at(path.span, refused),
            );
            None
        }
    };
}
