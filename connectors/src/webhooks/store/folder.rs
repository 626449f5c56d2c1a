//! The folder: who may use it, and how its database comes into being.
//!
//! `lock` is locked while a process uses the folder. `data/` belongs to the storage library, which
//! cannot go on with a creation that was interrupted: so it is made as `new/` and then renamed.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use fjall::{Database, PersistMode};

use super::spaces::Spaces;
use crate::webhooks::error::WebhooksError;

/// Journals beyond this are moved to tables. The least that the library takes.
const JOURNALS_BYTES: u64 = 64 << 20;
const CACHE_BYTES: u64 = 16 << 20;

pub(super) fn prepare(path: &Path) -> Result<(PathBuf, File), WebhooksError> {
    let failed = |doing| move |error: std::io::Error| storage(doing, path, &error);
    // It holds secrets.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed("creating the folder of"))?;
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path.join("lock"))
        .map_err(failed("opening"))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(WebhooksError::InUse {
                path: path.to_owned(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(failed("locking")(error)),
    }
    let data = path.join("data");
    if !data.try_exists().map_err(failed("opening"))? {
        create(path, &data)?;
    }
    Ok((data, lock))
}

fn create(path: &Path, data: &Path) -> Result<(), WebhooksError> {
    let failed = |error: std::io::Error| storage("creating", path, &error);
    let new = path.join("new");
    match fs::remove_dir_all(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let made = database(&new).and_then(|db| {
        Spaces::open(&db)?;
        db.persist(PersistMode::SyncAll)
    });
    made.map_err(|error| storage("creating", path, &error))?;
    fs::rename(&new, data).map_err(failed)?;
    let folder = File::open(path).map_err(failed)?;
    folder.sync_all().map_err(failed)
}

pub(super) fn database(data: &Path) -> Result<Database, fjall::Error> {
    Database::builder(data)
        .worker_threads(1)
        .max_journaling_size(JOURNALS_BYTES)
        .cache_size(CACHE_BYTES)
        .open()
}

pub(super) fn storage(
    doing: &'static str,
    path: &Path,
    error: &dyn std::error::Error,
) -> WebhooksError {
    WebhooksError::Storage {
        doing,
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
