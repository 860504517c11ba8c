//! How full stick tables are, as `/metrics` tells it, with HAProxy's names.

use std::io::Write as _;

use crate::model::snapshot::Snapshot;
use crate::stick::Table;

/// Adds the families, where there is a table.
pub(super) fn exposition(text: &mut Vec<u8>, snapshot: &Snapshot) {
    if snapshot.tables.is_empty() {
        return;
    }
    let mut family = |name: &str, help: &str, value: fn(&Table) -> u64| {
        // Writing to a Vec cannot fail, and names of tables need no escapes.
        let _infallible = write!(text, "\n# HELP {name} {help}\n# TYPE {name} gauge\n");
        for table in &snapshot.tables {
            let kind = table.conf().key.word();
            let _infallible =
                writeln!(text, "{name}{{name=\"{}\",type=\"{kind}\"}} {}", table.name, value(table));
        }
    };
    family("haproxy_sticktable_size", "Stick table size.", |table| table.conf().entries.into());
    family("haproxy_sticktable_used", "Number of entries used in this stick table.", |table| {
        table.used().into()
    });
    family("proxyd_sticktable_max_bytes", "Most memory the stick table takes when it is full", |table| {
        Table::most_bytes(table.conf())
    });
}
