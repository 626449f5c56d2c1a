//! New events.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use fjall::OwnedWriteBatch;
use serde_json::json;

use super::record::{State, Stored};
use super::{WebhookStore, keys};
use crate::webhooks::endpoint::Record;
use crate::webhooks::error::WebhooksError;
use crate::webhooks::event::{Draft, EventKind, NewEvent, check_client};

/// How far the reader of the stream is: by partition, the offset before which everything was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress(pub BTreeMap<u32, u64>);

impl Progress {
    /// Where to go on in a partition.
    pub fn of(&self, partition: u32) -> u64 {
        self.0.get(&partition).copied().unwrap_or(0)
    }
}

/// What became of events that were appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Stored.
    pub new: usize,
    /// There already, and left as they are.
    pub repeated: usize,
}

impl WebhookStore {
    /// Stores events and how far the reader is, both or neither, synced. Each event goes to the
    /// endpoints of its client that are active now and want its type. An event that is kept already
    /// is not stored again. Partitions that `progress` does not name stay as they are.
    ///
    /// # Errors
    /// An event that cannot be kept, or the disk. Nothing was stored then.
    pub fn append(
        &self,
        events: &[NewEvent],
        progress: &Progress,
    ) -> Result<Appended, WebhooksError> {
        let mut next = self.next_event.lock();
        let endpoints = self.endpoints.read();
        let mut adding = Adding::begin(self, *next);
        let mut seen = HashSet::new();
        let mut appended = Appended::default();
        for event in events {
            check_client(&event.client)?;
            let id = event.id();
            if self.read(&self.spaces.event_ids, &id)?.is_some() || !seen.insert(id.clone()) {
                appended.repeated += 1;
                continue;
            }
            appended.new += 1;
            let draft = Draft {
                id: &id,
                client: &event.client,
                kind: event.kind,
                object_id: &event.object_id,
                order: Some(&event.order),
                created_at_ms: event.created_at_ms,
                object: &event.object,
            };
            let all = endpoints.of(&event.client);
            let wanting = all.filter(|endpoint| endpoint.wants(event.kind));
            adding.add(&draft, wanting)?;
        }
        let Adding {
            mut batch,
            next: after,
            touched,
            ..
        } = adding;
        for (partition, offset) in &progress.0 {
            batch.insert(
                &self.spaces.meta,
                keys::progress(*partition),
                offset.to_le_bytes(),
            );
        }
        self.commit(batch)?;
        *next = after;
        self.mark_changed(touched);
        Ok(appended)
    }

    /// How far the reader was with its last [`append`](Self::append).
    ///
    /// # Errors
    /// The disk.
    pub fn progress(&self) -> Result<Progress, WebhooksError> {
        let mut progress = BTreeMap::new();
        for item in self.spaces.meta.prefix(keys::PROGRESS) {
            let (key, value) = item.into_inner().map_err(self.failed("reading"))?;
            let partition = key.get(keys::PROGRESS.len()..).unwrap_or_default();
            let partition = partition
                .try_into()
                .map_err(|_| self.damaged("the name of a partition"))?;
            let offset = value[..]
                .try_into()
                .map_err(|_| self.damaged("how far a partition is"))?;
            progress.insert(u32::from_be_bytes(partition), u64::from_le_bytes(offset));
        }
        Ok(Progress(progress))
    }

    /// Makes a test event for one endpoint, whatever types it wants. Returns the event's id.
    ///
    /// # Errors
    /// There is no such endpoint, or it is not active.
    pub fn ping(&self, client: &str, endpoint_id: &str) -> Result<String, WebhooksError> {
        let mut next = self.next_event.lock();
        let endpoints = self.endpoints.read();
        let endpoint = endpoints.find(client, endpoint_id)?;
        if !endpoint.active {
            return Err(WebhooksError::Inactive {
                id: endpoint_id.to_owned(),
            });
        }
        let id = super::endpoints::random_id("wev_")?;
        let draft = Draft {
            id: &id,
            client,
            kind: EventKind::Ping,
            object_id: &id,
            order: None,
            created_at_ms: self.clock.now_ms(),
            object: &json!({}),
        };
        let mut adding = Adding::begin(self, *next);
        adding.add(&draft, std::iter::once(endpoint))?;
        self.commit(adding.batch)?;
        *next = adding.next;
        self.mark_changed(adding.touched);
        Ok(id)
    }
}

struct Adding<'a> {
    store: &'a WebhookStore,
    now_ms: i64,
    next: u64,
    batch: OwnedWriteBatch,
    touched: HashSet<u32>,
}

impl<'a> Adding<'a> {
    fn begin(store: &'a WebhookStore, next: u64) -> Self {
        Self {
            store,
            now_ms: store.clock.now_ms(),
            next,
            batch: store.synced(),
            touched: HashSet::new(),
        }
    }

    fn add<'e>(
        &mut self,
        draft: &Draft<'_>,
        endpoints: impl Iterator<Item = &'e Arc<Record>>,
    ) -> Result<(), WebhooksError> {
        let (store, sequence) = (self.store, self.next);
        self.next += 1;
        let stored = Stored {
            id: draft.id.to_owned(),
            client: draft.client.to_owned(),
            kind: draft.kind,
            object_id: draft.object_id.to_owned(),
            created_at_ms: draft.created_at_ms,
            appended_at_ms: self.now_ms,
            body: draft.body(store.config.live_mode)?,
        };
        let spaces = &store.spaces;
        let place = sequence.to_be_bytes();
        self.batch
            .insert(&spaces.events, place, store.encode(&stored)?);
        self.batch.insert(&spaces.event_ids, draft.id, place);
        let of_client = keys::client_event(draft.client, sequence);
        self.batch.insert(&spaces.client_events, of_client, []);
        let state = State::due_now(self.now_ms);
        let bytes = store.encode(&state)?;
        for endpoint in endpoints {
            let number = endpoint.number;
            let due = keys::due(number, state.at_ms, sequence);
            self.batch.insert(&spaces.due, due, []);
            let key = keys::state(sequence, number);
            self.batch.insert(&spaces.states, key, bytes.as_slice());
            self.touched.insert(number);
        }
        Ok(())
    }
}
