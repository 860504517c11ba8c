//! One row of `show stat`, as values.

use std::fmt;

use super::{COLUMNS, Col, Kind, Value, row_id};

/// The values of one frontend, backend, server or listener. A column never set is empty, which is not 0.
#[derive(Clone, PartialEq)]
pub struct Row {
    pub kind: Kind,
    /// Number of the proxy.
    pub iid: u32,
    /// Number of the server or listener in it, 0 for the proxy itself.
    pub sid: u32,
    cells: Box<[Option<Value>]>,
}

impl Row {
    /// A row with the columns that name it filled: `pid` (always 1), `iid`, `sid` and `type`.
    pub fn new(kind: Kind, iid: u32, sid: u32) -> Self {
        let mut row = Self { kind, iid, sid, cells: vec![None; COLUMNS].into_boxed_slice() };
        row.set(Col::Pid, 1_u32);
        row.set(Col::Iid, iid);
        row.set(Col::Sid, sid);
        row.set(Col::Type, u32::from(kind as u8));
        row
    }

    /// Sets a column. A whole number takes the column's type, so that typed forms agree with the catalogue.
    pub fn set(&mut self, col: Col, value: impl Into<Value>) {
        self.cells[col as usize] = Some(value.into().fit(col.field().value));
    }

    /// Empties a column.
    pub fn clear(&mut self, col: Col) {
        self.cells[col as usize] = None;
    }

    pub fn get(&self, col: Col) -> Option<&Value> {
        self.cells[col as usize].as_ref()
    }

    /// The column as a count, 0 when it is empty.
    pub fn u64(&self, col: Col) -> u64 {
        self.get(col).map_or(0, Value::as_u64)
    }

    /// The column as a text, empty when it is empty or a number.
    pub fn text(&self, col: Col) -> &str {
        self.get(col).and_then(Value::as_text).unwrap_or("")
    }

    /// Name of the row in the `watch` stream: `f/web`, `b/app`, `s/app/app1`, `l/web/plain`.
    pub fn id(&self) -> String {
        row_id(self.kind, self.text(Col::Pxname), self.text(Col::Svname))
    }

    /// The columns that are not empty, by position.
    pub fn iter(&self) -> impl Iterator<Item = (Col, &Value)> {
        Col::ALL
            .into_iter()
            .zip(&self.cells)
            .filter_map(|(col, cell)| cell.as_ref().map(|value| (col, value)))
    }

    /// Every cell by position.
    pub(super) fn cells(&self) -> &[Option<Value>] {
        &self.cells
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(col, value)| (col.name(), value))).finish()
    }
}
