//! The better of some that are drawn by weight.

use std::sync::atomic::Ordering::Relaxed;

use super::{Ask, Picked, Random, enter_first, usable};
use crate::model::backend::Backend;
use crate::model::lineup::Group;
use crate::model::server::Server;

/// The one that carries the least for its weight.
pub(super) fn pick(
    backend: &Backend,
    group: &Group,
    ask: &Ask<'_>,
    draws: u32,
    random: &mut Random,
) -> Picked {
    best_of(backend, group, ask, draws, random, is_lighter)
}

/// Draws servers that can be used; `is_better` says whether one is better than another.
pub(super) fn best_of(
    backend: &Backend,
    group: &Group,
    ask: &Ask<'_>,
    draws: u32,
    random: &mut Random,
    is_better: impl Fn(&Server, &Server) -> bool,
) -> Picked {
    let order = &*group.order;
    if order.is_empty() {
        return Picked::Nobody;
    }
    let servers = &backend.servers;
    let mut best: Option<u32> = None;
    for _ in 0..draws {
        // Each server stands in the order as often as its weight says.
        let drawn = order[random.below(order.len())];
        if !usable(backend, ask, drawn) || !backend.has_room(drawn) {
            continue;
        }
        match best {
            // Which of equals is left to chance, that is, to weights.
            Some(best) if is_better(&servers[best as usize], &servers[drawn as usize]) => {}
            _ => best = Some(drawn),
        }
    }
    if let Some(best) = best
        && backend.enter(best)
    {
        return Picked::Server(best);
    }
    // What was drawn may be full or gone, and others not.
    let (before, from) = order.split_at(random.below(order.len()));
    enter_first(backend, ask, from.iter().chain(before).copied())
}

/// Whether one carries less for its weight, in fractions that are compared without dividing.
fn is_lighter(one: &Server, other: &Server) -> bool {
    let load = |server: &Server| u64::from(server.served.load(Relaxed));
    load(one) * u64::from(other.share()) < load(other) * u64::from(one.share())
}
