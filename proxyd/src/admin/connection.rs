//! One connection: lines in, answers out.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use proto::command::line::Line;
use proto::command::{
    self, Command, PromptChange, PromptMode, Refusal, Severity, SeverityOutput, Target, words,
};
use proto::level::Level;
use proto::watch;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::input::{Input, Lines};
use super::output::Output;
use super::reply::Reply;
use super::{Admin, certificates, change, peer, show, tables};
use crate::admin::watch::Ended;
use crate::model::change::Cause;

/// Most bytes of a line, its line feed included: HAProxy's `tune.bufsize`.
const MAX_LINE: usize = 16_384;

const LINE_TOO_LONG: &str = "The command line is too big for the buffer size. Please change 'tune.bufsize' in the \
    configuration to use a bigger command.\n";

/// HAProxy's `tune.cli.max-payload-size`.
const MAX_PAYLOAD: usize = 128 * 1024;

const PAYLOAD_TOO_LONG: &str = "The payload is too big. Please change 'tune.cli.max-payload-size' in the \
    configuration to use a bigger payload.\n";

/// How long a client may be idle, if it does not say otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Characters of a command that are remembered in events.
const REMEMBERED: usize = 1024;

/// What comes after a command.
enum Next {
    /// The rest of the line.
    Command,
    Close,
}

pub(super) struct Connection {
    admin: Rc<Admin>,
    stream: UnixStream,
    lines: Lines,
    level: Level,
    severity: SeverityOutput,
    mode: PromptMode,
    /// Whether the prompt shows the uptime.
    timed: bool,
    timeout: Duration,
    /// Who is there, once it was asked for.
    by: Option<String>,
    /// The place among the connections of the socket; a watcher gives it up.
    permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    pub(super) fn new(
        admin: Rc<Admin>,
        stream: UnixStream,
        level: Level,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            admin,
            stream,
            lines: Lines::default(),
            level,
            severity: SeverityOutput::None,
            mode: PromptMode::Single,
            timed: false,
            timeout: TIMEOUT,
            by: None,
            permit: Some(permit),
        }
    }

    /// Serves the connection to its end. What goes wrong with it concerns nobody else.
    pub(super) async fn run(mut self) {
        if self.lines().await.is_ok() {
            let _closing = self.stream.shutdown().await;
        }
        Lines::drain(&self.stream);
    }

    async fn lines(&mut self) -> io::Result<()> {
        loop {
            let line = match timeout(self.timeout, self.lines.next(&self.stream, MAX_LINE)).await?? {
                Input::Line(line) => line,
                Input::TooLong => return self.send(LINE_TOO_LONG).await,
                Input::End => return Ok(()),
            };
            let line = match Line::parse(&line) {
                Ok(line) => line,
                Err(error) => return self.send(&format!("{error}\n")).await,
            };
            let mut payload = None;
            if let Some(until) = &line.payload_until {
                payload = self.payload(until).await?;
                if payload.is_none() {
                    return Ok(());
                }
            }
            let last = line.commands.len() - 1;
            for (at, command) in line.commands.iter().enumerate() {
                let payload = payload.as_deref().filter(|_| at == last);
                if let Next::Close = self.command(command, payload).await? {
                    return Ok(());
                }
                self.send("\n").await?;
                if at == last && self.mode == PromptMode::Prompt {
                    self.send(&self.prompt()).await?;
                }
            }
            if self.mode == PromptMode::Single {
                return Ok(());
            }
        }
    }

    /// Reads a payload. `None` if the connection is to be closed.
    async fn payload(&mut self, until: &str) -> io::Result<Option<String>> {
        let mut payload = String::new();
        loop {
            if self.mode == PromptMode::Prompt {
                self.send("+ ").await?;
            }
            let rest = MAX_PAYLOAD - payload.len();
            match timeout(self.timeout, self.lines.next(&self.stream, rest)).await?? {
                Input::Line(line) if line.strip_suffix('\r').unwrap_or(&line) == until => {
                    return Ok(Some(payload));
                }
                Input::Line(line) if line.len() + 1 < rest => {
                    payload.push_str(&line);
                    payload.push('\n');
                }
                Input::Line(_) | Input::TooLong => {
                    self.send(PAYLOAD_TOO_LONG).await?;
                    return Ok(None);
                }
                Input::End => return Ok(None),
            }
        }
    }

    fn prompt(&self) -> String {
        if !self.timed {
            return "> ".to_owned();
        }
        let up = self.admin.shared.epoch.now_ms() / 1000;
        format!("[{}:{:02}:{:02}:{:02}]> ", up / 86_400, up / 3600 % 24, up / 60 % 60, up % 60)
    }

    async fn send(&self, text: &str) -> io::Result<()> {
        let mut output = Output::new(&self.stream, self.timeout);
        output.bytes.extend_from_slice(text.as_bytes());
        output.flush().await
    }

    async fn command(&mut self, text: &str, payload: Option<&str>) -> io::Result<Next> {
        let words = words::split(text);
        if words.is_empty() {
            return Ok(Next::Command);
        }
        let command = match command::parse(&words, self.level) {
            Ok(command) => command,
            Err(refusal) => return self.refuse(refusal).await,
        };
        let before = self.admin.shared.journal.seq();
        let reply = match command {
            Command::Quit => return Ok(Next::Close),
            Command::Watch(request) => {
                self.permit = None;
                let ended = self
                    .admin
                    .hub
                    .stream(
                        &self.stream,
                        &mut self.lines,
                        request,
                        self.level,
                        self.mode == PromptMode::Prompt,
                    )
                    .await?;
                return Ok(match ended {
                    Ended::ByReader => Next::Command,
                    Ended::Closing => Next::Close,
                });
            }
            Command::ShowStat(request) => {
                let mut output = Output::new(&self.stream, self.timeout);
                match show::stat(&self.admin.shared, &request, self.level, &mut output).await? {
                    Ok(()) => Reply::Silent,
                    Err(refusal) => refusal.into(),
                }
            }
            Command::ShowServersState(backend) => {
                let mut output = Output::new(&self.stream, self.timeout);
                match show::servers_state(&self.admin.shared, backend.as_deref(), &mut output).await? {
                    Ok(()) => Reply::Silent,
                    Err(refusal) => refusal.into(),
                }
            }
            Command::Table(request) => {
                let by = self.by.get_or_insert_with(|| peer::name(&self.stream));
                let cause = Cause::Command { by, line: &remembered(text) };
                let mut output = Output::new(&self.stream, self.timeout);
                tables::run(&self.admin.shared, &request, self.level, cause, &mut output).await?
            }
            Command::SetSslCert(_)
            | Command::CommitSslCert(_)
            | Command::AbortSslCert(_)
            | Command::ReloadSslCerts => {
                let by = self.by.get_or_insert_with(|| peer::name(&self.stream));
                let cause = Cause::Command { by, line: &remembered(text) };
                certificates::change(&self.admin.shared, command, payload, cause).await
            }
            Command::ShowCliSockets => Reply::Text(show::cli_sockets(&self.admin.sockets)),
            command => self.short(command, text),
        };
        if self.admin.shared.journal.seq() != before {
            // Whoever watches hears of it before the one who did it.
            self.admin.hub.settle().await;
        }
        match reply {
            Reply::Silent => {}
            Reply::Message(severity, text) => {
                self.send(&format!("{}{text}\n", self.severity.prefix(severity))).await?;
            }
            Reply::Text(text) => self.send(&text).await?,
        }
        Ok(Next::Command)
    }

    /// Carries out a command whose answer fits into memory.
    fn short(&mut self, command: Command, text: &str) -> Reply {
        let shared = &self.admin.shared;
        match command {
            Command::Prompt(change) => self.switch(change),
            Command::Lower(level) => {
                self.level = self.level.min(level);
                Reply::Silent
            }
            Command::SetSeverityOutput(output) => {
                self.severity = output;
                Reply::Silent
            }
            Command::SetTimeout(timeout) => {
                self.timeout = timeout;
                Reply::Silent
            }
            Command::ShowCliLevel => Reply::Message(Severity::Info, self.level.as_str().into()),
            command => match show::short(shared, command) {
                Ok(reply) => reply,
                Err(command) => {
                    let by = self.by.get_or_insert_with(|| peer::name(&self.stream));
                    let done =
                        change::apply(shared, &command, Cause::Command { by, line: &remembered(text) });
                    done.unwrap_or_else(Reply::from)
                }
            },
        }
    }

    fn switch(&mut self, change: PromptChange) -> Reply {
        self.timed ^= change.timed;
        self.mode = match change.mode {
            Some(mode) => mode,
            // Without a prompt there is no place for the time.
            None if change.timed => PromptMode::Prompt,
            None if self.mode == PromptMode::Prompt => PromptMode::Single,
            None => PromptMode::Prompt,
        };
        Reply::Silent
    }

    /// Answers a command that is not carried out, or that what it names does not exist.
    async fn refuse(&mut self, mut refusal: Refusal) -> io::Result<Next> {
        let snapshot = self.admin.shared.snapshot();
        let missing = match refusal.needs.take() {
            Some(Target::Server(name)) => change::find_server(&snapshot, &name).err(),
            Some(Target::Checked(name)) => change::find_checked(&snapshot, &name).err(),
            Some(Target::Frontend(name)) => change::find_frontend(&snapshot, &name).err(),
            Some(Target::Proxy(name)) => {
                (!snapshot.proxies().iter().any(|p| p.name == name)).then(show::no_proxy)
            }
            None => None,
        };
        let Refusal { severity, text, .. } = missing.unwrap_or_else(|| refusal.clone());
        if refusal.stream {
            let line = watch::Line::Error { message: text.into_owned() }.to_bytes();
            self.send(&String::from_utf8_lossy(&line)).await?;
            return Ok(Next::Close);
        }
        self.send(&format!("{}{text}\n", self.severity.prefix(severity))).await?;
        Ok(Next::Command)
    }
}

/// A command as events have it.
fn remembered(text: &str) -> String {
    text.trim().chars().take(REMEMBERED).collect()
}
