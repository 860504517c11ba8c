//! Stick tables that are kept over a restart: read at the start, written while they change and at the end.
//!
//! A file is written beside its place and then put there, so that it is whole whatever ends the process. A thread of its
//! own does so: the disk makes nobody wait.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::fs::{Access, access};
use rustix::process::{Pid, test_kill_process};

use crate::clock::{self, Epoch, Instant};
use crate::config::table::Save;
use crate::log;
use crate::model::shared::Shared;
use crate::stick::{Table, saved};

/// Enough to know a file of a table by.
const BEGINNING: u64 = 64;

/// Reads the files of all tables that have one. What is of no use is told, and no reason not to start.
pub(super) fn restore(shared: &Shared) {
    for table in &shared.snapshot().tables {
        let Some(Save { path, .. }) = &table.conf().save else { continue };
        // A minute later nobody may look any more.
        if let Some(folder) = folder(path)
            && let Err(error) = access(folder, Access::WRITE_OK | Access::EXEC_OK)
        {
            log::alert(format_args!("table {} cannot be saved to {}: {error}", table.name, path.display()));
        }
        remove_left_over(path);
        let bytes = match read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                tell(table, path, "cannot be read", &error);
                continue;
            }
        };
        match table.restore(&bytes, shared.epoch.now_ms(), clock::wall_ms()) {
            Ok(entries) => {
                log::notice(format_args!("table {}: {entries} entries of {}", table.name, path.display()));
            }
            Err(damaged) => tell(table, path, "is of no use", &damaged),
        }
    }
}

fn tell(table: &Table, path: &Path, what: &str, why: &dyn std::fmt::Display) {
    log::alert(format_args!("table {} begins empty: {} {what}: {why}", table.name, path.display()));
}

/// All of a file, or the beginning of what cannot be one of a table: neither a pipe nor a large stranger holds the start up.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let (mut file, mut bytes) = (File::open(path)?, Vec::new());
    file.by_ref().take(BEGINNING).read_to_end(&mut bytes)?;
    if saved::begins(&bytes) {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Takes away what processes left that ended while they wrote.
fn remove_left_over(path: &Path) {
    let (Some(folder), Some(name)) = (folder(path), path.file_name().and_then(|name| name.to_str())) else {
        return;
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let found = entry.file_name();
        let pid = found
            .to_str()
            .and_then(|found| found.strip_prefix(name)?.strip_prefix('.')?.strip_suffix(".tmp"));
        let pid = pid.filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(pid) = pid.and_then(|pid| Pid::from_raw(pid.parse().ok()?)) else { continue };
        if pid == rustix::process::getpid() || test_kill_process(pid) == Err(rustix::io::Errno::SRCH) {
            let _gone = fs::remove_file(entry.path());
        }
    }
}

fn folder(path: &Path) -> Option<&Path> {
    let folder = path.parent()?;
    Some(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
}

/// Writes tables while they change, until it is told to finish.
#[derive(Debug)]
pub(super) struct Saver(Option<(Sender<()>, JoinHandle<()>)>);

impl Saver {
    /// Where no table is kept it has nothing to do, and no thread.
    pub(super) fn start(shared: &Shared) -> io::Result<Self> {
        let now = clock::now();
        let tables = shared.snapshot().tables.iter().filter_map(|table| Kept::new(table, now)).collect();
        Self::of(tables, shared.epoch)
    }

    fn of(mut tables: Vec<Kept>, epoch: Epoch) -> io::Result<Self> {
        if tables.is_empty() {
            return Ok(Self(None));
        }
        let (sender, over) = channel();
        let thread = thread::Builder::new().name("tables".into()).spawn(move || {
            loop {
                let next = tables.iter().map(|kept| kept.due).min().unwrap_or_else(clock::now);
                match over.recv_timeout(next.saturating_duration_since(clock::now())) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                }
                let now = clock::now();
                tables.iter_mut().filter(|kept| kept.due <= now).for_each(|kept| kept.save_if_changed(epoch));
            }
            for kept in &mut tables {
                // What cannot be written now is lost: that is told in any case.
                kept.failed = None;
                kept.save(epoch);
            }
        })?;
        Ok(Self(Some((sender, thread))))
    }

    /// Writes all of them a last time.
    pub(super) fn finish(self) {
        if let Some((over, thread)) = self.0 {
            drop(over);
            // What it panicked with was told.
            let _told = thread.join();
        }
    }
}

/// A table with a file.
#[derive(Debug)]
struct Kept {
    table: Arc<Table>,
    path: PathBuf,
    interval: Duration,
    due: Instant,
    /// Of its changes, those that were written.
    written: u64,
    /// Why it could not be, the last time.
    failed: Option<String>,
}

impl Kept {
    fn new(table: &Arc<Table>, now: Instant) -> Option<Self> {
        let Save { path, interval } = table.conf().save.clone()?;
        let written = table.changes();
        Some(Self { table: Arc::clone(table), path, interval, due: now + interval, written, failed: None })
    }

    fn save_if_changed(&mut self, epoch: Epoch) {
        if self.failed.is_some() || self.table.changes() != self.written {
            self.save(epoch);
        }
        self.due = clock::now() + self.interval;
    }

    /// Told is what goes wrong, once, and when it goes well again.
    fn save(&mut self, epoch: Epoch) {
        let Self { table, path, .. } = self;
        let changes = table.changes();
        let failed = write(table, path, epoch).err().map(|error| error.to_string());
        match (&failed, &self.failed) {
            (Some(why), before) if before.as_ref() != Some(why) => {
                log::alert(format_args!("table {} is not saved: {}: {why}", table.name, path.display()));
            }
            (None, Some(_)) => {
                log::notice(format_args!("table {} is saved again: {}", table.name, path.display()));
            }
            _ => {}
        }
        if failed.is_none() {
            self.written = changes;
        }
        self.failed = failed;
    }
}

/// Whole or not at all.
fn write(table: &Table, path: &Path, epoch: Epoch) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let written = fill(table, &temporary, epoch).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _gone = fs::remove_file(&temporary);
    }
    written?;
    // That it is there now has to outlast a loss of power, too.
    folder(path).map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn fill(table: &Table, path: &Path, epoch: Epoch) -> io::Result<()> {
    let _left_over = fs::remove_file(path);
    let file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    table.save(BufWriter::new(&file), epoch.now_ms(), clock::wall_ms())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::{self as conf, KeyType};

    const SOON: Duration = Duration::from_secs(20);

    fn table(path: &Path, interval: Duration) -> Arc<Table> {
        Arc::new(Table::new(&conf::Table {
            name: "t".to_owned(),
            key: KeyType::Ip,
            entries: 100,
            expire: None,
            store: Vec::new(),
            no_purge: false,
            save: Some(Save { path: path.to_owned(), interval }),
        }))
    }

    fn entries(path: &Path) -> u32 {
        let Ok(bytes) = read(path) else { return 0 };
        table(path, Duration::ZERO).restore(&bytes, 1, clock::wall_ms()).unwrap()
    }

    fn eventually(holds: impl Fn() -> bool) {
        let begun = clock::now();
        while !holds() {
            assert!(begun.elapsed() < SOON, "it never does");
            thread::yield_now();
        }
    }

    #[test]
    fn what_changed_is_written_in_time_and_all_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        let table = table(&path, Duration::from_millis(10));
        let kept = Kept::new(&table, clock::now()).unwrap();
        let saver = Saver::of(vec![kept], Epoch::new()).unwrap();
        for n in 1..4_u32 {
            table.enter(&n.to_be_bytes(), 1, |_| ());
            eventually(|| entries(&path) == n);
        }
        saver.finish();
        assert_eq!(entries(&path), 3);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_did_not_change_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        let table = table(&path, Duration::from_secs(1));
        table.enter(b"abcd", 1, |_| ());
        let mut kept = Kept::new(&table, clock::now()).unwrap();
        kept.save_if_changed(Epoch::new());
        assert!(!path.exists(), "it is as it was found");
        table.find(b"abcd", 1, |_| ());
        kept.save_if_changed(Epoch::new());
        assert!(path.exists());
        fs::remove_file(&path).unwrap();
        kept.save_if_changed(Epoch::new());
        assert!(!path.exists(), "it is as it was written");
        assert_eq!(table.remove(b"abcd", 1), crate::stick::Removal::Removed);
        kept.save_if_changed(Epoch::new());
        assert_eq!((path.exists(), entries(&path)), (true, 0));
    }

    #[test]
    fn what_cannot_be_written_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("later/t");
        let table = table(&path, Duration::from_secs(1));
        let mut kept = Kept::new(&table, clock::now()).unwrap();
        kept.save(Epoch::new());
        assert!(kept.failed.as_deref().is_some_and(|why| why.starts_with("No such file")), "{kept:?}");
        fs::create_dir(folder.path().join("later")).unwrap();
        kept.save_if_changed(Epoch::new());
        assert_eq!((kept.failed, path.exists()), (None, true));
    }

    #[test]
    fn what_a_crash_left_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str| fs::write(folder.path().join(name), b"x").unwrap();
        let of = |pid: u32| format!("t.{pid}.tmp");
        // Its own number is that of another process before it; nobody has the largest there is.
        let gone = [of(std::process::id()), of(i32::MAX as u32)];
        let stay = [
            "t".to_owned(),
            of(std::os::unix::process::parent_id()),
            "t.-5.tmp".into(),
            "t.x.tmp".into(),
            "other.1.tmp".into(),
            of(u32::MAX),
        ];
        gone.iter().chain(&stay).for_each(|name| make(name));
        remove_left_over(&folder.path().join("t"));
        for (names, there) in [(&gone[..], false), (&stay[..], true)] {
            for name in names {
                assert_eq!(folder.path().join(name).exists(), there, "{name}");
            }
        }
    }

    #[test]
    fn what_is_no_file_of_a_table_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        let long = File::create(&path).unwrap();
        long.set_len(1 << 40).unwrap();
        assert_eq!(read(&path).unwrap().len(), BEGINNING as usize);
        assert!(read(folder.path()).is_err());
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        assert!(read(&pipe).is_err(), "nobody writes to it, ever");
    }
}
