//! By the hash of a key: the server it belongs to, or where that is out of the question the next on its way. A request
//! waits for a server that is full, since it belongs there; one without a key goes in turns.

use super::{Ask, Picked, round_robin, usable};
use crate::hash::avalanche;
use crate::model::backend::{Backend, Entered};
use crate::model::lineup::Group;
use crate::model::placement::{Placement, Table};

/// Nodes of a ring for each server that are asked for room: all servers of one weight are met on the way long before,
/// and of millions of nodes not each is asked when nobody has any.
const WAY: usize = 16;

pub(super) fn pick(backend: &Backend, group: &Group, ask: &Ask<'_>) -> Picked {
    let (Some(key), Some(placement)) = (ask.key, &group.placement) else {
        return round_robin::pick(backend, group, ask);
    };
    // Nobody is looked for in vain.
    if !group.members.iter().any(|&index| usable(backend, ask, index)) {
        return Picked::Nobody;
    }
    let fits = |index: &u32| usable(backend, ask, *index);
    // A key that finds nobody on its way has any of those that are left, in an order over all servers that is its own:
    // who goes or comes moves no other's keys here either.
    let left = || {
        let backup = group.members.first().is_some_and(|&index| backend.servers[index as usize].backup);
        let (count, start) = (backend.servers.len() as u32, avalanche(key));
        // An odd step leads through all places of a power of two.
        let (places, step) = (count.next_power_of_two(), start >> 16 | 1);
        let order = (0..places).map(move |n| start.wrapping_add(n.wrapping_mul(step)) & (places - 1));
        order
            .filter(move |&index| index < count && backend.servers[index as usize].backup == backup)
            .filter(fits)
    };
    match &placement.table {
        Table::Map(map) => {
            let place = map.place(key).unwrap_or_default();
            choose(backend, placement, map.from(place).filter(fits))
        }
        Table::Ring(ring) => {
            // Where a key belongs does not depend on what was tried: from there on the next is looked for.
            let nodes = |index: u32| {
                let server = &backend.servers[index as usize];
                // A server that warms up has the first of its nodes.
                if server.is_eligible() { server.share() } else { 0 }
            };
            let way = ring.from(key, &nodes).filter(fits);
            if placement.shares.is_none() {
                return choose(backend, placement, way);
            }
            choose(backend, placement, way.take(WAY * group.members.len()).chain(left()))
        }
        Table::Maglev(table) => choose(backend, placement, table.from(key).filter(fits).chain(left())),
    }
}

/// The first, or where loads are bounded the first that may carry another.
fn choose(backend: &Backend, placement: &Placement, mut servers: impl Iterator<Item = u32>) -> Picked {
    let Some(first) = servers.next() else { return Picked::Nobody };
    let Some(shares) = &placement.shares else { return enter(backend, first) };
    let carried = backend.carried();
    let mut above = None;
    for index in std::iter::once(first).chain(servers) {
        // A server has many places on a ring.
        if above == Some(index) {
            continue;
        }
        match backend.enter_within(index, shares.of(index, carried)) {
            Entered::Yes => return Picked::Server(index),
            Entered::Full => return Picked::Busy(index),
            Entered::AboveShare => above = Some(index),
        }
    }
    // Those that were not tried before carry all there is.
    enter(backend, first)
}

/// Who waits for this very server has it first.
fn enter(backend: &Backend, index: u32) -> Picked {
    let waited_for = backend.servers[index as usize].line.waiting() > 0;
    if !waited_for && backend.enter(index) { Picked::Server(index) } else { Picked::Busy(index) }
}

#[cfg(test)]
mod tests;
