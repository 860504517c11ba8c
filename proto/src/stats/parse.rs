//! A reader of the CSV form, for clients: columns go by the header's names, so that older and newer servers and
//! columns of modules are read alike.

use std::collections::HashMap;
use std::iter;
use std::sync::Arc;

use super::{COLUMNS, Col, Kind, Row, Text, Value, ValueType, row_id};

/// Why a text is not the CSV form of `show stat`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParseError {
    #[error("the header line, which starts with \"# \", is missing")]
    NoHeader,
    #[error("line {line}: a quoted field has no end")]
    OpenQuote { line: usize },
    #[error("line {line}: something follows the closing quote of a field")]
    AfterQuote { line: usize },
}

/// The columns of a header, shared by its rows.
#[derive(Debug)]
pub struct Table {
    names: Vec<Box<str>>,
    by_name: HashMap<Box<str>, usize>,
    known: [Option<u16>; COLUMNS],
}

impl Table {
    /// Reads a header line.
    pub fn from_header(line: &str) -> Result<Self, ParseError> {
        let line = line.strip_prefix("# ").ok_or(ParseError::NoHeader)?;
        let line = line.strip_suffix(',').unwrap_or(line);
        let names: Vec<Box<str>> = line.split(',').map(Box::from).collect();
        let mut by_name = HashMap::with_capacity(names.len());
        let mut known = [None; COLUMNS];
        for (at, name) in names.iter().enumerate() {
            by_name.entry(name.clone()).or_insert(at);
            if let Some(col) = Col::from_name(name) {
                known[col as usize].get_or_insert(at as u16);
            }
        }
        Ok(Self { names, by_name, known })
    }

    /// The names of all columns, unknown ones too.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    /// Position of a column.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}

/// One line. Every column of the header is there; what the line lacks is empty.
#[derive(Clone, Debug)]
pub struct ParsedRow {
    table: Arc<Table>,
    /// The cells without quotes, one behind the other.
    text: Box<str>,
    /// Where each cell ends.
    ends: Box<[u32]>,
}

impl ParsedRow {
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The cell of this column, empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.table.position(name).map_or("", |at| self.cell(at))
    }

    /// The cell of a column that this crate knows.
    pub fn col(&self, col: Col) -> &str {
        self.table.known[col as usize].map_or("", |at| self.cell(usize::from(at)))
    }

    /// The cell as a count; nothing if it is empty, negative or a text.
    pub fn num(&self, name: &str) -> Option<u64> {
        self.get(name).parse().ok()
    }

    pub fn col_num(&self, col: Col) -> Option<u64> {
        self.col(col).parse().ok()
    }

    /// Every column of the header with its cell.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.table.columns().enumerate().map(|(at, name)| (name, self.cell(at)))
    }

    /// What the row describes: column `type`, or the reserved names where that is missing.
    pub fn kind(&self) -> Kind {
        self.col_num(Col::Type).and_then(Kind::from_type).unwrap_or_else(|| match self.col(Col::Svname) {
            "FRONTEND" => Kind::Frontend,
            "BACKEND" => Kind::Backend,
            _ => Kind::Server,
        })
    }

    /// `f/web`, `b/app`, `s/app/app1`, `l/web/plain`.
    pub fn id(&self) -> String {
        row_id(self.kind(), self.col(Col::Pxname), self.col(Col::Svname))
    }

    /// The columns that this crate knows, as values. A cell that is no number where one belongs is left out.
    pub fn to_row(&self) -> Row {
        let id = |col| self.col(col).parse().unwrap_or(0);
        let mut row = Row::new(self.kind(), id(Col::Iid), id(Col::Sid));
        for col in Col::ALL {
            if let Some(value) = value(col, self.col(col)) {
                row.set(col, value);
            }
        }
        row
    }

    fn cell(&self, at: usize) -> &str {
        let end = self.ends.get(at).map(|end| *end as usize);
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize);
        end.and_then(|end| self.text.get(start..end)).unwrap_or("")
    }
}

/// A cell as the value of its column.
fn value(col: Col, cell: &str) -> Option<Value> {
    if cell.is_empty() {
        return None;
    }
    match col.field().value {
        ValueType::U32 => cell.parse().ok().map(Value::U32),
        ValueType::U64 => cell.parse().ok().map(Value::U64),
        ValueType::S32 => cell.parse().ok().map(Value::S32),
        ValueType::F64 => cell.parse().ok().map(Value::F64),
        ValueType::Str => Some(Value::Str(Text::Shared(cell.into()))),
    }
}

/// Reads a whole answer, up to the empty line that ends it or the end of the text.
pub fn parse(text: &str) -> Result<Vec<ParsedRow>, ParseError> {
    let mut lines = text.lines().enumerate();
    let (_, header) = lines.next().ok_or(ParseError::NoHeader)?;
    let table = Arc::new(Table::from_header(header)?);
    lines
        .take_while(|(_, line)| !line.is_empty())
        .map(|(at, line)| parse_line(&table, line, at + 1))
        .collect()
}

/// Reads one data line; `number` is for errors.
fn parse_line(table: &Arc<Table>, line: &str, number: usize) -> Result<ParsedRow, ParseError> {
    let mut text = String::with_capacity(line.len());
    let mut ends = Vec::with_capacity(table.names.len());
    let mut rest = Some(line);
    while let Some(field) = rest.take().filter(|_| ends.len() < table.names.len()) {
        if let Some(quoted) = field.strip_prefix('"') {
            let after = unquote(quoted, &mut text).ok_or(ParseError::OpenQuote { line: number })?;
            rest = match after.strip_prefix(',') {
                Some(next) => Some(next),
                None if after.is_empty() => None,
                None => return Err(ParseError::AfterQuote { line: number }),
            };
        } else if let Some((cell, next)) = field.split_once(',') {
            text.push_str(cell);
            rest = Some(next);
        } else {
            text.push_str(field);
        }
        ends.push(text.len() as u32);
    }
    let missing = table.names.len() - ends.len();
    ends.extend(iter::repeat_n(text.len() as u32, missing));
    Ok(ParsedRow { table: Arc::clone(table), text: text.into(), ends: ends.into() })
}

/// Copies up to the closing quote, `""` as one; gives what follows it.
fn unquote<'a>(mut quoted: &'a str, text: &mut String) -> Option<&'a str> {
    loop {
        let (cell, after) = quoted.split_once('"')?;
        text.push_str(cell);
        match after.strip_prefix('"') {
            Some(more) => {
                text.push('"');
                quoted = more;
            }
            None => return Some(after),
        }
    }
}
