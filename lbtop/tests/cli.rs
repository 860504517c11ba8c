//! The program from outside: what it says and how it exits.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::process::{Command, Output, Stdio};

fn lbtop(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lbtop"))
        .args(args)
        .env_remove("PROXYD_SOCKET")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn version() {
    let output = lbtop(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout), concat!("lbtop ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn wrong_use_is_64() {
    for args in [&["--nonsense"][..], &["--once", "--format", "xml"], &["--format", "json"], &["extra"]] {
        let output = lbtop(args);
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn without_a_terminal_it_says_so() {
    let output = lbtop(&["-s", "/nonexistent/x.sock"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("needs a terminal"));
}

#[test]
fn nobody_there_is_3() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("none.sock");
    let output = lbtop(&["--once", "-s", socket.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no such socket"));
}
