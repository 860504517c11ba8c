//! The statistics of `show stat`: the catalogue of its 119 columns, one row of values, and the four texts a row is
//! written as (CSV, typed, JSON here; the `watch` stream has its own module). HAProxy's management guide, 9.1.
//!
//! A producer fills a [`Row`]; writers never look anywhere else, so that all forms say the same. Columns of modules
//! (behind `-`) do not exist here.

pub mod csv;
pub mod field;
pub mod json;
pub mod parse;
mod row;
pub mod typed;
pub(crate) mod value;

pub use field::{COLUMNS, Col, FIELDS, Field};
pub use row::Row;
pub use value::{Nature, Tags, Text, Value, ValueType};

/// What a row describes; the number is the value of column `type`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Kind {
    Frontend = 0,
    Backend = 1,
    Server = 2,
    Listener = 3,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Frontend, Self::Backend, Self::Server, Self::Listener];

    /// First word of a typed line.
    pub const fn letter(self) -> char {
        match self {
            Self::Frontend => 'F',
            Self::Backend => 'B',
            Self::Server => 'S',
            Self::Listener => 'L',
        }
    }

    /// `objType` of the JSON form.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Frontend => "Frontend",
            Self::Backend => "Backend",
            Self::Server => "Server",
            Self::Listener => "Listener",
        }
    }

    /// Bit of the `<type>` filter of `show stat`.
    pub const fn bit(self) -> u8 {
        match self {
            Self::Frontend => 1,
            Self::Backend => 2,
            Self::Server => 4,
            Self::Listener => 8,
        }
    }

    /// The kind whose column `type` has this value.
    pub fn from_type(value: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| u64::from(*kind as u8) == value)
    }
}

/// Name of a row in the `watch` stream and in lbtop: `f/web`, `b/app`, `s/app/app1`, `l/web/plain`.
pub fn row_id(kind: Kind, pxname: &str, svname: &str) -> String {
    match kind {
        Kind::Frontend => format!("f/{pxname}"),
        Kind::Backend => format!("b/{pxname}"),
        Kind::Server => format!("s/{pxname}/{svname}"),
        Kind::Listener => format!("l/{pxname}/{svname}"),
    }
}

#[cfg(test)]
mod tests;
