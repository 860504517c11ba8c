//! The `watch` stream, version 1: the state once, then what changes, one JSON object a line.
//!
//! A server keeps [`State`]s, makes [`Changes`] of two of them with [`delta`] and sends [`Line`]s; a client feeds what
//! it reads to a [`Replica`], which then holds what `show stat` and `show info` would say. Readers ignore kinds and
//! fields they do not know. Nothing here reads a clock: ages go over the wire as points in time.

mod delta;
mod line;
mod replica;

pub use delta::{Changes, Sample, State, delta};
pub use line::{Delta, Event, EventKind, Gap, Hello, Line, MAX_LINE, Stamp, VERSION};
pub use replica::{Applied, ApplyError, Replica, Sync, row_of};

use crate::stats::{Col, Kind, Row};

/// Names with their values, as JSON.
pub type Fields = serde_json::Map<String, serde_json::Value>;

const CHANGED_AT: &str = "changed_at_ms";
const LASTSESS_AT: &str = "lastsess_at_ms";
const DOWN: &str = "down_ms";

/// Columns that grow every second by themselves. In the stream they are [`Ages`].
const AGE_COLUMNS: [Col; 3] = [Col::Lastchg, Col::Lastsess, Col::Downtime];

/// The points in time behind `lastchg`, `lastsess` and `downtime`: they change only when something does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ages {
    /// When the state changed last, Unix milliseconds. `lastchg` is empty without it.
    pub changed_at_ms: Option<u64>,
    /// When the last session began, Unix milliseconds; none if there was none.
    pub lastsess_at_ms: Option<u64>,
    /// How long it was down in periods that are over. `downtime` is empty without it.
    pub down_ms: Option<u64>,
}

impl Ages {
    /// Fills the three columns of a row as they are at `now_ms`. Only servers and backends have them; the row's
    /// status, which says whether it is down now, has to be set before.
    pub fn fill(&self, row: &mut Row, now_ms: u64) {
        for col in AGE_COLUMNS {
            row.clear(col);
        }
        if !matches!(row.kind, Kind::Server | Kind::Backend) {
            return;
        }
        let since_change = self.changed_at_ms.map(|at| now_ms.saturating_sub(at));
        if let Some(age) = since_change {
            row.set(Col::Lastchg, (age / 1000) as u32);
        }
        if let Some(closed) = self.down_ms {
            let open = since_change.filter(|_| is_down(row.text(Col::Status))).unwrap_or(0);
            row.set(Col::Downtime, (closed.saturating_add(open) / 1000) as u32);
        }
        let age = self.lastsess_at_ms.map(|at| now_ms.saturating_sub(at) / 1000);
        row.set(Col::Lastsess, age.map_or(-1, |age| i32::try_from(age).unwrap_or(i32::MAX)));
    }

    fn named(self) -> [(&'static str, Option<u64>); 3] {
        [(CHANGED_AT, self.changed_at_ms), (LASTSESS_AT, self.lastsess_at_ms), (DOWN, self.down_ms)]
    }

    fn of(fields: &Fields) -> Self {
        let number = |name| fields.get(name).and_then(serde_json::Value::as_u64);
        Self { changed_at_ms: number(CHANGED_AT), lastsess_at_ms: number(LASTSESS_AT), down_ms: number(DOWN) }
    }
}

/// A server under maintenance counts as down, as it does in HAProxy.
fn is_down(status: &str) -> bool {
    status.starts_with("DOWN") || status.starts_with("MAINT")
}

/// Every column that is not empty under its name, and the ages. The columns the ages stand for are left out.
pub fn fields_of(row: &Row, ages: Ages) -> Fields {
    row.iter()
        .filter(|(col, _)| !AGE_COLUMNS.contains(col))
        .map(|(col, value)| (col.name().to_owned(), value.to_json()))
        .chain(ages.named().into_iter().filter_map(|(name, at)| at.map(|at| (name.to_owned(), at.into()))))
        .collect()
}

/// Takes out what `show stat` does not tell at level user.
pub fn hide_from_users(fields: &mut Fields) {
    for col in Col::OPERATOR_ONLY {
        fields.shift_remove(col.name());
    }
}

#[cfg(test)]
mod tests;
