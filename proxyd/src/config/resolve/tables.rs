//! Tables and what uses them.

use std::time::Duration;

use super::super::syntax::stick::Use;
use super::super::syntax::table::Table as Written;
use super::super::table::{Data, Save, Stick, Stored, Table, Track};
use super::super::{Backend, defaults};

/// What stick rules look up is stored wherever they do.
pub(super) fn resolve(written: Vec<Written>, backends: &[Backend]) -> Vec<Table> {
    let rules = || backends.iter().flat_map(|backend| &backend.stick);
    let mut tables: Vec<Table> = written.into_iter().filter_map(table).collect();
    for table in tables.iter_mut().filter(|table| rules().any(|rule| rule.table == table.name)) {
        for data in [Data::ServerId, Data::ServerKey] {
            if !table.store.iter().any(|stored| stored.data == data) {
                table.store.push(Stored { data, period: Duration::ZERO, count: 1 });
            }
        }
        table.store.sort_by_key(|stored| stored.data);
    }
    tables
}

/// `None` for a table without a key, which is an error before it gets here.
fn table(written: Written) -> Option<Table> {
    let mut store: Vec<_> = written.store.into_iter().map(|stored| stored.value).collect();
    store.sort_by_key(|stored| stored.data);
    Some(Table {
        name: written.name?.value,
        key: written.key?.value,
        entries: written.entries?,
        expire: written.expire,
        store,
        no_purge: written.no_purge.unwrap_or(false),
        save: written.save.map(|path| Save {
            path: path.value.into(),
            interval: written.save_interval.map_or(defaults::SAVE_INTERVAL, |interval| interval.value),
        }),
    })
}

pub(super) fn stick(written: Use) -> Option<Stick> {
    Some(Stick { rule: written.rule?, key: written.key?.value, table: written.table?.value })
}

pub(super) fn track(written: Use) -> Option<Track> {
    Some(Track { key: written.key?.value, table: written.table?.value })
}
