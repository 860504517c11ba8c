//! Stick tables that are kept over a restart: read at the start, written at the end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::clock;
use crate::log;
use crate::model::shared::Shared;
use crate::stick::{Table, saved};

/// Enough to know a file of a table by.
const BEGINNING: u64 = 64;

/// Reads the files of all tables that have one. What is of no use is told, and no reason not to start.
pub(super) fn restore(shared: &Shared) {
    for table in &shared.snapshot().tables {
        let Some(path) = &table.conf().save else { continue };
        let folder =
            path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        // At the end it would be too late to do something about it.
        if let Err(error) = access(folder, Access::WRITE_OK | Access::EXEC_OK) {
            log::alert(format_args!("table {} cannot be saved to {}: {error}", table.name, path.display()));
        }
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

/// Writes the files, each whole or not at all.
pub(super) fn save(shared: &Shared) {
    for table in &shared.snapshot().tables {
        let Some(path) = &table.conf().save else { continue };
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = PathBuf::from(name);
        let written = write(shared, table, &temporary).and_then(|()| fs::rename(&temporary, path));
        if let Err(error) = written {
            let _gone = fs::remove_file(&temporary);
            log::alert(format_args!("table {} is not saved: {}: {error}", table.name, path.display()));
        }
    }
}

fn write(shared: &Shared, table: &Table, path: &Path) -> io::Result<()> {
    let _left_over = fs::remove_file(path);
    let file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    table.save(BufWriter::new(&file), shared.epoch.now_ms(), clock::wall_ms())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

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
