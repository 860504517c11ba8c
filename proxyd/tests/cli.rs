//! The program as it is started: words, exit statuses, and the demo from its start to its end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// Longer than anything here takes, so that a test that hangs fails.
const PATIENCE: Duration = Duration::from_secs(30);

fn proxyd(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_proxyd")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn version_and_help() {
    let version = proxyd(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(text(&version.stdout), concat!("proxyd ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = proxyd(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for command in ["run", "check", "print-defaults", "demo"] {
        assert!(text(&help.stdout).contains(&format!("\n  {command} ")), "{command}");
    }
    assert!(!text(&help.stdout).contains("demo-origin"));
}

#[test]
fn usage_errors_have_their_status() {
    for arguments in [&[][..], &["serve"], &["run", "--nonsense"], &["demo", "--web-port", "70000"]] {
        let output = proxyd(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn check_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxyd.ron");
    let check = || proxyd(&["check", "-f", path.to_str().unwrap()]);
    fs::write(&path, "(frontends: [(name: \"web\", bind: [\"127.0.0.1:0\"], default_backend: \"app\")])")
        .unwrap();
    let refused = check();
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains("proxyd.ron:1:") && said.contains("\"app\""), "{said}");
    fs::write(
        &path,
        "(frontends: [(name: \"web\", bind: [\"127.0.0.1:0\"], default_backend: \"app\")],\n \
         backends: [(name: \"app\", servers: [(name: \"app1\", address: \"127.0.0.1:9001\")])])",
    )
    .unwrap();
    let valid = check();
    assert_eq!((valid.status.code(), text(&valid.stdout)), (Some(0), "Configuration file is valid\n"));
}

#[test]
fn defaults_can_be_read_back() {
    let printed = proxyd(&["print-defaults"]);
    assert_eq!(printed.status.code(), Some(0));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("defaults.ron"), &printed.stdout).unwrap();
    fs::write(
        folder.path().join("web.ron"),
        "(listen: [(name: \"web\", bind: [\"127.0.0.1:0\"], servers: [(name: \"a\", address: \"127.0.0.1:1\")])])",
    )
    .unwrap();
    let output = proxyd(&["check", "-f", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

/// A demo that runs; killed when dropped.
struct Demo {
    child: Child,
    /// What it said at the start.
    said: String,
}

impl Demo {
    /// Starts it in a folder, at free ports but for what `arguments` say.
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_proxyd"))
            .args(["demo", "--web-port", "0", "--shop-port", "0", "--metrics-port", "0"])
            .args(arguments)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("Ctrl-C ends it") && stdout.read_line(&mut said).unwrap() > 0 {}
        Self { child, said }
    }

    /// The address after `http://` in the line that begins with `name`.
    fn address(&self, name: &str) -> &str {
        let line = self.said.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.split_once("http://").unwrap().1.split('/').next().unwrap()
    }

    fn servers(&self) -> Vec<Pid> {
        let pids = self.said.lines().filter_map(|line| line.split_once(" pid ")?.1.split(' ').next());
        pids.filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
    }

    fn end(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_demo() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path(), &[]);
    let servers = demo.servers();
    // The demo itself says its pid too, after a comma.
    assert_eq!(servers.len(), 8, "{}", demo.said);

    let web = demo.address("web");
    let answers: Vec<String> = (0..30).map(|_| get(web, "/")).collect();
    let of = |name: &str| answers.iter().filter(|a| a.ends_with(&format!("Hello from {name}\n"))).count();
    assert_eq!((of("app1"), of("app2")), (20, 10), "{answers:#?}");
    assert!(get(demo.address("shop"), "/").starts_with("HTTP/1.1 200 "));
    let sample = "haproxy_server_http_responses_total{proxy=\"app\",server=\"app1\",code=\"2xx\"} 20\n";
    // A request is counted when its last byte is out, which the client may see first.
    eventually("the answers are counted", || get(demo.address("metrics"), "/metrics").contains(sample));
    assert!(get(demo.address("metrics"), "/ready").starts_with("HTTP/1.1 200 "));

    // A second one at the same port says what to do, and leaves nothing behind.
    let port = web.rsplit_once(':').unwrap().1;
    let arguments =
        ["demo", "--shop-port", "0", "--metrics-port", "0", "--socket", "other.sock", "--web-port", port];
    let second = Command::new(env!("CARGO_BIN_EXE_proxyd"))
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = text(&second.stderr);
    assert!(said.contains(web) && said.contains("--web-port"), "{said}");

    assert_eq!(demo.end(Signal::INT), Some(0));
    for pid in servers {
        assert!(test_kill_process(pid).is_err(), "{pid:?} still runs");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a file was left");
}

#[test]
fn servers_of_the_demo_end_with_it_even_when_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path(), &[]);
    let pids = demo.servers();
    assert_eq!(demo.end(Signal::KILL), None);
    // The kernel ends them, and their last parent takes note of it, a moment later.
    eventually("the servers end", || !pids.iter().any(|pid| is_running(*pid)));
}

/// What the introduction says can be tried.
#[test]
fn the_demo_can_be_played_with() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path(), &[]);
    let web = demo.address("web");
    let answered = |name: &str| get(web, "/").ends_with(&format!("\nHello from {name}\n"));

    // A server that is drained keeps what it has and gets nothing new.
    let mut download = BufReader::new(TcpStream::connect(web).unwrap());
    download.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    write!(download.get_mut(), "GET /download HTTP/1.1\r\nHost: demo\r\n\r\n").unwrap();
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        download.read_line(&mut line).unwrap();
    }
    line.clear();
    download.read_line(&mut line).unwrap();
    let (drained, other) = if line == "app1\n" { ("app1", "app2") } else { ("app2", "app1") };
    assert_eq!(tell(folder.path(), &format!("set server app/{drained} state drain")), "\n");
    assert!((0..6).all(|_| answered(other)), "{drained} is drained");
    let mut more = vec![0; 40 * 1024];
    download.read_exact(&mut more).unwrap();
    assert!(text(&more).contains(&line));
    drop(download);
    assert_eq!(tell(folder.path(), &format!("set server app/{drained} state ready")), "\n");
    assert!((0..3).any(|_| answered(drained)), "{drained} is back");

    // A server that is killed is missed by nobody.
    let pid = demo.said.lines().find_map(|line| line.strip_prefix("  kill -9 ")).unwrap();
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    assert!((0..9).all(|_| answered("app2")), "app1 was killed");
    assert_eq!(demo.end(Signal::TERM), Some(0));
}

fn tell(folder: &Path, command: &str) -> String {
    let mut socket = UnixStream::connect(folder.join("proxyd.sock")).unwrap();
    writeln!(socket, "{command}").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::yield_now();
    }
}

/// Alive and not merely unburied.
fn is_running(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}
