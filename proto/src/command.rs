//! The commands of the socket: how a line is split, what each command means, who may send it, and what is answered
//! to what is not understood. HAProxy's management guide, 9.3; its wording is kept.

mod agent;
mod check;
mod cookies;
pub mod help;
pub mod line;
mod near;
mod parse;
pub mod reply;
pub mod table;
#[cfg(test)]
mod tests;
pub mod words;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::level::Level;
use words::escaped;

pub use agent::AgentChange;
pub use check::CheckChange;
pub use cookies::CookieChange;
pub use parse::parse;
pub use reply::{Refusal, Severity, SeverityOutput, Target};

/// One command, understood. What it names may still not exist.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// The words to look for; none lists everything.
    Help(Vec<String>),
    Prompt(PromptChange),
    Quit,
    Echo(String),
    /// `operator`, `user`: gives up rights for the rest of the connection.
    Lower(Level),
    ShowVersion,
    ShowInfo(InfoForm),
    ShowStat(StatRequest),
    /// All backends, or one.
    ShowServersState(Option<String>),
    ShowBackend,
    ShowSchema,
    /// The last transitions of a server.
    ShowServerHistory {
        server: ServerName,
        json: bool,
    },
    ShowCliSockets,
    ShowCliLevel,
    ShowListeners,
    GetWeight(ServerName),
    SetServer(ServerName, ServerChange),
    /// `enable health`, `disable health`.
    SwitchCheck {
        server: ServerName,
        on: bool,
    },
    /// `enable agent`, `disable agent`.
    SwitchAgent {
        server: ServerName,
        on: bool,
    },
    /// `enable frontend`, `disable frontend`.
    SwitchFrontend {
        frontend: String,
        on: bool,
    },
    /// What servers are called in cookies.
    SetCookies {
        backend: String,
        change: CookieChange,
    },
    SetMaxconnFrontend {
        frontend: String,
        maxconn: u32,
    },
    SetMaxconnServer {
        server: ServerName,
        maxconn: u32,
    },
    SetMaxconnGlobal(u32),
    ClearCounters {
        all: bool,
    },
    ReopenLogs,
    ReloadSslCerts,
    /// All files, or the details of one; `*` in front for one that waits.
    ShowSslCert(Option<String>),
    /// What its payload holds is to take this file's place.
    SetSslCert(String),
    CommitSslCert(String),
    AbortSslCert(String),
    Table(TableRequest),
    SetSeverityOutput(SeverityOutput),
    SetTimeout(Duration),
    Watch(WatchRequest),
}

/// `backend/server`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerName {
    pub backend: String,
    pub server: String,
}

/// `show table`, `set table` and `clear table`: what the words mean depends on the table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TableRequest {
    pub action: TableAction,
    pub table: Option<String>,
    /// What follows its name.
    pub words: Vec<String>,
}

/// What is done to a table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TableAction {
    Show,
    Set,
    Clear,
}

/// What `set server` changes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ServerChange {
    Weight(Weight),
    State(AdminState),
    Health(Health),
    Address { ip: IpAddr, port: Option<u16> },
    Agent(AgentChange),
    Check(CheckChange),
}

/// A weight as it is typed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Weight {
    /// 0 to 256.
    Absolute(u32),
    /// Of the initial weight.
    Percent(u32),
}

impl Weight {
    /// The most a weight can be.
    pub const MAX: u32 = 256;

    /// The weight for a server that was configured with `initial`.
    pub fn of(self, initial: u32) -> u32 {
        match self {
            Self::Absolute(weight) => weight,
            Self::Percent(percent) => {
                (u64::from(initial) * u64::from(percent) / 100).min(u64::from(Self::MAX)) as u32
            }
        }
    }
}

/// What an operator can force.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AdminState {
    Ready,
    Drain,
    Maint,
}

/// What an operator can say in place of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Health {
    Up,
    Stopping,
    Down,
}

/// How a connection goes on after a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PromptMode {
    /// One line, then the end.
    Single,
    /// Any number of lines, no prompt.
    Interactive,
    /// Any number of lines with a prompt.
    Prompt,
}

/// `prompt` with its arguments.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PromptChange {
    /// `None` toggles.
    pub mode: Option<PromptMode>,
    /// Toggles the uptime in the prompt.
    pub timed: bool,
}

/// Form of `show info`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct InfoForm {
    pub format: Format,
    pub desc: bool,
    pub float: bool,
}

/// How statistics are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// CSV, or `Name: value`.
    #[default]
    Plain,
    Typed,
    Json,
}

/// `show stat` with its arguments.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StatRequest {
    pub filter: Option<Filter>,
    pub format: Format,
    pub desc: bool,
    pub hide: Hide,
}

/// Servers that are left out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Hide {
    #[default]
    Nothing,
    /// `up`: those that are down or in maintenance.
    Down,
    /// `no-maint`: those in maintenance.
    Maint,
}

/// `<proxy> <type> <id>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filter {
    pub proxy: ProxyRef,
    /// Sum of 1 frontends, 2 backends, 4 servers, 8 listeners; `None` is all.
    pub kinds: Option<u32>,
    /// Number of the server or listener in its proxy; `None` is all.
    pub id: Option<u32>,
}

/// Which proxy is meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ProxyRef {
    All,
    Number(u32),
    Name(String),
}

/// `watch` with its arguments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WatchRequest {
    /// Between two samples; `None` where only events are wanted.
    pub every: Option<Duration>,
    /// Where an earlier stream broke off.
    pub since: Option<Since>,
    pub filter: Option<Filter>,
}

/// `<boot>:<seq>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Since {
    pub boot: String,
    pub seq: u64,
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", escaped(&self.backend), escaped(&self.server))
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(weight) => write!(f, "{weight}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl AdminState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        }
    }
}

impl Health {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Stopping => "stopping",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for ServerChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weight(weight) => write!(f, "weight {weight}"),
            Self::State(state) => write!(f, "state {}", state.as_str()),
            Self::Health(health) => write!(f, "health {}", health.as_str()),
            Self::Agent(change) => change.fmt(f),
            Self::Check(change) => change.fmt(f),
            Self::Address { ip, port: None } => write!(f, "addr {ip}"),
            Self::Address { ip, port: Some(port) } => write!(f, "addr {ip} port {port}"),
        }
    }
}

impl fmt::Display for TableRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.action {
            TableAction::Show => "show table",
            TableAction::Set => "set table",
            TableAction::Clear => "clear table",
        })?;
        self.table.iter().chain(&self.words).try_for_each(|word| write!(f, " {}", escaped(word)))
    }
}

impl fmt::Display for PromptChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("prompt")?;
        f.write_str(match self.mode {
            None => "",
            Some(PromptMode::Single) => " n",
            Some(PromptMode::Interactive) => " i",
            Some(PromptMode::Prompt) => " p",
        })?;
        f.write_str(if self.timed { " timed" } else { "" })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "",
            Self::Typed => " typed",
            Self::Json => " json",
        })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.proxy {
            ProxyRef::All => f.write_str("-1")?,
            ProxyRef::Number(number) => write!(f, "#{number}")?,
            ProxyRef::Name(name) => write!(f, "{}", escaped(name))?,
        }
        for bound in [self.kinds, self.id] {
            match bound {
                None => f.write_str(" -1")?,
                Some(number) => write!(f, " {number}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for WatchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.every {
            Some(every) => write!(f, "watch every {}ms", every.as_millis())?,
            None => f.write_str("watch events")?,
        }
        if let Some(since) = &self.since {
            write!(f, " since {}:{}", escaped(&since.boot), since.seq)?;
        }
        self.filter.iter().try_for_each(|filter| write!(f, " {filter}"))
    }
}

/// As it could be typed; read back it is the same command.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |on: bool| if on { "enable" } else { "disable" };
        match self {
            Self::Help(words) => {
                f.write_str("help")?;
                words.iter().try_for_each(|word| write!(f, " {}", escaped(word)))
            }
            Self::Prompt(change) => change.fmt(f),
            Self::Quit => f.write_str("quit"),
            Self::Echo(text) => {
                f.write_str("echo")?;
                match text.as_str() {
                    "" => Ok(()),
                    // Blanks that belong to a word would be lost between two, and words beyond the last looked at.
                    odd if odd.split(' ').any(str::is_empty)
                        || odd.split(' ').count() >= words::MAX_WORDS =>
                    {
                        write!(f, " {}", escaped(odd))
                    }
                    plain => plain.split(' ').try_for_each(|word| write!(f, " {}", escaped(word))),
                }
            }
            Self::Lower(level) => level.fmt(f),
            Self::ShowVersion => f.write_str("show version"),
            Self::ShowInfo(form) => {
                let desc = if form.desc { " desc" } else { "" };
                let float = if form.float { " float" } else { "" };
                write!(f, "show info{}{desc}{float}", form.format)
            }
            Self::ShowStat(request) => {
                f.write_str("show stat")?;
                request.filter.iter().try_for_each(|filter| write!(f, " {filter}"))?;
                request.format.fmt(f)?;
                f.write_str(if request.desc { " desc" } else { "" })?;
                f.write_str(match request.hide {
                    Hide::Nothing => "",
                    Hide::Down => " up",
                    Hide::Maint => " no-maint",
                })
            }
            Self::ShowServersState(None) => f.write_str("show servers state"),
            Self::ShowServersState(Some(backend)) => write!(f, "show servers state {}", escaped(backend)),
            Self::ShowBackend => f.write_str("show backend"),
            Self::ShowSchema => f.write_str("show schema json"),
            Self::ShowServerHistory { server, json } => {
                write!(f, "show server history {server}{}", if *json { " json" } else { "" })
            }
            Self::ShowCliSockets => f.write_str("show cli sockets"),
            Self::ShowCliLevel => f.write_str("show cli level"),
            Self::ShowListeners => f.write_str("show listeners"),
            Self::GetWeight(server) => write!(f, "get weight {server}"),
            Self::SetServer(server, change) => write!(f, "set server {server} {change}"),
            Self::SwitchCheck { server, on: is_on } => write!(f, "{} health {server}", on(*is_on)),
            Self::SwitchAgent { server, on: is_on } => write!(f, "{} agent {server}", on(*is_on)),
            Self::SwitchFrontend { frontend, on: is_on } => {
                write!(f, "{} frontend {}", on(*is_on), escaped(frontend))
            }
            Self::SetCookies { backend, change } => change.write(f, backend),
            Self::SetMaxconnFrontend { frontend, maxconn } => {
                write!(f, "set maxconn frontend {} {maxconn}", escaped(frontend))
            }
            Self::SetMaxconnServer { server, maxconn } => write!(f, "set maxconn server {server} {maxconn}"),
            Self::SetMaxconnGlobal(maxconn) => write!(f, "set maxconn global {maxconn}"),
            Self::ClearCounters { all } => {
                f.write_str(if *all { "clear counters all" } else { "clear counters" })
            }
            Self::ReopenLogs => f.write_str("reopen logs"),
            Self::ReloadSslCerts => f.write_str("reload ssl certs"),
            Self::ShowSslCert(None) => f.write_str("show ssl cert"),
            Self::ShowSslCert(Some(file)) => write!(f, "show ssl cert {}", escaped(file)),
            Self::SetSslCert(file) => write!(f, "set ssl cert {}", escaped(file)),
            Self::CommitSslCert(file) => write!(f, "commit ssl cert {}", escaped(file)),
            Self::AbortSslCert(file) => write!(f, "abort ssl cert {}", escaped(file)),
            Self::Table(request) => request.fmt(f),
            Self::SetSeverityOutput(output) => write!(f, "set severity-output {}", output.as_str()),
            Self::SetTimeout(timeout) => write!(f, "set timeout cli {}ms", timeout.as_millis()),
            Self::Watch(request) => request.fmt(f),
        }
    }
}
