//! Lists for clients.

use super::record::{Delivery, DeliveryState, DeliveryStatus, Stored};
use super::{Endpoints, WebhookStore, keys};
use crate::webhooks::error::WebhooksError;
use crate::webhooks::event::{Event, EventKind};
use crate::webhooks::page::{Page, PageOf, Wanted, paged};

/// Which events are wanted; what is absent does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of this type.
    pub kind: Option<EventKind>,
    /// That go to this endpoint.
    pub endpoint_id: Option<String>,
    /// `true`: all deliveries were made; `false`: at least one was not, or not yet.
    pub delivery_success: Option<bool>,
}

/// Which entries of the log are wanted; what is absent does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Of events of this type.
    pub kind: Option<EventKind>,
    /// To this endpoint.
    pub endpoint_id: Option<String>,
    /// That succeeded, or did not.
    pub delivery_success: Option<bool>,
}

impl WebhookStore {
    /// One event.
    ///
    /// # Errors
    /// The client has none of this id.
    pub fn event(&self, client: &str, id: &str) -> Result<Event, WebhooksError> {
        let endpoints = self.endpoints.read();
        let (sequence, stored) = self.find_event(client, id)?;
        self.with_deliveries(&endpoints, sequence, stored)
    }

    /// The client's events, newest first.
    ///
    /// # Errors
    /// The page, or the disk.
    pub fn events(
        &self,
        client: &str,
        filter: &EventFilter,
        page: &Page,
    ) -> Result<PageOf<Event>, WebhooksError> {
        let endpoints = self.endpoints.read();
        paged(page, |wanted| {
            let low = keys::client_event(client, wanted.from);
            let high = keys::client_event(client, wanted.to);
            let mut found = Vec::new();
            for item in directed(self.spaces.client_events.range(low..=high), wanted) {
                let key = item.key().map_err(self.failed("reading"))?;
                let sequence = self.number(keys::tail(&key))?;
                // Removed between the two look-ups.
                let Some(stored) = self.stored(sequence)? else {
                    continue;
                };
                if filter.kind.is_some_and(|kind| kind != stored.kind) {
                    continue;
                }
                let event = self.with_deliveries(&endpoints, sequence, stored)?;
                if filter.takes(&event) {
                    found.push((sequence, event));
                }
                if found.len() == wanted.count {
                    break;
                }
            }
            Ok(found)
        })
    }

    /// The log of attempts to the client's endpoints, newest first.
    ///
    /// # Errors
    /// The page, or the disk. An endpoint that the client does not have has no entries.
    pub fn deliveries(
        &self,
        client: &str,
        filter: &DeliveryFilter,
        page: &Page,
    ) -> Result<PageOf<Delivery>, WebhooksError> {
        let endpoints = self.endpoints.read();
        let numbers: Vec<u32> = endpoints
            .of(client)
            .filter(|record| {
                filter
                    .endpoint_id
                    .as_ref()
                    .is_none_or(|id| *id == record.id)
            })
            .map(|record| record.number)
            .collect();
        paged(page, |wanted| {
            let mut found = Vec::new();
            for number in numbers {
                found.extend(self.log_of(number, filter, wanted)?);
            }
            found.sort_by_key(|(entry, _)| *entry);
            if wanted.newest_first {
                found.reverse();
            }
            found.truncate(wanted.count);
            Ok(found)
        })
    }

    fn log_of(
        &self,
        number: u32,
        filter: &DeliveryFilter,
        wanted: Wanted,
    ) -> Result<Vec<(u64, Delivery)>, WebhooksError> {
        let low = keys::log(number, wanted.from);
        let high = keys::log(number, wanted.to);
        let mut found = Vec::new();
        for item in directed(self.spaces.log.range(low..=high), wanted) {
            let (key, value) = item.into_inner().map_err(self.failed("reading"))?;
            let delivery: Delivery = self.decode(&value, "an entry of the log")?;
            let is_taken = filter.kind.is_none_or(|kind| kind == delivery.kind)
                && filter
                    .delivery_success
                    .is_none_or(|success| success == delivery.is_success());
            if is_taken {
                found.push((self.number(keys::tail(&key))?, delivery));
            }
            if found.len() == wanted.count {
                break;
            }
        }
        Ok(found)
    }

    fn with_deliveries(
        &self,
        endpoints: &Endpoints,
        sequence: u64,
        stored: Stored,
    ) -> Result<Event, WebhooksError> {
        let states = self.states_of(sequence)?;
        let deliveries = states.into_iter().filter_map(|(number, state)| {
            Some(DeliveryState {
                endpoint_id: endpoints.by_number.get(&number)?.id.clone(),
                status: state.status,
                attempts: state.attempts,
                at_ms: state.at_ms,
            })
        });
        Ok(Event {
            deliveries: deliveries.collect(),
            id: stored.id,
            client: stored.client,
            kind: stored.kind,
            object_id: stored.object_id,
            created_at_ms: stored.created_at_ms,
            body: stored.body,
        })
    }
}

impl EventFilter {
    fn takes(&self, event: &Event) -> bool {
        let goes_to = |id: &String| event.deliveries.iter().any(|d| d.endpoint_id == *id);
        let delivered = || {
            let mut all = event.deliveries.iter();
            all.all(|d| d.status == DeliveryStatus::Delivered)
        };
        self.endpoint_id.as_ref().is_none_or(goes_to)
            && self
                .delivery_success
                .is_none_or(|success| success == delivered())
    }
}

fn directed(
    items: impl DoubleEndedIterator<Item = fjall::Guard> + 'static,
    wanted: Wanted,
) -> Box<dyn Iterator<Item = fjall::Guard>> {
    match wanted.newest_first {
        true => Box::new(items.rev()),
        false => Box::new(items),
    }
}
