//! Clients that mean harm and speak HTTP/2: each is ended and counted, and who is beside it notices nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use harness::frames::{self, Frame, PREFACE, hpack};
use harness::{Beside, Canary, Crowd, Peer, eventually, is_optimized, pause};

use super::{Stage, scaled};

/// Nobody beside an attack waits longer. What is not optimized takes many times as long.
fn bearable() -> Duration {
    Duration::from_millis(if is_optimized() { 100 } else { 500 })
}

/// Nothing here takes that long.
const LIMIT: Duration = Duration::from_secs(20);
const CALM: Option<u32> = Some(11);
const PROTOCOL_ERROR: Option<u32> = Some(1);

/// A stage with a second canary, which speaks HTTP/2 as the attackers do, but not where they are.
struct Http2 {
    stage: Stage,
    canary: Canary,
    _beside: Beside,
}

impl Http2 {
    fn set() -> Self {
        let beside = Beside::start();
        let stage = Stage::set(|config| {
            beside.to(config).global(r#"metrics: (bind: "127.0.0.1:0")"#).defaults(
                r#"timeouts: (http_request: "5s", client: "1s", server: "5s", http_keep_alive: "1m")"#,
            )
        });
        let canary = Canary::over_http2(&beside, &stage.daemon);
        Self { stage, canary, _beside: beside }
    }

    fn web(&self) -> SocketAddr {
        self.stage.web
    }

    /// Connections that were ended, for any reason that is counted.
    fn ended(&self) -> u64 {
        let metrics = harness::client::get(self.stage.daemon.listener("GLOBAL"), "/metrics").text();
        let lines = metrics.lines().filter(|it| it.starts_with("proxyd_http2_connections_ended_total{"));
        lines.filter_map(|it| it.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    }

    /// The server is done with all of them.
    fn servers_are_free(&self) {
        eventually("no server waits", || (self.stage.origin.service().open() <= 6).then_some(()));
    }

    fn ends_unharmed(self) {
        self.canary.never_waits(bearable());
        self.stage.ends_unharmed();
    }
}

/// The stream of a client's request, by its number.
fn stream(at: usize) -> u32 {
    2 * u32::try_from(at).expect("a stream") + 1
}

/// Sends one after the other until the connection ends, and reads meanwhile; the code it ended with.
fn flood(to: SocketAddr, most: usize, mut one: impl FnMut(usize) -> Vec<u8>) -> Option<u32> {
    let mut peer = Peer::client(to);
    // What is said to the other side's settings must not come between what follows.
    peer.reads_until(LIMIT, |it| !it.settings.is_empty() && it.acknowledged > 0);
    for at in 0..most {
        if peer.try_send(one(at)).is_err() || peer.goaway.is_some() {
            return peer.end(LIMIT);
        }
        if at % 32 == 0 {
            peer.reads_until(Duration::from_millis(1), |it| it.goaway.is_some());
        }
    }
    peer.reads_until(LIMIT, |it| it.goaway.is_some());
    peer.end(LIMIT)
}

/// Some clients, one after the other, each of which floods and is ended with that code.
fn floods(code: Option<u32>, most: usize, one: impl Fn(usize) -> Vec<u8>) {
    let stage = Http2::set();
    let before = stage.ended();
    let n = scaled(5, 50);
    for _ in 0..n {
        assert_eq!(flood(stage.web(), most, &one), code);
    }
    eventually("each is counted", || (stage.ended() >= before + n as u64).then_some(()));
    stage.servers_are_free();
    stage.ends_unharmed();
}

#[test]
fn rapid_resets_are_ended() {
    floods(CALM, 5000, |at| {
        let stream = stream(at);
        [frames::get(stream, "/slow/100"), Frame::reset(stream, 8).bytes()].concat()
    });
}

#[test]
fn resets_behind_a_body_are_ended() {
    floods(CALM, 5000, |at| {
        let stream = stream(at);
        let data = Frame::data(0, stream, *b"hello").bytes();
        [frames::post(stream, "/echo"), data, Frame::reset(stream, 8).bytes()].concat()
    });
}

/// What the proxy is made to reset by more body than was announced.
#[test]
fn resets_that_the_proxy_is_made_to_send_are_ended() {
    floods(CALM, 5000, |at| {
        let stream = stream(at);
        let mut fields = frames::request_fields("POST", "/echo");
        fields.push(("content-length".into(), "5".into()));
        let head = frames::bytes(&Frame::head(0, stream, &hpack::encode(&fields)));
        [head, Frame::data(frames::END_STREAM, stream, *b"too much").bytes()].concat()
    });
}

/// The same by windows that overflow.
#[test]
fn windows_that_overflow_are_ended() {
    floods(CALM, 5000, |at| {
        let stream = stream(at);
        [frames::get(stream, "/slow/100"), Frame::window(stream, 0x7fff_ffff).bytes()].concat()
    });
}

#[test]
fn heads_without_end_are_ended() {
    let part = hpack::encode(&[("x".into(), "y".repeat(100))]).repeat(100);
    floods(CALM, 5000, move |at| {
        match at {
            0 => Frame::new(
                frames::HEADERS,
                frames::END_STREAM,
                1,
                hpack::encode(&frames::request_fields("GET", "/")),
            ),
            _ => Frame::new(frames::CONTINUATION, 0, 1, part.clone()),
        }
        .bytes()
    });
}

#[test]
fn empty_continuations_are_ended() {
    floods(CALM, 5000, |at| {
        match at {
            0 => Frame::new(
                frames::HEADERS,
                frames::END_STREAM,
                1,
                hpack::encode(&frames::request_fields("GET", "/")),
            ),
            _ => Frame::new(frames::CONTINUATION, 0, 1, []),
        }
        .bytes()
    });
}

#[test]
fn pings_are_ended() {
    floods(CALM, 5000, |_| Frame::ping(*b"are you?").bytes());
}

#[test]
fn settings_are_ended() {
    floods(CALM, 5000, |_| Frame::settings(&[(4, 65_535)]).bytes());
}

/// Each makes both sides make their tables anew.
#[test]
fn tables_that_change_are_ended() {
    floods(CALM, 5000, |at| Frame::settings(&[(1, if at % 2 == 0 { 0 } else { 65_536 })]).bytes());
}

#[test]
fn priorities_are_ended() {
    floods(CALM, 5000, |at| Frame::new(frames::PRIORITY, 0, stream(at), [0, 0, 0, 0, 15]).bytes());
}

#[test]
fn windows_of_one_byte_are_ended() {
    floods(CALM, 5000, |_| Frame::window(0, 1).bytes());
}

#[test]
fn empty_frames_are_ended() {
    floods(CALM, 5000, |at| match at {
        0 => frames::post(1, "/echo"),
        _ => Frame::data(0, 1, []).bytes(),
    });
}

#[test]
fn frames_nobody_knows_are_ended() {
    floods(CALM, 5000, |_| Frame::new(0xbb, 0, 0, *b"what is this").bytes());
}

/// 4 kB in the table, named over and over: a megabyte out of a hundred bytes, over and over.
#[test]
fn bombs_are_ended() {
    let mut block = hpack::encode(&frames::request_fields("GET", "/"));
    block.extend_from_slice(b"\x40\x01x\x7f\xa1\x1e");
    block.extend([b'a'; 4000]);
    block.extend([0xbe; 8000]);
    floods(CALM, 100, move |at| frames::bytes(&Frame::head(frames::END_STREAM, stream(at), &block)));
}

#[test]
fn names_of_no_length_are_ended() {
    let mut block = hpack::encode(&frames::request_fields("GET", "/"));
    block.extend([0, 0, 0].repeat(1000));
    floods(PROTOCOL_ERROR, 100, move |at| {
        frames::bytes(&Frame::head(frames::END_STREAM, stream(at), &block))
    });
}

/// Every head fills the table anew, so that nothing it holds is of use.
#[test]
fn tables_that_are_thrashed_cost_little() {
    let stage = Http2::set();
    let mut peer = Peer::client(stage.web());
    for at in 0..scaled(200, 2000) {
        let mut block = hpack::encode(&frames::request_fields("GET", "/"));
        for byte in 0..40 {
            block.extend([0x40, 1, b'a' + byte % 26, 100]);
            block.extend([b'v'; 100]);
        }
        peer.send(frames::bytes(&Frame::head(frames::END_STREAM, stream(at), &block)));
        assert_eq!(peer.answer(stream(at)).status(), Some(200));
    }
    assert_eq!(peer.violations, Vec::<String>::new());
    drop(peer);
    stage.ends_unharmed();
}

/// Many that ask for much and take nothing: what waits for them is bounded, and they are cut off.
#[test]
fn windows_that_stay_shut_are_cut_off() {
    for window in [0, 1] {
        let stage = Http2::set();
        let n = scaled(20, 200);
        let mut peers: Vec<Peer> = (0..n).map(|_| Peer::client(stage.web())).collect();
        for peer in &mut peers {
            peer.reads = false;
            peer.send(Frame::settings(&[(4, window)]).bytes());
            for at in 0..10 {
                peer.send(frames::get(stream(at), "/bytes/10000000"));
            }
        }
        for peer in &mut peers {
            let all = |it: &Peer| (0..10).all(|at| it.on(stream(at)).is_over());
            peer.reads_until(LIMIT, |it| all(it) || it.closed);
            assert!(all(peer) || peer.closed, "it holds on to {:?}", peer.streams.keys());
        }
        // A stream may hold one buffer, whatever it asked for.
        let most = (32 << 20) + n as u64 * 10 * (64 << 10);
        let grown = stage.stage.level.grown(&stage.stage.daemon);
        assert!(grown < most, "{grown} bytes for what nobody takes");
        stage.servers_are_free();
        drop(peers);
        stage.ends_unharmed();
    }
}

/// Windows that open by a byte at a time: a frame for each, at no cost to anybody else.
#[test]
fn windows_that_open_by_a_byte_harm_nobody() {
    let stage = Http2::set();
    let mut peer = Peer::client(stage.web());
    peer.reads = false;
    peer.send(Frame::settings(&[(4, 0)]).bytes());
    peer.send(frames::get(1, "/bytes/10000000"));
    while peer.on(1).body.len() < scaled(3000, 30_000) && !peer.on(1).is_over() && !peer.closed {
        // It may be over before the last of them is sent.
        peer.try_send(Frame::window(1, 1).bytes().repeat(10)).ok();
        peer.reads_until(Duration::from_millis(5), |it| it.on(1).is_over());
    }
    assert!(!peer.on(1).ended, "all of it in a few bytes");
    drop(peer);
    stage.servers_are_free();
    stage.ends_unharmed();
}

/// A client that reads nothing at all, while its answers are as long as they can be.
#[test]
fn answers_nobody_reads_are_cut_off() {
    let stage = Http2::set();
    let n = scaled(30, 200);
    let ask = [
        PREFACE,
        &Frame::settings(&[(4, 0x7fff_ffff)]).bytes(),
        &Frame::window(0, 0x7fff_0000).bytes(),
        &frames::get(1, "/bytes/50000000"),
    ]
    .concat();
    let daemon = &stage.stage.daemon;
    let were_in = || daemon.count("web", "FRONTEND", "stot");
    let before = were_in();
    let mut crowd = Crowd::with_buffer(stage.web(), n, Some(4096));
    crowd.say(&ask);
    // The first of them may be cut off before the last are there.
    eventually("all were in", || (were_in() >= before + n as u64).then_some(()));
    // An error while there is no room to say so.
    crowd.say(Frame::new(frames::DATA, 0, 0, *b"x").bytes());
    crowd.say(Frame::ping(*b"are you?").bytes());
    eventually("they are cut off", || (daemon.count("web", "FRONTEND", "scur") <= 6).then_some(()));
    stage.servers_are_free();
    drop(crowd);
    stage.ends_unharmed();
}

/// PINGs whose answers nobody reads.
#[test]
fn pings_whose_answers_nobody_reads_are_ended() {
    let stage = Http2::set();
    let n = scaled(20, 200);
    let mut crowd = Crowd::with_buffer(stage.web(), n, Some(4096));
    crowd.say([PREFACE, &Frame::settings(&[]).bytes()].concat());
    crowd.say(Frame::ping(*b"are you?").bytes().repeat(50_000));
    eventually("all have ended", || (crowd.listen() == n).then_some(()));
    stage.ends_unharmed();
}

#[test]
fn bodies_that_stop_are_cut_off() {
    let stage = Http2::set();
    let n = scaled(5, 50);
    let mut peers: Vec<Peer> = (0..n).map(|_| Peer::client(stage.web())).collect();
    for peer in &mut peers {
        for at in 0..90 {
            peer.send(frames::post(stream(at), "/echo"));
            peer.send(Frame::data(0, stream(at), *b"x").bytes());
        }
    }
    for peer in &mut peers {
        peer.reads_until(LIMIT, |it| (0..90).all(|at| it.on(stream(at)).is_over()) || it.closed);
        let told = (0..90).filter(|at| peer.on(stream(*at)).status() == Some(408)).count();
        assert_eq!(told, 90, "each is told why; {:?}", peer.on(1));
    }
    drop(peers);
    stage.servers_are_free();
    stage.ends_unharmed();
}

#[test]
fn more_streams_than_allowed_are_refused() {
    let stage = Http2::set();
    let mut peer = Peer::client(stage.web());
    peer.reads_until(LIMIT, |it| !it.settings.is_empty() && it.acknowledged > 0);
    for at in 0..150 {
        peer.send(frames::get(stream(at), "/held"));
    }
    let refused = |it: &Peer| (0..150).filter(|at| it.on(stream(*at)).reset == Some(7)).count();
    peer.reads_until(LIMIT, |it| refused(it) == 50);
    stage.stage.origin.let_go();
    peer.reads_until(LIMIT, |it| (0..150).all(|at| it.on(stream(at)).is_over()));
    let served = (0..150).filter(|at| peer.on(stream(*at)).status() == Some(200)).count();
    assert_eq!((served, refused(&peer)), (100, 50), "{:?}", peer.goaway);
    drop(peer);
    stage.ends_unharmed();
}

/// A client that says it goes, and goes on.
#[test]
fn what_follows_a_goaway_is_bounded() {
    let stage = Http2::set();
    let mut crowd = Crowd::connect(stage.web(), scaled(5, 50));
    let mut words = [PREFACE, &Frame::settings(&[]).bytes(), &Frame::goaway(0, 0).bytes()].concat();
    for at in 0..50 {
        words.extend(frames::get(stream(at), "/bytes/10000"));
        words.extend(Frame::goaway(0, 0).bytes());
    }
    crowd.say(&words);
    let n = crowd.members().len();
    eventually("all have ended", || (crowd.listen() == n).then_some(()));
    stage.servers_are_free();
    stage.ends_unharmed();
}

#[test]
fn prefaces_that_drip_are_cut_off() {
    let stage = Http2::set();
    let n = scaled(200, 2000);
    let mut crowd = Crowd::connect(stage.web(), n);
    let begun = Instant::now();
    for byte in PREFACE.iter().cycle() {
        crowd.say([*byte]);
        pause(Duration::from_millis(150));
        if crowd.listen() == n {
            break;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "dripping goes on");
    }
    stage.ends_unharmed();
}

#[test]
fn heads_that_drip_are_cut_off() {
    let stage = Http2::set();
    let before = stage.ended();
    let n = scaled(100, 1000);
    let mut crowd = Crowd::connect(stage.web(), n);
    crowd.say([PREFACE, &Frame::settings(&[]).bytes()].concat());
    crowd.say(Frame::new(frames::HEADERS, 1, 1, *b"\x82\x86\x84").bytes());
    let begun = Instant::now();
    while crowd.listen() < n {
        crowd.say(Frame::new(frames::CONTINUATION, 0, 1, *b"\x41\x01a").bytes());
        pause(Duration::from_millis(500));
        assert!(begun.elapsed() < Duration::from_mins(1), "dripping goes on");
    }
    eventually("each is counted", || (stage.ended() >= before + n as u64).then_some(()));
    stage.ends_unharmed();
}

#[test]
fn connections_that_ask_for_nothing_are_ended() {
    let stage = Http2::set();
    let mut crowd = Crowd::connect(stage.web(), scaled(500, 4000));
    crowd.say([PREFACE, &Frame::settings(&[]).bytes()].concat());
    let n = crowd.members().len();
    eventually("all have ended", || (crowd.listen() == n).then_some(()));
    stage.ends_unharmed();
}

#[test]
fn clients_that_vanish_leave_nothing() {
    let stage = Http2::set();
    let hello = [PREFACE, &Frame::settings(&[]).bytes()].concat();
    let stages: [Vec<u8>; 5] = [
        PREFACE[..18].to_vec(),
        hello.clone(),
        [hello.clone(), frames::post(1, "/echo"), Frame::data(0, 1, *b"x").bytes()].concat(),
        [hello.clone(), frames::get(1, "/slow/50"), frames::get(3, "/bytes/1000000")].concat(),
        [hello, frames::get(1, "/drip/100/10")].concat(),
    ];
    for round in 0..scaled(10, 100) {
        for words in &stages {
            let mut crowd = Crowd::connect(stage.web(), 20);
            crowd.say(words);
            if round % 2 == 0 {
                crowd.listen();
            }
        }
    }
    stage.servers_are_free();
    stage.ends_unharmed();
}
