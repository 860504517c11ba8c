//! A line of text from its template: HAProxy's variables (configuration manual 8.2.6).

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use proto::addr::Address;

use super::date::{self, Calendar, Second, WallClock};
use super::{Entry, Numbers, escape};
use crate::config::log_format::{Flags, Step, Variable};
use crate::model::shared::Shared;
use crate::net::tls::Agreed;
use crate::session::handshake::Secured;
use crate::session::record::Ms;
use crate::tls::shown::Shown;

/// What a line is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) entry: &'a Entry<'a>,
    pub(super) shared: &'a Shared,
    pub(super) numbers: Numbers,
    pub(super) clock: &'a WallClock,
    pub(super) host: &'a str,
    pub(super) process: u32,
}

/// In place of a request line that was not understood.
const BAD_REQUEST: &[u8] = b"<BADREQ>";
const NO_SERVER: &str = "<NOSRV>";

/// Appends the line, without its end.
pub(super) fn write(out: &mut Vec<u8>, steps: &[Step], context: &Context<'_>, dates: &mut Calendar) {
    // Behind a blank nothing is written for another one.
    let mut behind_text = out.len();
    for step in steps {
        if let Some((variable, flags)) = &step.variable {
            Slot { out, flags }.fill(*variable, context, dates);
        }
        if step.may_blank {
            if out.len() > behind_text {
                out.push(b' ');
            }
            behind_text = out.len();
        }
        match step.text.as_bytes() {
            [] => continue,
            [one] => out.push(*one),
            text => out.extend_from_slice(text),
        }
        behind_text = out.len();
    }
}

impl<'a> Context<'a> {
    /// The server, as it is named where there is none.
    pub(super) fn server(&self) -> &'a str {
        self.entry.server.map_or(NO_SERVER, |server| &server.server.name)
    }

    /// The backend; the frontend's name stands in for it before one is chosen.
    pub(super) fn backend(&self) -> &'a str {
        match self.entry.backend {
            Some(backend) => &backend.backend.name,
            None => &self.entry.frontend.frontend.name,
        }
    }

    /// Requests of the backend now, without this one.
    pub(super) fn backend_connections(&self) -> u64 {
        self.entry.backend.map_or(0, |backend| backend.backend.live.stats.current().saturating_sub(1))
    }

    pub(super) fn server_connections(&self) -> u32 {
        self.entry.server.map_or(0, |server| server.server.served.load(Relaxed))
    }

    pub(super) fn accepted_ms(&self) -> u64 {
        let moments = &self.entry.record.moments;
        self.clock.wall_ms(moments.idle_since.checked_sub(moments.handshake).unwrap_or(moments.idle_since))
    }

    pub(super) fn request_ms(&self) -> u64 {
        let moments = &self.entry.record.moments;
        self.clock.wall_ms(moments.first_byte.unwrap_or(moments.idle_since))
    }

    fn server_address(&self) -> Option<SocketAddr> {
        self.entry.server?.server.with_address(|address| match address {
            Address::Ip(address) => Some(*address),
            Address::Unix(_) => None,
        })
    }
}

/// Method, target and version of a request line.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) version: &'a [u8],
}

impl<'a> RequestLine<'a> {
    pub(super) fn split(line: &'a [u8]) -> Self {
        let mut words = line.splitn(3, |&b| b == b' ');
        let mut next = || words.next().unwrap_or_default();
        Self { method: next(), target: next(), version: next() }
    }

    fn path(&self) -> &'a [u8] {
        &self.target[..self.target.len() - self.query().len()]
    }

    /// Without scheme and host.
    fn path_only(&self) -> &'a [u8] {
        let path = self.path();
        let Some(at) = path.windows(3).position(|w| w == b"://") else { return path };
        let rest = &path[at + 3..];
        rest.iter().position(|&b| b == b'/').map_or(&[], |at| &rest[at..])
    }

    fn query(&self) -> &'a [u8] {
        let at = self.target.iter().position(|&b| b == b'?');
        at.map_or(&[], |at| &self.target[at..])
    }
}

/// A variable's place in the line.
struct Slot<'a> {
    out: &'a mut Vec<u8>,
    flags: &'a Flags,
}

impl Slot<'_> {
    #[expect(
        clippy::inline_always,
        reason = "most variables of a line, which are many, take less than the call"
    )]
    #[inline(always)]
    fn fill(&mut self, variable: Variable, context: &Context<'_>, dates: &mut Calendar) {
        let Context { entry, shared, numbers, .. } = context;
        let record = entry.record;
        let frontend = &entry.frontend.frontend;
        match variable {
            Variable::BytesOut => self.number(record.bytes_out),
            Variable::BytesIn => self.number(record.bytes_in),
            Variable::RequestCookie | Variable::ResponseCookie | Variable::UniqueId => self.text(""),
            Variable::Host => self.text(context.host),
            Variable::Method => self.of_request(entry, |line| line.method),
            Variable::Target => self.of_request(entry, |line| line.target),
            Variable::Path => self.of_request(entry, RequestLine::path),
            Variable::PathOnly => self.of_request(entry, RequestLine::path_only),
            Variable::Query => self.of_request(entry, RequestLine::query),
            Variable::Version => self.of_request(entry, |line| line.version),
            Variable::Request => self.sent(entry.request_line.unwrap_or(BAD_REQUEST)),
            Variable::Status => match record.status {
                Some(status) => self.number(status.into()),
                None if frontend.mode == crate::config::Mode::Tcp => self.number(0),
                None => self.out.extend_from_slice(b"-1"),
            },
            Variable::ProcessConnections => self.number(shared.process.connections.load(Relaxed).into()),
            Variable::FrontendConnections => self.number(frontend.live.connections.load(Relaxed).into()),
            Variable::BackendConnections => self.number(context.backend_connections()),
            Variable::ServerConnections => self.number(context.server_connections().into()),
            Variable::Retries => {
                if record.way.redispatched {
                    self.out.push(b'+');
                }
                self.number(record.way.retries.into());
            }
            Variable::ServerQueue => self.number(record.way.server_queue.into()),
            Variable::BackendQueue => self.number(record.way.backend_queue.into()),
            Variable::Frontend => self.text(&frontend.name),
            Variable::FrontendTransport => {
                let name = &frontend.name;
                self.quoted(|out, _| {
                    out.extend_from_slice(name.as_bytes());
                    if entry.addresses.tls.is_some() {
                        out.push(b'~');
                    }
                });
            }
            Variable::Backend => self.text(context.backend()),
            Variable::Server => self.text(context.server()),
            Variable::RequestHeaders
            | Variable::RequestHeadersClf
            | Variable::ResponseHeaders
            | Variable::ResponseHeadersClf
            | Variable::Nothing => {}
            Variable::LogCount => self.number(numbers.line),
            Variable::RequestCount => self.hexable(numbers.request, 4),
            Variable::Pid => self.hexable(context.process.into(), 4),
            Variable::Reason => self.text(record.reason.unwrap_or("")),
            Variable::Termination => self.out.extend_from_slice(&record.termination.letters()),
            Variable::TerminationCookie => self.out.extend_from_slice(&record.letters()),
            time_or_end => self.time(time_or_end, context, dates),
        }
    }

    /// Dates and timers.
    fn time(&mut self, variable: Variable, context: &Context<'_>, dates: &mut Calendar) {
        let record = context.entry.record;
        let moments = &record.moments;
        match variable {
            Variable::Date => dates.with_milliseconds(self.out, context.accepted_ms()),
            Variable::RequestDate => dates.with_milliseconds(self.out, context.request_ms()),
            Variable::DateGmt => date::with_offset(self.out, Second::utc(context.accepted_ms() / 1000)),
            Variable::DateLocal => date::with_offset(self.out, Second::local(context.accepted_ms() / 1000)),
            Variable::RequestDateGmt => date::with_offset(self.out, Second::utc(context.request_ms() / 1000)),
            Variable::RequestDateLocal => {
                date::with_offset(self.out, Second::local(context.request_ms() / 1000));
            }
            Variable::Timestamp => self.hexable(context.accepted_ms() / 1000, 4),
            Variable::Milliseconds => {
                let ms = context.accepted_ms() % 1000;
                if self.flags.hex {
                    self.hexable(ms, 2);
                } else {
                    self.out.extend_from_slice(&[ms / 100, ms / 10 % 10, ms % 10].map(|d| b'0' + d as u8));
                }
            }
            Variable::RequestTime => self.timer(moments.request()),
            Variable::HandshakeTime => self.number(moments.handshake.as_millis() as u64),
            Variable::IdleTime => self.timer(moments.idle()),
            Variable::WholeRequestTime => self.timer(moments.whole_request()),
            Variable::QueueTime => self.timer(record.queue()),
            Variable::ConnectTime => self.timer(record.connect()),
            Variable::ResponseTime => self.timer(moments.response()),
            Variable::DataTime => self.timer(record.data()),
            Variable::ActiveTime => self.number(moments.active()),
            Variable::TotalTime => self.number(moments.total()),
            Variable::UserTime => self.number(moments.total() - moments.idle().unwrap_or(0)),
            end => self.end(end, context),
        }
    }

    /// Addresses and ports.
    fn end(&mut self, variable: Variable, context: &Context<'_>) {
        let entry = context.entry;
        match variable {
            Variable::ClientIp => match entry.addresses.client {
                Some(client) => self.ip(Some(client)),
                None => self.text("unix"),
            },
            Variable::ClientPort => match entry.addresses.client {
                Some(client) => self.port(Some(client)),
                None => self.number(0),
            },
            Variable::LocalIp => self.ip((entry.local)()),
            Variable::LocalPort => self.port((entry.local)()),
            Variable::SourceIp => self.ip(entry.source),
            Variable::SourcePort => self.port(entry.source),
            Variable::ServerIp => self.ip(context.server_address()),
            Variable::ServerPort => self.port(context.server_address()),
            fact => self.tls(fact, entry.addresses.tls.as_deref()),
        }
    }

    /// Facts of the client's TLS.
    #[inline(never)]
    fn tls(&mut self, variable: Variable, tls: Option<&Secured>) {
        let agreed = tls.map(|tls| &tls.agreed);
        match variable {
            Variable::Cipher => self.text(agreed.map_or("", Agreed::cipher)),
            Variable::TlsVersion => self.text(agreed.map_or("", Agreed::version)),
            Variable::ServerName => match agreed.and_then(|agreed| agreed.name.as_deref()) {
                Some(name) => self.sent(name.as_bytes()),
                None => self.text(""),
            },
            Variable::Alpn => match agreed.and_then(|agreed| agreed.alpn.as_deref()) {
                Some(alpn) => self.sent(alpn),
                None => self.text(""),
            },
            Variable::Resumed => self.number(agreed.is_some_and(|agreed| agreed.resumed).into()),
            Variable::ConnectionError => self.number(0),
            // Whoever has a session has made no mistake on its way there.
            Variable::CertificateError | Variable::CaError | Variable::ClientVerify if tls.is_some() => {
                self.number(0);
            }
            Variable::HandshakeError if tls.is_some() => self.text("0000000000000000"),
            Variable::CertificateError | Variable::CaError | Variable::HandshakeError => self.text(""),
            Variable::ClientUsed if tls.is_some() => {
                self.number(agreed.is_some_and(|agreed| !agreed.certificates.is_empty()).into());
            }
            of_certificate => match tls.and_then(Secured::shown) {
                Some((shown, der)) => self.certificate(of_certificate, shown, der),
                None => self.text(""),
            },
        }
    }

    /// What the client's certificate says.
    fn certificate(&mut self, variable: Variable, shown: &Shown, der: &[u8]) {
        match variable {
            Variable::ClientSubject => self.sent_or_none(&shown.subject.one_line()),
            Variable::ClientSubjectCn => self.sent_or_none(shown.subject.common()),
            Variable::ClientIssuer => self.sent_or_none(&shown.issuer.one_line()),
            Variable::ClientIssuerCn => self.sent_or_none(shown.issuer.common()),
            Variable::ClientSerial => self.text(&shown.serial),
            Variable::ClientSha1 => self.text(&shown.sha1),
            Variable::ClientNotBefore => self.text(&shown.not_before()),
            Variable::ClientNotAfter => self.text(&shown.not_after()),
            Variable::ClientDer => self.text(&BASE64_STANDARD.encode(der)),
            // All others are dealt with before.
            _ => {}
        }
    }

    fn number(&mut self, number: u64) {
        // Most numbers of a line are small.
        if number < 10 {
            self.out.push(b'0' + number as u8);
        } else {
            self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
    }

    fn timer(&mut self, ms: Ms) {
        match ms {
            Some(ms) => self.number(ms),
            None => self.out.extend_from_slice(b"-1"),
        }
    }

    /// In hexadecimal, of so many digits at least, where that is asked for.
    fn hexable(&mut self, number: u64, digits: u32) {
        if !self.flags.hex {
            self.number(number);
            return;
        }
        let needed = (64 - number.leading_zeros()).div_ceil(4).max(digits);
        for digit in (0..needed).rev() {
            self.out.push(b"0123456789ABCDEF"[(number >> (digit * 4) & 15) as usize]);
        }
    }

    /// Text of our own; `-` for none, unless the quotes show it.
    fn text(&mut self, text: &str) {
        if text.is_empty() && !self.flags.quote {
            self.out.push(b'-');
        } else {
            self.quoted(|out, escaped| {
                if !escaped {
                    return out.extend_from_slice(text.as_bytes());
                }
                for byte in text.bytes() {
                    if matches!(byte, b'"' | b'\\' | b']') {
                        out.push(b'\\');
                    }
                    out.push(byte);
                }
            });
        }
    }

    /// What a client sent.
    fn sent(&mut self, bytes: &[u8]) {
        self.quoted(|out, escaped| escape::text(out, bytes, escaped));
    }

    fn sent_or_none(&mut self, bytes: &[u8]) {
        if bytes.is_empty() { self.text("") } else { self.sent(bytes) }
    }

    fn of_request<'e>(&mut self, entry: &Entry<'e>, part: impl Fn(&RequestLine<'e>) -> &'e [u8]) {
        match entry.request_line {
            Some(line) => self.sent(part(&RequestLine::split(line))),
            None => self.sent(BAD_REQUEST),
        }
    }

    fn quoted(&mut self, write: impl FnOnce(&mut Vec<u8>, bool)) {
        let Flags { quote, escape, .. } = *self.flags;
        if quote {
            self.out.push(b'"');
        }
        write(self.out, escape);
        if quote {
            self.out.push(b'"');
        }
    }

    fn ip(&mut self, address: Option<SocketAddr>) {
        let Some(address) = address else { return self.text("") };
        let ip = address.ip().to_canonical();
        let hex = self.flags.hex;
        self.quoted(|out, _| write_ip(out, ip, hex));
    }

    fn port(&mut self, address: Option<SocketAddr>) {
        match address {
            Some(address) => self.hexable(address.port().into(), 4),
            None => self.text(""),
        }
    }
}

/// Without the formatting machinery for the common kind.
pub(super) fn write_ip(out: &mut Vec<u8>, ip: IpAddr, hex: bool) {
    match ip {
        IpAddr::V4(ip) if hex => ip.octets().into_iter().for_each(|octet| escape::hex(out, octet)),
        IpAddr::V6(ip) if hex => ip.octets().into_iter().for_each(|octet| escape::hex(out, octet)),
        IpAddr::V4(ip) => {
            for (i, octet) in ip.octets().into_iter().enumerate() {
                if i > 0 {
                    out.push(b'.');
                }
                if octet >= 100 {
                    out.push(b'0' + octet / 100);
                }
                if octet >= 10 {
                    out.push(b'0' + octet / 10 % 10);
                }
                out.push(b'0' + octet % 10);
            }
        }
        IpAddr::V6(ip) => {
            // Writing to memory cannot fail.
            let _infallible = std::io::Write::write_fmt(out, format_args!("{ip}"));
        }
    }
}
