//! The access log: what each line says, that every request has one, and that no target delays traffic.

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::origin::Refusing;
use harness::origin::faulty::{End, Fault, Faulty};
use harness::origin::http::Origin;
use harness::origin::slow::Silent;
use harness::origin::tcp::Tcp;
use harness::{Client, Config, Daemon, Start, eventually};
use rustix::process::Signal;
use socket2::{Domain, Socket, Type};

/// A system that logs into the file `access`.
fn logging(config: Config, log: &str) -> Daemon {
    let config = config.global(r#"workers: 1, log: [(target: file("access"))]"#);
    Daemon::start(&if log.is_empty() { config } else { config.defaults(&format!("log: ({log})")) })
}

fn text(daemon: &Daemon, file: &str) -> String {
    fs::read_to_string(daemon.dir().join(file)).unwrap_or_default()
}

/// Waits for so many lines.
fn lines(daemon: &Daemon, file: &str, count: usize) -> Vec<String> {
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
        r#""termination":"----","reason":null,"ms":{"handshake":0,"idle":0,"#,
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
    let config = Config::http([("app1", origin.address())]).defaults(r#"timeouts: (http_request: "300ms")"#);
    let daemon = logging(config, "");
    for (bytes, half_close) in [
        ("GET / FOO\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost", true),
        ("GET / HTTP/1.1\r\nHost", false),
        ("", false),
        ("", true),
    ] {
        let mut client = daemon.client();
        client.send(bytes);
        if half_close {
            client.half_close();
        }
        client.read_to_end();
    }
    let lines = lines(&daemon, "access", 5);
    let said: Vec<_> =
        lines.iter().map(|line| (letters(line), line.split(' ').nth(5).unwrap_or_default())).collect();
    assert_eq!(
        said,
        [("PR--", "400"), ("CR--", "400"), ("cR--", "408"), ("cR--", "408"), ("CR--", "-1")],
        "{lines:#?}"
    );
    for line in &lines {
        assert!(line.contains(" web web/<NOSRV> -1/-1/-1/-1/"), "{line}");
        assert!(line.ends_with(" 1/1/0/0/0 0/0 \"<BADREQ>\""), "{line}");
    }
}

#[test]
fn what_went_wrong_at_servers() {
    let one = |address: harness::stream::Address, path: &str| {
        let config = Config::http([("app1", address)])
            .defaults(r#"timeouts: (connect: "300ms", server: "300ms"), retries: (max: 0)"#);
        let daemon = logging(config, "");
        let mut client = daemon.client();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"));
        client.read_to_end();
        let line = lines(&daemon, "access", 1).remove(0);
        let words: Vec<_> = line.split(' ').collect();
        (words[9].to_owned(), words[5].to_owned(), masked(words[4]), words[3].to_owned())
    };
    let expected = |letters: &str, status: &str, timers: &str| {
        (letters.to_owned(), status.to_owned(), timers.to_owned(), "app/app1".to_owned())
    };
    assert_eq!(one(Refusing::new().address(), "/"), expected("SC--", "503", "t/t/-1/-1/t"));
    let closing = Faulty::start(Fault::Response(0), End::Close);
    assert_eq!(one(closing.address(), "/"), expected("SH--", "502", "t/t/t/-1/t"));
    let half = Faulty::start(Fault::Response(12), End::Close);
    assert_eq!(one(half.address(), "/"), expected("SH--", "502", "t/t/t/-1/t"));
    let silent = Silent::start();
    assert_eq!(one(silent.address(), "/"), expected("sH--", "504", "t/t/t/-1/t"));
    let cut = Faulty::start(Fault::Response(harness::origin::faulty::ANSWER.len() - 1), End::Close);
    assert_eq!(one(cut.address(), "/"), expected("SD--", "200", "t/t/t/t/t"));
    let stalled = Tcp::start(|mut stream, _| {
        let _asked = stream.read(&mut [0; 1000]);
        let _gone =
            std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
        let _until_closed = stream.read(&mut [0; 10]);
    });
    assert_eq!(one(stalled.address(), "/"), expected("sD--", "200", "t/t/t/t/t"));
    let garbage = Tcp::start(|mut stream, _| {
        let _asked = stream.read(&mut [0; 1000]);
        let _gone = std::io::Write::write_all(&mut stream, b"garbage\r\n\r\n");
    });
    assert_eq!(one(garbage.address(), "/"), expected("PH--", "502", "t/t/t/-1/t"));
}

#[test]
fn what_clients_did() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.address())]).defaults(r#"timeouts: (client: "500ms")"#);
    let daemon = logging(config, "");
    // Gone while an answer comes.
    let mut client = daemon.client();
    client.send("GET /bytes/100000000 HTTP/1.1\r\nHost: test\r\n\r\n");
    client.read_exactly(1000);
    client.reset();
    let first = lines(&daemon, "access", 1);
    assert_eq!(letters(&first[0]), "CD--", "{first:?}");
    // Takes nothing of an answer.
    let mut client = daemon.client();
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
        .defaults(r#"timeouts: (queue: "400ms")"#);
    let daemon = logging(config, "");
    let mut served = daemon.client();
    served.send("GET /slow/3000 HTTP/1.1\r\nHost: test\r\n\r\n");
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
        assert!(timers[1] >= 400 && timers[2..4] == [-1, -1], "{line}");
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
    served.send("GET /slow/60000 HTTP/1.1\r\nHost: test\r\n\r\n");
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

#[test]
fn standard_output_and_samples() {
    let origin = Origin::start("app1");
    let config = Config::http([("app1", origin.address())])
        .global(r#"workers: 1, log: [stdout, (target: file("sample"), sample: "2/5")]"#);
    let daemon = Daemon::start(&config);
    let mut client = daemon.client();
    for n in 0..10 {
        client.get(&format!("/{n}"));
    }
    daemon.logged("\"GET /9 HTTP/1.1\"");
    let sampled = lines(&daemon, "sample", 4);
    for (line, n) in sampled.iter().zip([0, 1, 5, 6]) {
        assert!(line.ends_with(&format!("\"GET /{n} HTTP/1.1\"")), "{line}");
    }
}

#[test]
fn a_file_is_opened_again() {
    let origin = Origin::start("app1");
    let daemon = logging(Config::http([("app1", origin.address())]), "");
    daemon.client().get("/before");
    lines(&daemon, "access", 1);
    fs::rename(daemon.dir().join("access"), daemon.dir().join("access.1")).unwrap();
    daemon.client().get("/between");
    lines(&daemon, "access.1", 2);
    assert_eq!(daemon.admin("reopen logs"), "");
    eventually("a new file", || daemon.dir().join("access").exists().then_some(()));
    daemon.client().get("/after");
    assert!(lines(&daemon, "access", 1)[0].contains("/after"));
    assert_eq!(lines(&daemon, "access.1", 2).len(), 2);
}

#[test]
fn a_file_that_cannot_be_opened_is_told_at_the_start() {
    let config =
        Config::http([("app1", Refusing::new().address())]).global(r#"log: [(target: file("no/access"))]"#);
    let failed = Start::new(&config).try_run().unwrap_err();
    assert!(failed.log.contains("cannot open log target no/access: No such file"), "{}", failed.log);
}

#[test]
fn syslog_over_datagrams() {
    let origin = Origin::start("app1");
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let log = format!(
        r#"log: [
            (target: syslog("{}"), facility: local3, tag: "lb", length: 100),
            (target: syslog("unix@dev-log"), framing: rfc5424),
        ]"#,
        udp.local_addr().unwrap()
    );
    let config =
        Config::http([("app1", origin.address())]).global(&log).defaults("log: (errors_separately: true)");
    let start = Start::new(&config);
    let unix = UnixDatagram::bind(start.dir().join("dev-log")).unwrap();
    unix.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let daemon = start.run();
    let mut buffer = [0; 2000];
    daemon.client().get("/fine");
    let n = udp.recv(&mut buffer).unwrap();
    let line = String::from_utf8_lossy(&buffer[..n]).into_owned();
    // Facility 19, severity 6.
    assert!(
        line.starts_with("<158>") && line.contains(&format!(" lb[{}]: 127.0.0.1:", daemon.pid())),
        "{line}"
    );
    assert_eq!(line.len(), 100, "{line}");
    let n = unix.recv(&mut buffer).unwrap();
    let line = String::from_utf8_lossy(&buffer[..n]).into_owned();
    assert!(line.starts_with("<134>1 20") && line.ends_with("\"GET /fine HTTP/1.1\""), "{line}");
    assert!(line.contains(&format!(" proxyd {} - - 127.0.0.1:", daemon.pid())), "{line}");
    let mut client = daemon.client();
    client.send("nonsense\r\n\r\n");
    client.read_to_end();
    let n = unix.recv(&mut buffer).unwrap();
    assert!(buffer[..n].starts_with(b"<131>1 "), "an error has its own severity");
}

#[test]
fn syslog_over_tcp_comes_back() {
    let origin = Origin::start("app1");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = Config::http([("app1", origin.address())])
        .global(&format!(r#"log: [(target: syslog("tcp@{address}"))]"#));
    let daemon = Daemon::start(&config);
    for round in 0..2 {
        daemon.client().get(&format!("/round{round}"));
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let frame = frame(&mut stream);
        assert!(
            frame.starts_with("<134>") && frame.ends_with(&format!("\"GET /round{round} HTTP/1.1\"")),
            "{frame}"
        );
    }
}

/// One message with its length in front.
fn frame(stream: &mut impl Read) -> String {
    let mut length = 0;
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        match byte[0] {
            digit @ b'0'..=b'9' => length = length * 10 + usize::from(digit - b'0'),
            b' ' => break,
            other => panic!("{other} in a length"),
        }
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).unwrap();
    String::from_utf8(frame).unwrap()
}

/// Requests in a row, none of them slow.
fn prompt_requests(daemon: &Daemon, count: usize) {
    let mut client = daemon.client();
    let begun = Instant::now();
    for _ in 0..count {
        assert_eq!(client.get("/").status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?} for {count} requests", begun.elapsed());
}

#[test]
fn a_dead_target_harms_nobody() {
    let origin = Origin::start("app1");
    let dead = Refusing::new();
    let harness::stream::Address::Tcp(address) = dead.address() else { panic!("a TCP address") };
    let config = Config::http([("app1", origin.address())]).global(&format!(
        r#"workers: 1, log: [(target: syslog("tcp@{address}"), length: 65535), (target: file("access"))], metrics: (bind: "127.0.0.1:0")"#
    ));
    let mut daemon = Daemon::start(&config);
    let path = "x".repeat(900);
    let mut client = daemon.client();
    // More than the buffers hold.
    for _ in 0..1200 {
        assert_eq!(client.get(&format!("/{path}")).status, 200);
    }
    eventually("lost lines are counted", || {
        let info = daemon.admin("show info");
        let dropped = info.lines().find_map(|line| line.strip_prefix("DroppedLogs: "))?;
        (dropped != "0").then_some(())
    });
    daemon.logged(&format!("log target tcp@{address}: "));
    daemon.logged("lines were dropped");
    lines(&daemon, "access", 1200);
    let begun = Instant::now();
    daemon.signal(Signal::TERM);
    drop(client);
    assert!(daemon.wait_exit(Duration::from_secs(10)).success());
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[test]
fn a_pipe_nobody_reads_harms_nobody() {
    let origin = Origin::start("app1");
    let config =
        Config::http([("app1", origin.address())]).global(r#"workers: 1, log: [(target: file("pipe"))]"#);
    let start = Start::new(&config);
    let pipe = start.dir().join("pipe");
    make_pipe(&pipe);
    // Open at the other end, and never read.
    let held = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let mut daemon = start.run();
    prompt_requests(&daemon, 300);
    daemon.signal(Signal::TERM);
    assert!(daemon.wait_exit(Duration::from_secs(10)).success());
    drop(held);
}

fn make_pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[test]
fn the_last_lines_are_written_before_the_end() {
    let origin = Origin::start("app1");
    let mut daemon = logging(Config::http([("app1", origin.address())]), "");
    let mut client = daemon.client();
    for _ in 0..50 {
        client.get("/");
    }
    daemon.signal(Signal::TERM);
    assert!(daemon.wait_exit(Duration::from_secs(10)).success());
    assert_eq!(text(&daemon, "access").lines().count(), 50);
}

#[test]
fn a_line_comes_at_once() {
    let origin = Origin::start("app1");
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let config = Config::http([("app1", origin.address())])
        .global(&format!(r#"log: [(target: syslog("{}"))]"#, udp.local_addr().unwrap()));
    let daemon = Daemon::start(&config);
    let mut quickest = Duration::MAX;
    for _ in 0..5 {
        daemon.client().get("/");
        let begun = Instant::now();
        match udp.recv(&mut [0; 2000]) {
            Ok(_) => quickest = quickest.min(begun.elapsed()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    assert!(quickest < Duration::from_millis(100), "{quickest:?}");
}
