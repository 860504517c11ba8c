//! One of `servers`, and `server_defaults`.

use std::sync::Arc;
use std::time::Duration;

use proto::addr::Address;

use super::super::reference::SERVER_DEFAULTS;
use super::super::report::{Report, Span};
use super::super::shape::{Fields, Value};
use super::super::span::Spanned;
use super::super::tls::ServerTls as CheckTls;
use super::super::words::SERVER_HTTPS;
use super::super::{ServerAddress, ServerHttp};
use super::check::Written as Check;
use super::http::WrittenServerHttp2;
use super::socket::Uplink;
use super::tls::ServerTls;
use super::verdict::Verdict;
use super::{address, name, persistence};

/// The most `set maxconn server` takes, so that a limit can be set back at run time.
const MOST: u32 = i32::MAX as u32;

/// A server as written.
#[derive(Debug)]
pub(in crate::config) struct Server {
    pub(in crate::config) name: Option<Spanned<String>>,
    pub(in crate::config) address: Option<ServerAddress>,
    pub(in crate::config) weight: Option<Spanned<u32>>,
    pub(in crate::config) backup: Option<Spanned<bool>>,
    pub(in crate::config) limits: Limits,
    pub(in crate::config) cookie: Option<Spanned<String>>,
    pub(in crate::config) http: Option<Spanned<ServerHttp>>,
    pub(in crate::config) http2: WrittenServerHttp2,
    pub(in crate::config) uplink: Uplink,
    pub(in crate::config) verdict: Verdict,
    /// Its files are read later.
    pub(in crate::config) tls: Option<ServerTls>,
    pub(in crate::config) check: Option<Check>,
    /// Set once the files are read that its check names.
    pub(in crate::config) check_tls: Option<Arc<CheckTls>>,
}

/// How much it takes, as written.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::config) struct Limits {
    pub(in crate::config) maxconn: Option<u32>,
    pub(in crate::config) minconn: Option<u32>,
    pub(in crate::config) max_queue: Option<u32>,
    pub(in crate::config) slow_start: Option<Duration>,
    /// Where the last of `maxconn` and `minconn` stands.
    pub(in crate::config) span: Option<Span>,
}

/// `server_defaults` as written.
#[derive(Debug, Default)]
pub(in crate::config) struct ServerDefaults {
    pub(in crate::config) weight: Option<Spanned<u32>>,
    pub(in crate::config) limits: Limits,
    pub(in crate::config) uplink: Uplink,
    pub(in crate::config) verdict: Verdict,
    pub(in crate::config) tls: Option<ServerTls>,
    pub(in crate::config) http: Option<Spanned<ServerHttp>>,
    pub(in crate::config) http2: WrittenServerHttp2,
}

impl Server {
    pub(super) fn read(fields: &Fields<'_, '_>, report: &mut Report) -> Self {
        let address = fields.get("address").and_then(|value| value.text(report));
        let address = address.and_then(|text| address::server(&text, report));
        Self {
            name: name(fields, report),
            uplink: if is_unix(address.as_ref()) {
                Uplink::read_of_unix(fields, report)
            } else {
                Uplink::read(fields, report)
            },
            address,
            weight: fields.get("weight").and_then(|value| value.number(0..=256, report)),
            backup: fields.get("backup").and_then(|value| value.boolean(report)),
            limits: Limits::read(fields, report),
            verdict: Verdict::read(fields, report),
            cookie: persistence::value(fields, report),
            tls: fields.get("tls").and_then(|value| ServerTls::read(value, report)),
            http: http(fields, report),
            http2: WrittenServerHttp2::read(fields, report),
            check: fields.get("check").and_then(|value| Check::read(value, report)),
            check_tls: None,
        }
    }
}

/// Whether a server is reached through a Unix socket.
pub(in crate::config) fn is_unix(address: Option<&ServerAddress>) -> bool {
    matches!(address, Some(ServerAddress::Literal(Address::Unix(_))))
}

impl ServerDefaults {
    pub(super) fn read(value: Value<'_, '_>, report: &mut Report) -> Option<Self> {
        let fields = value.section(&SERVER_DEFAULTS, report)?;
        Some(Self {
            weight: fields.get("weight").and_then(|value| value.number(0..=256, report)),
            limits: Limits::read(&fields, report),
            verdict: Verdict::read_shared(&fields, report),
            uplink: Uplink::read(&fields, report),
            tls: fields.get("tls").and_then(|value| ServerTls::read(value, report)),
            http: http(&fields, report),
            http2: WrittenServerHttp2::read(&fields, report),
        })
    }
}

fn http(fields: &Fields<'_, '_>, report: &mut Report) -> Option<Spanned<ServerHttp>> {
    fields.get("http")?.choice(&SERVER_HTTPS, report)
}

impl Limits {
    fn read(fields: &Fields<'_, '_>, report: &mut Report) -> Self {
        let mut read = |name| fields.get(name)?.number(0..=MOST, report);
        let (maxconn, minconn, max_queue) = (read("maxconn"), read("minconn"), read("max_queue"));
        let slow_start = fields.get("slow_start").and_then(|value| value.duration(report));
        Self {
            maxconn: maxconn.as_ref().map(|maxconn| maxconn.value),
            minconn: minconn.as_ref().map(|minconn| minconn.value),
            max_queue: max_queue.map(|max_queue| max_queue.value),
            slow_start: slow_start.map(|slow_start| slow_start.value),
            span: minconn.or(maxconn).map(|limit| limit.span),
        }
    }

    /// These, and what they leave out as `defaults` say.
    pub(in crate::config) fn or(self, defaults: Self) -> Self {
        Self {
            maxconn: self.maxconn.or(defaults.maxconn),
            minconn: self.minconn.or(defaults.minconn),
            max_queue: self.max_queue.or(defaults.max_queue),
            slow_start: self.slow_start.or(defaults.slow_start),
            span: self.span.or(defaults.span),
        }
    }
}
