//! Files that are whole, and durable, when they appear under their name.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What an unfinished file ends with.
const PARTIAL: &str = ".part";

/// Where a file is written before it has its name: hidden, beside it.
pub(super) fn partial(name: &str) -> String {
    format!(".{name}{PARTIAL}")
}

/// Writes a file. Nobody sees it before it is whole. `mode`: who may read it.
pub(super) fn put(folder: &Path, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    let partial = folder.join(partial(name));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, folder.join(name))?;
    sync(folder)
}

/// Makes names that came and went in a folder durable.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// Makes a folder that is its owner's alone.
pub(super) fn make_private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

/// Removes a file. One that is not there is no error. Gives whether it was.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A file of a folder.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) written: SystemTime,
}

impl Found {
    pub(super) fn is_older(&self, than: Duration, now: SystemTime) -> bool {
        now.duration_since(self.written).is_ok_and(|age| age > than)
    }

    /// Left behind by a process that died while it wrote.
    pub(super) fn is_partial(&self) -> bool {
        self.name.starts_with('.') && self.name.ends_with(PARTIAL)
    }
}

/// The files of a folder, in the order of their names; of one that is not there, none. Names that are no text
/// are not ours.
pub(super) fn list(folder: &Path) -> io::Result<Vec<Found>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        match entry.metadata() {
            Ok(data) if data.is_file() => all.push(Found {
                name,
                written: data.modified()?,
            }),
            Ok(_) => {}
            // Somebody took it away meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// What is wrong where.
pub(super) fn at(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
