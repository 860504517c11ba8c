//! Keys that are hashed: a key stays with its server while nothing changes, and a change moves no more keys than it has
//! to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use proto::addr::Address;
use proxyd::balance::{self, Ask, Picked, Random};
use proxyd::config::{Backups, Hash, HashKind};
use proxyd::model::backend::Backend;
use proxyd::model::server::Server;
use proxyd::model::slow_start::Ramp;

use crate::clients::{Person, hash_of};
use crate::dice::Dice;
use crate::world::World;

/// A balance by a key, as text.
pub(crate) fn drawn(dice: &mut Dice) -> String {
    let kind = dice.of(&["map_based", "consistent", "consistent", "maglev"]);
    let mut rest = format!("kind: {kind}, avalanche: {}", dice.percent(50));
    if kind != "map_based" {
        if dice.percent(35) {
            write!(rest, ", balance_factor: \"{}%\"", dice.of(&[101, 125, 200])).unwrap();
        }
        if dice.percent(70) {
            write!(rest, ", hash_key: {}", dice.of(&["id", "name", "addr", "addr_port"])).unwrap();
        }
    }
    match dice.below(4) {
        0 => format!("source({rest})"),
        1 => format!("uri({rest})"),
        2 => format!("header(name: \"x-user\", {rest})"),
        _ => format!("hash(key: \"req.hdr(x-user)\", {rest})"),
    }
}

/// A server as far as keys follow from it.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Place {
    backup: bool,
    weight: u32,
    configured: u32,
    /// What it has of its weight, 0 where it cannot be picked.
    share: u32,
    address: Arc<Address>,
}

impl Place {
    fn of(server: &Server) -> Self {
        Self {
            backup: server.backup,
            weight: server.weight(),
            configured: server.initial_weight,
            share: if server.is_eligible() { server.share() } else { 0 },
            address: server.address(),
        }
    }
}

/// Where keys belonged while the servers of a backend were such.
#[derive(Clone, Debug)]
pub(crate) struct Homes {
    places: Vec<Place>,
    /// By key, the index of a server.
    at: BTreeMap<u32, u32>,
}

impl Homes {
    /// Keys go to backups, where no other can be picked.
    fn is_of_backups(&self) -> bool {
        self.places.iter().all(|place| place.backup || place.share == 0)
    }

    /// Whether a key may have left a server for another with the change from these to those.
    fn may_move(&self, now: &Self, hash: &Hash, (from, to): (u32, u32)) -> bool {
        // What counts of a server; a place that follows from another address is another place.
        let size = |homes: &Self, index: u32| {
            let place = homes.places.get(index as usize)?;
            let share = if hash.kind == HashKind::Maglev { place.share.min(1) } else { place.share };
            Some((share, Arc::clone(&place.address)))
        };
        let more = |one: Option<(u32, Arc<Address>)>, other: Option<(u32, Arc<Address>)>| match (one, other) {
            (Some((one, at)), Some((other, before))) => one > other || at != before,
            (one, _) => one.is_some(),
        };
        more(size(self, from), size(now, from)) || more(size(now, to), size(self, to))
    }

    /// Whether a change from these to those moves the keys of servers that change, and no others.
    fn moves_little(&self, now: &Self, hash: &Hash) -> bool {
        let same_group = self.is_of_backups() == now.is_of_backups();
        let group = |homes: &Self| {
            let backups = homes.is_of_backups();
            let own = homes.places.iter().enumerate().filter(move |(_, place)| place.backup == backups);
            own.map(|(n, place)| (n, place.weight, Arc::clone(&place.address))).collect::<Vec<_>>()
        };
        match hash.kind {
            HashKind::MapBased => false,
            HashKind::Consistent => same_group,
            // A table is made of all servers, whether or not they can be picked; and where few can, keys go on over the whole
            // list.
            HashKind::Maglev => {
                same_group && self.places.len() == now.places.len() && group(self) == group(now)
            }
        }
    }
}

impl World {
    /// After each step: keys belong where they did when the servers were the same, and moved no more than they had to.
    pub(crate) fn judge_hashing(&self) {
        for backend in &self.shared.snapshot().backends {
            let Some(hash) = hash_of(backend) else { continue };
            let Some(places) = self.places(backend) else { continue };
            // Who is asked for room while somebody waits may take it from him; with loads, keys go on to others.
            if backend.live.queue.is_waited_in() || hash.balance_factor.is_some() && backend.carried() > 0 {
                continue;
            }
            let keys = Person::all().filter_map(|person| person.key(backend, &person.head(None)));
            let now = Homes { places, at: keys.filter_map(|key| Some((key, home(backend, key)?))).collect() };
            let mut known = self.homes.borrow_mut();
            let known = known.entry(backend.name.to_string()).or_default();
            if let Some(before) = known.last().filter(|before| before.moves_little(&now, hash)) {
                for (key, &from) in &before.at {
                    let to = now.at.get(key).copied().unwrap_or(from);
                    if from != to && !before.may_move(&now, hash, (from, to)) {
                        self.fail(format!(
                            "key {key} of {} moves from server {from} to {to} with {:?} and {:?}",
                            backend.name, before.places, now.places
                        ));
                    }
                }
            }
            match known.iter().position(|homes| homes.places == now.places) {
                Some(same) => {
                    let same = known.remove(same);
                    // The first backup says nothing where it has no room.
                    let moved = |(key, at): (&u32, &u32)| now.at.get(key).is_some_and(|now| now != at);
                    if same.at.iter().any(moved) {
                        self.fail(format!(
                            "keys of {} are at {:?}, and were at {:?} with the same servers",
                            backend.name, now.at, same.at
                        ));
                    }
                }
                None if known.len() > 20 => drop(known.remove(0)),
                None => {}
            }
            known.push(now);
        }
    }

    /// The servers of a backend, if nothing has just happened to them.
    fn places(&self, backend: &Arc<Backend>) -> Option<Vec<Place>> {
        if !self.is_backend_settled(backend) || !self.is_current(backend) {
            return None;
        }
        let places: Vec<Place> = backend.servers.iter().map(|server| Place::of(server)).collect();
        let lineup = backend.lineup();
        let eligible = |backup: bool| {
            let usable = (0..).zip(&places).filter(move |(_, it)| it.backup == backup && it.share > 0);
            usable.map(|(index, _)| index)
        };
        let is_told = lineup.active.members.iter().copied().eq(eligible(false))
            && lineup.backup.members.iter().copied().eq(eligible(true));
        is_told.then_some(places)
    }

    /// A request with that key and nothing else that holds it to a server was given this one, at once.
    pub(crate) fn judge_key(&self, backend: &Arc<Backend>, server: &Server, key: u32) {
        let (Some(hash), Some(places)) = (hash_of(backend), self.places(backend)) else { return };
        if hash.balance_factor.is_some() {
            return self.judge_bound(backend, server, hash.balance_factor.unwrap_or_default(), &places);
        }
        let homes = self.homes.borrow();
        let Some(homes) = homes.get(&*backend.name).and_then(|known| known.last()) else { return };
        if homes.places == places
            && let Some(home) = homes.at.get(&key)
            && *home != server.index()
        {
            self.fail(format!("key {key} belongs to server {home}, and is sent to {}", server.path()));
        }
    }

    /// It carries no more than its share of all, times the factor; of a part of a request it carries all.
    fn judge_bound(&self, backend: &Backend, server: &Server, factor: u32, places: &[Place]) {
        let is_warm = |server: &Arc<Server>| server.ramp() == Ramp::FULL;
        if server.maxconn() > 0 || backend.eject.is_some() || !backend.servers.iter().all(is_warm) {
            return;
        }
        let in_group = places.iter().filter(|place| place.backup == server.backup);
        let all: u64 = in_group.map(|place| u64::from(place.share)).sum();
        let most = (u64::from(backend.carried()) * u64::from(factor)).div_ceil(100);
        let most = most * u64::from(server.share()) / all.max(1) + 1;
        let served = server.served.load(Relaxed);
        if (server.backup && backend.backups == Backups::First) || u64::from(served) <= most {
            return;
        }
        self.fail(format!(
            "{} carries {served} of {}, and is not to carry more than {most}",
            server.path(),
            backend.carried()
        ));
    }
}

/// The server that a key belongs to.
fn home(backend: &Backend, key: u32) -> Option<u32> {
    let ask = Ask { key: Some(key), ..Ask::default() };
    match balance::pick(backend, &ask, &mut Random::new(1)) {
        Picked::Server(index) => {
            backend.leave(index);
            Some(index)
        }
        Picked::Busy(index) => Some(index),
        Picked::Full | Picked::Nobody => None,
    }
}
