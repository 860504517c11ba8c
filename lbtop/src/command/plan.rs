//! A change worked out before it is asked about: the command, what must still hold, what it would do, what undoes it.

use super::observed::{Expected, Observed, resolve};
use super::order::{Admin, Change, Command, Target};
use super::projection::{Peer, Projection};
use super::risk::Risk;
use crate::model::instance::{Freshness, Instance};
use crate::model::server::{Server, ServerId};
use crate::model::status::Condition;

/// A change to one server.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub command: Command,
    /// The life of the balancer it was made for.
    pub boot: String,
    pub expected: Expected,
    /// What the status said when it was made.
    pub seen: Seen,
    /// The balancer's own record, where it was known.
    pub observed: Option<Observed>,
    pub projection: Projection,
    pub risk: Risk,
    /// What brings back the state of now.
    pub undo: Change,
    /// What else is to be known, in words.
    pub notes: Vec<String>,
    /// The action this undoes, by its number.
    pub undoes: Option<u64>,
}

impl Eq for Plan {}

/// What the status of a server says, as far as a question depends on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seen {
    condition: Condition,
    weight: Option<u32>,
}

impl Seen {
    /// Failing and passing checks on the way to the next state are still the same state; a ramping weight is none.
    pub fn of(server: &Server) -> Self {
        let condition = match server.condition {
            Condition::GoingDown | Condition::NoCheck => Condition::Up,
            Condition::ComingUp => Condition::Down,
            other => other,
        };
        Self { condition, weight: server.row.throttle.is_none().then(|| server.weight()) }
    }

    /// Whether the balancer's own record can be of the same moment.
    pub fn agrees_with(self, observed: Observed) -> bool {
        let admin = match self.condition {
            Condition::Maint => observed.admin == Admin::Maint,
            Condition::Drain => observed.admin == Admin::Drain,
            Condition::Up => observed.admin == Admin::Ready,
            _ => observed.admin != Admin::Maint,
        };
        admin && self.weight.is_none_or(|weight| weight == observed.weight)
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoPlan {
    #[error("{0} is gone")]
    Gone(ServerId),
    #[error("the name {0} cannot stand in a command")]
    Name(ServerId),
    #[error("{0} is {1} already")]
    Already(ServerId, &'static str),
}

impl Plan {
    /// Works out `change` to `id`; `observed` is the balancer's own record where it is known already.
    pub fn new(
        instance: &Instance,
        id: &ServerId,
        change: Change,
        observed: Option<Observed>,
        freshness: Freshness,
    ) -> Result<Self, NoPlan> {
        let server = instance.server(id).ok_or_else(|| NoPlan::Gone(id.clone()))?;
        let target = Target::new(id).ok_or_else(|| NoPlan::Name(id.clone()))?;
        if observed.map_or_else(|| shows(server, change), |seen| seen.shows(change)) {
            let word = match change {
                Change::State(admin) => admin.word(),
                Change::Weight(_) => "of that weight",
            };
            return Err(NoPlan::Already(id.clone(), word));
        }
        let peers: Vec<&Server> = instance.servers_of(&id.backend).collect();
        let at = peers.iter().position(|peer| peer.id == *id).unwrap_or(0);
        let initial = observed.map_or_else(|| server.weight(), |seen| seen.initial);
        let comes_up = !matches!(server.condition, Condition::Down | Condition::ComingUp);
        let shares: Vec<Peer> = peers.iter().map(|peer| peer_of(peer)).collect();
        let projection = Projection::of(&shares, at, change, initial, comes_up);
        let risk =
            Risk::of(&id.backend, &projection, !matches!(freshness, Freshness::Live | Freshness::Slow));
        Ok(Self {
            notes: notes(instance, server, change, observed, comes_up),
            command: Command { target, change },
            boot: instance.boot.clone().unwrap_or_default(),
            expected: observed.map_or_else(|| expected(server, change), Expected::exactly),
            undo: observed.map_or_else(|| undo(server, change), |seen| seen.inverse(change)),
            seen: Seen::of(server),
            observed,
            projection,
            risk,
            undoes: None,
        })
    }

    /// The command that undoes it, as it would be sent.
    pub fn undo_command(&self) -> Command {
        Command { target: self.command.target.clone(), change: self.undo }
    }
}

/// A server as the projection sees it.
fn peer_of(server: &Server) -> Peer {
    Peer {
        name: server.id.server.clone(),
        takes_load: server.condition.takes_load(),
        is_backup: server.row.is_backup,
        weight: server.weight(),
        current: server.current(),
        limit: server.limit(),
        rate: server.rates().requests,
    }
}

/// Whether the status alone shows that the change is in place. A server that is down may be drained unseen.
fn shows(server: &Server, change: Change) -> bool {
    match change {
        Change::State(Admin::Ready) => server.condition.takes_load(),
        Change::State(Admin::Drain) => server.condition == Condition::Drain,
        Change::State(Admin::Maint) => server.condition == Condition::Maint,
        Change::Weight(weight) => {
            server.row.throttle.is_none() && resolve(weight, server.weight()) == server.weight()
        }
    }
}

/// What the status says of the state before.
fn expected(server: &Server, change: Change) -> Expected {
    let weight = matches!(change, Change::Weight(_)) && server.row.throttle.is_none();
    Expected {
        maint: Some((server.condition == Condition::Maint).into()),
        drain: match server.condition {
            Condition::Drain => Some(true.into()),
            Condition::Up | Condition::GoingDown | Condition::NoCheck => Some(false.into()),
            _ => None,
        },
        weight: weight.then(|| server.weight()),
    }
}

/// The way back, as far as the status says.
fn undo(server: &Server, change: Change) -> Change {
    let admin = match server.condition {
        Condition::Maint => Admin::Maint,
        Condition::Drain => Admin::Drain,
        _ => Admin::Ready,
    };
    Observed { admin, weight: server.weight(), initial: server.weight() }.inverse(change)
}

fn notes(
    instance: &Instance,
    server: &Server,
    change: Change,
    observed: Option<Observed>,
    comes_up: bool,
) -> Vec<String> {
    let mut notes = Vec::new();
    let name = &server.id.server;
    let sessions = server.current();
    match change {
        Change::State(Admin::Drain) if sessions > 0 => {
            notes.push(format!(
                "{sessions} sessions are on {name} now and may finish; pinned clients keep coming"
            ));
        }
        Change::State(Admin::Maint) if sessions > 0 => {
            notes
                .push(format!("{sessions} sessions are on {name} now; its checks stop, pinned clients move"));
        }
        Change::State(Admin::Maint) => notes.push("its checks stop".into()),
        Change::State(Admin::Ready) if !comes_up => {
            notes.push(format!("{name} stays {} until its checks pass", server.word()));
        }
        Change::Weight(super::order::Weight::Percent(_)) if observed.is_none() => {
            notes.push("percent of the configured weight, taken here to be that of now".into());
        }
        _ => {}
    }
    if matches!(change, Change::State(Admin::Maint | Admin::Drain)) {
        let own = server.id.to_string();
        let followers: Vec<_> = instance
            .servers
            .iter()
            .filter(|other| other.row.tracked == own)
            .map(|other| other.id.to_string())
            .collect();
        if !followers.is_empty() {
            notes.push(format!("{} track it and follow", followers.join(", ")));
        }
    }
    match instance.backend(&server.id.backend).map(|row| row.algo.as_str()) {
        Some("first") => notes.push("balance first: load spills to the next in order, not by weight".into()),
        Some("source" | "uri" | "url_param" | "hdr" | "hash" | "rdp-cookie") => {
            notes.push("balance by hash: shares are expectations, and keys move".into());
        }
        _ => {}
    }
    notes
}

#[cfg(test)]
pub(in crate::command) mod tests {
    use super::super::order::Weight;
    use super::*;
    use crate::model::clock::Now;
    use crate::model::sample::{Info, Kind, Row, Sample};

    /// Servers as (name, status, weight).
    fn instance(servers: &[(&str, &str, u64)]) -> Instance {
        let rows = servers
            .iter()
            .map(|&(name, status, weight)| {
                let mut row = Row::new(Kind::Server, "app", name);
                row.status = status.into();
                row.weight = Some(weight);
                row
            })
            .collect();
        let mut instance = Instance::new("x");
        instance.take(
            Sample { boot: "b".into(), info: Info::default(), rows, took_ms: 0 },
            Now { mono: 0, wall: 0 },
        );
        instance
    }

    pub(in crate::command) fn plan(server: &str) -> Plan {
        let instance = instance(&[(server, "UP", 100), ("other", "UP", 100)]);
        Plan::new(
            &instance,
            &ServerId::new("app", server),
            Change::State(Admin::Drain),
            None,
            Freshness::Live,
        )
        .unwrap()
    }

    #[test]
    fn what_is_so_already_is_no_plan() {
        let instance = instance(&[
            ("up", "UP", 100),
            ("drain", "DRAIN", 100),
            ("maint", "MAINT", 100),
            ("down", "DOWN", 100),
        ]);
        for (server, change, planned) in [
            ("up", Change::State(Admin::Ready), false),
            ("up", Change::State(Admin::Drain), true),
            ("drain", Change::State(Admin::Drain), false),
            ("drain", Change::State(Admin::Maint), true),
            ("maint", Change::State(Admin::Maint), false),
            ("down", Change::State(Admin::Ready), true),
            ("down", Change::State(Admin::Drain), true),
            ("up", Change::Weight(Weight::Absolute(100)), false),
            ("up", Change::Weight(Weight::Absolute(50)), true),
            ("nobody", Change::State(Admin::Drain), false),
        ] {
            let plan = Plan::new(&instance, &ServerId::new("app", server), change, None, Freshness::Live);
            assert_eq!(plan.is_ok(), planned, "{server} {change}: {plan:?}");
        }
        let hidden = Observed { admin: Admin::Drain, weight: 100, initial: 100 };
        let plan = Plan::new(
            &instance,
            &ServerId::new("app", "down"),
            Change::State(Admin::Drain),
            Some(hidden),
            Freshness::Live,
        );
        assert_eq!(plan, Err(NoPlan::Already(ServerId::new("app", "down"), "drain")));
    }

    #[test]
    fn the_way_back_is_known_before() {
        let instance = instance(&[("up", "UP", 70), ("drain", "DRAIN", 70), ("maint", "MAINT", 70)]);
        for (server, change, undo) in [
            ("up", Change::State(Admin::Maint), "set server app/up state ready"),
            ("drain", Change::State(Admin::Ready), "set server app/drain state drain"),
            ("maint", Change::State(Admin::Drain), "set server app/maint state maint"),
            ("up", Change::Weight(Weight::Percent(50)), "set server app/up weight 70"),
        ] {
            let plan = Plan::new(&instance, &ServerId::new("app", server), change, None, Freshness::Live);
            assert_eq!(plan.map(|p| p.undo_command().to_string()), Ok(undo.into()), "{server}");
        }
    }
}
