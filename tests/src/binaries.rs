//! Where the binaries under test are.
//!
//! Cargo names a package's binaries only to tests of that package, so they are looked for: the environment first
//! (`PROXYD_BIN`, `LBTOP_BIN`), then beside the test's own executable, and as a last resort they are built.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The load balancer.
pub fn proxyd() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| find("proxyd", "PROXYD_BIN"))
}

/// The console.
pub fn lbtop() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| find("lbtop", "LBTOP_BIN"))
}

/// Whether the load balancer under test is quick: a release build, as its folder says.
pub fn is_optimized() -> bool {
    proxyd().parent().is_some_and(|folder| folder.ends_with("release"))
}

/// The repository's root.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace")
}

fn find(name: &str, variable: &str) -> PathBuf {
    if let Some(path) = env::var_os(variable) {
        return PathBuf::from(path);
    }
    // target/<profile>/deps/suite-<hash>
    let this = env::current_exe().expect("the test knows its executable");
    let profile = this.parent().and_then(Path::parent).expect("target/<profile>/deps");
    let path = profile.join(name);
    if path.exists() {
        return path;
    }
    // Test binaries run side by side, under nextest one process a test: only one of them builds.
    let lock = File::create(profile.join(".proxyd-tests.lock")).expect("the target folder is writable");
    lock.lock().expect("a lock in the target folder");
    if !path.exists() {
        let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "-p", "proxyd", "-p", "lbtop", "--bins"]).current_dir(workspace());
        if profile.file_name().is_some_and(|it| it == "release") {
            build.arg("--release");
        }
        let status = build.status().expect("cargo runs");
        assert!(status.success(), "cargo build failed: {status}");
    }
    assert!(path.exists(), "{} is neither there nor built", path.display());
    path
}
