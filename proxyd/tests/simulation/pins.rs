//! Clients that are held to a server, by a cookie or a table: where they have to go, and where they must not.

use std::sync::Arc;

use proxyd::model::backend::Backend;
use proxyd::model::server::Server;

use crate::clients::{Person, Wish};
use crate::dice::Dice;
use crate::load::Look;
use crate::world::World;

/// What a backend says of those it holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PersistPlan {
    /// Some requests are balanced as if nobody were known.
    ignores: bool,
    /// Some go to their server whatever its state.
    forces: bool,
    try_down: bool,
}

impl PersistPlan {
    pub(crate) fn drawn(dice: &mut Dice) -> Self {
        Self { ignores: dice.percent(40), forces: dice.percent(40), try_down: dice.percent(15) }
    }

    pub(crate) fn text(self) -> String {
        let ignore = if self.ignores { "path(\"/anywhere/*\")" } else { "" };
        let force = if self.forces { "path(\"/trial/*\")" } else { "" };
        format!("persist: (ignore: [{ignore}], force: [{force}], try_down: {}),\n", self.try_down)
    }

    pub(crate) fn ignores(self, wish: Wish) -> bool {
        self.ignores && wish == Wish::Anywhere
    }

    fn firmness(self, wish: Wish) -> Firmness {
        match wish {
            Wish::Trial if self.forces => Firmness::Forced,
            _ if self.try_down => Firmness::Tried,
            _ => Firmness::Kept,
        }
    }
}

/// How firmly a request is held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Firmness {
    /// While the server is up, drained or not.
    Kept,
    /// It is tried first, whatever its state.
    Tried,
    /// To that server and no other.
    Forced,
}

/// A request that belongs to a server.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    pub(crate) server: Arc<Server>,
    firmness: Firmness,
    /// That server could have it when it came, as far as that is certain.
    pub(crate) holds: Option<bool>,
}

impl World {
    /// The server that a client belongs to by what it, or a table, was told.
    pub(crate) fn pin(&self, backend: &Arc<Backend>, person: Person) -> Option<Pin> {
        let plan = self.plan.borrow();
        let persist = plan.backend(&backend.name)?.persist;
        if persist.ignores(person.wish) {
            return None;
        }
        let name = self.cookie_leads_to(backend, person).or_else(|| self.table_leads_to(backend, person))?;
        let server = Arc::clone(backend.server(&name)?);
        let firmness = persist.firmness(person.wish);
        let holds = if firmness == Firmness::Kept { self.keeps(backend, &server) } else { Some(true) };
        Some(Pin { server, firmness, holds })
    }

    /// A request was given this server, and belongs to that one.
    pub(crate) fn judge_pin(&self, backend: &Arc<Backend>, server: &Server, pin: &Pin, look: Look) {
        let own = &pin.server;
        if own.id == server.id {
            return;
        }
        if pin.firmness == Firmness::Forced {
            self.fail(format!("{} is picked for one that is forced to {}", server.path(), own.path()));
        }
        // Who finds the line of its server full goes elsewhere.
        let may_be_full = backend.limits[own.index() as usize].max_queue > 0;
        let path = own.path();
        let stayed = backend.eject.is_none()
            && self.is_current(backend)
            && backend
                .servers
                .iter()
                .all(|it| self.last_touched(&it.path()).is_none_or(|at| at < look.since));
        if pin.holds == Some(true) && !look.again && !may_be_full && (look.at_once || stayed) {
            let state = own.control().state;
            self.fail(format!(
                "{} is picked for one that belongs to {path}, which is {state:?}",
                server.path()
            ));
        }
    }

    /// Whether it is right that a request is on its server, whatever others would be told of that one.
    pub(crate) fn is_pinned(&self, backend: &Arc<Backend>, server: &Server, pin: Option<&Pin>) -> bool {
        pin.filter(|pin| pin.server.id == server.id)
            .is_some_and(|pin| pin.firmness != Firmness::Kept || self.keeps(backend, server).unwrap_or(true))
    }
}
