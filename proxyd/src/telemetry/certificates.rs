//! When certificates expire, as `/metrics` tells it.

use std::io::Write as _;

use crate::clock;
use crate::model::snapshot::Snapshot;

/// Adds the family, if there is a certificate.
pub(super) fn exposition(text: &mut Vec<u8>, snapshot: &Snapshot) {
    let certificates = snapshot.tls_ends().certificates();
    if certificates.is_empty() {
        return;
    }
    // Writing to a Vec cannot fail.
    let _infallible = write!(
        text,
        "\n# HELP proxyd_certificate_expiry_days Days until a certificate expires; below 0 once it has\n\
         # TYPE proxyd_certificate_expiry_days gauge\n"
    );
    let now = (clock::wall_ms() / 1000) as i64;
    for (path, certificate) in certificates {
        let left = (certificate.facts.not_after - now) as f64 / 86400.0;
        let label = path.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _infallible = writeln!(text, "proxyd_certificate_expiry_days{{file=\"{label}\"}} {left:.2}");
    }
}
