//! What decides on a server's state beside its check: whether there is something to go by.

use super::super::report::{Diagnostic, Report, Span};
use super::super::span::Spanned;
use super::super::syntax::backend::Backend;
use super::super::syntax::check::Written;
use super::super::syntax::server::{Server, is_unix};
use super::super::syntax::verdict::Verdict;
use super::super::syntax::{Document, Partial};
use super::super::{InitState, Layer, Mode, Track, defaults, words};
use super::backends;

pub(super) fn check(document: &Document, report: &mut Report) {
    let shared = document.defaults.first();
    let mode = shared.and_then(|defaults| defaults.mode.as_ref()).map_or(defaults::MODE, |mode| mode.value);
    for backend in backends(document) {
        let mode = backend.mode.as_ref().map_or(mode, |mode| mode.value);
        if let Some(eject) = backend.eject.as_ref().filter(|eject| eject.value.latency.is_some())
            && mode == Mode::Tcp
        {
            report.push(
                Diagnostic::error("no-meaning", "`latency` of `eject` means nothing in mode tcp")
                    .at(eject.span, "write `errors`, which are connections that fail, or `mode: http`")
                    .at(backend.head, "this one has mode tcp"),
            );
        }
        shared_by_none(backend, mode, report);
        for server in backend.servers.iter().flatten() {
            observe(backend, server, mode, report);
            agent(backend, server, report);
            marked_up(server, report);
            init_state(backend, server, report);
            if let Some(track) = &server.verdict.track {
                if let Some(Written::Check(_)) = &server.check {
                    report.push(
                        Diagnostic::error(
                            "track",
                            format!("server `{}` tracks another and has a check of its own", name(server)),
                        )
                        .at(track.span, "which of the two is to decide?")
                        .help("leave out `check`, or `track`"),
                    );
                }
                follow(document, backend, server, track, report);
            }
        }
    }
}

/// What `server_defaults` say that is of no use to any server.
fn shared_by_none(backend: &Backend, mode: Mode, report: &mut Report) {
    let shared = &backend.server_defaults.verdict;
    let servers = || backend.servers.iter().flatten();
    if servers().next().is_none() {
        return;
    }
    if let Some(observe) = &shared.observe {
        layer(backend, observe, mode, report);
    } else if servers().all(|server| server.verdict.observe.is_none()) {
        unobserved(shared, report);
    }
    if let Some(marked_up) = &shared.on_marked_up
        && servers().all(is_backup)
    {
        report.push(no_active(marked_up.span, "all servers here are backups".to_owned()));
    }
    if let Some(init_state) = shared.init_state.as_ref().filter(|state| state.value != InitState::Up)
        && servers().all(|server| !is_checked(backend, server))
    {
        let message = "the servers have an `init_state` and no check".to_owned();
        report.push(never_changed(message, init_state.span));
    }
}

/// Whether it is checked itself.
fn is_checked(backend: &Backend, server: &Server) -> bool {
    let check = server.check.as_ref().or(backend.check.as_ref());
    matches!(check, Some(Written::Check(_))) && server.verdict.track.is_none()
}

/// Why a server has none.
fn absent(backend: &Backend) -> &'static str {
    if backend.check.is_some() { "its `check` is not this server's" } else { "no `check` here" }
}

fn name(server: &Server) -> &str {
    server.name.as_ref().map_or("?", |name| &name.value)
}

/// Behind a Unix socket nothing has a port.
fn agent(backend: &Backend, server: &Server, report: &mut Report) {
    let Some(agent) = server.verdict.agent.as_ref().or(backend.server_defaults.verdict.agent.as_ref()) else {
        return;
    };
    if agent.value.address.is_none() && is_unix(server.address.as_ref()) {
        report.push(
            Diagnostic::error("agent-place", format!("server `{}` is behind a Unix socket", name(server)))
                .at(agent.span, "its agent needs an `address` beside the `port`"),
        );
    }
}

fn is_backup(server: &Server) -> bool {
    server.backup.as_ref().is_some_and(|backup| backup.value)
}

/// It ends what backups carry, once there is a server to go back to.
fn marked_up(server: &Server, report: &mut Report) {
    if let Some(marked_up) = server.verdict.on_marked_up.as_ref().filter(|_| is_backup(server)) {
        report.push(no_active(marked_up.span, format!("server `{}` is one", name(server))));
    }
}

fn no_active(span: Span, why: String) -> Diagnostic {
    Diagnostic::error("no-meaning", "`on_marked_up` means nothing for a backup")
        .at(span, why)
        .help("write it at the servers that backups stand in for, or leave it out")
}

/// Only a check takes back what it says.
fn init_state(backend: &Backend, server: &Server, report: &mut Report) {
    let Some(init_state) = &server.verdict.init_state else { return };
    if !is_checked(backend, server) && init_state.value != InitState::Up {
        let message = format!("server `{}` has an `init_state` and no check", name(server));
        report.push(never_changed(message, init_state.span));
    }
}

fn never_changed(message: String, span: Span) -> Diagnostic {
    Diagnostic::error("no-meaning", message)
        .at(span, "nothing would ever change it")
        .help("write `check: tcp` or `check: http(..)` in the backend, or leave it out")
}

/// What traffic tells is counted as checks are, and only a check takes it back.
fn observe(backend: &Backend, server: &Server, mode: Mode, report: &mut Report) {
    let (own, shared) = (&server.verdict, &backend.server_defaults.verdict);
    let Some(observe) = own.observe.as_ref().or(shared.observe.as_ref()) else {
        return unobserved(own, report);
    };
    if !is_checked(backend, server) {
        report.push(
            Diagnostic::error("observe", format!("server `{}` is observed and has no check", name(server)))
                .at(observe.span, "errors are counted as failed checks")
                .at(backend.head, absent(backend))
                .help("write `check: tcp` or `check: http(..)` in the backend, which brings the server back"),
        );
    }
    if let Some(observe) = &own.observe {
        layer(backend, observe, mode, report);
    }
}

/// How errors count that nobody counts.
fn unobserved(said: &Verdict, report: &mut Report) {
    let limit = said.error_limit.as_ref().map(|limit| ("error_limit", limit.span));
    let on_error = said.on_error.as_ref().map(|on_error| ("on_error", on_error.span));
    for (setting, span) in limit.into_iter().chain(on_error) {
        report.push(
            Diagnostic::error("no-meaning", format!("`{setting}` means nothing without `observe`"))
                .at(span, "leave it out, or write `observe: layer4` or `observe: layer7` beside it"),
        );
    }
}

fn layer(backend: &Backend, observe: &Spanned<Layer>, mode: Mode, report: &mut Report) {
    if observe.value == Layer::Seven && mode == Mode::Tcp {
        report.push(
            Diagnostic::error("no-meaning", "`layer7` means nothing in mode tcp")
                .at(observe.span, "write `observe: layer4`, or `mode: http`")
                .at(backend.head, "this one has mode tcp"),
        );
    }
}

/// What a server tracks is there, is not the server itself by any way, and knows how it does.
fn follow(
    document: &Document,
    backend: &Backend,
    server: &Server,
    track: &Spanned<Track>,
    report: &mut Report,
) {
    let known = document.partial == Partial::Whole
        && backends(document).all(|backend| backend.name.is_some() && backend.servers.is_some());
    let mut way = vec![(backend, server)];
    let mut next = track;
    loop {
        let Some((lead_backend, lead)) = find(document, &next.value) else {
            // That of another server is told where it stands.
            if known && way.len() == 1 {
                report.push(missing(document, track));
            }
            return;
        };
        if let Some(at) = way.iter().position(|(_, passed)| std::ptr::eq(*passed, lead)) {
            if at == 0 {
                let path = |(backend, server): &(&Backend, &Server)| {
                    format!("{}/{}", backend.name.as_ref().map_or("?", |name| &name.value), name(server))
                };
                let circle: Vec<String> = way.iter().chain([&way[0]]).map(path).collect();
                report.push(
                    Diagnostic::error("track-circle", "servers track each other in a circle")
                        .at(track.span, circle.join(" tracks "))
                        .help("one of them has to be checked itself"),
                );
            }
            return;
        }
        way.push((lead_backend, lead));
        if let Some(further) = &lead.verdict.track {
            next = further;
            continue;
        }
        let shared = &lead_backend.server_defaults.verdict;
        let asked = lead.verdict.agent.is_some() || shared.agent.is_some();
        if !is_checked(lead_backend, lead) && !asked {
            report.push(
                Diagnostic::error(
                    "track",
                    format!("`{}` cannot be tracked: it has no check and no agent", next.value),
                )
                .at(track.span, "nothing would ever be told of it")
                .at(lead_backend.head, absent(lead_backend))
                .help("write `check: tcp` or `check: http(..)` in its backend"),
            );
        }
        return;
    }
}

fn find<'d>(document: &'d Document, track: &Track) -> Option<(&'d Backend, &'d Server)> {
    let named =
        |name: &Option<Spanned<String>>, wanted: &str| name.as_ref().is_some_and(|name| name.value == wanted);
    let backend = backends(document).find(|backend| named(&backend.name, &track.backend))?;
    let server = backend.servers.iter().flatten().find(|server| named(&server.name, &track.server))?;
    Some((backend, server))
}

fn missing(document: &Document, track: &Spanned<Track>) -> Diagnostic {
    let paths: Vec<String> = backends(document)
        .flat_map(|backend| backend.servers.iter().flatten().map(move |server| (backend, server)))
        .filter_map(|(backend, server)| Some(format!("{}/{}", backend.name.as_ref()?.value, name(server))))
        .collect();
    let diagnostic = Diagnostic::error("unknown-server", format!("there is no server `{}`", track.value));
    match words::nearest(&track.value.to_string(), paths.iter().map(String::as_str)) {
        Some(near) => diagnostic.at(track.span, format!("did you mean `{near}`?")),
        None => diagnostic.at(track.span, "named here"),
    }
}
