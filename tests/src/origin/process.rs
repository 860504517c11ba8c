//! A server that is a process of its own, so that it can be killed as one.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use socket2::Socket;

use super::bound;
use crate::binaries;
use crate::fail;

/// One of the demo's servers: `/` says its name, `/healthz` that it is well, `/download` takes a minute.
pub struct Process {
    name: String,
    addr: SocketAddr,
    child: Child,
    /// Bound and never listening: while the process is dead connecting is refused, and the port stays ours.
    _held: Socket,
}

impl Process {
    /// On 127.0.0.1.
    pub fn start(name: &str) -> Self {
        let held = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let addr = held.local_addr().ok().and_then(|it| it.as_socket()).expect("it is bound");
        Self { name: name.to_owned(), addr, child: spawn(name, addr), _held: held }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::KILL).expect("it runs");
        self.child.wait().expect("it is our child");
    }

    /// A new process at the same address.
    pub fn restart(&mut self) {
        self.child = spawn(&self.name, self.addr);
    }
}

fn spawn(name: &str, addr: SocketAddr) -> Child {
    let mut child = Command::new(binaries::proxyd())
        .args(["demo-origin", "--name", name, "--port", &addr.port().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("proxyd can be executed");
    // It prints its address once it listens.
    let mut line = String::new();
    let stdout = child.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    if line.trim_end() != addr.to_string() {
        child.kill().ok();
        child.wait().ok();
        fail(&format!("the server says {line:?} and not {addr}"));
    }
    child
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("name", &self.name).field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
