//! Cookies that lead clients to their servers: what each client was given, and whom that names.

use proxyd::model::backend::Backend;
use proxyd::model::server::Server;

use crate::clients::Person;
use crate::dice::Dice;
use crate::pins::PersistPlan;
use crate::world::World;

/// A cookie as configured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CookiePlan {
    indirect: bool,
    /// Servers are called after their addresses.
    dynamic: bool,
}

impl CookiePlan {
    pub(crate) fn drawn(dice: &mut Dice) -> Self {
        Self { indirect: dice.percent(50), dynamic: dice.percent(25) }
    }

    pub(crate) fn text(self) -> String {
        let Self { indirect, dynamic } = self;
        format!(
            "persistence: cookie(name: \"SRV\", indirect: {indirect}, dynamic: {dynamic}, key: \"secret\"),\n"
        )
    }
}

/// What a client was told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    value: String,
    /// Who told it.
    server: String,
}

impl World {
    /// What a client's cookie says.
    pub(crate) fn cookie(&self, backend: &Backend, person: Person) -> Option<String> {
        self.cookies.borrow().get(&(backend.name.to_string(), person.number)).map(|told| told.value.clone())
    }

    /// The server that a client's cookie names, if it is called so still, and no other.
    pub(crate) fn cookie_leads_to(&self, backend: &Backend, person: Person) -> Option<String> {
        let told = self.cookies.borrow().get(&(backend.name.to_string(), person.number)).cloned()?;
        let values = backend.cookies.as_ref()?.values();
        let index = backend.server(&told.server)?.index();
        (values.named(told.value.as_bytes()) == [index]).then_some(told.server)
    }

    /// A server has answered, and the client reads the head. From here on it belongs to that server.
    pub(crate) fn told(
        &self,
        backend: &Backend,
        server: &Server,
        person: Person,
        sent: Option<&str>,
        head: &[u8],
    ) {
        let Some(cookies) = &backend.cookies else { return };
        let persist = self.plan.borrow().backend(&backend.name).map(|it| it.persist).unwrap_or_default();
        let text = String::from_utf8_lossy(head);
        let given = text.lines().find_map(|line| line.strip_prefix("Set-Cookie: SRV="));
        let given = given.map(|value| value.split(';').next().unwrap_or_default());
        let values = cookies.values();
        let own = String::from_utf8_lossy(values.of(server.index()));
        let path = server.path();
        let name = backend.name.to_string();
        match given {
            Some(_) if PersistPlan::ignores(persist, person.wish) => {
                self.fail(format!("a request that is balanced like any other is given a cookie for {path}"));
            }
            Some(value) if value != own => {
                self.fail(format!("a client of {path} is told {value}, and it is called {own}"));
            }
            Some(value) => {
                let told = Told { value: value.to_owned(), server: server.name.to_string() };
                self.cookies.borrow_mut().insert((name, person.number), told);
            }
            // Its address may have changed meanwhile, and with it what it is called.
            None if sent != Some(&own)
                && !PersistPlan::ignores(persist, person.wish)
                && !cookies.conf.dynamic =>
            {
                self.fail(format!("a client with cookie {sent:?} is on {path}, and is not told {own}"));
            }
            None => {}
        }
    }
}
