//! Binds and connections to servers, as they are written.

use std::fmt::Write as _;

use super::super::ServerHttp2;
use super::super::socket::{
    Bind, Keepalive, SendProxy, ServerHttp, SourceAddress, Splice, TcpOptions, Uplink,
};
use super::{chosen, duration, file_mode, quoted};

pub(in crate::config) const fn splice(splice: Splice) -> &'static str {
    match splice {
        Splice::Auto => "auto",
        Splice::Off => "off",
    }
}

pub(in crate::config) const fn server_http(http: ServerHttp) -> &'static str {
    match http {
        ServerHttp::Http1 => "http1",
        ServerHttp::H2 => "h2",
        ServerHttp::Auto => "auto",
    }
}

pub(super) fn bind(bind: &Bind) -> String {
    let address = quoted(&bind.address.to_string());
    let options = &bind.options;
    let mut text = String::new();
    flag(&mut text, "accept_proxy", bind.accept_proxy);
    if let Some(maxconn) = bind.maxconn {
        let _ = write!(text, ", maxconn: {maxconn}");
    }
    if let Some(backlog) = options.backlog {
        let _ = write!(text, ", backlog: {backlog}");
    }
    flag(&mut text, "defer_accept", options.defer_accept);
    flag(&mut text, "fast_open", options.fast_open);
    interface(&mut text, options.interface.as_deref());
    flag(&mut text, "transparent", options.transparent);
    flag(&mut text, "v6only", options.v6only);
    if let Some(mode) = options.mode {
        let _ = write!(text, ", mode: {}", file_mode(mode));
    }
    tcp(&mut text, options.tcp);
    if let Some(tls) = &bind.tls {
        let _ = write!(text, ", tls: {}", super::tls::bind(tls));
    }
    if text.is_empty() { address } else { format!("(address: {address}{text})") }
}

pub(super) fn send_proxy(how: SendProxy) -> String {
    let SendProxy::V2(tlvs) = how else { return "v1".to_owned() };
    let tlvs = chosen(&[
        ("alpn", tlvs.alpn),
        ("authority", tlvs.authority),
        ("unique_id", tlvs.unique_id),
        ("crc32c", tlvs.crc32c),
    ]);
    format!("(version: v2, tlvs: [{tlvs}])")
}

/// What follows the other settings of a server.
pub(super) fn uplink(text: &mut String, uplink: &Uplink) {
    if uplink.http != ServerHttp::default() {
        let _ = write!(text, ", http: {}", server_http(uplink.http));
    }
    if let Some(how) = uplink.send_proxy {
        let _ = write!(text, ", send_proxy: {}", send_proxy(how));
    }
    if uplink.http2 != ServerHttp2::DEFAULT {
        let _ = write!(text, ", http2: ({})", super::http::server_http2(&uplink.http2));
    }
    if let Some(source) = uplink.source {
        let source = match source {
            SourceAddress::Ip(ip) => quoted(&ip.to_string()),
            SourceAddress::Ports { ip, first, last } if ip.is_ipv6() => {
                quoted(&format!("[{ip}]:{first}-{last}"))
            }
            SourceAddress::Ports { ip, first, last } => quoted(&format!("{ip}:{first}-{last}")),
            SourceAddress::Client => "client".to_owned(),
        };
        let _ = write!(text, ", source: {source}");
    }
    interface(text, uplink.interface.as_deref());
    flag(text, "fast_open", uplink.fast_open);
    tcp(text, uplink.tcp);
    if let Some(tls) = &uplink.tls {
        let _ = write!(text, ", tls: {}", super::tls::server(tls));
    }
}

fn flag(text: &mut String, name: &str, on: bool) {
    if on {
        let _ = write!(text, ", {name}: true");
    }
}

fn interface(text: &mut String, name: Option<&str>) {
    if let Some(name) = name {
        let _ = write!(text, ", interface: {}", quoted(name));
    }
}

fn tcp(text: &mut String, options: TcpOptions) {
    if let Some(Keepalive { idle, interval, count }) = options.keepalive {
        let mut parts = Vec::new();
        parts.extend(idle.map(|idle| format!("idle: {}", duration(idle))));
        parts.extend(interval.map(|interval| format!("interval: {}", duration(interval))));
        parts.extend(count.map(|count| format!("count: {count}")));
        let _ = write!(text, ", keepalive: ({})", parts.join(", "));
    }
    if let Some(limit) = options.user_timeout {
        let _ = write!(text, ", user_timeout: {}", duration(limit));
    }
}
