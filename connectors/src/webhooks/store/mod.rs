//! Endpoints, events and deliveries, durable in a folder.
//!
//! On fjall, one journal for all keyspaces, so that a batch is there whole or not at all:
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `endpoints` | number | endpoint, as JSON |
//! | `events` | sequence | event with its body, as JSON |
//! | `event_ids` | id | sequence |
//! | `client_events` | client, sequence | empty |
//! | `states` | sequence, endpoint | how far this delivery is, as JSON |
//! | `due` | endpoint, time, sequence | empty; one per delivery that is still to be made |
//! | `log` | endpoint, entry | one attempt, as JSON |
//! | `meta` | name | progress of the reader, counters |
//!
//! Events and what clients change are synced before the call returns. How a delivery went is not:
//! after a power cut it may be made again.
//!
//! Calls block for the disk: make them off the async threads.

mod append;
mod deliver;
mod endpoints;
mod folder;
mod keys;
mod list;
mod record;
mod spaces;
mod sweep;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use fjall::{Database, Keyspace, OwnedWriteBatch, PersistMode};
use flightline_failpoints::{Injected, Point, reach};
use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use super::clock::Clock;
use super::config::StoreConfig;
use super::endpoint::Record;
use super::error::WebhooksError;
use spaces::Spaces;

pub use append::{Appended, Progress};
pub use deliver::{Due, Next, Outcome, Work};
pub(super) use endpoints::random_id;
pub use list::{DeliveryFilter, EventFilter};
pub use record::{Delivery, DeliveryState, DeliveryStatus};

/// The store. Shared between the routes, the reader of the stream and the engine.
pub struct WebhookStore {
    config: StoreConfig,
    clock: Arc<dyn Clock>,
    spaces: Spaces,
    db: Database,
    /// Held shared by whatever writes for an endpoint, alone by whatever changes endpoints.
    endpoints: RwLock<Endpoints>,
    /// Held by whoever adds events: the next sequence.
    next_event: Mutex<u64>,
    /// Held to change how far a delivery is.
    log: Mutex<Log>,
    /// Endpoints at which the engine has to look.
    changed: Mutex<BTreeSet<u32>>,
    notify: Notify,
    /// Given back last.
    _lock: File,
}

/// Endpoints that are not deleted, all in memory.
#[derive(Default)]
struct Endpoints {
    by_number: BTreeMap<u32, Arc<Record>>,
    by_client: HashMap<String, BTreeSet<u32>>,
    next_number: u32,
}

impl Endpoints {
    fn insert(&mut self, record: Arc<Record>) {
        let of_client = self.by_client.entry(record.client.clone()).or_default();
        of_client.insert(record.number);
        self.by_number.insert(record.number, record);
    }

    fn remove(&mut self, record: &Record) {
        self.by_number.remove(&record.number);
        if let Some(numbers) = self.by_client.get_mut(&record.client) {
            numbers.remove(&record.number);
            if numbers.is_empty() {
                self.by_client.remove(&record.client);
            }
        }
    }

    /// A client's endpoints, the oldest first.
    fn of(&self, client: &str) -> impl DoubleEndedIterator<Item = &Arc<Record>> {
        let numbers = self.by_client.get(client).into_iter().flatten();
        numbers.filter_map(|number| self.by_number.get(number))
    }

    fn find(&self, client: &str, id: &str) -> Result<&Arc<Record>, WebhooksError> {
        let found = self.of(client).find(|record| record.id == id);
        found.ok_or_else(|| WebhooksError::NotFound {
            what: "webhook",
            id: id.chars().take(100).collect(),
        })
    }
}

/// The logs of deliveries.
#[derive(Default)]
struct Log {
    next_entry: u64,
    entries: HashMap<u32, u64>,
}

impl WebhookStore {
    /// Opens or creates the store.
    ///
    /// # Errors
    /// The folder is in use, damaged or cannot be written.
    pub fn open(config: StoreConfig, clock: Arc<dyn Clock>) -> Result<Self, WebhooksError> {
        let (data, lock) = folder::prepare(&config.path)?;
        let opened = folder::database(&data).and_then(|db| Ok((Spaces::open(&db)?, db)));
        let (spaces, db) =
            opened.map_err(|error| folder::storage("opening", &config.path, &error))?;
        let store = Self {
            config,
            clock,
            spaces,
            db,
            endpoints: RwLock::default(),
            next_event: Mutex::new(0),
            log: Mutex::default(),
            changed: Mutex::default(),
            notify: Notify::new(),
            _lock: lock,
        };
        store.load()?;
        Ok(store)
    }

    /// How the store is set up.
    pub fn config(&self) -> &StoreConfig {
        &self.config
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Ends when [`Self::take_changed`] has something; may end earlier.
    pub(super) async fn wait_changed(&self) {
        self.notify.notified().await;
    }

    pub(super) fn take_changed(&self) -> BTreeSet<u32> {
        std::mem::take(&mut *self.changed.lock())
    }

    pub(super) fn mark_all_changed(&self) {
        self.mark_changed(self.endpoints.read().by_number.keys().copied());
    }

    fn mark_changed(&self, numbers: impl IntoIterator<Item = u32>) {
        self.changed.lock().extend(numbers);
        self.notify.notify_one();
    }

    fn load(&self) -> Result<(), WebhooksError> {
        let last = self.spaces.events.last_key_value();
        let last = last.map(|item| item.key().map_err(self.failed("reading")));
        if let Some(key) = last.transpose()? {
            *self.next_event.lock() = self.number(keys::tail(&key))? + 1;
        }
        let mut half_deleted = Vec::new();
        {
            let mut endpoints = self.endpoints.write();
            for item in self.spaces.endpoints.iter() {
                let value = item.value().map_err(self.failed("reading"))?;
                let record: Record = self.decode(&value, "an endpoint")?;
                endpoints.next_number = endpoints.next_number.max(record.number + 1);
                if record.deleted {
                    half_deleted.push(record.number);
                } else {
                    endpoints.insert(Arc::new(record));
                }
            }
            if let Some(value) = self.read(&self.spaces.meta, keys::NEXT_ENDPOINT)? {
                let next = self.decode(&value, "the next endpoint's number")?;
                endpoints.next_number = endpoints.next_number.max(next);
            }
            let mut log = self.log.lock();
            for number in endpoints.by_number.keys().copied() {
                let mut entries = 0;
                for item in self.spaces.log.prefix(number.to_be_bytes()) {
                    let key = item.key().map_err(self.failed("reading"))?;
                    log.next_entry = log.next_entry.max(self.number(keys::tail(&key))? + 1);
                    entries += 1;
                }
                log.entries.insert(number, entries);
            }
        }
        for number in half_deleted {
            self.remove_rest(number)?;
        }
        Ok(())
    }

    fn failed(&self, doing: &'static str) -> impl Fn(fjall::Error) -> WebhooksError + '_ {
        move |error| match error {
            fjall::Error::Poisoned => WebhooksError::Storage {
                doing,
                path: self.config.path.clone(),
                reason: "an earlier write failed; make room on the disk and restart".to_owned(),
            },
            error => folder::storage(doing, &self.config.path, &error),
        }
    }

    fn damaged(&self, what: impl Into<String>) -> WebhooksError {
        WebhooksError::Damaged {
            path: PathBuf::clone(&self.config.path),
            what: what.into(),
        }
    }

    fn read(
        &self,
        space: &Keyspace,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<Vec<u8>>, WebhooksError> {
        let value = space.get(key).map_err(self.failed("reading"))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn decode<T: DeserializeOwned>(&self, value: &[u8], what: &str) -> Result<T, WebhooksError> {
        serde_json::from_slice(value).map_err(|error| self.damaged(format!("{what}: {error}")))
    }

    fn encode<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, WebhooksError> {
        serde_json::to_vec(value).map_err(|error| self.damaged(error.to_string()))
    }

    fn number(&self, bytes: Option<[u8; 8]>) -> Result<u64, WebhooksError> {
        let bytes = bytes.ok_or_else(|| self.damaged("a key is too short"))?;
        Ok(u64::from_be_bytes(bytes))
    }

    /// A batch that survives a power cut once it is committed.
    fn synced(&self) -> OwnedWriteBatch {
        self.db.batch().durability(Some(PersistMode::SyncData))
    }

    /// A batch that survives a killed process.
    fn buffered(&self) -> OwnedWriteBatch {
        self.db.batch().durability(Some(PersistMode::Buffer))
    }

    fn commit(&self, batch: OwnedWriteBatch) -> Result<(), WebhooksError> {
        let injected = |e: Injected| self.failed("writing")(fjall::Error::Io(e.into()));
        reach(Point::WebhooksWrite).map_err(injected)?;
        batch.commit().map_err(self.failed("writing"))?;
        reach(Point::WebhooksWritten).map_err(injected)
    }
}
