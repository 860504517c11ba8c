//! Stick tables that are kept in a file: over a restart, a crash, and where they cannot be.

use harness::origin::http::Origin;
use harness::{Config, Daemon, eventually};
use rustix::process::Signal;

use super::stick_tables::{asks, entry, value};

#[test]
fn tables_live_on_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users");
    let origins: Vec<Origin> = ["app1", "app2", "app3"].map(Origin::start).into();
    let config = |names: [&str; 3]| {
        let config = Config::new()
            .table(
                "users",
                &format!("key: string(20), entries: 1000, expire: \"1m\", save: {file:?}, store: [gpc0]"),
            )
            .frontend("web", r#"default_backend: "app""#)
            .backend("app", r#"stick: [on(key: "req.hdr(x-user)", table: "users")]"#);
        names.iter().fold(config, |config, name| {
            let at = ["app1", "app2", "app3"].iter().position(|known| known == name).unwrap();
            config.server(name, origins[at].addr(), "")
        })
    };
    let mut first = Daemon::start(&config(["app1", "app2", "app3"]));
    let users = ["anna", "bert", "carl", "dora"];
    let homes: Vec<String> = users.iter().map(|user| asks(&first, &format!("X-User: {user}\r\n"))).collect();
    first.admin("set table users key anna data.gpc0 17");
    first.signal(Signal::TERM);
    assert!(first.wait_exit(std::time::Duration::from_secs(20)).success());
    assert!(file.exists());
    // The same servers, in another order.
    let mut second = Daemon::start(&config(["app3", "app1", "app2"]));
    second.logged("table users: 4 entries of ");
    for (user, home) in users.iter().zip(&homes) {
        assert_eq!(asks(&second, &format!("X-User: {user}\r\n")), *home, "{user}");
    }
    assert_eq!(value(&second, "users", "anna", "gpc0"), 17);
    second.signal(Signal::TERM);
    assert!(second.wait_exit(std::time::Duration::from_secs(20)).success());
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let third = Daemon::start(&config(["app1", "app2", "app3"]));
    let told = third.logged("table users begins empty");
    assert!(told.contains("its sum is wrong") && told.contains(file.to_str().unwrap()), "{told}");
    assert!(third.admin("show table").contains("used:0"));
}

#[test]
fn a_place_that_cannot_be_written_to_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gone").join("users");
    let config = Config::http([("a", "127.0.0.1:9".parse::<std::net::SocketAddr>().unwrap())])
        .table("users", &format!("key: ip, entries: 10, save: {file:?}"));
    let daemon = Daemon::start(&config);
    let told = daemon.logged("table users cannot be saved");
    assert!(told.contains(file.to_str().unwrap()), "{told}");
}

#[test]
fn a_crash_loses_no_more_than_what_came_since_the_last_save() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let origin = Origin::start("app1");
    let table = |config: Config, name: &str| {
        let file = file(name);
        config.table(
            name,
            &format!("key: string(20), entries: 1000, save: {file:?}, save_interval: \"1s\", store: [gpc0]"),
        )
    };
    let config = ["users", "others"].iter().fold(Config::new(), |config, name| table(config, name));
    let config = config
        .frontend("web", r#"default_backend: "app""#)
        .backend("app", r#"stick: [on(key: "req.hdr(x-user)", table: "users")]"#)
        .server("app1", origin.addr(), "");
    let mut first = Daemon::start(&config);
    for user in ["anna", "bert"] {
        asks(&first, &format!("X-User: {user}\r\n"));
    }
    first.admin("set table users key anna data.gpc0 17");
    let written = |name: &str| std::fs::metadata(file(name)).and_then(|found| found.modified()).ok();
    // What comes now is in the next file, and in the one after it in any case.
    let saved_twice = |daemon: &Daemon, name: &str| {
        for n in 0..2 {
            let before = written(name);
            daemon.admin(&format!("set table {name} key clock data.gpc0 {n}"));
            eventually("it is saved", || (written(name) != before).then_some(()));
        }
    };
    saved_twice(&first, "users");
    eventually("what nobody changed is not written", || {
        let before = written("users");
        saved_twice(&first, "others");
        (written("users") == before).then_some(())
    });
    first.signal(Signal::KILL);
    assert!(!first.wait_exit(std::time::Duration::from_secs(20)).success());
    // As if it had been writing.
    std::fs::write(file(&format!("users.{}.tmp", i32::MAX)), "half").unwrap();
    let second = Daemon::start(&config);
    second.logged("table users: 3 entries of ");
    assert_eq!(value(&second, "users", "anna", "gpc0"), 17);
    assert_eq!(entry(&second, "users", "bert")["server_key"], "app1");
    let names = || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(
        !names().any(|name| name.to_string_lossy().ends_with(".tmp")),
        "{:?}",
        names().collect::<Vec<_>>()
    );
}
