//! What decides on a server's state beside its check: its agent, its traffic, another server, the other servers.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use harness::origin::Refusing;
use harness::origin::http::{Answer, Origin};
use harness::origin::tcp::Tcp;
use harness::{Config, Daemon, client, eventually, holds_for, pause};

/// Checks that find nothing wrong with a port that is open.
const CHECK: &str = r#"check: tcp(interval: "100ms", rise: 1, fall: 1)"#;
/// Checks that do not come a second time within a test, whatever is seen.
const RARE: &str = r#"check: tcp(interval: "1h", timeout: "10s", rise: 2, fall: 3)"#;
/// Checks that come a second time where something was seen.
const WANTED: &str = r#"check: tcp(interval: "1h", fast_interval: "50ms", timeout: "10s", rise: 2, fall: 3)"#;

/// An agent whose answer can be changed, and what it was told.
struct Agent {
    server: Tcp,
    answer: Arc<Mutex<String>>,
    told: Arc<Mutex<Vec<String>>>,
}

impl Agent {
    fn saying(answer: &str) -> Self {
        let answer = Arc::new(Mutex::new(answer.to_owned()));
        let told = Arc::new(Mutex::new(Vec::new()));
        let (says, hears) = (Arc::clone(&answer), Arc::clone(&told));
        let server = Tcp::start(move |mut stream, _| {
            let mut line = Vec::new();
            let mut byte = [0];
            while let Ok(1) = stream.read(&mut byte) {
                if byte[0] == b'\n' {
                    break;
                }
                line.push(byte[0]);
            }
            hears.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
            let answer = says.lock().unwrap().clone();
            // Who has gone needs no answer.
            stream.write_all(answer.as_bytes()).ok();
        });
        Self { server, answer, told }
    }

    fn say(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock().unwrap());
    }

    /// What a server that it is the agent of says.
    fn field(&self) -> String {
        let port = self.server.addr().port();
        // The interval is what it has to answer as well.
        format!(r#"agent: (port: {port}, interval: "500ms", send: "app1\n")"#)
    }
}

fn wait_for(daemon: &Daemon, server: &str, column: &str, value: &str) {
    eventually(&format!("{server} {column} {value}"), || {
        (daemon.stat("app", server, column) == value).then_some(())
    });
}

#[test]
fn an_agent_speaks_for_its_server() {
    let (one, two, agent) = (Origin::start("app1"), Origin::start("app2"), Agent::saying("up\n"));
    let config = Config::new().frontend("web", r#"default_backend: "app""#).backend("app", CHECK);
    let config = config.server("app1", one.addr(), &agent.field()).server("app2", two.addr(), "");
    let daemon = Daemon::start(&config);
    wait_for(&daemon, "app1", "last_agt", "via agent : up");
    assert_eq!(agent.told.lock().unwrap()[0], "app1");
    assert_eq!(daemon.stat("app", "app1", "agent_health"), "1");
    assert_eq!(daemon.stat("app", "app1", "agent_desc"), "Layer7 check passed");
    assert_eq!(daemon.stat("app", "app2", "agent_status"), "");

    agent.say("down # too hot\n");
    daemon.wait_status("app", "app1", "DOWN (agent)");
    wait_for(&daemon, "app1", "last_agt", "via agent : down (too hot)");
    daemon.logged(
        "Server app/app1 is DOWN, reason: Layer7 wrong status, code: 0, info: \"via agent : down (too hot)\"",
    );
    let address = daemon.listener("web");
    for _ in 0..6 {
        assert_eq!(client::get(address, "/").origin(), "app2");
    }
    // Its checks pass all the while, and cannot bring it back.
    agent.say("50%\n");
    wait_for(&daemon, "app1", "weight", "50");
    assert_eq!(daemon.stat("app", "app1", "status"), "DOWN (agent)");
    agent.say("up 100% maxconn:7\n");
    daemon.wait_status("app", "app1", "UP");
    wait_for(&daemon, "app1", "slim", "7");
    agent.say("drain\n");
    daemon.wait_status("app", "app1", "DRAIN (agent)");
    agent.say("maint\n");
    daemon.wait_status("app", "app1", "MAINT");
    agent.say("ready up\n");
    daemon.wait_status("app", "app1", "UP");
}

#[test]
fn an_agent_brings_back_nobody_whose_checks_fail() {
    let (nobody, two, agent) = (Refusing::new(), Origin::start("app2"), Agent::saying("up\n"));
    let config = Config::new().frontend("web", r#"default_backend: "app""#).backend("app", CHECK);
    let config = config.server("app1", nobody.address(), &agent.field()).server("app2", two.addr(), "");
    let daemon = Daemon::start(&config);
    daemon.wait_status("app", "app1", "DOWN");
    let told = agent.told.lock().unwrap().len();
    eventually("it says so again", || (agent.told.lock().unwrap().len() > told + 2).then_some(()));
    assert_eq!(daemon.stat("app", "app1", "status"), "DOWN");
    assert_eq!(daemon.stat("app", "app1", "chkdown"), "1");
}

#[test]
fn operators_have_the_last_word_about_agents() {
    let (origin, agent) = (Origin::start("app1"), Agent::saying("warm\n"));
    let elsewhere = Agent::saying("75%\n");
    let config = Config::new().frontend("web", r#"default_backend: "app""#).backend("app", CHECK);
    let config = config.server("app1", origin.addr(), &agent.field()).server("app2", origin.addr(), "");
    let daemon = Daemon::start(&config);
    wait_for(&daemon, "app1", "last_agt", "agent reports an error : warm");
    assert_eq!(daemon.stat("app", "app1", "status"), "UP");
    assert_eq!(daemon.admin("set server app/app1 agent down"), "");
    assert_eq!(daemon.stat("app", "app1", "status"), "DOWN (agent)");
    assert_eq!(daemon.admin("set server app/app1 agent up"), "");
    assert_eq!(daemon.stat("app", "app1", "status"), "UP");
    let port = elsewhere.server.addr().port();
    assert_eq!(daemon.admin("set server app/app1 agent-send other"), "");
    assert_eq!(daemon.admin(&format!("set server app/app1 agent-addr 127.0.0.1 port {port}")), "");
    let state = daemon.admin("show servers state app");
    assert!(state.contains(&format!(" 127.0.0.1 {port}\n")), "{state}");
    // Without a line end it waits for more, and says nothing in time.
    eventually("it waits", || daemon.stat("app", "app1", "agent_status").ends_with("L7TOUT").then_some(()));
    assert_eq!(daemon.admin("set server app/app1 agent-port 1"), "");
    eventually("nobody is there", || {
        daemon.stat("app", "app1", "agent_status").ends_with("L4CON").then_some(())
    });
    agent.say("down\n");
    assert_eq!(daemon.admin("disable agent app/app1"), "");
    assert_eq!(daemon.stat("app", "app1", "agent_status"), "");
    assert_eq!(
        daemon.admin("set server app/app1 agent up"),
        "agent checks are not enabled on this server.\n"
    );
    assert_eq!(daemon.admin("enable agent app/app1"), "");
    assert_eq!(
        daemon.admin("enable agent app/app2"),
        "Agent was not configured on this server, cannot enable.\n"
    );
    assert_eq!(
        daemon.admin("set server app/app2 agent-port 7"),
        "agent checks are not enabled on this server.\n"
    );
}

#[test]
fn an_operator_says_where_checks_go() {
    let (origin, other) = (Origin::start("app1"), Origin::start("app2"));
    let check = r#"check: http(path: "/check", interval: "100ms", rise: 1, fall: 1)"#;
    let config = Config::new().frontend("web", r#"default_backend: "app""#).backend("app", check);
    let config =
        config.server("app1", origin.addr(), "").backend("bare", "").server("app3", origin.addr(), "");
    let daemon = Daemon::start(&config);
    let status = |word: &str, check: &str| {
        eventually(word, || {
            let is = daemon.stat("app", "app1", "status") == word
                && daemon.stat("app", "app1", "check_status").ends_with(check);
            is.then_some(())
        });
    };
    let place = || {
        let state = daemon.admin("show servers state app");
        let line = state.lines().nth(2).unwrap_or_default().to_owned();
        let fields: Vec<&str> = line.split(' ').collect();
        fields[21..23].join(" ")
    };
    status("UP", "L7OK");
    assert_eq!(place(), "0 -");
    assert_eq!(daemon.admin("set server app/app1 check-port 1"), "");
    status("DOWN", "L4CON");
    assert_eq!(place(), "1 -");
    assert_eq!(daemon.admin("set server app/app1 check-port 0"), "");
    status("UP", "L7OK");
    let port = other.addr().port();
    assert_eq!(daemon.admin(&format!("set server app/app1 check-addr 127.0.0.1 port {port}")), "");
    eventually("the other is asked", || (other.hits() > 0).then_some(()));
    assert_eq!(place(), format!("{port} 127.0.0.1"));
    assert_eq!(daemon.client().get("/").origin(), "app1", "traffic goes where it went");
    for (line, answer) in [
        ("set server app/app1 check-port x", "provided port is not an integer\n"),
        ("set server bare/app3 check-port x", "health checks are not enabled on this server\n"),
        ("set server bare/app3 check-addr ::1", "health checks are not enabled on this server\n"),
        (
            "set server app/app1 fqdn a.b",
            "set server <b>/<s> fqdn failed because no resolution is configured.\n",
        ),
    ] {
        assert_eq!(daemon.admin(line), answer, "{line}");
    }
}

#[test]
fn an_agent_that_is_not_there_says_nothing() {
    let (origin, mut agent) = (Origin::start("app1"), Agent::saying("up\n"));
    let config = Config::new().frontend("web", r#"default_backend: "app""#).backend("app", CHECK);
    let daemon = Daemon::start(&config.server("app1", origin.addr(), &agent.field()));
    wait_for(&daemon, "app1", "last_agt", "via agent : up");
    agent.server.stop();
    eventually("it is missed", || {
        daemon.stat("app", "app1", "agent_status").ends_with("L4CON").then_some(())
    });
    assert_eq!(daemon.stat("app", "app1", "status"), "UP");
    assert_eq!(daemon.client().get("/").status, 200);
}

/// Answers what it is told to.
fn moody() -> (Origin, Arc<AtomicBool>) {
    let ill = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&ill);
    let origin = Origin::scripted(move |_| {
        let status = if state.load(Ordering::SeqCst) { "500 Ill" } else { "200 Well" };
        let bytes = format!("HTTP/1.1 {status}\r\nX-Origin: moody\r\nContent-Length: 0\r\n\r\n").into_bytes();
        Answer { bytes, close: false }
    });
    (origin, ill)
}

#[test]
fn traffic_that_goes_wrong_marks_a_server_down() {
    let ((origin, ill), two) = (moody(), Origin::start("app2"));
    let observed = "observe: layer7, error_limit: 3, on_error: mark_down";
    let config = Config::new().frontend("web", r#"default_backend: "app""#).backend("app", RARE);
    let config = config.server("app1", origin.addr(), observed).server("app2", two.addr(), "weight: 0");
    let daemon = Daemon::start(&config);
    // What its first check says is not to come after what its traffic does.
    wait_for(&daemon, "app1", "check_status", "L4OK");
    let mut client = daemon.client();
    ill.store(true, Ordering::SeqCst);
    assert_eq!([client.get("/").status, client.get("/").status], [500, 500]);
    ill.store(false, Ordering::SeqCst);
    assert_eq!(client.get("/").status, 200);
    ill.store(true, Ordering::SeqCst);
    assert_eq!([client.get("/").status, client.get("/").status], [500, 500]);
    assert!(daemon.stat("app", "app1", "status").starts_with("UP"), "not three in a row");
    assert_eq!(client.get("/").status, 500);
    daemon.wait_status("app", "app1", "DOWN");
    assert_eq!(daemon.stat("app", "app1", "check_status"), "HANA");
    assert_eq!(daemon.stat("app", "app1", "hanafail"), "1");
    assert_eq!(daemon.stat("app", "app2", "hanafail"), "", "it is not observed");
    daemon.logged(
        "Server app/app1 is DOWN, reason: Health analyze, info: \"Detected 3 consecutive errors, last one was: \
         Wrong http response\"",
    );
    assert_eq!(client.get("/").status, 503);
}

#[test]
fn connections_that_fail_count_at_layer_4() {
    let mut origins = [Origin::start("app1"), Origin::start("app2")];
    let observed = "observe: layer4, error_limit: 2, on_error: sudden_death";
    let config = Config::new().frontend("web", r#"default_backend: "app""#).backend("app", WANTED);
    let config = config
        .server("app1", origins[0].addr(), observed)
        .server("app2", origins[1].addr(), "")
        .defaults("retries: (max: 3)");
    let daemon = Daemon::start(&config);
    let address = daemon.listener("web");
    origins[0].stop();
    // Others answer in its place; what was tried counts.
    for _ in 0..8 {
        assert_eq!(client::get(address, "/").status, 200);
    }
    // Two failed connections are one check too few to be down; the next check, or two more of them, are the last.
    daemon.wait_status("app", "app1", "DOWN");
    let log = daemon.logged("Server app/app1 is DOWN, reason: ");
    let reasons = ["Layer4 connection problem", "Health analyze, info: \"Detected 2 consecutive errors"];
    assert!(reasons.iter().any(|reason| log.contains(&format!("app1 is DOWN, reason: {reason}"))), "{log}");
}

#[test]
fn errors_may_do_no_more_than_bring_the_next_check_soon() {
    let (origin, ill) = moody();
    let soon = Duration::from_millis(300);
    let check = r#"check: http(path: "/check", interval: "1h", fast_interval: "300ms", timeout: "5s", rise: 1, fall: 1, expect: status("200-599"))"#;
    let config = Config::new().frontend("web", r#"default_backend: "app""#).backend("app", check);
    let observed = "observe: layer7, error_limit: 3, on_error: fastinter";
    let daemon = Daemon::start(&config.server("app1", origin.addr(), observed));
    let checks = || -> Vec<Instant> {
        let requests = origin.record().requests.into_iter();
        requests.filter(|request| request.target() == "/check").map(|request| request.at).collect()
    };
    eventually("the first check", || (checks().len() == 1).then_some(()));
    wait_for(&daemon, "app1", "check_status", "L7OK");
    let mut client = daemon.client();
    ill.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    for _ in 0..3 {
        assert_eq!(client.get("/").status, 500);
    }
    let times = eventually("the next check", || Some(checks()).filter(|times| times.len() == 2));
    assert!(times[1] - begun >= soon, "not at once");
    // It passes, and errors alone say nothing of the server.
    holds_for(soon * 2, "the next one is far away", || checks().len() == 2);
    wait_for(&daemon, "app1", "check_code", "500");
    wait_for(&daemon, "app1", "check_status", "L7OK");
    assert_eq!(daemon.stat("app", "app1", "status"), "UP");
    assert_eq!(daemon.count("app", "app1", "chkfail"), 0);
    assert_eq!(daemon.count("app", "app1", "hanafail"), 1);
}

#[test]
fn a_server_does_as_the_one_it_tracks() {
    let mut lead = Origin::start("lead");
    let (follower, other) = (Origin::start("follower"), Origin::start("other"));
    let config = Config::new()
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "")
        .server("follower", follower.addr(), r#"track: "leads/lead""#)
        .server("behind", other.addr(), r#"track: "app/follower", weight: 0"#)
        .backend("leads", CHECK)
        .server("lead", lead.addr(), "");
    let daemon = Daemon::start(&config);
    assert_eq!(daemon.stat("app", "follower", "tracked"), "leads/lead");
    assert_eq!(daemon.stat("app", "follower", "check_status"), "");
    eventually("a check has passed", || {
        (daemon.stat("leads", "lead", "check_status") == "L4OK").then_some(())
    });
    assert_eq!(daemon.stat("app", "follower", "status"), "UP");
    lead.stop();
    daemon.wait_status("app", "behind", "DOWN");
    assert_eq!(daemon.stat("app", "follower", "status"), "DOWN");
    daemon.logged("Server app/follower is DOWN via leads/lead.");
    assert_eq!(daemon.client().get("/").status, 503);
    assert_eq!(
        daemon.admin("set server app/follower health up"),
        "cannot change health on a tracking server.\n"
    );
    lead.restart();
    daemon.wait_status("app", "behind", "UP");
    daemon.admin("set server leads/lead state maint");
    assert_eq!(daemon.stat("app", "follower", "status"), "MAINT (via leads/lead)");
    assert_eq!(daemon.stat("app", "behind", "status"), "MAINT (via app/follower)");
    let state = daemon.admin("show servers state app");
    assert!(state.contains(" follower 127.0.0.1 0 2 "), "{state}");
    daemon.admin("set server app/follower state ready");
    assert!(daemon.stat("app", "follower", "status").starts_with("MAINT"), "it is not its own");
    daemon.admin("set server leads/lead state drain");
    assert!(daemon.stat("app", "follower", "status").starts_with("DRAIN"));
    daemon.admin("set server leads/lead state ready");
    eventually("it is back", || (daemon.client().get("/").origin() == "follower").then_some(()));
}

#[test]
fn a_server_that_fails_beside_others_is_left_out_and_taken_in_again() {
    let ((origin, ill), two, three) = (moody(), Origin::start("app2"), Origin::start("app3"));
    let eject = r#"eject: (errors: "50%", window: "500ms", base: "4s", min_requests: 3)"#;
    let config = Config::new()
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", eject)
        .server("app1", origin.addr(), "")
        .server("app2", two.addr(), "")
        .server("app3", three.addr(), "")
        .global(r#"metrics: (bind: "127.0.0.1:0")"#);
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    ill.store(true, Ordering::SeqCst);
    eventually("it is left out", || {
        client.get("/");
        (daemon.stat("app", "app1", "status") == "DOWN (ejected)").then_some(())
    });
    daemon.logged("Server app/app1 is ejected, reason: ");
    ill.store(false, Ordering::SeqCst);
    let others: Vec<_> = (0..6).map(|_| client.get("/").origin().to_owned()).collect();
    assert!(!others.iter().any(|origin| origin == "moody"), "{others:?}");
    daemon.wait_status("app", "app1", "no check");
    eventually("it gets requests again", || (client.get("/").origin() == "moody").then_some(()));
    let history = daemon.admin("show server history app/app1");
    let lines: Vec<&str> = history.lines().collect();
    assert_eq!(lines.len(), 2, "{history}");
    assert!(lines[0].contains(" no check -> DOWN (ejected): "), "{history}");
    assert!(lines[0].ends_with("points above the median of 0%; for 4s"), "{history}");
    assert!(lines[1].ends_with(" DOWN (ejected) -> no check: its 4s are over"), "{history}");
}

#[test]
fn a_server_that_is_slow_beside_others_is_left_out_and_taken_in_again() {
    let slow = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&slow);
    let origin = Origin::scripted(move |_| {
        if state.load(Ordering::SeqCst) {
            // Several times what a busy machine makes the others take.
            pause(Duration::from_millis(500));
        }
        let bytes = b"HTTP/1.1 200 OK\r\nX-Origin: slow\r\nContent-Length: 0\r\n\r\n".to_vec();
        Answer { bytes, close: false }
    });
    let (two, three) = (Origin::start("app2"), Origin::start("app3"));
    let eject = r#"eject: (latency: "3x", window: "4s", base: "3s", min_requests: 3)"#;
    let config = Config::new()
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", eject)
        .server("app1", origin.addr(), "")
        .server("app2", two.addr(), "")
        .server("app3", three.addr(), "")
        .global(r#"metrics: (bind: "127.0.0.1:0")"#);
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    let status = || daemon.stat("app", "app1", "status");
    eventually("it is left out", || {
        assert_eq!(client.get("/").status, 200);
        (status() == "DOWN (ejected)").then_some(())
    });
    slow.store(false, Ordering::SeqCst);
    let metrics = client::get(daemon.listener("GLOBAL"), "/metrics").text();
    let counted = r#"proxyd_server_ejections_total{proxy="app",server="app1",reason="#;
    assert!(metrics.contains(&format!("{counted}\"latency\"}} 1\n")), "{metrics}");
    assert!(metrics.contains(&format!("{counted}\"errors\"}} 0\n")), "{metrics}");
    for _ in 0..6 {
        let origin = client.get("/").origin().to_owned();
        // Unless its time has just been over.
        assert!(origin != "slow" || status() != "DOWN (ejected)");
    }
    eventually("it gets requests again", || (client.get("/").origin() == "slow").then_some(()));
    let history = daemon.admin("show server history app/app1");
    let lines: Vec<&str> = history.lines().collect();
    assert_eq!(lines.len(), 2, "{history}");
    assert!(lines[0].contains(" no check -> DOWN (ejected): it took "), "{history}");
    assert!(
        lines[0].contains("ms to answer within 4s, the median is ") && lines[0].ends_with("ms; for 3s"),
        "{history}"
    );
    assert!(lines[1].ends_with(" DOWN (ejected) -> no check: its 3s are over"), "{history}");
}

#[test]
fn in_panic_health_is_not_believed() {
    let origins = ["app1", "app2", "app3"].map(Origin::start);
    for (then, status, up) in [("all", 200, "UP (PANIC)"), ("none", 503, "DOWN (PANIC)")] {
        let config = Config::new().frontend("web", r#"default_backend: "app""#);
        let config = config.backend("app", &format!(r#"panic: (below: "50%", then: {then})"#));
        let servers = ["app1", "app2", "app3"].into_iter().zip(&origins);
        let config = servers.fold(config, |config, (name, origin)| config.server(name, origin.addr(), ""));
        let daemon = Daemon::start(&config);
        let address = daemon.listener("web");
        daemon.admin("set server app/app1 health down");
        assert_eq!(daemon.stat("app", "BACKEND", "status"), "UP");
        daemon.admin("set server app/app2 health down");
        eventually("it panics", || (daemon.stat("app", "BACKEND", "status") == up).then_some(()));
        daemon.logged("backend 'app' is in panic: 1 of 3 servers are up.");
        let answers: Vec<_> = (0..6).map(|_| client::get(address, "/")).collect();
        assert!(answers.iter().all(|answer| answer.status == status), "{then}");
        if then == "all" {
            for name in ["app1", "app2", "app3"] {
                assert!(answers.iter().any(|answer| answer.origin() == name), "{name} is used");
            }
            assert_eq!(daemon.stat("app", "app1", "status"), "DOWN", "what is said of it stays");
            // Who is taken out by an operator stays out.
            daemon.admin("set server app/app3 state maint");
            for _ in 0..4 {
                assert_ne!(client::get(address, "/").origin(), "app3");
            }
            daemon.admin("set server app/app3 state ready");
        }
        daemon.admin("set server app/app2 health up");
        eventually("it is over", || (daemon.stat("app", "BACKEND", "status") == "UP").then_some(()));
        daemon.logged("backend 'app' is no longer in panic: 2 of 3 servers are up.");
        for _ in 0..4 {
            assert_ne!(client::get(address, "/").origin(), "app1");
        }
    }
}

#[test]
fn what_became_of_a_server_is_told() {
    let mut origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())]).with(
        r#"check: http(path: "/status/503", interval: "2s", down_interval: "100ms", rise: 1, fall: 1)"#,
    );
    let daemon = Daemon::start(&config);
    daemon.wait_status("app", "app1", "DOWN");
    daemon.admin("set server app/app1 state maint");
    let history = daemon.admin("show server history app/app1");
    let lines: Vec<&str> = history.lines().collect();
    assert!(lines[0].contains(" UP -> DOWN: Layer7 wrong status, code: 503, "), "{history}");
    assert!(history.contains(" DOWN -> MAINT: changed from CLI\n  by uid "), "{history}");
    assert!(
        history.contains(": set server app/app1 state maint\n  last check: Layer7 wrong status, code: 503")
    );
    let json = daemon.admin("show server history app/app1 json");
    assert!(json.starts_with("[{") && json.contains("\"status\":\"L7STS\""), "{json}");
    assert_eq!(daemon.admin("show server history app/nobody"), "No such server.\n");
    origin.stop();
}
