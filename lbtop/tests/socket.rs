//! Keys in, bytes on the socket out: the whole program but its terminal, against a balancer that is a thread.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should panic")]
#![expect(clippy::format_push_string, reason = "answers of a few lines")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use lbtop::app::action::{Outcome, Phase};
use lbtop::app::key::Key;
use lbtop::app::msg::Msg;
use lbtop::app::state::{App, Mode};
use lbtop::app::update::update;
use lbtop::model::instance::Link;
use lbtop::model::server::ServerId;
use lbtop::transport::clock::Clock;
use lbtop::transport::mailbox::{Inbox, mailbox};
use lbtop::transport::{self, Handle};
use tempfile::TempDir;

/// What the balancer is, and does.
#[derive(Debug)]
struct Balancer {
    version: &'static str,
    level: &'static str,
    pid: u32,
    /// Admin bits and weight by server.
    servers: BTreeMap<&'static str, (u32, u32)>,
    /// Every line that changes something.
    commands: Vec<String>,
    refuse: Option<&'static str>,
    /// Whether the connection is cut where the answer to a command belongs.
    hangs_up: bool,
    watchers: usize,
    /// Whether there is no room for a watcher.
    is_crowded: bool,
}

type Shared = Arc<Mutex<Balancer>>;

impl Balancer {
    fn answer(&mut self, line: &str) -> Option<String> {
        if let Some(rest) = line.strip_prefix("set server app/") {
            self.commands.push(line.to_owned());
            if self.hangs_up {
                return None;
            }
            if let Some(words) = self.refuse {
                return Some(format!("{words}\n\n"));
            }
            let words: Vec<&str> = rest.split(' ').collect();
            let (admin, weight) = self.servers.get_mut(words[0]).unwrap();
            match (words[1], words[2]) {
                ("state", "ready") => *admin = 0,
                ("state", "maint") => *admin = 1,
                ("state", "drain") => *admin = 8,
                ("weight", percent) if percent.ends_with('%') => {
                    *weight = percent.trim_end_matches('%').parse().unwrap();
                }
                (_, number) => *weight = number.parse().unwrap(),
            }
            return Some("\n".into());
        }
        Some(match line {
            "show cli level" => format!("{}\n\n", self.level),
            "show info;show stat" => format!(
                "Name: HAProxy\nVersion: {}\nPid: {}\nUptime_sec: 9\nnode: lb\nStart_time_sec: 5\n\n{}\n",
                self.version,
                self.pid,
                self.stat()
            ),
            "show servers state app" => format!("{}\n", self.state()),
            _ => "Unknown command.\n\n".into(),
        })
    }

    fn status(admin: u32) -> &'static str {
        match admin {
            0 => "UP",
            8 => "DRAIN",
            _ => "MAINT",
        }
    }

    fn stat(&self) -> String {
        let mut text = "# pxname,svname,scur,status,weight,bck,lastchg,type,\n".to_owned();
        for (name, (admin, weight)) in &self.servers {
            text += &format!("app,{name},1,{},{weight},0,9,2,\n", Self::status(*admin));
        }
        text + "app,BACKEND,2,UP,200,0,9,1,\n"
    }

    fn state(&self) -> String {
        let mut text = "1\n# be_id and so on\n".to_owned();
        for (at, (name, (admin, weight))) in self.servers.iter().enumerate() {
            text += &format!(
                "3 app {at} {name} 127.0.0.1 2 {admin} {weight} 100 4 6 3 4 6 0 0 0 - 80 - 0 0 - - 0\n"
            );
        }
        text
    }

    /// The lines of the stream up to its first beat.
    fn stream(&self) -> String {
        let mut text =
            r#"{"kind":"hello","v":1,"server":"proxyd","boot":"b","interval_ms":1000}"#.to_owned() + "\n";
        text += &format!(
            r#"{{"kind":"info","info":{{"Name":"HAProxy","Version":"{}","Pid":{},"Start_time_sec":5,"node":"lb"}}}}"#,
            self.version, self.pid
        );
        for (at, (name, (admin, weight))) in self.servers.iter().enumerate() {
            text += "\n";
            text += &format!(
                r#"{{"kind":"row","id":"s/app/{name}","row":{{"pxname":"app","svname":"{name}","scur":1,"status":"{}","weight":{weight},"bck":0,"type":2,"iid":3,"sid":{at}}}}}"#,
                Self::status(*admin)
            );
        }
        text + "\n{\"kind\":\"sync\",\"seq\":1}\n"
    }
}

fn serve(listener: &UnixListener, shared: &Shared) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { return };
        let shared = shared.clone();
        thread::spawn(move || connection(stream, &shared));
    }
}

fn connection(mut stream: UnixStream, shared: &Shared) {
    let mut line = String::new();
    BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
    let line = line.trim_end();
    if line == "watch every 1s" && shared.lock().unwrap().version.contains("proxyd") {
        let state = {
            let mut balancer = shared.lock().unwrap();
            balancer.watchers += 1;
            if balancer.is_crowded {
                let _gone = stream.write_all(b"{\"kind\":\"error\",\"message\":\"too many watchers\"}\n");
                return;
            }
            balancer.stream()
        };
        stream.write_all(state.as_bytes()).unwrap();
        // Held open, silent, until the other side goes.
        let _gone = BufReader::new(stream).read_line(&mut String::new());
        return;
    }
    let answer = shared.lock().unwrap().answer(line);
    let _gone = answer.map(|answer| stream.write_all(answer.as_bytes()));
}

/// The program without its terminal.
struct Desk {
    app: App,
    inbox: Inbox,
    handle: Handle,
    clock: Clock,
    /// How far the program's clock is ahead: nobody waits for dead time here.
    ahead: u64,
    balancer: Shared,
    socket: PathBuf,
    _dir: TempDir,
}

impl Desk {
    fn new(change: impl FnOnce(&mut Balancer)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("x.sock");
        let mut balancer = Balancer {
            version: "2.6.12",
            level: "admin",
            pid: 7,
            servers: BTreeMap::from([("app1", (0, 100)), ("app2", (0, 100))]),
            commands: Vec::new(),
            refuse: None,
            hangs_up: false,
            watchers: 0,
            is_crowded: false,
        };
        change(&mut balancer);
        let balancer = Arc::new(Mutex::new(balancer));
        let listener = UnixListener::bind(&socket).unwrap();
        let shared = balancer.clone();
        thread::spawn(move || serve(&listener, &shared));
        let (mailbox, inbox) = mailbox();
        let (handle, work) = transport::new(socket.clone(), mailbox);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(work.run());
        });
        let app = App::new("x.sock", false, 80, 24);
        let mut desk =
            Self { app, inbox, handle, clock: Clock::start(), ahead: 0, balancer, socket, _dir: dir };
        desk.until("connected", |app| app.instance.level.is_some() && !app.order.is_empty());
        desk
    }

    fn tell(&mut self, msg: Msg) {
        let mut now = self.clock.now();
        now.mono += self.ahead;
        update(&mut self.app, Msg::Tick(now));
        for effect in update(&mut self.app, msg) {
            self.handle.take(effect);
        }
    }

    /// Takes news until `is_so`.
    fn until(&mut self, what: &str, is_so: impl Fn(&App) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !is_so(&self.app) {
            let left = deadline.checked_duration_since(Instant::now());
            let left = left.unwrap_or_else(|| panic!("never {what}: {:#?}", self.app));
            if let Ok(post) = self.inbox.posts.recv_timeout(left)
                && let Some(msg) = self.inbox.open(post)
            {
                self.tell(msg);
            }
        }
    }

    fn keys(&mut self, keys: &str) {
        for c in keys.chars() {
            self.tell(Msg::Key(if c == '\n' { Key::Enter } else { Key::Char(c) }));
            self.tell(Msg::Painted);
            self.ahead += 200;
        }
    }

    /// Types keys and waits for what becomes of the command.
    fn outcome(&mut self, keys: &str) -> Outcome {
        self.keys(keys);
        self.until("settled", |app| app.actions.last().is_some_and(|action| action.phase != Phase::Pending));
        match &self.app.actions.last().unwrap().phase {
            Phase::Settled { outcome, .. } => outcome.clone(),
            Phase::Pending => panic!("still pending"),
        }
    }

    fn commands(&self) -> Vec<String> {
        self.balancer.lock().unwrap().commands.clone()
    }

    fn word(app: &App, name: &str) -> String {
        app.instance.server(&ServerId::new("app", name)).map_or("", |server| server.word()).to_owned()
    }
}

#[test]
fn drain_and_undo_on_the_wire() {
    let mut desk = Desk::new(|_| {});
    assert!(matches!(desk.outcome("/app1\ndy"), Outcome::Done { .. }));
    assert_eq!(desk.commands(), ["set server app/app1 state drain"]);
    desk.until("drained", |app| Desk::word(app, "app1") == "DRAIN");
    assert!(matches!(desk.outcome("zy"), Outcome::Done { .. }));
    desk.until("back", |app| Desk::word(app, "app1") == "UP");
    assert!(matches!(desk.outcome("w50%\ny"), Outcome::Done { .. }));
    desk.until("lighter", |app| app.instance.servers[0].weight() == 50);
    assert!(matches!(desk.outcome("zy"), Outcome::Done { .. }));
    assert_eq!(
        desk.commands()[1..],
        [
            "set server app/app1 state ready",
            "set server app/app1 weight 50%",
            "set server app/app1 weight 100"
        ]
    );
}

#[test]
fn what_was_refused_is_said_in_the_balancers_words() {
    let mut desk = Desk::new(|balancer| balancer.refuse = Some("Permission denied"));
    assert_eq!(desk.outcome("dy"), Outcome::Refused("Permission denied".into()));
}

#[test]
fn a_cut_answer_is_unknown_and_never_sent_again() {
    let mut desk = Desk::new(|balancer| balancer.hangs_up = true);
    assert!(matches!(desk.outcome("dy"), Outcome::Unknown(_)));
    desk.balancer.lock().unwrap().hangs_up = false;
    let seen = desk.app.instance.generation;
    desk.until("looked again", |app| app.instance.generation > seen + 1);
    assert_eq!(desk.commands().len(), 1);
}

#[test]
fn somebody_elses_change_is_asked_about() {
    let mut desk = Desk::new(|_| {});
    desk.keys("/app1\nd");
    desk.balancer.lock().unwrap().servers.insert("app1", (1, 100));
    desk.keys("y");
    desk.until("asked again", |app| matches!(&app.mode, Mode::Ask(question) if question.again.is_some()));
    assert!(desk.commands().is_empty());
}

#[test]
fn a_socket_below_admin_takes_no_commands() {
    let mut desk = Desk::new(|balancer| balancer.level = "operator");
    desk.keys("dymyw0\nyzy");
    assert!(desk.commands().is_empty());
    assert!(desk.app.note.as_ref().is_some_and(|note| note.text.contains("operator")));
}

#[test]
fn the_stream_is_used_where_there_is_one() {
    let mut desk = Desk::new(|balancer| balancer.version = "3.2.0-proxyd-0.1.0");
    let seen = desk.app.instance.generation;
    desk.until("streamed", |app| app.instance.generation > seen);
    assert_eq!(desk.balancer.lock().unwrap().watchers, 1);
    assert!(matches!(desk.outcome("/app2\nmy"), Outcome::Done { .. }));
    // The stream is silent; it is the look after the command that shows it.
    desk.until("in maintenance", |app| Desk::word(app, "app2") == "MAINT");
}

#[test]
fn a_stream_that_has_no_room_is_polled_instead() {
    let mut desk = Desk::new(|balancer| {
        balancer.version = "3.2.0-proxyd-0.1.0";
        balancer.is_crowded = true;
    });
    let seen = desk.app.instance.generation;
    desk.until("looked twice more", |app| app.instance.generation > seen + 1);
    assert_eq!(desk.balancer.lock().unwrap().watchers, 1);
    assert_eq!(desk.app.instance.link, Link::Open);
}

#[test]
fn a_balancer_that_goes_is_lost_and_comes_back() {
    let mut desk = Desk::new(|_| {});
    std::fs::rename(&desk.socket, desk.socket.with_extension("away")).unwrap();
    desk.until("lost", |app| matches!(app.instance.link, Link::Lost { .. }));
    assert_eq!(desk.app.order.len(), 2, "what was known stays");
    desk.keys("dy");
    assert!(desk.commands().is_empty());
    desk.balancer.lock().unwrap().pid = 8;
    std::fs::rename(desk.socket.with_extension("away"), &desk.socket).unwrap();
    desk.until("back", |app| app.instance.link == Link::Open);
    assert!(desk.app.note.as_ref().is_some_and(|note| note.text.contains("restarted")));
}
