//! Agents: a program beside each server that is asked how it does, and may speak in the place of an operator.
//!
//! That an agent cannot be reached says nothing of its server; that is what checks are for.

pub mod words;

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use proto::addr::Address;

use self::words::{Admin, Health, Words};
use super::finding::{Answer, said};
use super::posts::{Post, Posts, man};
use super::prober::Prober;
use crate::clock;
use crate::config::Agent;
use crate::model::backend::{Backend, WEIGHT_REFUSED};
use crate::model::change::Cause;
use crate::model::server::{CheckStatus, Outcome, Server};
use crate::model::shared::Shared;
use crate::model::snapshot::Snapshot;
use crate::model::state::Event;
use crate::net::buffer::Buffer;
use crate::net::connect::{Origin, connect, is_local_shortage};
use crate::net::stream::Stream;

/// Asks the agents of all servers of the graph of now, and of those that follow, until this is dropped.
pub async fn run(shared: &Arc<Shared>, prober: &Rc<dyn Prober>) {
    man(shared, asked, |(server, first)| keep_asking(Arc::clone(shared), server, first, Rc::clone(prober)))
        .await;
}

/// Servers that have an agent, and when it is asked first: those of a backend one after the other.
fn asked(snapshot: &Snapshot) -> Posts<(Arc<Server>, clock::Instant)> {
    let now = clock::now();
    let agents = snapshot.backends.iter().flat_map(|backend| {
        let all = backend.servers.iter().enumerate();
        all.filter_map(move |(i, server)| {
            let agent = server.verdict.agent.as_ref()?;
            let first = now + agent.interval.mul_f64(i as f64 / backend.servers.len() as f64);
            Some((Post::server(server), (Arc::clone(server), first)))
        })
    });
    agents.collect()
}

async fn keep_asking(
    shared: Arc<Shared>,
    server: Arc<Server>,
    first: clock::Instant,
    prober: Rc<dyn Prober>,
) {
    let mut due = first;
    loop {
        tokio::time::sleep_until(due).await;
        let Some(agent) = server.agent() else { return };
        if server.control().state.agent_runs() {
            let moves = server.moves();
            let answered = {
                let _asking = server.consultations.begin();
                prober.consult(&server, &agent).await
            };
            // What is said where the agent is no longer says nothing about the server.
            let stayed = agent.address.is_some() || server.moves() == moves;
            if stayed
                && server.agent().as_ref() == Some(&agent)
                && let Some(backend) = shared.backend_of(&server)
            {
                match answered {
                    Ok((answer, begun)) => heed(&shared, &backend, &server, &answer, begun),
                    Err(outcome) => shared.note_agent(&server, outcome),
                }
            }
        }
        due = (due + agent.interval).max(clock::now());
    }
}

/// Longest answer that is read: what counts is in its first line.
const LONGEST: usize = 4096;

/// One question; the interval bounds all of it. What went wrong otherwise.
pub(super) async fn ask(server: &Server, agent: &Agent) -> Result<(Vec<u8>, clock::Instant), Outcome> {
    let begun = clock::now();
    let problem = |status: CheckStatus, info: String| Outcome {
        status,
        code: None,
        duration: clock::now() - begun,
        info,
        answer: Box::default(),
    };
    let deadline = begun + agent.interval;
    let address = match (agent.address, &*server.address()) {
        (Some(ip), _) => ip,
        (None, Address::Ip(address)) => address.ip(),
        (None, Address::Unix(_)) => {
            return Err(problem(
                CheckStatus::SockErr,
                "an agent behind a Unix socket needs an address".into(),
            ));
        }
    };
    let address = Address::Ip((address, agent.port).into());
    let origin = Origin { client: None, turn: &server.source_turn };
    let connecting = tokio::time::timeout_at(deadline, connect(&address, &server.uplink, origin));
    let mut stream = match connecting.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if is_local_shortage(&error) => {
            return Err(problem(CheckStatus::SockErr, error.to_string()));
        }
        Ok(Err(error)) => return Err(problem(CheckStatus::L4Con, error.to_string())),
        Err(_elapsed) => return Err(problem(CheckStatus::L4Timeout, String::new())),
    };
    // It leaves nothing behind in TIME_WAIT.
    stream.reset_on_close();
    match tokio::time::timeout_at(deadline, exchange(&mut stream, agent.send.as_bytes())).await {
        Ok(Ok(answer)) => Ok((answer, begun)),
        Ok(Err(error)) => Err(problem(CheckStatus::L7Response, error.to_string())),
        Err(_elapsed) => Err(problem(CheckStatus::L7Timeout, String::new())),
    }
}

/// Says `send` and reads a line.
fn exchange<'a>(stream: &'a mut Stream, send: &'a [u8]) -> impl Future<Output = io::Result<Vec<u8>>> + 'a {
    let mut rest = send;
    let mut answer = Vec::new();
    let mut buffer = Buffer::small();
    let mut poll = move |cx: &mut Context<'_>| {
        while !rest.is_empty() {
            let n = ready!(stream.poll_write(cx, &[IoSlice::new(rest)]))?;
            rest = &rest[n..];
        }
        loop {
            let n = ready!(stream.poll_read(cx, buffer.room()))?;
            buffer.filled(n);
            answer.extend_from_slice(buffer.data());
            buffer.consume(n);
            if n == 0 || words::line(&answer).is_some() || answer.len() >= LONGEST {
                return Poll::Ready(Ok(std::mem::take(&mut answer)));
            }
        }
    };
    poll_fn(move |cx| poll(cx))
}

/// Does what an answer asks for: what an operator would first, then numbers, then health, as HAProxy does.
fn heed(shared: &Shared, backend: &Backend, server: &Server, answer: &[u8], begun: clock::Instant) {
    let Some(line) = words::line(answer) else {
        let info = "Ignoring incomplete line from agent".to_owned();
        let (duration, answer) = (clock::now() - begun, Answer::of(answer).into_bytes());
        let status = CheckStatus::L7Response;
        return shared.note_agent(server, Outcome { status, code: None, duration, info, answer });
    };
    let words = Words::read(line);
    let weight = words.weight.map(|weight| weight.of(server.initial_weight));
    let is_refused = weight.is_some_and(|weight| !backend.takes_weight(server, weight));
    let outcome = outcome(&words, is_refused.then_some(WEIGHT_REFUSED), answer, begun);
    let cause = Cause::Agent(&outcome);
    // Switched off while it was asked: it is no longer listened to.
    if !server.control().state.agent_runs() {
        return;
    }
    if let Some(admin) = words.admin {
        let event = match admin {
            Admin::Ready => Event::AgentReady,
            Admin::Drain => Event::Drain,
            Admin::Maint => Event::Maint,
        };
        shared.server_event(backend, server, event, cause);
    }
    if let Some(weight) = weight.filter(|_| !is_refused) {
        shared.set_weight(backend, server, weight, cause);
    }
    if let Some(maxconn) = words.maxconn {
        shared.set_maxconn(backend, server, maxconn, cause);
    }
    match words.health {
        Some(Health::Up) => shared.server_event(backend, server, Event::AgentUp, cause),
        Some(_) => shared.server_event(backend, server, Event::AgentDown, cause),
        None => shared.note_agent(server, outcome),
    }
}

/// HAProxy's words for an answer, and for why something of it is not done.
pub fn outcome(words: &Words, warning: Option<&str>, answer: &[u8], begun: clock::Instant) -> Outcome {
    let Words { health, reason, unknown, .. } = words;
    let (status, info) = if let Some(health) = health {
        // A reason to be down is told as it is; where there is room, what was not understood is.
        let more = match unknown.as_deref().or(warning) {
            Some(word) if reason.is_empty() || *health == Health::Up => word,
            _ => reason,
        };
        let more = said(more.as_bytes());
        let more = if more.is_empty() { more } else { format!(" ({more})") };
        let status = if *health == Health::Up { CheckStatus::L7Ok } else { CheckStatus::L7Status };
        (status, format!("via agent : {}{more}", health.as_str()))
    } else {
        let info = match (unknown, warning) {
            (Some(word), _) => format!("agent reports an error : {}", said(word.as_bytes())),
            (None, Some(warning)) => format!("agent warns : {warning}"),
            (None, None) => String::new(),
        };
        (CheckStatus::Checked, info)
    };
    let code = health.map(|_| 0);
    let answer = Answer::of(answer).into_bytes();
    Outcome { status, code, duration: clock::now() - begun, info, answer }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::{JoinHandle, spawn_local};

    use super::*;
    use crate::config::Algorithm;
    use crate::health::prober::Network;
    use crate::model::testing;

    fn told(answer: &str) -> (CheckStatus, String) {
        let line = words::line(answer.as_bytes()).unwrap();
        let outcome = outcome(&Words::read(line), None, answer.as_bytes(), clock::now());
        (outcome.status, outcome.info)
    }

    #[test]
    fn what_is_said_of_an_answer() {
        assert_eq!(told("up\n"), (CheckStatus::L7Ok, "via agent : up".into()));
        assert_eq!(
            told("down # disk full\n"),
            (CheckStatus::L7Status, "via agent : down (disk full)".into())
        );
        assert_eq!(told("down hot # full\n"), (CheckStatus::L7Status, "via agent : down (full)".into()));
        assert_eq!(told("up warm\n"), (CheckStatus::L7Ok, "via agent : up (warm)".into()));
        assert_eq!(told("warm\n"), (CheckStatus::Checked, "agent reports an error : warm".into()));
        assert_eq!(told("75%\n"), (CheckStatus::Checked, String::new()));
        assert_eq!(told("down # \x1b[2J\n").1, "via agent : down (.[2J)");
        assert!(told(&format!("down # {}\n", "x".repeat(5000))).1.len() < 300, "a history keeps many");
    }

    #[test]
    fn where_weights_are_fixed_an_agent_sets_none() {
        let mut config = testing::config();
        config.backends[0].balance = Algorithm::StaticRr;
        config.backends[0].servers[0].verdict.agent = Some(agent(1));
        let shared = testing::shared_of(&config);
        let snapshot = shared.snapshot();
        let backend = snapshot.backend("app").unwrap();
        let server = &backend.servers[0];
        let say = |answer: &str| {
            heed(&shared, backend, server, answer.as_bytes(), clock::now());
            (server.weight(), server.control().agent.outcome.unwrap().info)
        };
        let refused = format!("agent warns : {WEIGHT_REFUSED}");
        assert_eq!(say("25%\n"), (100, refused));
        assert_eq!(say("weight:7 up\n"), (100, format!("via agent : up ({WEIGHT_REFUSED})")));
        assert_eq!(say("0%\n"), (0, String::new()));
        assert_eq!(say("100%\n"), (100, String::new()));
    }

    fn agent(port: u16) -> Agent {
        Agent { address: None, port, interval: testing::SECOND * 60, send: String::new() }
    }

    /// Begins to ask an agent, which has been connected to.
    async fn asked() -> (Arc<Shared>, Arc<Backend>, JoinHandle<()>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = testing::config();
        config.backends[0].servers[0].verdict.agent = Some(agent(listener.local_addr().unwrap().port()));
        let shared = testing::shared_of(&config);
        let backend = Arc::clone(shared.snapshot().backend("app").unwrap());
        let server = Arc::clone(&backend.servers[0]);
        let asking = keep_asking(Arc::clone(&shared), server, clock::now(), Rc::new(Network));
        let task = spawn_local(asking);
        let (agent, _) = listener.accept().await.unwrap();
        assert!(backend.servers[0].consultations.any());
        (shared, backend, task, agent)
    }

    #[tokio::test(flavor = "local")]
    async fn what_is_said_where_an_agent_was_is_not_heeded() {
        let cause = Cause::Command { by: "", line: "" };
        for (server_moves, agent_moves) in [(false, false), (true, false), (false, true)] {
            let (shared, backend, _task, mut talk) = asked().await;
            let server = &backend.servers[0];
            if server_moves {
                shared.set_address(&backend, server, "127.0.0.2:18001".parse().unwrap(), cause);
            }
            if agent_moves {
                shared.set_agent(server, Agent { port: 1, ..server.agent().unwrap() }, cause);
            }
            talk.write_all(b"down\n").await.unwrap();
            while server.consultations.any() {
                tokio::task::yield_now().await;
            }
            let moves = server_moves || agent_moves;
            let control = server.control();
            assert_eq!((control.state.is_up(), control.agent.outcome.is_none()), (moves, moves));
        }
    }

    #[tokio::test(flavor = "local")]
    async fn who_is_not_asked_any_more_does_not_look_like_it() {
        let (_shared, backend, task, _agent) = asked().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(!backend.servers[0].consultations.any());
    }

    #[test]
    fn an_answer_is_heeded() {
        let mut config = testing::config();
        config.backends[0].servers[0].verdict.agent = Some(agent(1));
        let shared = testing::shared_of(&config);
        let snapshot = shared.snapshot();
        let backend = snapshot.backend("app").unwrap();
        let server = &backend.servers[0];
        let say = |answer: &str| {
            heed(&shared, backend, server, answer.as_bytes(), clock::now());
            let state = server.control().state;
            (server.status_word(&state).into_owned(), server.weight(), server.maxconn())
        };
        assert_eq!(say("up\n"), ("UP 1/3".into(), 100, 0), "of its checks it knows nothing");
        shared.server_event(backend, server, Event::CheckPassed, Cause::Comparison(""));
        assert_eq!(say("25% maxconn:7\n"), ("UP".into(), 25, 7));
        for cut in ["", "down", "up maxconn:3", "50%"] {
            assert_eq!(say(cut), ("UP".into(), 25, 7), "{cut:?} may be the half of something else");
            let outcome = server.control().agent.outcome.unwrap();
            let ignored = (CheckStatus::L7Response, "Ignoring incomplete line from agent");
            assert_eq!((outcome.status, &*outcome.info), ignored);
        }
        assert_eq!(say("down # why\n"), ("DOWN (agent)".into(), 25, 7));
        assert_eq!(say("up 100%\n"), ("UP".into(), 100, 7));
        assert_eq!(say("drain\n"), ("DRAIN (agent)".into(), 100, 7));
        assert_eq!(say("maint\n"), ("MAINT".into(), 100, 7));
        assert_eq!(say("ready up\n"), ("UP 1/3".into(), 100, 7));
        let history = server.history();
        let told = "Layer7 wrong status, code: 0, info: \"via agent : down (why)\", check duration: ";
        assert!(history[0].reason.starts_with(told), "{}", history[0].reason);
        assert_eq!(history.len(), 5);
        // How it does beside the others is not the agent's business.
        shared.server_event(backend, server, Event::Eject, Cause::Comparison(""));
        assert_eq!(say("ready up\n").0, "DOWN (ejected)");
        shared.server_event(backend, server, Event::Readmit, Cause::Comparison(""));
        assert_eq!(server.control().agent.outcome.unwrap().status, CheckStatus::L7Ok);
        shared.server_event(backend, server, Event::DisableAgent, Cause::Command { by: "", line: "" });
        assert_eq!(say("down\n"), ("UP 1/3".into(), 100, 7), "nobody listens");
    }
}
