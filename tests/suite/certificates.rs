//! Certificates of a running daemon: replaced, reloaded, told of; and the keys that tickets are sealed with.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Command;

use harness::origin::http::Origin;
use harness::tls::{Authority, Dialer, Identity, Kind};
use harness::{Config, Daemon, Start, binaries, eventually};

const TICKETS: &str = "tickets: (keys: \"ticket.keys\")";

/// Frontend `web` with the certificates of a folder.
fn config(tls: &str) -> Config {
    let bind = format!(
        "bind: [(address: \"127.0.0.1:0\", tls: (certificates: [\"certs/\"], alpn: [http1], {tls}))], \
         default_backend: \"app\""
    );
    Config::new().global("metrics: (bind: \"127.0.0.1:0\")").frontend("web", &bind).backend("app", "")
}

fn start(config: &Config, certificates: &[(&str, &Identity)]) -> Daemon {
    let start = Start::new(config);
    fs::create_dir(start.dir().join("certs")).unwrap();
    for (name, identity) in certificates {
        identity.write(&start.dir().join("certs"), name);
    }
    fs::write(start.dir().join("ticket.keys"), keys(b'A', b'B')).unwrap();
    start.run()
}

/// Two keys of 48 bytes.
fn keys(one: u8, two: u8) -> String {
    [one, two].map(|byte| format!("{}\n", char::from(byte).to_string().repeat(64))).concat()
}

fn metric(daemon: &Daemon, sample: &str) -> Option<f64> {
    let text = harness::client::get(daemon.listener("GLOBAL"), "/metrics").text();
    text.lines().find_map(|line| line.strip_prefix(sample)?.trim().parse().ok())
}

#[test]
fn a_folder_is_read_again_and_all_of_it_or_nothing_is_taken() {
    let root = Authority::new("root");
    let (old, new) = (root.issue(&["a.example"], Kind::Server), root.issue(&["a.example"], Kind::Server));
    let other = root.issue(&["b.example"], Kind::Server);
    let origin = Origin::start("app1");
    let daemon = start(&config("strict_sni: true").server("app1", origin.addr(), ""), &[("a.pem", &old)]);
    let certs = daemon.dir().join("certs");
    let dialer = Dialer::trusting(&root);
    let shown = |name: &str| {
        let session = dialer.connect(daemon.listener("web"), name).ok()?;
        Some(session.peer()[0].clone())
    };
    assert_eq!(shown("a.example"), Some(old.chain()[0].clone()));
    assert_eq!(shown("b.example"), None);
    let mut standing = dialer.client(daemon.listener("web"), "a.example").unwrap();
    assert_eq!(standing.get("/").text(), "app1\n");

    new.write(&certs, "a.pem");
    other.write(&certs, "b.pem");
    fs::write(certs.join("c.pem"), "nonsense").unwrap();
    let told = daemon.admin("reload ssl certs");
    assert_eq!(told.trim_end(), "Nothing was changed:\ncerts/c.pem: it is not a PEM file");
    assert_eq!(shown("a.example"), Some(old.chain()[0].clone()));

    fs::remove_file(certs.join("c.pem")).unwrap();
    let told = daemon.admin("reload ssl certs");
    assert_eq!(
        told.trim_end(),
        "Reloaded: 1 changed, 1 added, 0 removed, 0 unchanged.\nchanged certs/a.pem\nadded certs/b.pem"
    );
    assert_eq!(shown("a.example"), Some(new.chain()[0].clone()));
    assert_eq!(shown("b.example"), Some(other.chain()[0].clone()));
    assert_eq!(standing.get("/").text(), "app1\n", "what stands goes on");
    daemon.logged("files of TLS: 1 changed, 1 added, 0 removed");

    assert_eq!(daemon.admin("show ssl cert").trim_end(), "# filename\ncerts/a.pem\ncerts/b.pem");
    let details = daemon.admin("show ssl cert certs/b.pem");
    for line in ["Filename: certs/b.pem", "Status: Used", "Subject Alternative Name: DNS:b.example"] {
        assert!(details.lines().any(|it| it == line), "{details}");
    }
    assert!(metric(&daemon, "proxyd_certificate_expiry_days{file=\"certs/b.pem\"}").is_some());
}

#[test]
fn a_certificate_is_replaced_without_its_file() {
    let root = Authority::new("root");
    let (old, new) = (root.issue(&["a.example"], Kind::Server), root.issue(&["a.example"], Kind::Server));
    let daemon = start(&config(""), &[("a.pem", &old)]);
    let send = |command: &str, payload: &str| {
        let mut socket = UnixStream::connect(daemon.socket_path()).unwrap();
        write!(socket, "{command} <<END\n{payload}END\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer.trim_end().to_owned()
    };
    let pem = new.chain_pem() + &new.key_pem();
    assert_eq!(send("set ssl cert certs/a.pem", &pem), "Transaction created for certificate certs/a.pem!");
    assert_eq!(send("set ssl cert certs/a.pem", &pem), "Transaction updated for certificate certs/a.pem!");
    assert_eq!(
        send("set ssl cert certs/z.pem", &pem),
        "The ongoing transaction is about 'certs/a.pem' but you are trying to set 'certs/z.pem'\n\
         Can't update certs/z.pem!"
    );
    assert!(daemon.admin("show ssl cert").starts_with("# transaction\n*certs/a.pem\n# filename\n"));
    assert!(daemon.admin("show ssl cert *certs/a.pem").contains("Status: Uncommitted\n"));
    let shown = || {
        let session = Dialer::trusting(&root).connect(daemon.listener("web"), "a.example").unwrap();
        session.peer()[0].clone()
    };
    assert_eq!(shown(), old.chain()[0]);
    assert_eq!(daemon.admin("commit ssl cert certs/a.pem").trim_end(), "Committing certs/a.pem.\nSuccess!");
    assert_eq!(shown(), new.chain()[0]);
    assert_eq!(
        daemon.admin("commit ssl cert certs/a.pem").trim_end(),
        "No ongoing transaction! !\nCan't commit certs/a.pem!"
    );
    assert_eq!(daemon.admin("abort ssl cert certs/a.pem").trim_end(), "No ongoing transaction!");
    assert_eq!(
        daemon.admin("set ssl cert certs/a.pem").trim_end(),
        "'set ssl cert' expects a filename and a certificate as a payload"
    );
}

#[test]
fn sessions_go_on_in_a_fleet_until_its_keys_are_gone() {
    let root = Authority::new("root");
    let identity = root.issue(&["a.example"], Kind::Server);
    let origin = Origin::start("app1");
    let config = config(TICKETS).server("app1", origin.addr(), "");
    let (one, two) = (start(&config, &[("a.pem", &identity)]), start(&config, &[("a.pem", &identity)]));
    let dialer = Dialer::trusting(&root).resuming();
    let resumed = |daemon: &Daemon| {
        let mut session = dialer.connect(daemon.listener("web"), "a.example").unwrap();
        session.await_ticket();
        session.resumed()
    };
    assert!(!resumed(&one));
    assert!(resumed(&two), "another machine has the same keys");
    // The machines get the new key one after the other; what either seals, both open.
    fs::write(one.dir().join("ticket.keys"), keys(b'B', b'C')).unwrap();
    assert!(one.admin("reload ssl certs").contains("changed ticket.keys\n"));
    assert!(!resumed(&one), "A is gone");
    assert!(resumed(&two), "B is known");
    assert!(!resumed(&one), "A again");
    eventually("the resumptions are counted", || {
        let yes = "proxyd_tls_handshakes_total{proxy=\"web\",resumed=\"yes\"}";
        let no = "proxyd_tls_handshakes_total{proxy=\"web\",resumed=\"no\"}";
        (metric(&two, yes) == Some(2.0) && metric(&one, no) == Some(3.0)).then_some(())
    });
    assert!(one.admin("show info").contains("\nCumSslConns: 3\n"));
}

#[test]
fn keys_are_written_only_where_asked_and_loudly() {
    let root = Authority::new("root");
    let identity = root.issue(&["a.example"], Kind::Server);
    for on in [false, true] {
        let config = if on { config("").global("tls_keylog: true") } else { config("") };
        let start = Start::new(&config).env("SSLKEYLOGFILE", "keylog");
        fs::create_dir(start.dir().join("certs")).unwrap();
        identity.write(&start.dir().join("certs"), "a.pem");
        let daemon = start.run();
        Dialer::trusting(&root).connect(daemon.listener("web"), "a.example").unwrap();
        let file = daemon.dir().join("keylog");
        if on {
            let text = eventually("keys", || fs::read_to_string(&file).ok().filter(|text| !text.is_empty()));
            assert!(text.contains("_TRAFFIC_SECRET_0 "), "{text}");
            daemon.logged("whoever has it reads everything");
        } else {
            assert!(!file.exists());
        }
    }
}

#[test]
fn check_reads_certificates() {
    let config = config("");
    let dir = Start::new(&config);
    fs::write(dir.dir().join("proxyd.ron"), config.render()).unwrap();
    fs::create_dir(dir.dir().join("certs")).unwrap();
    fs::write(dir.dir().join("certs/a.pem"), "nonsense").unwrap();
    let output = Command::new(binaries::proxyd())
        .current_dir(dir.dir())
        .args(["check", "-f", "proxyd.ron"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("it is not a PEM file"), "{told}");
}
