//! The raw requests and answers of `tests/corpus`, each through the real binary; its README says what holds of each.

use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use harness::corpus::{self, Case};
use harness::origin::http::{Answer, Origin, Request};
use harness::{Client, Config, Daemon, Level, Response, eventually};

/// What must come of a request.
#[derive(Debug)]
enum Verdict {
    Refused(u16),
    Broken,
    /// These targets, then a refusal.
    Served(Vec<String>, Option<u16>),
}

impl Verdict {
    fn of(case: &Case) -> Self {
        let text = case.text("verdict").expect("every case has one");
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let (rest, then) = match rest.split_once(", then ") {
            Some((rest, status)) => (rest, Some(status.parse().expect("a status"))),
            None => (rest, None),
        };
        match word {
            "refused" => Self::Refused(rest.parse().expect("a status")),
            "broken" if rest.is_empty() => Self::Broken,
            "served" if !rest.is_empty() => Self::Served(rest.split(' ').map(str::to_owned).collect(), then),
            _ => unreachable!("no verdict: {text:?} of [{}], line {}", case.name, case.line),
        }
    }

    /// Statuses the client saw, and targets the server did.
    fn is_met(&self, statuses: &[u16], targets: &[&str]) -> bool {
        let fine = |statuses: &[u16]| statuses.iter().all(|it| (200..300).contains(it));
        match self {
            Self::Refused(status) => targets.is_empty() && statuses == [*status],
            Self::Broken => targets.is_empty() && statuses.len() <= 1 && statuses.iter().all(|it| *it >= 400),
            Self::Served(expected, None) => {
                targets == expected && statuses.len() == targets.len() && fine(statuses)
            }
            Self::Served(expected, Some(then)) => {
                targets == expected
                    && statuses.len() == targets.len() + 1
                    && statuses.last() == Some(then)
                    && fine(&statuses[..targets.len()])
            }
        }
    }
}

/// Final answers until the connection ends.
fn answers(client: &mut Client, method: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    while let Ok(answer) = client.try_response(method) {
        statuses.push(answer.status);
    }
    statuses
}

/// What is wrong with the outcome, if anything.
fn judge(case: &Case, statuses: &[u16], seen: &[Request]) -> Vec<String> {
    let verdict = Verdict::of(case);
    let targets: Vec<&str> = seen.iter().map(Request::target).collect();
    let mut wrong = Vec::new();
    if !verdict.is_met(statuses, &targets) {
        wrong.push("not the verdict".to_owned());
    }
    if targets.len() > statuses.len() {
        wrong.push("more requests at the server than answers".into());
    }
    if targets.iter().any(|it| it.contains("smuggled") || it.contains('#')) {
        wrong.push("a target that must not be".into());
    }
    let Some(first) = seen.first() else {
        if case.fields.iter().any(|(key, _)| matches!(key.as_str(), "forwards" | "drops" | "body")) {
            wrong.push("nothing reached the server".into());
        }
        return wrong;
    };
    wrong.extend(case.differs(&first.head, &first.body, "forwards", "drops"));
    wrong
}

fn send(address: SocketAddr, case: &Case) -> Vec<u16> {
    let mut client = Client::tcp(address);
    // A refusal may come, and the connection end, before everything is sent.
    client.try_send(&case.bytes).and_then(|()| client.stream().shutdown(Shutdown::Write)).ok();
    answers(&mut client, &case.text("method").unwrap_or_else(|| "GET".into()))
}

/// Every case of a file; what was wrong.
fn requests(file: &str, cases: &[Case]) -> Vec<String> {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).global("workers: 1"));
    let address = daemon.listener("web");
    let mut bystander = Client::tcp(address);
    assert_eq!(bystander.get("/bystander").status, 200);
    let before = Level::of(&daemon);

    let mut wrong = Vec::new();
    for case in cases {
        let before = origin.record().requests.len();
        let statuses = send(address, case);
        let record = origin.record();
        let seen = &record.requests[before..];
        let mut found = judge(case, &statuses, seen);
        found
            .extend(record.violations.first().map(|it| format!("up to here a strict server refuses {it:?}")));
        if bystander.get("/bystander").status != 200 || Client::tcp(address).get("/fresh").status != 200 {
            found.push("another client is not served".into());
        }
        if !found.is_empty() {
            let targets: Vec<&str> = seen.iter().map(Request::target).collect();
            let place = format!("{file}.txt:{} [{}]", case.line, case.name);
            wrong.push(format!(
                "{place}: {}; answers {statuses:?}, at the server {targets:?}",
                found.join("; ")
            ));
        }
    }
    // What was begun and not ended reaches its end: the server's connections but that of the pool are closed.
    eventually("the server's connections are closed", || (origin.service().open() <= 1).then_some(()));
    if let Some(violation) = origin.record().violations.first() {
        wrong.push(format!("{file}.txt: a strict server refuses {violation:?}"));
    }
    before.is_back(&daemon);
    wrong
}

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Good: 1\r\n\r\ngood";

/// An origin that answers `/case/N` with the bytes of that case.
fn scripted(cases: &[Case]) -> Origin {
    let scripts: Vec<Answer> = cases
        .iter()
        .map(|case| Answer {
            bytes: case.bytes.clone(),
            close: match case.text("server").as_deref() {
                None => false,
                Some("closes") => true,
                Some(other) => unreachable!("no way of a server: {other:?} of [{}]", case.name),
            },
        })
        .collect();
    Origin::scripted(move |request| {
        let case = request.target().strip_prefix("/case/").and_then(|it| it.parse::<usize>().ok());
        match case.and_then(|it| scripts.get(it)) {
            Some(answer) => answer.clone(),
            None => Answer { bytes: GOOD.to_vec(), close: false },
        }
    })
}

pub(super) fn is_good(answer: std::io::Result<Response>) -> bool {
    answer.is_ok_and(|it| it.status == 200 && it.text() == "good" && it.header("x-good") == Some("1"))
}

/// What a client saw of one answer.
#[derive(Debug)]
pub(super) struct Seen {
    /// The first status line's, if one came.
    status: Option<u16>,
    /// The whole answer, if it was whole.
    whole: Option<Response>,
}

/// Asks for a case and reads its answer, which may be cut; then asks on for what is good.
pub(super) fn ask(address: SocketAddr, case: &Case, index: usize) -> (Seen, bool) {
    let mut client = Client::tcp(address);
    let kind = case.text("ask").unwrap_or_else(|| "GET".into());
    let (method, version, fields) = match kind.as_str() {
        "GET" | "HEAD" => (kind.as_str(), "HTTP/1.1", ""),
        "HTTP/1.0" => ("GET", "HTTP/1.0", "Connection: keep-alive\r\n"),
        "upgrade" => ("GET", "HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        _ => unreachable!("nothing to ask: {kind:?} of [{}]", case.name),
    };
    client.send(format!("{method} /case/{index} {version}\r\nHost: test\r\n{fields}\r\n"));
    let whole = client.try_response(method);
    let Ok(answer) = whole else {
        let status = client.last_status();
        return (Seen { status, whole: None }, true);
    };
    let (status, whole) = (Some(answer.status), Some(answer));
    let ends = whole.as_ref().is_some_and(|it| {
        it.status == 101 || it.header("connection").is_some_and(|it| it.eq_ignore_ascii_case("close"))
    });
    let on_is_good = if ends {
        true
    } else {
        client.try_send("GET /next HTTP/1.1\r\nHost: test\r\n\r\n").is_ok()
            && is_good(client.try_response("GET"))
    };
    (Seen { status, whole }, on_is_good)
}

pub(super) fn judge_answer(case: &Case, seen: &Seen) -> Vec<String> {
    let text = case.text("verdict").expect("every case has one");
    let (word, status) = text.split_once(' ').expect("a verdict and a status");
    let status: u16 = status.parse().expect("a status");
    let mut wrong = Vec::new();
    let met = seen.status == Some(status)
        && match word {
            "passed" | "replaced" => seen.whole.is_some(),
            "cut" => seen.whole.is_none(),
            _ => unreachable!("no verdict: {text:?} of [{}]", case.name),
        };
    if !met {
        wrong.push(format!("not the verdict: {:?}", seen.status));
    }
    let Some(answer) = &seen.whole else { return wrong };
    if word == "replaced" && answer.text().contains("poison") {
        wrong.push("something of it was passed on".into());
    }
    wrong.extend(case.differs(&answer.head, &answer.body, "shows", "hides"));
    if case.text("interim").is_some_and(|it| it != answer.interim.len().to_string()) {
        wrong.push(format!("{} answers in front", answer.interim.len()));
    }
    wrong
}

/// Every case of a file; what was wrong.
fn responses(file: &str, cases: &[Case]) -> Vec<String> {
    let origin = scripted(cases);
    let config = Config::http([("app1", origin.addr())]).global("workers: 1");
    // Who tries another time would be given the same again.
    let daemon = Daemon::start(&config.defaults("retries: (max: 0)"));
    let address = daemon.listener("web");
    let mut bystander = Client::tcp(address);
    assert!(is_good(Ok(bystander.get("/bystander"))));
    let before = Level::of(&daemon);

    let mut wrong = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let (seen, on_is_good) = ask(address, case, index);
        let mut found = judge_answer(case, &seen);
        if !on_is_good {
            found.push("the next request on the connection got another answer".into());
        }
        for _ in 0..2 {
            if !is_good(Ok(bystander.get("/bystander"))) || !is_good(Ok(Client::tcp(address).get("/fresh"))) {
                found.push("another client got another answer".into());
                bystander = Client::tcp(address);
            }
        }
        if !found.is_empty() {
            wrong.push(format!("{file}.txt:{} [{}]: {}", case.line, case.name, found.join("; ")));
        }
    }
    assert_eq!(origin.record().violations, Vec::<String>::new());
    eventually("the server's connections are closed", || (origin.service().open() <= 1).then_some(()));
    before.is_back(&daemon);
    wrong
}

#[test]
fn requests_come_to_what_they_must() {
    corpus::run("requests", &["method", "forwards", "drops", "body"], 150, requests);
}

#[test]
fn answers_come_to_what_they_must() {
    corpus::run("responses", &["ask", "server", "shows", "hides", "body", "interim"], 60, responses);
}

/// A server that never ends its head is waited for no longer than its time.
#[test]
fn half_an_answer_is_504() {
    let origin =
        Origin::scripted(|_| Answer { bytes: b"HTTP/1.1 200 OK\r\nContent-Le".to_vec(), close: false });
    let config = Config::http([("app1", origin.addr())]).defaults(r#"timeouts: (server: "200ms")"#);
    let daemon = Daemon::start(&config);
    let answer = daemon.client().get("/");
    assert_eq!(answer.status, 504);
    assert!(!daemon.client().closed_within(Duration::from_millis(1)));
    eventually("its connection is closed", || (origin.service().open() == 0).then_some(()));
}
