//! Where configuration text comes from: the file system, or memory.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

/// Reads what `-f` names.
pub trait Source: Debug {
    /// The files a root stands for: itself, or of a folder its `*.ron` in name order.
    fn list(&self, root: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(match self.folder(root)? {
            Some(files) => files.into_iter().filter(|path| is_configuration(path)).collect(),
            None => vec![root.to_owned()],
        })
    }

    /// The files of a folder in name order; `None` where it is none.
    fn folder(&self, path: &Path) -> io::Result<Option<Vec<PathBuf>>>;

    /// The bytes of one file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// The real file system.
#[derive(Clone, Copy, Debug)]
pub struct FileSystem;

impl Source for FileSystem {
    fn folder(&self, path: &Path) -> io::Result<Option<Vec<PathBuf>>> {
        if !std::fs::metadata(path)?.is_dir() {
            return Ok(None);
        }
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let path = entry?.path();
            // What cannot be asked is said to be unreadable when it is read.
            if path.metadata().map_or(true, |about| about.is_file()) {
                files.push(path);
            }
        }
        files.sort();
        Ok(Some(files))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }
}

/// Files by path; a path that is the folder of others is a folder.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Memory {
    /// Adds a file.
    #[must_use]
    pub fn with(mut self, path: impl Into<PathBuf>, text: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }
}

impl Source for Memory {
    fn folder(&self, path: &Path) -> io::Result<Option<Vec<PathBuf>>> {
        if self.files.contains_key(path) {
            return Ok(None);
        }
        let inside: Vec<PathBuf> =
            self.files.keys().filter(|file| file.parent() == Some(path)).cloned().collect();
        if inside.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(Some(inside)) }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// `*.ron`, without the hidden files that editors leave beside an open one.
fn is_configuration(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|extension| extension == "ron")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_ron_files_in_name_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["20-b.ron", "10-a.ron", "notes.txt", ".#10-a.ron"] {
            std::fs::write(folder.path().join(name), "()").unwrap();
        }
        std::fs::create_dir(folder.path().join("old.ron")).unwrap();
        let listed = FileSystem.list(folder.path()).unwrap();
        let names: Vec<_> = listed.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(names, ["10-a.ron", "20-b.ron"]);
        assert!(FileSystem.list(&folder.path().join("absent")).is_err());
    }
}
