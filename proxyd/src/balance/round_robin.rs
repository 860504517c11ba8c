//! In turns: the next place of the prepared order, with one `fetch_add` on a cursor that all workers share.
//!
//! `static_rr` is the same; what is static about it is that weights are not changed.

use std::sync::atomic::Ordering::Relaxed;

use super::{Ask, Picked, enter_first};
use crate::model::backend::Backend;
use crate::model::lineup::Group;

pub(super) fn pick(backend: &Backend, group: &Group, ask: &Ask<'_>) -> Picked {
    let turn = group.order.len();
    let places = (0..turn).map(|_| group.order[backend.live.cursor.fetch_add(1, Relaxed) % turn]);
    enter_first(backend, ask, places)
}
