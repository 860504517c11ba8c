//! What traffic is shared by: that there is such a thing where it is looked for, and that servers differ in what their
//! keys follow from.

use std::collections::HashMap;

use proto::addr::Address;

use super::super::report::{Diagnostic, Report, Span};
use super::super::sample::Place;
use super::super::syntax::Document;
use super::super::syntax::backend::Backend;
use super::super::syntax::server::Server;
use super::super::{Algorithm, HashedKey, Mode, ServerAddress, ServerKey, defaults};
use super::backends;

pub(super) fn check(document: &Document, report: &mut Report) {
    let shared = document.defaults.first();
    let mode = shared.and_then(|defaults| defaults.mode.as_ref()).map_or(defaults::MODE, |mode| mode.value);
    for backend in backends(document) {
        let mode = backend.mode.as_ref().map_or(mode, |mode| mode.value);
        let Some(balance) = &backend.balance else { continue };
        let Algorithm::Hash(hash) = &balance.value else { continue };
        same_places(backend, hash.hash_key, balance.span, report);
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

/// Of servers at one place in a ring or a table all but one would have no keys.
fn same_places(backend: &Backend, by: ServerKey, balance: Span, report: &mut Report) {
    let help = match by {
        ServerKey::Id | ServerKey::Name => return,
        ServerKey::Address => {
            "write `hash_key: addr_port`, which tells servers of one host apart, or `id` or `name`"
        }
        ServerKey::AddressAndPort => "write `hash_key: id` or `hash_key: name`",
    };
    let mut known: HashMap<(bool, String), &Server> = HashMap::new();
    for server in backend.servers.iter().flatten() {
        let Some(place) = place(by, server) else { continue };
        let is_backup = server.backup.as_ref().is_some_and(|backup| backup.value);
        let Some(first) = known.get(&(is_backup, place.clone())) else {
            known.insert((is_backup, place), server);
            continue;
        };
        let (Some(name), Some(first)) = (&server.name, &first.name) else { continue };
        let message = format!(
            "servers `{}` and `{}` would have the same keys: both are {place}",
            first.value, name.value
        );
        report.push(
            Diagnostic::error("same-keys", message)
                .at(name.span, "one of them would get nothing")
                .at(first.span, "the first")
                .at(balance, "`hash_key` says that keys follow from addresses")
                .help(help),
        );
    }
}

/// What the keys of a server follow from; `None` where that is its id.
fn place(by: ServerKey, server: &Server) -> Option<String> {
    match (server.address.as_ref()?, by) {
        (ServerAddress::Literal(Address::Unix(_)), _) => None,
        (ServerAddress::Literal(Address::Ip(socket)), ServerKey::Address) => Some(socket.ip().to_string()),
        (ServerAddress::Literal(Address::Ip(socket)), _) => Some(socket.to_string()),
        (ServerAddress::Host { name, .. }, ServerKey::Address) => Some(name.to_ascii_lowercase()),
        (ServerAddress::Host { name, port }, _) => Some(format!("{}:{port}", name.to_ascii_lowercase())),
    }
}
