//! The commands that only tell.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use proto::command::{Command, Format, InfoForm, Refusal, Severity, StatRequest, help};
use proto::level::Level;
use proto::stats::{csv, json, typed};
use proto::{info, servers_state};

use super::change::find_server;
use super::output::Output;
use super::reply::Reply;
use super::{certificates, history};
use crate::model::shared::Shared;
use crate::telemetry::info::{VERSION, values};
use crate::telemetry::rows::{Selection, Since, rows};
use crate::telemetry::servers_state as states;

pub(super) fn no_proxy() -> Refusal {
    Refusal::error("No such proxy.")
}

/// Answers a command that fits into memory; gives it back if it is none of these.
pub(super) fn short(shared: &Shared, command: Command) -> Result<Reply, Command> {
    Ok(match command {
        Command::Help(words) => Reply::Message(Severity::Info, help::help(&words).into()),
        Command::Echo(text) => Reply::Message(Severity::Info, text.into()),
        Command::ShowVersion => Reply::Message(Severity::Info, VERSION.into()),
        Command::ShowInfo(form) => Reply::Text(show_info(shared, form)),
        Command::ShowSchema => Reply::Text(format!("{}\n", info::schema_json().trim_end())),
        Command::ShowBackend => {
            let snapshot = shared.snapshot();
            let names = snapshot.backends.iter().map(|backend| format!("{}\n", backend.name));
            Reply::Text(std::iter::once("# name\n".to_owned()).chain(names).collect())
        }
        Command::ShowSslCert(file) => certificates::show(shared, file.as_deref()),
        Command::ShowListeners => {
            let mut text = "# proxy name address\n".to_owned();
            for listener in shared.listeners() {
                // Writing to a String cannot fail.
                let _infallible = writeln!(text, "{} {} {}", listener.proxy, listener.name, listener.address);
            }
            Reply::Text(text)
        }
        Command::ShowServerHistory { server, json } => match find_server(&shared.snapshot(), &server) {
            Ok((_, server)) if json => Reply::Text(history::json(&server.history())),
            Ok((_, server)) => Reply::Text(history::text(&server.history())),
            Err(refusal) => refusal.into(),
        },
        Command::GetWeight(name) => match find_server(&shared.snapshot(), &name) {
            Ok((_, server)) => {
                Reply::Text(format!("{} (initial {})\n", server.weight(), server.initial_weight))
            }
            Err(refusal) => refusal.into(),
        },
        other => return Err(other),
    })
}

fn show_info(shared: &Shared, form: InfoForm) -> String {
    let values = values(shared, form.float);
    let mut out = Vec::new();
    match form.format {
        Format::Plain => info::plain(&mut out, &values, form.desc),
        Format::Typed => info::typed(&mut out, &values, form.desc),
        Format::Json => info::json(&mut out, &values),
    }
    String::from_utf8_lossy(&out).into_owned()
}

pub(super) fn cli_sockets(sockets: &[(PathBuf, Level)]) -> String {
    let lines = sockets.iter().map(|(path, level)| format!("unix@{} {level} all\n", path.display()));
    std::iter::once("# socket lvl processes\n".to_owned()).chain(lines).collect()
}

/// `show stat`, handed over as it is made.
pub(super) async fn stat(
    shared: &Shared,
    request: &StatRequest,
    level: Level,
    output: &mut Output<'_>,
) -> io::Result<Result<(), Refusal>> {
    let snapshot = shared.snapshot();
    let Some(selection) = Selection::of(request.filter.as_ref(), &snapshot) else {
        return Ok(Err(no_proxy()));
    };
    let selection = Selection { hide: request.hide, ..selection };
    let mut rows = rows(shared, &snapshot, selection, Since::Clear, level);
    match request.format {
        Format::Plain => csv::header(&mut output.bytes),
        Format::Typed => {}
        Format::Json => output.bytes.push(b'['),
    }
    let mut first = true;
    for row in &mut rows {
        match request.format {
            Format::Plain => csv::row(&mut output.bytes, &row),
            Format::Typed => typed::row(&mut output.bytes, &row, request.desc),
            Format::Json => {
                if !std::mem::take(&mut first) {
                    output.bytes.push(b',');
                }
                json::row(&mut output.bytes, &row);
            }
        }
        output.pause().await?;
    }
    if request.format == Format::Json {
        output.bytes.extend_from_slice(b"]\n");
    }
    output.flush().await?;
    Ok(Ok(()))
}

/// `show servers state`, handed over as it is made.
pub(super) async fn servers_state(
    shared: &Shared,
    backend: Option<&str>,
    output: &mut Output<'_>,
) -> io::Result<Result<(), Refusal>> {
    let snapshot = shared.snapshot();
    if backend.is_some_and(|name| snapshot.backend(name).is_none()) {
        return Ok(Err(Refusal::error("Can't find backend.")));
    }
    servers_state::header(&mut output.bytes);
    for of in snapshot.backends.iter().filter(|of| backend.is_none_or(|name| *of.name == *name)) {
        for server in &of.servers {
            servers_state::line(&mut output.bytes, &states::of(shared, of, server));
            output.pause().await?;
        }
    }
    output.flush().await?;
    Ok(Ok(()))
}
