//! Checks, and what becomes of traffic when they fail.

use std::time::Duration;

use harness::origin::http::{Answer, Origin};
use harness::origin::slow::Silent;
use harness::origin::tcp::Tcp;
use harness::{Config, Daemon, eventually};

// An answer may take a busy machine its time; what changed is looked at soon.
const HTTP: &str = r#"check: http(path: "/healthz", interval: "1s", fast_interval: "100ms", down_interval: "100ms", rise: 2, fall: 3)"#;
const TCP: &str = r#"check: tcp(interval: "100ms", rise: 2, fall: 3)"#;

#[test]
fn a_stopped_server_goes_down_and_comes_back() {
    for check in [HTTP, TCP] {
        let (mut one, two) = (Origin::start("app1"), Origin::start("app2"));
        let daemon = Daemon::start(&Config::http([("app1", one.addr()), ("app2", two.addr())]).with(check));
        let address = daemon.listener("web");
        for _ in 0..4 {
            assert_eq!(harness::client::get(address, "/").status, 200);
        }
        one.stop();
        daemon.wait_status("app", "app1", "DOWN");
        let tried = daemon.count("app", "app1", "lbtot");
        for _ in 0..10 {
            assert_eq!(harness::client::get(address, "/").origin(), "app2");
        }
        assert_eq!(daemon.count("app", "app1", "lbtot"), tried, "a server that is down is not picked");
        assert_eq!(daemon.count("app", "app1", "chkdown"), 1);
        one.restart();
        daemon.wait_status("app", "app1", "UP");
        let order: Vec<_> = (0..4).map(|_| harness::client::get(address, "/").origin().to_owned()).collect();
        assert!(order.iter().any(|it| it == "app1"), "{order:?}");
        // HAProxy's words.
        daemon.logged("Server app/app1 is DOWN");
        daemon.logged("Server app/app1 is UP");
    }
}

#[test]
fn nobody_sees_a_server_die() {
    let mut origins = ["a", "b", "c"].map(Origin::start);
    let servers = ["a", "b", "c"].into_iter().zip(origins.iter().map(Origin::addr));
    let daemon = Daemon::start(&Config::http(servers).with(HTTP));
    let address = daemon.listener("web");
    let threads: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
                let mut client = harness::Client::tcp(address);
                (0..200).map(|_| client.get("/").status).filter(|it| *it != 200).count()
            })
        })
        .collect();
    harness::pause(Duration::from_millis(50));
    origins[0].stop();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 0, "answers other than 200");
    }
    daemon.wait_status("app", "a", "DOWN");
    origins[0].restart();
    daemon.wait_status("app", "a", "UP");
}

#[test]
fn statuses_outside_2xx_and_3xx_fail_a_check() {
    for (status, up) in [(200, true), (204, true), (302, true), (404, false), (500, false), (503, false)] {
        let origin = Origin::scripted(move |_| Answer {
            bytes: format!("HTTP/1.1 {status} Status\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .into_bytes(),
            close: true,
        });
        let daemon = Daemon::start(&Config::http([("app1", origin.addr())]).with(HTTP));
        eventually("a check has run", || (!origin.record().requests.is_empty()).then_some(()));
        if up {
            eventually("it passed", || (daemon.stat("app", "app1", "check_status") == "L7OK").then_some(()));
            assert_eq!(daemon.stat("app", "app1", "status"), "UP");
        } else {
            daemon.wait_status("app", "app1", "DOWN");
            eventually("L7STS", || (daemon.stat("app", "app1", "check_status") == "L7STS").then_some(()));
            assert_eq!(daemon.stat("app", "app1", "check_code"), status.to_string());
        }
    }
}

#[test]
fn a_check_that_gets_no_answer_fails_in_time() {
    let silent = Silent::start();
    let check = r#"check: http(path: "/healthz", interval: "200ms", timeout: "200ms", rise: 2, fall: 3)"#;
    let daemon = Daemon::start(&Config::http([("app1", silent.address())]).with(check));
    daemon.wait_status("app", "app1", "DOWN");
    eventually("L7TOUT", || (daemon.stat("app", "app1", "check_status") == "L7TOUT").then_some(()));
}

#[test]
fn a_refused_check_says_so() {
    let mut origin = Tcp::echo();
    let daemon = Daemon::start(&Config::tcp([("app1", origin.addr())]).with(TCP));
    eventually("L4OK", || (daemon.stat("app", "app1", "check_status") == "L4OK").then_some(()));
    assert_eq!(daemon.stat("app", "app1", "status"), "UP");
    origin.stop();
    daemon.wait_status("app", "app1", "DOWN");
    eventually("L4CON", || (daemon.stat("app", "app1", "check_status") == "L4CON").then_some(()));
    assert_eq!(daemon.client().read_to_end(), b"", "no server, no connection");
}

#[test]
fn a_server_without_checks_is_believed() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    assert_eq!(daemon.stat("app", "app1", "status"), "no check");
    assert_eq!(daemon.stat("app", "app1", "check_status"), "");
    assert_eq!(daemon.client().get("/").status, 200);
}

#[test]
fn draining_ends_new_requests_at_once_and_no_running_one() {
    let (one, two) = (Origin::start("app1"), Origin::start("app2"));
    let daemon = Daemon::start(&Config::http([("app1", one.addr()), ("app2", two.addr())]).with(HTTP));
    let mut running = Vec::new();
    for _ in 0..2 {
        let mut client = daemon.client();
        client.send("GET /drip/10/100 HTTP/1.1\r\nHost: test\r\n\r\n");
        running.push(client);
    }
    eventually("both run", || (one.hits() == 1 && two.hits() == 1).then_some(()));
    assert_eq!(daemon.admin("set server app/app1 state drain"), "");
    let address = daemon.listener("web");
    for _ in 0..10 {
        assert_eq!(harness::client::get(address, "/").origin(), "app2");
    }
    for client in &mut running {
        assert_eq!(client.response("GET").body.len, 10);
    }
    daemon.admin("set server app/app1 state ready");
    let order: Vec<_> = (0..4).map(|_| harness::client::get(address, "/").origin().to_owned()).collect();
    assert!(order.iter().any(|it| it == "app1"), "{order:?}");
}
