//! Sample expressions in strings: what is wrong with one is shown at its place.

use super::super::report::{Diagnostic, Report};
use super::super::sample::{Place, Sample, Wrong};
use super::super::shape::Value;
use super::super::span::Spanned;

/// Reads an expression for where it stands.
pub(super) fn read(value: Value<'_, '_>, place: Place, report: &mut Report) -> Option<Spanned<Sample>> {
    let text = value.text(report)?;
    match Sample::read(&text.value, place) {
        Ok(sample) => Some(Spanned { value: sample, span: text.span }),
        Err(Wrong { at, message, label, later }) => {
            let code = if later { "not-supported-yet" } else { "bad-expression" };
            let place = report.within_text(text.span, &text.value, at);
            report.push(Diagnostic::error(code, message).at(place, label));
            None
        }
    }
}
