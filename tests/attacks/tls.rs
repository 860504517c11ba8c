//! What is done to whoever speaks TLS.

use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use harness::origin::http::Origin;
use harness::tls::hello::{Hello, record};
use harness::tls::server::{ANSWER, Fault, FaultyTls};
use harness::tls::{Authority, Dialer, Forge, Kind, Serving, Session, Versions};
use harness::{Client, Crowd, eventually, pause};
use rustls::{CipherSuite, ContentType};
use tempfile::TempDir;

use super::{Stage, scaled};

/// A stage with a frontend `tls` beside `web`.
struct Encrypted {
    stage: Stage,
    root: Authority,
    _files: TempDir,
}

impl Encrypted {
    fn set() -> Self {
        let (root, files) = (Authority::new("root"), tempfile::tempdir().unwrap());
        let site = root.issue(&["a.example"], Kind::Server).write(files.path(), "site.pem");
        let stage = Stage::set(|config| {
            config
                .defaults(r#"timeouts: (tls_handshake: "5s", client: "5s", http_request: "5s")"#)
                .frontend("tls", &format!(
                    r#"bind: [(address: "127.0.0.1:0", tls: (certificates: [{site:?}]))], default_backend: "app""#
                ))
        });
        let this = Self { stage, root, _files: files };
        // What the first handshakes leave behind is part of the level.
        for _ in 0..20 {
            this.session(Versions::Both);
        }
        this
    }

    fn session(&self, versions: Versions) -> Session {
        let dialer = Dialer::with(&self.root, versions, None).forging();
        dialer.connect(self.stage.daemon.listener("tls"), "a.example").unwrap()
    }

    fn ends_unharmed(self) {
        let Self { stage, .. } = self;
        eventually("all have gone", || (stage.daemon.count("tls", "FRONTEND", "scur") == 0).then_some(()));
        stage.ends_unharmed();
    }
}

/// Waits until the peer has ended the connection.
fn ended(forge: &mut Forge) {
    let begun = Instant::now();
    match io::copy(forge.socket(), &mut io::sink()) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Err(error) => unreachable!("no end: {error}"),
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "it goes on");
}

/// A whole request, byte for byte in records of its own.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";

#[test]
fn renegotiation_is_refused() {
    let encrypted = Encrypted::set();
    for versions in [Versions::Tls12, Versions::Tls13] {
        for _ in 0..20 {
            let mut forge = Forge::of(encrypted.session(versions));
            // Whether it is refused or passed over: no second handshake begins, and no request is heard in it.
            let hello = Hello::of("b.example").message();
            for _ in 0..50 {
                if forge.send(ContentType::Handshake, &hello).is_err() {
                    break;
                }
            }
            ended(&mut forge);
        }
    }
    encrypted.ends_unharmed();
}

#[test]
fn records_without_end_cost_little() {
    let encrypted = Encrypted::set();
    let n = scaled(20_000, 200_000);
    for (kind, body) in [
        // Empty ones, warnings, and keys that are made anew, asked for in turn or not.
        (ContentType::ApplicationData, &b""[..]),
        (ContentType::Alert, &[1, 90]),
        (ContentType::Handshake, &[24, 0, 0, 1, 1]),
    ] {
        for versions in [Versions::Tls12, Versions::Tls13] {
            let mut forge = Forge::of(encrypted.session(versions));
            let begun = encrypted.stage.daemon.cpu();
            for _ in 0..n {
                if forge.send(kind, body).is_err() {
                    break;
                }
            }
            ended(&mut forge);
            let spent = encrypted.stage.daemon.cpu().saturating_sub(begun);
            assert!(spent < Duration::from_secs(5), "{kind:?} {body:?} {versions:?}: {spent:?}");
        }
    }
    encrypted.ends_unharmed();
}

#[test]
fn new_keys_without_end_cost_little() {
    let encrypted = Encrypted::set();
    let mut session = encrypted.session(Versions::Tls13);
    for _ in 0..scaled(5_000, 50_000) {
        session.tls().refresh_traffic_keys().unwrap();
        if session.flush().is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    // It may have been too much; if not, all goes on.
    if session.write_all(REQUEST).is_ok() {
        session.read_to_end(&mut answer).ok();
    }
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 200 "),
        "{:?}",
        answer.escape_ascii().to_string()
    );
    drop(session);
    encrypted.ends_unharmed();
}

#[test]
fn records_of_a_byte_are_read_and_no_more() {
    let encrypted = Encrypted::set();
    for versions in [Versions::Tls12, Versions::Tls13] {
        let mut session = encrypted.session(versions);
        for byte in REQUEST {
            session.write_all(&[*byte]).unwrap();
        }
        let mut answer = Vec::new();
        session.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
        // Bytes of a body that never ends.
        let mut session = encrypted.session(versions);
        session
            .write_all(b"POST /length HTTP/1.1\r\nHost: a.example\r\nContent-Length: 100000\r\n\r\n")
            .unwrap();
        for _ in 0..scaled(20_000, 90_000) {
            session.write_all(b"x").unwrap();
        }
        drop(session);
    }
    encrypted.ends_unharmed();
}

#[test]
fn records_that_cannot_be_end_the_connection() {
    let encrypted = Encrypted::set();
    for versions in [Versions::Tls12, Versions::Tls13] {
        let forged = |kind, body: &[u8]| {
            let mut forge = Forge::of(encrypted.session(versions));
            forge.send(kind, body).ok();
            ended(&mut forge);
        };
        forged(ContentType::ApplicationData, &vec![b'x'; (1 << 14) + 300]);
        forged(ContentType::Alert, &[2, 200]);
        forged(ContentType::Alert, &[7, 7]);
        forged(ContentType::Alert, &[2]);
        forged(ContentType::Handshake, &[1, 0xff, 0xff, 0xff]);
        forged(ContentType::Handshake, &[14, 0, 0, 0]);
        forged(ContentType::ChangeCipherSpec, &[1]);
        forged(ContentType::from(77), b"x");
        let raw = |bytes: &[u8]| {
            let mut forge = Forge::of(encrypted.session(versions));
            forge.socket().write_all(bytes).ok();
            ended(&mut forge);
        };
        // What nobody sealed, and what was sealed and then changed or said twice.
        raw(&record(23, &[0; 64]));
        raw(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        let heard = |target: &str| {
            encrypted.stage.origin.requests().iter().filter(|request| request.target() == target).count()
        };
        let before = heard("/twice");
        let mut forge = Forge::of(encrypted.session(versions));
        let mut changed =
            forge.record(ContentType::ApplicationData, b"GET /changed HTTP/1.1\r\nHost: a.example\r\n\r\n");
        let last = changed.len() - 1;
        changed[last] ^= 1;
        forge.socket().write_all(&changed).unwrap();
        ended(&mut forge);
        let mut forge = Forge::of(encrypted.session(versions));
        let sealed =
            forge.record(ContentType::ApplicationData, b"GET /twice HTTP/1.1\r\nHost: a.example\r\n\r\n");
        forge.socket().write_all(&[&sealed[..], &sealed].concat()).unwrap();
        ended(&mut forge);
        assert_eq!(heard("/changed"), 0, "{versions:?}");
        assert!(heard("/twice") <= before + 1, "{versions:?}: what is said twice is heard once");
    }
    encrypted.ends_unharmed();
}

#[test]
fn handshakes_that_drip_are_cut_off() {
    let encrypted = Encrypted::set();
    let n = scaled(300, 3000);
    let mut crowd = Crowd::connect(encrypted.stage.daemon.listener("tls"), n);
    let hello = Hello { padding: 10_000, ..Hello::of("a.example") }.records();
    let begun = Instant::now();
    let mut sent = 0;
    while crowd.listen() < n {
        crowd.say(&hello[sent..=sent]);
        sent += 1;
        pause(Duration::from_millis(50));
        assert!(begun.elapsed() < Duration::from_mins(1), "dripping goes on");
    }
    encrypted.ends_unharmed();
}

#[test]
fn handshakes_that_stop_leave_nothing() {
    let encrypted = Encrypted::set();
    let (web, n) = (encrypted.stage.daemon.listener("tls"), scaled(300, 3000));
    let hello = Dialer::trusting(&encrypted.root).hello("a.example");
    // Each costs a signature, and goes: with an end, with a reset, with an alert at a moment nobody expects it.
    for number in 0..n {
        let mut client = Client::tcp(web);
        client.send(&hello);
        match number % 4 {
            0 => client.half_close(),
            1 => client.reset(),
            2 => client.send(record(21, &[1, 0])),
            _ => client.send(record(20, &[1]).repeat(100)),
        }
    }
    // And some that wait for what never comes.
    let mut crowd = Crowd::connect(web, n);
    crowd.say(&hello);
    eventually("all have ended", || (crowd.listen() == n).then_some(()));
    encrypted.ends_unharmed();
}

#[test]
fn handshakes_in_a_row_leave_room_for_others() {
    let encrypted = Encrypted::set();
    let web = encrypted.stage.daemon.listener("tls");
    let dialer = Dialer::with_suites(&encrypted.root, Versions::Both, &|suite| {
        suite != CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
    });
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..scaled(100, 2000) {
                    drop(dialer.connect(web, "a.example").unwrap());
                }
            });
        }
    });
    encrypted.ends_unharmed();
}

#[test]
fn a_server_that_speaks_in_front_of_its_handshake_is_not_heard() {
    let root = Authority::new("root");
    let files = tempfile::tempdir().unwrap();
    let ca = root.write(files.path(), "root.pem");
    let serving = Serving::new(&root.issue(&["a.example"], Kind::Server));
    let injecting = FaultyTls::start(serving.clone(), Fault::Before(ANSWER.to_vec()));
    let good = Origin::tls("good", &serving);
    let stage = Stage::set(|config| {
        let tls = format!(r#"tls: (ca: {ca:?}, sni: "a.example")"#);
        config
            .frontend("tls", r#"default_backend: "injected""#)
            .frontend("good", r#"default_backend: "good""#)
            .backend("injected", "retries: (max: 0)")
            .server("bad1", injecting.address(), &tls)
            .backend("good", "")
            .server("good1", good.address(), &tls)
    });
    for _ in 0..20 {
        let answer = harness::client::get(stage.daemon.listener("tls"), "/");
        assert_eq!((answer.status, answer.header("x-origin")), (503, None));
        assert_eq!(harness::client::get(stage.daemon.listener("good"), "/").status, 200);
    }
    stage.ends_unharmed();
}
