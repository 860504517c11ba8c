//! The program on a terminal: it draws, acts, and leaves the terminal as it was, however it ends.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::balancer::{Balancer, Served};

/// How long something that must come is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// Leaves the alternate screen.
const LEAVE: &str = "\x1b[?1049l";
/// Shows the cursor.
const SHOW: &str = "\x1b[?25h";

/// A terminal with the program on it.
struct Terminal {
    child: Child,
    keys: File,
    side: OwnedFd,
    bytes: Receiver<Vec<u8>>,
    /// All that was written since the last look for something.
    seen: String,
    served: Served,
}

impl Terminal {
    fn start(args: &[&str]) -> Self {
        let served = Balancer::start(|_| {});
        let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&control).unwrap();
        unlockpt(&control).unwrap();
        let name = ptsname(&control, Vec::new()).unwrap();
        let side: OwnedFd =
            File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap().into();
        let socket = served.socket.to_str().unwrap();
        resize(&side, 80, 24);
        let child = Command::new(env!("CARGO_BIN_EXE_lbtop"))
            .args(["-s", socket, "--glyphs", "ascii"])
            .args(args)
            .env("TERM", "xterm")
            .env_remove("SSH_CONNECTION")
            .env_remove("SSH_TTY")
            .stdin(side.try_clone().unwrap())
            .stdout(side.try_clone().unwrap())
            .stderr(side.try_clone().unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        let keys: File = control.into();
        let mut screen = keys.try_clone().unwrap();
        let (sender, bytes) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read) = screen.read(&mut buffer) {
                if read == 0 || sender.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, side, bytes, seen: String::new(), served }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Whether `text` was written within `patience`; what came up to it is forgotten.
    fn shows_within(&mut self, text: &str, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return true;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            if let Ok(bytes) = self.bytes.recv_timeout(left) {
                self.seen.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
    }

    fn shows(&mut self, text: &str) {
        assert!(self.shows_within(text, PATIENCE), "never {text:?} in {:?}", self.seen);
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// The end of the program, and of its hold on the terminal.
    fn ends(&mut self) -> ExitStatus {
        self.shows(SHOW);
        self.shows(LEAVE);
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end: {:?}", self.seen);
            thread::yield_now();
        };
        assert!(self.is_as_it_was());
        status
    }

    fn is_as_it_was(&self) -> bool {
        tcgetattr(&self.side).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn resize(side: &OwnedFd, columns: u16, lines: u16) {
    let size = Winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(side.as_fd(), size).unwrap();
}

#[test]
fn it_draws_and_leaves() {
    let mut terminal = Terminal::start(&[]);
    terminal.shows("app/app1");
    assert!(!terminal.is_as_it_was());
    terminal.press("q");
    assert_eq!(terminal.ends().code(), Some(0));
}

#[test]
fn signals_end_it_cleanly() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut terminal = Terminal::start(&[]);
        terminal.shows("app/app1");
        kill_process(terminal.pid(), signal).unwrap();
        assert_eq!(terminal.ends().code(), Some(0), "{signal:?}");
    }
}

#[test]
fn keys_on_the_terminal_drain_a_server() {
    let mut terminal = Terminal::start(&[]);
    terminal.shows("app/app1");
    terminal.press("/app1\rd");
    terminal.shows("sends");
    // What is typed before anybody can have read the question is dropped; a person would just press again.
    let commands = |terminal: &Terminal| terminal.served.balancer.lock().unwrap().commands.clone();
    let deadline = Instant::now() + PATIENCE;
    while commands(&terminal).is_empty() {
        assert!(Instant::now() < deadline, "nothing was sent");
        terminal.press("y");
        terminal.shows_within("nothing of the kind", Duration::from_millis(50));
    }
    assert_eq!(commands(&terminal), ["set server app/app1 state drain"]);
    // The row says it where nothing stood before.
    terminal.shows("DRAIN");
    terminal.press("q");
    terminal.ends();
}

#[test]
fn no_size_ends_it() {
    let mut terminal = Terminal::start(&["--read-only"]);
    terminal.shows("app/app1");
    for (columns, lines) in [(1, 1), (200, 1), (1, 60), (19, 3), (40, 12)] {
        resize(&terminal.side, columns, lines);
        kill_process(terminal.pid(), Signal::WINCH).unwrap();
    }
    resize(&terminal.side, 90, 24);
    kill_process(terminal.pid(), Signal::WINCH).unwrap();
    terminal.shows("BACKEND/SERVER");
    terminal.press("?");
    terminal.shows("MOVE");
    terminal.press("qq");
    assert_eq!(terminal.ends().code(), Some(0));
}

#[test]
fn it_stops_and_goes_on() {
    let mut terminal = Terminal::start(&[]);
    terminal.shows("app/app1");
    terminal.press("\x1a");
    terminal.shows(LEAVE);
    let stat = format!("/proc/{}/stat", terminal.child.id());
    let is_stopped = || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "));
    let deadline = Instant::now() + PATIENCE;
    while !is_stopped() {
        assert!(Instant::now() < deadline, "never stopped");
        thread::yield_now();
    }
    assert!(terminal.is_as_it_was());
    kill_process(terminal.pid(), Signal::CONT).unwrap();
    terminal.shows("app/app1");
    terminal.press("q");
    assert_eq!(terminal.ends().code(), Some(0));
}
