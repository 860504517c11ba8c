//! IPv4, IPv6 and Unix sockets, on both sides.

use harness::origin::http::Origin;
use harness::origin::tcp::Tcp;
use harness::stream::Address;
use harness::{Client, Config, Daemon};

#[test]
fn binds_of_every_family_serve() {
    let origin = Origin::start("app1");
    let config = Config::new()
        .frontend("web", r#"bind: ["127.0.0.1:0", "[::1]:0", "unix@./web.sock"], default_backend: "app""#)
        .backend("app", "")
        .server("app1", origin.addr(), "");
    let daemon = Daemon::start(&config);
    let listeners = daemon.listeners("web");
    assert_eq!(listeners.len(), 3, "{listeners:?}");
    for (name, address) in listeners {
        let mut client = Client::connect(&address);
        for _ in 0..3 {
            assert_eq!(client.get("/").text(), "app1\n", "{name} {address}");
        }
    }
    assert_eq!(origin.hits(), 9);
}

#[test]
fn servers_of_every_family_answer() {
    let folder = tempfile::Builder::new().prefix("px").tempdir().unwrap();
    let path = folder.path().join("origin.sock");
    let (four, six, unix) = (Origin::start("four"), Origin::ipv6("six"), Origin::unix("unix", &path));
    let servers = [("four", four.address()), ("six", six.address()), ("unix", unix.address())];
    let daemon = Daemon::start(&Config::http(servers));
    let mut client = daemon.client();
    let mut names: Vec<_> = (0..6).map(|_| client.get("/").origin().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["four", "four", "six", "six", "unix", "unix"]);
}

#[test]
fn tcp_mode_takes_them_too() {
    let folder = tempfile::Builder::new().prefix("px").tempdir().unwrap();
    let origin = Tcp::unix_echo(&folder.path().join("echo.sock"));
    let config = Config::new()
        .defaults("mode: tcp")
        .frontend("web", r#"bind: ["[::1]:0", "unix@./web.sock"], default_backend: "app""#)
        .backend("app", "")
        .server("app1", origin.address(), "");
    let daemon = Daemon::start(&config);
    for (_, address) in daemon.listeners("web") {
        let mut client = Client::connect(&address);
        client.send("hello");
        assert_eq!(client.read_exactly(5), b"hello");
        client.half_close();
        assert_eq!(client.read_to_end(), b"");
    }
}

#[test]
fn a_unix_bind_is_there_as_long_as_the_process() {
    let origin = Origin::start("app1");
    let config = Config::new()
        .frontend("web", r#"bind: ["unix@./web.sock"], default_backend: "app""#)
        .backend("app", "")
        .server("app1", origin.addr(), "");
    let daemon = Daemon::start(&config);
    let path = daemon.dir().join("web.sock");
    assert_eq!(daemon.listeners("web")[0].1, Address::Unix(path.clone()));
    assert_eq!(Client::unix(&path).get("/").status, 200);
}

#[test]
fn a_host_name_is_resolved_at_start() {
    let origin = Origin::start("app1");
    let text = Config::http([("app1", origin.addr())]).render();
    let text = text.replace(&origin.addr().to_string(), &format!("localhost:{}", origin.addr().port()));
    let daemon = harness::Start::text(&text).run();
    assert_eq!(daemon.client().get("/").status, 200);
}

#[test]
fn a_port_without_an_address_is_both_families() {
    let origin = Origin::start("app1");
    let config = Config::new()
        .frontend("web", r#"bind: [":0"], default_backend: "app""#)
        .backend("app", "")
        .server("app1", origin.addr(), "");
    let daemon = Daemon::start(&config);
    let port = daemon.listener("web").port();
    for address in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        assert_eq!(Client::tcp(address.parse().unwrap()).get("/").status, 200, "{address}");
    }
}
