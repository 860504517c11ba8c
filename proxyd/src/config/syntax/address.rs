//! Addresses: where a listener is bound and where a server is.

use std::net::IpAddr;

use ipnet::IpNet;
use proto::addr::{Address, AddressError};

use super::super::report::{Diagnostic, Report};
use super::super::shape::Value;
use super::super::span::Spanned;
use super::super::{ServerAddress, Trusted, trusted};

/// Longest path the kernel binds a Unix socket to.
pub(in crate::config) const LONGEST_PATH: usize = 107;

/// An address to listen on; port 0 is one that the kernel chooses.
pub(in crate::config) fn listener(text: &Spanned<String>, report: &mut Report) -> Option<Spanned<Address>> {
    let diagnostic = |label: String| {
        Diagnostic::error("bad-address", format!("\"{}\" is not an address to listen on", text.value))
            .at(text.span, label)
    };
    match text.value.parse::<Address>() {
        Ok(address) => {
            check_path(&address, text, report)?;
            Some(Spanned { value: address, span: text.span })
        }
        Err(AddressError::BadIp(host)) if is_host_name(&host) => {
            report.push(
                diagnostic("a listener needs an IP address, not a host name".into())
                    .help("write \"127.0.0.1:8080\" for this machine only, \":8080\" for all its addresses"),
            );
            None
        }
        Err(error) => {
            report.push(diagnostic(refusal(&text.value, &error)));
            None
        }
    }
}

/// An address to connect to.
pub(in crate::config) fn server(text: &Spanned<String>, report: &mut Report) -> Option<ServerAddress> {
    let diagnostic = |label: String| {
        Diagnostic::error("bad-address", format!("\"{}\" is not the address of a server", text.value))
            .at(text.span, label)
    };
    let refused = match text.value.parse::<Address>() {
        Ok(Address::Ip(ip)) if ip.port() == 0 => "port 0 cannot be connected to".to_owned(),
        Ok(Address::Ip(ip)) if ip.ip().is_unspecified() => {
            "a server needs an address of its own, as in \"127.0.0.1:8080\"".to_owned()
        }
        Ok(address) => {
            check_path(&address, text, report)?;
            return Some(ServerAddress::Literal(address));
        }
        Err(AddressError::BadIp(host)) if is_host_name(&host) => {
            let port = text.value.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
            match port {
                Some(port) if port != 0 => return Some(ServerAddress::Host { name: host, port }),
                _ => "port 0 cannot be connected to".to_owned(),
            }
        }
        Err(error) => refusal(&text.value, &error),
    };
    let diagnostic = diagnostic(refused);
    let url = text.value.contains("://");
    report.push(if url {
        diagnostic.help("write host and port only, as in \"127.0.0.1:8080\"")
    } else {
        diagnostic
    });
    None
}

/// An address that has no port beside it; `what` it is not if it cannot be read.
pub(super) fn ip(value: Value<'_, '_>, what: &str, report: &mut Report) -> Option<Spanned<IpAddr>> {
    let Spanned { value: text, span } = value.text(report)?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&text);
    let Ok(address) = bare.parse() else {
        report.push(
            Diagnostic::error("bad-address", format!("\"{text}\" is not {what}"))
                .at(span, "expected an IP address such as \"10.0.0.1\"; a port is set with `port`"),
        );
        return None;
    };
    Some(Spanned { value: address, span })
}

/// A list of networks; one that cannot be read is reported and left out.
pub(in crate::config) fn networks(value: Value<'_, '_>, report: &mut Report) -> Option<Trusted> {
    let entries = value.list(report)?;
    let networks = entries.into_iter().filter_map(|entry| network(entry, report));
    Some(networks.collect())
}

/// The same of values beside each other; `None` if one of them cannot be read.
pub(super) fn networks_of<'n, 'a: 'n>(
    entries: impl Iterator<Item = Value<'n, 'a>>,
    report: &mut Report,
) -> Option<Trusted> {
    let networks: Vec<Option<IpNet>> = entries.map(|entry| network(entry, report)).collect();
    networks.into_iter().collect()
}

fn network(entry: Value<'_, '_>, report: &mut Report) -> Option<IpNet> {
    let text = entry.text(report)?;
    match trusted::parse(&text.value) {
        Ok(network) => Some(network),
        Err(error) => {
            report.push(
                Diagnostic::error("bad-network", format!("\"{}\" is not a network", text.value))
                    .at(text.span, error.to_string()),
            );
            None
        }
    }
}

fn refusal(text: &str, error: &AddressError) -> String {
    if text.contains("://") { "this is a URL".to_owned() } else { error.to_string() }
}

fn check_path(address: &Address, text: &Spanned<String>, report: &mut Report) -> Option<()> {
    let Address::Unix(path) = address else { return Some(()) };
    let length = path.as_os_str().len();
    if length <= LONGEST_PATH && !path.as_os_str().as_encoded_bytes().contains(&0) {
        return Some(());
    }
    report.push(too_long(text, length));
    None
}

/// For a path that the kernel would refuse.
pub(in crate::config) fn too_long(text: &Spanned<String>, length: usize) -> Diagnostic {
    Diagnostic::error("bad-path", "this cannot be the path of a Unix socket").at(
        text.span,
        if length > LONGEST_PATH {
            format!("{length} bytes; at most {LONGEST_PATH} are possible")
        } else {
            "it has a zero byte".to_owned()
        },
    )
}

/// Letters, digits, `-`, `_` and dots; one whose last part is a number would be a mistyped IPv4 address.
pub(in crate::config) fn is_host_name(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && !part.starts_with('-')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    let last = text.rsplit('.').next().unwrap_or("");
    text.len() <= 253 && text.split('.').all(part) && !last.bytes().all(|byte| byte.is_ascii_digit())
}
