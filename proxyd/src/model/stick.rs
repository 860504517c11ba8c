//! Stick rules of a backend and what proxies track, each bound to its table.

use std::collections::HashMap;
use std::sync::Arc;

use super::server::Server;
use crate::config::sample::Sample;
use crate::config::table::{self as conf, Data, StickRule};
use crate::stick::{Entry, EntryMut, Table};

/// By what clients of a backend stay with their servers.
#[derive(Debug)]
pub struct Rule {
    pub rule: StickRule,
    pub key: Sample,
    pub table: Arc<Table>,
    /// What stands for each server's name in the table.
    names: Box<[u32]>,
    /// The servers that the names stand for.
    servers: HashMap<u64, u32>,
}

/// A key whose connections or requests are counted.
#[derive(Debug)]
pub struct Track {
    pub key: Sample,
    pub table: Arc<Table>,
    /// The table counts bytes.
    pub bytes: bool,
}

impl Rule {
    /// Those of a backend; one whose table there is not was refused before.
    pub(super) fn bind(conf: &[conf::Stick], servers: &[Arc<Server>], tables: &[Arc<Table>]) -> Box<[Self]> {
        let rules = conf.iter().filter_map(|conf::Stick { rule, key, table }| {
            let table = find(tables, table)?;
            let names: Box<[u32]> = servers.iter().map(|server| table.intern(&server.name)).collect();
            let by_name = names.iter().enumerate().map(|(index, name)| (u64::from(*name), index as u32));
            Some(Self { rule: *rule, key: key.clone(), table, servers: by_name.collect(), names })
        });
        rules.collect()
    }

    /// The server that an entry knows, by its name, else by its number.
    pub fn server_of(&self, entry: Entry<'_>) -> Option<u32> {
        let by_name = entry.get(Data::ServerKey, 0).and_then(|name| self.servers.get(&name).copied());
        by_name.or_else(|| {
            let index = u32::try_from(entry.get(Data::ServerId, 0)?).ok()?.checked_sub(1)?;
            ((index as usize) < self.names.len()).then_some(index)
        })
    }

    /// Has an entry know a server.
    pub fn store(&self, entry: &mut EntryMut<'_>, server: u32) {
        entry.set(Data::ServerId, 0, u64::from(server) + 1);
        entry.set(Data::ServerKey, 0, self.names[server as usize].into());
    }
}

impl Track {
    pub(super) fn bind(conf: &[conf::Track], tables: &[Arc<Table>]) -> Box<[Self]> {
        let tracks = conf.iter().filter_map(|conf::Track { key, table }| {
            let table = find(tables, table)?;
            let bytes = BYTES.iter().any(|data| table.layout().holds(*data));
            Some(Self { key: key.clone(), table, bytes })
        });
        tracks.collect()
    }
}

const BYTES: [Data; 4] = [Data::BytesInCnt, Data::BytesInRate, Data::BytesOutCnt, Data::BytesOutRate];

fn find(tables: &[Arc<Table>], name: &str) -> Option<Arc<Table>> {
    tables.iter().find(|table| *table.name == *name).cloned()
}
