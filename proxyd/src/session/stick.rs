//! A request or connection on its way past stick rules: whom its keys lead to, and what is stored when a server answers.

use std::sync::Arc;

use smallvec::SmallVec;

use super::dispatch::Tries;
use crate::config::persistence::Exception;
use crate::config::table::StickRule;
use crate::model::backend::Backend;
use crate::model::queue::Hold;
use crate::model::stick::Rule;
use crate::sample::Facts;
use crate::stick::key::{self, Key};

/// What stick rules make of a request; nothing where its backend has none, or it is ignored.
#[derive(Debug)]
pub struct Stuck(Option<Box<Keys>>);

#[derive(Debug)]
struct Keys {
    preferred: Option<(u32, Hold)>,
    /// Whose server is stored, by the rule that says so.
    stored: SmallVec<[(usize, Key); 2]>,
}

impl Stuck {
    /// Looks at the rules in turn. Where the request has its server already, by a cookie, entries are used all the same. One
    /// that is ignored uses none, and none is changed by where it went.
    pub fn read(
        backend: &Backend,
        facts: &Facts<'_>,
        assigned: bool,
        exception: Option<Exception>,
        now: u64,
    ) -> Self {
        let hold = match exception {
            Some(Exception::Ignored) => return Self::none(),
            Some(Exception::Forced) => Hold::Forced,
            _ if backend.persist.try_down => Hold::Tried,
            _ => Hold::Kept,
        };
        let mut keys = Keys { preferred: None, stored: SmallVec::new() };
        for (at, rule) in
            backend.stick.iter().enumerate().filter(|(_, rule)| rule.rule != StickRule::StoreResponse)
        {
            // Of several keys for one table the first is stored.
            if rule.rule.stores() && keys.stores_in(&backend.stick, rule) {
                continue;
            }
            let Some(key) = key_of(rule, facts) else { continue };
            if rule.rule.matches() {
                let known = rule.table.find(&key, now, |entry| rule.server_of(entry.as_ref()));
                let usable = known.flatten().filter(|server| backend.keeps(*server, hold));
                if let (Some(server), None, false) = (usable, keys.preferred, assigned) {
                    keys.preferred = Some((server, hold));
                }
            }
            if rule.rule.stores() {
                keys.stored.push((at, key));
            }
        }
        Self(Some(Box::new(keys)))
    }

    /// There is nothing to use or to store.
    pub const fn none() -> Self {
        Self(None)
    }

    pub const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// The server that is known is tried first.
    pub fn prefer(&self, tries: &mut Tries) {
        if let Some((server, hold)) = self.0.as_ref().and_then(|keys| keys.preferred) {
            tries.prefer(server, hold);
        }
    }

    /// A server answered, or was connected to: entries know it from here on, and not one that was tried before.
    pub fn answered(&self, backend: &Backend, facts: &Facts<'_>, server: u32, now: u64) {
        let Some(keys) = &self.0 else { return };
        let mut of_answer: SmallVec<[(usize, Key); 2]> = SmallVec::new();
        for (at, rule) in
            backend.stick.iter().enumerate().filter(|(_, rule)| rule.rule == StickRule::StoreResponse)
        {
            let same = |(other, _): &(usize, Key)| Arc::ptr_eq(&backend.stick[*other].table, &rule.table);
            if of_answer.iter().any(same) {
                continue;
            }
            if let Some(key) = key_of(rule, facts) {
                of_answer.push((at, key));
            }
        }
        for (at, key) in keys.stored.iter().chain(&of_answer) {
            let rule = &backend.stick[*at];
            // Where there is no room nothing is known of it, and that is all.
            let _stored = rule.table.enter(key, now, |entry| rule.store(entry, server));
        }
    }
}

impl Keys {
    fn stores_in(&self, rules: &[Rule], rule: &Rule) -> bool {
        self.stored.iter().any(|(at, _)| Arc::ptr_eq(&rules[*at].table, &rule.table))
    }
}

fn key_of(rule: &Rule, facts: &Facts<'_>) -> Option<Key> {
    key::of_value(rule.table.layout().key_type(), rule.key.evaluate(facts)?)
}
