//! The first that has room, in the order of the configuration: what the others carry is as little as can be.
//!
//! A pick looks at each server that is full on its way, and costs so much more.

use super::{Ask, Picked, enter_first};
use crate::model::backend::Backend;
use crate::model::lineup::Group;

pub(super) fn pick(backend: &Backend, group: &Group, ask: &Ask<'_>) -> Picked {
    enter_first(backend, ask, group.members.iter().copied())
}
