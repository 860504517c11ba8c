//! Options of sockets and source addresses, as the kernel has them for the real process.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use harness::origin::http::Origin;
use harness::origin::tcp::Tcp;
use harness::stream::Stream;
use harness::{Client, Config, Daemon, Start, eventually};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use socket2::Socket;

/// The process's sockets, as copies of its descriptors.
fn sockets(daemon: &Daemon) -> Vec<Socket> {
    let pid = Pid::from_raw(i32::try_from(daemon.pid()).unwrap()).unwrap();
    let process = pidfd_open(pid, PidfdFlags::empty()).expect("it runs");
    let mut sockets = Vec::new();
    for entry in fs::read_dir(format!("/proc/{}/fd", daemon.pid())).expect("it runs") {
        let entry = entry.unwrap();
        let is_socket =
            fs::read_link(entry.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
        let number: i32 = entry.file_name().to_str().unwrap().parse().unwrap();
        if is_socket && let Ok(copy) = pidfd_getfd(&process, number, PidfdGetfdFlags::empty()) {
            sockets.push(Socket::from(copy));
        }
    }
    sockets
}

/// Its connections from or to this port.
fn connections(daemon: &Daemon, own: Option<u16>, peer: Option<u16>) -> Vec<Socket> {
    let port = |address: std::io::Result<socket2::SockAddr>| Some(address.ok()?.as_socket()?.port());
    let mut found = sockets(daemon);
    found.retain(|socket| {
        let to = port(socket.peer_addr());
        to.is_some() && (own.is_none() || port(socket.local_addr()) == own) && (peer.is_none() || to == peer)
    });
    found
}

#[test]
fn options_hold_on_both_connections() {
    let origin = Tcp::echo();
    let pace = r#"keepalive: (idle: "7s", interval: "3s", count: 5), user_timeout: "9s""#;
    let config = Config::new()
        .defaults("mode: tcp")
        .frontend(
            "web",
            &format!(r#"bind: [(address: "127.0.0.1:0", {pace}, backlog: 77)], default_backend: "app""#),
        )
        .backend("app", "")
        .server("app1", origin.address(), &format!(r#"{pace}, interface: "lo""#));
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    client.send("x");
    client.read_exactly(1);
    let accepted = connections(&daemon, Some(daemon.listener("web").port()), None);
    let connected = connections(&daemon, None, Some(origin.addr().port()));
    assert_eq!((accepted.len(), connected.len()), (1, 1));
    for socket in accepted.iter().chain(&connected) {
        assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(7));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(3));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 5);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(9)));
    }
    assert_eq!(connected[0].device().unwrap().as_deref(), Some(&b"lo"[..]));
}

#[test]
fn a_deferred_connection_waits_for_its_first_byte() {
    let origin = Tcp::echo();
    let config = Config::new()
        .defaults("mode: tcp")
        .frontend("web", r#"bind: [(address: "127.0.0.1:0", defer_accept: true)], default_backend: "app""#)
        .backend("app", "")
        .server("app1", origin.address(), "");
    let daemon = Daemon::start(&config);
    let mut silent = daemon.client();
    let mut other = daemon.client();
    other.send("x");
    other.read_exactly(1);
    assert_eq!(daemon.count("web", "FRONTEND", "stot"), 1, "the silent one was not accepted");
    silent.send("y");
    assert_eq!(silent.read_exactly(1), b"y");
}

#[test]
fn a_bind_has_its_own_limit_and_mode() {
    let origin = Tcp::named("app1");
    let config = Config::new()
        .defaults("mode: tcp")
        .frontend(
            "web",
            r#"bind: [(address: "127.0.0.1:0", maxconn: 2), (address: "unix@./web.sock", mode: "0640")], default_backend: "app""#,
        )
        .backend("app", "")
        .server("app1", origin.address(), "");
    let daemon = Daemon::start(&config);
    let mut first = daemon.client();
    let mut second = daemon.client();
    assert_eq!(first.read_until("\n"), b"app1\n");
    assert_eq!(second.read_until("\n"), b"app1\n");
    // Not before: whoever of three is accepted first has the room.
    let mut third = daemon.client();
    third.stream().limit(Some(Duration::from_millis(200))).unwrap();
    third.try_send("x").unwrap();
    assert_eq!(daemon.count("web", "FRONTEND", "scur"), 2);
    // The other bind has room all the while.
    let path = daemon.dir().join("web.sock");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(Client::unix(&path).read_until("\n"), b"app1\n");
    drop(first);
    third.stream().limit(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(third.read_until("\n"), b"app1\n", "the next one gets the room");
}

/// A server that tells where each connection comes from.
fn witness() -> (Tcp, std::sync::mpsc::Receiver<SocketAddr>) {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let origin = Tcp::start(move |mut stream, _| {
        if let Stream::Tcp(tcp) = &stream {
            tell.lock().unwrap().send(tcp.peer_addr().unwrap()).ok();
        }
        std::io::copy(&mut stream.again().unwrap(), &mut stream).ok();
    });
    (origin, told)
}

#[test]
fn connections_come_from_the_source_address() {
    for (source, ports) in [("127.0.0.2", 1024..=65535), ("127.0.0.3:23000-23009", 23000..=23009)] {
        let (origin, told) = witness();
        let config = Config::tcp([("app1", origin.address())]);
        let text =
            config.render().replace("(name: \"app1\", ", &format!("(name: \"app1\", source: {source:?}, "));
        let daemon = Start::text(&text).run();
        for _ in 0..4 {
            let mut client = daemon.client();
            client.send("x");
            client.read_exactly(1);
            let from = told.recv_timeout(Duration::from_secs(5)).unwrap();
            assert_eq!(Some(&*from.ip().to_string()), source.split(':').next(), "{from}");
            assert!(ports.contains(&from.port()), "{from}");
        }
    }
}

#[test]
fn where_no_port_is_left_another_server_serves() {
    let (one, two) = (Tcp::named("app1"), Tcp::named("app2"));
    let config = Config::new()
        .global(r#"metrics: (bind: "127.0.0.1:0")"#)
        .defaults("mode: tcp")
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "")
        .server("app1", one.address(), r#"source: "127.0.0.4:24000-24001""#)
        .server("app2", two.address(), "");
    let daemon = Daemon::start(&config);
    let mut clients: Vec<Client> = (0..8).map(|_| daemon.client()).collect();
    let mut names: Vec<Vec<u8>> = clients.iter_mut().map(|client| client.read_until("\n")).collect();
    names.sort();
    assert_eq!(names.iter().filter(|name| *name == b"app1\n").count(), 2, "as many as there are ports");
    assert_eq!(names.len(), 8);
    let redispatched = daemon.count("app", "app1", "wredis");
    assert!(redispatched >= 2, "{redispatched}");
    let address =
        daemon.listeners("GLOBAL").into_iter().find(|(_, address)| address.to_string().contains("127."));
    let mut metrics = Client::connect(&address.expect("the metrics are listened on").1);
    let text = metrics.get("/metrics").text();
    for (server, count) in [("app1", redispatched), ("app2", 0)] {
        let sample =
            format!("\nproxyd_no_source_address_total{{proxy=\"app\",server=\"{server}\"}} {count}\n");
        assert!(text.contains(&sample), "{text}");
    }
}

#[test]
fn a_source_that_is_not_ours_is_an_error_of_ours() {
    let origin = Origin::start("app1");
    let config = Config::new()
        .defaults("retries: (max: 0)")
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "")
        .server("app1", origin.addr(), r#"source: "192.0.2.77""#);
    let daemon = Daemon::start(&config);
    assert_eq!(daemon.client().get("/").status, 503);
    assert_eq!(daemon.count("app", "app1", "econ"), 1);
    // Counted with the end of the request, which its client need not wait for.
    eventually("it is counted as ours", || (daemon.count("app", "app1", "eint") == 1).then_some(()));
}

#[test]
fn what_is_not_possible_here_is_said_at_start() {
    let origin = Origin::start("app1");
    for (settings, said) in [
        (r#"interface: "no-such-if""#, "server app/app1: `interface` is not possible"),
        (r#"source: "::1""#, "server app/app1: `source` is not possible"),
    ] {
        let config = Config::new().frontend("web", r#"default_backend: "app""#).backend("app", "").server(
            "app1",
            origin.addr(),
            settings,
        );
        let failed = Start::new(&config).try_run().expect_err("it does not start");
        assert!(failed.log.contains(said), "{}", failed.log);
    }
}

/// Needs the right to set `IP_TRANSPARENT`; without it the refusal is what is tested.
#[test]
fn the_clients_own_address_goes_on_to_the_server() {
    let (origin, told) = witness();
    let config = Config::new()
        .defaults("mode: tcp")
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "")
        .server("app1", origin.address(), "source: client");
    let daemon = match Start::new(&config).try_run() {
        Ok(daemon) => daemon,
        Err(failed) => {
            assert!(
                failed.log.contains("server app/app1: `source: client` is not possible"),
                "{}",
                failed.log
            );
            return;
        }
    };
    let socket = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let own = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 88)), 0);
    socket.bind(&own.into()).unwrap();
    socket.connect(&daemon.listener("web").into()).unwrap();
    let from = told.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(from.ip(), own.ip());
    drop(OwnedFd::from(socket));
}

/// An address of nobody, which a network namespace of its own can be told to take for its own.
const FOREIGN: &str = "192.0.2.1";
/// Set where the test runs once more, in such a namespace.
const INSIDE: &str = "PROXYD_TEST_NAMESPACE";

/// Needs the right to make a network namespace, and ip(8).
#[test]
fn a_transparent_bind_takes_an_address_that_is_not_ours() {
    let run = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    if std::env::var_os(INSIDE).is_none() {
        if !run("unshare", &["--net", "ip", "link", "set", "lo", "up"]) {
            eprintln!("SKIPPED: a_transparent_bind: no network namespace can be made here");
            return;
        }
        let this = std::env::current_exe().unwrap();
        let mut again = Command::new("unshare");
        again.arg("--net").arg(this).args(["--exact", "--nocapture"]);
        again.arg("sockets::a_transparent_bind_takes_an_address_that_is_not_ours");
        let output = again.env(INSIDE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}{output:?}");
        return;
    }
    assert!(run("ip", &["link", "set", "lo", "up"]));
    let origin = Origin::start("app1");
    let config = |transparent: bool| {
        let bind = format!(r#"(address: "{FOREIGN}:0", transparent: {transparent})"#);
        Config::new()
            .frontend("web", &format!(r#"bind: [{bind}], default_backend: "app""#))
            .backend("app", "")
            .server("app1", origin.addr(), "")
    };
    let failed = Start::new(&config(false)).try_run().expect_err("the address is not ours");
    assert!(failed.log.contains(FOREIGN), "{}", failed.log);
    let daemon = Daemon::start(&config(true));
    let address = daemon.listener("web");
    assert_eq!(address.ip().to_string(), FOREIGN);
    let foreign = Ipv4Addr::new(192, 0, 2, 1);
    let is_bound = |socket: &Socket| {
        let own = socket.local_addr().ok().and_then(|own| own.as_socket());
        own.is_some_and(|own| own.ip() == foreign) && socket.ip_transparent_v4().unwrap_or(false)
    };
    assert!(sockets(&daemon).iter().any(is_bound), "it is the kernel's own word for it");
    // As a router in front would have it: what is sent there comes here.
    assert!(run("ip", &["route", "add", "local", FOREIGN, "dev", "lo"]));
    assert_eq!(Client::tcp(address).get("/").text(), "app1\n");
}
