//! Requests: each looks for a server as those of clients do, stays there for a while, and may be dropped at any moment.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use proxyd::clock::{self, Instant};
use proxyd::config::condition::Subject;
use proxyd::model::backend::Backend;
use proxyd::model::server::Server;
use proxyd::model::traffic::Sight;
use proxyd::net::timer::Timer;
use proxyd::session::http::persistence::Persisted;
use proxyd::session::leash;
use proxyd::session::meter::{Meter, Timings};
use proxyd::session::queue::{Leaves, Line, NoServer};
use proxyd::session::retry::{Attempt, Failure};
use proxyd::session::stick::Stuck;
use proxyd::session::termination::{Cause, Phase, Termination};
use proxyd::session::view::BackendView;
use tokio::task::AbortHandle;

use crate::clients::Person;
use crate::pins::Pin;
use crate::world::{Truth, World};

/// All requests that are under way.
#[derive(Default)]
pub(crate) struct Load {
    next: Cell<u64>,
    pub(crate) under_way: RefCell<BTreeMap<u64, UnderWay>>,
}

/// One of them.
pub(crate) struct UnderWay {
    pub(crate) stage: Stage,
    /// In the graph it began with.
    pub(crate) backend: Arc<Backend>,
    /// A server was tried before.
    pub(crate) again: bool,
    pub(crate) ties: Ties,
    task: Option<AbortHandle>,
}

#[derive(Clone)]
pub(crate) enum Stage {
    /// It has no server, since then.
    Looking(Instant),
    /// It is there since then.
    With(Arc<Server>, Instant),
    /// Its server failed; whether it goes on is not decided yet.
    Between,
}

/// How it looked for a server.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) since: Instant,
    /// It was on another before.
    pub(crate) again: bool,
    /// It did not wait.
    pub(crate) at_once: bool,
}

/// What holds it to a server.
#[derive(Clone, Default)]
pub(crate) struct Ties {
    pub(crate) key: Option<u32>,
    pub(crate) pin: Option<Pin>,
}

/// Its end, whatever ends it.
struct Ending {
    world: Rc<World>,
    id: u64,
    meter: Meter,
    timings: Timings,
    termination: Termination,
}

impl Ending {
    fn is(&mut self, termination: Termination) {
        self.termination = termination;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.meter.finish(&self.timings, clock::now(), self.termination);
        self.world.load.under_way.borrow_mut().remove(&self.id);
    }
}

impl World {
    /// A client asks for something that takes so long.
    pub(crate) fn request(self: &Rc<Self>, backend: &str, takes: Duration, person: Person) {
        let Some((frontend, _)) = self.worker.frontend(&format!("web-{backend}")) else { return };
        let Some(view) = frontend.backend.clone() else { return };
        let id = self.load.next.get();
        self.load.next.set(id + 1);
        let meter = Meter::new(frontend, Rc::clone(&view), self.shared.maxima());
        meter.request();
        let termination = Termination::new(Cause::Client, Phase::Queue);
        let mut end =
            Ending { world: Rc::clone(self), id, meter, timings: Timings::new(clock::now()), termination };
        let under_way = UnderWay {
            stage: Stage::Looking(clock::now()),
            backend: Arc::clone(&view.backend),
            again: false,
            ties: Ties::default(),
            task: None,
        };
        self.load.under_way.borrow_mut().insert(id, under_way);
        let world = Rc::clone(self);
        let task = tokio::task::spawn_local(async move {
            let held =
                leash::held(&world.worker, &view, pin!(world.attempts(&view, takes, person, &mut end))).await;
            if let Err(cause) = held {
                world.dismissed(id, cause);
                end.is(Termination::new(cause, Phase::Data));
            }
        });
        if let Some(it) = self.load.under_way.borrow_mut().get_mut(&id) {
            it.task = Some(task.abort_handle());
        }
    }

    /// Tries servers until one answers or there is no more to try.
    async fn attempts(&self, view: &Rc<BackendView>, takes: Duration, person: Person, end: &mut Ending) {
        let (id, backend) = (end.id, &view.backend);
        let cookie = self.cookie(backend, person);
        let mut head = person.head(cookie.as_deref());
        let mut persisted = Persisted::read(backend, &mut head, person.address());
        let ties = Ties { key: person.key(backend, &head), pin: self.pin(backend, person) };
        let exception = backend.persist.exception(&Subject::of(&head, person.address()));
        let (facts, assigned) = (person.facts(&head), persisted.has_server());
        let stuck = match &backend.stick[..] {
            [] => Stuck::none(),
            _ => Stuck::read(backend, &facts, assigned, exception, self.shared.epoch.now_ms()),
        };
        self.looked_up(backend, person);
        let mut tries = persisted.tries(view, ties.key);
        stuck.prefer(&mut tries);
        if let Some(it) = self.load.under_way.borrow_mut().get_mut(&id) {
            it.ties = ties.clone();
        }
        let mut timer = Timer::default();
        loop {
            let since = clock::now();
            self.stage(id, Stage::Looking(since));
            let line = Line { client: &self.client, timer: &mut timer, leaves: Leaves::ByReset };
            let next = tries.next(&self.worker, view, line, &mut end.timings);
            let (next, at_once) = promptly(next).await;
            let again = !tries.is_first();
            let slot = match next {
                Ok(slot) => slot,
                Err(none) => {
                    self.refused(backend, none, since, again);
                    end.is(none.termination().unwrap_or(Termination::new(Cause::Server, Phase::Connect)));
                    end.meter.reply(503);
                    return;
                }
            };
            let server = Arc::clone(&slot.view.server);
            self.picked(backend, &server, Look { since, again, at_once }, &ties);
            persisted.assigned(&slot);
            self.stage(id, Stage::With(Arc::clone(&server), clock::now()));
            end.meter.assign(&slot, self.shared.epoch.now_ms());
            let failure = match self.serve(&server, backend, takes).await {
                Ok(status) => {
                    let mut head = format!("HTTP/1.1 {status} Such\r\n\r\n").into_bytes();
                    persisted.answer(&mut head, backend, &slot, status);
                    self.told(backend, &server, person, cookie.as_deref(), &head);
                    stuck.answered(backend, &facts, slot.index, self.shared.epoch.now_ms());
                    self.stored(backend, &server, person);
                    persisted.count(view);
                    end.meter.answer(status);
                    end.is(Termination::default());
                    self.served.update(|served| served + 1);
                    return;
                }
                Err(failure) => failure,
            };
            self.stage(id, Stage::Between);
            let sent = if failure == Failure::Timeout { 100 } else { 0 };
            let attempt =
                Attempt { failure, idempotent: true, sent, body_begun: false, answer_begun: false, left: 0 };
            if !tries.again(view, slot, attempt, false).await {
                end.is(Termination::new(Cause::Server, Phase::Headers));
                end.meter.reply(504);
                return;
            }
            if let Some(it) = self.load.under_way.borrow_mut().get_mut(&id) {
                it.again = true;
            }
        }
    }

    fn stage(&self, id: u64, stage: Stage) {
        if let Some(it) = self.load.under_way.borrow_mut().get_mut(&id) {
            it.stage = stage;
        }
    }

    /// What becomes of a request at a server: the status of its answer, or what is wrong.
    async fn serve(&self, server: &Arc<Server>, backend: &Backend, takes: Duration) -> Result<u16, Failure> {
        let truth = self.truth(&server.path());
        if truth == Truth::Refuses {
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.see(server, Sight::NotConnected);
            return Err(Failure::Connect);
        }
        self.see(server, Sight::Connected);
        if truth == Truth::Hangs {
            tokio::time::sleep(backend.timeouts.server).await;
            self.saw(server, Sight::ReadTimeout);
            return Err(Failure::Timeout);
        }
        tokio::time::sleep(takes).await;
        let (status, sight) =
            if truth == Truth::Errs { (500, Sight::WrongAnswer) } else { (200, Sight::Answered) };
        self.see(server, sight);
        Ok(status)
    }

    /// A client leaves.
    pub(crate) fn abandon(&self, chance: u64) {
        let under_way = self.load.under_way.borrow();
        let at = chance as usize % under_way.len().max(1);
        if let Some((id, it)) = under_way.iter().nth(at) {
            self.say(&format!("the client of request {id} leaves"));
            if let Some(task) = &it.task {
                task.abort();
            }
        }
    }

    /// All of them.
    pub(crate) fn abandon_all(&self) {
        self.say("all clients leave");
        for it in self.load.under_way.borrow().values() {
            if let Some(task) = &it.task {
                task.abort();
            }
        }
    }

    fn refused(&self, backend: &Arc<Backend>, none: NoServer, since: Instant, again: bool) {
        self.say(&format!("a request to {} is refused: {none:?}", backend.name));
        self.judge_refusal(backend, none, since, again);
    }
}

/// What comes of something, and whether that was there at once.
async fn promptly<T>(future: impl Future<Output = T>) -> (T, bool) {
    let mut future = pin!(future);
    match poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
        Poll::Ready(came) => (came, true),
        Poll::Pending => (future.await, false),
    }
}
