//! One running proxyd, in a folder of its own.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::binaries;
use crate::client::Client;
use crate::config::Config;
use crate::eventually::{eventually, within};
use crate::fail;
use crate::stream::Address;

const START: Duration = Duration::from_mins(1);

/// How a proxyd is to be started.
#[derive(Debug)]
pub struct Start {
    config: String,
    env: Vec<(String, String)>,
    /// Flag of the shell's `ulimit`, and its argument.
    nofile: Option<(&'static str, u32)>,
    dir: TempDir,
}

/// A proxyd that says it is ready.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    dir: TempDir,
    exited: Option<ExitStatus>,
    /// Where it speaks to its service manager.
    manager: UnixDatagram,
}

/// A proxyd that did not come up.
#[derive(Debug)]
pub struct Failed {
    pub status: ExitStatus,
    pub log: String,
}

impl Start {
    /// With this configuration.
    pub fn new(config: &Config) -> Self {
        Self::text(&config.render())
    }

    /// With this file.
    pub fn text(config: &str) -> Self {
        // Unix socket paths end at 107 bytes: the folder's name is short.
        let dir = tempfile::Builder::new().prefix("px").tempdir().expect("a temporary folder");
        Self { config: config.to_owned(), env: Vec::new(), nofile: None, dir }
    }

    /// The folder it will run in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// With a variable in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// With so many file descriptors and no more.
    #[must_use]
    pub fn nofile(mut self, limit: u32) -> Self {
        self.nofile = Some(("-n", limit));
        self
    }

    /// With so many file descriptors, and leave to ask for more.
    #[must_use]
    pub fn nofile_soft(mut self, limit: u32) -> Self {
        self.nofile = Some(("-S -n", limit));
        self
    }

    /// Starts it; it comes up.
    pub fn run(self) -> Daemon {
        let config = self.config.clone();
        match self.try_run() {
            Ok(daemon) => daemon,
            Err(Failed { status, log }) => {
                eprintln!("--- configuration\n{config}--- log of proxyd\n{log}---");
                fail(&format!("proxyd did not start: {status}"))
            }
        }
    }

    /// Starts it and waits until it is ready or has ended.
    pub fn try_run(self) -> Result<Daemon, Failed> {
        let Self { config, env, nofile, dir } = self;
        fs::write(dir.path().join("proxyd.ron"), config).expect("the folder is writable");
        let notify = dir.path().join("notify");
        let manager = UnixDatagram::bind(&notify).expect("a notification socket");
        manager.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout is set");
        let log = File::create(dir.path().join("log")).expect("the folder is writable");
        let mut command = match nofile {
            None => Command::new(binaries::proxyd()),
            Some((flag, limit)) => {
                // The limit is lowered by a shell that then becomes proxyd, so the process id holds.
                let mut shell = Command::new("/bin/sh");
                shell
                    .args(["-c", &format!("ulimit {flag} {limit}; exec \"$0\" \"$@\"")])
                    .arg(binaries::proxyd());
                shell
            }
        };
        command.args(["run", "-f", "proxyd.ron"]).current_dir(dir.path());
        command.env("NOTIFY_SOCKET", &notify).envs(env);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("one more descriptor")).stderr(log);
        let child = command.spawn().expect("proxyd can be executed");
        let mut daemon = Daemon { child, dir, exited: None, manager };
        let start = Instant::now();
        loop {
            if daemon.told("READY=1") {
                return Ok(daemon);
            }
            if let Some(status) = daemon.poll_exit() {
                return Err(Failed { status, log: daemon.log() });
            }
            assert!(start.elapsed() < START, "no READY=1 within {START:?}; log:\n{}", daemon.log());
        }
    }
}

impl Daemon {
    /// Starts one with this configuration.
    pub fn start(config: &Config) -> Self {
        Start::new(config).run()
    }

    /// Its working directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote on standard error and output so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Waits until it has logged this, which it does behind what it does; the log up to there.
    pub fn logged(&self, what: &str) -> String {
        eventually(&format!("{what:?} in the log"), || {
            let log = self.log();
            log.contains(what).then_some(log)
        })
    }

    /// Its admin socket.
    pub fn socket_path(&self) -> PathBuf {
        self.dir.path().join("proxyd.sock")
    }

    /// One command over a connection of its own, as socat does it; the answer without its terminating empty line.
    pub fn admin(&self, command: &str) -> String {
        let mut client = Client::unix(&self.socket_path());
        client.send(format!("{command}\n"));
        let answer = String::from_utf8_lossy(&client.read_to_end()).into_owned();
        answer.strip_suffix('\n').map(str::to_owned).unwrap_or(answer)
    }

    /// Addresses of the listeners of a frontend, or of `GLOBAL`.
    pub fn listeners(&self, proxy: &str) -> Vec<(String, Address)> {
        let answer = self.admin("show listeners");
        let mut found = Vec::new();
        for line in answer.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let (Some(px), Some(name), Some(address)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            if px != proxy {
                continue;
            }
            let address = match address.strip_prefix("unix@") {
                Some(path) => Address::Unix(self.dir.path().join(path)),
                None => Address::Tcp(address.parse().expect("an address in `show listeners`")),
            };
            found.push((name.to_owned(), address));
        }
        assert!(!found.is_empty(), "no listener of {proxy} in\n{answer}");
        found
    }

    /// Where a frontend's first TCP listener is.
    pub fn listener(&self, proxy: &str) -> SocketAddr {
        let listeners = self.listeners(proxy);
        let tcp = listeners.iter().find_map(|(_, address)| match address {
            Address::Tcp(addr) => Some(*addr),
            Address::Unix(_) => None,
        });
        tcp.expect("a TCP listener")
    }

    /// A client of frontend `web`.
    pub fn client(&self) -> Client {
        Client::tcp(self.listener("web"))
    }

    /// One cell of `show stat`; empty is empty.
    pub fn stat(&self, px: &str, sv: &str, column: &str) -> String {
        let answer = self.admin("show stat");
        let rows = parse_csv(&answer);
        let row = rows.iter().find(|row| {
            row.get("pxname").map(String::as_str) == Some(px)
                && row.get("svname").map(String::as_str) == Some(sv)
        });
        let row = row.unwrap_or_else(|| fail(&format!("no row {px}/{sv} in\n{answer}")));
        row.get(column).cloned().unwrap_or_else(|| fail(&format!("no column {column}")))
    }

    /// One counter of `show stat`; an empty one is 0.
    pub fn count(&self, px: &str, sv: &str, column: &str) -> u64 {
        let cell = self.stat(px, sv, column);
        if cell.is_empty() { 0 } else { cell.parse().expect("a counter is a number") }
    }

    /// Waits until a server has a status that starts so.
    pub fn wait_status(&self, px: &str, sv: &str, status: &str) {
        eventually(&format!("{px}/{sv} {status}"), || {
            self.stat(px, sv, "status").starts_with(status).then_some(())
        });
    }

    /// Whether the next message to its service manager, one that comes soon, says so.
    pub fn told(&self, what: &str) -> bool {
        let mut message = [0; 512];
        match self.manager.recv(&mut message) {
            Ok(n) => message[..n].split(|&it| it == b'\n').any(|line| line == what.as_bytes()),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                ) =>
            {
                false
            }
            Err(error) => fail(&format!("the notification socket: {error}")),
        }
    }

    /// Sends a signal to it.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it is our child and not yet waited for");
    }

    /// Its exit status, if it has ended.
    pub fn poll_exit(&mut self) -> Option<ExitStatus> {
        if self.exited.is_none() {
            self.exited = self.child.try_wait().expect("it is our child");
        }
        self.exited
    }

    /// Waits for its end.
    pub fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        within(limit, "proxyd ends", || self.poll_exit())
    }

    /// Its resident memory in bytes.
    pub fn rss(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("kB");
        kib * 1024
    }

    /// Processor time it has used, user and system.
    pub fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        // The name in parentheses may hold anything; utime and stime are fields 14 and 15 of the line.
        let (_, rest) = stat.rsplit_once(')').expect("a name in parentheses");
        let ticks: u64 =
            rest.split_whitespace().skip(11).take(2).map(|it| it.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// How many file descriptors it has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it runs").count()
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid())).expect("it runs")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.poll_exit().is_none() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
        if std::thread::panicking() {
            eprintln!("--- log of proxyd {}\n{}---", self.child.id(), self.log());
        }
    }
}

/// `show stat` as rows of name and value.
pub fn parse_csv(text: &str) -> Vec<HashMap<String, String>> {
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default().trim_start_matches("# ");
    let names: Vec<&str> = header.split(',').collect();
    lines
        .filter(|line| !line.is_empty())
        .map(|line| names.iter().map(|&it| it.to_owned()).zip(split_csv(line)).collect())
        .collect()
}

/// Splits one line; a field with a comma or a quote stands in quotes.
fn split_csv(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields.last_mut().expect("never empty").push(other),
        }
    }
    fields
}
