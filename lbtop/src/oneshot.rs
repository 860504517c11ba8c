//! `lbtop --once`: what is the case now, for scripts and for people who pipe.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::ValueEnum;
use proto::level::Level;
use serde::Serialize;

use crate::model::clock::{Now, short_span};
use crate::model::instance::Instance;
use crate::model::sample::Sample;
use crate::model::server::Server;
use crate::model::status::{Condition, Panic, Severity};
use crate::model::text::{clean, width};
use crate::transport::clock::Clock;
use crate::transport::look;

/// How it is printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    Table,
    Json,
    Csv,
}

/// How the balancer does; the exit status is its number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    Ok = 0,
    /// A server is in trouble that nobody put it in.
    Degraded = 1,
    /// A backend has no server left.
    Critical = 2,
}

/// Looks once, prints, and says how it is.
pub fn run(socket: &Path, format: Format) -> ExitCode {
    let clock = Clock::start();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return unreachable(socket, &error),
    };
    let looked = runtime.block_on(async {
        let sample = look::look(socket, clock).await?;
        Ok::<_, look::Trouble>((sample, look::level(socket).await))
    });
    let (sample, level) = match looked {
        Ok(looked) => looked,
        Err(error) => return unreachable(socket, &error),
    };
    let report = Report::new(socket, sample, level, clock.now());
    let mut out = Vec::new();
    let written = match format {
        Format::Table => report.table(&mut out),
        Format::Csv => report.csv(&mut out),
        Format::Json => report.json(&mut out),
    };
    // A reader that had enough closes the pipe; what it has read stays true.
    let _closed = written.and_then(|()| {
        let mut stdout = io::stdout().lock();
        stdout.write_all(&out)?;
        stdout.flush()
    });
    ExitCode::from(report.health as u8)
}

fn unreachable(socket: &Path, error: &dyn std::fmt::Display) -> ExitCode {
    let _closed = writeln!(io::stderr(), "lbtop: {}: {error}", socket.display());
    ExitCode::from(3)
}

/// All that is printed, in the order of the JSON.
#[derive(Debug, Serialize)]
struct Report {
    /// Grows when a reader of the old form would be wrong.
    schema: u32,
    as_of: String,
    age_ms: u64,
    boot_id: String,
    health: Health,
    balancer: Balancer,
    backends: Vec<Backend>,
    servers: Vec<ServerLine>,
}

#[derive(Debug, Serialize)]
struct Balancer {
    product: String,
    version: String,
    node: String,
    socket: String,
    level: Option<&'static str>,
    uptime_s: u64,
    connections: u64,
    max_connections: u64,
    queue: u64,
}

#[derive(Debug, Serialize)]
struct Backend {
    name: String,
    status: String,
    sessions: u64,
    queue: u64,
    rate: u64,
}

#[derive(Debug, Serialize)]
struct ServerLine {
    backend: String,
    server: String,
    address: String,
    status: String,
    severity: &'static str,
    since_s: Option<u64>,
    check: String,
    check_text: String,
    backup: bool,
    weight: u32,
    sessions: u64,
    limit: Option<u64>,
    queue: u64,
    /// Sessions a second, as the balancer counts them.
    rate: u64,
    requests: u64,
    errors_5xx: u64,
}

impl Report {
    fn new(socket: &Path, sample: Sample, level: Option<Level>, now: Now) -> Self {
        let mut instance = Instance::new(socket.display().to_string());
        instance.take(sample, now);
        let totals = instance.totals();
        let worst = instance.servers.iter().map(Server::severity).min().unwrap_or(Severity::Fine);
        let health = if totals.backends_down > 0 || instance.in_panic().next().is_some() {
            Health::Critical
        } else if worst.is_problem() {
            Health::Degraded
        } else {
            Health::Ok
        };
        Self {
            schema: 1,
            as_of: now.iso(),
            age_ms: 0,
            boot_id: instance.boot.clone().unwrap_or_default(),
            health,
            balancer: Balancer {
                product: instance.info.product(),
                version: instance.info.version.clone(),
                node: instance.info.node.clone(),
                socket: instance.socket.clone(),
                level: level.map(Level::as_str),
                uptime_s: instance.info.uptime_s,
                connections: totals.conns,
                max_connections: totals.conn_limit,
                queue: totals.queue,
            },
            backends: instance
                .backends
                .iter()
                .map(|row| Backend {
                    name: row.proxy.clone(),
                    status: row.status.clone(),
                    sessions: row.scur.unwrap_or(0),
                    queue: row.qcur.unwrap_or(0),
                    rate: row.rate.unwrap_or(0),
                })
                .collect(),
            servers: instance.servers.iter().map(|server| line(server, now)).collect(),
        }
    }

    /// For people: trouble first.
    fn table(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let balancer = &self.balancer;
        writeln!(
            out,
            "{}  {}  up {}  {}  conn {}/{}  q {}",
            clean(&balancer.node),
            clean(&balancer.product),
            short_span(balancer.uptime_s),
            clean(&balancer.socket),
            balancer.connections,
            balancer.max_connections,
            balancer.queue,
        )?;
        for backend in &self.backends {
            if let Some(panic) = Panic::parse(&backend.status) {
                let used = match panic {
                    Panic::NoneUsed => "too few are up, no server is used",
                    Panic::AllUsed => "health is not believed, servers are used, up or not",
                };
                writeln!(out, "! {} is in PANIC: {used}", clean(&backend.name))?;
            } else if Condition::parse(&backend.status) == Condition::Down {
                writeln!(out, "! {} is DOWN: no server is left", clean(&backend.name))?;
            }
        }
        let mut servers: Vec<&ServerLine> = self.servers.iter().collect();
        servers.sort_by_key(|server| SEVERITIES.iter().position(|word| *word == server.severity));
        let heads =
            ["BACKEND/SERVER", "STATE", "SINCE", "CHECK", "W", "CUR/LIM", "Q", "RATE"].map(String::from);
        let rows: Vec<[String; 8]> = servers.iter().map(|server| server.cells()).collect();
        let mut widths = heads.each_ref().map(|head| width(head));
        for row in &rows {
            for (cells, text) in widths.iter_mut().zip(row) {
                *cells = (*cells).max(width(text));
            }
        }
        for row in std::iter::once(&heads).chain(&rows) {
            let mut line = String::new();
            for (at, (text, cells)) in row.iter().zip(widths).enumerate() {
                let pad = " ".repeat(cells - width(text));
                let is_text = matches!(at, 0 | 1 | 3);
                line.extend(if is_text { [text, &pad, "  "] } else { [&pad, text.as_str(), "  "] });
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// For scripts: one line a server.
    fn csv(&self, out: &mut Vec<u8>) -> io::Result<()> {
        writeln!(
            out,
            "backend,server,address,status,severity,since_s,check,check_text,backup,weight,sessions,limit,queue,rate,\
            requests,errors_5xx"
        )?;
        for server in &self.servers {
            let number = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
            let cells = [
                quoted(&server.backend),
                quoted(&server.server),
                quoted(&server.address),
                quoted(&server.status),
                server.severity.into(),
                number(server.since_s),
                quoted(&server.check),
                quoted(&server.check_text),
                server.backup.to_string(),
                server.weight.to_string(),
                server.sessions.to_string(),
                number(server.limit),
                server.queue.to_string(),
                server.rate.to_string(),
                server.requests.to_string(),
                server.errors_5xx.to_string(),
            ];
            writeln!(out, "{}", cells.join(","))?;
        }
        Ok(())
    }

    fn json(&self, out: &mut Vec<u8>) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        out.push(b'\n');
        Ok(())
    }
}

/// Words of the severities, in their order.
const SEVERITIES: [&str; 7] = ["down", "failing", "full", "queueing", "drain", "maint", "fine"];

fn line(server: &Server, now: Now) -> ServerLine {
    let row = &server.row;
    ServerLine {
        backend: server.id.backend.clone(),
        server: server.id.server.clone(),
        address: row.addr.clone(),
        status: row.status.clone(),
        severity: SEVERITIES[server.severity() as usize],
        since_s: server.since(now),
        check: server.check(),
        check_text: server.check_text().to_owned(),
        backup: row.is_backup,
        weight: server.weight(),
        sessions: server.current(),
        limit: server.limit(),
        queue: row.qcur.unwrap_or(0),
        rate: row.rate.unwrap_or(0),
        requests: row.requests(),
        errors_5xx: row.hrsp_5xx.unwrap_or(0),
    }
}

impl ServerLine {
    fn cells(&self) -> [String; 8] {
        [
            clean(&format!("{}/{}", self.backend, self.server)).into_owned(),
            clean(&self.status).into_owned(),
            self.since_s.map_or_else(|| "-".into(), short_span),
            clean(&self.check).into_owned(),
            self.weight.to_string(),
            format!("{}/{}", self.sessions, self.limit.map_or_else(|| "-".into(), |limit| limit.to_string())),
            self.queue.to_string(),
            self.rate.to_string(),
        ]
    }
}

/// A text as a CSV field. What acts on terminals is escaped here too: such files get looked at.
fn quoted(text: &str) -> String {
    let text = clean(text);
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::{Info, Kind, Row};

    fn report(servers: &[(&str, &str)], backend: &str) -> Report {
        let info =
            Info { name: "HAProxy".into(), version: "2.6.12".into(), node: "lb1".into(), ..Info::default() };
        let mut rows: Vec<Row> = servers
            .iter()
            .map(|&(name, status)| {
                let mut row = Row::new(Kind::Server, "app", name);
                row.status = status.into();
                row.addr = "127.0.0.1:80".into();
                row.check_status = "L4OK".into();
                row.last_chk = "fine, \"really\" \x1b[31m".into();
                row.weight = Some(100);
                row.changed_at = Some(1_795_356_312_000);
                row
            })
            .collect();
        let mut row = Row::new(Kind::Backend, "app", "BACKEND");
        row.status = backend.into();
        rows.push(row);
        let now = Now { mono: 5, wall: 1_795_356_372_003 };
        let sample = Sample { boot: "7.5".into(), info, rows, took_ms: 1 };
        Report::new(Path::new("./proxyd.sock"), sample, Some(Level::Admin), now)
    }

    fn printed(write: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn health() {
        for (servers, backend, health) in [
            (&[("a", "UP"), ("b", "no check")][..], "UP", Health::Ok),
            (&[("a", "UP"), ("b", "MAINT")], "UP", Health::Ok),
            (&[("a", "UP"), ("b", "DRAIN")], "UP", Health::Ok),
            (&[("a", "UP"), ("b", "DOWN")], "UP", Health::Degraded),
            (&[("a", "UP 1/3")], "UP", Health::Degraded),
            (&[("a", "MAINT")], "DOWN", Health::Critical),
            (&[("a", "UP"), ("b", "DOWN")], "UP (PANIC)", Health::Critical),
            (&[], "UP", Health::Ok),
        ] {
            assert_eq!(report(servers, backend).health, health, "{servers:?}");
        }
    }

    #[test]
    fn panic_says_what_becomes_of_traffic() {
        let said = |status| printed(|out| report(&[("a", "DOWN")], status).table(out));
        let all = said("UP (PANIC)");
        assert!(
            all.contains("! app is in PANIC: health is not believed, servers are used, up or not\n"),
            "{all}"
        );
        let none = said("DOWN (PANIC)");
        assert!(none.contains("! app is in PANIC: too few are up, no server is used\n"), "{none}");
    }

    #[test]
    fn forms() {
        let report = report(&[("a", "UP"), ("b\u{202e}", "DOWN 1/2")], "UP");
        insta::assert_snapshot!("table", printed(|out| report.table(out)));
        insta::assert_snapshot!("csv", printed(|out| report.csv(out)));
        insta::assert_snapshot!("json", printed(|out| report.json(out)));
    }
}
