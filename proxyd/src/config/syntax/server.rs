//! One of `servers`.

use super::super::ServerAddress;
use super::super::report::Report;
use super::super::shape::Fields;
use super::super::span::Spanned;
use super::{address, name};

/// A server as written.
#[derive(Debug)]
pub(in crate::config) struct Server {
    pub(in crate::config) name: Option<Spanned<String>>,
    pub(in crate::config) address: Option<ServerAddress>,
    pub(in crate::config) weight: Option<Spanned<u32>>,
    pub(in crate::config) backup: Option<Spanned<bool>>,
}

impl Server {
    pub(super) fn read(fields: &Fields<'_, '_>, report: &mut Report) -> Self {
        let address = fields.get("address").and_then(|value| value.text(report));
        Self {
            name: name(fields, report),
            address: address.and_then(|text| address::server(&text, report)),
            weight: fields.get("weight").and_then(|value| value.number(0..=256, report)),
            backup: fields.get("backup").and_then(|value| value.boolean(report)),
        }
    }
}
