//! `tls` of a bind and of a server, as written.

use rustls::pki_types::ServerName;
use rustls::{CipherSuite, NamedGroup};

use super::super::reference::{BIND_TLS, CLIENT_CERTS, SERVER_TLS, TICKETS};
use super::super::report::{Diagnostic, Report, Span};
use super::super::shape::{Fields, Value};
use super::super::span::{Kind, Spanned};
use super::super::tls::{Ca, Protocol, Version};
use super::super::words::{
    ALPNS, CLIENT_VERIFY, Choices, GROUPS, SERVER_VERIFY, SUITES, TICKET_KEYS, TLS_VERSIONS, Verify,
};

/// Of a bind.
#[derive(Debug)]
pub(in crate::config) struct BindTls {
    pub(in crate::config) certificates: Vec<Spanned<String>>,
    pub(in crate::config) alpn: Option<Vec<Spanned<Alpn>>>,
    pub(in crate::config) protocol: Written,
    pub(in crate::config) strict_sni: bool,
    pub(in crate::config) client_certs: Option<ClientCerts>,
    pub(in crate::config) tickets: Tickets,
}

/// `tickets`.
#[derive(Debug, Default)]
pub(in crate::config) enum Tickets {
    #[default]
    Own,
    Off,
    Keys(Spanned<String>),
}

/// A protocol for ALPN.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::config) enum Alpn {
    Known(&'static str),
    /// What only mode tcp takes.
    Other(String),
}

impl Alpn {
    /// As it is said on the wire.
    pub(super) fn name(self) -> String {
        match self {
            Self::Known(name) => name.to_owned(),
            Self::Other(name) => name,
        }
    }
}

/// `client_certs`.
#[derive(Debug)]
pub(in crate::config) struct ClientCerts {
    pub(in crate::config) required: bool,
    pub(in crate::config) ca: Option<Spanned<String>>,
    pub(in crate::config) crl: Option<Spanned<String>>,
}

/// How connections are encrypted.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct Written {
    min: Option<Spanned<Version>>,
    max: Option<Spanned<Version>>,
    suites: Option<Spanned<Vec<Spanned<CipherSuite>>>>,
    groups: Option<Spanned<Vec<Spanned<NamedGroup>>>>,
}

/// Of a server.
#[derive(Clone, Debug)]
pub(in crate::config) struct ServerTls {
    /// What was written.
    pub(in crate::config) span: Span,
    /// `tls: false`
    pub(in crate::config) off: bool,
    pub(in crate::config) ca: Option<Spanned<Ca>>,
    pub(in crate::config) sni: Option<Spanned<String>>,
    pub(in crate::config) verify: Option<Spanned<Verify>>,
    pub(in crate::config) client_cert: Option<Spanned<String>>,
    pub(in crate::config) protocol: Written,
}

impl BindTls {
    pub(super) fn read(value: Value<'_, '_>, report: &mut Report) -> Option<Self> {
        let fields = value.section(&BIND_TLS, report)?;
        fields.complete(report);
        let certificates = fields.get("certificates").and_then(|value| value.list(report));
        if certificates.as_ref().is_some_and(Vec::is_empty) {
            report.push(
                Diagnostic::error("no-certificate", "`certificates` is empty")
                    .at(fields.head(), "expected at least one file or folder"),
            );
        }
        let certificates = certificates.unwrap_or_default();
        let strict_sni = fields.get("strict_sni").and_then(|value| value.boolean(report));
        Some(Self {
            certificates: certificates.into_iter().filter_map(|value| value.text(report)).collect(),
            alpn: fields.get("alpn").and_then(|value| alpn(value, report)),
            protocol: Written::read(&fields, report),
            strict_sni: strict_sni.is_some_and(|strict| strict.value),
            client_certs: fields.get("client_certs").and_then(|value| ClientCerts::read(value, report)),
            tickets: fields.get("tickets").and_then(|value| Tickets::read(value, report)).unwrap_or_default(),
        })
    }
}

impl Tickets {
    fn read(value: Value<'_, '_>, report: &mut Report) -> Option<Self> {
        if !matches!(value.node.kind, Kind::Struct(_)) {
            let own = value.choice(&TICKET_KEYS, report)?.value;
            return Some(if own { Self::Own } else { Self::Off });
        }
        let fields = value.section(&TICKETS, report)?;
        fields.complete(report);
        Some(Self::Keys(fields.get("keys")?.text(report)?))
    }
}

impl ClientCerts {
    fn read(value: Value<'_, '_>, report: &mut Report) -> Option<Self> {
        let fields = value.section(&CLIENT_CERTS, report)?;
        fields.complete(report);
        let verify = fields.get("verify").and_then(|value| value.choice(&CLIENT_VERIFY, report));
        Some(Self {
            required: verify.is_none_or(|verify| verify.value == Verify::Required),
            ca: fields.get("ca").and_then(|value| value.text(report)),
            crl: fields.get("crl").and_then(|value| value.text(report)),
        })
    }
}

pub(super) fn alpn(value: Value<'_, '_>, report: &mut Report) -> Option<Vec<Spanned<Alpn>>> {
    let mut protocols: Vec<Spanned<Alpn>> = Vec::new();
    for entry in value.list(report)? {
        let span = entry.node.span;
        let protocol = match &entry.node.kind {
            Kind::Text(text) if ALPNS.find(text).is_none() => {
                if text.is_empty() || text.len() > 255 {
                    report.push(
                        Diagnostic::error("bad-alpn", "this cannot be the name of a protocol")
                            .at(span, "expected 1 to 255 bytes"),
                    );
                    continue;
                }
                match text.as_str() {
                    "h2" => Alpn::Known("h2"),
                    "http/1.1" => Alpn::Known("http/1.1"),
                    _ => Alpn::Other(text.clone()),
                }
            }
            _ => match entry.choice(&ALPNS, report) {
                Some(word) => Alpn::Known(word.value.wire()),
                None => continue,
            },
        };
        if let Some(first) = protocols.iter().find(|first| first.value == protocol) {
            report.push(twice("alpn", span, first.span));
        } else {
            protocols.push(Spanned { value: protocol, span });
        }
    }
    Some(protocols)
}

fn twice(name: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("set-twice", format!("`{name}` names it twice"))
        .at(span, "the second time")
        .at(first, "the first time")
}

impl ServerTls {
    pub(super) fn read(value: Value<'_, '_>, report: &mut Report) -> Option<Self> {
        let span = value.node.span;
        let short = |off| Self {
            span,
            off,
            ca: None,
            sni: None,
            verify: None,
            client_cert: None,
            protocol: Written::default(),
        };
        match value.node.kind {
            Kind::Word("true") => return Some(short(false)),
            Kind::Word("false") => return Some(short(true)),
            _ => {}
        }
        let fields = value.section(&SERVER_TLS, report)?;
        fields.complete(report);
        let sni = fields.get("sni").and_then(|value| value.text(report));
        Some(Self {
            ca: fields.get("ca").and_then(|value| ca(value, report)),
            sni: sni.filter(|sni| is_name(sni, report)),
            verify: fields.get("verify").and_then(|value| value.choice(&SERVER_VERIFY, report)),
            client_cert: fields.get("client_cert").and_then(|value| value.text(report)),
            protocol: Written::read(&fields, report),
            ..short(false)
        })
    }

    /// These settings, and what they leave out as `defaults` say.
    pub(in crate::config) fn over(&self, defaults: Option<&Self>) -> Self {
        let Some(defaults) = defaults.filter(|defaults| !defaults.off) else { return self.clone() };
        let own = self.clone();
        Self {
            span: own.span,
            off: own.off,
            ca: own.ca.or_else(|| defaults.ca.clone()),
            sni: own.sni.or_else(|| defaults.sni.clone()),
            verify: own.verify.or_else(|| defaults.verify.clone()),
            client_cert: own.client_cert.or_else(|| defaults.client_cert.clone()),
            protocol: own.protocol.over(&defaults.protocol),
        }
    }
}

fn ca(value: Value<'_, '_>, report: &mut Report) -> Option<Spanned<Ca>> {
    let span = value.node.span;
    if matches!(value.node.kind, Kind::Word("system")) {
        return Some(Spanned { value: Ca::System, span });
    }
    let text = value.text(report)?;
    Some(Spanned { value: Ca::File(text.value.into()), span })
}

fn is_name(sni: &Spanned<String>, report: &mut Report) -> bool {
    let good = ServerName::try_from(sni.value.as_str()).is_ok();
    if !good {
        report.push(
            Diagnostic::error("bad-name", format!("{:?} is no name of a host", sni.value))
                .at(sni.span, "expected a name such as \"api.example.com\""),
        );
    }
    good
}

impl Written {
    fn read(fields: &Fields<'_, '_>, report: &mut Report) -> Self {
        Self {
            min: fields.get("min_version").and_then(|value| value.choice(&TLS_VERSIONS, report)),
            max: fields.get("max_version").and_then(|value| value.choice(&TLS_VERSIONS, report)),
            suites: fields.get("suites").and_then(|value| words(value, &SUITES, report)),
            groups: fields.get("groups").and_then(|value| words(value, &GROUPS, report)),
        }
    }

    fn over(self, defaults: &Self) -> Self {
        Self {
            min: self.min.or_else(|| defaults.min.clone()),
            max: self.max.or_else(|| defaults.max.clone()),
            suites: self.suites.or_else(|| defaults.suites.clone()),
            groups: self.groups.or_else(|| defaults.groups.clone()),
        }
    }

    /// What holds; says what cannot be.
    pub(in crate::config) fn finish(&self) -> Result<Protocol, Diagnostic> {
        let preset = Protocol::default();
        let min = self.min.as_ref().map_or(preset.min, |min| min.value);
        let max = self.max.as_ref().map_or(preset.max, |max| max.value);
        if let (true, Some(written)) = (min > max, self.min.as_ref()) {
            let diagnostic = Diagnostic::error("tls-versions", "`min_version` is above `max_version`")
                .at(written.span, "the lowest");
            return Err(match &self.max {
                Some(max) => diagnostic.at(max.span, "the highest"),
                None => diagnostic,
            });
        }
        let versions: Vec<Version> =
            [Version::Tls12, Version::Tls13].into_iter().filter(|v| (min..=max).contains(v)).collect();
        if let Some(suites) = &self.suites {
            covers(suites, &versions, ("suite", "suites"), |suite, version| is_suite_of(*suite, version))?;
        }
        if let Some(groups) = &self.groups {
            covers(groups, &versions, ("group", "groups"), |group, version| {
                version == Version::Tls13 || !is_post_quantum(*group)
            })?;
        }
        let plain = |list: &Option<Spanned<Vec<Spanned<CipherSuite>>>>| {
            list.iter().flat_map(|list| &list.value).map(|suite| suite.value).collect()
        };
        let groups = self.groups.iter().flat_map(|list| &list.value).map(|group| group.value).collect();
        Ok(Protocol { min, max, suites: plain(&self.suites), groups })
    }
}

/// Each word is of a version that is spoken, and each such version has one.
fn covers<T>(
    list: &Spanned<Vec<Spanned<T>>>,
    versions: &[Version],
    (one, all): (&str, &str),
    is_of: impl Fn(&T, Version) -> bool,
) -> Result<(), Diagnostic> {
    for word in &list.value {
        if !versions.iter().any(|version| is_of(&word.value, *version)) {
            let message = format!("this {one} is of a version of TLS that is not spoken");
            return Err(Diagnostic::error("tls-versions", message)
                .at(word.span, "it is never used")
                .help("leave it out, or look at `min_version` and `max_version`"));
        }
    }
    for version in versions {
        if !list.value.iter().any(|word| is_of(&word.value, *version)) {
            let (name, word) = match version {
                Version::Tls12 => ("TLS 1.2", "min_version: tls13"),
                Version::Tls13 => ("TLS 1.3", "max_version: tls12"),
            };
            return Err(Diagnostic::error("tls-versions", format!("`{all}` has no {one} for {name}"))
                .at(list.span, format!("{name} could never be spoken"))
                .help(format!("add one, or write `{word}`")));
        }
    }
    Ok(())
}

/// TLS 1.3 numbers its suites from 0x1301.
fn is_suite_of(suite: CipherSuite, version: Version) -> bool {
    (u16::from(suite) >> 8 == 0x13) == (version == Version::Tls13)
}

fn is_post_quantum(group: NamedGroup) -> bool {
    matches!(group, NamedGroup::X25519MLKEM768 | NamedGroup::secp256r1MLKEM768)
}

/// A list of words, none of them twice.
fn words<T: Clone + PartialEq>(
    value: Value<'_, '_>,
    choices: &'static Choices<T>,
    report: &mut Report,
) -> Option<Spanned<Vec<Spanned<T>>>> {
    let mut list: Vec<Spanned<T>> = Vec::new();
    let mut whole = true;
    for entry in value.list(report)? {
        let Some(word) = entry.choice(choices, report) else {
            whole = false;
            continue;
        };
        if let Some(first) = list.iter().find(|first| first.value == word.value) {
            report.push(twice(value.name, word.span, first.span));
        } else {
            list.push(word);
        }
    }
    if list.is_empty() && whole {
        report.push(
            Diagnostic::error("empty-list", format!("`{}` is empty", value.name))
                .at(value.node.span, "leave it out, and all are taken"),
        );
    }
    (whole && !list.is_empty()).then_some(Spanned { value: list, span: value.node.span })
}
