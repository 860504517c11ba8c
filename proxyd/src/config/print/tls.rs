//! TLS as it is written.

use std::fmt::Write as _;

use super::super::tls::{BindTls, Ca, Protocol, ServerTls, Tickets, Version};
use super::super::words::{ALPNS, Choices, GROUPS, SUITES};
use super::quoted;

pub(super) fn bind(tls: &BindTls) -> String {
    let paths: Vec<String> = tls.paths.iter().map(|path| quoted(&path.to_string_lossy())).collect();
    let alpn: Vec<String> = tls.alpn.iter().map(|protocol| alpn(protocol)).collect();
    let mut text = format!("(certificates: [{}], alpn: [{}]", paths.join(", "), alpn.join(", "));
    protocol(&mut text, &tls.protocol);
    if tls.strict_sni {
        text.push_str(", strict_sni: true");
    }
    if let Some(client) = &tls.client_certs {
        let verify = if client.required { "required" } else { "optional" };
        let _ =
            write!(text, ", client_certs: (ca: {}, verify: {verify}", quoted(&client.ca.to_string_lossy()));
        if let Some(crl) = &client.crl {
            let _ = write!(text, ", crl: {}", quoted(&crl.to_string_lossy()));
        }
        text.push(')');
    }
    match &tls.tickets {
        Tickets::Own => {}
        Tickets::Off => text.push_str(", tickets: off"),
        Tickets::Keys { path, .. } => {
            let _ = write!(text, ", tickets: (keys: {})", quoted(&path.to_string_lossy()));
        }
    }
    text.push(')');
    text
}

fn alpn(protocol: &str) -> String {
    let known = ALPNS.known.iter().find(|(_, known)| known.wire() == protocol);
    known.map_or_else(|| quoted(protocol), |(word, _)| (*word).to_owned())
}

pub(super) fn server(tls: &ServerTls) -> String {
    let mut text = String::from("(");
    match &tls.verify {
        None => text.push_str("verify: none"),
        Some(trust) => {
            text.push_str("ca: ");
            match &trust.ca {
                Ca::System => text.push_str("system"),
                Ca::File(path) => text.push_str(&quoted(&path.to_string_lossy())),
            }
        }
    }
    if let Some(sni) = &tls.sni {
        let _ = write!(text, ", sni: {}", quoted(sni));
    }
    if let Some(certificate) = &tls.client_cert {
        let _ = write!(text, ", client_cert: {}", quoted(&certificate.path.to_string_lossy()));
    }
    protocol(&mut text, &tls.protocol);
    text.push(')');
    text
}

fn protocol(text: &mut String, protocol: &Protocol) {
    let _ = write!(text, ", min_version: {}, max_version: {}", version(protocol.min), version(protocol.max));
    words(text, "suites", &SUITES, &protocol.suites);
    words(text, "groups", &GROUPS, &protocol.groups);
}

const fn version(version: Version) -> &'static str {
    match version {
        Version::Tls12 => "tls12",
        Version::Tls13 => "tls13",
    }
}

fn words<T: Clone + PartialEq>(text: &mut String, name: &str, choices: &Choices<T>, values: &[T]) {
    if values.is_empty() {
        return;
    }
    let known = |value: &T| choices.known.iter().find(|(_, known)| known == value).map(|(word, _)| *word);
    let words: Vec<&str> = values.iter().filter_map(known).collect();
    let _ = write!(text, ", {name}: [{}]", words.join(", "));
}
