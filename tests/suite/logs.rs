//! The access log: what each line says, and that every request has one.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use harness::origin::Refusing;
use harness::origin::faulty::{End, Fault, Faulty};
use harness::origin::http::Origin;
use harness::origin::slow::Silent;
use harness::origin::tcp::Tcp;
use harness::{Client, Config, Daemon, eventually};
use socket2::{Domain, Socket, Type};

/// A system that logs into the file `access`.
pub(super) fn logging(config: Config, log: &str) -> Daemon {
    let config = config.global(r#"workers: 1, log: [(target: file("access"))]"#);
    Daemon::start(&if log.is_empty() { config } else { config.defaults(&format!("log: ({log})")) })
}

pub(super) fn text(daemon: &Daemon, file: &str) -> String {
    fs::read_to_string(daemon.dir().join(file)).unwrap_or_default()
}

/// Waits for so many lines.
pub(super) fn lines(daemon: &Daemon, file: &str, count: usize) -> Vec<String> {
    let found = eventually(&format!("{count} lines in {file}"), || {
        let text = text(daemon, file);
        (text.lines().count() >= count && text.ends_with('\n'))
            .then(|| text.lines().map(str::to_owned).collect::<Vec<_>>())
    });
    assert_eq!(found.len(), count, "{found:#?}");
    found
}

/// A line without what differs from run to run: dates, ports, timers and counts but -1.
fn masked(line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for word in &mut words {
        if word.starts_with('[') && word.ends_with(']') && word.len() == 26 {
            *word = "[date]".into();
        } else if let Some(port) = word.strip_prefix("127.0.0.1:")
            && port.parse::<u16>().is_ok()
        {
            *word = "127.0.0.1:port".into();
        } else if word.split('/').count() >= 3 && word.split('/').all(|it| it.parse::<i64>().is_ok()) {
            *word =
                word.split('/').map(|it| if it == "-1" { "-1" } else { "t" }).collect::<Vec<_>>().join("/");
        }
    }
    words.join(" ")
}

/// The letters of a line of HTTP.
fn letters(line: &str) -> &str {
    line.split(' ').nth(9).unwrap_or_default()
}

#[test]
fn httplog_is_haproxys() {
    let origin = Origin::start("app1");
    let daemon = logging(Config::http([("app1", origin.address())]), "");
    let mut client = daemon.client();
    client.get("/path?query=1");
    client.post("/echo", b"12345");
    let lines = lines(&daemon, "access", 2);
    assert_eq!(
        masked(&lines[0]),
        format!(
            "127.0.0.1:port [date] web app/app1 t/t/t/t/t 200 {} - - ---- t/t/t/t/t 0/0 \"GET /path?query=1 HTTP/1.1\"",
            client_bytes(&daemon, "/path?query=1")
        )
    );
    assert!(lines[0].contains(" ---- 1/1/0/0/0 0/0 "), "{}", lines[0]);
    assert!(lines[1].ends_with(" \"POST /echo HTTP/1.1\""), "{}", lines[1]);
}

/// Bytes of the answer to a GET.
fn client_bytes(daemon: &Daemon, path: &str) -> usize {
    let mut client = daemon.client();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"));
    // The line of a connection that goes on has no `Connection: close`.
    client.read_to_end().len() - "Connection: close\r\n".len()
}

#[test]
fn httpslog_without_tls_says_so() {
    let origin = Origin::start("app1");
    let daemon = logging(Config::http([("app1", origin.address())]), "format: httpslog");
    daemon.client().get("/");
    let lines = lines(&daemon, "access", 1);
    assert!(lines[0].ends_with(" 0/0 \"GET / HTTP/1.1\" 0/-/-/-/0 -/-/-"), "{}", lines[0]);
}

#[test]
fn tcplog_is_haproxys() {
    let origin = Tcp::echo();
    let daemon = logging(Config::tcp([("app1", origin.address())]), "");
    let mut client = daemon.client();
    client.send("12345");
    client.read_exactly(5);
    client.half_close();
    client.read_to_end();
    let lines = lines(&daemon, "access", 1);
    assert_eq!(masked(&lines[0]), "127.0.0.1:port [date] web app/app1 t/t/t 5 -- t/t/t/t/t 0/0");
    assert!(lines[0].ends_with(" 5 -- 1/1/0/0/0 0/0"), "{}", lines[0]);
}

#[test]
fn a_format_of_ones_own() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.address())]);
    let format = "%{+Q}f|%b|%s|%ST|%HM|%HU|%HP|%HQ|%HV|%{+X}ci|%si:%sp|%U|%CC|%ID|%{+Q}ID|100%%|%hr %hs x|%{+E}r|%lc|%reason|%tsc|%ts";
    let daemon = logging(config, &format!("format: {format:?}"));
    daemon.client().get("/a]b?c=d");
    let port = origin.addr().port();
    let lines = lines(&daemon, "access", 1);
    // What nothing is captured in shows nothing, and blanks around it are one.
    assert_eq!(
        lines[0],
        format!(
            "\"web\"|app|app1|200|GET|/a]b?c=d|/a]b|?c=d|HTTP/1.1|7F000001|127.0.0.1:{port}|37|-|-|\"\"|100%| x|GET /a\\]b?c=d HTTP/1.1|0|-|----|--"
        )
    );
}

#[test]
fn json_says_it_by_name() {
    let origin = Origin::start("app1");
    let daemon = logging(Config::http([("app1", origin.address())]), "format: json");
    daemon.client().get("/x\"y\\z");
    let mut client = daemon.client();
    client.send("GET / HTTP/1.1\r\n\r\n");
    client.read_to_end();
    let lines = lines(&daemon, "access", 2);
    for part in [
        r#"{"time":"20"#,
        r#""client":"127.0.0.1","client_port":"#,
        r#""frontend":"web","backend":"app","server":"app1","method":"GET","target":"/x\"y\\z","version":"HTTP/1.1","status":200,"#,
        r#""termination":"----","reason":null,"ms":{"handshake":0,"idle":"#,
        r#""retries":0,"redispatched":false,"queue":{"server":0,"backend":0},"connections":{"process":1,"frontend":1,"backend":0,"server":0}}"#,
    ] {
        assert!(lines[0].contains(part), "{part} in {}", lines[0]);
    }
    for part in [
        r#""server":null,"method":null,"target":null,"version":null,"status":400,"#,
        r#""termination":"PR--","reason":"no Host""#,
        r#""request":null,"queue":null,"connect":null,"response":null,"#,
    ] {
        assert!(lines[1].contains(part), "{part} in {}", lines[1]);
    }
}

#[test]
fn refused_requests_have_lines() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.address())])
        .frontend("hasty", r#"timeouts: (http_request: "300ms"), default_backend: "app""#);
    let daemon = logging(config, "");
    for (frontend, bytes, half_close) in [
        ("web", "GET / FOO\r\n\r\n", false),
        ("web", "GET / HTTP/1.1\r\nHost", true),
        ("hasty", "GET / HTTP/1.1\r\nHost", false),
        ("hasty", "", false),
        ("web", "", true),
    ] {
        let mut client = Client::tcp(daemon.listener(frontend));
        client.send(bytes);
        if half_close {
            client.half_close();
        }
        client.read_to_end();
        drop(client);
        // The next line counts those who are there.
        eventually("it has gone", || daemon.admin("show info").contains("\nCurrConns: 0\n").then_some(()));
    }
    let lines = lines(&daemon, "access", 5);
    let said: Vec<_> =
        lines.iter().map(|line| (letters(line), line.split(' ').nth(5).unwrap_or_default())).collect();
    assert_eq!(
        said,
        [("PR--", "400"), ("CR--", "400"), ("cR--", "408"), ("cR--", "408"), ("CR--", "-1")],
        "{lines:#?}"
    );
    for (line, frontend) in lines.iter().zip(["web", "web", "hasty", "hasty", "web"]) {
        assert!(line.contains(&format!(" {frontend} {frontend}/<NOSRV> -1/-1/-1/-1/")), "{line}");
        assert!(line.ends_with(" 1/1/0/0/0 0/0 \"<BADREQ>\""), "{line}");
    }
}

#[test]
fn what_went_wrong_at_servers() {
    let one = |address: harness::stream::Address, server: &str| {
        let config = Config::http([("app1", address)])
            .defaults(&format!("timeouts: (server: {server:?}), retries: (max: 0)"));
        let daemon = logging(config, "");
        let mut client = daemon.client();
        client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        client.read_to_end();
        let line = lines(&daemon, "access", 1).remove(0);
        let words: Vec<_> = line.split(' ').collect();
        (words[9].to_owned(), words[5].to_owned(), masked(words[4]), words[3].to_owned())
    };
    let expected = |letters: &str, status: &str, timers: &str| {
        (letters.to_owned(), status.to_owned(), timers.to_owned(), "app/app1".to_owned())
    };
    assert_eq!(one(Refusing::new().address(), "15s"), expected("SC--", "503", "t/t/-1/-1/t"));
    let closing = Faulty::start(Fault::Response(0), End::Close);
    assert_eq!(one(closing.address(), "15s"), expected("SH--", "502", "t/t/t/-1/t"));
    let half = Faulty::start(Fault::Response(12), End::Close);
    assert_eq!(one(half.address(), "15s"), expected("SH--", "502", "t/t/t/-1/t"));
    let silent = Silent::start();
    assert_eq!(one(silent.address(), "300ms"), expected("sH--", "504", "t/t/t/-1/t"));
    let cut = Faulty::start(Fault::Response(harness::origin::faulty::ANSWER.len() - 1), End::Close);
    assert_eq!(one(cut.address(), "15s"), expected("SD--", "200", "t/t/t/t/t"));
    let stalled = Tcp::start(|mut stream, _| {
        let _asked = stream.read(&mut [0; 1000]);
        let _gone =
            std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
        let _until_closed = stream.read(&mut [0; 10]);
    });
    assert_eq!(one(stalled.address(), "5s"), expected("sD--", "200", "t/t/t/t/t"));
    let garbage = Tcp::start(|mut stream, _| {
        let _asked = stream.read(&mut [0; 1000]);
        let _gone = std::io::Write::write_all(&mut stream, b"garbage\r\n\r\n");
    });
    assert_eq!(one(garbage.address(), "15s"), expected("PH--", "502", "t/t/t/-1/t"));
}

#[test]
fn what_clients_did() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.address())])
        .frontend("hasty", r#"timeouts: (client: "500ms"), default_backend: "app""#);
    let daemon = logging(config, "");
    // Gone while an answer comes.
    let mut client = daemon.client();
    client.send("GET /bytes/100000000 HTTP/1.1\r\nHost: test\r\n\r\n");
    client.read_exactly(1000);
    client.reset();
    let first = lines(&daemon, "access", 1);
    assert_eq!(letters(&first[0]), "CD--", "{first:?}");
    // Takes nothing of an answer.
    let mut client = Client::tcp(daemon.listener("hasty"));
    client.send("GET /bytes/100000000 HTTP/1.1\r\nHost: test\r\n\r\n");
    let second = lines(&daemon, "access", 2);
    assert_eq!(letters(&second[1]), "cD--", "{second:?}");
    // Gone in the middle of its request.
    let silent = Silent::start();
    let daemon = logging(Config::http([("app1", silent.address())]), "");
    let mut client = daemon.client();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nabc");
    eventually("the request is there", || (silent.requests() > 0).then_some(()));
    client.reset();
    let third = lines(&daemon, "access", 1);
    assert_eq!(letters(&third[0]), "CH--", "{third:?}");
}

#[test]
fn retries_are_told() {
    let (refusing, good) = (Refusing::new(), Origin::start("good"));
    let config = Config::http([("refusing", refusing.address()), ("good", good.address())]);
    let daemon = logging(config, "");
    for _ in 0..2 {
        assert_eq!(daemon.client().get("/").status, 200);
    }
    let lines = lines(&daemon, "access", 2);
    assert!(lines.iter().all(|line| line.contains(" app/good ")), "{lines:#?}");
    let tried: Vec<_> = lines.iter().filter(|line| line.contains("/+1 0/0 ")).collect();
    assert!(!tried.is_empty(), "{lines:#?}");
}

#[test]
fn queues_are_told() {
    let origin = Origin::start("app1");
    let config = Config::new()
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "")
        .server("app1", origin.address(), "maxconn: 1")
        .defaults(r#"timeouts: (queue: "5s")"#);
    let daemon = logging(config, "");
    let mut served = daemon.client();
    served.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("it is served", || (daemon.stat("app", "app1", "scur") == "1").then_some(()));
    let mut first = daemon.client();
    first.send("GET /first HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("one waits", || (daemon.stat("app", "BACKEND", "qcur") == "1").then_some(()));
    let mut second = daemon.client();
    second.send("GET /second HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!((first.response("GET").status, second.response("GET").status), (503, 503));
    let lines = lines(&daemon, "access", 2);
    for line in &lines {
        let words: Vec<_> = line.split(' ').collect();
        assert_eq!(
            (words[3], words[5], words[9], words[11]),
            ("app/<NOSRV>", "503", "sQ--", "0/0"),
            "{line}"
        );
        let timers: Vec<i64> = words[4].split('/').map(|it| it.parse().unwrap()).collect();
        assert!(timers[1] >= 5000 && timers[2..4] == [-1, -1], "{line}");
    }
}

/// A listener that takes no more connections and refuses none: its backlog is full.
fn full() -> (Socket, SocketAddr, Vec<TcpStream>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
        held.push(stream);
    }
    (listener, address, held)
}

#[test]
fn a_server_that_is_not_reached_in_time() {
    let (_listener, address, _held) = full();
    let strict = r#"timeouts: (connect: "300ms"), retries: (max: 0)"#;
    let daemon = logging(Config::http([("app1", address)]).defaults(strict), "");
    assert_eq!(daemon.client().get("/").status, 503);
    let line = lines(&daemon, "access", 1).remove(0);
    assert!(masked(&line).contains(" app/app1 t/t/-1/-1/t 503 "), "{line}");
    assert_eq!(letters(&line), "sC--", "{line}");

    let daemon = logging(Config::tcp([("app1", address)]).defaults(strict), "");
    assert_eq!(daemon.client().read_to_end(), b"");
    let line = lines(&daemon, "access", 1).remove(0);
    assert_eq!(masked(&line), "127.0.0.1:port [date] web app/app1 t/-1/t 0 sC t/t/t/t/t 0/0");
}

#[test]
fn a_client_that_stops_in_its_body() {
    let silent = Silent::start();
    let config =
        Config::http([("app1", silent.address())]).defaults(r#"timeouts: (client: "300ms", server: "30s")"#);
    let daemon = logging(config, "");
    let mut client = daemon.client();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nabc");
    assert_eq!(client.response("POST").status, 408);
    let line = lines(&daemon, "access", 1).remove(0);
    assert!(masked(&line).contains(" app/app1 t/t/t/-1/t 408 "), "{line}");
    assert_eq!(letters(&line), "cH--", "{line}");
}

#[test]
fn a_client_that_leaves_a_queue() {
    let origin = Origin::start("app1");
    let config = Config::new()
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", "")
        .server("app1", origin.address(), "maxconn: 1")
        .defaults(r#"timeouts: (queue: "30s")"#);
    let daemon = logging(config, "");
    let mut served = daemon.client();
    served.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("it is served", || (daemon.stat("app", "app1", "scur") == "1").then_some(()));
    let mut waiting = daemon.client();
    waiting.send("GET /waiting HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("one waits", || (daemon.stat("app", "BACKEND", "qcur") == "1").then_some(()));
    waiting.reset();
    let line = lines(&daemon, "access", 1).remove(0);
    assert!(masked(&line).contains(" app/<NOSRV> t/t/-1/-1/t -1 0 "), "{line}");
    assert_eq!(letters(&line), "CQ--", "{line}");
    assert!(line.ends_with(" \"GET /waiting HTTP/1.1\""), "{line}");
}

#[test]
fn injected_lines_are_one_line() {
    let origin = Origin::start("app1");
    let daemon = logging(Config::http([("app1", origin.address())]), "");
    for target in ["/a\u{1b}[31m", "/a\rb", "/é", "/\"quoted\"", "/a%0d%0aSet"] {
        let mut client = daemon.client();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"));
        client.read_to_end();
    }
    let lines = lines(&daemon, "access", 5);
    for line in &lines {
        assert!(line.bytes().all(|byte| (32..127).contains(&byte)), "{line:?}");
        assert_eq!(line.matches('"').count(), 2, "{line}");
    }
    assert!(lines.iter().any(|line| line.ends_with("\"GET /#22quoted#22 HTTP/1.1\"")), "{lines:#?}");
}

#[test]
fn lines_are_left_out_where_asked() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.address())]);
    let daemon = logging(config, "leave_out: [null_connections, normal]");
    daemon.client().get("/");
    drop(daemon.client());
    let mut client = daemon.client();
    client.send("nonsense\r\n\r\n");
    client.read_to_end();
    let lines = lines(&daemon, "access", 1);
    assert_eq!(letters(&lines[0]), "PR--");
    let frontend =
        Config::http([("app1", origin.address())]).frontend("quiet", r#"log: off, default_backend: "app""#);
    let daemon = logging(frontend, "");
    Client::tcp(daemon.listener("quiet")).get("/quiet");
    daemon.client().get("/loud");
    assert!(self::lines(&daemon, "access", 1)[0].contains("/loud"));
}
