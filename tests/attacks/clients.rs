//! Clients that mean harm.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use harness::origin::tcp::Tcp;
use harness::{Client, Config, Crowd, Daemon, Level, Start, eventually, pause};

use super::{Stage, scaled};

const STEP: Duration = Duration::from_millis(50);

fn stage() -> Stage {
    Stage::set(|config| {
        config
            .defaults(r#"timeouts: (http_request: "5s", client: "1s", server: "5s", http_keep_alive: "1m")"#)
    })
}

/// Listens until all have ended.
fn all_end(crowd: &mut Crowd) {
    let n = crowd.members().len();
    eventually("all have ended", || (crowd.listen() == n).then_some(()));
}

#[test]
fn half_heads_that_drip_are_cut_off() {
    let stage = stage();
    let n = scaled(500, 4000);
    let mut crowd = Crowd::connect(stage.web, n);
    let begun = Instant::now();
    crowd.say("GET / HTTP/1.1\r\nHost: test\r\nX-Drip: ");
    while crowd.listen() < n {
        crowd.say("x");
        pause(STEP);
        assert!(begun.elapsed() < Duration::from_mins(1), "dripping goes on");
    }
    assert_eq!(crowd.heard("HTTP/1.1 408 "), n, "each is told why");
    assert!(stage.daemon.count("web", "FRONTEND", "ereq") >= n as u64);
    stage.ends_unharmed();
}

#[test]
fn lines_that_drip_are_cut_off() {
    let stage = stage();
    let n = scaled(200, 2000);
    let mut crowd = Crowd::connect(stage.web, n);
    let begun = Instant::now();
    // Line ends in front of a request are skipped, whole fields are parsed anew each time: neither buys time.
    crowd.say("\r\n");
    let mut head = false;
    while crowd.listen() < n {
        crowd.say(if head { "X: y\r\n" } else { "\r\nGET / HTTP/1.1\r\n" });
        head = true;
        pause(STEP);
        assert!(begun.elapsed() < Duration::from_mins(1), "dripping goes on");
    }
    assert_eq!(crowd.heard("HTTP/1.1 408 "), n);
    stage.ends_unharmed();
}

#[test]
fn connections_that_never_speak_are_ended() {
    let stage = stage();
    let n = scaled(1000, 6000);
    let mut crowd = Crowd::connect(stage.web, n);
    all_end(&mut crowd);
    assert_eq!(crowd.heard("HTTP/1.1 408 "), n);
    stage.ends_unharmed();
}

#[test]
fn connections_that_come_and_go_leave_nothing() {
    let stage = stage();
    for round in 0..scaled(10, 50) {
        let crowd = Crowd::connect(stage.web, 200);
        drop(crowd);
        eventually(&format!("round {round} is let go"), || (stage.daemon.descriptors() < 500).then_some(()));
    }
    stage.ends_unharmed();
}

#[test]
fn bodies_that_stop_are_cut_off() {
    let stage = stage();
    let n = scaled(200, 1000);
    let mut crowd = Crowd::connect(stage.web, n);
    crowd.say("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\nabc");
    all_end(&mut crowd);
    assert_eq!(crowd.heard("HTTP/1.1 408 "), n);
    let mut crowd = Crowd::connect(stage.web, n);
    crowd.say("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5;");
    all_end(&mut crowd);
    assert_eq!(crowd.heard("HTTP/1.1 408 "), n);
    eventually("no server waits for a body", || (stage.origin.service().open() <= 4).then_some(()));
    stage.ends_unharmed();
}

#[test]
fn answers_that_nobody_reads_are_cut_off() {
    let stage = stage();
    let n = scaled(100, 300);
    let were_in = || stage.daemon.count("web", "FRONTEND", "stot");
    let before = were_in();
    let mut crowd = Crowd::with_buffer(stage.web, n, Some(4096));
    crowd.say("GET /bytes/50000000 HTTP/1.1\r\nHost: test\r\n\r\n");
    // The first of them may be cut off before the last are there.
    eventually("all were in", || (were_in() >= before + n as u64).then_some(()));
    let most = n as u64 * (256 << 10) + (16 << 20);
    eventually("they are cut off", || {
        let grown = stage.level.grown(&stage.daemon);
        assert!(grown < most, "{grown} bytes for {n} that do not read");
        (stage.daemon.count("web", "FRONTEND", "scur") <= 3).then_some(())
    });
    eventually("no server waits for them", || (stage.origin.service().open() <= 4).then_some(()));
    drop(crowd);
    stage.ends_unharmed();
}

/// What one client may send at most is refused, and others are served while many try.
#[test]
fn floods_of_fields_and_long_lines_are_refused() {
    let stage = stage();
    let long = "a".repeat(100_000);
    let get = "GET / HTTP/1.1\r\nHost: test\r\n";
    let heads = [
        (format!("{get}{}\r\n", "X: y\r\n".repeat(10_000)), "431"),
        (format!("{get}{long}: y\r\n\r\n"), "431"),
        (format!("{get}X: {long}\r\n\r\n"), "431"),
        (format!("GET /{long} HTTP/1.1\r\nHost: test\r\n\r\n"), "414"),
        (format!("{long} / HTTP/1.1\r\nHost: test\r\n\r\n"), "414"),
        (format!("GET http://{long}/ HTTP/1.1\r\nHost: test\r\n\r\n"), "414"),
    ];
    for (head, status) in heads {
        let mut crowd = Crowd::connect(stage.web, scaled(50, 500));
        let n = crowd.members().len();
        let begun = Instant::now();
        for part in head.as_bytes().chunks(32 << 10) {
            crowd.say(part);
            crowd.listen();
        }
        all_end(&mut crowd);
        assert_eq!(crowd.heard(&format!("HTTP/1.1 {status} ")), n, "{}", &head[..40]);
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    }
    stage.ends_unharmed();
}

#[test]
fn floods_of_chunk_extensions_cost_little() {
    let stage = stage();
    let head = "POST /length HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = format!("1;{}\r\nx\r\n", "e".repeat(200)).repeat(scaled(5_000, 50_000));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let mut client = Client::tcp(stage.web);
            let bytes = [head, &chunks, "0\r\n\r\n"].concat();
            thread::spawn(move || {
                client.send(bytes);
                client.response("POST").text()
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), scaled(5_000, 50_000).to_string());
    }
    let mut crowd = Crowd::connect(stage.web, 100);
    crowd.say(format!("{head}5;{}", "e".repeat(64 << 10)));
    all_end(&mut crowd);
    assert_eq!(crowd.heard("HTTP/1.1 400 "), 100);
    stage.ends_unharmed();
}

#[test]
fn pipelined_requests_without_end_are_answered_in_order() {
    let stage = stage();
    let n = scaled(10_000, 100_000);
    let mut client = Client::tcp(stage.web);
    let mut writer = client.stream().again().unwrap();
    let writing = thread::spawn(move || {
        for block in 0..n / 100 {
            let requests: Vec<_> = (0..100)
                .map(|it| format!("GET /bytes/{} HTTP/1.1\r\nHost: test\r\n\r\n", (block * 100 + it) % 97))
                .collect();
            writer.write_all(requests.concat().as_bytes()).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    for it in 0..n {
        assert_eq!(client.response("GET").body.len, it as u64 % 97, "answer {it}");
    }
    assert!(client.closed_within(Duration::from_secs(5)));
    writing.join().unwrap();
    stage.ends_unharmed();
}

#[test]
fn pipelined_requests_whose_answers_nobody_reads_stop() {
    let stage = stage();
    let mut client = Client::tcp(stage.web);
    client.stream().buffers(8 << 10);
    client.stream().limit(Some(Duration::from_millis(700))).unwrap();
    let requests = "GET /bytes/1000 HTTP/1.1\r\nHost: test\r\n\r\n".repeat(1000);
    let mut sent = 0;
    while let Ok(n @ 1..) = client.stream().write(requests.as_bytes()) {
        sent += n;
        assert!(sent < 100 << 20, "{sent} bytes of requests were taken");
    }
    assert!(stage.level.grown(&stage.daemon) < 16 << 20);
    eventually("it is cut off", || (stage.daemon.count("web", "FRONTEND", "scur") <= 2).then_some(()));
    stage.ends_unharmed();
}

/// Goes away with a reset at one of several places.
fn vanish(client: Client, stage: usize) {
    let mut client = client;
    let bytes = [
        "",
        "GET / HT",
        "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhell",
        "GET /slow/20 HTTP/1.1\r\nHost: test\r\n\r\n",
        "GET /bytes/5000000 HTTP/1.1\r\nHost: test\r\n\r\n",
    ][stage];
    client.send(bytes);
    if stage == 4 {
        client.stream().read_exact(&mut [0; 100]).unwrap();
    }
    client.reset();
}

#[test]
fn resets_at_every_stage_leave_nothing() {
    let stage = stage();
    for n in 0..scaled(500, 10_000) {
        vanish(Client::tcp(stage.web), n % 5);
    }
    eventually("no session is left", || (stage.daemon.count("web", "FRONTEND", "scur") <= 2).then_some(()));
    eventually("no server waits", || (stage.origin.service().open() <= 4).then_some(()));
    stage.ends_unharmed();
}

#[test]
fn resets_in_tcp_mode_leave_nothing() {
    let echo = Tcp::echo();
    let daemon = Daemon::start(&Config::tcp([("app1", echo.address())]));
    let to = daemon.listener("web");
    let level = Level::of(&daemon);
    let mut bystander = Client::tcp(to);
    for n in 0..scaled(300, 5_000) {
        vanish(Client::tcp(to), n % 4);
        if n % 20 == 0 {
            bystander.send("still here");
            assert_eq!(bystander.read_exactly(10), b"still here");
        }
    }
    drop(bystander);
    eventually("no server waits", || (echo.service().open() == 0).then_some(()));
    level.is_back(&daemon);
}

#[test]
fn at_the_limit_of_descriptors_those_who_are_in_are_served() {
    let origin = harness::origin::http::Origin::start("app1");
    let config = Config::http([("app1", origin.addr())]).global("workers: 2");
    // Two workers keep about half of them for themselves; the rest is less than the crowd wants.
    let daemon = Start::new(&config).nofile(400).run();
    let web = daemon.listener("web");
    let mut inside = Client::tcp(web);
    assert_eq!(inside.get("/").status, 200);
    let level = Level::of(&daemon);
    let mut crowd = Crowd::connect(web, 400);
    crowd.say("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    for _ in 0..50 {
        let asked = Instant::now();
        assert_eq!(inside.get("/").status, 200);
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
        assert!(daemon.admin("show info").contains("Ulimit-n: 400"));
        assert!(daemon.descriptors() <= 400);
    }
    let inside_now = daemon.count("web", "FRONTEND", "scur");
    assert!((20..200).contains(&inside_now), "some of the crowd are in, and most are not: {inside_now}");
    eventually("it does not spin on what it cannot accept", || {
        let busy = daemon.cpu();
        pause(Duration::from_secs(1));
        (daemon.cpu().saturating_sub(busy) < Duration::from_millis(150)).then_some(())
    });
    drop(crowd);
    eventually("there is room again", || (daemon.count("web", "FRONTEND", "scur") <= 1).then_some(()));
    assert_eq!(Client::tcp(web).get("/").status, 200);
    level.is_back(&daemon);
}

#[test]
fn a_socket_under_attack_harms_nobody() {
    let stage = stage();
    let path = stage.daemon.socket_path();
    let level = Level::of(&stage.daemon);
    let half_open: Vec<_> = (0..30).map(|_| Client::unix(&path)).collect();
    let mut endless = Client::unix(&path);
    // It may be told that the line is too long, and closed, before all of it is sent.
    let line = "a".repeat(1 << 20);
    endless.try_send(&line).ok();
    let mut payload = Client::unix(&path);
    payload.send("show info <<END\nmore\n");
    payload.try_send("line\n".repeat(100_000)).ok();
    let mut many = Client::unix(&path);
    many.try_send("show info;".repeat(1000)).ok();
    let asked = Instant::now();
    assert!(stage.daemon.admin("show stat").starts_with("# pxname,"));
    assert!(asked.elapsed() < Duration::from_secs(15), "others wait {:?}", asked.elapsed());
    assert!(level.grown(&stage.daemon) < 16 << 20);
    drop((half_open, endless, payload, many));
    stage.ends_unharmed();
}
