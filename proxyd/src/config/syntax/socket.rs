//! Entries of `bind`, and how servers are connected to.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use proto::addr::Address;

use super::super::ServerHttp2;
use super::super::reference::{BIND_ENTRY, KEEPALIVE, SEND_PROXY};
use super::super::report::{Diagnostic, Report};
use super::super::shape::{Fields, Value};
use super::super::socket::{
    Bind as Conf, BindOptions, Keepalive, SendProxy, SendTlvs, ServerHttp, SourceAddress, TcpOptions,
    Uplink as Resolved,
};
use super::super::span::{Kind, Spanned};
use super::super::tls::ServerTls;
use super::super::words::{PROXY_TLVS, PROXY_VERSIONS, ProxyTlv, ProxyVersion};
use super::address;
use super::global::file_mode;
use super::tls::BindTls;

/// Longest name of a network interface.
const LONGEST_INTERFACE: usize = 15;

/// A place to listen on.
#[derive(Debug)]
pub(in crate::config) struct Bind {
    pub(in crate::config) conf: Conf,
    /// Its files are read later.
    pub(in crate::config) tls: Option<BindTls>,
}

/// A list of places to listen on.
pub(super) fn binds(value: Value<'_, '_>, report: &mut Report) -> Vec<Spanned<Bind>> {
    let entries = value.list(report).unwrap_or_default();
    if entries.is_empty() && matches!(value.node.kind, Kind::List(_)) {
        report.push(
            Diagnostic::error("no-bind", "`bind` is empty")
                .at(value.node.span, "expected at least one address"),
        );
    }
    entries.into_iter().filter_map(|entry| bind(entry, report)).collect()
}

fn bind(entry: Value<'_, '_>, report: &mut Report) -> Option<Spanned<Bind>> {
    if !matches!(entry.node.kind, Kind::Struct(_)) {
        let text = entry.text(report)?;
        let Spanned { value, span } = address::listener(&text, report)?;
        return Some(Spanned { value: Bind { conf: Conf::plain(value), tls: None }, span });
    }
    let fields = entry.section(&BIND_ENTRY, report)?;
    fields.complete(report);
    let options = BindOptions {
        backlog: fields.get("backlog").and_then(|value| number(value, i32::MAX as u32, report)),
        defer_accept: is_on(&fields, "defer_accept", report),
        fast_open: is_on(&fields, "fast_open", report),
        interface: interface(&fields, report),
        transparent: is_on(&fields, "transparent", report),
        v6only: is_on(&fields, "v6only", report),
        mode: fields.get("mode").and_then(|value| file_mode(value, report)),
        tcp: tcp(&fields, report),
    };
    let tls = fields.get("tls").and_then(|value| BindTls::read(value, report));
    let accept_proxy = is_on(&fields, "accept_proxy", report);
    let maxconn = fields.get("maxconn").and_then(|value| number(value, u32::MAX, report));
    let text = fields.get("address").and_then(|value| value.text(report))?;
    let Spanned { value: address, span } = address::listener(&text, report)?;
    let (of_others, kind): (&[&'static str], _) = match &address {
        Address::Unix(_) => (&BIND_OF_TCP, "a Unix socket"),
        Address::Ip(ip) if ip.is_ipv4() => (&["mode", "v6only"], "an IPv4 address"),
        Address::Ip(_) => (&["mode"], "an IPv6 address"),
    };
    means_nothing(&fields, of_others, kind, report);
    let conf = Conf { address, accept_proxy, maxconn, options, tls: None };
    Some(Spanned { value: Bind { conf, tls }, span })
}

const BIND_OF_TCP: [&str; 7] =
    ["defer_accept", "fast_open", "interface", "keepalive", "transparent", "user_timeout", "v6only"];
const UPLINK_OF_TCP: [&str; 5] = ["fast_open", "interface", "keepalive", "source", "user_timeout"];

/// Settings that an address of this kind cannot have.
fn means_nothing(fields: &Fields<'_, '_>, names: &[&'static str], kind: &str, report: &mut Report) {
    for value in names.iter().filter_map(|name| fields.get(name)) {
        report.push(
            Diagnostic::error("no-meaning", format!("`{}` means nothing for {kind}", value.name))
                .at(value.node.span, "leave it out"),
        );
    }
}

/// How servers are connected to, as written.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct Uplink {
    send_proxy: Option<Sends>,
    source: Option<SourceAddress>,
    interface: Option<String>,
    fast_open: Option<bool>,
    tcp: TcpOptions,
    /// Set once the files it names are read.
    pub(in crate::config) tls: Option<Arc<ServerTls>>,
}

/// `send_proxy` as written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sends {
    Nothing,
    Header(SendProxy),
}

impl Sends {
    pub(super) const fn header(self) -> Option<SendProxy> {
        match self {
            Self::Nothing => None,
            Self::Header(how) => Some(how),
        }
    }
}

impl Uplink {
    /// Of servers in general, or of one that is not reached through a Unix socket.
    pub(super) fn read(fields: &Fields<'_, '_>, report: &mut Report) -> Self {
        Self {
            send_proxy: fields.get("send_proxy").and_then(|value| send_proxy(value, report)),
            source: fields.get("source").and_then(|value| source(value, report)),
            interface: interface(fields, report),
            fast_open: fields.get("fast_open").and_then(|value| Some(value.boolean(report)?.value)),
            tcp: tcp(fields, report),
            tls: None,
        }
    }

    pub(super) fn read_of_unix(fields: &Fields<'_, '_>, report: &mut Report) -> Self {
        means_nothing(fields, &UPLINK_OF_TCP, "a Unix socket", report);
        Self::read(fields, report)
    }

    /// With what it leaves out as `defaults` say; to a Unix socket, as far as that has it.
    pub(in crate::config) fn resolved(self, defaults: &Self, over_unix: bool) -> Resolved {
        let send_proxy = match self.send_proxy.or(defaults.send_proxy) {
            Some(Sends::Header(how)) => Some(how),
            Some(Sends::Nothing) | None => None,
        };
        if over_unix {
            return Resolved { send_proxy, tls: self.tls, ..Resolved::default() };
        }
        Resolved {
            http: ServerHttp::default(),
            http2: ServerHttp2::default(),
            send_proxy,
            source: self.source.or(defaults.source),
            interface: self.interface.or_else(|| defaults.interface.clone()),
            fast_open: self.fast_open.or(defaults.fast_open).unwrap_or(false),
            tcp: TcpOptions {
                keepalive: self.tcp.keepalive.or(defaults.tcp.keepalive),
                user_timeout: self.tcp.user_timeout.or(defaults.tcp.user_timeout),
            },
            tls: self.tls,
        }
    }
}

fn is_on(fields: &Fields<'_, '_>, name: &'static str, report: &mut Report) -> bool {
    fields.get(name).and_then(|value| value.boolean(report)).is_some_and(|on| on.value)
}

fn number(value: Value<'_, '_>, most: u32, report: &mut Report) -> Option<u32> {
    Some(value.number(1..=most, report)?.value)
}

fn interface(fields: &Fields<'_, '_>, report: &mut Report) -> Option<String> {
    let text = fields.get("interface")?.text(report)?;
    let name = &text.value;
    let possible = !name.is_empty()
        && name.len() <= LONGEST_INTERFACE
        && !name.bytes().any(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | 0));
    if !possible {
        report.push(
            Diagnostic::error("bad-interface", format!("{name:?} is not the name of a network interface"))
                .at(text.span, "expected a name such as \"eth0\""),
        );
        return None;
    }
    Some(text.value)
}

fn tcp(fields: &Fields<'_, '_>, report: &mut Report) -> TcpOptions {
    TcpOptions {
        keepalive: fields.get("keepalive").and_then(|value| keepalive(value, report)),
        user_timeout: fields.get("user_timeout").and_then(|value| Some(value.duration(report)?.value)),
    }
}

fn keepalive(value: Value<'_, '_>, report: &mut Report) -> Option<Keepalive> {
    let fields = value.section(&KEEPALIVE, report)?;
    Some(Keepalive {
        idle: fields.get("idle").and_then(|value| seconds(value, report)),
        interval: fields.get("interval").and_then(|value| seconds(value, report)),
        count: fields.get("count").and_then(|value| Some(value.number(1..=127, report)?.value)),
    })
}

/// What the kernel takes for keepalives.
fn seconds(value: Value<'_, '_>, report: &mut Report) -> Option<Duration> {
    let duration = value.duration(report)?;
    if duration.value.subsec_nanos() != 0 || duration.value.as_secs() > 32767 {
        report.push(
            Diagnostic::error("bad-duration", format!("`{}` takes whole seconds", value.name))
                .at(duration.span, "expected \"1s\" to \"32767s\""),
        );
        return None;
    }
    Some(duration.value)
}

pub(super) fn send_proxy(value: Value<'_, '_>, report: &mut Report) -> Option<Sends> {
    if matches!(value.node.kind, Kind::Word("off")) {
        return Some(Sends::Nothing);
    }
    let (version, tlvs) = if matches!(value.node.kind, Kind::Struct(_)) {
        let fields = value.section(&SEND_PROXY, report)?;
        fields.complete(report);
        let version = fields.get("version").and_then(|value| value.choice(&PROXY_VERSIONS, report))?;
        (version.value, fields.get("tlvs"))
    } else {
        (value.choice(&PROXY_VERSIONS, report)?.value, None)
    };
    match (version, tlvs) {
        (ProxyVersion::V1, Some(tlvs)) => {
            report.push(
                Diagnostic::error("no-meaning", "version 1 of the PROXY protocol has no TLVs")
                    .at(tlvs.node.span, "leave it out, or write `version: v2`"),
            );
            None
        }
        (ProxyVersion::V1, None) => Some(Sends::Header(SendProxy::V1)),
        (ProxyVersion::V2, tlvs) => {
            let tlvs = tlvs.map(|tlvs| chosen(tlvs, report)).unwrap_or_default();
            Some(Sends::Header(SendProxy::V2(tlvs)))
        }
    }
}

fn chosen(value: Value<'_, '_>, report: &mut Report) -> SendTlvs {
    let mut tlvs = SendTlvs::default();
    for word in value.list(report).unwrap_or_default() {
        match word.choice(&PROXY_TLVS, report).map(|word| word.value) {
            Some(ProxyTlv::Alpn) => tlvs.alpn = true,
            Some(ProxyTlv::Authority) => tlvs.authority = true,
            Some(ProxyTlv::UniqueId) => tlvs.unique_id = true,
            Some(ProxyTlv::Crc32c) => tlvs.crc32c = true,
            None => {}
        }
    }
    tlvs
}

fn source(value: Value<'_, '_>, report: &mut Report) -> Option<SourceAddress> {
    if matches!(value.node.kind, Kind::Word("client")) {
        return Some(SourceAddress::Client);
    }
    if let Kind::Word(word) = value.node.kind {
        report.push(
            Diagnostic::error("unknown-word", format!("`{word}` is not a source address"))
                .at(value.node.span, "expected `client` or a string"),
        );
        return None;
    }
    let text = value.text(report)?;
    let parsed = source_text(&text.value);
    if parsed.is_none() {
        report.push(
            Diagnostic::error("bad-address", format!("\"{}\" is not a source address", text.value))
                .at(text.span, "expected an IP address, and ports if not any will do")
                .help(
                    "write \"10.0.0.1\", \"10.0.0.1:20000-30000\", or `client` for the client's own address",
                ),
        );
    }
    parsed
}

/// `10.0.0.1`, `::1`, `10.0.0.1:20000-30000`, `[::1]:20000`.
fn source_text(text: &str) -> Option<SourceAddress> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return (!ip.is_unspecified()).then_some(SourceAddress::Ip(ip));
    }
    let (host, ports) = text.rsplit_once(':')?;
    let ip = match host.strip_prefix('[') {
        Some(six) => IpAddr::V6(six.strip_suffix(']')?.parse().ok()?),
        None => IpAddr::V4(host.parse().ok()?),
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let port =
        |digits: &str| digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let (first, last): (u16, u16) = (port(first)?, port(last)?);
    (first > 0 && first <= last).then_some(SourceAddress::Ports { ip, first, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_addresses() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let ports = |text, first, last| Some(SourceAddress::Ports { ip: ip(text), first, last });
        for (text, expected) in [
            ("10.0.0.1", Some(SourceAddress::Ip(ip("10.0.0.1")))),
            ("::1", Some(SourceAddress::Ip(ip("::1")))),
            ("10.0.0.1:20000-30000", ports("10.0.0.1", 20000, 30000)),
            ("[::1]:7", ports("::1", 7, 7)),
            ("10.0.0.1:0", None),
            ("10.0.0.1:30000-20000", None),
            ("10.0.0.1:1-70000", None),
            ("10.0.0.1:+1", None),
            ("0.0.0.0", None),
            ("::1:1:2:3:4:5:6:7:8", None),
            ("host:1", None),
            ("", None),
        ] {
            assert_eq!(source_text(text), expected, "{text}");
        }
    }
}
