//! The cookie of a backend: what its servers are called now, and whom a value names.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};

use super::backend::Backend;
use super::queue::Hold;
use super::server::Server;
use crate::config::{self, Cookie};
use crate::log;
use crate::persist::value::{self, Naming, Values};
use crate::persist::{Found, Given, Named};
use crate::stats::slots::Slots;

/// A backend's cookie.
#[derive(Debug)]
pub struct Cookies {
    pub conf: Cookie,
    /// What follows the value where it is given.
    pub attributes: Box<[u8]>,
    backend: String,
    /// Of each server, as written.
    given: Box<[Option<String>]>,
    /// As configured, or as an operator set it.
    naming: Mutex<Naming>,
    values: ArcSwap<Values>,
}

/// Requests by what was found of a cookie, and what was given.
#[derive(Debug)]
pub struct CookieCounts {
    pub found: Slots,
    pub given: Slots,
}

impl CookieCounts {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            found: Slots::new(workers, Found::WORDS.len()),
            given: Slots::new(workers, Given::WORDS.len()),
        }
    }
}

impl Cookies {
    /// `None` where none is configured.
    pub(super) fn new(conf: &config::Backend, servers: &[Arc<Server>]) -> Option<Self> {
        let cookie = conf.persistence.clone()?;
        let cookies = Self {
            attributes: cookie.written_attributes().into_bytes().into(),
            naming: Mutex::new(Naming::of(&cookie)),
            conf: cookie,
            backend: conf.name.clone(),
            given: conf.servers.iter().map(|server| server.cookie.clone()).collect(),
            values: ArcSwap::default(),
        };
        cookies.refresh(servers);
        Some(cookies)
    }

    /// Some values follow from addresses, which change.
    pub(super) fn refresh(&self, servers: &[Arc<Server>]) {
        let addresses: Vec<_> = servers.iter().map(|server| server.address()).collect();
        let given = servers.iter().zip(&self.given).zip(&addresses);
        let called = given.map(|((server, given), address)| value::Server {
            name: &server.name,
            given: given.as_deref(),
            address,
        });
        let naming = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        let values = Arc::new(Values::new(&naming, &self.backend, called));
        let before = self.values.swap(Arc::clone(&values));
        drop(naming);
        self.warn_of_twins(servers, &before, &values);
    }

    /// Clients of a server that is called as one before it go there. A configuration that says so is refused; an address
    /// may be that of another by a command, or by its name.
    fn warn_of_twins(&self, servers: &[Arc<Server>], before: &Values, now: &Values) {
        let active = |index: &&u32| servers.get(**index as usize).is_some_and(|server| !server.backup);
        for (index, server) in (0..).zip(servers).filter(|(_, server)| !server.backup) {
            let Some(&first) = now.named(now.of(index)).iter().find(active) else { continue };
            let were_already = || before.named(before.of(index)).contains(&first);
            if first != index && !were_already() {
                log::warning(format_args!(
                    "Servers {0}/{1} and {0}/{2} have the same cookie: clients of {0}/{2} go to {0}/{1}.",
                    self.backend, servers[first as usize].name, server.name,
                ));
            }
        }
    }

    /// Changes how servers are called that have no value of their own.
    pub(super) fn rename(&self, servers: &[Arc<Server>], change: impl FnOnce(&mut Naming)) {
        change(&mut self.naming.lock().unwrap_or_else(PoisonError::into_inner));
        self.refresh(servers);
    }

    /// Takes the place of another one. How an operator had servers called stays, unless the configuration changed there;
    /// some may have moved since this was made.
    pub(super) fn succeed(&self, before: Option<&Self>, servers: &[Arc<Server>]) {
        let same = before.filter(|before| Naming::of(&before.conf) == Naming::of(&self.conf));
        let kept = same.map(|before| before.naming.lock().unwrap_or_else(PoisonError::into_inner).clone());
        self.rename(servers, |naming| {
            if let Some(kept) = kept {
                *naming = kept;
            }
        });
    }

    /// What the servers are called.
    pub fn values(&self) -> Guard<Arc<Values>> {
        self.values.load()
    }

    /// The server that a value names: the first that is up of those which share it.
    pub fn named(&self, backend: &Backend, value: &[u8], hold: Hold) -> Named {
        let values = self.values();
        let mut named = Named::Nobody;
        for &index in values.named(value) {
            if backend.keeps(index, Hold::Kept) {
                return Named::Up(index);
            }
            if backend.keeps(index, hold) {
                return Named::DownYet(index);
            }
            named = Named::Down;
        }
        named
    }
}

#[cfg(test)]
mod tests {
    use crate::config::source::Memory;
    use crate::config::{Config, load};
    use crate::model::change::Cause;
    use crate::model::shared::Shared;
    use crate::model::testing;

    const BY: Cause<'_> = Cause::Command { by: "test", line: "" };

    fn config(key: &str, more: &str) -> Config {
        let text = format!(
            r#"(listen: [(name: "app", bind: [(address: ":1")],
                persistence: cookie(name: "app", key: "{key}"{more}),
                servers: [(name: "app1", address: "127.0.0.1:1")])])"#
        );
        let source = Memory::default().with("proxyd.ron", text);
        load(&source, &["proxyd.ron".into()]).unwrap().config
    }

    fn value(shared: &Shared) -> Vec<u8> {
        let snapshot = shared.snapshot();
        snapshot.backend("app").unwrap().cookies.as_ref().unwrap().values().of(0).to_vec()
    }

    #[test]
    fn what_an_operator_has_servers_called_outlives_a_reload() {
        let shared = testing::shared_of(&config("one", ""));
        let reload = |config| shared.publish(testing::snapshot(&config, Some(&shared.snapshot())));
        let configured = value(&shared);
        let old = shared.snapshot();
        let app = old.backend("app").unwrap();
        shared.switch_dynamic_cookies(app, true, BY);
        let set = value(&shared);
        assert_ne!(set, configured);
        reload(config("one", ", nocache: true"));
        assert_eq!(value(&shared), set, "it did not change there");
        // Of a graph that is gone.
        shared.set_cookie_key(app, "another", BY);
        let dynamic = value(&shared);
        assert_ne!(dynamic, set);
        reload(config("one", ""));
        assert_eq!(value(&shared), dynamic);
        reload(config("two", ""));
        reload(config("one", ""));
        assert_eq!(value(&shared), configured);
    }

    #[test]
    fn another_key_is_for_those_that_are_called_after_their_addresses() {
        let shared = testing::shared_of(&config("one", ""));
        let snapshot = shared.snapshot();
        let app = snapshot.backend("app").unwrap();
        let named = value(&shared);
        shared.set_cookie_key(app, "another", BY);
        assert_eq!(value(&shared), named, "names are hashed with the key that is configured");
        shared.switch_dynamic_cookies(app, true, BY);
        let dynamic = testing::shared_of(&config("another", ", dynamic: true"));
        assert_eq!(value(&shared), value(&dynamic));
        shared.switch_dynamic_cookies(app, false, BY);
        assert_eq!(value(&shared), named);
    }

    #[test]
    fn one_that_moves_before_a_new_graph_is_there_is_called_after_where_it_is() {
        let shared = testing::shared_of(&config("one", ", dynamic: true"));
        let before = value(&shared);
        let next = testing::snapshot(&config("one", ", dynamic: true"), Some(&shared.snapshot()));
        let old = shared.snapshot();
        let app = old.backend("app").unwrap();
        shared.set_address(app, &app.servers[0], "192.0.2.1:80".parse().unwrap(), BY);
        let moved = value(&shared);
        assert_ne!(moved, before);
        shared.publish(next);
        assert_eq!(value(&shared), moved);
    }
}
