//! One of `backends`, and the backend's half of one of `listen`.

use super::super::reference::SERVER;
use super::super::report::{Report, Span};
use super::super::shape::Fields;
use super::super::span::Spanned;
use super::super::words::{BACKUPS, MODES};
use super::super::{Algorithm, Backups, Eject, Mode, Panic, Persist};
use super::check::Written as Check;
use super::http::Page;
use super::persistence::WrittenCookie;
use super::server::{Server, ServerDefaults};
use super::stick::{self, Use};
use super::traffic::{Retries, Timeouts, retries};
use super::{balance, http, name, persistence, verdict};

/// A backend as written.
#[derive(Debug)]
pub(in crate::config) struct Backend {
    pub(in crate::config) head: Span,
    pub(in crate::config) name: Option<Spanned<String>>,
    pub(in crate::config) mode: Option<Spanned<Mode>>,
    pub(in crate::config) balance: Option<Spanned<Algorithm>>,
    pub(in crate::config) backups: Option<Spanned<Backups>>,
    pub(in crate::config) check: Option<Check>,
    pub(in crate::config) persistence: Option<WrittenCookie>,
    pub(in crate::config) persist: Option<Spanned<Persist>>,
    pub(in crate::config) pages: Vec<Page>,
    pub(in crate::config) abort_on_close: Option<bool>,
    pub(in crate::config) fullconn: Option<Spanned<u32>>,
    pub(in crate::config) stick: Vec<Use>,
    /// Not of a listen section, whose frontend tracks.
    pub(in crate::config) track: Vec<Use>,
    pub(in crate::config) panic: Option<Panic>,
    pub(in crate::config) eject: Option<Spanned<Eject>>,
    pub(in crate::config) server_defaults: ServerDefaults,
    pub(in crate::config) timeouts: Timeouts,
    pub(in crate::config) retries: Retries,
    /// `None` where some could not be read.
    pub(in crate::config) servers: Option<Vec<Server>>,
}

impl Backend {
    /// Reads what only the backend of a section has.
    pub(super) fn read(fields: &Fields<'_, '_>, report: &mut Report) -> Self {
        Self {
            head: fields.head(),
            name: None,
            mode: None,
            balance: fields.get("balance").and_then(|value| balance::read(value, report)),
            backups: fields.get("backups").and_then(|value| value.choice(&BACKUPS, report)),
            check: fields.get("check").and_then(|value| Check::read(value, report)),
            persistence: persistence::persistence(fields, report),
            persist: persistence::persist(fields, report),
            pages: Vec::new(),
            abort_on_close: http::abort_on_close(fields, report),
            fullconn: fields.get("fullconn").and_then(|value| value.number(1..=u32::MAX, report)),
            panic: verdict::panic(fields, report),
            eject: verdict::eject(fields, report),
            stick: stick::stick(fields, report),
            track: Vec::new(),
            server_defaults: fields
                .get("server_defaults")
                .and_then(|value| ServerDefaults::read(value, report))
                .unwrap_or_default(),
            timeouts: Timeouts::default(),
            retries: retries(fields, report).unwrap_or_default(),
            servers: servers(fields, report),
        }
    }

    /// Name, mode and error pages, which a listen section shares with its frontend.
    pub(super) fn read_identity(&mut self, fields: &Fields<'_, '_>, report: &mut Report) {
        self.name = name(fields, report);
        self.pages = http::pages(fields, report);
        self.track = stick::track(fields, report);
        self.mode = fields.get("mode").and_then(|value| value.choice(&MODES, report));
    }
}

fn servers(fields: &Fields<'_, '_>, report: &mut Report) -> Option<Vec<Server>> {
    let Some(value) = fields.get("servers") else { return Some(Vec::new()) };
    let (mut servers, mut readable) = (Vec::new(), true);
    for entry in value.list(report)? {
        match entry.section(&SERVER, report) {
            Some(fields) => {
                servers.push(Server::read(&fields, report));
                fields.complete(report);
            }
            None => readable = false,
        }
    }
    readable.then_some(servers)
}
