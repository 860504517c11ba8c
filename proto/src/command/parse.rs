//! What the words of a command mean.
//!
//! Who may send it is looked at first, then what it names, then the rest. Where HAProxy takes nonsense for a value
//! (ports modulo 65536, `abc` as 0, filters that do not exist), this refuses it.

use std::net::IpAddr;
use std::time::Duration;

use super::help;
use super::table::{self, Id};
use super::{
    AdminState, AgentChange, CheckChange, Command, CookieChange, Filter, Format, Health, Hide, InfoForm,
    PromptChange, PromptMode, ProxyRef, Refusal, ServerChange, ServerName, Severity, SeverityOutput, Since,
    StatRequest, TableAction, TableRequest, Target, WatchRequest, Weight,
};
use crate::level::Level;

/// Reads the words of one command that a connection of `level` sent.
pub fn parse(words: &[String], level: Level) -> Result<Command, Refusal> {
    let Some(entry) = table::find(words) else {
        return Err(Refusal::new(Severity::Info, help::unknown(words)));
    };
    if level < entry.level {
        return Err(Refusal::denied());
    }
    let rest: Vec<&str> = words[entry.words.len()..].iter().map(String::as_str).collect();
    let first = rest.first().copied();
    Ok(match entry.id {
        Id::ClearCounters => clear_counters(first, level)?,
        Id::DisableAgent => Command::SwitchAgent { server: server(first)?, on: false },
        Id::EnableAgent => Command::SwitchAgent { server: server(first)?, on: true },
        id @ (Id::DisableDynamicCookie | Id::EnableDynamicCookie | Id::SetDynamicCookieKey) => {
            cookies(id, first, rest.get(1).copied())?
        }
        Id::DisableFrontend => Command::SwitchFrontend { frontend: frontend(first)?, on: false },
        Id::EnableFrontend => Command::SwitchFrontend { frontend: frontend(first)?, on: true },
        Id::DisableHealth => Command::SwitchCheck { server: server(first)?, on: false },
        Id::EnableHealth => Command::SwitchCheck { server: server(first)?, on: true },
        Id::DisableServer => Command::SetServer(server(first)?, ServerChange::State(AdminState::Maint)),
        Id::EnableServer => Command::SetServer(server(first)?, ServerChange::State(AdminState::Ready)),
        Id::Echo => Command::Echo(rest.join(" ")),
        Id::GetWeight => Command::GetWeight(server(first)?),
        Id::Operator if level < Level::Operator => return Err(Refusal::denied()),
        Id::Operator => Command::Lower(Level::Operator),
        Id::User => Command::Lower(Level::User),
        Id::ReloadSslCerts => Command::ReloadSslCerts,
        Id::ReopenLogs => Command::ReopenLogs,
        Id::AbortSslCert => Command::AbortSslCert(file(first, table::ABORT_SSL_CERT)?),
        Id::CommitSslCert => Command::CommitSslCert(file(first, table::COMMIT_SSL_CERT)?),
        Id::SetSslCert => Command::SetSslCert(file(first, table::SET_SSL_CERT)?),
        Id::ShowSslCert if first.is_some() && level < Level::Admin => return Err(Refusal::denied()),
        Id::ShowSslCert => Command::ShowSslCert(first.map(str::to_owned)),
        Id::SetMaxconnFrontend => {
            let frontend = frontend(first)?;
            let maxconn = rest.get(1).copied().unwrap_or("");
            match integer(maxconn, table::INTEGER_VALUE) {
                Ok(maxconn) => Command::SetMaxconnFrontend { frontend, maxconn },
                Err(refusal) => return Err(refusal.needs(Target::Frontend(frontend))),
            }
        }
        Id::SetMaxconnGlobal => Command::SetMaxconnGlobal(integer(first.unwrap_or(""), table::AN_INTEGER)?),
        Id::SetMaxconnServer => {
            let server = server(first)?;
            match server_maxconn(rest.get(1).copied().unwrap_or("")) {
                Ok(maxconn) => Command::SetMaxconnServer { server, maxconn },
                Err(refusal) => return Err(refusal.needs(Target::Server(server))),
            }
        }
        Id::SetServer => set_server(server(first)?, &rest[1..])?,
        Id::SetWeight => {
            let server = server(first)?;
            match weight(rest.get(1).copied().unwrap_or("")) {
                Ok(weight) => Command::SetServer(server, ServerChange::Weight(weight)),
                Err(refusal) => return Err(refusal.needs(Target::Server(server))),
            }
        }
        Id::SetSeverityOutput => {
            let output = SeverityOutput::ALL.into_iter().find(|output| Some(output.as_str()) == first);
            Command::SetSeverityOutput(output.ok_or_else(|| Refusal::error(table::SEVERITY))?)
        }
        Id::SetTimeout => set_timeout(&rest)?,
        Id::ShowBackend => Command::ShowBackend,
        Id::ShowCliLevel => Command::ShowCliLevel,
        Id::ShowCliSockets => Command::ShowCliSockets,
        Id::ShowInfo => Command::ShowInfo(show_info(&rest)),
        Id::ShowListeners => Command::ShowListeners,
        Id::ShowSchema => Command::ShowSchema,
        Id::ShowServerHistory => server_history(server(first)?, &rest[1..])?,
        Id::ShowServersState => Command::ShowServersState(first.map(str::to_owned)),
        Id::ShowStat => Command::ShowStat(show_stat(&rest)?),
        Id::ShowTable => table(TableAction::Show, &rest)?,
        Id::SetTable => table(TableAction::Set, &rest)?,
        Id::ClearTable => table(TableAction::Clear, &rest)?,
        Id::ShowVersion => Command::ShowVersion,
        Id::Watch => Command::Watch(watch(&rest).map_err(|refusal| Refusal { stream: true, ..refusal })?),
        Id::Help => Command::Help(rest.into_iter().map(str::to_owned).collect()),
        Id::Prompt => prompt(&rest)?,
        Id::Quit => Command::Quit,
    })
}

fn clear_counters(what: Option<&str>, level: Level) -> Result<Command, Refusal> {
    match what {
        None => Ok(Command::ClearCounters { all: false }),
        Some("all") if level < Level::Admin => Err(Refusal::denied()),
        Some("all") => Ok(Command::ClearCounters { all: true }),
        Some(_) => Err(Refusal::error(table::CLEAR)),
    }
}

/// Only a dump goes without the name of a table.
fn table(action: TableAction, words: &[&str]) -> Result<Command, Refusal> {
    let mut words = words.iter().map(|word| (*word).to_owned());
    let table = words.next();
    match (action, &table) {
        (TableAction::Set, None) => Err(Refusal::error(table::SET_TABLE)),
        (TableAction::Clear, None) => Err(Refusal::error(table::CLEAR_TABLE)),
        _ => Ok(Command::Table(TableRequest { action, table, words: words.collect() })),
    }
}

fn server(word: Option<&str>) -> Result<ServerName, Refusal> {
    word.and_then(|word| word.split_once('/'))
        .filter(|(backend, server)| !backend.is_empty() && !server.is_empty())
        .map(|(backend, server)| ServerName { backend: backend.to_owned(), server: server.to_owned() })
        .ok_or_else(|| Refusal::error(table::SERVER_NAME))
}

fn frontend(word: Option<&str>) -> Result<String, Refusal> {
    word.map(str::to_owned).ok_or_else(|| Refusal::error(table::FRONTEND_NAME))
}

fn cookies(id: Id, backend: Option<&str>, key: Option<&str>) -> Result<Command, Refusal> {
    let backend = backend.ok_or_else(|| Refusal::error(table::BACKEND_NAME))?.to_owned();
    let change = match id {
        Id::SetDynamicCookieKey => CookieChange::Key(key.unwrap_or_default().to_owned()),
        id => CookieChange::Dynamic(id == Id::EnableDynamicCookie),
    };
    Ok(Command::SetCookies { backend, change })
}

fn file(word: Option<&str>, otherwise: &'static str) -> Result<String, Refusal> {
    word.map(str::to_owned).ok_or_else(|| Refusal::error(otherwise))
}

/// HAProxy keeps limits in 32 bits with a sign.
const MAX_INTEGER: u32 = i32::MAX as u32;

/// From 0 to what fits into 31 bits; `otherwise` says that it is no number at all.
fn integer(word: &str, otherwise: &'static str) -> Result<u32, Refusal> {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refusal::error(otherwise));
    }
    word.parse().ok().filter(|n| *n <= MAX_INTEGER).ok_or_else(|| Refusal::error(table::OUT_OF_RANGE))
}

/// 0 is no limit. A number is told from nonsense in HAProxy's words.
fn server_maxconn(word: &str) -> Result<u32, Refusal> {
    let unsigned = word.strip_prefix(['-', '+']).unwrap_or(word);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    match (word, digits) {
        ("", _) => Err(Refusal::error(table::MAXCONN)),
        (_, 0) => Err(Refusal::error(table::MAXCONN_NONE)),
        (_, n) if n < unsigned.len() => Err(Refusal::error(table::MAXCONN_GARBAGE)),
        _ => integer(word, table::MAXCONN_NONE),
    }
}

/// `50` or `50%`.
fn weight(word: &str) -> Result<Weight, Refusal> {
    let end = word
        .char_indices()
        .find(|(at, c)| !(c.is_ascii_digit() || *at == 0 && *c == '-'))
        .map_or(word.len(), |(at, _)| at);
    let (number, unit) = word.split_at(end);
    if number.is_empty() || number == "-" {
        return Err(Refusal::error(table::WEIGHT));
    }
    let (range, error) = match unit {
        "" => (Weight::MAX, table::WEIGHT_RANGE),
        "%" => (MAX_INTEGER, table::WEIGHT_SIGN),
        _ => return Err(Refusal::error(table::WEIGHT_GARBAGE)),
    };
    let number: u32 = match number.parse() {
        Ok(number) => number,
        // A share of any size is as good as the largest: the weight it gives is capped.
        Err(_) if unit == "%" && !number.starts_with('-') => range,
        Err(_) => return Err(Refusal::error(error)),
    };
    match unit {
        "%" => Ok(Weight::Percent(number.min(range))),
        _ if number > range => Err(Refusal::error(error)),
        _ => Ok(Weight::Absolute(number)),
    }
}

fn set_server(name: ServerName, rest: &[&str]) -> Result<Command, Refusal> {
    let value = rest.get(1).copied().unwrap_or("");
    let change = match rest.first().copied() {
        Some("weight") => weight(value).map(ServerChange::Weight),
        Some("state") => match value {
            "ready" => Ok(ServerChange::State(AdminState::Ready)),
            "drain" => Ok(ServerChange::State(AdminState::Drain)),
            "maint" => Ok(ServerChange::State(AdminState::Maint)),
            _ => Err(Refusal::error(table::STATE)),
        },
        Some("health") => match value {
            "up" => Ok(ServerChange::Health(Health::Up)),
            "stopping" => Ok(ServerChange::Health(Health::Stopping)),
            "down" => Ok(ServerChange::Health(Health::Down)),
            _ => Err(Refusal::error(table::HEALTH)),
        },
        Some("addr") => address(&rest[1..]),
        Some("fqdn") if value.is_empty() => Err(Refusal::error(table::FQDN)),
        Some("fqdn") => Err(Refusal::error(table::NO_RESOLUTION)),
        Some("ssl") => Err(Refusal::error(table::SERVER_SSL)),
        Some("name") => Err(Refusal::error(table::RENAMING)),
        Some(what) => {
            if let Some(change) = CheckChange::read(what, &rest[1..]) {
                // HAProxy looks at the value of who is checked alone.
                return match change {
                    Ok(change) => Ok(Command::SetServer(name, ServerChange::Check(change))),
                    Err(refusal) if value.is_empty() => Err(refusal.needs(Target::Server(name))),
                    Err(refusal) => Err(refusal.needs(Target::Checked(name))),
                };
            }
            match AgentChange::read(what, &rest[1..]) {
                Some(change) => change.map(ServerChange::Agent),
                None => Err(Refusal::error(table::SET_SERVER)),
            }
        }
        None => Err(Refusal::error(table::SET_SERVER)),
    };
    match change {
        Ok(change) => Ok(Command::SetServer(name, change)),
        Err(refusal) => Err(refusal.needs(Target::Server(name))),
    }
}

fn server_history(server: ServerName, rest: &[&str]) -> Result<Command, Refusal> {
    let json = match rest {
        [] => false,
        ["json"] => true,
        _ => return Err(Refusal::error(table::HISTORY).needs(Target::Server(server))),
    };
    Ok(Command::ShowServerHistory { server, json })
}

/// `<ip> [port <port>]`.
fn address(rest: &[&str]) -> Result<ServerChange, Refusal> {
    let (ip, port) = match rest {
        [ip] => (ip, None),
        [ip, "port", port, ..] => (ip, Some(port)),
        _ => return Err(Refusal::error(table::ADDRESS)),
    };
    let Ok(ip) = ip.parse::<IpAddr>() else {
        return Err(Refusal::error(format!("Invalid addr '{ip}'")));
    };
    let port = match port {
        None => None,
        Some(word) => match word.parse::<u16>() {
            Ok(port) if port > 0 && !word.starts_with('+') => Some(port),
            _ => return Err(Refusal::error(format!("Invalid port '{word}': from 1 to 65535."))),
        },
    };
    Ok(ServerChange::Address { ip, port })
}

/// Longest time a connection may be made to stay idle.
const MAX_TIMEOUT: Duration = Duration::from_hours(24 * 24);

fn set_timeout(rest: &[&str]) -> Result<Command, Refusal> {
    match rest {
        ["cli"] => Err(Refusal::error(table::AN_INTEGER)),
        ["cli", delay, ..] => duration(delay, Duration::from_secs(1))
            .filter(|delay| !delay.is_zero() && *delay <= MAX_TIMEOUT)
            .map(Command::SetTimeout)
            .ok_or_else(|| Refusal::error(table::BAD_TIMEOUT)),
        _ => Err(Refusal::error(table::TIMEOUT)),
    }
}

/// A whole number with `ms`, `s`, `m`, `h` or `d`, or of the unit that is the default.
fn duration(word: &str, default: Duration) -> Option<Duration> {
    let end = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    let (number, unit) = word.split_at(end);
    let unit_ms = match unit {
        "" => default.as_millis() as u64,
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(unit_ms)?))
}

fn show_info(rest: &[&str]) -> InfoForm {
    let mut form = InfoForm::default();
    for word in rest {
        match *word {
            "typed" => form.format = Format::Typed,
            "json" => form.format = Format::Json,
            "desc" => form.desc = true,
            "float" => form.float = true,
            // Surplus words do no harm here, and HAProxy ignores them.
            _ => {}
        }
    }
    form
}

fn show_stat(rest: &[&str]) -> Result<StatRequest, Refusal> {
    let rest = match rest {
        ["domain", "proxy", rest @ ..] => rest,
        ["domain", ..] => return Err(Refusal::error(table::DOMAIN)),
        rest => rest,
    };
    let mut request = StatRequest::default();
    let mut words = rest.iter();
    if rest.len() >= 3 && !rest.iter().all(|word| stat_option(&mut StatRequest::default(), word)) {
        request.filter = Some(filter(rest)?);
        words = rest[3..].iter();
    }
    match words.find(|word| !stat_option(&mut request, word)) {
        None => Ok(request),
        Some(word) => Err(Refusal::error(format!(
            "Unknown argument '{word}' of 'show stat', which takes [domain proxy] [<proxy> <type> <id>] \
             [typed|json] [desc] [up|no-maint]."
        ))),
    }
}

/// Takes a word that says how statistics are shown; false if it is none.
fn stat_option(request: &mut StatRequest, word: &str) -> bool {
    match word {
        "typed" => request.format = Format::Typed,
        "json" => request.format = Format::Json,
        "desc" => request.desc = true,
        "up" => request.hide = Hide::Down,
        "no-maint" => request.hide = Hide::Maint,
        _ => return false,
    }
    true
}

/// `<proxy> <type> <id>` from three words or more.
fn filter(words: &[&str]) -> Result<Filter, Refusal> {
    let [proxy, kinds, id, ..] = words else {
        return Err(Refusal::error("A filter is <proxy> <type> <id>."));
    };
    let number = proxy.strip_prefix('#').unwrap_or(proxy);
    let proxy = match number.parse::<u32>() {
        _ if *proxy == "-1" => ProxyRef::All,
        Ok(number) => ProxyRef::Number(number),
        Err(_) => ProxyRef::Name((*proxy).to_owned()),
    };
    let bound = |word: &str, what: &str| match word.parse::<u32>() {
        _ if word == "-1" => Ok(None),
        Ok(number) => Ok(Some(number)),
        Err(_) => {
            let refusal = Refusal::error(format!("Invalid {what} '{word}': a number, or -1 for all."));
            Err(match &proxy {
                ProxyRef::Name(name) => refusal.needs(Target::Proxy(name.clone())),
                _ => refusal,
            })
        }
    };
    let (kinds, id) = (bound(kinds, "type")?, bound(id, "id")?);
    Ok(Filter { proxy, kinds, id })
}

const PROMPT_HELP: &str = "Usage: prompt [help | n | i | p | timed]*
Changes the default prompt and interactive mode. Available options:
  help    display this help
  n       set to single-command mode (no prompt, single command)
  i       set to interactive mode only (no prompt, multi-command)
  p       set to prompt+interactive mode (prompt + multi-command)
  timed   toggle displaying the current date in the prompt
Without any argument, toggles between n/i->p, p->n.";

fn prompt(rest: &[&str]) -> Result<Command, Refusal> {
    let mut change = PromptChange { mode: None, timed: false };
    for word in rest {
        match *word {
            "n" => change.mode = Some(PromptMode::Single),
            "i" => change.mode = Some(PromptMode::Interactive),
            "p" => change.mode = Some(PromptMode::Prompt),
            "timed" => change.timed = !change.timed,
            _ => return Err(Refusal::new(Severity::Info, PROMPT_HELP)),
        }
    }
    Ok(Command::Prompt(change))
}

/// Between two samples, where nothing is said.
const EVERY: Duration = Duration::from_secs(1);

fn watch(rest: &[&str]) -> Result<WatchRequest, Refusal> {
    let mut request = WatchRequest { every: None, since: None, filter: None };
    let mut events = false;
    let mut rest = rest;
    loop {
        rest = match rest {
            [] => break,
            ["every", word, rest @ ..] => {
                request.every = Some(interval(word)?);
                rest
            }
            ["events", rest @ ..] => {
                events = true;
                rest
            }
            ["since", word, rest @ ..] => {
                request.since = Some(since(word)?);
                rest
            }
            [proxy, kinds, id, rest @ ..] if request.filter.is_none() => {
                request.filter = Some(filter(&[proxy, kinds, id])?);
                rest
            }
            [word, ..] => {
                return Err(Refusal::error(format!(
                    "Unknown argument '{word}' of 'watch', which takes [every <duration>] [events] \
                     [since <boot>:<seq>] [<proxy> <type> <id>]."
                )));
            }
        };
    }
    if !events && request.every.is_none() {
        request.every = Some(EVERY);
    }
    Ok(request)
}

fn interval(word: &str) -> Result<Duration, Refusal> {
    duration(word, Duration::from_secs(1))
        .filter(|every| (Duration::from_millis(100)..=Duration::from_mins(1)).contains(every))
        .ok_or_else(|| Refusal::error(format!("Invalid interval '{word}': from 100ms to 60s.")))
}

fn since(word: &str) -> Result<Since, Refusal> {
    word.rsplit_once(':')
        .and_then(|(boot, seq)| Some(Since { boot: boot.to_owned(), seq: seq.parse().ok()? }))
        .ok_or_else(|| {
            Refusal::error(format!("Invalid position '{word}': <boot>:<seq> of an earlier stream."))
        })
}
