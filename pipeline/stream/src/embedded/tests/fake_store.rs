//! A storage in memory that fails when it is told to.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use bytes::Bytes;

use crate::embedded::preflight::Preflight;
use crate::embedded::store::{Commit, Store, Values};
use crate::embedded::{EmbeddedConfig, EmbeddedLog};
use crate::error::StreamError;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mood {
    #[default]
    Well,
    /// The write or the sync fails, and nothing is stored.
    Fails,
    /// The sync fails, and the bytes are there all the same.
    FailsAndStores,
    Panics,
    /// Commits wait until the mood changes.
    Waits,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) groups: BTreeMap<u64, Bytes>,
    pub(super) index: BTreeMap<u64, Bytes>,
    pub(super) marks: BTreeMap<&'static str, Bytes>,
    pub(super) commits: usize,
    pub(super) waiting: usize,
    pub(super) mood: Mood,
}

#[derive(Clone, Default)]
pub(super) struct FakeStore(Arc<(Mutex<Disk>, Condvar)>);

impl FakeStore {
    pub(super) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(super) fn set(&self, mood: Mood) {
        self.disk().mood = mood;
        self.0.1.notify_all();
    }

    /// Waits until a commit is under way.
    pub(super) fn wait_for_commit(&self) {
        let mut disk = self.disk();
        while disk.waiting == 0 {
            disk = self.0.1.wait(disk).unwrap();
        }
    }

    pub(super) fn open(&self, partitions: u32) -> Result<EmbeddedLog, StreamError> {
        let mut config = EmbeddedConfig::new("/nowhere");
        config.partitions = partitions;
        config.reserve_bytes = 0;
        EmbeddedLog::on_store(
            config,
            Box::new(self.clone()),
            &Preflight::default(),
            77,
            None,
        )
    }
}

impl Store for FakeStore {
    fn commit(&self, commit: Commit) -> Result<(), StreamError> {
        let mut disk = self.disk();
        disk.commits += 1;
        disk.waiting += 1;
        self.0.1.notify_all();
        while disk.mood == Mood::Waits {
            disk = self.0.1.wait(disk).unwrap();
        }
        disk.waiting -= 1;
        if disk.mood == Mood::Panics {
            panic!("the storage panics, as it was told");
        }
        if disk.mood != Mood::Fails {
            disk.groups.insert(commit.number, commit.group);
            disk.index.extend(commit.index.map(|i| (commit.number, i)));
            disk.marks.extend(commit.marks);
        }
        if disk.mood == Mood::Well {
            return Ok(());
        }
        let error = io::Error::other("input/output error");
        Err(StreamError::from_io(
            "appending to",
            Path::new("/nowhere"),
            error,
        ))
    }

    fn groups(&self, from: u64) -> Values {
        let groups = self.disk().groups.clone();
        Box::new(
            groups
                .into_iter()
                .skip_while(move |(n, _)| *n < from)
                .map(Ok),
        )
    }

    fn index_at_or_below(&self, number: u64) -> Result<Option<(u64, Bytes)>, StreamError> {
        let disk = self.disk();
        let found = disk.index.range(..=number).next_back();
        Ok(found.map(|(n, i)| (*n, i.clone())))
    }

    fn index_first(&self) -> Result<Option<(u64, Bytes)>, StreamError> {
        Ok(self
            .disk()
            .index
            .iter()
            .next()
            .map(|(n, i)| (*n, i.clone())))
    }

    fn mark(&self, name: &str) -> Result<Option<Bytes>, StreamError> {
        Ok(self.disk().marks.get(name).cloned())
    }

    fn drop_below(&self, number: u64) -> Result<(), StreamError> {
        let mut disk = self.disk();
        disk.groups.retain(|n, _| *n >= number);
        disk.index.retain(|n, _| *n >= number);
        Ok(())
    }
}
