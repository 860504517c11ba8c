//! Starting and ending: exit statuses, signals, addresses that are taken.

use std::fs;
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use harness::origin::http::Origin;
use harness::stream::Address;
use harness::{Client, Config, Daemon, Start, binaries, eventually, pause};
use rustix::process::Signal;

fn proxyd(arguments: &[&str]) -> Output {
    Command::new(binaries::proxyd()).args(arguments).output().unwrap()
}

#[test]
fn exit_statuses() {
    assert_eq!(proxyd(&["--version"]).status.code(), Some(0));
    assert_eq!(proxyd(&["--help"]).status.code(), Some(0));
    assert_eq!(proxyd(&["print-defaults"]).status.code(), Some(0));
    for usage in [&["--nonsense"][..], &["nonsense"], &["run", "--nonsense"], &["check", "-f"], &[]] {
        let output = proxyd(usage);
        assert_eq!(output.status.code(), Some(64), "{usage:?}");
        assert!(!output.stderr.is_empty(), "{usage:?}");
    }
    for failed in [&["run", "-f", "/nonexistent/proxyd.ron"][..], &["check", "-f", "/nonexistent/proxyd.ron"]]
    {
        let output = proxyd(failed);
        assert_eq!(output.status.code(), Some(1), "{failed:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/proxyd.ron"), "{output:?}");
    }
}

#[test]
fn a_configuration_that_is_wrong_is_status_1_with_its_place() {
    let failed = Start::text("(frontends: [(name: \"web\", bnd: [\":80\"])])").try_run().unwrap_err();
    assert_eq!(failed.status.code(), Some(1));
    assert!(failed.log.contains("proxyd.ron:1:") && failed.log.contains("bnd"), "{}", failed.log);
}

#[test]
fn a_first_minute_without_a_file() {
    let origin = Origin::start("app1");
    let arguments = ["run", "--listen", "127.0.0.1:0", "--to", &origin.addr().to_string(), "--print-config"];
    let output = proxyd(&arguments);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&origin.addr().to_string()), "{text}");
    drop(Start::text(&text).run());
}

#[test]
fn check_binds_nothing() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let address = daemon.listener("web");
    let text = Config::new()
        .frontend("web", &format!("bind: [\"{address}\"], default_backend: \"app\""))
        .backend("app", "")
        .server("app1", origin.addr(), "")
        .render();
    let path = daemon.dir().join("same.ron");
    fs::write(&path, text).unwrap();
    let output =
        Command::new(binaries::proxyd()).current_dir(daemon.dir()).arg("check").arg("-f").arg(&path).output();
    assert_eq!(output.unwrap().status.code(), Some(0));
    assert_eq!(daemon.client().get("/").status, 200);
}

#[test]
fn stopping_lets_requests_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let origin = Origin::start("app1");
        let mut daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
        let address = daemon.listener("web");
        let mut idle = Client::tcp(address);
        idle.get("/");
        let mut running = Client::tcp(address);
        running.send("GET /drip/10/100 HTTP/1.1\r\nHost: test\r\n\r\n");
        eventually("it runs", || (origin.hits() == 2).then_some(()));
        daemon.signal(signal);
        assert!(idle.closed_within(Duration::from_secs(5)), "an idle connection is closed");
        eventually("nobody listens", || Client::try_connect(&Address::Tcp(address)).is_err().then_some(()));
        assert_eq!(running.response("GET").body.len, 10, "a request in flight ends well");
        assert_eq!(daemon.wait_exit(Duration::from_secs(10)).code(), Some(0));
        assert!(daemon.told("STOPPING=1"), "the service manager knows");
        assert!(!daemon.socket_path().exists(), "the socket file is removed");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let origin = Origin::start("app1");
    let mut daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    let mut running = daemon.client();
    running.send("GET /slow/20000 HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("it runs", || (origin.hits() == 1).then_some(()));
    let start = Instant::now();
    daemon.signal(Signal::TERM);
    pause(Duration::from_millis(300));
    assert!(daemon.poll_exit().is_none(), "the first signal waits for the request");
    daemon.signal(Signal::TERM);
    let status = daemon.wait_exit(Duration::from_secs(15));
    assert!(start.elapsed() < Duration::from_secs(15));
    assert!(status.signal().is_none(), "it ended by itself: {status}");
}

#[test]
fn tcp_connections_end_with_the_process_too() {
    let origin = harness::origin::tcp::Tcp::echo();
    let mut daemon = Daemon::start(&Config::tcp([("app1", origin.addr())]));
    let mut client = daemon.client();
    client.send("x");
    client.read_exactly(1);
    daemon.signal(Signal::TERM);
    client.send("y");
    assert_eq!(client.read_exactly(1), b"y", "a connection in use is let be");
    client.half_close();
    client.read_to_end();
    assert_eq!(daemon.wait_exit(Duration::from_secs(10)).code(), Some(0));
}

#[test]
fn sighup_is_named_and_ignored() {
    let origin = Origin::start("app1");
    let daemon = Daemon::start(&Config::http([("app1", origin.addr())]));
    daemon.signal(Signal::HUP);
    daemon.logged("SIGHUP");
    assert_eq!(daemon.client().get("/").status, 200);
}

#[test]
fn a_port_in_use_is_an_error() {
    let origin = Origin::start("app1");
    let first = Daemon::start(&Config::http([("app1", origin.addr())]));
    let address = first.listener("web");
    let config = Config::new()
        .frontend("web", &format!("bind: [\"{address}\"], default_backend: \"app\""))
        .backend("app", "")
        .server("app1", origin.addr(), "");
    let failed = Start::new(&config).try_run().unwrap_err();
    assert_eq!(failed.status.code(), Some(1));
    assert!(failed.log.contains(&address.to_string()), "{}", failed.log);
    assert_eq!(first.client().get("/").status, 200);

    let taken = config.frontend("other", &format!("bind: [\"{}\"], default_backend: \"app\"", origin.addr()));
    assert_eq!(
        Start::new(&taken).try_run().unwrap_err().status.code(),
        Some(1),
        "another program's port as well"
    );
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.addr())]);
    let start = Start::new(&config);
    drop(UnixListener::bind(start.dir().join("proxyd.sock")).unwrap());
    let daemon = start.run();
    assert!(daemon.admin("show info").contains("Name: HAProxy"));

    let start = Start::new(&config);
    let live = UnixListener::bind(start.dir().join("proxyd.sock")).unwrap();
    let failed = start.try_run().unwrap_err();
    assert_eq!(failed.status.code(), Some(1));
    assert!(failed.log.contains("proxyd.sock"), "{}", failed.log);
    drop(live);
}

#[test]
fn a_file_that_is_no_socket_is_never_replaced() {
    let origin = Origin::start("app1");
    let start = Start::new(&Config::http([("app1", origin.addr())]));
    let path = start.dir().join("proxyd.sock");
    fs::write(&path, "precious").unwrap();
    // The folder goes with the attempt; its own message is what can be read afterwards.
    let failed = start.try_run().unwrap_err();
    assert_eq!(failed.status.code(), Some(1));
    assert!(failed.log.contains("proxyd.sock"), "{}", failed.log);
}
