//! The keyspaces.

use fjall::{Database, Keyspace, KeyspaceCreateOptions};

/// What a keyspace gathers in memory before it becomes a table.
const MEMTABLE_BYTES: u64 = 8 << 20;

pub(super) struct Spaces {
    pub(super) endpoints: Keyspace,
    pub(super) events: Keyspace,
    pub(super) event_ids: Keyspace,
    pub(super) client_events: Keyspace,
    pub(super) states: Keyspace,
    pub(super) due: Keyspace,
    pub(super) log: Keyspace,
    pub(super) meta: Keyspace,
}

impl Spaces {
    /// Opens them; makes those that are missing.
    pub(super) fn open(db: &Database) -> Result<Self, fjall::Error> {
        let open = |name: &str| {
            db.keyspace(name, || {
                KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
            })
        };
        Ok(Self {
            endpoints: open("endpoints")?,
            events: open("events")?,
            event_ids: open("event_ids")?,
            client_events: open("client_events")?,
            states: open("states")?,
            due: open("due")?,
            log: open("log")?,
            meta: open("meta")?,
        })
    }
}
