//! A balancer that is a thread: it answers what the console asks, and remembers what it was told.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

/// What the balancer is, and does.
#[derive(Debug)]
pub(crate) struct Balancer {
    pub(crate) version: &'static str,
    pub(crate) level: &'static str,
    pub(crate) pid: u32,
    /// Admin bits and weight by server.
    pub(crate) servers: BTreeMap<&'static str, (u32, u32)>,
    /// Every line that changes something.
    pub(crate) commands: Vec<String>,
    pub(crate) refuse: Option<&'static str>,
    /// Whether the connection is cut where the answer to a command belongs.
    pub(crate) hangs_up: bool,
    pub(crate) watchers: usize,
    /// Whether there is no room for a watcher.
    pub(crate) is_crowded: bool,
}

pub(crate) type Shared = Arc<Mutex<Balancer>>;

/// A balancer in a folder of its own.
pub(crate) struct Served {
    pub(crate) balancer: Shared,
    pub(crate) socket: PathBuf,
    _dir: TempDir,
}

impl Balancer {
    /// Starts one; `change` makes it another than the plain one.
    pub(crate) fn start(change: impl FnOnce(&mut Self)) -> Served {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("x.sock");
        let mut balancer = Self {
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
        Served { balancer, socket, _dir: dir }
    }

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
