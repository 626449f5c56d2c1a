//! Deliveries: what is due, how it went, and what is asked for again.

use super::endpoints::random_id;
use super::record::{Delivery, DeliveryStatus, State, Stored};
use super::{WebhookStore, keys};
use crate::webhooks::error::WebhooksError;
use crate::webhooks::event::EventKind;

/// Events due at an endpoint.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Sequences, those longest due first.
    pub sequences: Vec<u64>,
    /// When to look again at the latest; `None` = nothing else waits.
    pub next_ms: Option<i64>,
}

/// A delivery to be made. Its secret is not shown by anything.
pub struct Work {
    pub(in crate::webhooks) url: String,
    pub(in crate::webhooks) secret: String,
    pub(in crate::webhooks) body: String,
    /// Attempts before this one.
    pub(in crate::webhooks) attempts: u32,
    pub(in crate::webhooks) first_due_ms: i64,
    /// How often it had been asked for.
    pub(in crate::webhooks) asked: u32,
    pub(in crate::webhooks) event_id: String,
    pub(in crate::webhooks) endpoint_id: String,
    pub(in crate::webhooks) kind: EventKind,
    /// Who makes it, where several could.
    pub(in crate::webhooks) claim: i64,
}

/// How an attempt went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// When it began, in Unix milliseconds.
    pub at_ms: i64,
    /// The answer's status; `None` when there was none.
    pub response_code: Option<u16>,
    /// Why it does not count as delivered.
    pub error: Option<String>,
    /// What comes after it.
    pub next: Next,
}

/// What comes after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: the endpoint took it.
    Delivered,
    /// Another one.
    Again {
        /// When, in Unix milliseconds.
        at_ms: i64,
    },
    /// Nothing: it was tried for long enough.
    GiveUp,
}

impl WebhookStore {
    /// What is due at an endpoint, up to a number of events.
    pub(in crate::webhooks) fn due(
        &self,
        endpoint: u32,
        now_ms: i64,
        count: usize,
    ) -> Result<Due, WebhooksError> {
        let mut due = Due::default();
        let is_active = {
            let endpoints = self.endpoints.read();
            let record = endpoints.by_number.get(&endpoint);
            record.is_some_and(|record| record.active)
        };
        if !is_active {
            // Whoever makes it active says so.
            return Ok(due);
        }
        for item in self.spaces.due.prefix(endpoint.to_be_bytes()) {
            let key = item.key().map_err(self.failed("reading"))?;
            let at_ms = keys::time_of_due(&key).ok_or_else(|| self.damaged("a time"))?;
            if at_ms > now_ms || due.sequences.len() == count {
                due.next_ms = Some(at_ms);
                break;
            }
            due.sequences.push(self.number(keys::tail(&key))?);
        }
        Ok(due)
    }

    /// What a delivery takes; `None` when it is not due any more.
    pub(in crate::webhooks) fn begin(
        &self,
        endpoint: u32,
        sequence: u64,
    ) -> Result<Option<Work>, WebhooksError> {
        let record = self.endpoints.read().by_number.get(&endpoint).cloned();
        let Some(record) = record.filter(|record| record.active) else {
            return Ok(None);
        };
        let state = self.state(sequence, endpoint)?;
        let state = state.filter(|state| state.status == DeliveryStatus::Pending);
        let state = state.ok_or_else(|| self.damaged("a delivery that is due is not pending"))?;
        if state.at_ms > self.clock.now_ms() {
            return Ok(None);
        }
        let event = self.stored(sequence)?;
        let event = event.ok_or_else(|| self.damaged("an event that is due is missing"))?;
        Ok(Some(Work {
            url: record.url.clone(),
            secret: record.secret.clone(),
            body: event.body,
            attempts: state.attempts,
            first_due_ms: state.first_due_ms,
            asked: state.asked,
            event_id: event.id,
            endpoint_id: record.id.clone(),
            kind: event.kind,
            claim: 0,
        }))
    }

    /// Writes down how a delivery went.
    pub(in crate::webhooks) fn finish(
        &self,
        endpoint: u32,
        sequence: u64,
        work: &Work,
        outcome: Outcome,
    ) -> Result<(), WebhooksError> {
        let endpoints = self.endpoints.read();
        if !endpoints.by_number.contains_key(&endpoint) {
            return Ok(());
        }
        let mut log = self.log.lock();
        let Some(old) = self.state(sequence, endpoint)? else {
            return Ok(());
        };
        let mut batch = self.buffered();
        let attempts = work.attempts.saturating_add(1);
        let (status, mut next_at_ms) = match outcome.next {
            Next::Delivered => (DeliveryStatus::Delivered, None),
            Next::Again { at_ms } => (DeliveryStatus::Pending, Some(at_ms)),
            Next::GiveUp => (DeliveryStatus::Failed, None),
        };
        let is_pending = old.status == DeliveryStatus::Pending;
        if is_pending && status != DeliveryStatus::Delivered && old.asked != work.asked {
            // Asked for again while this attempt was under way: that stands.
            next_at_ms = Some(old.at_ms);
        } else {
            if is_pending {
                let key = keys::due(endpoint, old.at_ms, sequence);
                batch.remove(&self.spaces.due, key);
            }
            let state = State {
                status,
                attempts,
                at_ms: next_at_ms.unwrap_or_else(|| self.clock.now_ms()),
                ..old
            };
            if status == DeliveryStatus::Pending {
                let key = keys::due(endpoint, state.at_ms, sequence);
                batch.insert(&self.spaces.due, key, []);
            }
            let key = keys::state(sequence, endpoint);
            batch.insert(&self.spaces.states, key, self.encode(&state)?);
        }
        let entry = Delivery {
            id: random_id("del_")?,
            endpoint_id: work.endpoint_id.clone(),
            event_id: work.event_id.clone(),
            kind: work.kind,
            url: work.url.clone(),
            attempt: attempts,
            at_ms: outcome.at_ms,
            response_code: outcome.response_code,
            error: outcome.error,
            next_at_ms,
        };
        let key = keys::log(endpoint, log.next_entry);
        batch.insert(&self.spaces.log, key, self.encode(&entry)?);
        let have = log.entries.get(&endpoint).copied().unwrap_or(0) + 1;
        let surplus = have.saturating_sub(self.config.log_entries_max.max(1));
        let oldest = self.spaces.log.prefix(endpoint.to_be_bytes());
        for item in oldest.take(usize::try_from(surplus).unwrap_or(usize::MAX)) {
            let key = item.key().map_err(self.failed("reading"))?;
            batch.remove(&self.spaces.log, key);
        }
        self.commit(batch)?;
        log.next_entry += 1;
        log.entries.insert(endpoint, have - surplus);
        Ok(())
    }

    /// Delivers an event again, now: to one endpoint, or to all that it went to. One that is still
    /// waiting is brought forward. Returns how many deliveries will be made.
    ///
    /// # Errors
    /// The client has no such event or endpoint.
    pub fn redeliver(
        &self,
        client: &str,
        event_id: &str,
        endpoint_id: Option<&str>,
    ) -> Result<usize, WebhooksError> {
        let endpoints = self.endpoints.read();
        let (sequence, event) = self.find_event(client, event_id)?;
        let chosen: Vec<u32> = match endpoint_id {
            Some(id) => vec![endpoints.find(client, id)?.number],
            None => {
                let mut numbers = self.states_of(sequence)?;
                numbers.retain(|(number, _)| endpoints.by_number.contains_key(number));
                match numbers.is_empty() {
                    false => numbers.into_iter().map(|(number, _)| number).collect(),
                    // It came when nobody wanted it.
                    true => {
                        let all = endpoints.of(client);
                        let wanting = all.filter(|endpoint| endpoint.wants(event.kind));
                        wanting.map(|endpoint| endpoint.number).collect()
                    }
                }
            }
        };
        let log = self.log.lock();
        let now_ms = self.clock.now_ms();
        let mut batch = self.synced();
        for number in &chosen {
            let mut state = State::due_now(now_ms);
            if let Some(old) = self.state(sequence, *number)? {
                state.asked = old.asked.saturating_add(1);
                if old.status == DeliveryStatus::Pending {
                    let key = keys::due(*number, old.at_ms, sequence);
                    batch.remove(&self.spaces.due, key);
                }
            }
            let key = keys::state(sequence, *number);
            batch.insert(&self.spaces.states, key, self.encode(&state)?);
            let key = keys::due(*number, state.at_ms, sequence);
            batch.insert(&self.spaces.due, key, []);
        }
        self.commit(batch)?;
        drop(log);
        self.mark_changed(chosen.iter().copied());
        Ok(chosen.len())
    }

    pub(super) fn state(
        &self,
        sequence: u64,
        endpoint: u32,
    ) -> Result<Option<State>, WebhooksError> {
        let value = self.read(&self.spaces.states, keys::state(sequence, endpoint))?;
        value
            .map(|value| self.decode(&value, "the state of a delivery"))
            .transpose()
    }

    /// The states of all deliveries of an event, by endpoint.
    pub(super) fn states_of(&self, sequence: u64) -> Result<Vec<(u32, State)>, WebhooksError> {
        let items = self.spaces.states.prefix(sequence.to_be_bytes());
        let states = items.map(|item| {
            let (key, value) = item.into_inner().map_err(self.failed("reading"))?;
            let number = keys::endpoint_of_state(&key).ok_or_else(|| self.damaged("a key"))?;
            Ok((number, self.decode(&value, "the state of a delivery")?))
        });
        states.collect()
    }

    pub(super) fn stored(&self, sequence: u64) -> Result<Option<Stored>, WebhooksError> {
        let value = self.read(&self.spaces.events, sequence.to_be_bytes())?;
        value
            .map(|value| self.decode(&value, "an event"))
            .transpose()
    }

    pub(super) fn find_event(
        &self,
        client: &str,
        id: &str,
    ) -> Result<(u64, Stored), WebhooksError> {
        let not_found = || WebhooksError::NotFound {
            what: "event",
            id: id.chars().take(100).collect(),
        };
        // The library takes no empty keys and none above 64 KiB.
        if id.is_empty() || id.len() > 100 {
            return Err(not_found());
        }
        let place = self
            .read(&self.spaces.event_ids, id)?
            .ok_or_else(not_found)?;
        let sequence = self.number(keys::tail(&place))?;
        match self.stored(sequence)? {
            Some(event) if event.client == client => Ok((sequence, event)),
            _ => Err(not_found()),
        }
    }
}
