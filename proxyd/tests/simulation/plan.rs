//! A drawn configuration, as text and as what the simulation has to know of it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use proxyd::config::source::Memory;
use proxyd::config::{self, Config};

use crate::cookies::CookiePlan;
use crate::dice::Dice;
use crate::hashing;
use crate::marked::MarkPlan;
use crate::observed::ObservePlan;
use crate::pins::PersistPlan;
use crate::sticking::StickPlan;

/// What is configured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) backends: Vec<BackendPlan>,
}

#[derive(Clone, Debug)]
pub(crate) struct BackendPlan {
    pub(crate) name: String,
    pub(crate) balance: String,
    pub(crate) backups: &'static str,
    /// Percent of the servers, and what is done below it.
    pub(crate) panic: Option<(u64, &'static str)>,
    /// Percent of the servers that may be left out.
    pub(crate) eject: Option<u64>,
    pub(crate) check: Option<CheckPlan>,
    pub(crate) servers: Vec<ServerPlan>,
    pub(crate) connect: Duration,
    pub(crate) queue: Duration,
    pub(crate) server: Duration,
    pub(crate) retries: u32,
    pub(crate) redispatch: bool,
    cookie: Option<CookiePlan>,
    pub(crate) stick: Option<StickPlan>,
    pub(crate) persist: PersistPlan,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckPlan {
    /// By HTTP, where 404 asks for nothing new.
    http: bool,
    pub(crate) interval: Duration,
    /// Where it is neither up nor down for sure, or traffic goes wrong.
    pub(crate) fast: Duration,
    pub(crate) timeout: Duration,
    pub(crate) rise: u32,
    pub(crate) fall: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct ServerPlan {
    pub(crate) name: String,
    pub(crate) weight: u64,
    pub(crate) backup: bool,
    pub(crate) maxconn: u64,
    pub(crate) max_queue: u64,
    pub(crate) minconn: u64,
    pub(crate) slow_start: Duration,
    /// It is not checked, but is as that one.
    pub(crate) track: Option<String>,
    /// How often its agent is asked.
    pub(crate) agent: Option<Duration>,
    pub(crate) observe: Option<ObservePlan>,
    /// What it begins as.
    pub(crate) init: &'static str,
    pub(crate) marks: MarkPlan,
}

/// So many percent of the servers have an agent, traffic that is observed, sessions that end with what becomes of them.
#[derive(Clone, Copy)]
struct Shares {
    agents: u64,
    observed: u64,
    marks: u64,
}

const BALANCE: [&str; 10] = [
    "round_robin",
    "round_robin",
    "round_robin",
    "least_conn",
    "least_conn",
    "static_rr",
    "first",
    "random",
    "random(draws: 1)",
    "random(draws: 5)",
];

const WEIGHTS: [u64; 8] = [1, 1, 1, 2, 3, 10, 50, 100];

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Plan {
    pub(crate) fn drawn(dice: &mut Dice) -> Self {
        let backends = (0..dice.between(1, 2)).map(|n| BackendPlan::drawn(&format!("b{n}"), dice)).collect();
        let mut plan = Self { backends };
        let share = dice.of(&[0, 5, 15, 40]);
        for path in plan.paths() {
            if dice.percent(share) {
                plan.draw_track(&path, dice);
            }
        }
        plan
    }

    fn paths(&self) -> Vec<String> {
        self.servers().map(|(path, _)| path).collect()
    }

    fn servers(&self) -> impl Iterator<Item = (String, &ServerPlan)> {
        self.backends.iter().flat_map(|backend| {
            backend.servers.iter().map(|server| (format!("{}/{}", backend.name, server.name), server))
        })
    }

    pub(crate) fn server(&self, path: &str) -> Option<&ServerPlan> {
        let (backend, server) = path.split_once('/')?;
        self.backend(backend)?.servers.iter().find(|it| it.name == server)
    }

    fn set_track(&mut self, path: &str, track: Option<&str>) {
        let Some((backend, server)) = path.split_once('/') else { return };
        let backend = self.backends.iter_mut().filter(|it| it.name == backend);
        for server in backend.flat_map(|backend| &mut backend.servers).filter(|it| it.name == server) {
            server.track = track.map(str::to_owned);
            // It has no checks that could be sent sooner.
            server.observe = server.observe.filter(|_| track.is_none());
        }
    }

    /// A server is as another one from here on, where that can be.
    fn draw_track(&mut self, path: &str, dice: &mut Dice) {
        let paths = self.paths();
        let lead = paths[dice.below(paths.len() as u64) as usize].clone();
        let before = self.server(path).and_then(|server| server.track.clone());
        self.set_track(path, Some(&lead));
        if !self.is_told(path) {
            self.set_track(path, before.as_deref());
        }
    }

    /// Whether the server that this one tracks, by whatever way, is asked how it is.
    fn is_told(&self, path: &str) -> bool {
        let mut at = path.to_owned();
        for _ in self.servers() {
            let Some(server) = self.server(&at) else { return false };
            match &server.track {
                Some(lead) => at.clone_from(lead),
                None => return server.agent.is_some() || self.check_of(&at).is_some(),
            }
        }
        false
    }

    /// Those that track a server themselves.
    pub(crate) fn followers(&self, lead: &str) -> impl Iterator<Item = String> {
        let tracking = self.servers().filter(move |(_, server)| server.track.as_deref() == Some(lead));
        tracking.map(|(path, _)| path)
    }

    pub(crate) fn check_of(&self, path: &str) -> Option<CheckPlan> {
        self.server(path).filter(|server| server.track.is_none())?;
        self.backend(path.split('/').next()?)?.check
    }

    /// As somebody might change it for a reload.
    pub(crate) fn changed(&mut self, dice: &mut Dice) -> String {
        let backend = dice.below(self.backends.len() as u64) as usize;
        let backend = &mut self.backends[backend];
        let name = backend.name.clone();
        let count = backend.servers.len();
        let at = dice.below(count as u64) as usize;
        let server = &mut backend.servers[at];
        let path = format!("{name}/{}", server.name);
        let told = match dice.below(6) {
            0 if count > 1 => {
                let gone = backend.servers.pop();
                format!("{name} loses {}", gone.map(|it| it.name).unwrap_or_default())
            }
            1 => {
                server.maxconn = dice.of(&[0, 1, 3]);
                format!("maxconn of {path} is {}", server.maxconn)
            }
            2 => "nothing".to_owned(),
            3 => {
                server.agent = server.agent.xor(Some(ms(300)));
                format!("the agent of {path} is asked each {:?}", server.agent)
            }
            4 if server.track.is_some() => {
                server.track = None;
                format!("{path} tracks nobody")
            }
            4 => {
                self.draw_track(&path, dice);
                format!("{path} tracks {:?}", self.server(&path).and_then(|it| it.track.as_ref()))
            }
            _ => {
                let server = ServerPlan::drawn(count, Shares { agents: 20, observed: 0, marks: 20 }, dice);
                let told = format!("{name} gets {}", server.name);
                backend.servers.push(server);
                told
            }
        };
        for path in self.paths() {
            if self.server(&path).is_some_and(|it| it.track.is_some()) && !self.is_told(&path) {
                self.set_track(&path, None);
            }
        }
        told
    }

    pub(crate) fn backend(&self, name: &str) -> Option<&BackendPlan> {
        self.backends.iter().find(|it| it.name == name)
    }

    pub(crate) fn text(&self) -> String {
        let mut frontends = String::new();
        let mut backends = String::new();
        let mut tables = String::new();
        for backend in &self.backends {
            let name = &backend.name;
            writeln!(
                frontends,
                "(name: \"web-{name}\", bind: [\"127.0.0.1:0\"], default_backend: \"{name}\"),"
            )
            .unwrap();
            backend.write(&mut backends);
            if let Some(stick) = backend.stick {
                tables.push_str(&stick.table(name));
            }
        }
        format!("(\ntables: [\n{tables}],\nfrontends: [\n{frontends}],\nbackends: [\n{backends}],\n)\n")
    }

    pub(crate) fn config(&self) -> Config {
        let text = self.text();
        let source = Memory::default().with("sim.ron", text.as_bytes());
        match config::load(&source, &[PathBuf::from("sim.ron")]) {
            Ok(loaded) => loaded.config,
            Err(report) => panic!("{text}\n{report:?}"),
        }
    }
}

impl BackendPlan {
    fn drawn(name: &str, dice: &mut Dice) -> Self {
        let interval = dice.of(&[100, 200, 500, 1000, 2000]);
        let check = dice.percent(85).then(|| CheckPlan {
            http: dice.percent(40),
            interval: ms(interval),
            fast: ms(dice.of(&[interval, interval / 2])),
            timeout: ms(dice.of(&[interval, interval / 2])),
            rise: dice.between(1, 3) as u32,
            fall: dice.between(1, 3) as u32,
        });
        let count = dice.of(&[1, 2, 2, 3, 3, 3, 4, 6, 8]);
        let (agents, observed) = (dice.of(&[0, 0, 20, 50]), dice.of(&[0, 0, 20, 50]));
        let observed = if check.is_some() { observed } else { 0 };
        // Nobody, a cookie, or a table.
        let holds = dice.of(&[0, 0, 1, 2]);
        let shares = Shares { agents, observed, marks: dice.of(&[0, 0, 50]) };
        Self {
            name: name.to_owned(),
            balance: if dice.percent(30) { hashing::drawn(dice) } else { dice.of(&BALANCE).to_owned() },
            backups: dice.of(&["first", "first", "all"]),
            panic: dice.percent(25).then(|| (dice.of(&[30, 50, 70, 100]), dice.of(&["all", "all", "none"]))),
            check,
            servers: (0..count).map(|n| ServerPlan::drawn(n, shares, dice)).collect(),
            eject: dice.percent(20).then(|| dice.of(&[20, 50, 100])),
            connect: ms(dice.of(&[50, 200, 1000])),
            queue: ms(dice.of(&[50, 300, 1000, 3000])),
            server: ms(dice.of(&[200, 1000])),
            retries: dice.between(0, 3) as u32,
            redispatch: dice.percent(85),
            cookie: (holds == 1).then(|| CookiePlan::drawn(dice)),
            stick: (holds == 2).then(|| StickPlan::drawn(dice)),
            persist: PersistPlan::drawn(dice),
        }
    }

    fn write(&self, out: &mut String) {
        let Self { name, balance, backups, connect, queue, server, retries, redispatch, .. } = self;
        writeln!(out, "(name: \"{name}\", balance: {balance}, backups: {backups},").unwrap();
        writeln!(
            out,
            "timeouts: (connect: \"{}ms\", queue: \"{}ms\", server: \"{}ms\"),",
            connect.as_millis(),
            queue.as_millis(),
            server.as_millis()
        )
        .unwrap();
        writeln!(out, "retries: (max: {retries}, redispatch: {redispatch}, on: [conn_failure, empty_response, response_timeout]),")
            .unwrap();
        if let Some(cookie) = self.cookie {
            out.push_str(&cookie.text());
        }
        if let Some(stick) = self.stick {
            out.push_str(&stick.text(name));
        }
        if self.cookie.is_some() || self.stick.is_some() {
            out.push_str(&self.persist.text());
        }
        if let Some((below, then)) = self.panic {
            writeln!(out, "panic: (below: \"{below}%\", then: {then}),").unwrap();
        }
        if let Some(most) = self.eject {
            writeln!(
                out,
                "eject: (errors: \"40%\", window: \"2s\", base: \"1s\", most: \"{most}%\", min_requests: 5),"
            )
            .unwrap();
        }
        if let Some(CheckPlan { http, interval, fast, timeout, rise, fall }) = &self.check {
            let [interval, fast, timeout] = [interval, fast, timeout].map(Duration::as_millis);
            let kind = if *http { "http(disable_on_404: true, " } else { "tcp(" };
            write!(out, "check: {kind}interval: \"{interval}ms\", fast_interval: \"{fast}ms\", ").unwrap();
            writeln!(out, "timeout: \"{timeout}ms\", rise: {rise}, fall: {fall}),").unwrap();
        }
        writeln!(out, "servers: [").unwrap();
        for (n, server) in self.servers.iter().enumerate() {
            let ServerPlan {
                name,
                weight,
                backup,
                maxconn,
                max_queue,
                minconn,
                slow_start,
                track,
                agent,
                observe,
                init,
                marks,
            } = server;
            let is_checked = self.check.is_some() && track.is_none();
            let init = if is_checked { format!(", init_state: {init}") } else { String::new() };
            let marks = marks.text();
            let minconn = if *minconn > 0 && *minconn < *maxconn {
                format!(", minconn: {minconn}")
            } else {
                String::new()
            };
            let slow_start = match slow_start.as_millis() {
                0 => String::new(),
                ms => format!(", slow_start: \"{ms}ms\""),
            };
            let track = track.as_ref().map(|other| format!(", track: \"{other}\"")).unwrap_or_default();
            let agent = agent.map(|it| format!(", agent: (port: 9, interval: \"{}ms\")", it.as_millis()));
            let agent = agent.unwrap_or_default();
            let observe = observe.map(ObservePlan::text).unwrap_or_default();
            writeln!(
                out,
                "(name: \"{name}\", address: \"192.0.2.{}:80\", weight: {weight}, backup: {backup}, \
                maxconn: {maxconn}, max_queue: {max_queue}{minconn}{slow_start}{track}{agent}{observe}{init}{marks}),",
                n + 1
            )
            .unwrap();
        }
        writeln!(out, "]),").unwrap();
    }

    /// Whether a server may have any weight.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.balance != "static_rr" && !self.balance.contains("map_based")
    }

    /// The longest a request may look for a server: twice in line, and the pauses around it.
    pub(crate) fn patience(&self) -> Duration {
        (self.queue + self.connect.min(Duration::from_secs(1))) * 2 + ms(50)
    }
}

impl ServerPlan {
    fn drawn(n: usize, Shares { agents, observed, marks }: Shares, dice: &mut Dice) -> Self {
        let backup = n > 0 && dice.percent(15);
        Self {
            name: format!("s{n}"),
            weight: dice.of(&WEIGHTS),
            backup,
            maxconn: dice.of(&[0, 0, 1, 2, 5]),
            max_queue: dice.of(&[0, 0, 0, 2]),
            minconn: dice.of(&[0, 0, 1]),
            slow_start: ms(dice.of(&[0, 0, 0, 300, 2000, 10_000])),
            track: None,
            observe: dice.percent(observed).then(|| ObservePlan::drawn(dice)),
            init: dice.of(&["up", "up", "up", "down", "fully_up", "fully_down"]),
            marks: MarkPlan::drawn(backup, marks, dice),
            agent: dice.percent(agents).then(|| ms(dice.of(&[100, 300, 1000]))),
        }
    }
}
