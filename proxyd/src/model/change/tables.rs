//! What operators change in tables, for those who watch.

use super::{Cause, Shared, from_to};
use crate::stick::Table;

impl Shared {
    /// An entry of a table was made or changed; `before` is how many entries it had.
    pub fn table_set(&self, table: &Table, before: u32, cause: Cause<'_>) {
        self.tell_table(("table_set", "set table"), table, before, cause);
    }

    /// Entries of a table were taken out.
    pub fn table_cleared(&self, table: &Table, before: u32, cause: Cause<'_>) {
        self.tell_table(("table_cleared", "clear table"), table, before, cause);
    }

    fn tell_table(&self, (event, doing): (&'static str, &str), table: &Table, before: u32, cause: Cause<'_>) {
        let name = &table.name;
        let mut fields = from_to(&before.to_string(), &table.used().to_string());
        cause.describe(&mut fields);
        // Keys are shown to nobody below an operator.
        fields.insert("public".into(), format!("{doing} {name}").into());
        self.journal_add(event, format!("t/{name}"), fields);
    }
}
