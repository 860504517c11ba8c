//! The stats socket from outside, while time stands still: whoever waits here lets others run, and is never idle.

use std::io::{ErrorKind, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Turns after which an answer will never come.
const PATIENCE: usize = 20_000;

/// A listener with a name of its own, outside the file system.
pub(crate) fn listener(seed: u64) -> (String, UnixListener) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("proxyd-sim-{}-{seed}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
    let listener = UnixListener::bind_addr(&address(&name)).unwrap();
    listener.set_nonblocking(true).unwrap();
    (name, listener)
}

fn address(name: &str) -> SocketAddr {
    SocketAddr::from_abstract_name(name).unwrap()
}

/// One connection.
pub(crate) struct Console {
    stream: UnixStream,
    read: Vec<u8>,
}

impl Console {
    pub(crate) fn connect(name: &str) -> Self {
        let stream = UnixStream::connect_addr(&address(name)).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    /// One that stays for many commands.
    pub(crate) async fn open(name: &str) -> Result<Self, String> {
        let mut console = Self::connect(name);
        for command in ["prompt i", "set timeout cli 1d"] {
            let said = console.ask(command).await?;
            if !said.is_empty() {
                return Err(format!("{command}: {said}"));
            }
        }
        Ok(console)
    }

    /// The answer to one command, without the empty line behind it.
    pub(crate) async fn ask(&mut self, command: &str) -> Result<String, String> {
        self.send(command);
        for _ in 0..PATIENCE {
            self.take_in();
            if self.read == b"\n" || self.read.ends_with(b"\n\n") {
                let said = String::from_utf8(std::mem::take(&mut self.read)).unwrap();
                return Ok(said.trim_end_matches('\n').to_owned());
            }
            tokio::task::yield_now().await;
        }
        Err(format!("no answer to {command:?}, but {:?}", String::from_utf8_lossy(&self.read)))
    }

    pub(crate) fn send(&mut self, command: &str) {
        self.stream.write_all(format!("{command}\n").as_bytes()).unwrap();
    }

    /// Reads what is there; false at the end.
    fn take_in(&mut self) -> bool {
        let mut room = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut room) {
                Ok(0) => return false,
                Ok(n) => self.read.extend_from_slice(&room[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Whole lines that are there.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        self.take_in();
        let Some(end) = self.read.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let rest = self.read.split_off(end + 1);
        let lines = String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
        lines.lines().map(str::to_owned).collect()
    }

    /// Waits for lines until one is as wanted; all that came.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>, String> {
        let mut all = Vec::new();
        for _ in 0..PATIENCE {
            let lines = self.lines();
            let found = lines.iter().any(|line| wanted(line));
            all.extend(lines);
            if found {
                return Ok(all);
            }
            tokio::task::yield_now().await;
        }
        Err(format!("what is waited for does not come; {} lines did, the last: {:?}", all.len(), all.last()))
    }
}
