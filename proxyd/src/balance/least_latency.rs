//! The quicker of two that are drawn by weight: how long each took to answer, times what it carries (peak EWMA).

use std::sync::atomic::Ordering::Relaxed;

use super::random::best_of;
use super::{Ask, Picked, Random};
use crate::model::backend::Backend;
use crate::model::lineup::Group;
use crate::model::server::Server;

/// More would send all to the one that is quickest now.
const CHOICES: u32 = 2;

pub(super) fn pick(backend: &Backend, group: &Group, ask: &Ask<'_>, random: &mut Random) -> Picked {
    // Both are drawn by weight already.
    let cost = |server: &Server| server.latency.cost(server.served.load(Relaxed), ask.now_ms);
    best_of(backend, group, ask, CHOICES, random, |one, other| cost(one) < cost(other))
}
