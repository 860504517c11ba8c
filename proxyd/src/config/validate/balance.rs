//! What traffic is shared by: that there is such a thing where it is looked for.

use super::super::report::{Diagnostic, Report};
use super::super::sample::Place;
use super::super::syntax::Document;
use super::super::{Algorithm, HashedKey, Mode, defaults};
use super::backends;

pub(super) fn check(document: &Document, report: &mut Report) {
    let shared = document.defaults.first();
    let mode = shared.and_then(|defaults| defaults.mode.as_ref()).map_or(defaults::MODE, |mode| mode.value);
    for backend in backends(document) {
        let mode = backend.mode.as_ref().map_or(mode, |mode| mode.value);
        let Some(balance) = &backend.balance else { continue };
        let Algorithm::Hash(hash) = &balance.value else { continue };
        if mode == Mode::Tcp && hash.key.needs() != Place::Connection {
            let name = backend.name.as_ref().map_or("?", |name| &name.value);
            let what = match &hash.key {
                HashedKey::Sample(sample) => format!("`{}` is fetched of HTTP", sample.text),
                _ => "this key is of HTTP".to_owned(),
            };
            report.push(
                Diagnostic::error("no-meaning", format!("{what}, and `{name}` has mode tcp"))
                    .at(balance.span, "connections of mode tcp have no requests that are looked at")
                    .help("write `balance: source`, `hash(key: \"ssl_fc_sni\")` where TLS ends here, or `mode: http`"),
            );
        }
    }
}
