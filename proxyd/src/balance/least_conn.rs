//! The fewest requests for its weight.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{Ask, Picked, Random, usable};
use crate::model::backend::Backend;
use crate::model::lineup::Group;
use crate::model::server::Server;

/// Above so many servers a sample is compared instead of all.
const SCAN_ALL: usize = 64;
/// Servers it compares then.
const SAMPLE: usize = 8;

/// Times another server is looked for when the one found was filled by another worker meanwhile.
const AGAIN: usize = 3;

/// The fewest requests for its weight; which of equals is left to chance.
pub(super) fn pick(backend: &Backend, group: &Group, ask: &Ask<'_>, random: &mut Random) -> Picked {
    let active = &*group.members;
    let free = |index: u32| usable(backend, ask, index) && backend.has_room(index);
    for _ in 0..AGAIN {
        let mut lightest = Lightest::default();
        if active.len() <= SCAN_ALL {
            active.iter().copied().filter(|&i| free(i)).for_each(|i| lightest.compare(i, &backend.servers));
        } else {
            let drawn = std::iter::repeat_with(|| active[random.below(active.len())]).take(SAMPLE);
            drawn.filter(|&i| free(i)).for_each(|i| lightest.compare(i, &backend.servers));
        }
        let found = lightest.any(random).or_else(|| {
            // A sample may hold nobody who is free.
            let (before, from) = active.split_at(random.below(active.len()));
            from.iter().chain(before).copied().find(|&i| free(i))
        });
        match found {
            Some(index) if backend.enter(index) => return Picked::Server(index),
            Some(_) => {}
            None => break,
        }
    }
    if active.iter().any(|&i| usable(backend, ask, i)) { Picked::Full } else { Picked::Nobody }
}

/// The servers with the least load for their weight of those compared so far.
struct Lightest {
    equals: [u32; SCAN_ALL],
    count: usize,
    load: u64,
    weight: u64,
}

impl Default for Lightest {
    fn default() -> Self {
        // More than any server can have.
        Self { equals: [0; SCAN_ALL], count: 0, load: u64::from(u32::MAX) + 2, weight: 1 }
    }
}

impl Lightest {
    #[inline]
    fn compare(&mut self, index: u32, servers: &[Arc<Server>]) {
        let server = &servers[index as usize];
        let (load, weight) = (u64::from(server.served.load(Relaxed)) + 1, u64::from(server.weight().max(1)));
        // Fractions, compared without dividing.
        let (this, least) = (load * self.weight, self.load * weight);
        if this > least {
            return;
        }
        if this < least {
            (self.count, self.load, self.weight) = (0, load, weight);
        }
        self.equals[self.count] = index;
        self.count += 1;
    }

    /// Any of them, so that none is favoured for where it stands.
    fn any(&self, random: &mut Random) -> Option<u32> {
        match self.count {
            0 => None,
            1 => Some(self.equals[0]),
            count => Some(self.equals[random.below(count)]),
        }
    }
}
