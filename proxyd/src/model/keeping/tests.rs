use std::time::Duration;

use proto::state::Oper;

use super::*;
use crate::config::{Algorithm, Config};
use crate::model::change::Cause;
use crate::model::state::Event;
use crate::model::testing;

const BY: Cause<'_> = Cause::Command { by: "test", line: "" };
const SLOW_START: Duration = Duration::from_secs(16);

fn config(algorithm: Algorithm) -> Config {
    let mut config = testing::config();
    config.backends[0].balance = algorithm;
    config.backends[0].servers[0].limits.slow_start = SLOW_START;
    config.backends[0].servers[0].limits.maxconn = 50;
    config
}

/// `app1` with weight 100 warms up, `app2` with 50 does not; the third is a backup.
fn site(algorithm: Algorithm) -> (Arc<Shared>, Arc<Backend>) {
    let shared = testing::shared_of(&config(algorithm));
    let backend = Arc::clone(shared.snapshot().backend("app").unwrap());
    (shared, backend)
}

/// How often each server stands in the lineup.
fn places(backend: &Backend) -> [usize; 2] {
    let lineup = backend.lineup();
    [0, 1].map(|index| lineup.active.order.iter().filter(|&&it| it == index).count())
}

async fn pass(ms: u64) {
    tokio::time::advance(Duration::from_millis(ms)).await;
}

#[tokio::test(start_paused = true)]
async fn small_lineups_are_prepared_at_once() {
    let (shared, backend) = site(Algorithm::RoundRobin);
    for (weight, seen) in [(100, [1, 1]), (25, [4, 1]), (0, [1, 0]), (50, [2, 1])] {
        shared.set_weight(&backend, &backend.servers[1], weight, BY);
        assert_eq!(places(&backend), seen);
        assert_eq!(shared.tend(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn large_lineups_are_20_ms_apart() {
    let (shared, backend) = site(Algorithm::RoundRobin);
    let set = |index: usize, weight| shared.set_weight(&backend, &backend.servers[index], weight, BY);
    set(0, 256);
    set(1, 255);
    assert_eq!(places(&backend), [256, 255], "that one is the first that is large");
    assert_eq!(shared.tend(), None);
    for weight in [25, 10, 253] {
        set(1, weight);
    }
    assert_eq!(places(&backend), [256, 255]);
    assert_eq!(backend.usable().weight, 509, "what is counted is counted at once");
    let due = shared.tend().unwrap();
    assert_eq!(due - clock::now(), Duration::from_millis(20));
    pass(19).await;
    assert_eq!(shared.tend(), Some(due));
    assert_eq!(places(&backend), [256, 255]);
    pass(1).await;
    assert_eq!(shared.tend(), None);
    assert_eq!(places(&backend), [256, 253]);
    // Whoever is the only one is not waited for.
    let event = |index: usize, event| shared.server_event(&backend, &backend.servers[index], event, BY);
    set(1, 255);
    event(0, Event::Maint);
    event(1, Event::Maint);
    event(2, Event::Maint);
    event(1, Event::Ready);
    assert_eq!(places(&backend), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_server_warms_up_when_it_comes_up() {
    let (shared, backend) = site(Algorithm::RoundRobin);
    // The first millisecond of a process is a long one.
    pass(5).await;
    let server = &backend.servers[0];
    let event = |event| shared.server_event(&backend, server, event, BY);
    let throttle = || server.ramp().throttle(server.weight()).unwrap_or_default();
    let shown = || (server.effective_weight(), throttle(), backend.usable().weight);
    assert_eq!(shown(), (100, 100, 150), "not at the start of the process");
    for (down, up) in [(Event::HealthDown, Event::HealthUp), (Event::Maint, Event::Ready)] {
        event(down);
        assert_eq!(backend.usable().weight, 50);
        event(up);
        assert_eq!(server.control().state.oper, Oper::Starting);
        assert_eq!(shown(), (7, 6, 57));
        let mut took = None;
        let begun = clock::now();
        while let Some(due) = shared.tend() {
            assert!(due > clock::now(), "it is not called for nothing");
            if clock::now() - begun >= SLOW_START / 2 && took.is_none() {
                took = Some((shown(), places(&backend)));
            }
            tokio::time::sleep_until(due).await;
        }
        // Nine sixteenths of 100 beside 50.
        assert_eq!(took, Some(((57, 56, 107), [9, 8])));
        assert_eq!(shown(), (100, 100, 150));
        assert_eq!(places(&backend), [2, 1]);
        assert_eq!(server.control().state.oper, Oper::Running);
        let over = (clock::now() - begun).saturating_sub(SLOW_START);
        assert!(over < Duration::from_millis(820), "{over:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_drained_before_it_is_warm_begins_anew() {
    let (shared, backend) = site(Algorithm::RoundRobin);
    pass(5).await;
    let server = &backend.servers[0];
    let event = |event| shared.server_event(&backend, server, event, BY);
    let tend = async |time: Duration| {
        let until = clock::now() + time;
        while let Some(due) = shared.tend().filter(|due| *due <= until) {
            tokio::time::sleep_until(due).await;
        }
        tokio::time::sleep_until(until).await;
    };
    event(Event::Maint);
    event(Event::Ready);
    tend(SLOW_START / 2).await;
    assert_eq!(server.effective_weight(), 57);
    event(Event::Drain);
    tend(SLOW_START / 2).await;
    event(Event::Ready);
    assert_eq!((server.effective_weight(), server.control().state.oper), (7, Oper::Starting));
    assert_eq!(backend.usable().weight, 57);
    tend(SLOW_START / 2).await;
    assert_eq!(server.effective_weight(), 57);
    // Drained for as long as it takes, it is warm.
    event(Event::Drain);
    tend(SLOW_START + Duration::from_secs(1)).await;
    event(Event::Ready);
    assert_eq!((server.effective_weight(), server.control().state.oper), (100, Oper::Running));
}

#[tokio::test(start_paused = true)]
async fn a_limit_grows_as_well_and_those_who_wait_have_it() {
    let (shared, backend) = site(Algorithm::StaticRr);
    let server = &backend.servers[0];
    shared.server_event(&backend, server, Event::Maint, BY);
    shared.server_event(&backend, server, Event::Ready, BY);
    assert_eq!(server.share(), 1600, "the weight of static_rr stays");
    let room = || {
        let taken = (0..100).take_while(|_| backend.enter(0)).count();
        (0..taken).for_each(|_| backend.leave(0));
        taken
    };
    assert_eq!(room(), 1);
    let until = clock::now() + SLOW_START / 2;
    while clock::now() < until {
        let due = shared.tend().unwrap();
        tokio::time::sleep_until(due.min(until)).await;
    }
    shared.tend();
    assert!((24..=25).contains(&room()), "{}", room());
    while let Some(due) = shared.tend() {
        tokio::time::sleep_until(due).await;
    }
    assert_eq!(room(), 50);
}

#[tokio::test(start_paused = true)]
async fn who_goes_down_while_it_warms_up_begins_anew() {
    let (shared, backend) = site(Algorithm::RoundRobin);
    // The first millisecond of a process is a long one.
    pass(5).await;
    let server = &backend.servers[0];
    let event = |event| shared.server_event(&backend, server, event, BY);
    event(Event::Maint);
    event(Event::Ready);
    pass(10_000).await;
    shared.tend();
    assert_eq!(server.ramp().steps, 11);
    event(Event::HealthDown);
    assert_eq!(server.ramp(), Ramp::FULL);
    event(Event::HealthUp);
    assert_eq!(server.ramp().steps, 1);
    // A new graph goes on where the old one was.
    pass(8000).await;
    let mut config = config(Algorithm::RoundRobin);
    config.backends[0].servers[0].limits.slow_start = SLOW_START * 2;
    shared.publish(testing::snapshot(&config, Some(&shared.snapshot())));
    shared.tend();
    assert_eq!(server.ramp().steps, 5);
    assert_eq!(server.control().state.oper, Oper::Starting);
    pass(60_000).await;
    shared.tend();
    assert_eq!(server.control().state.oper, Oper::Running);
}

#[tokio::test(start_paused = true)]
async fn one_that_warms_up_quickly_does_not_wait_for_a_slow_one() {
    let mut config = config(Algorithm::RoundRobin);
    config.backends[0].servers[0].limits.slow_start = Duration::from_secs(1000);
    config.backends[0].servers[1].limits.slow_start = Duration::from_millis(200);
    let shared = testing::shared_of(&config);
    let backend = Arc::clone(shared.snapshot().backend("app").unwrap());
    let restart = |index: usize| {
        for event in [Event::HealthDown, Event::HealthUp] {
            shared.server_event(&backend, &backend.servers[index], event, BY);
        }
        shared.tend().unwrap()
    };
    assert_eq!(restart(0) - clock::now(), Duration::from_secs(1));
    pass(10).await;
    assert_eq!(restart(1) - clock::now(), Duration::from_millis(20));
}

#[tokio::test(start_paused = true)]
async fn the_census_is_what_a_count_of_all_says() {
    let (shared, backend) = site(Algorithm::LeastConn);
    let mut seed = 7_u32;
    let mut chance = |n: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % n
    };
    let events = [Event::Maint, Event::Ready, Event::Drain, Event::HealthDown, Event::HealthUp];
    for _ in 0..2000 {
        let server = &backend.servers[chance(3) as usize];
        match chance(4) {
            0 => shared.set_weight(&backend, server, chance(4) * 50, BY),
            _ => shared.server_event(&backend, server, events[chance(5) as usize], BY),
        }
        pass(u64::from(chance(3000))).await;
        shared.tend();
        let anew = Census::of(backend.servers.iter().map(|server| &**server));
        assert_eq!(backend.usable(), anew.usable(backend.backups));
        assert_eq!(backend.is_up(), backend.servers.iter().any(|server| server.is_eligible()));
    }
}
