//! Reads the certificates, keys and authorities that `tls` names; what is wrong is reported where they are named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::addr::Address;
use rustls::pki_types::ServerName;

use super::report::{Diagnostic, Report, Severity, Span};
use super::resolve::Shared;
use super::source::Source;
use super::span::Spanned;
use super::syntax::Document;
use super::syntax::backend::Backend;
use super::syntax::check::{Check as WrittenCheck, Written as Check};
use super::syntax::frontend::Frontend;
use super::syntax::tls::{
    Alpn, BindTls as WrittenBind, ClientCerts as WrittenClients, ServerTls as WrittenServer,
    Tickets as WrittenTickets,
};
use super::tls::certificate::{Certificate, Problem};
use super::tls::facts::day;
use super::tls::reader::Reader;
use super::tls::{BindTls, Ca, ClientCerts, HTTP_ALPN, ServerTls, Tickets, Trust};
use super::words::Verify;
use super::{Mode, ServerAddress};
use crate::clock;

/// A certificate that ends sooner is worth a word.
const SOON_DAYS: i64 = 7;

/// Reads all of them.
pub(super) fn load(source: &dyn Source, document: &mut Document, report: &mut Report) {
    let mode = Shared::of(document.defaults.first()).mode();
    let mut loader = Loader { reader: Reader::new(source), report };
    for on in document.global.iter().filter_map(|global| global.tls_keylog.as_ref()).filter(|on| on.value) {
        loader.push(
            Diagnostic::warning("tls-keylog", "the keys of all TLS connections are written to a file")
                .at(on.span, "whoever has the file reads everything")
                .help("the environment's SSLKEYLOGFILE names it; take this out once the night is over"),
        );
    }
    let listen = document.listen.iter_mut();
    let (fronts, backs): (Vec<_>, Vec<_>) = listen.map(|(front, back)| (front, back)).unzip();
    for frontend in fronts.into_iter().chain(&mut document.frontends) {
        loader.frontend(frontend, mode);
    }
    for backend in backs.into_iter().chain(&mut document.backends) {
        loader.backend(backend);
    }
}

struct Loader<'a> {
    reader: Reader<'a>,
    report: &'a mut Report,
}

impl Loader<'_> {
    fn frontend(&mut self, frontend: &mut Frontend, shared: Mode) {
        let mode = frontend.mode.as_ref().map_or(shared, |mode| mode.value);
        for bind in &mut frontend.binds {
            if let Some(written) = &bind.value.tls {
                bind.value.conf.tls = self.bind(written, mode).map(Arc::new);
            }
        }
    }

    /// `None` where something is wrong, which is then reported.
    fn bind(&mut self, written: &WrittenBind, mode: Mode) -> Option<BindTls> {
        let mut certificates: Vec<Arc<Certificate>> = Vec::new();
        let mut whole = !written.certificates.is_empty();
        for path in &written.certificates {
            let read = self.reader.folder(Path::new(&path.value));
            let Some(read) = self.reported("certificate", path.span, &path.value, read) else {
                whole = false;
                continue;
            };
            for certificate in read {
                if !certificates.iter().any(|known| known.path == certificate.path) {
                    self.soon(&certificate, path.span);
                    self.shadowed(&certificate, &certificates, path.span);
                    certificates.push(certificate);
                }
            }
        }
        let alpn = self.alpn(written, mode);
        let protocol = written.protocol.finish().map_err(|diagnostic| self.push(diagnostic)).ok();
        let client_certs = match &written.client_certs {
            None => Some(None),
            Some(client) => self.client_certs(client).map(Some),
        };
        let tickets = match &written.tickets {
            WrittenTickets::Own => Some(Tickets::Own),
            WrittenTickets::Off => Some(Tickets::Off),
            WrittenTickets::Keys(path) => {
                let read = self.reader.ticket_keys(Path::new(&path.value));
                self.reported("ticket-keys", path.span, &path.value, read)
                    .map(|keys| Tickets::Keys { path: PathBuf::from(&path.value), keys })
            }
        };
        let (alpn, protocol, client_certs, tickets) = (alpn?, protocol?, client_certs?, tickets?);
        whole.then(|| BindTls {
            paths: written.certificates.iter().map(|path| PathBuf::from(&path.value)).collect(),
            certificates,
            alpn,
            protocol,
            strict_sni: written.strict_sni,
            client_certs,
            tickets,
        })
    }

    fn client_certs(&mut self, written: &WrittenClients) -> Option<ClientCerts> {
        let ca = written.ca.as_ref()?;
        let (path, crl) = (Path::new(&ca.value), written.crl.as_ref());
        let crl_path = crl.map(|crl| Path::new(&crl.value));
        match self.reader.client_authorities(path, crl_path, written.required) {
            Ok(authorities) => Some(ClientCerts {
                required: written.required,
                ca: path.to_owned(),
                crl: crl_path.map(Path::to_owned),
                authorities,
            }),
            Err(problems) => {
                for problem in problems {
                    let of_crl = crl.filter(|crl| problem.path == Path::new(&crl.value));
                    let code = if of_crl.is_some() { "revocations" } else { "authority" };
                    let place = of_crl.unwrap_or(ca);
                    self.problem(code, place.span, &place.value, &problem);
                }
                None
            }
        }
    }

    fn alpn(&mut self, written: &WrittenBind, mode: Mode) -> Option<Vec<String>> {
        let Some(list) = &written.alpn else {
            return Some(match mode {
                Mode::Http => HTTP_ALPN.iter().map(|&protocol| protocol.to_owned()).collect(),
                Mode::Tcp => Vec::new(),
            });
        };
        let mut protocols = Vec::new();
        let mut whole = true;
        for Spanned { value, span } in list {
            match value {
                Alpn::Known(protocol) => protocols.push((*protocol).to_owned()),
                Alpn::Other(protocol) if mode == Mode::Tcp => protocols.push(protocol.clone()),
                Alpn::Other(protocol) => {
                    whole = false;
                    self.push(
                        Diagnostic::error(
                            "bad-alpn",
                            format!("{protocol:?} is nothing that mode http speaks"),
                        )
                        .at(*span, "expected `h2` or `http1`"),
                    );
                }
            }
        }
        whole.then_some(protocols)
    }

    fn backend(&mut self, backend: &mut Backend) {
        let defaults = backend.server_defaults.tls.as_ref();
        let defaulted = defaults.filter(|defaults| !defaults.off);
        for server in backend.servers.iter_mut().flatten() {
            let written = server.tls.as_ref().or(defaulted).filter(|written| !written.off);
            let written = written.map(|written| written.over(defaults));
            let name = server.name.as_ref().map_or("?", |name| &name.value);
            let Some(address) = &server.address else { continue };
            if let Some(written) = &written {
                server.uplink.tls = self.server(written, name, address).map(Arc::new);
            }
            let check = server.check.as_ref().or(backend.check.as_ref());
            if let Some(Check::Check(check)) = check
                && check.has_tls()
            {
                server.check_tls = self.check(check, written.as_ref(), name, address);
            }
        }
    }

    /// What a check is encrypted with: as it says, and as its server where it says nothing.
    fn check(
        &mut self,
        check: &WrittenCheck,
        below: Option<&WrittenServer>,
        server: &str,
        address: &ServerAddress,
    ) -> Option<Arc<ServerTls>> {
        let own = check.target.tls.as_ref().filter(|own| !own.off);
        let Some(written) = own.map(|own| own.over(below)).or_else(|| below.cloned()) else {
            self.push(
                Diagnostic::error(
                    "no-tls",
                    format!("nothing says how server `{server}` is spoken to in TLS"),
                )
                .at(check.span, "a step of this connects with `tls: true`")
                .help("write `tls: (ca: \"..\")` in the check beside its `steps`, or in the server"),
            );
            return None;
        };
        self.server(&written, server, address).map(Arc::new)
    }

    fn server(
        &mut self,
        written: &WrittenServer,
        server: &str,
        address: &ServerAddress,
    ) -> Option<ServerTls> {
        let required = written.verify.as_ref().is_none_or(|verify| verify.value == Verify::Required);
        let verify = if required {
            let ca = written.ca.clone().unwrap_or(Spanned { value: Ca::System, span: written.span });
            let read = self.reader.server_authorities(&ca.value);
            let shown = match &ca.value {
                Ca::System => "system".to_owned(),
                Ca::File(path) => path.display().to_string(),
            };
            let read = self.reported("authority", ca.span, &shown, read);
            read.map(|authorities| Some(Trust { ca: ca.value, authorities }))
        } else {
            let span = written.verify.as_ref().map_or(written.span, |verify| verify.span);
            self.push(
                Diagnostic::warning("verify-none", format!("server `{server}` is not verified"))
                    .at(span, "whoever answers at its address is believed"),
            );
            if let Some(ca) = &written.ca {
                self.push(
                    Diagnostic::error("no-meaning", "`ca` means nothing with `verify: none`")
                        .at(ca.span, "leave one of the two out"),
                );
            }
            Some(None)
        };
        let name = self.server_name(written, server, address, required);
        let client_cert = match &written.client_cert {
            None => Some(None),
            Some(path) => {
                let read = self.reader.certificate(Path::new(&path.value));
                let read = self.reported("certificate", path.span, &path.value, read);
                if let Some(certificate) = &read {
                    self.soon(certificate, path.span);
                }
                read.map(Some)
            }
        };
        let protocol = written.protocol.finish().map_err(|diagnostic| self.push(diagnostic)).ok();
        Some(ServerTls {
            verify: verify?,
            sni: written.sni.as_ref().map(|sni| sni.value.clone()),
            name: name?,
            client_cert: client_cert?,
            protocol: protocol?,
        })
    }

    /// Whom the certificate has to name.
    fn server_name(
        &mut self,
        written: &WrittenServer,
        server: &str,
        address: &ServerAddress,
        required: bool,
    ) -> Option<ServerName<'static>> {
        if let Some(sni) = &written.sni {
            return ServerName::try_from(sni.value.clone()).ok();
        }
        let found = match address {
            ServerAddress::Host { name, .. } => ServerName::try_from(name.clone()).ok(),
            ServerAddress::Literal(address) => match address {
                Address::Ip(address) => Some(ServerName::IpAddress(address.ip().into())),
                Address::Unix(_) => None,
            },
        };
        if found.is_none() && !required {
            // An address is sent to nobody.
            return Some(ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into()));
        }
        if found.is_none() {
            self.push(
                Diagnostic::error("no-name", format!("server `{server}` has no name to verify"))
                    .at(written.span, "its address names no host")
                    .help("write `sni: \"app.example.com\"`, the name in its certificate"),
            );
        }
        found
    }

    /// What was read, or a word on each problem.
    fn reported<T>(
        &mut self,
        code: &'static str,
        span: Span,
        written: &str,
        read: Result<T, Vec<Problem>>,
    ) -> Option<T> {
        match read {
            Ok(read) => Some(read),
            Err(problems) => {
                for problem in problems {
                    self.problem(code, span, written, &problem);
                }
                None
            }
        }
    }

    fn problem(&mut self, code: &'static str, span: Span, written: &str, problem: &Problem) {
        let what = match code {
            "authority" => "hold authorities that can be used",
            "revocations" => "hold revocations that can be used",
            "ticket-keys" => "hold keys of tickets",
            _ => "be used as a certificate",
        };
        let message = if problem.path == Path::new(written) {
            format!("{written:?} cannot {what}")
        } else {
            format!("\"{}\" cannot {what}", problem.path.display())
        };
        self.push(Diagnostic::error(code, message).at(span, problem.reason.clone()));
    }

    fn soon(&mut self, certificate: &Certificate, span: Span) {
        let end = certificate.facts.not_after;
        let left = end - (clock::wall_ms() / 1000) as i64;
        if left < SOON_DAYS * 86400 {
            let message =
                format!("the certificate in \"{}\" expires on {}", certificate.path.display(), day(end));
            self.push(
                Diagnostic::warning("certificate-expires", message).at(span, "in less than seven days"),
            );
        }
    }

    fn shadowed(&mut self, certificate: &Certificate, before: &[Arc<Certificate>], span: Span) {
        for first in before.iter().filter(|first| first.facts.kind == certificate.facts.kind) {
            let both: Vec<&str> = first
                .facts
                .names
                .iter()
                .filter(|name| certificate.facts.names.contains(name))
                .map(String::as_str)
                .collect();
            if !both.is_empty() {
                let (path, first, name) = (certificate.path.display(), first.path.display(), both.join(", "));
                self.push(
                    Diagnostic::warning(
                        "name-twice",
                        format!("\"{first}\" and \"{path}\" are both for {name}"),
                    )
                    .at(span, "the first of the two is used"),
                );
            }
        }
    }

    /// What several servers have from `server_defaults` is said once.
    fn push(&mut self, diagnostic: Diagnostic) {
        let place =
            |diagnostic: &Diagnostic| diagnostic.labels.first().map(|label| (label.span, label.text.clone()));
        let told = self.report.diagnostics().iter().any(|told| {
            told.message == diagnostic.message && place(told) == place(&diagnostic)
                || told.code == diagnostic.code
                    && diagnostic.severity == Severity::Warning
                    && diagnostic.code == "verify-none"
                    && place(told) == place(&diagnostic)
        });
        if !told {
            self.report.push(diagnostic);
        }
    }
}
