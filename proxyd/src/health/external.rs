//! A program that finds out: it is told of the server as HAProxy's external checks are, and its exit status counts.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use proto::addr::Address;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::finding::{Answer, Finding, describe, said};
use super::link::Time;
use crate::model::outcome::KEPT_ANSWER;
use crate::model::server::CheckStatus;
use crate::net::timer::Elapsed;

/// HAProxy's word for the address of a proxy that has several.
const UNUSED: &str = "NOT_USED";

/// Whom the program is to look at.
#[derive(Clone, Debug)]
pub struct About<'a> {
    pub proxy: &'a str,
    pub proxy_id: u32,
    pub server: &'a str,
    pub server_id: u32,
    pub address: &'a Address,
    pub maxconn: u32,
    pub served: u32,
    pub encrypted: bool,
    /// `http` or `tcp`.
    pub protocol: &'static str,
}

impl About<'_> {
    /// Address and port, which a Unix socket has none of.
    fn place(&self) -> (String, String) {
        match self.address {
            Address::Ip(ip) => (ip.ip().to_string(), ip.port().to_string()),
            Address::Unix(path) => (path.display().to_string(), UNUSED.to_owned()),
        }
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let (address, port) = self.place();
        let mut all = vec![
            ("HAPROXY_PROXY_ADDR", UNUSED.to_owned()),
            ("HAPROXY_PROXY_PORT", UNUSED.to_owned()),
            ("HAPROXY_PROXY_NAME", self.proxy.to_owned()),
            ("HAPROXY_PROXY_ID", self.proxy_id.to_string()),
            ("HAPROXY_SERVER_ADDR", address),
            ("HAPROXY_SERVER_PORT", port),
            ("HAPROXY_SERVER_NAME", self.server.to_owned()),
            ("HAPROXY_SERVER_ID", self.server_id.to_string()),
            ("HAPROXY_SERVER_MAXCONN", self.maxconn.to_string()),
            ("HAPROXY_SERVER_CURCONN", self.served.to_string()),
            ("HAPROXY_SERVER_SSL", u8::from(self.encrypted).to_string()),
            ("HAPROXY_SERVER_PROTO", self.protocol.to_owned()),
        ];
        all.extend(std::env::var("PATH").ok().map(|path| ("PATH", path)));
        all
    }
}

/// A program and its process group; gone with this unless it has ended.
struct Running {
    child: Child,
    over: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.over {
            // It may have ended just now.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// What it wrote, as far as that is kept, and how it ended; nothing of that where nobody waited so long.
type Ended = (Vec<u8>, Option<ExitStatus>);

/// Runs it; what it writes to standard output is its answer.
pub async fn run(
    command: &Path,
    arguments: Option<&[String]>,
    about: &About<'_>,
    answer: &mut Answer,
    time: &mut Time,
) -> Finding {
    let mut program = Command::new(command);
    let (address, port) = about.place();
    match arguments {
        Some(arguments) => program.args(arguments),
        None => program.args([UNUSED, UNUSED, &address, &port]),
    };
    program
        .env_clear()
        .envs(about.environment())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0);
    // The thread that waits for it sees when nobody waits for the thread any more.
    let (waits, told) = match UnixStream::pair() {
        Ok(pair) => pair,
        Err(error) => return Finding::new(CheckStatus::SockErr, describe(&error)),
    };
    // On a thread of its own: to begin a program may take a while, which no other check is to wait for.
    let begun = Arc::new(AtomicBool::new(false));
    let mut work = tokio::task::spawn_blocking({
        let begun = Arc::clone(&begun);
        move || if begun.swap(true, Relaxed) { Ok(Ended::default()) } else { carry_out(program, &told) }
    });
    let mut ended = time.race(&mut work).await;
    // One that has not begun, because all threads are busy, never does, and is not waited for.
    if ended.is_err() && begun.swap(true, Relaxed) {
        drop(waits);
        ended = Ok(work.await);
    }
    let (output, status) = match ended.map(|joined| joined.map_err(io::Error::other).flatten()) {
        Ok(Ok(ended)) => ended,
        Ok(Err(error)) => return Finding::new(CheckStatus::ProcErr, describe(&error)),
        Err(Elapsed) => Ended::default(),
    };
    *answer = Answer::of(&output);
    match status {
        None => Finding::new(CheckStatus::ProcTimeout, said(&output)),
        Some(status) => judge(status, said(&output)),
    }
}

/// Runs it to its end, or until the other end of `told` is gone.
fn carry_out(mut program: Command, told: &UnixStream) -> io::Result<Ended> {
    let mut running = Running { child: program.spawn()?, over: false };
    let end = pidfd_open(Pid::from_child(&running.child), PidfdFlags::empty())?;
    let mut stdout = running.child.stdout.take();
    let (mut output, mut block) = (Vec::new(), [0; 4096]);
    loop {
        let (gone, ended, wrote) = {
            let mut all = vec![PollFd::new(told, PollFlags::IN), PollFd::new(&end, PollFlags::IN)];
            all.extend(stdout.as_ref().map(|stdout| PollFd::new(stdout, PollFlags::IN)));
            match poll(&mut all, None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let is_ready = |at: usize| all.get(at).is_some_and(|fd| !fd.revents().is_empty());
            (is_ready(0), is_ready(1), is_ready(2))
        };
        if gone {
            return Ok((output, None));
        }
        // What was written comes before the end.
        if let (true, Some(pipe)) = (wrote, &mut stdout) {
            let n = pipe.read(&mut block).unwrap_or(0);
            if n == 0 {
                stdout = None;
            }
            let room = KEPT_ANSWER - output.len();
            output.extend_from_slice(&block[..n.min(room)]);
        } else if ended {
            let status = running.child.wait()?;
            running.over = true;
            return Ok((output, Some(status)));
        }
    }
}

fn judge(status: ExitStatus, text: String) -> Finding {
    match status.code() {
        Some(0) => Finding::new(CheckStatus::ProcOk, text).with_code(0),
        Some(code) => Finding::new(CheckStatus::ProcErr, text).with_code(code as u16),
        None => {
            let signal = status.signal().unwrap_or_default();
            Finding::new(CheckStatus::ProcErr, format!("ended by signal {signal}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    async fn run_shell(script: &str, limit: Duration) -> (Finding, String, Duration) {
        let address = "10.0.0.1:81".parse().unwrap();
        let about = About {
            proxy: "app",
            proxy_id: 3,
            server: "app1",
            server_id: 1,
            address: &address,
            maxconn: 9,
            served: 2,
            encrypted: true,
            protocol: "tcp",
        };
        let start = clock::now();
        let (mut answer, mut time) = (Answer::default(), Time::until(start + limit));
        let arguments = ["-c".to_owned(), script.to_owned()];
        let finding = run(Path::new("/bin/sh"), Some(&arguments), &about, &mut answer, &mut time).await;
        let answer = String::from_utf8(answer.into_bytes().into()).unwrap();
        (finding, answer, clock::now() - start)
    }

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn the_exit_status_counts() {
        let (finding, answer, _) = run_shell("echo fine; echo more", LONG).await;
        assert_eq!(finding, Finding::new(CheckStatus::ProcOk, "fine").with_code(0));
        assert_eq!(answer, "fine\nmore\n");
        let (finding, ..) = run_shell("exit 3", LONG).await;
        assert_eq!(finding, Finding::new(CheckStatus::ProcErr, "").with_code(3));
        let (finding, ..) = run_shell("kill -9 $$", LONG).await;
        assert_eq!(finding, Finding::new(CheckStatus::ProcErr, "ended by signal 9"));
    }

    #[tokio::test]
    async fn it_is_told_of_the_server_and_nothing_else() {
        let (_, answer, _) = run_shell(
            "echo $HAPROXY_PROXY_NAME $HAPROXY_PROXY_ID $HAPROXY_SERVER_NAME $HAPROXY_SERVER_ID $HAPROXY_SERVER_ADDR \
             $HAPROXY_SERVER_PORT $HAPROXY_SERVER_MAXCONN $HAPROXY_SERVER_CURCONN $HAPROXY_SERVER_SSL $HOME",
            LONG,
        )
        .await;
        assert_eq!(answer, "app 3 app1 1 10.0.0.1 81 9 2 1\n");
    }

    #[tokio::test]
    async fn a_long_answer_is_cut_and_holds_nobody_up() {
        let (finding, answer, _) = run_shell("head -c 300000 /dev/zero | tr '\\0' x", LONG).await;
        assert_eq!((finding.status, answer), (CheckStatus::ProcOk, "x".repeat(KEPT_ANSWER)));
    }

    #[tokio::test]
    async fn at_the_timeout_it_and_its_children_are_killed() {
        let dir = tempfile::tempdir().unwrap();
        let late = dir.path().join("late");
        let script = format!("(sleep 3; touch {}) & wait", late.display());
        let (finding, _, took) = run_shell(&script, Duration::from_millis(200)).await;
        assert_eq!(finding.status, CheckStatus::ProcTimeout);
        assert!(took < Duration::from_millis(2500), "{took:?}");
        tokio::time::sleep(Duration::from_millis(3500)).await;
        assert!(!late.exists(), "a child went on");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_told() {
        let address = Address::Unix("/run/x".into());
        let about = About {
            proxy: "app",
            proxy_id: 3,
            server: "app1",
            server_id: 1,
            address: &address,
            maxconn: 0,
            served: 0,
            encrypted: false,
            protocol: "http",
        };
        let (mut answer, mut time) = (Answer::default(), Time::until(clock::now() + LONG));
        let finding = run(Path::new("/no/such/program"), None, &about, &mut answer, &mut time).await;
        assert_eq!(finding, Finding::new(CheckStatus::ProcErr, "No such file or directory"));
    }

    #[test]
    fn one_that_cannot_even_begin_is_not_waited_for() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let folder = tempfile::tempdir().unwrap();
        let trace = folder.path().join("trace");
        runtime.unwrap().block_on(async {
            let busy = tokio::task::spawn_blocking(move || held.recv());
            let script = format!("touch {}", trace.display());
            let check = tokio::time::timeout(LONG, run_shell(&script, Duration::from_millis(100)));
            let outcome = check.await.map(|(finding, ..)| finding.status);
            drop(release);
            busy.await.unwrap().unwrap_err();
            assert_eq!(outcome, Ok(CheckStatus::ProcTimeout));
            // Behind it.
            tokio::task::spawn_blocking(|| ()).await.unwrap();
        });
        assert!(!trace.exists(), "nobody waits for it any more");
    }
}
