//! A file as it was written: every setting optional, every value with its place. Only shapes are checked here.

pub(super) mod address;
pub(super) mod backend;
mod balance;
pub(super) mod check;
mod client_cert;
mod condition;
pub(super) mod defaults;
pub(super) mod frontend;
pub(super) mod global;
pub(super) mod http;
pub(super) mod log;
pub(super) mod persistence;
pub(super) mod route;
mod sample;
pub(super) mod server;
pub(super) mod socket;
pub(super) mod stick;
pub(super) mod table;
pub(super) mod tls;
pub(super) mod traffic;
pub(super) mod verdict;

use super::reference::{BACKEND, CLIENT_TIMEOUTS, FILE, FRONTEND, LISTEN, SERVER_TIMEOUTS, TIMEOUTS};
use super::report::Report;
use super::shape::{Fields, Value};
use super::span::{Node, Spanned};
use backend::Backend;
use defaults::Defaults;
use frontend::Frontend;
use global::Global;
use table::Table;

/// What all files say together.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) global: Vec<Global>,
    pub(super) defaults: Vec<Defaults>,
    /// The frontends of listen sections stand first.
    pub(super) frontends: Vec<Frontend>,
    pub(super) backends: Vec<Backend>,
    pub(super) listen: Vec<(Frontend, Backend)>,
    pub(super) tables: Vec<Table>,
    /// A part could not be read, so what seems to be missing may stand there.
    pub(super) partial: Partial,
}

/// Whether all names are known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Partial {
    #[default]
    Whole,
    Unreadable,
}

impl Document {
    /// Adds what one file says.
    pub(super) fn add(&mut self, node: &Node<'_>, report: &mut Report) {
        let Some(fields) = Fields::open(node, &FILE, report) else {
            self.partial = Partial::Unreadable;
            return;
        };
        if let Some(value) = fields.get("global")
            && let Some(global) = Global::read(value, report)
        {
            self.global.push(global);
        }
        if let Some(value) = fields.get("defaults")
            && let Some(defaults) = Defaults::read(value, report)
        {
            self.defaults.push(defaults);
        }
        for entry in self.entries(fields.get("tables"), report) {
            match Table::read(entry, report) {
                Some(table) => self.tables.push(table),
                None => self.partial = Partial::Unreadable,
            }
        }
        for entry in self.entries(fields.get("listen"), report) {
            match Fields::open(entry.node, &LISTEN, report) {
                Some(fields) => {
                    let mut frontend = Frontend::read(&fields, report);
                    let mut backend = Backend::read(&fields, report);
                    let timeouts = traffic::timeouts(&fields, &TIMEOUTS, report).unwrap_or_default();
                    (frontend.timeouts, backend.timeouts) = (timeouts, timeouts);
                    backend.name.clone_from(&frontend.name);
                    backend.mode.clone_from(&frontend.mode);
                    fields.complete(report);
                    self.listen.push((frontend, backend));
                }
                None => self.partial = Partial::Unreadable,
            }
        }
        for entry in self.entries(fields.get("frontends"), report) {
            if let Some(fields) = Fields::open(entry.node, &FRONTEND, report) {
                let mut frontend = Frontend::read(&fields, report);
                frontend.read_default_backend(&fields, report);
                frontend.timeouts = traffic::timeouts(&fields, &CLIENT_TIMEOUTS, report).unwrap_or_default();
                route::complete(&fields, report);
                self.frontends.push(frontend);
            }
        }
        for entry in self.entries(fields.get("backends"), report) {
            match Fields::open(entry.node, &BACKEND, report) {
                Some(fields) => {
                    let mut backend = Backend::read(&fields, report);
                    backend.read_identity(&fields, report);
                    backend.timeouts =
                        traffic::timeouts(&fields, &SERVER_TIMEOUTS, report).unwrap_or_default();
                    fields.complete(report);
                    self.backends.push(backend);
                }
                None => self.partial = Partial::Unreadable,
            }
        }
    }

    fn entries<'n, 'a>(&mut self, value: Option<Value<'n, 'a>>, report: &mut Report) -> Vec<Value<'n, 'a>> {
        let Some(value) = value else { return Vec::new() };
        value.list(report).unwrap_or_else(|| {
            self.partial = Partial::Unreadable;
            Vec::new()
        })
    }
}

/// The `name` of a section.
fn name(fields: &Fields<'_, '_>, report: &mut Report) -> Option<Spanned<String>> {
    fields.get("name")?.text(report)
}
