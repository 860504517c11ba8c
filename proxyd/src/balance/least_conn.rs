//! The fewest requests for its weight: of up to 64 servers exactly, of more the least of eight that are drawn. Who has
//! none is equal to all others that have none.

use std::sync::atomic::Ordering::Relaxed;

use super::{Ask, Picked, Random, usable};
use crate::model::backend::Backend;
use crate::model::lineup::Group;
use crate::model::loads::{Burden, COMPARED};

/// Servers that are compared of more than [`COMPARED`].
const SAMPLE: usize = 8;

/// Times another server is looked for when the one found was filled by another worker meanwhile.
const AGAIN: usize = 3;

pub(super) fn pick(backend: &Backend, group: &Group, ask: &Ask<'_>, random: &mut Random) -> Picked {
    if ask.tried.is_empty() || backend.loads.len() > COMPARED {
        for _ in 0..AGAIN {
            let found = if backend.loads.len() <= COMPARED {
                least(backend, random)
            } else {
                sampled(backend, &group.members, ask, random)
            };
            let Some(index) = found else { break };
            if usable(backend, ask, index) && backend.enter(index) {
                return Picked::Server(index);
            }
            // What is known of it is a moment old.
            backend.weigh(index);
        }
    }
    carefully(backend, &group.members, ask, random)
}

/// The least of all. Of equals it is the one that stands next after the last that was picked.
fn least(backend: &Backend, random: &mut Random) -> Option<u32> {
    let cursor = &backend.live.cursor;
    let from = match cursor.load(Relaxed) {
        from if from < backend.loads.len() => from,
        _ => 0,
    };
    // By chance, as nobody may ever be picked next to one that is known for more than it carries.
    backend.weigh(random.below(backend.loads.len()) as u32);
    let burden = backend.loads.least(from);
    if !burden.is_free() {
        return None;
    }
    cursor.store(burden.index() as usize + 1, Relaxed);
    Some(burden.index())
}

fn sampled(backend: &Backend, members: &[u32], ask: &Ask<'_>, random: &mut Random) -> Option<u32> {
    if members.is_empty() {
        return None;
    }
    let mut least = (Burden::NONE, 0);
    for _ in 0..SAMPLE {
        let drawn = members[random.below(members.len())];
        let burden = backend.loads.of(drawn);
        if burden.is_lighter_than(least.0) && !ask.tried.contains(&drawn) {
            least = (burden, drawn);
        }
    }
    backend.weigh(members[random.below(members.len())]);
    least.0.is_free().then_some(least.1)
}

/// One after the other, as each is now: for those who tried some, for backups, and where hardly anybody has room.
fn carefully(backend: &Backend, members: &[u32], ask: &Ask<'_>, random: &mut Random) -> Picked {
    if members.is_empty() {
        return Picked::Nobody;
    }
    let load = |index: u32| {
        let server = &backend.servers[index as usize];
        let served = u64::from(server.served.load(Relaxed));
        // As `model/loads` weighs them.
        (if served == 0 { 0 } else { served + 1 }, u64::from(server.share().max(1)))
    };
    for _ in 0..AGAIN {
        let (before, from) = members.split_at(random.below(members.len()));
        let free =
            from.iter().chain(before).copied().filter(|&i| usable(backend, ask, i) && backend.has_room(i));
        // Fractions, compared without dividing.
        let least = free.map(|index| (index, load(index))).reduce(|least, other| {
            let ((load, share), (others, its_share)) = (least.1, other.1);
            if others * share < load * its_share { other } else { least }
        });
        match least {
            Some((index, _)) if backend.enter(index) => return Picked::Server(index),
            Some(_) => {}
            None => break,
        }
    }
    if members.iter().any(|&index| usable(backend, ask, index)) { Picked::Full } else { Picked::Nobody }
}
