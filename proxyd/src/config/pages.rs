//! Reads the files that `http_errors` names: bounded, text, and no whole answer.

use std::path::Path;

use super::report::{Diagnostic, Report};
use super::source::Source;
use super::syntax::Document;
use super::syntax::http::{Content, Page};

/// An answer is kept in memory for each status.
const LONGEST: usize = 64 * 1024;

/// Reads all of them; what is wrong is reported where the file is named.
pub(super) fn load(source: &dyn Source, document: &mut Document, report: &mut Report) {
    for defaults in &mut document.defaults {
        read(source, &mut defaults.pages, report);
    }
    for frontend in &mut document.frontends {
        read(source, &mut frontend.pages, report);
    }
    for backend in &mut document.backends {
        read(source, &mut backend.pages, report);
    }
    for (frontend, backend) in &mut document.listen {
        read(source, &mut frontend.pages, report);
        backend.pages.clone_from(&frontend.pages);
    }
}

fn read(source: &dyn Source, pages: &mut [Page], report: &mut Report) {
    for page in pages {
        let Content::File(path) = &page.content else { continue };
        let refused = match source.read(Path::new(&path.value)).map(String::from_utf8) {
            Err(error) => format!("cannot read it: {error}"),
            Ok(Err(_)) => "it is not UTF-8 text".to_owned(),
            Ok(Ok(text)) => {
                let Some(refused) = refusal(&text) else {
                    page.content = Content::Text(text);
                    continue;
                };
                refused.to_owned()
            }
        };
        report.push(
            Diagnostic::error("error-page", format!("{:?} cannot be an error page", path.value))
                .at(path.span, refused),
        );
    }
}

fn refusal(text: &str) -> Option<&'static str> {
    if text.len() > LONGEST {
        Some("it is longer than 64 KiB")
    } else if text.contains('\0') {
        Some("it holds a NUL")
    } else if text.starts_with("HTTP/") {
        Some("it has a head, as errorfiles of HAProxy do: keep what follows its first empty line")
    } else {
        None
    }
}
