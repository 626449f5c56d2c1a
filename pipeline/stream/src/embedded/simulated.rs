//! A disk that is not there, for simulations: what a commit does is said by whoever simulates.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::folder::Notes;
use super::preflight::Preflight;
use super::store::{Commit, Store, Values};
use super::{EmbeddedConfig, EmbeddedLog};
use crate::error::StreamError;

/// What becomes of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskAct {
    /// It is durable.
    Stores,
    /// It fails, and nothing of it is there.
    Fails,
    /// It fails, and is there all the same.
    FailsAndStores,
}

/// Says what becomes of commits. May take its time.
pub trait DiskHost: Send + Sync {
    /// A commit is to be written.
    fn commit(&self) -> DiskAct;
}

#[derive(Clone, Debug, Default)]
struct Stored {
    groups: BTreeMap<u64, Bytes>,
    index: BTreeMap<u64, Bytes>,
    marks: BTreeMap<&'static str, Bytes>,
    copy_of: Option<u64>,
}

/// The disk. Cloned handles are the same one; it outlives the logs that are opened on it.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<Stored>>);

impl Disk {
    fn lock(&self) -> MutexGuard<'_, Stored> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything on it is gone.
    pub fn wipe(&self) {
        *self.lock() = Stored::default();
    }

    /// Opens the log that is on it, or a new one. `config.path` is for messages only.
    ///
    /// # Errors
    /// What is on it is no log, or its first commit fails.
    pub fn open(
        &self,
        config: EmbeddedConfig,
        producer: u64,
        host: Arc<dyn DiskHost>,
    ) -> Result<EmbeddedLog, StreamError> {
        let store = OnDisk {
            disk: self.clone(),
            host,
        };
        let notes: Box<dyn Notes> = Box::new(store.clone());
        EmbeddedLog::on_store(
            config,
            Box::new(store),
            &Preflight::default(),
            producer,
            Some(notes),
        )
    }
}

#[derive(Clone)]
struct OnDisk {
    disk: Disk,
    host: Arc<dyn DiskHost>,
}

impl OnDisk {
    /// Writes something, as the host says.
    fn write(&self, change: impl FnOnce(&mut Stored)) -> Result<(), StreamError> {
        let act = self.host.commit();
        if act != DiskAct::Fails {
            change(&mut self.disk.lock());
        }
        if act == DiskAct::Stores {
            return Ok(());
        }
        let error = std::io::Error::other("simulated: input/output error");
        Err(StreamError::from_io(
            "appending to",
            Path::new("a simulated disk"),
            error,
        ))
    }
}

impl Notes for OnDisk {
    fn copy_of(&self) -> Option<u64> {
        self.disk.lock().copy_of
    }

    fn note_copy_of(&self, stream: u64) -> Result<(), StreamError> {
        if self.copy_of() == Some(stream) {
            return Ok(());
        }
        self.write(|disk| disk.copy_of = Some(stream))
    }
}

impl Store for OnDisk {
    fn commit(&self, commit: Commit) -> Result<(), StreamError> {
        self.write(|disk| {
            disk.groups.insert(commit.number, commit.group);
            disk.index.extend(commit.index.map(|i| (commit.number, i)));
            disk.marks.extend(commit.marks);
        })
    }

    fn groups(&self, from: u64) -> Values {
        let disk = self.disk.lock();
        let groups = disk.groups.range(from..);
        let groups: Vec<_> = groups.map(|(n, bytes)| Ok((*n, bytes.clone()))).collect();
        Box::new(groups.into_iter())
    }

    fn index_at_or_below(&self, number: u64) -> Result<Option<(u64, Bytes)>, StreamError> {
        let disk = self.disk.lock();
        let found = disk.index.range(..=number).next_back();
        Ok(found.map(|(n, i)| (*n, i.clone())))
    }

    fn index_first(&self) -> Result<Option<(u64, Bytes)>, StreamError> {
        let disk = self.disk.lock();
        Ok(disk.index.first_key_value().map(|(n, i)| (*n, i.clone())))
    }

    fn mark(&self, name: &str) -> Result<Option<Bytes>, StreamError> {
        Ok(self.disk.lock().marks.get(name).cloned())
    }

    fn drop_below(&self, number: u64) -> Result<(), StreamError> {
        let mut disk = self.disk.lock();
        disk.groups.retain(|n, _| *n >= number);
        disk.index.retain(|n, _| *n >= number);
        Ok(())
    }
}
