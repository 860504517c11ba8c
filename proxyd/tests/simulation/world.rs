//! What a simulation is about: the shared state of one process, the servers as they truly are, and what was seen.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proto::level::Level;
use proxyd::clock::{self, Epoch, Instant};
use proxyd::model::backend::Backend;
use proxyd::model::process::Process;
use proxyd::model::server::Server;
use proxyd::model::shared::Shared;
use proxyd::model::snapshot::{Site, Snapshot};
use proxyd::net::stream::Stream;
use proxyd::session::leash;
use proxyd::session::worker::Worker;
use proxyd::{admin, health, process, telemetry};

use crate::agents::{Heard, Mood};
use crate::console::listener;
use crate::cookies::Told;
use crate::dice::Dice;
use crate::hashing::Homes;
use crate::load::Load;
use crate::marked::Mark;
use crate::observed::ObservePlan;
use crate::plan::{CheckPlan, Plan};
use crate::probes::{Asked, Probes, Simulated};
use crate::sticking::Stored;
use crate::watchdog::Tale;

/// How a server is, whatever is believed of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Truth {
    Well,
    /// It asks for nothing new, where its check listens to that.
    Leaves,
    /// It answers requests with an error.
    Errs,
    Refuses,
    Hangs,
}

/// Everything.
pub(crate) struct World {
    pub(crate) shared: Arc<Shared>,
    pub(crate) worker: Rc<Worker>,
    /// The client of all requests; it stays.
    pub(crate) client: Stream,
    _peer: tokio::net::UnixStream,
    /// What happens inside tasks is drawn from here.
    pub(crate) dice: RefCell<Dice>,
    pub(crate) plan: RefCell<Plan>,
    truths: RefCell<BTreeMap<String, Truth>>,
    moods: RefCell<BTreeMap<String, Mood>>,
    pub(crate) probes: RefCell<Probes>,
    heard: RefCell<BTreeMap<String, Heard>>,
    /// Errors of traffic in a row, where that is observed; `None` if it is not known.
    errors: RefCell<BTreeMap<String, Option<u32>>>,
    /// Checks and questions to agents so far.
    pub(crate) questions: Cell<u64>,
    /// When something happened to a server that may not have been taken up everywhere yet.
    touched: RefCell<BTreeMap<String, Instant>>,
    pub(crate) load: Load,
    pub(crate) marks: RefCell<BTreeMap<String, Mark>>,
    /// By backend: where keys belonged, the last at the end.
    pub(crate) homes: RefCell<BTreeMap<String, Vec<Homes>>>,
    /// By backend and client.
    pub(crate) cookies: RefCell<BTreeMap<(String, u64), Told>>,
    pub(crate) stored: RefCell<BTreeMap<(String, u64), Stored>>,
    /// Every server there ever was.
    pub(crate) servers: RefCell<Vec<Arc<Server>>>,
    tale: Arc<Tale>,
    wrong: RefCell<Option<String>>,
    start: Instant,
    pub(crate) socket: String,
    /// Requests that were served, so that a run that serves nobody is noticed.
    pub(crate) served: Cell<u64>,
}

const WORKERS: usize = 1;
const MAXCONN: u32 = 1000;

fn build(plan: &Plan, previous: Option<&Snapshot>, now_ms: u64) -> Snapshot {
    let resolve = |_: &str, _| Err(std::io::ErrorKind::NotFound.into());
    let site = Site { workers: WORKERS, maxconn: MAXCONN, now_ms, resolve: &resolve };
    Snapshot::build(&plan.config(), previous, site).unwrap()
}

impl World {
    /// Starts everything that a process has on its control side.
    pub(crate) fn start(seed: u64, dice: &mut Dice, tale: Arc<Tale>) -> Rc<Self> {
        let plan = Plan::drawn(dice);
        let epoch = Epoch::new();
        let process = Process::new(WORKERS, MAXCONN, 4096, "b00t".to_owned());
        let shared = Arc::new(Shared::new(build(&plan, None, epoch.now_ms()), process, epoch));
        let worker = Worker::new(0, Arc::clone(&shared), dice.number(), Box::new(|_, _| {}));
        let (client, peer) = tokio::net::UnixStream::pair().unwrap();
        let (socket, listener) = listener(seed);
        let world = Rc::new(Self {
            shared: Arc::clone(&shared),
            worker,
            client: Stream::Unix(client),
            _peer: peer,
            dice: RefCell::new(Dice::new(dice.number())),
            plan: RefCell::new(plan),
            truths: RefCell::default(),
            moods: RefCell::default(),
            probes: RefCell::default(),
            heard: RefCell::default(),
            errors: RefCell::default(),
            questions: Cell::default(),
            touched: RefCell::default(),
            load: Load::default(),
            marks: RefCell::default(),
            homes: RefCell::default(),
            cookies: RefCell::default(),
            stored: RefCell::default(),
            servers: RefCell::default(),
            tale,
            wrong: RefCell::default(),
            start: clock::now(),
            socket,
            served: Cell::default(),
        });
        for line in world.plan.borrow().text().lines() {
            world.say(line);
        }
        world.graph_changed();
        let socket = admin::Socket { listener, path: "sim.sock".into(), level: Level::Admin };
        tokio::task::spawn_local(admin::serve(Arc::clone(&shared), vec![socket], "sim".to_owned()));
        tokio::task::spawn_local(process::lineups::run(Arc::clone(&shared)));
        tokio::task::spawn_local(leash::run(Rc::clone(&world.worker)));
        tokio::task::spawn_local(telemetry::sampler::run(Arc::clone(&shared)));
        tokio::task::spawn_local(health::run_by(shared, seed, Rc::new(Simulated(Rc::clone(&world)))));
        world
    }

    /// Puts a changed configuration in place.
    pub(crate) fn reload(&self, dice: &mut Dice) {
        let told = self.plan.borrow_mut().changed(dice);
        self.say(&format!("reload: {told}"));
        let next = build(&self.plan.borrow(), Some(&self.shared.snapshot()), self.shared.epoch.now_ms());
        self.shared.publish(next);
        self.graph_changed();
    }

    /// Takes up which servers there are.
    fn graph_changed(&self) {
        let snapshot = self.shared.snapshot();
        let mut known = self.servers.borrow_mut();
        let mut new = Vec::new();
        for server in snapshot.backends.iter().flat_map(|backend| &backend.servers) {
            let path = server.path();
            if known.iter().any(|it| Arc::ptr_eq(it, server)) {
                // Its checks go on, while its limits may be others.
                self.stir(&path);
                self.agent(&path, Heard::disturb);
            } else {
                known.push(Arc::clone(server));
                self.errors(&path, |errors| *errors = Some(0));
                self.touch(&path);
                new.push(path);
            }
        }
        for path in &new {
            self.begins(path);
        }
    }

    /// Paths of the servers of now.
    pub(crate) fn paths(&self) -> Vec<String> {
        let snapshot = self.shared.snapshot();
        snapshot.backends.iter().flat_map(|backend| &backend.servers).map(|server| server.path()).collect()
    }

    pub(crate) fn find(&self, path: &str) -> Option<(Arc<Backend>, Arc<Server>)> {
        let (backend, server) = path.split_once('/')?;
        let snapshot = self.shared.snapshot();
        let backend = snapshot.backend(backend)?;
        Some((Arc::clone(backend), Arc::clone(backend.server(server)?)))
    }

    pub(crate) fn truth(&self, path: &str) -> Truth {
        self.truths.borrow().get(path).copied().unwrap_or(Truth::Well)
    }

    pub(crate) fn set_truth(&self, path: &str, truth: Truth) {
        self.say(&format!("{path} in truth: {truth:?}"));
        self.truths.borrow_mut().insert(path.to_owned(), truth);
    }

    pub(crate) fn mood(&self, path: &str) -> Mood {
        self.moods.borrow().get(path).copied().unwrap_or(Mood::UP)
    }

    pub(crate) fn set_mood(&self, path: &str, mood: Mood) {
        self.say(&format!("the agent of {path}: {mood:?}"));
        self.moods.borrow_mut().insert(path.to_owned(), mood);
    }

    pub(crate) fn check_of(&self, path: &str) -> Option<CheckPlan> {
        self.plan.borrow().check_of(path)
    }

    /// How often its agent is asked.
    pub(crate) fn agent_of(&self, path: &str) -> Option<Duration> {
        self.plan.borrow().server(path)?.agent
    }

    /// What its traffic may do to it.
    pub(crate) fn observed(&self, path: &str) -> Option<ObservePlan> {
        self.plan.borrow().server(path)?.observe
    }

    /// How long it warms up.
    pub(crate) fn slow_start_of(&self, path: &str) -> Duration {
        self.plan.borrow().server(path).map_or(Duration::ZERO, |it| it.slow_start)
    }

    /// The server that this one tracks.
    pub(crate) fn tracked_by(&self, path: &str) -> Option<String> {
        self.plan.borrow().server(path)?.track.clone()
    }

    /// A command or reload concerns this server, and those that track it: what was seen of its checks and heard of its
    /// agent so far says nothing any more.
    pub(crate) fn touch(&self, path: &str) {
        let now = clock::now();
        self.stir(path);
        self.probe(path, |asked| {
            (asked.passed, asked.failed, asked.undisturbed, asked.hurried) = (0, 0, Some(now), None);
            (asked.begun, asked.stops) = (None, None);
        });
        self.agent(path, Heard::disturb);
        let plan = self.plan.borrow();
        plan.followers(path).for_each(|follower| self.touch(&follower));
    }

    /// Its state or weight may have changed.
    pub(crate) fn stir(&self, path: &str) {
        self.touched.borrow_mut().insert(path.to_owned(), clock::now());
    }

    /// When its state or weight may have changed last, by a check or with the server that it tracks included.
    pub(crate) fn last_touched(&self, path: &str) -> Option<Instant> {
        let touched = self.touched.borrow().get(path).copied();
        let ended = self.probes.borrow().get(path).and_then(|asked| asked.ended);
        let lead = self.tracked_by(path).and_then(|lead| self.last_touched(&lead));
        touched.max(ended).max(lead)
    }

    pub(crate) fn probe<R>(&self, path: &str, look: impl FnOnce(&mut Asked) -> R) -> R {
        look(self.probes.borrow_mut().entry(path.to_owned()).or_default())
    }

    pub(crate) fn errors<R>(&self, path: &str, look: impl FnOnce(&mut Option<u32>) -> R) -> R {
        look(self.errors.borrow_mut().entry(path.to_owned()).or_insert(Some(0)))
    }

    pub(crate) fn agent<R>(&self, path: &str, look: impl FnOnce(&mut Heard) -> R) -> R {
        look(self.heard.borrow_mut().entry(path.to_owned()).or_default())
    }

    /// Adds a line to the story.
    pub(crate) fn say(&self, text: &str) {
        let at = clock::now().saturating_duration_since(self.start).as_millis();
        self.tale.add(format!("{at:>7} ms  {text}"));
    }

    /// Something that must hold does not.
    pub(crate) fn fail(&self, text: String) {
        self.say(&format!("WRONG: {text}"));
        self.wrong.borrow_mut().get_or_insert(text);
    }

    pub(crate) fn is_wrong(&self) -> bool {
        self.wrong.borrow().is_some()
    }

    pub(crate) fn take_wrong(&self) -> Option<String> {
        self.wrong.take()
    }

    /// Lets everything that can run now run; time stands still meanwhile.
    pub(crate) async fn settle(&self) {
        for _ in 0..12 {
            tokio::task::yield_now().await;
        }
        if let Some(panic) = crate::take_panic() {
            self.fail(panic);
        }
    }
}
