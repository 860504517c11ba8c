use std::future::poll_fn;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::*;
use crate::config::{Config, Limits};
use crate::model::panic::Belief;
use crate::model::snapshot::Snapshot;
use crate::model::state::Event;
use crate::model::testing;

/// Backend `app` with servers of these limits.
fn backend(limits: &[Limits]) -> (Config, Snapshot, Arc<Backend>) {
    let names = ["s0", "s1", "s2", "s3"];
    let servers: Vec<(&str, u32, bool)> =
        names[..limits.len()].iter().map(|&name| (name, 1, false)).collect();
    let mut config = testing::config();
    config.backends[0] = testing::backend("app", crate::config::Mode::Http, false, &servers);
    for (server, limits) in config.backends[0].servers.iter_mut().zip(limits) {
        server.limits = *limits;
    }
    let snapshot = testing::snapshot(&config, None);
    let backend = Arc::clone(snapshot.backend("app").unwrap());
    (config, snapshot, backend)
}

fn maxconn(maxconn: u32) -> Limits {
    Limits { maxconn, ..Limits::default() }
}

fn any() -> Wants {
    Wants::AnyBut(Indices::new())
}

fn join(backend: &Arc<Backend>, wants: Wants) -> Result<Waiting, Refused> {
    backend.live.queue.join(backend, wants, 0)
}

fn poll(waiting: &mut Waiting) -> Poll<Option<u32>> {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    waiting.poll(&mut cx).map(|held| held.map(Held::keep))
}

#[test]
fn room_goes_to_the_first_in_line() {
    let (_, _, backend) = backend(&[maxconn(1)]);
    assert!(backend.enter(0));
    assert!(!backend.enter(0));
    let mut line: Vec<Waiting> = (0..3).map(|_| join(&backend, any()).unwrap()).collect();
    assert_eq!(line.iter().map(|w| w.ahead).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(backend.live.queue.waiting(), 3);
    for i in 0..3 {
        assert!(line.iter_mut().skip(i).all(|w| poll(w).is_pending()));
        backend.leave(0);
        assert_eq!(poll(&mut line[i]), Poll::Ready(Some(0)));
        assert_eq!(backend.served(), 1, "it was passed on");
    }
    backend.leave(0);
    assert_eq!((backend.served(), backend.live.queue.waiting(), backend.live.queue.most(0)), (0, 0, 3));
}

#[test]
fn who_leaves_makes_way() {
    let (_, _, backend) = backend(&[maxconn(1)]);
    assert!(backend.enter(0));
    let (first, mut second) = (join(&backend, any()).unwrap(), join(&backend, any()).unwrap());
    drop(first);
    assert_eq!(backend.live.queue.waiting(), 1);
    backend.leave(0);
    assert_eq!(poll(&mut second), Poll::Ready(Some(0)));
    // Room that was found for somebody who left before it was taken goes to the next.
    let (third, mut fourth) = (join(&backend, any()).unwrap(), join(&backend, any()).unwrap());
    backend.leave(0);
    assert_eq!(backend.live.queue.waiting(), 1);
    assert!(poll(&mut fourth).is_pending());
    drop(third);
    assert_eq!(poll(&mut fourth), Poll::Ready(Some(0)));
    backend.leave(0);
    assert_eq!((backend.served(), backend.live.queue.waiting()), (0, 0));
}

#[test]
fn what_is_free_is_had_at_once() {
    let (_, _, backend) = backend(&[maxconn(1), maxconn(1)]);
    assert!(backend.enter(0));
    let mut waiting = join(&backend, any()).unwrap();
    assert_eq!(poll(&mut waiting), Poll::Ready(Some(1)));
}

#[test]
fn a_waiter_gets_no_server_that_it_tried() {
    let (_, _, backend) = backend(&[maxconn(1), maxconn(1)]);
    assert!(backend.enter(0) && backend.enter(1));
    let mut picky = join(&backend, Wants::AnyBut(Indices::from_slice(&[0]))).unwrap();
    let mut loyal = join(&backend, Wants::Only(0, Hold::Kept)).unwrap();
    assert_eq!(backend.servers[0].line.waiting(), 1);
    backend.leave(0);
    assert!(poll(&mut picky).is_pending());
    assert_eq!(poll(&mut loyal), Poll::Ready(Some(0)));
    assert_eq!(backend.servers[0].line.waiting(), 0);
    backend.leave(1);
    assert_eq!(poll(&mut picky), Poll::Ready(Some(1)));
}

#[test]
fn the_line_is_as_long_as_the_servers_allow() {
    let limits = Limits { maxconn: 1, max_queue: 1, ..Limits::default() };
    let (_, _, backend) = backend(&[limits, limits]);
    assert!(backend.enter(0) && backend.enter(1));
    let _line = [join(&backend, any()).unwrap(), join(&backend, any()).unwrap()];
    assert_eq!(join(&backend, any()).unwrap_err(), Refused::Full);
    assert_eq!((backend.live.queue.waiting(), backend.live.queue.most(0)), (2, 2));
}

#[tokio::test]
async fn who_is_held_to_a_server_waits_for_it() {
    let limits = Limits { maxconn: 1, max_queue: 1, ..Limits::default() };
    let (config, _, _) = backend(&[limits, maxconn(1)]);
    let shared = testing::shared_of(&config);
    let backend = Arc::clone(shared.snapshot().backend("app").unwrap());
    let cause = crate::model::change::Cause::Command { by: "test", line: "" };
    let event = |event| shared.server_event(&backend, &backend.servers[0], event, cause);
    assert!(backend.enter(0) && backend.enter(1));
    // It takes no new sessions any more, and keeps those it has.
    event(Event::Drain);
    shared.set_weight(&backend, &backend.servers[0], 0, cause);
    let mut anybody = join(&backend, any()).unwrap();
    let mut kept = join(&backend, Wants::Only(0, Hold::Kept)).unwrap();
    assert_eq!(join(&backend, Wants::Only(0, Hold::Kept)).unwrap_err(), Refused::Full, "its line is full");
    backend.leave(0);
    assert!(poll(&mut anybody).is_pending());
    assert_eq!(poll(&mut kept), Poll::Ready(Some(0)));
    backend.leave(0);
    // Others wait, but not for this one.
    let mut at_once = join(&backend, Wants::Only(0, Hold::Kept)).unwrap();
    assert_eq!(poll(&mut at_once), Poll::Ready(Some(0)));
    let mut kept = join(&backend, Wants::Only(0, Hold::Kept)).unwrap();
    event(Event::Maint);
    assert_eq!(poll(&mut kept), Poll::Ready(None), "it is down");
    assert_eq!(join(&backend, Wants::Only(0, Hold::Kept)).unwrap_err(), Refused::Nobody);
    let mut forced = join(&backend, Wants::Only(0, Hold::Forced)).unwrap();
    backend.leave(0);
    assert_eq!(poll(&mut forced), Poll::Ready(Some(0)), "whatever its state");
}

#[tokio::test]
async fn sessions_stay_in_panic_as_new_ones_come() {
    let (config, _, _) = backend(&[maxconn(1)]);
    let shared = testing::shared_of(&config);
    let backend = Arc::clone(shared.snapshot().backend("app").unwrap());
    let cause = crate::model::change::Cause::Command { by: "test", line: "" };
    let server = &backend.servers[0];
    let keeps = |event, belief| {
        shared.server_event(&backend, server, event, cause);
        server.believe(belief);
        let kept = server.keeps_sessions();
        server.believe(Belief::Health);
        kept
    };
    assert!(keeps(Event::Ready, Belief::Health) && !keeps(Event::Ready, Belief::Nobody));
    assert!(!keeps(Event::HealthDown, Belief::Health) && keeps(Event::HealthDown, Belief::All));
    assert!(!keeps(Event::Drain, Belief::All), "it is down, and was not to be used");
    assert!(keeps(Event::HealthUp, Belief::All), "it is drained and up");
    assert!(!keeps(Event::Maint, Belief::All));
}

#[test]
fn a_limit_follows_the_load() {
    let limits = Limits { maxconn: 4, minconn: 1, ..Limits::default() };
    let (mut config, _, _) = backend(&[limits]);
    config.backends[0].fullconn = Some(8);
    let snapshot = testing::snapshot(&config, None);
    let backend = snapshot.backend("app").unwrap();
    let cells = backend.live.stats.worker(0);
    let mut waiting = Vec::new();
    let mut served = Vec::new();
    for _ in 0..8 {
        cells.enter(0);
        if !backend.enter(0) {
            waiting.push(join(backend, any()).unwrap());
        }
        served.push(backend.served());
    }
    assert_eq!(served, [1, 1, 1, 2, 2, 3, 3, 4], "a newcomer's load makes room for the first in line");
}

#[tokio::test]
async fn changes_at_run_time_serve_those_who_wait() {
    let (config, _, _) = backend(&[maxconn(1), maxconn(1)]);
    let shared = testing::shared_of(&config);
    let backend = Arc::clone(shared.snapshot().backend("app").unwrap());
    let cause = crate::model::change::Cause::Command { by: "test", line: "" };
    let event = |index: usize, event| shared.server_event(&backend, &backend.servers[index], event, cause);
    event(1, Event::Drain);
    assert!(backend.enter(0));
    let mut line: Vec<Waiting> = (0..6).map(|_| join(&backend, any()).unwrap()).collect();
    event(1, Event::Ready);
    assert_eq!(poll(&mut line[0]), Poll::Ready(Some(1)), "a server came up");
    shared.set_maxconn(&backend, &backend.servers[0], 2, cause);
    assert_eq!(poll(&mut line[1]), Poll::Ready(Some(0)), "it takes one more");
    shared.set_weight(&backend, &backend.servers[1], 0, cause);
    backend.leave(1);
    assert!(poll(&mut line[2]).is_pending(), "weight 0 gets nothing");
    shared.set_weight(&backend, &backend.servers[1], 1, cause);
    assert_eq!(poll(&mut line[2]), Poll::Ready(Some(1)));
    event(1, Event::Maint);
    backend.leave(1);
    assert!(poll(&mut line[3]).is_pending(), "maintenance gets nothing");
    // A new graph says another limit.
    let mut config = config.clone();
    config.backends[0].servers[0].limits.maxconn = 3;
    shared.publish(testing::snapshot(&config, Some(&shared.snapshot())));
    assert_eq!(poll(&mut line[3]), Poll::Ready(Some(0)));
    event(0, Event::Maint);
    assert_eq!(poll(&mut line[4]), Poll::Ready(None), "nobody is left to wait for");
    assert_eq!(poll(&mut line[5]), Poll::Ready(None));
    assert_eq!(backend.live.queue.waiting(), 0);
    assert_eq!(join(&backend, any()).unwrap_err(), Refused::Nobody);
}

/// Threads that come, wait, leave and change limits. Each one's turn must come, and no limit may be passed.
#[test]
fn nobody_is_forgotten_and_no_limit_is_passed() {
    const THREADS: u64 = 8;
    const TURNS: u64 = 4000;
    let (_, _, backend) = backend(&[maxconn(1), maxconn(2)]);
    let (served, left, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (backend, served, left, over) = (&backend, &served, &left, &over);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(async {
                    let mut seed = thread * 7919 + 1;
                    for _ in 0..TURNS {
                        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let chance = seed >> 33;
                        let queue = &backend.live.queue;
                        let index = if !queue.is_waited_in() && backend.enter((chance % 2) as u32) {
                            (chance % 2) as u32
                        } else {
                            let mut waiting = join(backend, any()).unwrap();
                            if chance.is_multiple_of(5) {
                                // Impatient: one look, and away.
                                if let Poll::Ready(Some(index)) = poll(&mut waiting) {
                                    backend.leave(index);
                                }
                                left.fetch_add(1, Relaxed);
                                continue;
                            }
                            let told = poll_fn(|cx| waiting.poll(cx));
                            let held = tokio::time::timeout(Duration::from_secs(30), told).await;
                            held.expect("its turn comes").expect("servers stay").keep()
                        };
                        for (server, most) in backend.servers.iter().zip([1, 2]) {
                            over.fetch_add(u64::from(server.served.load(SeqCst) > most), Relaxed);
                        }
                        if chance.is_multiple_of(3) {
                            std::thread::yield_now();
                        }
                        backend.leave(index);
                        served.fetch_add(1, Relaxed);
                    }
                });
            });
        }
    });
    assert_eq!(served.load(Relaxed) + left.load(Relaxed), THREADS * TURNS);
    assert_eq!(over.load(Relaxed), 0, "a server was given more than its limit");
    assert_eq!((backend.served(), backend.live.queue.waiting()), (0, 0), "everything was given back");
}
