//! Tables that know which server has a client: what was stored, and for how long.

use proxyd::model::backend::Backend;
use proxyd::model::server::Server;

use crate::clients::Person;
use crate::dice::Dice;
use crate::world::World;

/// A backend's table and rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StickPlan {
    /// By address, else by a header.
    by_address: bool,
    /// Entries live as long unused.
    expire_ms: u64,
}

/// What a table knows of a client.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    server: String,
    used_ms: u64,
}

impl StickPlan {
    pub(crate) fn drawn(dice: &mut Dice) -> Self {
        Self { by_address: dice.percent(50), expire_ms: dice.of(&[1000, 20_000, 3_600_000]) }
    }

    /// The table of a backend.
    pub(crate) fn table(self, backend: &str) -> String {
        let kind = if self.by_address { "ip" } else { "string(32)" };
        format!("(name: \"of-{backend}\", key: {kind}, entries: 1000, expire: \"{}ms\"),\n", self.expire_ms)
    }

    pub(crate) fn text(self, backend: &str) -> String {
        let key = if self.by_address { "src" } else { "req.hdr(x-user)" };
        format!("stick: [on(key: \"{key}\", table: \"of-{backend}\")],\n")
    }
}

impl World {
    fn stick_of(&self, backend: &Backend) -> Option<StickPlan> {
        self.plan.borrow().backend(&backend.name)?.stick
    }

    /// Whether the table has anything to do with that request.
    fn is_stuck(&self, backend: &Backend, person: Person) -> bool {
        let plan = self.plan.borrow();
        plan.backend(&backend.name).is_some_and(|it| it.stick.is_some() && !it.persist.ignores(person.wish))
            && person.address().is_some()
    }

    /// The server that a backend's table knows of a client.
    pub(crate) fn table_leads_to(&self, backend: &Backend, person: Person) -> Option<String> {
        let stick = self.stick_of(backend)?;
        let stored = self.stored.borrow().get(&(backend.name.to_string(), person.number)).cloned()?;
        (self.shared.epoch.now_ms() < stored.used_ms + stick.expire_ms).then_some(stored.server)
    }

    /// The table of a backend was asked for a client, which it knows for longer from here on.
    pub(crate) fn looked_up(&self, backend: &Backend, person: Person) {
        if self.is_stuck(backend, person)
            && self.table_leads_to(backend, person).is_some()
            && let Some(stored) = self.stored.borrow_mut().get_mut(&(backend.name.to_string(), person.number))
        {
            stored.used_ms = self.shared.epoch.now_ms();
        }
    }

    /// A server has answered: the table knows its client from here on, if that is known by anything.
    pub(crate) fn stored(&self, backend: &Backend, server: &Server, person: Person) {
        if self.is_stuck(backend, person) {
            let stored = Stored { server: server.name.to_string(), used_ms: self.shared.epoch.now_ms() };
            self.stored.borrow_mut().insert((backend.name.to_string(), person.number), stored);
        }
    }
}
