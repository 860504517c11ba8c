//! The PROXY protocol: headers from clients that are believed or not, and what servers are sent.

use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use harness::origin::http::Origin;
use harness::origin::tcp::Tcp;
use harness::stream::{Address, Stream};
use harness::{Client, Config, Daemon, eventually};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";

fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, body].concat()
}

/// From 192.0.2.1:56324 to 198.51.100.2:443.
fn v2_tcp4(tlvs: &[u8]) -> Vec<u8> {
    v2(0x21, 0x11, &[&[192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 4, 1, 0xbb], tlvs].concat())
}

/// Frontend `web` that wants headers.
fn accepting(origin: &Origin, frontend: &str) -> Daemon {
    let bind = r#"bind: [(address: "127.0.0.1:0", accept_proxy: true)], default_backend: "app""#;
    let config = Config::new()
        .defaults("forward_headers: [x_forwarded_for, x_forwarded_port]")
        .frontend("web", &format!("{bind}{frontend}"))
        .backend("app", "")
        .server("app1", origin.addr(), "");
    Daemon::start(&config)
}

#[test]
fn the_client_is_who_the_header_says() {
    let origin = Origin::start("app1");
    let daemon = accepting(&origin, "");
    let six = [[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [1; 16]].concat();
    let six = v2(0x21, 0x21, &[&six[..], &[0, 80, 0x20, 0xfb]].concat());
    let tlvs = [&[4, 0, 1, 0][..], &[1, 0, 2, b'h', b'2'], &[0x20, 0, 5, 0, 0, 0, 0, 0]].concat();
    for (header, client, port) in [
        (LINE.to_vec(), "192.0.2.1", "443"),
        (b"PROXY TCP6 2001:db8::1 ::1 1 8443\r\n".to_vec(), "2001:db8::1", "8443"),
        (v2_tcp4(b""), "192.0.2.1", "443"),
        (v2_tcp4(&tlvs), "192.0.2.1", "443"),
        (six, "2001:db8::1", "8443"),
    ] {
        let mut client_side = daemon.client();
        client_side.send([&header, GET, GET].concat());
        assert_eq!(client_side.response("GET").status, 200);
        assert_eq!(client_side.response("GET").status, 200);
        let request = origin.record().requests.last().unwrap().clone();
        assert_eq!(request.head.get("x-forwarded-for"), Some(client), "{header:?}");
        assert_eq!(request.head.get("x-forwarded-port"), Some(port), "{header:?}");
    }
    assert_eq!(origin.record().violations, Vec::<String>::new());
}

#[test]
fn a_connection_of_the_proxy_itself_keeps_its_addresses() {
    let origin = Origin::start("app1");
    let daemon = accepting(&origin, "");
    let port = daemon.listener("web").port().to_string();
    for header in [
        v2(0x20, 0, b""),
        v2(0x20, 0x11, &[9; 12]),
        v2(0x21, 0, b"any"),
        v2(0x21, 0x31, &[9; 216]),
        b"PROXY UNKNOWN\r\n".to_vec(),
    ] {
        let mut client = daemon.client();
        client.send([&header, GET].concat());
        assert_eq!(client.response("GET").status, 200);
        let request = origin.record().requests.last().unwrap().clone();
        assert_eq!(request.head.get("x-forwarded-for"), Some("127.0.0.1"), "{header:?}");
        assert_eq!(request.head.get("x-forwarded-port"), Some(&*port), "{header:?}");
    }
}

#[test]
fn a_header_may_come_in_pieces_and_ends_where_it_ends() {
    let origin = Origin::start("app1");
    let daemon = accepting(&origin, "");
    for header in [LINE.to_vec(), v2_tcp4(&[4, 0, 2, 0, 0])] {
        let mut client = daemon.client();
        for byte in [&header, &GET[..5]].concat() {
            client.send([byte]);
        }
        client.send(&GET[5..]);
        assert_eq!(client.response("GET").status, 200);
        assert_eq!(origin.record().requests.last().unwrap().head.get("x-forwarded-for"), Some("192.0.2.1"));
    }
}

#[test]
fn what_is_no_header_is_closed_counted_and_told() {
    let origin = Origin::start("app1");
    let daemon = accepting(&origin, "");
    let overrun = v2_tcp4(&[1, 0, 200, b'h']);
    let mut oversize = v2_tcp4(b"");
    oversize[14..16].copy_from_slice(&[0xff, 0xff]);
    let checksum = v2_tcp4(&[3, 0, 4, 1, 2, 3, 4]);
    let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 100]].concat();
    let cases: [(&[u8], &str); 8] = [
        (GET, "it does not begin with a PROXY header"),
        (b"\r\n\r\n\0\r\nQUIX\n", "it does not begin with a PROXY header"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n", "the PROXY line makes no sense"),
        (&long, "the PROXY line has no end within 107 bytes"),
        (&overrun, "a TLV runs over the end"),
        (&oversize, "the PROXY header is too long"),
        (&checksum, "the checksum of the PROXY header is wrong"),
        (&v2(0x21, 0x55, &[0; 12]), "an unknown address family"),
    ];
    for (at, (bytes, reason)) in cases.into_iter().enumerate() {
        let mut client = daemon.client();
        client.send([bytes, GET].concat());
        assert_eq!(client.read_to_end(), b"", "{reason}");
        daemon.logged(reason);
        assert_eq!(daemon.count("web", "FRONTEND", "ereq"), at as u64 + 1, "{reason}");
    }
    // One that ends early is told as well; one that never said a word is not.
    let mut client = daemon.client();
    client.send(&LINE[..20]);
    client.half_close();
    assert_eq!(client.read_to_end(), b"");
    daemon.logged("the PROXY header ends early");
    let mut client = daemon.client();
    client.half_close();
    assert_eq!(client.read_to_end(), b"");
    assert_eq!(daemon.count("web", "FRONTEND", "ereq"), 9);
    assert!(origin.record().requests.is_empty());
    eventually("no connection is left", || (daemon.count("web", "FRONTEND", "scur") == 0).then_some(()));
}

#[test]
fn a_drip_does_not_extend_the_deadline() {
    let origin = Origin::start("app1");
    let daemon = accepting(&origin, "");
    drop(daemon);
    let config = Config::new()
        .defaults(r#"timeouts: (proxy_header: "400ms", http_request: "30s")"#)
        .frontend("web", r#"bind: [(address: "127.0.0.1:0", accept_proxy: true)], default_backend: "app""#)
        .backend("app", "")
        .server("app1", origin.addr(), "");
    let daemon = Daemon::start(&config);
    let start = Instant::now();
    let mut client = daemon.client();
    let mut sent = 0;
    while client.try_send([LINE[sent]]).is_ok() && sent + 2 < LINE.len() {
        sent += 1;
        harness::pause(Duration::from_millis(100));
    }
    assert_eq!(client.read_to_end(), b"");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(sent < 30, "{sent} bytes were waited for");
    daemon.logged("the PROXY header did not come in time");
    // One that never speaks is not waited for either.
    let start = Instant::now();
    assert_eq!(daemon.client().read_to_end(), b"");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[test]
fn only_those_who_are_trusted_may_say_who_they_are() {
    let origin = Origin::start("app1");
    let trusting = accepting(&origin, r#", trusted: ["127.0.0.0/8"]"#);
    let mut client = trusting.client();
    client.send([LINE, GET].concat());
    assert_eq!(client.response("GET").status, 200);

    let distrusting = accepting(&origin, r#", trusted: ["10.0.0.0/8", "::1"]"#);
    let mut client = distrusting.client();
    // It may have been closed already.
    client.try_send([LINE, GET].concat()).ok();
    assert_eq!(client.read_to_end(), b"");
    distrusting.logged("the peer is not trusted to send a PROXY header");
    assert_eq!(distrusting.count("web", "FRONTEND", "dcon"), 1);
    assert_eq!(distrusting.count("web", "FRONTEND", "ereq"), 0);
    assert_eq!(origin.hits(), 1);
}

#[test]
fn a_unix_socket_is_its_own_trust() {
    let origin = Origin::start("app1");
    let config = Config::new()
        .defaults("forward_headers: [x_forwarded_for]")
        .frontend(
            "web",
            r#"bind: [(address: "unix@./web.sock", accept_proxy: true, mode: "0600")], trusted: ["10.0.0.0/8"], default_backend: "app""#,
        )
        .backend("app", "")
        .server("app1", origin.addr(), "");
    let daemon = Daemon::start(&config);
    let mut client = Client::unix(&daemon.dir().join("web.sock"));
    client.send([LINE, GET].concat());
    assert_eq!(client.response("GET").status, 200);
    assert_eq!(origin.record().requests[0].head.get("x-forwarded-for"), Some("192.0.2.1"));
}

/// A server that writes down what it is sent and answers every request.
fn recorder() -> (Tcp, Receiver<(usize, Vec<u8>)>) {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let act = move |mut stream: Stream, number: usize| {
        let tell = tell.lock().unwrap().clone();
        let mut block = [0; 4096];
        let mut unanswered = Vec::new();
        while let Ok(n @ 1..) = stream.read(&mut block) {
            tell.send((number, block[..n].to_vec())).ok();
            unanswered.extend_from_slice(&block[..n]);
            let signature = unanswered.starts_with(SIGNATURE);
            let after = if signature { SIGNATURE.len() } else { 0 };
            if unanswered[after..].windows(4).any(|it| it == b"\r\n\r\n") {
                unanswered.clear();
                if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
                    return;
                }
            }
        }
    };
    (Tcp::start(act), told)
}

/// What came on one connection, until it is this.
fn received(told: &Receiver<(usize, Vec<u8>)>, whole: impl Fn(&[u8]) -> bool) -> (usize, Vec<u8>) {
    let (number, mut bytes) =
        told.recv_timeout(Duration::from_secs(10)).expect("the server is sent something");
    while !whole(&bytes) {
        let (again, more) = told.recv_timeout(Duration::from_secs(10)).expect("the server is sent the rest");
        assert_eq!(again, number, "on the same connection");
        bytes.extend(more);
    }
    (number, bytes)
}

fn has_head(bytes: &[u8]) -> bool {
    bytes.ends_with(b"\r\n\r\n") && bytes.windows(5).any(|it| it == b"GET /")
}

fn sending(recorder: &Tcp, send: &str, accept: &str) -> Daemon {
    let config = Config::new()
        .frontend("web", &format!(r#"bind: [(address: "127.0.0.1:0"{accept})], default_backend: "app""#))
        .backend("app", "")
        .server("app1", recorder.address(), &format!("send_proxy: {send}"));
    Daemon::start(&config)
}

fn local(client: &mut Client) -> (u16, String) {
    let Stream::Tcp(stream) = client.stream() else { panic!("a TCP client") };
    let (local, peer) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
    (local.port(), format!("{} {} {} {}", local.ip(), peer.ip(), local.port(), peer.port()))
}

#[test]
fn servers_are_told_once_a_connection_and_no_other_client_uses_it() {
    let (recorder, told) = recorder();
    let daemon = sending(&recorder, "v1", "");
    let mut connections = Vec::new();
    for _ in 0..2 {
        let mut client = daemon.client();
        let (_, addresses) = local(&mut client);
        client.send(GET);
        assert_eq!(client.response("GET").status, 200);
        let (number, bytes) = received(&told, has_head);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.starts_with(&format!("PROXY TCP4 {addresses}\r\nGET / HTTP/1.1\r\n")), "{text}");
        // The next request of this client goes over the same connection, without a header.
        client.send(GET);
        assert_eq!(client.response("GET").status, 200);
        let (again, bytes) = received(&told, has_head);
        assert_eq!(again, number);
        assert!(bytes.starts_with(b"GET / HTTP/1.1\r\n"));
        connections.push(number);
    }
    assert_ne!(connections[0], connections[1], "a connection with a header is one client's alone");
    assert_eq!(daemon.count("app", "app1", "reuse"), 2);
    assert_eq!(daemon.count("app", "app1", "connect"), 2);
}

#[test]
fn version_2_and_what_came_with_the_clients_own_header() {
    let (recorder, told) = recorder();
    let send = "(version: v2, tlvs: [authority, unique_id, crc32c])";
    let daemon = sending(&recorder, send, ", accept_proxy: true");
    let mut client = daemon.client();
    let tlvs = [&[1, 0, 2, b'h', b'2'][..], &[2, 0, 3, b'a', b'.', b'b'], &[5, 0, 2, 7, 8]].concat();
    client.send([&v2_tcp4(&tlvs), GET].concat());
    assert_eq!(client.response("GET").status, 200);
    let (_, bytes) = received(&told, has_head);
    let expected = [&[2, 0, 3, b'a', b'.', b'b'][..], &[5, 0, 2, 7, 8], &[3, 0, 4]].concat();
    let expected = v2_tcp4(&[&expected[..], &[0; 4]].concat());
    assert_eq!(bytes[..expected.len() - 4], expected[..expected.len() - 4]);
    assert_ne!(bytes[expected.len() - 4..expected.len()], [0; 4], "a checksum");
    assert!(bytes[expected.len()..].starts_with(b"GET / HTTP/1.1\r\n"));
    // Taken in again, the checksum holds.
    let origin = Origin::start("app1");
    let behind = accepting(&origin, "");
    let mut client = behind.client();
    client.send([&bytes[..expected.len()], GET].concat());
    assert_eq!(client.response("GET").status, 200);
}

#[test]
fn tcp_servers_are_told_before_the_client_speaks() {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let origin = Tcp::start(move |mut stream, _| {
        let tell = tell.lock().unwrap().clone();
        let mut header = [0; 28];
        stream.read_exact(&mut header).ok();
        tell.send(header).ok();
        stream.write_all(b"220 ready\r\n").ok();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).ok();
        stream.write_all(&rest).ok();
    });
    let config = Config::new()
        .defaults("mode: tcp")
        .frontend("web", r#"bind: ["[::1]:0"], default_backend: "app""#)
        .backend("app", "")
        .server("app1", origin.address(), "send_proxy: v2");
    let daemon = Daemon::start(&config);
    let (_, address) = daemon.listeners("web").remove(0);
    let mut client = Client::connect(&address);
    assert_eq!(client.read_until("\r\n"), b"220 ready\r\n");
    client.send("hello");
    client.half_close();
    let rest = client.read_to_end();
    // An IPv6 header is longer than what was read first.
    assert_eq!(rest.len(), 52 - 28 + 5);
    assert!(rest.ends_with(b"hello"));
    let header = told.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(header[..16], [SIGNATURE, &[0x21, 0x21, 0, 36]].concat());
    let Address::Tcp(address) = address else { panic!("a TCP listener") };
    assert_eq!(rest[22..24], address.port().to_be_bytes());
}

#[test]
fn checks_say_that_they_are_the_proxys_own() {
    for (send, check, expected) in [
        ("v1", "tcp", &b"PROXY UNKNOWN\r\n"[..]),
        ("v2", "tcp", &v2(0x20, 0, b"")),
        ("v1", r#"http(path: "/up")"#, b"PROXY UNKNOWN\r\nGET /up HTTP/1.1\r\n"),
        ("v2", r#"http(path: "/up")"#, &[&v2(0x20, 0, b"")[..], b"GET /up"].concat()),
    ] {
        let (recorder, told) = recorder();
        let config = Config::new()
            .frontend("web", r#"default_backend: "app""#)
            .backend("app", &format!("check: {check}"))
            .server("app1", recorder.address(), &format!("send_proxy: {send}"));
        let daemon = Daemon::start(&config);
        let (_, bytes) = received(&told, |bytes| bytes.len() >= expected.len());
        assert_eq!(&bytes[..expected.len()], expected, "{send} {check}");
        daemon.wait_status("app", "app1", "UP");
        eventually("a check has passed", || {
            daemon.stat("app", "app1", "check_status").trim_start_matches("* ").ends_with("OK").then_some(())
        });
    }
}
