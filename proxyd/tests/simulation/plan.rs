//! A drawn configuration, as text and as what the simulation has to know of it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use proxyd::config::source::Memory;
use proxyd::config::{self, Config};

use crate::dice::Dice;

/// What is configured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) backends: Vec<BackendPlan>,
}

#[derive(Clone, Debug)]
pub(crate) struct BackendPlan {
    pub(crate) name: String,
    pub(crate) balance: &'static str,
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
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckPlan {
    pub(crate) interval: Duration,
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
        let mut backends: Vec<_> =
            (0..dice.between(1, 2)).map(|n| BackendPlan::drawn(&format!("b{n}"), dice)).collect();
        if let [first, second] = &mut backends[..]
            && first.check.is_some()
        {
            for server in &mut second.servers {
                server.track = dice.percent(15).then(|| format!("{}/{}", first.name, first.servers[0].name));
            }
        }
        Self { backends }
    }

    /// As somebody might change it for a reload.
    pub(crate) fn changed(&mut self, dice: &mut Dice) -> String {
        let backend = dice.below(self.backends.len() as u64) as usize;
        let backend = &mut self.backends[backend];
        let name = backend.name.clone();
        match dice.below(4) {
            0 if backend.servers.len() > 1 => {
                let gone = backend.servers.pop();
                format!("{name} loses {}", gone.map(|it| it.name).unwrap_or_default())
            }
            1 => {
                let at = dice.below(backend.servers.len() as u64) as usize;
                backend.servers[at].maxconn = dice.of(&[0, 1, 3]);
                format!("{name}: maxconn of {} is {}", backend.servers[at].name, backend.servers[at].maxconn)
            }
            2 => "nothing".to_owned(),
            _ => {
                let server = ServerPlan::drawn(backend.servers.len(), dice);
                let told = format!("{name} gets {}", server.name);
                backend.servers.push(server);
                told
            }
        }
    }

    pub(crate) fn backend(&self, name: &str) -> Option<&BackendPlan> {
        self.backends.iter().find(|it| it.name == name)
    }

    pub(crate) fn text(&self) -> String {
        let mut frontends = String::new();
        let mut backends = String::new();
        for backend in &self.backends {
            let name = &backend.name;
            writeln!(
                frontends,
                "(name: \"web-{name}\", bind: [\"127.0.0.1:0\"], default_backend: \"{name}\"),"
            )
            .unwrap();
            backend.write(&mut backends);
        }
        format!("(\nfrontends: [\n{frontends}],\nbackends: [\n{backends}],\n)\n")
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
            interval: ms(interval),
            timeout: ms(dice.of(&[interval, interval / 2])),
            rise: dice.between(1, 3) as u32,
            fall: dice.between(1, 3) as u32,
        });
        let count = dice.of(&[1, 2, 2, 3, 3, 3, 4, 6, 8]);
        Self {
            name: name.to_owned(),
            balance: dice.of(&BALANCE),
            backups: dice.of(&["first", "first", "all"]),
            panic: dice.percent(25).then(|| (dice.of(&[30, 50, 70, 100]), dice.of(&["all", "all", "none"]))),
            check,
            servers: (0..count).map(|n| ServerPlan::drawn(n, dice)).collect(),
            eject: dice.percent(20).then(|| dice.of(&[20, 50, 100])),
            connect: ms(dice.of(&[50, 200, 1000])),
            queue: ms(dice.of(&[50, 300, 1000, 3000])),
            server: ms(dice.of(&[200, 1000])),
            retries: dice.between(0, 3) as u32,
            redispatch: dice.percent(85),
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
        if let Some(CheckPlan { interval, timeout, rise, fall }) = &self.check {
            let (interval, timeout) = (interval.as_millis(), timeout.as_millis());
            writeln!(out, "check: tcp(interval: \"{interval}ms\", timeout: \"{timeout}ms\", rise: {rise}, fall: {fall}),")
                .unwrap();
        }
        writeln!(out, "servers: [").unwrap();
        for (n, server) in self.servers.iter().enumerate() {
            let ServerPlan { name, weight, backup, maxconn, max_queue, minconn, slow_start, track } = server;
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
            writeln!(
                out,
                "(name: \"{name}\", address: \"192.0.2.{}:80\", weight: {weight}, backup: {backup}, \
                maxconn: {maxconn}, max_queue: {max_queue}{minconn}{slow_start}{track}),",
                n + 1
            )
            .unwrap();
        }
        writeln!(out, "]),").unwrap();
    }

    /// Whether a server may have any weight.
    pub(crate) fn is_dynamic(&self) -> bool {
        !matches!(self.balance, "static_rr" | "first")
    }

    /// The longest a request may look for a server: twice in line, and the pauses around it.
    pub(crate) fn patience(&self) -> Duration {
        (self.queue + self.connect.min(Duration::from_secs(1))) * 2 + ms(50)
    }
}

impl ServerPlan {
    fn drawn(n: usize, dice: &mut Dice) -> Self {
        Self {
            name: format!("s{n}"),
            weight: dice.of(&WEIGHTS),
            backup: n > 0 && dice.percent(15),
            maxconn: dice.of(&[0, 0, 1, 2, 5]),
            max_queue: dice.of(&[0, 0, 0, 2]),
            minconn: dice.of(&[0, 0, 1]),
            slow_start: ms(dice.of(&[0, 0, 0, 300, 2000, 10_000])),
            track: None,
        }
    }
}
