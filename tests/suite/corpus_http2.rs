//! The HTTP/2 half of `tests/corpus`: frames of clients, towards servers of HTTP/1.1 and of HTTP/2, and frames of servers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use harness::corpus::{self, Case};
use harness::frames::script::{self, Step};
use harness::frames::{self, Frame, PREFACE, hpack};
use harness::origin::http::{Origin, Record, Request};
use harness::origin::http2;
use harness::{Client, Config, Daemon, Level, Peer};

use super::corpus::{ask, is_good, judge_answer};

/// Nothing takes that long that is not stuck.
const LIMIT: Duration = Duration::from_secs(20);

/// What must come of a connection.
#[derive(Debug, Default)]
struct Verdict {
    /// What comes on a stream: a status, then a reset.
    streams: BTreeMap<u32, (Option<u16>, Option<u32>)>,
    end: End,
}

/// How the connection fares.
#[derive(Debug, Default, Eq, PartialEq)]
enum End {
    /// It goes on.
    #[default]
    Alive,
    /// It ends, with GOAWAY and this code.
    Goaway(u32),
    /// It ends without a word.
    Closed,
}

impl Verdict {
    fn of(case: &Case) -> Self {
        let text = case.text("verdict").expect("every case has one");
        let of = || format!("{text:?} of [{}], line {}", case.name, case.line);
        let code = |name: &str| frames::code(name).unwrap_or_else(|| unreachable!("no code: {}", of()));
        let mut verdict = Self::default();
        for part in text.split("; ") {
            let words: Vec<&str> = part.split(' ').collect();
            let number = |word: &str| word.parse().unwrap_or_else(|_| unreachable!("no verdict: {}", of()));
            match words[..] {
                ["alive"] => {}
                ["closed"] => verdict.end = End::Closed,
                ["goaway", name] => verdict.end = End::Goaway(code(name)),
                [stream, "nothing"] => _ = verdict.streams.insert(number(stream), (None, None)),
                [stream, "reset", name] => {
                    verdict.streams.insert(number(stream), (None, Some(code(name))));
                }
                [stream, status] => {
                    let status = status.parse().unwrap_or_else(|_| unreachable!("no verdict: {}", of()));
                    verdict.streams.insert(number(stream), (Some(status), None));
                }
                [stream, status, "reset", name] => {
                    let status = status.parse().unwrap_or_else(|_| unreachable!("no verdict: {}", of()));
                    verdict.streams.insert(number(stream), (Some(status), Some(code(name))));
                }
                _ => unreachable!("no verdict: {}", of()),
            }
        }
        verdict
    }

    /// All that is to come on these streams has.
    fn has_come(&self, peer: &Peer) -> bool {
        self.streams.iter().all(|(id, (status, reset))| {
            let heard = peer.on(*id);
            match (status, reset) {
                (_, Some(_)) => heard.reset.is_some(),
                (Some(_), None) => heard.is_over(),
                (None, None) => true,
            }
        })
    }

    /// What came instead.
    fn differs(&self, peer: &Peer) -> Vec<String> {
        let mut wrong = Vec::new();
        for (id, heard) in &peer.streams {
            let (status, reset) = self.streams.get(id).copied().unwrap_or_default();
            // An answer that is whole may be followed by a word on the rest of the request (RFC 9113 8.1).
            let got_reset = heard.reset.filter(|it| *it != 0 || !heard.ended || reset.is_some());
            let cut = status.is_some() && reset.is_none() && !heard.ended;
            if heard.status() != status || got_reset != reset || cut {
                let reset = heard.reset.map(frames::code_name);
                let ended = heard.ended;
                wrong.push(format!("on {id}: {:?}, ended {ended}, reset {reset:?}", heard.status()));
            }
        }
        for (id, _) in
            self.streams.iter().filter(|(id, it)| **it != (None, None) && !peer.streams.contains_key(id))
        {
            wrong.push(format!("nothing on {id}"));
        }
        let end = match (peer.closed, peer.goaway) {
            (false, None) => End::Alive,
            (_, Some((_, code))) => End::Goaway(code),
            (true, None) => End::Closed,
        };
        if end != self.end || peer.closed != (self.end != End::Alive) {
            let goaway = peer.goaway.map(|(_, code)| frames::code_name(code));
            wrong.push(format!("goaway {goaway:?}, closed {}", peer.closed));
        }
        wrong
    }
}

/// What must be seen at the server.
#[derive(Debug)]
enum Served {
    /// These requests, `METHOD target`, and no head more.
    All(Vec<String>),
    /// No whole request, and at most one head.
    Broken,
    /// This one, or nothing.
    Maybe(String),
}

impl Served {
    fn of(case: &Case) -> Self {
        let text = case.text("server").unwrap_or_else(|| unreachable!("[{}] needs `server`", case.name));
        match text.split_once(' ') {
            None if text == "nothing" => Self::All(Vec::new()),
            None if text == "broken" => Self::Broken,
            Some(("maybe", one)) => Self::Maybe(one.into()),
            _ => Self::All(text.split(", ").map(str::to_owned).collect()),
        }
    }

    fn is_met(&self, requests: &[String], heads: usize) -> bool {
        match self {
            Self::All(expected) => {
                // Streams have no order among each other.
                let (mut expected, mut found) = (expected.clone(), requests.to_vec());
                expected.sort();
                found.sort();
                expected == found && heads == expected.len()
            }
            Self::Broken => requests.is_empty() && heads <= 1,
            Self::Maybe(one) => heads <= 1 && requests.iter().all(|it| it == one),
        }
    }

    fn most(&self) -> usize {
        match self {
            Self::All(all) => all.len(),
            Self::Broken | Self::Maybe(_) => 0,
        }
    }
}

/// Sends it; a refusal may come, and the connection end, before all of it is sent.
fn say(peer: &mut Peer, unsent: &mut Vec<u8>) {
    if !unsent.is_empty() {
        let _refused = peer.try_send(std::mem::take(unsent));
    }
}

/// Plays a case, and listens until what is to come has come or never will.
fn play(address: SocketAddr, case: &Case, verdict: &Verdict) -> Peer {
    let steps = script::parse(&case.lines, 1)
        .unwrap_or_else(|error| unreachable!("a slip in [{}]: {error}", case.name));
    let mut peer = Peer::bare(address);
    match case.text("start").as_deref() {
        None => peer.send([PREFACE, &Frame::settings(&[]).bytes()].concat()),
        Some("bare") => {}
        Some(other) => unreachable!("no start: {other:?} of [{}]", case.name),
    }
    let mut ends = false;
    let mut unsent = Vec::new();
    for step in steps {
        // What is said in a row arrives so: between two parts of it an answer might come.
        if let Step::Send(bytes) = step {
            unsent.extend(bytes);
            continue;
        }
        say(&mut peer, &mut unsent);
        match step {
            Step::Send(_) => unreachable!("it is said already"),
            Step::Over(stream) => _ = peer.reads_until(LIMIT, |it| it.on(stream).is_over()),
            Step::Head(stream) => _ = peer.reads_until(LIMIT, |it| !it.on(stream).heads.is_empty()),
            Step::Settings => {
                peer.reads_until(LIMIT, |it| !it.settings.is_empty() && it.acknowledged > 0);
            }
            Step::Mute => peer.answers_pings = false,
            Step::Close => {
                peer.half_close().ok();
                ends = true;
            }
        }
    }
    say(&mut peer, &mut unsent);
    if verdict.end == End::Alive {
        peer.reads_until(LIMIT, |it| verdict.has_come(it));
        // What was to be said before that is said then.
        if !ends {
            peer.is_alive(LIMIT);
        }
    } else {
        peer.reads_until(LIMIT, |_| false);
    }
    peer
}

/// What stands behind proxyd.
enum Behind {
    Http1(Origin),
    Http2(http2::Origin),
}

impl Behind {
    fn config(&self) -> Config {
        match self {
            Self::Http1(origin) => Config::http([("app1", origin.addr())]),
            Self::Http2(origin) => Self::config_of(origin),
        }
    }

    fn config_of(origin: &http2::Origin) -> Config {
        let config = Config::new().frontend("web", r#"default_backend: "app""#).backend("app", "");
        config.server("app1", origin.addr(), "http: h2")
    }

    fn record(&self) -> Record {
        match self {
            Self::Http1(origin) => origin.record(),
            Self::Http2(origin) => origin.record(),
        }
    }
}

fn show(request: &Request) -> String {
    format!("{} {}", request.method(), request.target())
}

fn of_the_case(record: &Record, from: usize) -> Vec<&Request> {
    record.requests[from..].iter().filter(|it| it.target() != "/bystander").collect()
}

/// What is wrong with what the server and the client got, beyond the verdict.
fn details(case: &Case, peer: &Peer, first: Option<&Request>) -> Vec<String> {
    let mut wrong = Vec::new();
    for wanted in case.all("shows").map(corpus::latin1) {
        let (name, value) = wanted.split_once(": ").expect("a field");
        if !peer.streams.values().any(|it| it.get(name) == Some(value)) {
            wrong.push(format!("{wanted} is in no answer"));
        }
    }
    let Some(first) = first else {
        if case
            .fields
            .iter()
            .any(|(key, _)| matches!(key.as_str(), "forwards" | "drops" | "body" | "trailers"))
        {
            wrong.push("nothing reached the server".into());
        }
        return wrong;
    };
    wrong.extend(case.differs(&first.head, &first.body, "forwards", "drops"));
    let trailers: Vec<String> =
        first.body.trailers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    if case.text("trailers").is_some_and(|it| it != trailers.join(", ")) {
        wrong.push(format!("the trailers are {trailers:?}"));
    }
    wrong
}

/// Every case of a file; what was wrong.
fn requests(file: &str, cases: &[Case], behind: &Behind, kind: &str) -> Vec<String> {
    let daemon = Daemon::start(&behind.config().global("workers: 1"));
    let address = daemon.listener("web");
    let mut bystander = Peer::client(address);
    let mut next = 1;
    let mut is_served = |bystander: &mut Peer| {
        bystander.send(frames::get(next, "/bystander"));
        let heard = bystander.answer(next);
        next += 2;
        heard.status() == Some(200) && heard.ended && Client::tcp(address).get("/bystander").status == 200
    };
    assert!(is_served(&mut bystander), "{file} {kind}: a plain request");
    let before = Level::of(&daemon);

    let mut wrong = Vec::new();
    let mut unsettled = 0;
    let (mut from, mut heads) = (behind.record().requests.len(), behind.record().heads);
    for case in cases.iter().filter(|it| it.text("only").is_none_or(|it| it == kind)) {
        let (verdict, served) = (Verdict::of(case), Served::of(case));
        let peer = play(address, case, &verdict);
        // Who comes after it is served, and by then what there is of it is at the server.
        let others = is_served(&mut bystander);
        let record = behind.record();
        let seen = of_the_case(&record, from);
        let mut shown: Vec<String> = seen.iter().map(|it| show(it)).collect();
        let mut began = record.heads - heads - 2;
        // What an earlier case broke off may get there only now.
        let most = if let Served::All(expected) = &served {
            shown.retain(|it| !it.ends_with(" /maybe"));
            expected.len()
        } else {
            1
        };
        let late = began.saturating_sub(most).min(unsettled);
        began -= late;
        unsettled -= late;
        if !matches!(served, Served::All(_)) {
            unsettled += 1_usize.saturating_sub(began);
        }
        let mut found = verdict.differs(&peer);
        if !others {
            found.push("another client is not served".into());
        }
        if !served.is_met(&shown, began) {
            found.push(format!("not what the server was to get: {began} heads"));
        }
        if served.most() > verdict.streams.len() {
            found.push("more requests at the server than answers".into());
        }
        if shown.iter().any(|it| it.contains("smuggled") || it.contains('#')) {
            found.push("a target that must not be".into());
        }
        found.extend(details(case, &peer, seen.first().copied()));
        found.extend(peer.violations.iter().map(|it| format!("the client may refuse: {it}")));
        if let Some(violation) = record.violations.first() {
            found.push(format!("up to here a strict server refuses {violation:?}"));
        }
        (from, heads) = (record.requests.len(), record.heads);
        if !found.is_empty() {
            let place = format!("{file}.txt:{} [{}] towards {kind}", case.line, case.name);
            wrong.push(format!("{place}: {}; at the server {shown:?}", found.join("; ")));
        }
    }
    if let Some(violation) = behind.record().violations.first() {
        wrong.push(format!("{file}.txt towards {kind}: a strict server refuses {violation:?}"));
    }
    drop(bystander);
    before.is_back(&daemon);
    let log = daemon.log();
    assert!(!log.contains("panic"), "{log}");
    wrong
}

const REQUEST_KEYS: [&str; 8] = ["start", "server", "forwards", "drops", "body", "trailers", "shows", "only"];

/// An origin that plays a case for `/case/N`, and else answers what is good.
fn scripted(cases: &[Case]) -> http2::Origin {
    let scripts: Vec<_> = cases.iter().map(|it| it.lines.clone()).collect();
    http2::Origin::scripted(move |request, stream| {
        let case = request.target().strip_prefix("/case/").and_then(|it| it.parse::<usize>().ok());
        case.and_then(|it| scripts.get(it)).map_or_else(
            || vec![Step::Send(good(stream))],
            |lines| script::parse(lines, stream).unwrap_or_else(|error| unreachable!("a slip: {error}")),
        )
    })
}

fn good(stream: u32) -> Vec<u8> {
    let fields = [(":status", "200"), ("x-good", "1")].map(|(name, value)| (name.into(), value.into()));
    let head = Frame::head(0, stream, &hpack::encode(&fields));
    [frames::bytes(&head), Frame::data(frames::END_STREAM, stream, *b"good").bytes()].concat()
}

/// Every case of a file of `http2-answers`; what was wrong.
fn answers(file: &str, cases: &[Case]) -> Vec<String> {
    let origin = scripted(cases);
    let config = Behind::config_of(&origin).global("workers: 1");
    // Who tries another time would be given the same again.
    let daemon = Daemon::start(&config.defaults(r#"retries: (max: 0), timeouts: (server: "10s")"#));
    let address = daemon.listener("web");
    assert!(is_good(Ok(Client::tcp(address).get("/bystander"))));
    let before = Level::of(&daemon);
    let mut wrong = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let (seen, on_is_good) = ask(address, case, index);
        let mut found = judge_answer(case, &seen);
        if !on_is_good {
            found.push("the next request on the connection got another answer".into());
        }
        if !is_good(Ok(Client::tcp(address).get("/fresh"))) {
            found.push("another client got another answer".into());
        }
        if !found.is_empty() {
            wrong.push(format!("{file}.txt:{} [{}]: {}", case.line, case.name, found.join("; ")));
        }
    }
    assert_eq!(origin.record().violations, Vec::<String>::new());
    before.is_back(&daemon);
    let log = daemon.log();
    assert!(!log.contains("panic"), "{log}");
    wrong
}

#[test]
fn frames_of_servers_come_to_what_they_must() {
    corpus::run("http2-answers", &["ask", "shows", "hides", "body", "interim"], 60, answers);
}

#[test]
fn frames_come_to_what_they_must_towards_http1() {
    corpus::run("http2", &REQUEST_KEYS, 80, |name, cases| {
        requests(name, cases, &Behind::Http1(Origin::start("app1")), "http1")
    });
}

#[test]
fn frames_come_to_what_they_must_towards_http2() {
    corpus::run("http2", &REQUEST_KEYS, 80, |name, cases| {
        requests(name, cases, &Behind::Http2(http2::Origin::start("app1")), "http2")
    });
}
