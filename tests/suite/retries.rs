//! What is tried again, on which server, and what never is.

use std::time::{Duration, Instant};

use harness::origin::Refusing;
use harness::origin::faulty::{ANSWER, End, Fault, Faulty};
use harness::origin::http::Origin;
use harness::origin::slow::Silent;
use harness::{Client, Config, Daemon};

/// A GET that meets the faulty server first is answered by the good one.
fn get_is_replayed(fault: Fault, end: End) {
    let (faulty, good) = (Faulty::start(fault, end), Origin::start("good"));
    let daemon = Daemon::start(&Config::http([("faulty", faulty.address()), ("good", good.address())]));
    let mut client = daemon.client();
    for _ in 0..4 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.origin()), (200, "good"), "{fault:?} {end:?}");
    }
    assert!(faulty.accepted() >= 1, "{fault:?} {end:?}: the faulty server was never tried");
    assert_eq!(good.hits(), 4);
    assert!(daemon.count("app", "BACKEND", "wredis") >= 1);
}

#[test]
fn a_get_survives_a_server_that_closes_at_once() {
    get_is_replayed(Fault::Accept, End::Close);
    get_is_replayed(Fault::Accept, End::Reset);
}

#[test]
fn a_get_survives_a_server_that_closes_inside_the_request() {
    for n in [1, 2, 5, 14, 17, 24, 29] {
        get_is_replayed(Fault::Request(n), End::Close);
        get_is_replayed(Fault::Request(n), End::Reset);
    }
}

#[test]
fn a_get_survives_a_server_that_closes_without_an_answer() {
    get_is_replayed(Fault::Response(0), End::Close);
    get_is_replayed(Fault::Response(0), End::Reset);
}

#[test]
fn an_answer_that_began_is_never_asked_for_again() {
    let head = ANSWER.len() - 7;
    for n in [1, 5, 12, 17, head - 1, head, head + 1, ANSWER.len() - 1] {
        let (faulty, good) = (Faulty::start(Fault::Response(n), End::Close), Origin::start("good"));
        let daemon = Daemon::start(&Config::http([("faulty", faulty.address()), ("good", good.address())]));
        // One of the first two requests meets the faulty server.
        let mut answers = Vec::new();
        for _ in 0..2 {
            let mut client = daemon.client();
            client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
            answers.push(client.try_response("GET").map(|it| (it.status, it.origin().to_owned())));
        }
        assert_eq!(faulty.requests(), 1, "{n} bytes of an answer: {answers:?}");
        assert_eq!(good.hits(), 1, "{n} bytes of an answer: {answers:?}");
        let bad = answers.iter().filter(|it| !matches!(it, Ok((200, name)) if name == "good"));
        for answer in bad {
            assert!(matches!(answer, Ok((502, _)) | Err(_)), "{n} bytes of an answer: {answer:?}");
        }
    }
}

#[test]
fn a_body_that_was_sent_is_not_sent_again() {
    for end in [End::Close, End::Reset] {
        let (faulty, good) = (Faulty::start(Fault::Response(0), end), Origin::start("good"));
        let daemon = Daemon::start(&Config::http([("faulty", faulty.address()), ("good", good.address())]));
        let statuses: Vec<_> = (0..2).map(|_| daemon.client().post("/echo", b"pay once").status).collect();
        assert!(statuses.contains(&502) && statuses.contains(&200), "{end:?}: {statuses:?}");
        assert_eq!((faulty.requests(), good.hits()), (1, 1), "{end:?}");
    }
}

#[test]
fn a_body_goes_to_another_server_when_the_first_cannot_be_reached() {
    let (refusing, good) = (Refusing::new(), Origin::start("good"));
    let daemon = Daemon::start(&Config::http([("refusing", refusing.address()), ("good", good.address())]));
    for _ in 0..4 {
        let answer = daemon.client().post("/echo", b"pay once");
        assert_eq!((answer.status, answer.text().as_str()), (200, "pay once"));
    }
    assert_eq!(good.hits(), 4);
}

#[test]
fn a_kept_connection_that_was_closed_meanwhile_hurts_nobody() {
    // Every connection serves one request, says that it stays open, and is closed at the next.
    let faulty = Faulty::start(Fault::SecondRequest, End::Reset);
    let good = Origin::start("good");
    let daemon = Daemon::start(
        &Config::http([("faulty", faulty.address()), ("good", good.address())]).global("workers: 1"),
    );
    let mut client = daemon.client();
    for n in 0..20 {
        assert_eq!(client.get("/").status, 200, "request {n}");
    }
}

#[test]
fn an_idle_connection_the_server_closed_is_not_used() {
    let mut origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.address())]).global("workers: 1"));
    let mut client = daemon.client();
    for round in 0..5 {
        let answer = client.post("/echo", b"once");
        assert_eq!(answer.status, 200, "round {round}");
        origin.stop();
        origin.restart();
    }
    assert_eq!(origin.hits(), 5);
}

#[test]
fn closing_servers_make_no_storm() {
    let servers: Vec<_> = (0..3).map(|_| Faulty::start(Fault::Response(0), End::Close)).collect();
    let names = ["s1", "s2", "s3"];
    let daemon = Daemon::start(&Config::http(names.into_iter().zip(servers.iter().map(Faulty::address))));
    let address = daemon.listener("web");
    let threads: Vec<_> =
        (0..40).map(|_| std::thread::spawn(move || Client::tcp(address).get("/").status)).collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 502);
    }
    let asked: usize = servers.iter().map(Faulty::requests).sum();
    // 40 at once: 20 % are 8, and each of those slots may be used again when it is free; never all times four.
    assert!(asked >= 40, "{asked}");
    assert!(asked < 40 * 3, "{asked} requests out of 40");
}

#[test]
fn slow_servers_make_no_storm() {
    let servers: Vec<_> = (0..3).map(|_| Silent::start()).collect();
    let names = ["s1", "s2", "s3"];
    let config = Config::http(names.into_iter().zip(servers.iter().map(Silent::address)))
        .defaults(r#"timeouts: (server: "500ms")"#);
    let daemon = Daemon::start(&config);
    let address = daemon.listener("web");
    let start = Instant::now();
    let threads: Vec<_> =
        (0..60).map(|_| std::thread::spawn(move || Client::tcp(address).get("/").status)).collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 504);
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let asked: usize = servers.iter().map(Silent::requests).sum();
    assert!((60..=72).contains(&asked), "{asked} requests out of 60");
}

#[test]
fn retries_can_be_switched_off() {
    let (faulty, good) = (Faulty::start(Fault::Accept, End::Close), Origin::start("good"));
    let config =
        Config::http([("faulty", faulty.address()), ("good", good.address())]).defaults("retries: (max: 0)");
    let daemon = Daemon::start(&config);
    let statuses: Vec<_> = (0..4).map(|_| daemon.client().get("/").status).collect();
    assert_eq!(statuses.iter().filter(|it| **it == 200).count(), 2, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|it| **it >= 500).count(), 2, "{statuses:?}");
}
