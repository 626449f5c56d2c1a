//! [`Store`] on fjall: one keyspace for the groups, one for the index, one for marks, one journal
//! for all three, so that a commit is one write and one sync.
//!
//! Keys only grow, so tables never overlap and compaction moves them between levels without a
//! rewrite: every byte is written twice, once to the journal and once to a table.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use fjall::config::{BlockSizePolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{AbstractTree, Database, Keyspace, KeyspaceCreateOptions, PersistMode, Slice};
use flightline_failpoints::{Injected, Point, reach};

use super::config::EmbeddedConfig;
use super::store::{Commit, Store, Values};
use crate::error::{Place, StreamError, free_bytes};

/// Journals beyond this are moved to tables even if those stay small. The least that fjall takes.
const JOURNALS_BYTES: u64 = 64 << 20;

/// Below this much room, an unexplained failure of a background write is taken for a full disk.
const FULL_BELOW_BYTES: u64 = 64 << 20;

pub(super) struct FjallStore {
    path: PathBuf,
    groups: Keyspace,
    index: Keyspace,
    marks: Keyspace,
    db: Database,
}

impl FjallStore {
    pub(super) fn open(path: &Path, config: &EmbeddedConfig) -> Result<Self, StreamError> {
        let wrap = |doing| move |e| explain(doing, path, e);
        let db = Database::builder(path)
            // One thread flushes and moves; more would only take a core from the rest.
            .worker_threads(1)
            .manual_journal_persist(true)
            .max_journaling_size(JOURNALS_BYTES)
            .cache_size(config.cache_bytes)
            .open()
            .map_err(wrap("opening the log"))?;
        let options = |memtable_bytes: u64, block_bytes: u32| {
            KeyspaceCreateOptions::default()
                .manual_journal_persist(true)
                .max_memtable_size(memtable_bytes)
                .data_block_size_policy(BlockSizePolicy::all(block_bytes))
                // Never asked for keys that are not there.
                .filter_policy(FilterPolicy::all(FilterPolicyEntry::None))
                .expect_point_read_hits(true)
        };
        let open = |name: &str, memtable_bytes, block_bytes| {
            db.keyspace(name, || options(memtable_bytes, block_bytes))
                .map_err(wrap("opening the log"))
        };
        Ok(Self {
            path: path.to_owned(),
            groups: open("groups", config.memtable_bytes, 64 << 10)?,
            index: open("index", 4 << 20, 16 << 10)?,
            marks: open("marks", 1 << 20, 4 << 10)?,
            db,
        })
    }

    fn wrap(&self, doing: &'static str) -> impl Fn(fjall::Error) -> StreamError + '_ {
        move |e| explain(doing, &self.path, e)
    }
}

impl Store for FjallStore {
    fn commit(&self, commit: Commit) -> Result<(), StreamError> {
        let injected = |e: Injected| StreamError::from_io("appending to", &self.path, e.into());
        reach(Point::StreamAppend).map_err(injected)?;
        let key = commit.number.to_be_bytes();
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        batch.insert(&self.groups, key, Slice::from(commit.group));
        if let Some(entry) = commit.index {
            batch.insert(&self.index, key, Slice::from(entry));
        }
        for (name, mark) in commit.marks {
            batch.insert(&self.marks, name, Slice::from(mark));
        }
        batch.commit().map_err(self.wrap("appending to the log"))?;
        reach(Point::StreamSynced).map_err(injected)
    }

    fn groups(&self, from: u64) -> Values {
        let path = self.path.clone();
        let items = self.groups.range(from.to_be_bytes()..);
        Box::new(items.map(move |item| {
            let (key, value) = item
                .into_inner()
                .map_err(|e| explain("reading the log", &path, e))?;
            Ok((number_of(&key, &path)?, value.into()))
        }))
    }

    fn index_at_or_below(&self, number: u64) -> Result<Option<(u64, Bytes)>, StreamError> {
        let mut items = self.index.range(..=number.to_be_bytes());
        self.entry(items.next_back())
    }

    fn index_first(&self) -> Result<Option<(u64, Bytes)>, StreamError> {
        self.entry(self.index.first_key_value())
    }

    fn mark(&self, name: &str) -> Result<Option<Bytes>, StreamError> {
        let value = self.marks.get(name).map_err(self.wrap("reading the log"))?;
        Ok(value.map(Bytes::from))
    }

    fn drop_below(&self, number: u64) -> Result<(), StreamError> {
        for keyspace in [&self.groups, &self.index] {
            // Drops whole tables by their key range: costs an edit of the list of tables, no copy.
            // What lies in a table with later groups, or still in memory, goes with that one.
            let done = keyspace.tree.drop_range(..number.to_be_bytes());
            done.map_err(|e| self.wrap("trimming the log")(e.into()))?;
        }
        Ok(())
    }
}

impl FjallStore {
    fn entry(&self, item: Option<fjall::Guard>) -> Result<Option<(u64, Bytes)>, StreamError> {
        let Some(item) = item else { return Ok(None) };
        let (key, value) = item.into_inner().map_err(self.wrap("reading the log"))?;
        Ok(Some((number_of(&key, &self.path)?, value.into())))
    }
}

fn number_of(key: &[u8], path: &Path) -> Result<u64, StreamError> {
    let key = key.try_into().map_err(|_| StreamError::Corrupt {
        place: Place::File {
            path: path.to_owned(),
            byte: 0,
        },
        what: "a key of the log is not a group number".to_owned(),
    })?;
    Ok(u64::from_be_bytes(key))
}

fn explain(doing: &'static str, path: &Path, error: fjall::Error) -> StreamError {
    let io = match error {
        fjall::Error::Io(e) | fjall::Error::Storage(fjall::LsmError::Io(e)) => Ok(e),
        other => Err(other),
    };
    match io {
        Ok(e) => StreamError::from_io(doing, path, e),
        Err(fjall::Error::Locked) => StreamError::Locked {
            path: path.to_owned(),
            holder: "another process".to_owned(),
        },
        // A write in the background failed; the library does not say which or why.
        Err(fjall::Error::Poisoned) => match free_bytes(path) {
            Ok(free) if free < FULL_BELOW_BYTES => StreamError::DiskFull {
                path: path.to_owned(),
                free_bytes: free,
                reopen: true,
            },
            _ => StreamError::Storage {
                doing,
                path: path.to_owned(),
                what: "a write in the background failed; the system's log may say why".to_owned(),
            },
        },
        Err(fjall::Error::JournalRecovery(e)) => StreamError::Corrupt {
            place: Place::File {
                path: path.to_owned(),
                byte: 0,
            },
            what: format!("the journal cannot be replayed: {e:?}"),
        },
        Err(other) => StreamError::Storage {
            doing,
            path: path.to_owned(),
            what: other.to_string(),
        },
    }
}
