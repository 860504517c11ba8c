//! What is tried again, on which server, and what never is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use harness::origin::Refusing;
use harness::origin::faulty::{ANSWER, End, Fault, Faulty};
use harness::origin::http::{Answer, Origin};
use harness::origin::slow::Silent;
use harness::stream::Address;
use harness::{Client, Config, Daemon, eventually};

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
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let asked = || servers.iter().map(Silent::requests).sum::<usize>();
    eventually("each was asked for", || (asked() >= 60).then_some(()));
    assert!(asked() <= 72, "{} requests out of 60", asked());
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

/// A server that answers one thing.
fn answering(bytes: &'static [u8]) -> Origin {
    Origin::scripted(move |_| Answer { bytes: bytes.to_vec(), close: true })
}

const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nX-Origin: busy\r\nContent-Length: 5\r\n\r\nbusy\n";

/// All requests are answered by the good server of the two, and `asked` counts those the other one saw.
fn all_end_well(bad: &Address, good: &Origin, retries: &str, request: &str, asked: impl Fn() -> usize) {
    // What is silent is waited for; else it is more than a busy machine needs.
    let time = if retries.contains("response_timeout") { "4s" } else { "15s" };
    let config = Config::http([("bad", bad.clone()), ("good", good.address())])
        .defaults(&format!("timeouts: (server: {time:?}), retries: ({retries})"));
    let daemon = Daemon::start(&config);
    for n in 0..4 {
        let mut client = daemon.client();
        client.send(request);
        let answer = client.response(request.split(' ').next().unwrap());
        assert_eq!((answer.status, answer.origin()), (200, "good"), "request {n} with {retries}");
    }
    assert!(asked() >= 1, "the bad server was never asked");
    assert_eq!(good.hits(), 4);
    assert_eq!(daemon.count("app", "BACKEND", "hrsp_5xx"), 0, "what was asked again is no answer");
    assert_eq!(daemon.count("app", "BACKEND", "wredis"), asked() as u64);
    assert_eq!(daemon.count("app", "bad", "wredis"), asked() as u64);
    assert_eq!(daemon.count("app", "BACKEND", "eresp"), 0, "nor an error");
}

const GET: &str = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

#[test]
fn a_status_may_be_a_reason() {
    let (busy, good) = (answering(BUSY), Origin::start("good"));
    all_end_well(&busy.address(), &good, "on: [conn_failure, status(429), status(503)]", GET, || busy.hits());
}

#[test]
fn nonsense_may_be_a_reason() {
    for nonsense in
        [&b"what?\r\n\r\n"[..], b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n"]
    {
        let (bad, good) = (answering(nonsense), Origin::start("good"));
        all_end_well(&bad.address(), &good, "on: [junk_response]", GET, || bad.hits());
    }
}

#[test]
fn silence_may_be_a_reason() {
    let (silent, good) = (Silent::start(), Origin::start("good"));
    all_end_well(&silent.address(), &good, "on: [response_timeout]", GET, || silent.requests());
}

/// One that answers `/` as it should, on a connection that is kept, and what is asked for as said.
fn moody(bad: impl Fn() -> &'static [u8] + Send + Sync + 'static) -> Origin {
    Origin::scripted(move |request| {
        let bytes: &[u8] = if request.target() == "/" {
            b"HTTP/1.1 200 OK\r\nX-Origin: moody\r\nContent-Length: 0\r\n\r\n"
        } else {
            bad()
        };
        Answer { bytes: bytes.to_vec(), close: false }
    })
}

#[test]
fn what_goes_wrong_on_a_kept_connection_counts_against_its_server() {
    let silent = moody(|| {
        harness::pause(Duration::from_secs(20));
        ANSWER
    });
    for (bad, on) in [(silent, "response_timeout"), (moody(|| BUSY), "status(503)")] {
        let good = Origin::start("good");
        // Nearly every turn is the bad one's.
        let config = Config::http([("bad", bad.address())])
            .server("good", good.address(), "weight: 1")
            .defaults(&format!(r#"timeouts: (server: "5s"), retries: (on: [{on}])"#));
        let daemon = Daemon::start(&config);
        let mut client = daemon.client();
        assert_eq!(client.get("/").origin(), "moody");
        let answer = client.get("/bytes/1");
        assert_eq!((answer.status, answer.origin()), (200, "good"), "{on}");
        let asked = bad.requests().iter().filter(|it| it.target() != "/").count();
        assert!(asked <= 1, "{on}: asked {asked} times");
        assert_eq!(daemon.count("app", "bad", "reuse"), 1, "{on}: the connection was kept");
        assert_eq!(daemon.count("app", "bad", "wredis"), 1, "{on}");
    }
}

#[test]
fn unwanted_answers_wait_for_leave_to_ask_elsewhere() {
    let (busy, good) = (answering(BUSY), Origin::start("good"));
    let config = Config::http([("busy", busy.address()), ("good", good.address())])
        .defaults("retries: (on: [status(503)])");
    let daemon = Daemon::start(&config);
    let address = daemon.listener("web");
    // A dozen come back at once, and the budget has room for three or four of them.
    let threads: Vec<_> =
        (0..24).map(|_| std::thread::spawn(move || Client::tcp(address).get("/slow/5").status)).collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 200);
    }
    assert!(busy.hits() >= 1, "{}", busy.hits());
}

#[test]
fn the_last_answer_is_passed_on() {
    let servers = [answering(BUSY), answering(BUSY), answering(BUSY)];
    let names = ["s1", "s2", "s3"];
    let config = Config::http(names.into_iter().zip(servers.iter().map(Origin::address)))
        .defaults("retries: (max: 1, on: [status(503)])");
    let daemon = Daemon::start(&config);
    let answer = daemon.client().get("/");
    assert_eq!((answer.status, answer.origin(), answer.text().as_str()), (503, "busy", "busy\n"));
    assert_eq!(servers.iter().map(Origin::hits).sum::<usize>(), 2);
    assert_eq!(daemon.count("app", "BACKEND", "hrsp_5xx"), 1);
    // What may not be repeated is passed on at once.
    assert_eq!(daemon.client().post("/", b"pay once").status, 503);
    assert_eq!(servers.iter().map(Origin::hits).sum::<usize>(), 3);
}

fn put(target: &str, body: &[u8]) -> String {
    let body = String::from_utf8(body.to_vec()).unwrap();
    format!("PUT {target} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn a_small_body_is_sent_again() {
    let body = vec![b'x'; 16 * 1024];
    let (busy, good) = (answering(BUSY), Origin::start("good"));
    all_end_well(&busy.address(), &good, "on: [status(503)]", &put("/echo", &body), || busy.hits());
    assert!(good.record().requests.iter().all(|request| request.body.bytes == body));
    assert!(busy.record().requests.iter().all(|request| request.body.bytes == body));

    let chunks = "PUT /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
                  5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    let (busy, good) = (answering(BUSY), Origin::start("good"));
    all_end_well(&busy.address(), &good, "on: [status(503)]", chunks, || busy.hits());
    assert!(good.record().requests.iter().all(|request| request.body.bytes == b"hello world"));

    let post = put("/echo", b"as often as it takes").replacen("PUT", "POST", 1);
    let (faulty, good) = (Faulty::start(Fault::Response(0), End::Reset), Origin::start("good"));
    all_end_well(&faulty.address(), &good, "non_idempotent: true", &post, || faulty.requests());
}

#[test]
fn a_body_that_is_long_enough_for_a_pipe_is_kept_all_the_same() {
    // Every place says where it stands.
    let body: Vec<u8> = (0..250_000_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
    let body: Vec<u8> = body.iter().map(|byte| b'a' + byte % 26).collect();
    let head = format!("PUT /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len());
    for coded in [false, true] {
        let (busy, good) = (answering(BUSY), Origin::start("good"));
        let config = Config::http([("bad", busy.address()), ("good", good.address())])
            .defaults(r#"retries: (on: [status(503)], replay: "1MiB")"#);
        let daemon = Daemon::start(&config);
        for _ in 0..4 {
            let mut client = daemon.client();
            if coded {
                client.send("PUT /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
                for part in body.chunks(150_000) {
                    client.send([format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat());
                }
                client.send("0\r\n\r\n");
            } else {
                client.send([head.as_bytes(), &body].concat());
            }
            let answer = client.response("PUT");
            assert_eq!(answer.status, 200);
            assert!(answer.body.bytes == body, "{} bytes came back", answer.body.len);
        }
        assert!(busy.hits() >= 2 && good.hits() == 4, "{} {}", busy.hits(), good.hits());
        assert!(busy.requests().iter().chain(&good.requests()).all(|it| it.body.bytes == body));
    }
}

#[test]
fn a_body_that_is_still_coming_is_sent_again_whole() {
    // It is refused while its second half is still on its way.
    let (busy, good) = (Faulty::start(Fault::Request(60), End::Close), Origin::start("good"));
    let daemon = Daemon::start(&Config::http([("bad", busy.address()), ("good", good.address())]));
    for _ in 0..4 {
        let mut client = daemon.client();
        client.send("PUT /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhello");
        // The first half is on its way by now, whoever has it.
        harness::pause(Duration::from_millis(100));
        client.send("again");
        let answer = client.response("PUT");
        assert_eq!((answer.status, answer.text().as_str()), (200, "helloagain"));
    }
    assert!(busy.accepted() >= 1);
}

#[test]
fn a_large_body_is_not_kept() {
    for (retries, length) in [("on: [status(503)]", 16 * 1024 + 1), (r#"on: [status(503)], replay: "0B""#, 1)]
    {
        let (busy, good) = (answering(BUSY), Origin::start("good"));
        let config = Config::http([("bad", busy.address()), ("good", good.address())])
            .defaults(&format!("retries: ({retries})"));
        let daemon = Daemon::start(&config);
        let mut statuses: Vec<u16> = (0..2)
            .map(|_| {
                let mut client = daemon.client();
                client.send(put("/echo", &vec![b'x'; length]));
                client.response("PUT").status
            })
            .collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 503], "{retries}");
        assert_eq!((busy.hits(), good.hits()), (1, 1));
    }
}

#[test]
fn a_retry_may_have_to_stay_where_it_was() {
    let count = AtomicUsize::new(0);
    let moody = Origin::scripted(move |_| match count.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => Answer { bytes: BUSY.to_vec(), close: false },
        _ => Answer {
            bytes: b"HTTP/1.1 200 OK\r\nX-Origin: moody\r\nContent-Length: 0\r\n\r\n".to_vec(),
            close: false,
        },
    });
    let other = Origin::start("other");
    let config = Config::http([("moody", moody.address()), ("other", other.address())])
        .defaults(r#"timeouts: (connect: "100ms"), retries: (on: [status(503)], redispatch: false)"#);
    let daemon = Daemon::start(&config);
    for _ in 0..4 {
        assert_eq!(daemon.client().get("/").status, 200);
    }
    assert_eq!((moody.hits(), other.hits()), (4, 2), "two of four met the moody one, each twice");
    assert_eq!(daemon.count("app", "BACKEND", "wretr"), 2);
    assert_eq!(daemon.count("app", "BACKEND", "wredis"), 0);
}
