//! The files that an entry of `certificates` stands for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::source::Source;
use super::certificate::{Certificate, Problem};

/// What stands beside a certificate and is none.
const BESIDE: [&str; 5] = ["key", "ocsp", "issuer", "sctl", "crl"];

/// Reads a file, or all certificates of a folder in name order.
pub(super) fn read(source: &dyn Source, path: &Path) -> Result<Vec<Arc<Certificate>>, Vec<Problem>> {
    let one = |reason: String| vec![Problem { path: path.to_owned(), reason }];
    let files = match source.folder(path) {
        Err(error) => return Err(one(format!("cannot read it: {error}"))),
        Ok(None) => vec![path.to_owned()],
        Ok(Some(files)) => files.into_iter().filter(|file| is_certificate(file)).collect::<Vec<PathBuf>>(),
    };
    if files.is_empty() {
        return Err(one("no certificate stands in this folder".to_owned()));
    }
    let (mut certificates, mut problems) = (Vec::new(), Vec::new());
    for file in files {
        match Certificate::read(source, &file) {
            Ok(certificate) => certificates.push(Arc::new(certificate)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(certificates) } else { Err(problems) }
}

fn is_certificate(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && !path.extension().is_some_and(|extension| BESIDE.iter().any(|beside| extension == *beside))
}
