//! The demo's servers as child processes: started, watched, and ended with the demo.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;

use super::origin::Manner;

/// One server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    manner: Manner,
    child: Child,
    running: bool,
}

impl Server {
    fn start(program: &Path, name: &'static str, manner: Manner) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(["demo-origin", "--name", name, "--manner", manner.word()])
            .args(["--parent", &std::process::id().to_string()])
            // A Ctrl-C of the terminal is for the demo, which lets requests end before the servers do.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let address = said(&mut child).with_context(|| format!("the server {name} did not start"));
        if address.is_err() {
            end(&mut child);
        }
        Ok(Self { name, address: address?, manner, child, running: true })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// The address, which a server prints once it listens.
fn said(child: &mut Child) -> anyhow::Result<SocketAddr> {
    let stdout = child.stdout.take().context("it has no standard output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    Ok(line.trim_end().parse()?)
}

fn end(child: &mut Child) {
    // It may have ended before.
    let _gone = child.kill();
    let _reaped = child.wait();
}

/// All of them.
#[derive(Debug)]
pub(super) struct Servers {
    program: PathBuf,
    servers: Vec<Server>,
}

impl Servers {
    pub(super) fn start(wanted: &[(&'static str, Manner)]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut all = Self { program, servers: Vec::with_capacity(wanted.len()) };
        for (name, manner) in wanted {
            let server = Server::start(&all.program, name, *manner)?;
            all.servers.push(server);
        }
        Ok(all)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter()
    }

    /// Address of a server as the configuration writes it.
    pub(super) fn address(&self, name: &str) -> String {
        self.servers.iter().find(|s| s.name == name).map_or_else(String::new, |s| s.address.to_string())
    }

    /// What to tell about servers that ended since the last call.
    pub(super) fn ended(&mut self) -> Option<String> {
        let has_ended =
            |server: &mut Server| server.running && matches!(server.child.try_wait(), Ok(Some(_)));
        let server = self.servers.iter_mut().find_map(|server| has_ended(server).then_some(server))?;
        server.running = false;
        Some(format!(
            "\n{name} (pid {pid}) has ended. To start it again, in another terminal:\n\n  \
             {program} demo-origin --name {name} --manner {manner} --port {port}\n\n",
            name = server.name,
            pid = server.child.id(),
            program = self.program.display(),
            manner = server.manner.word(),
            port = server.address.port(),
        ))
    }

    /// Ends them all.
    pub(super) fn end(&mut self) {
        for server in &mut self.servers {
            end(&mut server.child);
            server.running = false;
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.end();
    }
}

pub(super) fn lock(servers: &Mutex<Servers>) -> MutexGuard<'_, Servers> {
    servers.lock().unwrap_or_else(PoisonError::into_inner)
}
